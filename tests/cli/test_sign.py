"""``vanthu sign``: what it seals, and how it says no."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pyhanko.sign.fields import MDPPerm

from tests.cli.conftest import ORGAN, Vanthu
from tests.inspection.files import made, signed_by_leader
from tests.pki import pki
from tests.signing.pdfs import a_pdf, signed
from tests.vectors import besides
from tests.vectors import make_pdfs as vectors


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "công văn.pdf"
    path.write_bytes(a_pdf())
    return path


def test_a_file_is_sealed_and_pdfsig_and_our_judge_believe_it(
    vanthu: Vanthu, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sealed.pdf"
    told = vanthu("sign", source, out, "--organ", ORGAN)
    assert told.code == 0
    assert "Đã đóng dấu · sealed" in told.out
    assert out.read_bytes().startswith(source.read_bytes())
    judged = subprocess.run(["pdfsig", "-nocert", str(out)], capture_output=True, text=True, check=False)
    assert "Signature is Valid." in judged.stdout
    assert '"verdict": "valid"' in vanthu("verify", out, "--json").out


def test_without_a_configuration_the_key_is_one_of_development_and_that_is_said_in_one_line(
    vanthu: Vanthu, source: Path, tmp_path: Path
) -> None:
    told = vanthu("sign", source, tmp_path / "sealed.pdf", "--organ", ORGAN)
    (line,) = told.err.splitlines()
    assert "khóa phát triển" in line
    assert "development key" in line


def test_a_file_may_take_the_place_of_its_unsealed_self(vanthu: Vanthu, source: Path) -> None:
    before = source.read_bytes()
    source.chmod(0o640)
    assert vanthu("sign", source, source, "--organ", ORGAN).code == 0
    assert source.read_bytes().startswith(before)
    assert stat.S_IMODE(source.stat().st_mode) == 0o640
    assert [path.name for path in source.parent.iterdir()] == [source.name]


def test_a_link_stays_a_link(vanthu: Vanthu, source: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.pdf"
    link.symlink_to(source)
    assert vanthu("sign", source, link, "--organ", ORGAN).code == 0
    assert link.is_symlink()
    assert b"/ByteRange" in source.read_bytes()


@pytest.mark.parametrize(
    ("made_by", "code"),
    [
        (a_pdf, ""),
        (vectors.xfa, "pdf-xfa"),
        (vectors.script_on_opening, "pdf-active-content"),
        (besides.stream_in_another_file, "pdf-external-content"),
        (vectors.embedded_file, "pdf-embedded-file"),
        (besides.hidden_layer, "pdf-hidden-content"),
    ],
)
def test_what_the_gateway_would_refuse_is_sealed_with_a_warning(
    vanthu: Vanthu, source: Path, tmp_path: Path, made_by: Callable[[], bytes], code: str
) -> None:
    source.write_bytes(made_by())
    out = tmp_path / "sealed.pdf"
    told = vanthu("sign", source, out, "--organ", ORGAN)
    assert told.code == 0
    assert b"ETSI.CAdES.detached" in out.read_bytes()
    warnings = [line for line in told.err.splitlines() if " pdf-" in line]
    assert len(warnings) == bool(code)
    for line in warnings:
        is_refused = code in ("pdf-xfa", "pdf-active-content", "pdf-external-content")
        assert ("the gateway would refuse it" in line, f"{code}:" in line) == (is_refused, True)


def test_the_configured_policy_is_the_one_that_warns(vanthu: Vanthu, source: Path, tmp_path: Path) -> None:
    source.write_bytes(vectors.embedded_file())
    config = tmp_path / "gateway.toml"
    config.write_text('[acceptance]\nembedded_files = "refuse"\n')
    told = vanthu("sign", source, tmp_path / "sealed.pdf", "--organ", ORGAN, "--config", config)
    assert (told.code, "the gateway would refuse it" in told.err) == (0, True)


def _certified() -> bytes:
    return made(signed(a_pdf(), pki().leader(), certify=MDPPerm.NO_CHANGES))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "pdf-unreadable"),
        (b"PK\x03\x04 no PDF at all", "pdf-unreadable"),
        (vectors.encrypted("secret"), "pdf-encrypted"),
        (vectors.encrypted(""), "pdf-encrypted"),
        (_certified, "seal-forbidden"),
        (vectors.deflate_bomb, "pdf-too-costly"),
    ],
    ids=["empty", "a ZIP", "encrypted", "encrypted without a password", "certified", "a bomb"],
)
def test_what_cannot_be_sealed_is_refused_in_both_languages_with_the_reason(
    vanthu: Vanthu, source: Path, tmp_path: Path, content: object, reason: str
) -> None:
    body = content() if callable(content) else content
    assert isinstance(body, bytes)
    source.write_bytes(body)
    told = vanthu("sign", source, tmp_path / "sealed.pdf", "--organ", ORGAN)
    assert told.code == 1
    (line,) = told.err.splitlines()
    assert line.startswith("vanthu: ")
    assert " · " in line
    assert f"[{reason}]" in line
    assert [path.name for path in tmp_path.iterdir()] == [source.name], "nothing is left behind"


def test_a_source_that_is_no_file_is_refused_without_waiting(
    vanthu: Vanthu, source: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.pdf"
    os.mkfifo(pipe)
    for odd in (tmp_path / "none.pdf", tmp_path, pipe, Path("/dev/zero")):
        told = vanthu("sign", odd, tmp_path / "sealed.pdf", "--organ", ORGAN)
        assert (told.code, "[file-unreadable]" in told.err) == (1, True), odd


def test_a_place_that_takes_no_file_is_refused_and_left_as_it_is(
    vanthu: Vanthu, source: Path, tmp_path: Path
) -> None:
    kept = source.read_bytes()
    for odd in (tmp_path / "missing" / "sealed.pdf", tmp_path, Path("/dev/null"), source / "below.pdf"):
        told = vanthu("sign", source, odd, "--organ", ORGAN)
        assert (told.code, "[file-unwritable]" in told.err) == (1, True), odd
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert source.read_bytes() == kept


def test_a_full_disk_leaves_the_old_file(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "sealed.pdf"
    out.write_bytes(b"the old one")
    # files of this process may have 16 KiB: as a disk that fills up while we write
    source.write_bytes(a_pdf(filler=100_000))
    var = tmp_path / "var"
    words = ["sign", str(source), str(out), "--organ", ORGAN, "--var", str(var)]
    code = (
        "import resource, signal, sys; from gateway.cli import obey\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))\n"
        "sys.exit(obey(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert (done.returncode, "[disk-full]" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert out.read_bytes() == b"the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, "sealed.pdf", "var"])


def test_control_c_waits_for_no_thread_that_is_lost_in_a_file() -> None:
    """The engine reads in a thread, which nobody can end."""
    code = (
        "import asyncio, time; from gateway.cli.options import run\n"
        "async def verb():\n"
        "    print('there', flush=True)\n"
        "    await asyncio.to_thread(time.sleep, 120)\n"
        "run(verb)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


def test_an_unknown_organ_has_no_seal(vanthu: Vanthu, source: Path, tmp_path: Path) -> None:
    told = vanthu("sign", source, tmp_path / "sealed.pdf", "--organ", "999.99.99.X99")
    assert (told.code, "[party-unknown]" in told.err) == (1, True)


def test_in_earnest_use_a_missing_key_is_not_made_up(vanthu: Vanthu, source: Path, tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("[signing]\ndevelopment = false\n")
    told = vanthu("sign", source, tmp_path / "sealed.pdf", "--organ", "000.00.16.H53", "--config", config)
    assert (told.code, "[seal-key-missing]" in told.err) == (1, True)


def test_a_key_whose_certificate_has_ended_seals_nothing(
    vanthu: Vanthu, source: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    pki().expired(ORGAN).write_pem(keys / f"{ORGAN}.pem")
    config = tmp_path / "gateway.toml"
    config.write_text(f'[signing]\nkeys = "{keys}"\n')
    out = tmp_path / "sealed.pdf"
    told = vanthu("sign", source, out, "--organ", ORGAN, "--config", config)
    assert (told.code, "[seal-certificate-expired]" in told.err) == (1, True)
    assert not out.exists()


def test_a_leaders_signature_stays_valid_under_the_seal(vanthu: Vanthu, source: Path, tmp_path: Path) -> None:
    source.write_bytes(signed_by_leader())
    out = tmp_path / "sealed.pdf"
    assert (
        vanthu("sign", source, out, "--organ", ORGAN, "--kind", "appendix", "--code", "517/QĐ-UBND").code == 0
    )
    judged = subprocess.run(["pdfsig", "-nocert", str(out)], capture_output=True, text=True, check=False)
    assert judged.stdout.count("Signature is Valid.") == 2


def test_keys_digest_and_padding_are_those_of_the_configuration(
    vanthu: Vanthu, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pki().agency(ORGAN, "UBND tỉnh").write_p12(tmp_path / "keys" / f"{ORGAN}.p12", b"open sesame")
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'[signing]\nkeys = "{tmp_path / "keys"}"\npassphrase = "env:VANTHU_TEST_PASSPHRASE"\n'
        'digest = "sha512"\nprefer_pss = true\n'
    )
    out = tmp_path / "sealed.pdf"
    refused = vanthu("sign", source, out, "--organ", ORGAN, "--config", config)
    assert refused.code == 2
    assert "VANTHU_TEST_PASSPHRASE" in refused.err
    monkeypatch.setenv("VANTHU_TEST_PASSPHRASE", "open sesame")
    assert vanthu("sign", source, out, "--organ", ORGAN, "--config", config).code == 0
    told = subprocess.run(["pdfsig", "-nocert", str(out)], capture_output=True, text=True, check=True).stdout
    assert "SHA-512" in told
    assert "Signature is Valid." in told
    scheme = bytes.fromhex("06092a864886f70d01010a")  # id-RSASSA-PSS
    assert scheme.hex().encode() in out.read_bytes()
