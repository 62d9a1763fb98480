"""Hostile and odd PDFs, made byte by byte, so that nobody need keep (or trust) a file that somebody sent.

    python -m tests.vectors.make_pdfs FOLDER      # writes every vector as a file

Signed vectors are attacks on a file that is handed in; the others need nothing.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path

import pikepdf

from tests.signing.pdfs import a_pdf
from tests.vectors.besides import BESIDES

SCRIPT = b"<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
_ACTION = b"<< /S /Launch /F (calc.exe) >>"


def plain() -> bytes:
    """A page with a line of text."""
    return a_pdf()


def script_on_opening() -> bytes:
    """JavaScript in the catalogue's /OpenAction."""
    return a_pdf(catalog=b"/OpenAction " + SCRIPT)


def script_in_names() -> bytes:
    """JavaScript in the names tree: it runs when the file is opened."""
    return a_pdf(
        catalog=b"/Names << /JavaScript 20 0 R >>", extra={20: b"<< /Names [(a) 21 0 R] >>", 21: SCRIPT}
    )


def script_of_an_annotation() -> bytes:
    """Additional actions of an annotation that no page leads to."""
    return a_pdf(
        extra={20: b"<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /AA << /E 21 0 R >> >>", 21: SCRIPT}
    )


def script_of_a_field() -> bytes:
    """A calculation in a form field."""
    field = b"<< /FT /Tx /T (sum) /AA << /C 21 0 R >> /Type /Annot /Subtype /Widget /Rect [0 0 9 9] >>"
    return a_pdf(catalog=b"/AcroForm << /Fields [20 0 R] >>", extra={20: field, 21: SCRIPT})


def script_spelt_oddly() -> bytes:
    """The same names, with letters written as #xx."""
    return a_pdf(catalog=b"/Open#41ction << /S /Java#53cript /#4a#53 (app.alert\\(1\\)) >>")


def script_nobody_refers_to() -> bytes:
    """JavaScript in an object that is only in the cross-reference table."""
    return a_pdf(extra={20: SCRIPT})


def script_in_an_object_stream() -> bytes:
    """JavaScript in a compressed object stream, behind a cross-reference stream."""
    with pikepdf.open(BytesIO(script_on_opening())) as pdf:
        out = BytesIO()
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate)
        return out.getvalue()


def launch() -> bytes:
    """A link that starts a program."""
    link = b"<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A " + _ACTION + b" >>"
    return a_pdf(extra={20: link})


def goes_to_a_page() -> bytes:
    """An /OpenAction that only turns to a page, as LibreOffice writes it: harmless."""
    return a_pdf(catalog=b"/OpenAction [3 0 R /XYZ null null 0]")


def goes_to_a_page_by_action() -> bytes:
    """The same as an action: harmless."""
    return a_pdf(catalog=b"/OpenAction << /S /GoTo /D [3 0 R /Fit] >>")


def embedded_file() -> bytes:
    """A file within the file."""
    return a_pdf(
        catalog=b"/Names << /EmbeddedFiles << /Names [(a.txt) 20 0 R] >> >>",
        extra={
            20: b"<< /Type /Filespec /F (a.txt) /EF << /F 21 0 R >> >>",
            21: b"<< /Type /EmbeddedFile /Length 2 >>\nstream\nhi\nendstream",
        },
    )


def xfa() -> bytes:
    """A form of the kind that only one maker's reader shows."""
    return a_pdf(
        catalog=b"/AcroForm << /Fields [] /XFA 20 0 R >>",
        extra={20: b"<< /Length 11 >>\nstream\n<xdp:xdp/>\n\nendstream"},
    )


def encrypted(password: str = "") -> bytes:
    """Encrypted with AES-256; by default it opens with an empty password."""
    with pikepdf.open(BytesIO(plain())) as pdf:
        out = BytesIO()
        pdf.save(out, encryption=pikepdf.Encryption(owner="owner", user=password))
        return out.getvalue()


def truncated() -> bytes:
    """The first two thirds of a file."""
    whole = a_pdf(filler=8000)
    return whole[: len(whole) * 2 // 3]


def no_pdf() -> bytes:
    """A spreadsheet's bytes, whatever its name may say."""
    return b"PK\x03\x04" + bytes(range(256)) * 8


def deflate_bomb(megabytes: int = 1024) -> bytes:
    """A content stream that unfolds to *megabytes* of zeros."""
    return a_pdf(extra={20: _deflated(b"/FlateDecode", zlib_bomb(megabytes))})


def deflate_bomb_in_hex(megabytes: int = 1024) -> bytes:
    """The same behind an ASCII filter."""
    return a_pdf(
        extra={20: _deflated(b"[/ASCIIHexDecode /FlateDecode]", zlib_bomb(megabytes).hex().encode() + b">")}
    )


def double_deflate_bomb(megabytes: int = 1024) -> bytes:
    """The same, deflated twice: a thousand bytes in the file."""
    return a_pdf(
        extra={20: _deflated(b"[/FlateDecode /FlateDecode]", zlib.compress(zlib_bomb(megabytes), 9))}
    )


def slow_to_read(streams: int = 60) -> bytes:
    """Streams that each unfold to just less than is allowed: half a second to a second of processor time apiece."""
    content = zlib_bomb(511) + bytes(20_000)
    return a_pdf(extra={100 + number: _deflated(b"/FlateDecode", content) for number in range(streams)})


@cache
def zlib_bomb(megabytes: int) -> bytes:
    """*megabytes* of zeros, deflated a piece at a time."""
    deflater = zlib.compressobj(9)
    piece = bytes(1 << 20)
    return b"".join(deflater.compress(piece) for _ in range(megabytes)) + deflater.flush()


def object_stream_bomb(megabytes: int = 2048) -> bytes:
    """An object stream that every reader must unfold: it takes memory, not only time."""
    body = bytearray(b"%PDF-1.5\n")
    offsets = {}
    for number, content in {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        6: _deflated(b"/FlateDecode /Type /ObjStm /N 1 /First 4", zlib_bomb(megabytes)),
    }.items():
        offsets[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(body)
    rows = bytearray(b"\x00" + bytes(5))
    for number in range(1, 8):
        if number == 3:
            rows += b"\x02" + (6).to_bytes(4, "big") + b"\x00"
        elif number == 7:
            rows += b"\x01" + start.to_bytes(4, "big") + b"\x00"
        elif number in offsets:
            rows += b"\x01" + offsets[number].to_bytes(4, "big") + b"\x00"
        else:
            rows += b"\x00" + bytes(5)
    body += b"7 0 obj\n<< /Type /XRef /Size 8 /W [1 4 1] /Root 1 0 R /Length %d >>\nstream\n" % len(rows)
    body += bytes(rows) + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % start
    return bytes(body)


def nesting_bomb(depth: int = 200_000) -> bytes:
    """An array in an array in an array."""
    return a_pdf(catalog=b"/Deep 20 0 R", extra={20: b"[" * depth + b"]" * depth})


def nesting_bomb_in_the_form(depth: int = 100_000) -> bytes:
    """The same where the fields of the form should be."""
    return a_pdf(catalog=b"/AcroForm << /Fields 20 0 R >>", extra={20: b"[" * depth + b"]" * depth})


def reference_loops() -> bytes:
    """A form whose field is its own kid, a page tree that bites its tail, and an object that is itself."""
    return a_pdf(
        catalog=b"/AcroForm << /Fields [20 0 R] >> /Outlines 22 0 R",
        extra={
            20: b"<< /T (a) /Kids [21 0 R 20 0 R] >>",
            21: b"<< /T (b) /Parent 20 0 R /Kids [20 0 R] >>",
            22: b"<< /First 22 0 R /Last 22 0 R /Next 22 0 R /Count 9 >>",
        },
    )


def page_tree_loop() -> bytes:
    """A page tree in which a node is its own grandchild."""
    return a_pdf(extra={2: b"<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 2 >>"})


def many_objects(count: int) -> bytes:
    """*count* small objects."""
    return a_pdf(extra=dict.fromkeys(range(100, 100 + count), b"<< /A [1 2 3] >>"))


def huge_contents(mebibytes: int) -> bytes:
    """A signature field whose /Contents has so many MiB of hex digits: a reader that goes byte by byte hangs."""
    return a_pdf(
        catalog=b"/AcroForm << /Fields [20 0 R] /SigFlags 3 >>",
        extra={
            20: b"<< /FT /Sig /T (s) /V 21 0 R /Type /Annot /Subtype /Widget /Rect [0 0 0 0] >>",
            21: b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached"
            b" /ByteRange [0 1 2 3] /Contents <" + b"30" * (mebibytes << 19) + b"> >>",
        },
    )


def empty_signature() -> bytes:
    """A signature that was announced and never made: its contents are zeros."""
    return a_pdf(
        catalog=b"/AcroForm << /Fields [20 0 R] /SigFlags 3 >>",
        extra={
            20: b"<< /FT /Sig /T (s) /V 21 0 R /Type /Annot /Subtype /Widget /Rect [0 0 0 0] >>",
            21: b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached"
            b" /ByteRange [0 9 20 9] /Contents <" + b"00" * 600 + b"> >>",
        },
    )


def unknown_kind_of_signature() -> bytes:
    """A signature of a kind that nobody makes any more."""
    return empty_signature().replace(b"/ETSI.CAdES.detached", b"/adbe.x509.rsa_sha1 ")


# --- attacks on a signed file -----------------------------------------------------------------------------


def bit_flipped(signed: bytes) -> bytes:
    """One bit of the page's text is another."""
    at = signed.index(b"Quyet dinh 517") + len(b"Quyet dinh 51")
    return signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]


def signature_flipped(signed: bytes) -> bytes:
    """One byte of the signature value is another."""
    contents = max(re.finditer(rb"/Contents <([0-9a-fA-F]+)>", signed), key=lambda found: len(found[1]))
    digits = contents[1].rstrip(b"0")
    at = contents.start(1) + len(digits) - 40
    return signed[:at] + (b"1" if signed[at : at + 1] != b"1" else b"2") + signed[at + 1 :]


def bytes_appended(signed: bytes) -> bytes:
    """A line after the end."""
    return signed + b"and a word more\n"


def blanks_appended(signed: bytes) -> bytes:
    """Line ends after the end, as mail programs leave them: harmless."""
    return signed + b"\r\n\r\n"


def objects_appended(signed: bytes) -> bytes:
    """Objects after the end without a cross-reference: readers that rebuild the table would show them."""
    return signed + (
        b"4 0 obj\n<< /Length 44 >>\nstream\nBT /F1 18 Tf 72 720 Td (Something else) Tj ET\nendstream\nendobj\n"
    )


def objects_appended_with_an_end(signed: bytes) -> bytes:
    """The same, closed by the old startxref, so that it looks like a revision."""
    start = int(signed.rpartition(b"startxref")[2].split()[0])
    return objects_appended(signed) + b"startxref\n%d\n%%%%EOF\n" % start


def page_replaced(signed: bytes) -> bytes:
    """A proper revision that exchanges what the page shows."""
    return revised(signed, {4: _stream(b"BT /F1 18 Tf 72 720 Td (Something else) Tj ET")})


def hole_filled(signed: bytes, number: int) -> bytes:
    """A proper revision that adds an object to which the signed file already referred in vain."""
    return revised(signed, {number: _stream(b"BT /F1 18 Tf 72 600 Td (Something more) Tj ET")})


def annotation_added(signed: bytes) -> bytes:
    """A proper revision that lays a note over the page."""
    with pikepdf.open(BytesIO(signed)) as pdf:
        page = pdf.pages[0]
        number = pdf.trailer["/Size"]
        annots = list(page.obj.get("/Annots", pikepdf.Array()))
        refs = b" ".join(b"%d %d R" % one.objgen for one in annots)
    note = b"<< /Type /Annot /Subtype /FreeText /Rect [0 0 595 842] /Contents (Void) /DA (/F1 9 Tf) >>"
    changed = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> /Annots [%s %d 0 R] >>" % (refs, number)
    )
    return revised(signed, {3: changed, int(number): note})


def revised(pdf: bytes, objects: Mapping[int, bytes]) -> bytes:
    """*pdf* with one more revision, in which *objects* are added or replaced."""
    start = int(pdf.rpartition(b"startxref")[2].split()[0])
    with pikepdf.open(BytesIO(pdf)) as opened:
        root = b"%d %d R" % opened.Root.objgen
        size = max(int(opened.trailer["/Size"]), max(objects) + 1)
    body = bytearray(pdf if pdf.endswith(b"\n") else pdf + b"\n")
    table = b""
    for number, content in sorted(objects.items()):
        table += b"%d 1\n%010d 00000 n \n" % (number, len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    at = len(body)
    body += b"xref\n" + table
    body += b"trailer\n<< /Size %d /Root %s /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (size, root, start, at)
    return bytes(body)


def _stream(content: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)


def _deflated(filters: bytes, content: bytes) -> bytes:
    return b"<< /Filter %s /Length %d >>\nstream\n%s\nendstream" % (filters, len(content), content)


UNSIGNED: Mapping[str, Callable[[], bytes]] = {
    maker.__name__: maker
    for maker in (
        plain,
        script_on_opening,
        script_in_names,
        script_of_an_annotation,
        script_of_a_field,
        script_spelt_oddly,
        script_nobody_refers_to,
        script_in_an_object_stream,
        launch,
        goes_to_a_page,
        goes_to_a_page_by_action,
        embedded_file,
        xfa,
        encrypted,
        truncated,
        no_pdf,
        deflate_bomb,
        deflate_bomb_in_hex,
        double_deflate_bomb,
        object_stream_bomb,
        nesting_bomb,
        nesting_bomb_in_the_form,
        reference_loops,
        page_tree_loop,
        empty_signature,
        unknown_kind_of_signature,
    )
}
"""The vectors that need no signature, by name."""


def main(folder: Path) -> None:
    """Write every vector that needs no signature into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, maker in {**UNSIGNED, **BESIDES}.items():
        (folder / f"{name}.pdf").write_bytes(maker())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
