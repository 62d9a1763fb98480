"""How a PDF is bent: objects, names, numbers, references, revisions, signatures.

Every function takes its chance from *chance* alone, so that the same seed gives the same inputs.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Sequence

from tests.fuzz import forge
from tests.fuzz.bend import blindly, der

Bend = Callable[[random.Random, bytes, Sequence[bytes]], bytes]

_OBJECT = re.compile(rb"(?<![0-9])(\d{1,7}) (\d{1,5}) obj\b(.*?)\bendobj", re.DOTALL)
_NUMBER = re.compile(rb"(?<![\w.#])-?\d{1,12}(?:\.\d+)?(?![\w.])")
_NAME = re.compile(rb"/[A-Za-z][\w.#]*")
_REFERENCE = re.compile(rb"\b(\d{1,7}) (\d{1,5}) R\b")
_LONG_HEX = re.compile(rb"<[0-9A-Fa-f]{512,}>")
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_SECTION = re.compile(rb"xref[\r\n]+((?:\d+ \d+ ?[\r\n]+(?:\d{10} \d{5} [nf][ \r\n]{1,2})*)+)(?=trailer)")
_START = re.compile(rb"startxref\s+(\d+)")

NUMBERS = (
    b"0", b"1", b"-1", b"2", b"3", b"7", b"255", b"256", b"65535", b"65536", b"99999", b"2147483647",
    b"4294967296", b"1000000000", b"99999999999999999999", b"-2147483648", b"0.5", b"1e9", b"-0", b"00000",
)  # fmt: skip
NAMES = tuple(
    b"/" + name
    for name in (
        b"Type Catalog Pages Page Kids Count Parent Contents Resources Font MediaBox Annots Annot Widget Sig"
        b" AcroForm Fields FT T V AP N DA DR SigFlags Rect Subtype Length Filter DecodeParms FlateDecode"
        b" LZWDecode RunLengthDecode ASCII85Decode ASCIIHexDecode JBIG2Decode DCTDecode Crypt Identity"
        b" Predictor Columns Colors BitsPerComponent ObjStm N First Extends XRef Index W Size Prev XRefStm Root"
        b" Info ID Encrypt DSS VRI Certs CRLs OCSPs Perms DocMDP Reference TransformMethod TransformParams P"
        b" FieldMDP Action All Include Exclude Lock ByteRange SubFilter M Name Reason Extensions Metadata"
        b" OpenAction AA S JavaScript JS Launch URI GoTo Names Dests EmbeddedFiles EF XFA Outlines First Last"
        b" Next StructTreeRoot OCProperties XObject Form Image SMask ITXT Version NeedAppearances Ff MK Popup"
        b" Linearized ObjStm AuthCode Collection PieceInfo"
    ).split()
)
PIECES = (
    b"<< /Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 1000000000 >> >>",
    b"<< /Predictor 15 /Colors 99999 /BitsPerComponent 16 /Columns 4 >>",
    b"[/FlateDecode /FlateDecode /FlateDecode]", b"[/Crypt /FlateDecode]", b"[/ASCII85Decode /LZWDecode]",
    b"/Extends 6 0 R", b"/Kids [2 0 R 3 0 R]", b"/Kids [20 0 R 20 0 R]", b"/Parent 3 0 R", b"/V 21 0 R",
    b"<< /S /JavaScript /JS (1) >>", b"/AA << >>", b"/OpenAction << /S /GoTo /D [3 0 R /Fit] >>",
    b"/Reference [<< /TransformMethod /DocMDP /TransformParams << /P 1 /V /1.2 >> >>]",
    b"/Reference [<< /TransformMethod /FieldMDP /TransformParams << /Action /All /V /1.2 >> >>]",
    b"/Perms << /DocMDP 21 0 R >>", b"/DSS << /Certs [30 0 R] /CRLs [31 0 R] /OCSPs [32 0 R] >>",
    b"null", b"true", b"()", b"<>", b"[]", b"<<>>", b"(\\377\\376\\000)", b"<FEFFD800>", b"(\xed\xa0\x80)",
    b"(D:99999999999999)", b"(D:2016)", b"(D:20160304080000+99'99')", b"%comment\n", b"%\r", b"\x00", b"\x0c",
    b"1 0 R", b"2 0 R", b"21 0 R", b"0 0 R", b"9999999 0 R", b"1 65535 R", b"endobj", b"stream\n", b"endstream",
    b"trailer << /Root 1 0 R >>", b"startxref\n0\n%%EOF\n", b"xref\n0 1\n0000000000 65535 f \n",
    b"7 0 obj << >> endobj\n", b"/Type /XRef", b"/Type /ObjStm /N 99 /First 9", b"/Linearized 1", b"((((((((",
)  # fmt: skip


def pdf(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to six changes that a PDF's structure suggests; often mended, so that readers get past the start."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        bend = chance.choices(_PDF_BENDS, _PDF_WEIGHTS)[0]
        data = bend(chance, data, others)
    how = chance.random()
    if how < 0.75:
        data = mended(data)
        if how < 0.5:
            data = forge.sign(data, chance.choice((forge.leader(), forge.clerk())))
    return data


def _number(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    found = _one(chance, _NUMBER, data)
    if found is None:
        return data
    old = found[0]
    match chance.randrange(5):
        case 0:
            new = chance.choice(NUMBERS)
        case 1:
            new = b"%d" % (int(float(old)) + chance.choice((-1, 1, 2, -2, 16)))
        case 2:  # a place in the file where something stands
            place = _one(chance, re.compile(rb"\bxref\b|\d+ 0 obj|trailer|startxref|/Contents"), data)
            new = b"%d" % (place.start() if place else chance.randrange(len(data) + 1))
        case 3:
            new = b"%d" % chance.choice((len(data), len(data) - 1, chance.randrange(len(data) + 1)))
        case _:
            other = _one(chance, _NUMBER, data)
            new = other[0] if other else old
    return data[: found.start()] + new + data[found.end() :]


def _name(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    found = _one(chance, _NAME, data)
    if found is None:
        return data
    old = found[0]
    match chance.randrange(4):
        case 0:  # the same name, spelt otherwise
            at = chance.randrange(1, len(old))
            new = old[:at] + b"#%02x" % old[at] + old[at + 1 :]
        case 1:
            new = old + bytes((chance.randrange(33, 256),))
        case _:
            new = chance.choice(NAMES)
    return data[: found.start()] + new + data[found.end() :]


def _reference(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    found = _one(chance, _REFERENCE, data)
    if found is None:
        return data
    numbers = [int(one[1]) for one in _OBJECT.finditer(data)] or [1]
    match chance.randrange(5):
        case 0:
            new = b"%d %s R" % (chance.choice(numbers), found[2])
        case 1:
            new = b"%s%%x\n%s R" % (found[1] + b" ", found[2])
        case 2:
            new = chance.choice(PIECES)
        case 3:
            target = re.search(rb"(?<!\d)%s %s obj\b(.*?)endobj" % (found[1], found[2]), data, re.DOTALL)
            new = target[1].strip() if target and b"stream" not in target[1] else b"null"
        case _:
            new = b"[" + found[0] + b" " + found[0] + b"]"
    return data[: found.start()] + new + data[found.end() :]


def _piece(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    inside = _one(chance, re.compile(rb"<<|>>|\[|\]|endobj|%%EOF"), data)
    at = (inside.start() if chance.random() < 0.5 else inside.end()) if inside else len(data)
    piece = chance.choice(PIECES)
    if chance.random() < 0.3:
        piece = chance.choice(NAMES) + b" " + piece
    return data[:at] + b" " + piece + b" " + data[at:]


def _nest(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    found = _one(chance, _OBJECT, data)
    if found is None or b"stream" in found[3]:
        return data
    depth = chance.choice((1, 2, 30, 100, 500, 3000))
    opening, closing = chance.choice(((b"[", b"]"), (b"<< /Kids ", b" >>"), (b"<</A[", b"]>>")))
    start, end = found.span(3)
    return data[:start] + b" " + opening * depth + data[start:end] + closing * depth + b"\n" + data[end:]


def _many(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """What stands there once, many times."""
    found = _one(chance, re.compile(rb"\d+ \d+ R|/\w+ \d+|<<|\(\w*\)|\d+ \d+ obj"), data)
    if found is None:
        return data
    return data[: found.end()] + (b" " + found[0]) * chance.choice((3, 50, 1000)) + data[found.end() :]


def _objects(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Swap, double, drop or borrow whole objects."""
    one, two = _one(chance, _OBJECT, data), _one(chance, _OBJECT, data)
    if one is None or two is None:
        return data
    match chance.randrange(5):
        case 0:
            return data[: one.start(3)] + two[3] + data[one.end(3) :]
        case 1:
            return data[: one.start()] + data[one.end() :]
        case 2:
            return data + b"\n" + one[0] + b"\n"
        case 3:
            copy = b"%s %s obj%sendobj\n" % (one[1], one[2], two[3])
            return data[: two.start()] + copy + data[two.start() :]
        case _:
            other = _one(chance, _OBJECT, chance.choice(others)) if others else None
            return data[: one.start(3)] + (other[3] if other else two[3]) + data[one.end(3) :]


def _later(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One more revision, in which an object is another or there is one more."""
    one, two = _one(chance, _OBJECT, data), _one(chance, _OBJECT, data)
    if one is None or two is None or len(one[3]) > 30_000:
        return data
    number, body = int(one[1]), one[3].strip()
    match chance.randrange(6):
        case 0:
            body = two[3].strip()
        case 1:
            body = _name(chance, body, others)
        case 2:
            body = _number(chance, body, others)
        case 3:
            body = _reference(chance, _piece(chance, body, others), others)
        case 4:
            number = chance.choice((number, 9, 19, 40, 41, 99))
        case _:
            pass  # the same again, which is no change at all
    try:
        longer = forge.revision(data, {number: body})
        return forge.sign(longer, only_open=True) if chance.random() < 0.3 else longer
    except (ValueError, IndexError):
        return data


def _signed_later(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One more revision with one more signature, as a well-behaved program would add it."""
    fields = re.search(rb"/Fields \[([^\]]*)\]", data)
    catalogue = re.search(rb"(?<!\d)(\d+) 0 obj\s*(<< /Type /Catalog.*?)\s*endobj", data, re.DOTALL)
    if fields is None or catalogue is None or b"/Fields" not in catalogue[2]:
        return data
    number = chance.randrange(50, 90, 2)
    kind = chance.choice((b"ETSI.CAdES.detached", b"ETSI.RFC3161", b"adbe.pkcs7.detached"))
    root = catalogue[2].replace(fields[0], b"/Fields [%s %d 0 R]" % (fields[1], number))
    field = b"<< /FT /Sig /T (s%d) /V %d 0 R /Type /Annot /Subtype /Widget /Rect [0 0 0 0] >>"
    added = {
        int(catalogue[1]): root,
        number: field % (number, number + 1),
        number + 1: forge.hole(kind),
    }
    try:
        return forge.sign(forge.revision(data, added), only_open=True)
    except (ValueError, IndexError):
        return data


def _xref(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """An entry, a header, or the place of a table is another."""
    match chance.randrange(3):
        case 0:
            pattern, new = re.compile(rb"\d{10}(?= \d{5} [nf])"), b"%010d" % chance.randrange(len(data) + 1)
        case 1:
            pattern, new = re.compile(rb"(?<=\d{10} \d{5} )[nf]"), chance.choice((b"f", b"n"))
        case _:
            pattern, new = _START, b"startxref\n%d" % chance.randrange(len(data) + 1)
    found = _one(chance, pattern, data)
    return data if found is None else data[: found.start()] + new + data[found.end() :]


def _signature(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Contents and ByteRange, as forgers bend them."""
    match chance.randrange(3):
        case 0:
            found = _one(chance, re.compile(rb"/ByteRange ?\[[^\]]*\]"), data)
            if found is None:
                return data
            new = found[0].rstrip(b"]") + chance.choice((b" 0 0]", b" 1]", b"", b" /A]", b" 10 10]"))
            new = _number(chance, found[0], others) if chance.random() < 0.6 else new
        case 1:
            found = _one(chance, _LONG_HEX, data)
            if found is None:
                return data
            digits = found[0]
            at = chance.randrange(1, len(digits))
            new = digits[:at] + chance.choice((b" ", b"0", b"00", b"\n", b"x", b"> <", b"%")) + digits[at:]
        case _:
            found = _one(chance, _LONG_HEX, data)
            if found is None:
                return data
            try:
                contents = bytes.fromhex(found[0][1:-1].decode())
            except ValueError:
                return data
            bent = der(chance, contents, ()).hex().encode()
            new = b"<" + bent[: len(found[0]) - 2].ljust(len(found[0]) - 2, b"0") + b">"
    return data[: found.start()] + new + data[found.end() :]


def _packed(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A stream inside another filter, or unfolded, bent and folded again."""
    found = _one(chance, _STREAM, data)
    if found is None:
        return data
    content = found[1]
    try:
        unfolded = zlib.decompressobj().decompress(content, 1 << 16)
        content = zlib.compress(blindly(chance, unfolded, others))
    except zlib.error:
        content = zlib.compress(content)
    return data[: found.start(1)] + content + data[found.end(1) :]


_PDF: dict[Bend, int] = {
    blindly: 10, _number: 16, _name: 10, _reference: 10, _piece: 14, _nest: 3, _many: 4, _objects: 10,
    _later: 12, _signed_later: 5, _xref: 6, _signature: 14, _packed: 5,
}  # fmt: skip
_PDF_BENDS, _PDF_WEIGHTS = list(_PDF), list(_PDF.values())


def mended(data: bytes) -> bytes:
    """*data* with tables of cross-references and lengths of streams that fit what stands there."""
    data = _STREAM_HEAD.sub(_right_length, data)
    out = bytearray()
    at = previous = 0
    for start in _START.finditer(data):
        part = data[at : start.start()]
        section = list(_SECTION.finditer(part))
        if section:
            last = section[-1]
            places = {int(one[1]): len(out) + one.start() for one in _OBJECT.finditer(part, 0, last.start())}
            table = b"".join(b"%d 1\n%010d 00000 n \n" % pair for pair in sorted(places.items()))
            zero = b"" if previous else b"0 1\n0000000000 65535 f \n"
            place = len(out) + last.start()
            trailer = re.sub(rb"/Prev \d+", b"/Prev %d" % previous, part[last.end() :])
            out += part[: last.start()] + b"xref\n" + zero + table + trailer
            out += b"startxref\n%d" % place
            previous = place
        else:
            out += part + start[0]
        at = start.end()
    return bytes(out + data[at:])


_STREAM_HEAD = re.compile(rb"/Length \d+(?=[^%]{0,200}?>>\s*stream\r?\n)")


def _right_length(found: re.Match[bytes]) -> bytes:
    whole, at = found.string, found.end()
    begin = re.compile(rb">>\s*stream\r?\n").search(whole, at)
    end = whole.find(b"\nendstream", begin.end()) if begin else -1
    return b"/Length %d" % (end - begin.end()) if begin and end >= 0 else found[0]


def _one(chance: random.Random, pattern: re.Pattern[bytes], data: bytes) -> re.Match[bytes] | None:
    """One of the places where *pattern* matches; looks from somewhere on, so that long files cost no more."""
    if not data:
        return None
    at = chance.randrange(len(data))
    return pattern.search(data, at) or pattern.search(data)
