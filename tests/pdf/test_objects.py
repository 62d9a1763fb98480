"""Objects read at once are those that pyHanko reads byte by byte."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader

from adapters.pdf.objects import plain_object, trailer_at
from tests.signing.pdfs import a_pdf

ORDINARY = [
    b"<< /Type /Page /MediaBox [0 0 595.5 -842] /Parent 2 0 R >>",
    b"<</A/B/C[1 0 R/D(text)<feff00e9>true false null .5 5. -3]/E<</F 12 0 R>>>>",
    b"[ 1 2 3 [ ] << >> ]",
    b"<< /Contents <%s> /M (D:20260304080000+07'00') >>" % (b"30" * 4000),
    b"<< /V (a b\nc) /W <> /X () >>",
    b"<< /V (\\376\\377\\000N\\036\\305\\(\\)\\\\\\n\\r\\t\\b\\f8) >>",
    b"<< /Length 0 >>\nstream\n\nendstream",
    b"<</Length 9/Filter/X>>stream\r\n\n endobj \n\r\nendstream",
]
ODD = [
    b"<< /A 1 /A 2 >>",
    b"<< /A#42 1 >>",
    b"<< /A (a\\1b) >>",
    b"<< /A (a\\400b) >>",
    b"<< /A (a\\\nb) >>",
    b"<< /A (a\\qb) >>",
    b"<< /A (a\rb) >>",
    b"<< /A (a(b)c) >>",
    b"<< /A % comment\n 1 >>",
    b"<< /A <4 1> >>",
    b"<< /A 1  0 R >>",
    b"<< /A 1 0 Rx >>",
    b"<< /A --1 >>",
    b"<< 1 /A >>",
    b"<< /A >>",
    b"<< /A 1 ] >>",
    b"[ 1 >> ]",
    b"<< /A <414> >>",
    b"<< /Length 1 0 R >>\nstream\n\nendstream",
    b"<< /Length -1 >>\nstream\n\nendstream",
    b"<< /Length 1.0 >>\nstream\n\nendstream",
    b"<< /Length 3 >>\nstream\nabcdef\nendstream",
    b"<< /Length 90 >>\nstream\nabcdef\nendstream",
    b"<< /Length 3 >>\nstream \nabc\nendstream",
    b"<< /Length 3 >>\nstream\rabc\nendstream",
    b"<< /Length 3 >>\nstream\nabc % comment\nendstream",
    b"<< /A 1 >>\nstream\n\nendstream",
    b"[ ]\nstream\n\nendstream",
    b"[" * 64 + b"]" * 64,
    "<< /Ä 1 >>".encode("latin-1"),
]
_PARTS = (
    b"<<",
    b">>",
    b"[",
    b"]",
    b"/A",
    b"/B#20",
    b"1",
    b"0",
    b"R",
    b"-.5",
    b"(x)",
    b"(\\))",
    b"(\\0539\\)(",
    b"(\\53)",
    b"<41>",
    b"null",
    b"true",
    b" ",
    b"\n",
)


@pytest.mark.parametrize("body", ORDINARY)
def test_an_ordinary_object_is_read_at_once_and_is_the_same(body: bytes) -> None:
    found = at_once(body)
    assert found is not None
    assert seen(found) == seen(slowly(body))


@pytest.mark.parametrize("body", ODD)
def test_an_odd_object_is_left_to_pyhanko(body: bytes) -> None:
    assert at_once(body) is None


@given(some.lists(some.sampled_from(_PARTS), max_size=14))
def test_whatever_is_read_at_once_is_what_pyhanko_reads(parts: list[bytes]) -> None:
    body = b"<< /X " + b" ".join(parts) + b" >>"
    found = at_once(body)
    assert found is None or seen(found) == seen(slowly(body))


@pytest.mark.parametrize("header", [b"21 0 obj", b"20 1 obj", b"20  0 obj", b"20 0 objx"])
def test_a_header_that_is_not_the_one_asked_for_is_left_to_pyhanko(header: bytes) -> None:
    assert plain_object(header + b" << >> endobj\n", 0, generic.Reference(20)) is None


@given(
    some.binary(max_size=12), some.integers(-2, 14), some.sampled_from([b"\n", b"\r\n", b"\r", b" \n", b""])
)
def test_a_stream_that_is_read_at_once_is_what_pyhanko_reads(
    content: bytes, length: int, line: bytes
) -> None:
    body = b"<< /Length %d >>" % length + b"stream" + line + content + line + b"endstream"
    found = at_once(body)
    assert found is None or seen(found) == seen(slowly(body))


@pytest.mark.parametrize(
    "trailer", [b"<< /Size 6 /ID [<01ff> <>] /Root 1 0 R >>", b"<</Size 6/Root 1 0 R/X(a)>>"]
)
def test_a_trailer_is_read_at_once_and_is_the_same(trailer: bytes) -> None:
    pdf = PdfFileReader(BytesIO(a_pdf()))
    ref = generic.TrailerReference(pdf)  # type: ignore[no-untyped-call]  # pyHanko's
    found = trailer_at(trailer + b"\nstartxref\n", 0, ref, pdf)
    stock = generic.DictionaryObject.read_from_stream(BytesIO(trailer + b"\nstartxref\n"), ref)
    assert found is not None
    assert (list(found), repr(found)) == (list(stock), repr(stock))
    assert all(found.raw_get(key).container_ref is ref for key in found)


def test_what_follows_a_trailer_is_left_to_pyhanko() -> None:
    pdf = PdfFileReader(BytesIO(a_pdf()))
    ref = generic.TrailerReference(pdf)  # type: ignore[no-untyped-call]  # pyHanko's
    assert trailer_at(b"<< /Length 3 >>\nstream\nabc\nendstream startxref\n", 0, ref, pdf) is None


def at_once(body: bytes) -> generic.PdfObject | None:
    return plain_object(b"20 0 obj\n" + body + b"\nendobj\n", 0, generic.Reference(20))


def slowly(body: bytes) -> generic.PdfObject | None:
    """What stock pyHanko makes of it; ``None`` where it makes nothing."""
    try:
        reader = PdfFileReader(BytesIO(a_pdf(extra={20: body})), strict=False)
        found: generic.PdfObject = reader.get_object(generic.Reference(20, 0, reader))  # type: ignore[no-untyped-call]
    except PdfReadError:
        return None
    return found


def seen(found: generic.PdfObject | None) -> object:
    """All that can be told apart of an object, and whom it says it belongs to."""
    if found is None:
        return None
    holder = (found.container_ref.idnum, found.container_ref.generation)  # type: ignore[union-attr]
    if isinstance(found, generic.IndirectObject):
        return "reference", found.idnum, found.generation, holder
    if isinstance(found, generic.DictionaryObject):
        held = [(key, type(key), seen(found.raw_get(key))) for key in found]
        if isinstance(found, generic.StreamObject):
            return "stream", holder, held, found.encoded_data
        return "dictionary", holder, held
    if isinstance(found, generic.ArrayObject):
        return "array", holder, [seen(found.raw_get(index)) for index in range(len(found))]
    if isinstance(found, generic.TextStringObject | generic.ByteStringObject):
        return "string", holder, found.original_bytes
    if isinstance(found, generic.NullObject):
        return "null", holder
    return type(found), holder, repr(found)
