"""The quick reader sees what pyHanko's own reader sees, in order and out of order."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as some
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import PdfFileReader

from adapters.pdf.reader import ContentsTooLong, QuickReader, long_hex_in
from tests.inspection.files import signed_and_sealed
from tests.signing.pdfs import a_hybrid_pdf, a_pdf
from tests.vectors.make_pdfs import revised

BASES = {
    "plain": a_pdf,
    "hybrid": a_hybrid_pdf,
    "signed twice": signed_and_sealed,
    "revised": lambda: revised(a_pdf(), {4: b"<< /Length 0 >>\nstream\n\nendstream"}),
    "in streams": lambda: _saved(object_stream_mode=pikepdf.ObjectStreamMode.generate),
    "linearised": lambda: _saved(linearize=True),
    "encrypted": lambda: _saved(encryption=pikepdf.Encryption(owner="", user="")),
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("base", BASES)
def test_both_readers_see_the_same(base: str, strict: bool) -> None:
    pdf = BASES[base]()
    assert seen(pdf, quick=True, strict=strict) == seen(pdf, quick=False, strict=strict)


@pytest.mark.parametrize("strict", [False, True])
@given(data=some.data())
def test_both_readers_say_the_same_of_what_is_broken(strict: bool, data: some.DataObject) -> None:
    pdf = BASES[data.draw(some.sampled_from(sorted(set(BASES) - {"encrypted"})))]()
    marks = [
        at
        for at in range(len(pdf))
        if pdf.startswith((b"xref", b"trailer", b"startxref", b"/W", b"/Index", b"/Prev", b"/Size"), at)
    ]
    at = data.draw(some.sampled_from(marks)) + data.draw(some.integers(0, 120))
    broken = pdf[:at] + data.draw(some.binary(max_size=4)) + pdf[at + data.draw(some.integers(0, 3)) :]
    assert seen(broken, quick=True, strict=strict) == seen(broken, quick=False, strict=strict)


def test_a_long_hex_string_is_the_same_string() -> None:
    digits = bytes(range(256)) * 40
    spaced = b" ".join(digits.hex().encode()[at : at + 64] for at in range(0, 2 * len(digits), 64))
    pdf = a_pdf(extra={20: b"<< /Type /Sig /Contents <%s> /Name (x) >>" % spaced})
    found = QuickReader(pdf).get_object(_ref(20))  # type: ignore[no-untyped-call]  # pyHanko's
    assert found["/Contents"] == digits
    assert found["/Name"] == "x"


@given(
    pieces=some.lists(
        some.one_of(
            some.binary(max_size=300),
            some.sampled_from([b"<", b">", b"<<", b">>", b"0123456789abcdef \n\x00" * 40]),
            some.builds(
                lambda length, digits: b"<" + (digits * length)[:length] + b">",
                some.sampled_from([0, 510, 511, 512, 513, 640, 1200]),
                some.sampled_from([b"0", b"a1 ", b"F\n\x00", b"7x"]),
            ),
        ),
        max_size=8,
    )
)
def test_long_hex_strings_are_found_wherever_they_begin(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    whole = re.compile(rb"<[0-9A-Fa-f\s\x00]{512,}>")
    assert list(long_hex_in(data)) == [found.span() for found in whole.finditer(data)]


def test_an_object_of_which_a_long_one_needs_the_length_is_found() -> None:
    body = b"<" + b"ab" * 600 + b"> Tj"
    pdf = a_pdf(extra={20: b"<< /Length 21 0 R >>\nstream\n%s\nendstream" % body, 21: b"%d" % len(body)})
    found = QuickReader(pdf).get_object(_ref(20))  # type: ignore[no-untyped-call]  # pyHanko's
    assert found.data == body


def test_a_hex_string_that_no_signature_needs_is_not_read() -> None:
    pdf = a_pdf(extra={20: b"<< /Contents <%s> >>" % (b"00" * 2000)})
    with pytest.raises(ContentsTooLong):
        QuickReader(pdf, contents_bytes=1000)


def seen(pdf: bytes, *, quick: bool, strict: bool) -> object:
    """Everything that the reader says of sections and trailers, or the kind of its error."""
    try:
        reader = QuickReader(pdf, strict=strict) if quick else PdfFileReader(BytesIO(pdf), strict=strict)
        sections = [
            (section.meta_info, _entries(section.xref_data)) for section in reader.xrefs._xref_sections
        ]
        return str(sections), reader.input_version, str(reader.trailer.flatten()), reader.last_startxref
    except Exception as exc:
        return type(exc)


def _entries(data: Any) -> tuple[object, ...]:
    hybrid = data.hybrid and (data.hybrid.meta_info, _entries(data.hybrid.xref_data))
    return (
        sorted(data.standard_xrefs.items()),
        sorted(data.freed.items()),
        sorted(data.explicit_refs_in_revision),
        sorted(data.xrefs_in_objstm.items(), key=lambda item: item[0]),
        sorted(data.obj_streams_used),
        str(hybrid),
    )


def _saved(**how: Any) -> bytes:
    with pikepdf.open(BytesIO(a_pdf())) as pdf:
        out = BytesIO()
        pdf.save(out, deterministic_id="encryption" not in how, **how)
        return out.getvalue()


def _ref(number: int) -> Any:
    return Reference(number)
