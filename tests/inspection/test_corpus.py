"""The tool that judges a folder of other people's files, on a folder of ours and on the corpus beside the project."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.inspection.files import signed_by_leader
from tests.signing.pdfs import a_pdf
from tests.vectors import make_pdfs as vectors

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"


def _judged(folder: Path, report: Path) -> tuple[int, str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tools.corpus", str(folder), "--report", str(report)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout, json.loads(report.read_text(encoding="utf-8"))


def _lay(folder: Path, manifest: str) -> None:
    """A folder with one file of each kind, and *manifest* as Windows writes it."""
    (folder / "có dấu").mkdir()
    (folder / "có dấu" / "công văn.pdf").write_bytes(a_pdf())
    (folder / "signed.pdf").write_bytes(signed_by_leader())
    (folder / "flipped.pdf").write_bytes(vectors.bit_flipped(signed_by_leader()))
    (folder / "noted.pdf").write_bytes(vectors.annotation_added(signed_by_leader()))
    (folder / "locked.pdf").write_bytes(vectors.encrypted("secret"))
    with gzip.open(folder / "packed.pdf.gz", "wb") as packed:
        packed.write(a_pdf())
    (folder / "manifest.csv").write_bytes(b"\xef\xbb\xbf" + manifest.replace("\n", "\r\n").encode())


def test_a_folder_as_it_must_be_has_no_miss(tmp_path: Path) -> None:
    _lay(
        tmp_path,
        "file,category,must,expected,source\n"
        "có dấu/công văn.pdf,ordinary,sign,,somewhere\n"
        "packed.pdf.gz, ordinary ,sign\n"
        '"signed.pdf",signed,valid,"two, words",x,one column more\n'
        "flipped.pdf,attacked,never-valid\n"
        "flipped.pdf,attacked,never-valid\n"
        "noted.pdf,attacked,warn\n"
        "\n"
        "locked.pdf,odd,no-crash\n"
        "nowhere.pdf,odd,no-crash\n",
    )
    code, told, report = _judged(tmp_path, tmp_path / "report.json")
    assert code == 0, told
    assert (report["files"], report["misses"], report["absent"]) == (6, 0, 1)
    assert "ABSENT  nowhere.pdf" in told
    assert report["peak_mib"] > 20
    assert 0 < report["slowest_s"] < 10


def test_every_miss_is_told_by_name_with_its_reason(tmp_path: Path) -> None:
    missed = {
        "flipped.pdf,valid": "signature-broken",
        "signed.pdf,never-valid": "called valid",
        "signed.pdf,warn": "without a warning",
        "locked.pdf,sign": "pdf-encrypted",
        "signed.pdf,dance": "nobody knows",
    }
    _lay(tmp_path, "file,must\n" + "\n".join(missed))
    code, told, report = _judged(tmp_path, tmp_path / "report.json")
    assert (code, report["misses"]) == (1, len(missed))
    for demand, why in missed.items():
        file, _, must = demand.partition(",")
        (line,) = [one for one in told.splitlines() if one.startswith(f"MISS    {file} (must: {must})")]
        assert why in line


def test_a_folder_without_a_manifest_is_no_corpus(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.corpus", str(tmp_path)], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus does not lie beside the project")
def test_every_file_of_the_corpus_is_judged_as_it_must_be(tmp_path: Path) -> None:
    _, told, report = _judged(CORPUS, tmp_path / "report.json")
    misses = {result["file"] for result in report["results"] if result["why"]}
    assert not misses, told
    encrypted = [r for r in report["results"] if r["category"] == "encrypted"]
    assert all(r["findings"] == ["error pdf-encrypted"] for r in encrypted)
