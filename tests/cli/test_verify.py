"""``vanthu verify``: one verdict per file and line, whatever the file is, and never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.cli.conftest import Told, Vanthu
from tests.inspection.files import signed_by_leader, write_root
from tests.pki import pki
from tests.signing.pdfs import a_pdf
from tests.vectors import make_pdfs as vectors

KEYS = ["file", "verdict", "signatures", "findings", "elapsed_ms"]
OF_A_SIGNATURE = [
    *("field", "signer", "sub_filter", "level", "indication"),
    *("sub_indication", "coverage", "changes", "signed_at"),
]


def _lines(told: Told) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.out.splitlines()]


@pytest.fixture
def signed_file(tmp_path: Path) -> Path:
    path = tmp_path / "signed.pdf"
    path.write_bytes(signed_by_leader())
    return path


def test_each_line_is_one_object_with_the_keys_of_the_contract(vanthu: Vanthu, signed_file: Path) -> None:
    told = vanthu("verify", signed_file, "--json", "--unsafe-accept-any-signer")
    (line,) = _lines(told)
    assert told.code == 0
    assert list(line) == KEYS
    assert (line["file"], line["verdict"]) == (str(signed_file), "valid")
    (signature,) = line["signatures"]
    assert list(signature) == OF_A_SIGNATURE
    assert all(list(finding) == ["code", "severity", "message"] for finding in line["findings"])


def test_many_files_are_answered_in_the_order_given(vanthu: Vanthu, tmp_path: Path) -> None:
    files = []
    for number in range(12):
        path = tmp_path / f"{number}.pdf"
        # the first of each pair takes much longer than what comes after it
        path.write_bytes(vectors.slow_to_read(1) if number == 0 else a_pdf())
        files.append(path)
    told = vanthu("verify", *files, "--json")
    assert [line["file"] for line in _lines(told)] == [str(path) for path in files]


def test_what_is_no_file_is_refused_with_a_reason_and_the_others_are_judged(
    vanthu: Vanthu, signed_file: Path, tmp_path: Path
) -> None:
    pipe, empty, huge = tmp_path / "pipe.pdf", tmp_path / "empty.pdf", tmp_path / "huge.pdf"
    os.mkfifo(pipe)
    empty.touch()
    with huge.open("wb") as file:
        file.truncate(1 << 30)
    odd = [tmp_path / "none.pdf", tmp_path, pipe, Path("/dev/zero"), empty, huge]
    told = vanthu("verify", *odd, signed_file, "--json", "--unsafe-accept-any-signer")
    lines = _lines(told)
    assert told.code == 1
    assert [line["verdict"] for line in lines] == ["refused"] * 6 + ["valid"]
    codes = [line["findings"][0]["code"] for line in lines[:6]]
    assert codes == ["file-unreadable"] * 4 + ["pdf-unreadable", "pdf-too-large"]


def test_a_runaway_is_ended_and_the_next_file_judged(vanthu: Vanthu, tmp_path: Path) -> None:
    runaway, plain, config = tmp_path / "runaway.pdf", tmp_path / "plain.pdf", tmp_path / "gateway.toml"
    runaway.write_bytes(vectors.slow_to_read())
    plain.write_bytes(a_pdf())
    config.write_text("[inspection]\ncpu_s = 1.0\nprocesses = 1\n")
    told = vanthu("verify", runaway, plain, "--json", "--config", config)
    lines = _lines(told)
    assert [line["verdict"] for line in lines] == ["refused", "unsigned"]
    assert lines[0]["findings"][0]["code"] == "pdf-too-costly"


def test_trust_may_be_a_folder_or_one_file(vanthu: Vanthu, signed_file: Path, tmp_path: Path) -> None:
    folder = write_root(tmp_path / "roots")
    for trust in (folder, folder / "root.pem"):
        (line,) = _lines(vanthu("verify", signed_file, "--json", "--trust", trust))
        assert line["verdict"] == "valid"
    single = tmp_path / "root.der"
    single.write_bytes(pki().root.public_bytes(Encoding.DER))
    assert _lines(vanthu("verify", signed_file, "--json", "--trust", single))[0]["verdict"] == "valid"


def test_trust_without_a_certificate_is_a_wrong_call(
    vanthu: Vanthu, signed_file: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for trust in (tmp_path / "none", empty, signed_file):
        told = vanthu("verify", signed_file, "--trust", trust)
        assert told.code == 2
        assert told.out == ""
        (line,) = told.err.splitlines()
        assert "--trust" in line
        assert " · " in line


def test_no_file_at_all_is_a_wrong_call(vanthu: Vanthu) -> None:
    told = vanthu("verify")
    assert told.code == 2
    assert "Traceback" not in told.err


def test_a_name_of_bytes_that_are_no_letters_comes_back_from_the_json(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/c\xf4ng v\xe3n.pdf"
    Path(os.fsdecode(name)).write_bytes(a_pdf())
    done = _process("verify", name, "--json", "--var", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert os.fsencode(json.loads(done.stdout.decode("utf-8"))["file"]) == name
    people = _process("verify", name, "--var", str(tmp_path))
    assert (people.returncode, people.stderr) == (0, b"")


def test_a_terminal_that_knows_no_vietnamese_still_gets_its_lines(tmp_path: Path, signed_file: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = _process("verify", os.fsencode(signed_file), "--json", "--var", str(tmp_path), env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("utf-8"))["verdict"] == "indeterminate"


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path, signed_file: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*_VANTHU, "verify", str(signed_file), "--json", "--var", str(tmp_path)],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_people_are_told_whose_signature_it_is_and_by_which_chain(
    vanthu: Vanthu, signed_file: Path, tmp_path: Path
) -> None:
    told = vanthu("verify", signed_file, "--trust", write_root(tmp_path / "roots"))
    assert told.code == 0
    assert f"{signed_file}: valid" in told.out
    (chain,) = [line for line in told.out.splitlines() if "chuỗi tin cậy · chain" in line]
    assert chain.count(" ← ") == 2
    assert "Nguyễn Văn A" in chain


def test_a_name_that_gives_orders_to_the_terminal_is_not_obeyed(vanthu: Vanthu, tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[2J\x9b31mb\nc.pdf"
    path.write_bytes(a_pdf())
    told = vanthu("verify", path)
    assert not {"\x1b", "\x9b"} & set(told.out)
    assert len(told.out.splitlines()) == 1


def test_control_c_ends_it_at_once_and_quietly(tmp_path: Path, signed_file: Path) -> None:
    runaway = tmp_path / "runaway.pdf"
    runaway.write_bytes(vectors.slow_to_read())
    process = subprocess.Popen(
        [*_VANTHU, "verify", str(signed_file), str(runaway), "--json", "--var", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["file"] == str(signed_file)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert b"Traceback" not in err


_VANTHU = [sys.executable, "-m", "gateway.cli"]


def _process(*words: str | bytes, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*_VANTHU, *words], capture_output=True, check=False, env=env)
