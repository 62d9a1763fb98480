"""What a PDF holds besides paper: encryption, scripts and actions, forms of other systems, files in files,
content that lies elsewhere or is not shown.

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
from pathlib import Path

import pikepdf

from adapters.inspection.paper import dormant

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
_HIDING = frozenset({"/Hide", "/SetOCGState"})
_LEADING = frozenset({"/GoToR", "/GoToE", "/Thread"})
_SCRIPTS = ("javascript:", "vbscript:", "data:")
_UNSEEN = 2 | 32  # Hidden, NoView
_SEEN_OTHERWISE = frozenset({"/Widget", "/Popup", "/Link"})
_SHRINKING = frozenset({"/FlateDecode", "/Fl", "/LZWDecode", "/LZW", "/RunLengthDecode", "/RL"})
_FLATE = frozenset({"/FlateDecode", "/Fl"})
_REPAIRS = ("reconstruct", "damaged", "error decoding stream data", "object stream")
_MAX_DEFLATE_RATIO = 1032
_STEP = 1 << 20
_NO_HEX = bytes(range(256)).translate(None, b"0123456789abcdefABCDEF")
_PLACE = re.compile(r"object stream \d+, object \d+ \d+")  # where it is, not what is wrong
_BUFFER = re.compile(r"stream <[^>]*>:? ?")  # qpdf calls the file by the name of our buffer


class Encrypted(Exception):
    """The file is encrypted, be it with an empty password."""


class Unreadable(Exception):
    """qpdf finds no PDF in these bytes."""


class TooCostly(Exception):
    """Looking into it would cost more than it may."""


@dataclass(slots=True, kw_only=True)
class Structure:
    """What was found; each set holds the names of the things, never their content.

    ``active`` acts by itself or by a click; ``forms`` are drawn by another system (XFA); ``external`` is
    content that lies in other files; ``embedded`` are files within; ``hidden`` is what is not shown now, or
    what hides; ``layers`` may be switched, though all are shown; ``links`` lead to other files.
    ``waiting`` is, of a file with a signature's ByteRange, what a later revision could bring to light.
    """

    pages: int = 0
    active: set[str] = field(default_factory=set)
    forms: set[str] = field(default_factory=set)
    external: set[str] = field(default_factory=set)
    embedded: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    layers: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    has_byte_range: bool = False
    waiting: list[str] = field(default_factory=list)
    is_repaired: bool = False


def examine(data: bytes | Path, *, max_objects: int, max_stream_bytes: int) -> Structure:
    """Look at every object of the PDF *data* (a file is not read as a whole).

    Raises ``Encrypted``, ``Unreadable`` or ``TooCostly``.
    """
    try:
        source = BytesIO(data) if isinstance(data, bytes) else data
        with pikepdf.open(source, suppress_warnings=True) as pdf:
            if pdf.is_encrypted or "/Encrypt" in pdf.trailer:
                raise Encrypted
            found = Structure(pages=_page_count(pdf))
            if len(pdf.objects) > max_objects:
                raise TooCostly(f"more than {max_objects} objects")
            for one in pdf.objects:
                _look(one, found, max_stream_bytes)
            _heed(pdf, found)
            if isinstance(data, bytes) and found.has_byte_range:
                found.waiting = _waiting(pdf)
            return found
    except pikepdf.PasswordError as exc:
        raise Encrypted from exc
    except pikepdf.PdfError as exc:
        raise Unreadable(_BUFFER.sub("", str(exc))[:200]) from exc


def _waiting(pdf: pikepdf.Pdf) -> list[str]:
    try:
        return dormant.waiting(pdf)
    except MemoryError:
        raise
    except Exception as exc:  # what cannot be looked through may hide anything
        return [f"its content cannot be looked through ({type(exc).__name__})"]


def _heed(pdf: pikepdf.Pdf, found: Structure) -> None:
    """qpdf goes on where it can; what it had to leave out, a viewer with more memory may show."""
    for warning in (_PLACE.sub("", str(one)) for one in pdf.get_warnings()):
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
        for key, value in one.items():
            if key in _TELLING:
                _consider(one, key, found)
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
        "/F",
        "/Ref",
        "/OPI",
        "/OCProperties",
        "/ByteRange",
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
            _consider_action(one, str(value), found)
        case "/Subtype":
            if str(value) in _MEDIA:
                found.active.add(f"{str(value)[1:]} annotation")
            elif str(value) == "/FileAttachment":
                found.embedded.add("file attachment")
        case "/XFA":
            found.forms.add("XFA")
        case "/EmbeddedFiles" | "/EF":
            found.embedded.add(key[1:])
        case "/Collection":
            found.embedded.add("portfolio")
        case "/F":
            _consider_f(one, value, found)
        case "/Ref" | "/OPI":
            # spec: ISO 32000-1 §8.10.4 and §14.11.7 - the page of another file is shown in place of this one
            if isinstance(one, pikepdf.Stream) and isinstance(value, pikepdf.Dictionary):
                found.external.add("reference XObject" if key == "/Ref" else "OPI proxy")
        case "/ByteRange":
            found.has_byte_range = True
        case "/OCProperties":
            if isinstance(value, pikepdf.Dictionary):
                _consider_layers(value, found)


def _consider_action(one: pikepdf.Object, kind: str, found: Structure) -> None:
    if kind in _ACTIONS:
        found.active.add(kind[1:])
    elif kind in _HIDING:
        found.hidden.add(f"{kind[1:]} action")
    elif kind in _LEADING and (kind != "/Thread" or "/F" in one):
        found.links.add(kind[1:])
    elif kind == "/URI":
        # control characters within a scheme are passed over by those who follow it
        address = "".join(letter for letter in _text(one.get("/URI")) if letter > " ").lower()
        if address.startswith(_SCRIPTS):
            found.active.add("script in an address")
        elif address.startswith("file:"):
            found.links.add("file address")


def _consider_f(one: pikepdf.Object, value: object, found: Structure) -> None:
    if isinstance(value, int):
        # spec: ISO 32000-1 §12.5.3 - an annotation's flags; a signature's invisible widget is nothing hidden
        if value & _UNSEEN and "/Rect" in one and str(one.get("/Subtype")) not in _SEEN_OTHERWISE:
            found.hidden.add("hidden annotation")
    elif isinstance(one, pikepdf.Stream) and value is not None:
        # spec: ISO 32000-1 §7.3.8.2 - the data are not those between stream and endstream
        found.external.add("stream in another file")


def _consider_layers(properties: pikepdf.Object, found: Structure) -> None:
    """spec: ISO 32000-1 §8.11.4 - optional content, and what the file itself says is shown of it."""
    groups, default = properties.get("/OCGs"), properties.get("/D")
    if not isinstance(groups, pikepdf.Array) or not len(groups):
        return
    found.layers.add("layers")
    if isinstance(default, pikepdf.Dictionary):
        off = default.get("/OFF")
        is_off = str(default.get("/BaseState", "/ON")) != "/ON" or (
            isinstance(off, pikepdf.Array) and len(off)
        )
        if is_off:
            found.hidden.add("layers that are not shown")


def _text(value: object) -> str:
    try:
        return str(value) if isinstance(value, pikepdf.String) else ""
    except ValueError:
        return ""


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
