"""Files that others made: attacked, odd and valid ones.  Runs where the corpus lies beside the project."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from adapters.inspection.judge import Options, judge
from gateway.model.finding import Severity
from gateway.model.signature import Inspection, Verdict

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
ANYBODY = Options(unsafe_accept_any_signer=True)

# text drawn first and covered by a picture that waits to be taken away: asks for a look at page contents
_NOT_YET_WARNED = {
    "rub_hide_variant-1_hide-via-referenced-object_3_original-document-shadowed-signed.pdf",
}


def _rows() -> list[tuple[str, str]]:
    manifest = CORPUS / "manifest.csv"
    if not manifest.exists():
        return []
    with manifest.open(newline="") as file:
        return sorted({(row["file"], row["must"]) for row in csv.DictReader(file)})


@pytest.mark.parametrize(
    ("file", "must"), _rows() or [pytest.param("", "", marks=pytest.mark.skip("no corpus"))]
)
def test_every_file_of_the_corpus_is_judged_as_it_must_be(file: str, must: str) -> None:
    inspection = _judged(CORPUS / file)
    match must:
        case "valid":
            assert inspection.verdict is Verdict.VALID
        case "never-valid":
            assert inspection.verdict is not Verdict.VALID
        case "warn":
            is_warned = any(f.severity is Severity.WARNING for f in inspection.findings)
            assert is_warned is (Path(file).name not in _NOT_YET_WARNED)
        case "sign":
            assert inspection.verdict in (Verdict.UNSIGNED, Verdict.REFUSED)
            assert "pdf-unreadable" not in [f.code for f in inspection.findings]
        case _ if file.startswith("encrypted/"):
            assert [f.code for f in inspection.findings] == ["pdf-encrypted"]
        case _:
            assert inspection.verdict in Verdict
    assert inspection.elapsed_ms < 10_000


def _judged(path: Path) -> Inspection:
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            return judge(file.read(64 * 1024 * 1024), ANYBODY)
    return judge(path.read_bytes(), ANYBODY)
