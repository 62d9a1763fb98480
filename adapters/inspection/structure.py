"""What a PDF holds besides paper: encryption, scripts and actions, forms of other systems, files in files.

Every object of the file is looked at, those in object streams too, whether or not a page leads there;
qpdf reads them, so a name spelt with ``#xx`` is the same name.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

import pikepdf

_ACTIONS = frozenset(
    {
        "/JavaScript",
        "/Launch",
        "/SubmitForm",
        "/ImportData",
        "/Rendition",
        "/Movie",
        "/Sound",
        "/RichMediaExecute",
        "/GoTo3DView",
    }
)
_MEDIA = frozenset({"/RichMedia", "/Movie", "/Sound", "/Screen", "/3D"})
_SHRINKING = frozenset({"/FlateDecode", "/Fl", "/LZWDecode", "/LZW", "/RunLengthDecode", "/RL"})
_FLATE = frozenset({"/FlateDecode", "/Fl"})
_REPAIRS = ("reconstruct", "damaged", "error decoding stream data", "object stream")
_MAX_DEFLATE_RATIO = 1032
_STEP = 1 << 20
_NO_HEX = bytes(range(256)).translate(None, b"0123456789abcdefABCDEF")
_BUFFER = re.compile(r"stream <[^>]*>:? ?")  # qpdf calls the file by the name of our buffer


class Encrypted(Exception):
    """The file is encrypted, be it with an empty password."""


class Unreadable(Exception):
    """qpdf finds no PDF in these bytes."""


class TooCostly(Exception):
    """Looking into it would cost more than it may."""


@dataclass(slots=True, kw_only=True)
class Structure:
    """What was found; each set holds the names of the things, never their content."""

    pages: int = 0
    active: set[str] = field(default_factory=set)
    embedded: set[str] = field(default_factory=set)
    has_xfa: bool = False
    is_repaired: bool = False


def examine(data: bytes, *, max_objects: int, max_stream_bytes: int) -> Structure:
    """Look at every object of the PDF *data*.

    Raises ``Encrypted``, ``Unreadable`` or ``TooCostly``.
    """
    try:
        with pikepdf.open(BytesIO(data), suppress_warnings=True) as pdf:
            if pdf.is_encrypted or "/Encrypt" in pdf.trailer:
                raise Encrypted
            found = Structure(pages=_page_count(pdf))
            if len(pdf.objects) > max_objects:
                raise TooCostly(f"more than {max_objects} objects")
            for one in pdf.objects:
                _look(one, found, max_stream_bytes)
            _heed(pdf, found)
            return found
    except pikepdf.PasswordError as exc:
        raise Encrypted from exc
    except pikepdf.PdfError as exc:
        raise Unreadable(_BUFFER.sub("", str(exc))[:200]) from exc


def _heed(pdf: pikepdf.Pdf, found: Structure) -> None:
    """qpdf goes on where it can; what it had to leave out, a viewer with more memory may show."""
    for warning in map(str, pdf.get_warnings()):
        if "bad_alloc" in warning:
            raise TooCostly("a stream takes more memory than allowed")
        if any(word in warning for word in _REPAIRS):
            found.is_repaired = True
    if not found.pages:
        raise Unreadable("it has no pages")


def _page_count(pdf: pikepdf.Pdf) -> int:
    try:
        return len(pdf.pages)
    except (RuntimeError, ValueError) as exc:
        raise Unreadable(f"no pages: {_BUFFER.sub('', str(exc))[:120]}") from exc


def _look(top: pikepdf.Object, found: Structure, max_stream_bytes: int) -> None:
    waiting: list[pikepdf.Object] = [top]
    while waiting:
        one = waiting.pop()
        if isinstance(one, pikepdf.Array):
            waiting.extend(_direct(one))
            continue
        if isinstance(one, pikepdf.Stream):
            _weigh(one, max_stream_bytes)
        elif not isinstance(one, pikepdf.Dictionary):
            continue
        for key in one.keys():  # noqa: SIM118 - pikepdf's dictionaries iterate only so
            if key in _TELLING:
                _consider(one, key, found)
            value = one.get(key)
            if isinstance(value, pikepdf.Dictionary | pikepdf.Array) and not value.is_indirect:
                waiting.append(value)


def _direct(array: pikepdf.Object) -> Iterator[pikepdf.Object]:
    for value in array:
        if isinstance(value, pikepdf.Dictionary | pikepdf.Array) and not value.is_indirect:
            yield value


_TELLING = frozenset(
    {
        "/JS",
        "/JavaScript",
        "/AA",
        "/OpenAction",
        "/S",
        "/Subtype",
        "/XFA",
        "/EmbeddedFiles",
        "/EF",
        "/Collection",
    }
)


def _consider(one: pikepdf.Object, key: str, found: Structure) -> None:
    value = one.get(key)
    match key:
        case "/JS" | "/JavaScript":
            found.active.add("JavaScript")
        case "/AA":
            if not isinstance(value, pikepdf.Dictionary) or len(value.keys()):
                found.active.add("additional actions")
        case "/OpenAction":
            # spec: ISO 32000-1 §12.3.3 - a destination, or an action; going to a page of this file is harmless
            if isinstance(value, pikepdf.Dictionary) and str(value.get("/S")) != "/GoTo":
                found.active.add("open action")
        case "/S":
            if str(value) in _ACTIONS:
                found.active.add(str(value)[1:])
        case "/Subtype":
            if str(value) in _MEDIA:
                found.active.add(f"{str(value)[1:]} annotation")
            elif str(value) == "/FileAttachment":
                found.embedded.add("file attachment")
        case "/XFA":
            found.has_xfa = True
        case "/EmbeddedFiles" | "/EF" | "/Collection":
            found.embedded.add(key[1:])


def _weigh(stream: pikepdf.Object, limit: int) -> None:
    """Raise ``TooCostly`` where *stream* would unfold to more than *limit* bytes."""
    filters = stream.get("/Filter")
    names = (
        [str(name) for name in filters]
        if isinstance(filters, pikepdf.Array)
        else [str(filters)]
        if filters is not None
        else []
    )
    shrinking = [name for name in names if name in _SHRINKING]
    if not shrinking:
        return
    raw_length = stream.get("/Length")
    length = int(raw_length) if isinstance(raw_length, int) else limit
    if length * _MAX_DEFLATE_RATIO ** len(shrinking) <= limit:
        return
    raw = stream.read_raw_bytes()
    while names and names[0] in _ASCII:
        raw = _ASCII[names.pop(0)](raw)
    layers = 0
    while layers < len(names) and names[layers] in _FLATE:
        layers += 1
    if layers < len(shrinking) and len(shrinking) > 1:
        raise TooCostly("a stream is compressed more than once")
    _unfold(raw, layers, limit)


def _from_hex(raw: bytes) -> bytes:
    digits = raw.partition(b">")[0].translate(None, _NO_HEX)
    return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))


def _from_85(raw: bytes) -> bytes:
    try:
        return base64.a85decode(raw.partition(b"~>")[0])
    except ValueError:
        return b""  # a viewer stops here as well


_ASCII = {"/ASCIIHexDecode": _from_hex, "/AHx": _from_hex, "/ASCII85Decode": _from_85, "/A85": _from_85}


def _unfold(raw: bytes, layers: int, limit: int) -> None:
    """Count what inflating *raw* would give, a piece at a time, and keep nothing."""
    inflaters = [zlib.decompressobj() for _ in range(layers)]
    total = 0

    def through(piece: bytes, layer: int) -> None:
        nonlocal total
        if layer == layers:
            total += len(piece)
            if total > limit:
                raise TooCostly(f"a stream unfolds to more than {limit} bytes")
            return
        inflater = inflaters[layer]
        while piece and not inflater.eof:
            through(inflater.decompress(piece, _STEP), layer + 1)
            piece = inflater.unconsumed_tail

    try:
        for at in range(0, len(raw), _STEP):
            through(raw[at : at + _STEP], 0)
    except zlib.error:
        return  # a viewer stops here as well
