"""What may come after a signature without harm, and what may not, one small revision at a time."""

from __future__ import annotations

from io import BytesIO

import pikepdf
import pytest

from adapters.inspection.judge import Options, judge
from gateway.model.signature import Inspection, Verdict
from tests.inspection.files import leader, made
from tests.signing.pdfs import a_pdf, signed
from tests.vectors.make_pdfs import revised
from tests.vectors.resign import resign

ANYBODY = Options(unsafe_accept_any_signer=True)
_TREE = b"/StructTreeRoot 20 0 R /MarkInfo << /Marked true >>"
_TAGGED = {
    20: b"<< /Type /StructTreeRoot /K 21 0 R /ParentTree 22 0 R /ParentTreeNextKey 1 >>",
    21: b"<< /Type /StructElem /S /P /P 20 0 R /K [0] /Pg 3 0 R >>",
    22: b"<< /Nums [0 23 0 R] >>",
    23: b"[21 0 R]",
}
_FIRST_FREE = 200


# --- the revision that a signature saw ----------------------------------------------------------------------


def test_a_linearised_file_that_was_signed_when_it_was_made_is_valid() -> None:
    whole = signed_as_one_linearised_file()
    assert whole.count(b"%%EOF") == 2
    assert verdict(whole) is Verdict.VALID


def test_what_comes_after_a_signed_linearised_file_is_still_seen() -> None:
    whole = signed_as_one_linearised_file()
    assert verdict(page_with(whole, {"/Rotate": b"90"})) is Verdict.INVALID


def test_a_place_behind_the_end_that_the_signed_table_names_is_never_filled() -> None:
    # the table says where object 50 will stand; nothing is there when it is signed
    beyond = 60_000
    there = a_pdf(catalog=b"/Later 50 0 R", extra={50: b"(I am not here yet)"})
    at = there.index(b"50 0 obj")
    end = there.index(b"endobj", at) + len(b"endobj")
    empty = (there[:at] + b" " * (end - at) + there[end:]).replace(b"%010d" % at, b"%010d" % beyond)
    first = made(signed(empty, leader()))
    assert verdict(first) is Verdict.VALID
    padded = first + b"%" * (beyond - len(first) - 1) + b"\n50 0 obj\n(Here I am)\nendobj\n"
    assert verdict(revised(padded, {_FIRST_FREE: b"null"})) is Verdict.INVALID


def test_a_signed_stream_that_runs_on_behind_the_signed_bytes_is_never_valid() -> None:
    length = 90_000
    open_ended = a_pdf(extra={60: b"<< /Length %d >>\nstream\nshort\nendstream" % length})
    first = made(signed(open_ended, leader()))
    assert verdict(revised(first, {_FIRST_FREE: b"null"})) is not Verdict.VALID


def test_objects_of_a_file_within_the_file_are_content() -> None:
    inner = a_pdf()
    paper = a_pdf(extra={60: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(inner), inner)})
    found = inspection(made(signed(paper, leader())))
    assert found.verdict is Verdict.VALID
    assert "signature-changes" not in [finding.code for finding in found.findings]


# --- the same, written otherwise ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"/MediaBox": b"[0.0 0.00 595.0 842]"},
        {"/Resources": b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"},
        {"/Tabs": b"/S"},
        {"/CropBox": None},
    ],
)
def test_the_same_page_written_otherwise_is_the_same_page(changed: dict[str, bytes | None]) -> None:
    assert verdict(page_with(made(signed(a_pdf(), leader())), changed)) is Verdict.VALID


@pytest.mark.parametrize(
    "changed",
    [
        {"/MediaBox": b"[0 0 595 841]"},
        {"/Resources": b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Courier >> >> >>"},
        {"/CropBox": b"[0 0 595 421]"},
        {"/Rotate": b"180"},
        {"/UserUnit": b"2"},
        {"/Contents": b"[4 0 R 4 0 R]"},
    ],
)
def test_another_page_is_another_page(changed: dict[str, bytes | None]) -> None:
    assert verdict(page_with(made(signed(a_pdf(), leader())), changed)) is Verdict.INVALID


def test_a_page_to_which_validation_data_lead_is_still_a_page() -> None:
    paper = a_pdf(catalog=b"/DSS << /CRLs [20 0 R] >>", extra={20: b"<< /Astray 3 0 R >>"})
    once = made(signed(paper, leader()))
    assert verdict(page_with(once, {"/Tabs": b"/S"})) is Verdict.VALID
    assert verdict(page_with(once, {"/Rotate": b"90"})) is Verdict.INVALID


# --- the structure tree -------------------------------------------------------------------------------------


def test_the_field_of_a_later_signature_may_enter_the_structure_tree() -> None:
    first = made(signed(a_pdf(catalog=_TREE, extra=_TAGGED), leader()))
    second = made(signed(first, leader(), field="Second"))
    entered = revised(
        second,
        {
            20: b"<< /Type /StructTreeRoot /K [21 0 R 201 0 R] /ParentTree 22 0 R /ParentTreeNextKey 2 >>",
            22: b"<< /Nums [0 23 0 R 1 201 0 R] >>",
            201: b"<< /Type /StructElem /S /Form /P 20 0 R /K << /Type /OBJR /Obj 24 0 R >> >>",
        },
    )
    assert verdict(entered) is Verdict.VALID


@pytest.mark.parametrize(
    "objects",
    [
        {21: b"<< /Type /StructElem /S /P /P 20 0 R /K [0] /Pg 3 0 R /ActualText (Refused) >>"},
        {21: b"<< /Type /StructElem /S /P /P 20 0 R /K [] /Pg 3 0 R >>"},
        {20: b"<< /Type /StructTreeRoot /ParentTree 22 0 R /ParentTreeNextKey 1 >>"},
        {22: b"<< /Nums [] >>"},
        {
            20: b"<< /Type /StructTreeRoot /K [21 0 R 201 0 R] /ParentTree 22 0 R /ParentTreeNextKey 1 >>",
            201: b"<< /Type /StructElem /S /P /P 20 0 R /K [0] /Pg 3 0 R /ActualText (Refused) >>",
        },
        {
            20: b"<< /Type /StructTreeRoot /K [201 0 R 21 0 R] /ParentTree 22 0 R /ParentTreeNextKey 1 >>",
            201: b"<< /Type /StructElem /S /P /P 20 0 R /K << /Type /MCR /MCID 0 /Pg 3 0 R >> >>",
        },
    ],
)
def test_what_is_read_out_may_not_change(objects: dict[int, bytes]) -> None:
    first = made(signed(a_pdf(catalog=_TREE, extra=_TAGGED), leader()))
    assert verdict(revised(first, objects)) is Verdict.INVALID


# --- making them --------------------------------------------------------------------------------------------


def signed_as_one_linearised_file() -> bytes:
    """A file whose only two sections are those of its linearisation, signed as a whole."""
    first = made(signed(a_pdf(), leader()))
    with pikepdf.open(BytesIO(first)) as pdf:
        out = BytesIO()
        pdf.save(out, linearize=True, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    return resign(out.getvalue(), leader())


def page_with(pdf: bytes, changed: dict[str, bytes | None]) -> bytes:
    """A later revision whose first page has *changed* entries."""
    with pikepdf.open(BytesIO(pdf), inherit_page_attributes=False) as opened:
        page = opened.pages[0].obj
        number = page.objgen[0]
        entries = {key: page.get(key).unparse() for key in page.keys()}  # noqa: SIM118 - pikepdf's
    kept = {key: value for key, value in (entries | changed).items() if value is not None}
    body = b" ".join(b"%s %s" % (key.encode(), value) for key, value in kept.items())
    return revised(pdf, {number: b"<< %s >>" % body})


def verdict(pdf: bytes) -> Verdict:
    """What we say of *pdf* where every signer is believed."""
    return inspection(pdf).verdict


def inspection(pdf: bytes) -> Inspection:
    return judge(pdf, ANYBODY)
