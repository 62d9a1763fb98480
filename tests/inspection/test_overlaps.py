"""What the picture of a later signature may lie upon, and what not."""

from __future__ import annotations

import pytest

from adapters.inspection.judge import Options, judge
from gateway.model.finding import Severity
from gateway.model.signature import Inspection, Verdict
from tests.inspection.files import leader, made
from tests.pki import pki
from tests.signing.pdfs import a_pdf, signed

ANYBODY = Options(unsafe_accept_any_signer=True)
NOTE = b"<< /Type /Annot /Subtype /FreeText /Rect [72 600 300 640] /Contents (5.000.000) /DA (/F1 9 Tf) >>"


@pytest.mark.parametrize("box", [(0, 0, 595, 842), (0, 0, 595, 500), (-4000, -4000, 4000, 4000)])
def test_a_later_signature_may_not_cover_the_page(box: tuple[int, int, int, int]) -> None:
    inspection = _signed_twice(a_pdf(), box)
    assert inspection.verdict is Verdict.INDETERMINATE
    assert ("signature-changes", Severity.WARNING) in _codes(inspection)


def test_a_later_signature_may_not_cover_what_was_written_in() -> None:
    paper = a_pdf(extra={3: _page(b"/Annots [20 0 R]"), 20: NOTE})
    assert _signed_twice(paper, (250, 590, 350, 690)).verdict is Verdict.INDETERMINATE
    assert _signed_twice(paper, (310, 590, 410, 690)).verdict is Verdict.VALID


def test_a_later_signature_over_an_earlier_one_is_told_and_valid() -> None:
    inspection = _signed_twice(a_pdf(), (80, 80, 180, 180))
    assert inspection.verdict is Verdict.VALID
    assert ("signature-overlaps", Severity.INFO) in _codes(inspection)
    assert not [code for code, severity in _codes(inspection) if severity is not Severity.INFO]


def test_signatures_beside_each_other_are_not_remarked_upon() -> None:
    assert "signature-overlaps" not in dict(_codes(_signed_twice(a_pdf(), (400, 80, 500, 180))))


def _signed_twice(pdf: bytes, box: tuple[int, int, int, int]) -> Inspection:
    """*pdf* with a leader's picture at (100, 100, 200, 150), and a later signature's at *box*."""
    first = made(signed(pdf, leader(), box=(100, 100, 200, 150)))
    agency = pki().agency("000.00.13.H53", "Sở Thông tin và Truyền thông")
    return judge(made(signed(first, agency, field="Seal", box=box)), ANYBODY)


def _page(more: bytes) -> bytes:
    return (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> %s >>" % more
    )


def _codes(inspection: Inspection) -> list[tuple[str, Severity]]:
    return [(finding.code, finding.severity) for finding in inspection.findings]
