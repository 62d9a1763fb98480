"""PDFs that are cheap to send and dear to judge for a reader that looks twice at the same thing.

    python -m tests.vectors.make_costly_pdfs FOLDER [NAME]      # writes every vector, or one, as a file

Each is signed by a key that is the same in every run (``tests.fuzz.forge``); unless its docstring says
otherwise, its signature is good.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fuzz.forge import hole, sign
from tests.signing.pdfs import a_pdf

_FORM = b"/AcroForm << /Fields [20 0 R] /SigFlags 3 >>"
_FIELD = b"<< /FT /Sig /T (a) /V 21 0 R /Type /Annot /Subtype /Widget /Rect [0 0 0 0] >>"


def heads_in_a_stream(count: int = 200_000) -> bytes:
    """The heads of objects, but no end of any, in the content of a stream."""
    return sign(a_pdf(catalog=_FORM, extra={20: _FIELD, 21: hole(), 30: _stream(b"1 0 obj " * count)}))


def ends_of_references(count: int = 400_000) -> bytes:
    """What may be the end of a reference with a comment in it, in the content of a stream; then a revision."""
    content = _stream(b" \nR" * count)
    return revised_again(sign(a_pdf(catalog=_FORM, extra={20: _FIELD, 21: hole(), 30: content})), 1)


def one_object_again_and_again(revisions: int = 400) -> bytes:
    """An object that no page leads to, defined anew by each of many revisions."""
    return revised_again(sign(a_pdf(catalog=_FORM, extra={20: _FIELD, 21: hole()})), revisions)


def many_signatures(count: int = 5000) -> bytes:
    """One signature to which many fields lead."""
    fields = b" ".join(b"<< /FT /Sig /T (a%d) /V 21 0 R >>" % number for number in range(count))
    return sign(a_pdf(catalog=b"/AcroForm << /Fields [%s] >>" % fields, extra={21: hole()}))


def hidden_behind_fields(count: int = 20_000) -> bytes:
    """A broken signature behind a good one and so many empty fields."""
    fields = b"[20 0 R %s 40 0 R]" % (b"<<>> " * count)
    broken = b"<< /FT /Sig /T (b) /V 41 0 R >>"
    extra = {20: _FIELD, 21: hole(), 22: fields, 40: broken, 41: hole()}
    signed = sign(a_pdf(catalog=b"/AcroForm << /Fields 22 0 R /SigFlags 3 >>", extra=extra))
    at = signed.rindex(b"/Contents <") + len(b"/Contents <")
    return signed[:at] + b"00" * 60 + signed[at + 120 :]


def names_within_names(depth: int = 15_000) -> bytes:
    """A field of a field of a field: its whole name has megabytes."""
    nodes = {100 + at: b"<< /T (%s) /Kids [%d 0 R] >>" % (b"a" * 200, 101 + at) for at in range(depth)}
    nodes |= {100 + depth: b"<< /FT /Sig /V 21 0 R >>", 21: hole()}
    return sign(a_pdf(catalog=b"/AcroForm << /Fields [100 0 R] >>", extra=nodes))


def packed_together(count: int = 3000, entries_each: int = 0) -> bytes:
    """So many fields in one object stream (30 KB), each with so many entries besides; nobody signed it."""
    besides = b"".join(b" /K%d %d" % (at, at) for at in range(entries_each))
    fields = b" ".join(b"%d 0 R" % number for number in range(10, 10 + count))
    packed = {
        1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [%s] >> >>" % fields,
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
    } | dict.fromkeys(range(10, 10 + count), b"<< /FT /Tx /T (x)%s >>" % besides)
    places, content = [], b""
    for number, text in packed.items():
        places.append(b"%d %d" % (number, len(content)))
        content += text + b"\n"
    head = b" ".join(places) + b" "
    entries = b"/Type /ObjStm /N %d /First %d /Filter /FlateDecode" % (len(packed), len(head))
    body, rows = bytearray(b"%PDF-1.5\n"), {0: b"\0\0\0\0\0\xff\xff"}
    rows |= {number: b"\2\0\0\0\6" + at.to_bytes(2, "big") for at, number in enumerate(packed)}
    rows[6] = b"\1" + len(body).to_bytes(4, "big") + b"\0\0"
    body += b"6 0 obj\n%s\nendobj\n" % _stream(zlib.compress(head + content), entries)
    rows[7] = b"\1" + len(body).to_bytes(4, "big") + b"\0\0"
    start, size = len(body), 10 + count
    table = b"".join(rows.get(number, bytes(7)) for number in range(size))
    entries = b"/Type /XRef /Size %d /W [1 4 2] /Root 1 0 R /Filter /FlateDecode" % size
    body += b"7 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (_stream(zlib.compress(table), entries), start)
    return bytes(body)


def ten_seconds_of_fields() -> bytes:
    """120 KB that take most of the ten seconds that one file may cost, within every bound: nothing is wrong with it."""
    return packed_together(10_000, 50)


def entries_that_lead_nowhere(count: int = 1_000_000) -> bytes:
    """A cross-reference stream (10 KB) with so many entries besides those that are needed; nobody signed it."""
    body, rows = bytearray(b"%PDF-1.5\n"), {0: b"\0\0\0\0\0\xff"}
    for number, text in {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>",
    }.items():
        rows[number] = b"\1" + len(body).to_bytes(4, "big") + b"\0"
        body += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    start = len(body)
    rows[4] = b"\1" + start.to_bytes(4, "big") + b"\0"
    table = b"".join(rows[number] for number in sorted(rows)) + bytes(6 * count)
    entries = b"/Type /XRef /Size %d /W [1 4 1] /Root 1 0 R /Filter /FlateDecode" % (5 + count)
    body += b"4 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (
        _stream(zlib.compress(table, 9), entries),
        start,
    )
    return bytes(body)


def names_that_nobody_should_print() -> bytes:
    """Fields and kinds of signature called by half a character, a control character, or text turned around."""
    fields = (
        b"<< /FT /Sig /T <FEFFD8000041> /V << /SubFilter /x >> >>"
        b" << /FT /Sig /T (a\\000\\033[2Jb) /V << /SubFilter /y#00#1b >> >>"
        b" << /FT /Sig /T <FEFF202E00660064007000> /V << /SubFilter /%s >> >>" % (b"z" * 5000)
    )
    return a_pdf(catalog=b"/AcroForm << /Fields [%s] >>" % fields)


def revised_again(pdf: bytes, revisions: int) -> bytes:
    """*pdf* with so many revisions, each of which defines object 99 anew."""
    body, previous = bytearray(pdf), int(pdf.rpartition(b"startxref")[2].split()[0])
    for number in range(revisions):
        at = len(body)
        body += b"99 0 obj\n<< /I %d >>\nendobj\n" % number
        xref = len(body)
        body += b"xref\n99 1\n%010d 00000 n \ntrailer\n<< /Size 100 /Root 1 0 R /Prev %d >>\n" % (
            at,
            previous,
        )
        body += b"startxref\n%d\n%%%%EOF\n" % xref
        previous = xref
    return bytes(body)


def _stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)


ALL: Mapping[str, Callable[[], bytes]] = {
    maker.__name__: maker
    for maker in (
        heads_in_a_stream,
        ends_of_references,
        one_object_again_and_again,
        many_signatures,
        hidden_behind_fields,
        names_within_names,
        packed_together,
        ten_seconds_of_fields,
        entries_that_lead_nowhere,
        names_that_nobody_should_print,
    )
}
"""Every vector by name."""


def main(folder: Path, *names: str) -> None:
    """Write every vector, or those of *names*, into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ALL:
        (folder / f"{name}.pdf").write_bytes(ALL[name]())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
