"""Writing further revisions of a PDF, proper and improper ones, and signing by hand.

updated(pdf, {4: stream(b"...")})                      # a proper one
updated(pdf, {4: stream(b"...")}, style=Style.STREAM)  # with a cross-reference stream
changed(pdf, {3: {"/Rotate": b"90"}})                  # a page turned: some keys, the rest as it was
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from io import BytesIO

import pikepdf
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from tests.pki import Credential

Span = tuple[int, ...]
_CONTENTS = re.compile(rb"/Contents *<([0-9a-fA-F]{200,})>")


class Style(Enum):
    """How a revision is written down."""

    TABLE = "table"
    STREAM = "stream"
    PACKED = "packed"  # the objects in an object stream


def updated(
    pdf: bytes,
    objects: Mapping[int, bytes],
    *,
    free: Iterable[int] = (),
    generations: Mapping[int, int] | None = None,
    trailer: bytes = b"",
    root: bytes = b"",
    prev: int | None = None,
    style: Style = Style.TABLE,
) -> bytes:
    """*pdf* with one more revision, in which *objects* are added or replaced and *free* are freed.

    *trailer* is written into the new trailer besides what must stand there; *root* instead of the old root.
    """
    generations = generations or {}
    with opening(pdf) as opened:
        root = root or b"%d %d R" % opened.Root.objgen
        size = max(int(opened.trailer["/Size"]), max([*objects, *free], default=0) + 1)
        info = b"/Info %d %d R " % opened.trailer["/Info"].objgen if "/Info" in opened.trailer else b""
    body = bytearray(pdf if pdf.endswith((b"\n", b"\r")) else pdf + b"\n")
    start = start_of(pdf) if prev is None else prev
    entries = b"/Root %s %s/Prev %d %s" % (root, b"" if b"/Info" in trailer else info, start, trailer)
    if style is Style.TABLE:
        table = b""
        for number in sorted({*objects, *free}):
            if number in objects:
                table += b"%d 1\n%010d %05d n \n" % (number, len(body), generations.get(number, 0))
                body += b"%d %d obj\n%s\nendobj\n" % (number, generations.get(number, 0), objects[number])
            else:
                table += b"%d 1\n0000000000 %05d f \n" % (number, generations.get(number, 1))
        at = len(body)
        body += b"xref\n%strailer\n<< /Size %d %s >>\n" % (table or b"0 0\n", size, entries)
    else:
        at = _with_stream(body, objects, free, size, entries, is_packed=style is Style.PACKED)
    return bytes(body) + b"startxref\n%d\n%%%%EOF\n" % at


def _with_stream(
    body: bytearray,
    objects: Mapping[int, bytes],
    free: Iterable[int],
    size: int,
    entries: bytes,
    *,
    is_packed: bool,
) -> int:
    rows: dict[int, bytes] = {number: b"\x00" + bytes(4) + b"\x01" for number in free}
    packed = {n: one for n, one in objects.items() if is_packed and b"stream" not in one}
    if packed:
        head, content = b"", b""
        for index, (number, one) in enumerate(packed.items()):
            head += b"%d %d " % (number, len(content))
            content += one + b" "
            rows[number] = b"\x02" + size.to_bytes(4, "big") + bytes((index,))
        rows[size] = b"\x01" + len(body).to_bytes(4, "big") + b"\x00"
        kind = b"/Type /ObjStm /N %d /First %d" % (len(packed), len(head))
        body += b"%d 0 obj\n%s\nendobj\n" % (size, stream(head + content, kind))
        size += 1
    for number, one in objects.items():
        if number not in packed:
            rows[number] = b"\x01" + len(body).to_bytes(4, "big") + b"\x00"
            body += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    at = len(body)
    rows[size] = b"\x01" + at.to_bytes(4, "big") + b"\x00"
    index_entry = b" ".join(b"%d 1" % number for number in sorted(rows))
    kind = b"/Type /XRef /Size %d /W [1 4 1] /Index [%s] %s" % (size + 1, index_entry, entries)
    table = b"".join(rows[number] for number in sorted(rows))
    body += b"%d 0 obj\n%s\nendobj\n" % (size, stream(table, kind))
    return at


def opening(pdf: bytes) -> pikepdf.Pdf:
    """*pdf* as it is: pages keep inheriting what they inherit."""
    return pikepdf.open(BytesIO(pdf), inherit_page_attributes=False)


def changed(
    pdf: bytes,
    changes: Mapping[int, Mapping[str, bytes | None]],
    objects: Mapping[int, bytes] | None = None,
    *,
    style: Style = Style.TABLE,
) -> bytes:
    """*pdf* with one more revision in which some keys of some objects are others (``None`` takes a key away)."""
    new = {number: with_keys(pdf, number, keys) for number, keys in changes.items()}
    return updated(pdf, new | dict(objects or {}), style=style)


def with_keys(pdf: bytes, number: int, keys: Mapping[str, bytes | None]) -> bytes:
    """Object *number* as it is written, with *keys* instead of its own."""
    with opening(pdf) as opened:
        one = opened.get_object(number, 0)
        is_stream = isinstance(one, pikepdf.Stream)
        held = one.stream_dict if is_stream else one
        parts = {
            key: held[key].unparse() if _is_object(held[key]) else _plain(held, key) for key in _keys(held)
        }
        content = one.read_raw_bytes() if is_stream else b""
    for key, value in keys.items():
        if value is None:
            parts.pop(key, None)
        else:
            parts[key] = value
    written = b"<< %s >>" % b" ".join(b"%s %s" % (key.encode(), value) for key, value in parts.items())
    return written + b"\nstream\n%s\nendstream" % content if is_stream else written


def _keys(held: pikepdf.Object) -> list[str]:
    return list(held.as_dict())


def _is_object(value: object) -> bool:
    return isinstance(value, pikepdf.Object)


def _plain(held: pikepdf.Object, key: str) -> bytes:
    # numbers and booleans come as Python's own
    return (
        pikepdf.Dictionary({key: held[key]}).unparse().split(key.encode(), 1)[1].rsplit(b">>", 1)[0].strip()
    )


def value_of(pdf: bytes, number: int, key: str) -> bytes:
    """What is written under *key* of object *number*."""
    with opening(pdf) as opened:
        held = opened.get_object(number, 0)
        return held[key].unparse() if _is_object(held[key]) else _plain(held, key)


def numbers(pdf: bytes, wanted: Callable[[pikepdf.Object], bool]) -> list[int]:
    """The numbers of the objects that are *wanted*."""
    with opening(pdf) as opened:
        return [
            one.objgen[0]
            for one in opened.objects
            if isinstance(one, pikepdf.Dictionary | pikepdf.Stream) and wanted(one)
        ]


def number_of_field(pdf: bytes, name: str) -> int:
    """The number of the field called *name*."""
    (found,) = numbers(pdf, lambda one: str(one.get("/T", "")) == name)
    return found


def number_of_signature(pdf: bytes, field: str) -> int:
    """The number of the signature dictionary of the field called *field*."""
    return int(value_of(pdf, number_of_field(pdf, field), "/V").split()[0])


def size_of(pdf: bytes) -> int:
    """The first number that no object has."""
    with opening(pdf) as opened:
        return int(opened.trailer["/Size"])


def start_of(pdf: bytes) -> int:
    """Where the last cross-reference section begins."""
    return int(pdf.rpartition(b"startxref")[2].split()[0])


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A stream object's body."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)


def text(words: bytes, *, x: int = 72, y: int = 720, size: int = 18) -> bytes:
    """Page content that shows *words*."""
    return b"BT /F1 %d Tf %d %d Td (%s) Tj ET" % (size, x, y, words)


def form_xobject(content: bytes, width: int = 595, height: int = 842) -> bytes:
    """A form XObject as appearances are made of."""
    entries = b"/Type /XObject /Subtype /Form /BBox [0 0 %d %d] /Resources << /Font << /F1 5 0 R >> >>"
    return stream(content, entries % (width, height))


def cms_of(data: bytes, credential: Credential, *, is_detached: bool = True) -> bytes:
    """A true CMS signature over *data*."""
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
    if is_detached:
        options.append(pkcs7.PKCS7Options.DetachedSignature)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(data)
    builder = builder.add_signer(credential.certificate, credential.key, hashes.SHA256())
    for above in credential.above:
        builder = builder.add_certificate(above)
    return builder.sign(Encoding.DER, options)


ROOM = 8192
"""Bytes that ``prepared`` leaves for a CMS object."""

BLANK_RANGE = b"/ByteRange [0 ********** ********** **********]"


def prepared(
    pdf: bytes,
    *,
    field: str = "Hand",
    entries: bytes = b"/SubFilter /adbe.pkcs7.detached",
    contents: bytes = b"",
    widget: bytes = b"/Rect [0 0 0 0] /F 132",
    more: Mapping[int, bytes] | None = None,
) -> bytes:
    """*pdf* with one more revision that has a signature field (invisible) and a signature to be filled in.

    *more* are further objects of that revision; the field is the first new number, its signature the next.
    """
    number = size_of(pdf)
    contents = contents or b"/Contents <%s>" % (b"0" * 2 * ROOM)
    with opening(pdf) as opened:
        first = opened.Root["/Pages"]["/Kids"][0]
        root, page = opened.Root.objgen[0], first.objgen[0]
        form = opened.Root.get("/AcroForm")
        fields = [one.unparse() for one in form["/Fields"]] if form is not None else []
        annots = [one.unparse() for one in first.get("/Annots", [])]
        form_parts = b"" if form is None else _but_fields(form)
    own = b"%d 0 R" % number
    return updated(
        pdf,
        {
            root: with_keys(
                pdf,
                root,
                {"/AcroForm": b"<< %s /SigFlags 3 /Fields [%s] >>" % (form_parts, b" ".join([*fields, own]))},
            ),
            page: with_keys(pdf, page, {"/Annots": b"[%s]" % b" ".join([*annots, own])}),
            number: b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (%s) %s /P %d 0 R /V %d 0 R >>"
            % (field.encode(), widget, page, number + 1),
            number + 1: b"<< /Type /Sig /Filter /Adobe.PPKLite %s %s %s >>"
            % (entries, BLANK_RANGE, contents),
        }
        | dict(more or {}),
    )


def _but_fields(form: pikepdf.Object) -> bytes:
    kept = [key for key in _keys(form) if key not in ("/Fields", "/SigFlags")]
    return b" ".join(
        b"%s %s" % (key.encode(), form[key].unparse() if _is_object(form[key]) else _plain(form, key))
        for key in kept
    )


def signed_by_hand(
    pdf: bytes,
    credential: Credential,
    *,
    change: Callable[[Span], Span] = lambda span: span,
    written: Callable[[Span], bytes] = lambda span: b"[%s]" % b" ".join(b"%d" % n for n in span),
    filled: Callable[[bytes], bytes] = lambda cms: cms,
    is_detached: bool = True,
    cms: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """What ``prepared`` left open is filled in: a true signature over what *change* makes of its byte range.

    *written* says how the range is put down (in the room that is there), *filled* what goes into the
    contents; *cms* makes another message than ours.
    """
    place = pdf.rindex(BLANK_RANGE)
    before, after = gap_of(pdf)
    span = change((0, before, after, len(pdf) - after))
    line = b"/ByteRange " + written(span)
    assert len(line) <= len(BLANK_RANGE)
    pdf = pdf[:place] + line.ljust(len(BLANK_RANGE)) + pdf[place + len(BLANK_RANGE) :]
    data = b"".join(pdf[at : at + length] for at, length in zip(span[::2], span[1::2], strict=False))
    message = cms(data) if cms is not None else cms_of(data, credential, is_detached=is_detached)
    digits = filled(message).hex().encode()
    room = after - before - 2
    assert len(digits) <= room
    return pdf[: before + 1] + digits.ljust(room, b"0") + pdf[after - 1 :]


def gap_of(pdf: bytes) -> tuple[int, int]:
    """Where the hex string of the last long /Contents begins and ends, brackets included."""
    found = list(_CONTENTS.finditer(pdf))[-1]
    return found.start(1) - 1, found.end(1) + 1


def byte_range(pdf: bytes) -> tuple[int, int, re.Match[bytes]]:
    """Second and third number of the last byte range, and where it is written."""
    found = list(re.finditer(rb"/ByteRange ?\[ ?0 (\d+) (\d+) (\d+) *\]", pdf))[-1]
    return int(found[1]), int(found[2]), found
