"""The fuzz harness in short: it finds what was planted, a run repeats itself, and a short one is clean.

``make fuzz`` does the same for minutes.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest
from asn1crypto import pem as asn1_pem

from adapters.inspection.judge import Options, judge
from adapters.signing.keys import load
from gateway.errors import Unavailable
from gateway.model.signature import Verdict
from tests.fuzz import __main__ as command
from tests.fuzz import bend_pdf, forge, overseer, seeds
from tests.fuzz.worker import Order

ANYBODY = Options(unsafe_accept_any_signer=True, moment=forge.NOW)


@pytest.mark.parametrize("plant", ["hang", "valid", "loss"])
def test_a_planted_fault_is_found(plant: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``make fuzz`` begins with these, and a hang in CMS and a crash besides."""
    assert command.plant_is_found(plant, tmp_path, seed=1), capsys.readouterr().out


def test_a_short_run_finds_nothing_and_says_what_it_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--no-plants", "--runs", "100", "--seed", "2", "--folder", str(tmp_path)]
    code, told = command.main(arguments), capsys.readouterr().out
    assert code == 0, told
    for target in command.TARGETS:
        assert re.search(rf"^{target} +100 ", told, re.MULTILINE), told
    for module in ("inspection.judge", "envelope.parse", "envelope.canonical"):
        assert re.search(rf"^adapters\.{re.escape(module)} +[1-9]\d* / \d+ ", told, re.MULTILINE), told


def test_the_same_seed_does_the_same(tmp_path: Path) -> None:
    orders = [Order(target="cms", folder=str(tmp_path / name), seed=3, runs=60) for name in ("a", "b")]
    one, other = (overseer.run([order]).tallies["cms"] for order in orders)
    assert one.outcomes == other.outcomes
    assert one.reached == other.reached


def test_a_saved_input_is_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "pdf-hang-0.bin"
    saved.write_bytes(seeds.signed_ones()[0])
    assert command.main(["--replay", str(saved), "--folder", str(tmp_path)]) == 0
    assert "1 run" in capsys.readouterr().out


def test_seeds_are_the_same_in_every_run_and_lead_to_every_verdict() -> None:
    made = [*seeds.signed_ones(), *seeds.ordinary()]
    assert {judge(pdf, ANYBODY).verdict for pdf in made} == set(Verdict)
    # a number that changes with whatever chance or clock gets into them
    assert sha256(seeds.signed_ones()[0]).hexdigest() == sha256(_once()).hexdigest()


def _once() -> bytes:
    forge.cms_over.cache_clear()
    return seeds.signed_ones()[0]


def test_whose_signature_it_is_is_seen_without_a_pdf_reader() -> None:
    signed = seeds.signed_ones()[0]
    assert forge.true_ends(signed) == [len(signed)]
    assert forge.true_ends(signed.replace(b"Quyet dinh 517", b"Quyet dinh 518")) == []


def test_a_bent_file_can_be_mended() -> None:
    """Without it nearly all bent files would fall at the first look, and nothing behind it would be reached."""
    bent = seeds.ordinary()[0].replace(b"(Quyet dinh 517)", b"(Quyet dinh so 517/QD)")
    assert [f.code for f in judge(bent, ANYBODY).findings] != []
    assert judge(bend_pdf.mended(bent), ANYBODY).findings == ()


# --- what was found ---------------------------------------------------------------------------------------


def test_a_key_whose_certificate_has_unreadable_extensions_cannot_be_used(tmp_path: Path) -> None:
    """Found by the target ``certificate``: a ValueError came out of ``load``."""
    path = tmp_path / "key.pem"
    path.write_bytes(_with_a_broken_extension(forge.leader().pem()))
    with pytest.raises(Unavailable) as caught:
        load(path)
    assert caught.value.reason == "seal-key-unusable"


def _with_a_broken_extension(pem: bytes) -> bytes:
    """The usage of the key is no bit string any more."""
    written = b""
    for kind, _, der in asn1_pem.unarmor(pem, multiple=True):
        der = der.replace(b"\x04\x04\x03\x02\x07\x80", b"\x04\x04\x02\x02\x07\x80")
        written += asn1_pem.armor(kind, der)
    return written
