"""The words of a page and where they stand, read from the page's content within a budget.

    budget = Budget()
    for word in words(page, budget): word.text, word.box          # boxes are in user space

Strategy: a lexer of one regular expression, the operators that move and show text, and of fonts only what
gives letters and widths.  What it does not understand it leaves out: whoever asks has another way.  The
budget counts bytes and operators, not time, so that the same file gives the same answer everywhere.
spec: ISO 32000-2 §7.8.2 content streams, §9.4 text objects
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pyhanko.pdf_utils import generic

from adapters.pdf.reader import QuickReader
from adapters.signing.objects import entries, entry, raw_entry
from adapters.signing.visible.fonts import Font, read_font
from adapters.signing.visible.geometry import Box
from adapters.signing.visible.pages import Page

_Matrix = tuple[float, float, float, float, float, float]
_UNIT: _Matrix = (1, 0, 0, 1, 0, 0)

_DEEPEST = 4
"""Forms within forms that are read."""
_MOST_SAVED = 64
"""Graphics states that are kept (q)."""
_MOST_OPERANDS = 512
_FONT_TOKENS = 100
"""What looking at a font counts for, besides its codes."""
_FAR = 1_000_000.0
"""Units of user space; no page is larger."""
_LONGEST_NUMBER = 32
"""Digits."""

_TOKEN = re.compile(
    rb"(?P<number>[+-]?(?:\d++\.?\d*+|\.\d++))(?=[\0\t\n\f\r ()<>\[\]{}/%]|$)"
    rb"|(?P<name>/[^\0\t\n\f\r ()<>\[\]{}/%]{0,127})"
    rb"|<<|>>"
    rb"|<(?P<hex>[0-9A-Fa-f\0\t\n\f\r ]*)>"
    rb"|(?P<string>\()"
    rb"|(?P<bracket>[\[\]])"
    rb"|(?P<operator>[A-Za-z'\"][A-Za-z0-9*]{0,31})"
    rb"|[\0\t\n\f\r ]+|%[^\r\n]*|(?P<other>.)",
    re.DOTALL,
)
_IN_STRING = re.compile(rb"[\\()]")
_ESCAPE = re.compile(rb"\\(\r\n|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"b": b"\b",
    b"f": b"\f",
    b"\n": b"",
    b"\r": b"",
    b"\r\n": b"",
}
_END_OF_IMAGE = re.compile(rb"[\0\t\n\f\r ]EI(?=[\0\t\n\f\r ]|$)")


class OverBudget(Exception):
    """There is more content than we want to read."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """What may still be read: bytes of content and of fonts' tables, tokens, and words."""

    content: int = 512 * 1024
    tokens: int = 250_000
    words: int = 20_000

    def inflate(self, stream: generic.StreamObject) -> bytes:
        """The content of *stream*.  Raises ``OverBudget`` where it is longer than what is left."""
        packed: bytes = stream.encoded_data
        filters = entry(stream, "/Filter")
        names = (
            [str(name) for name in filters] if isinstance(filters, generic.ArrayObject) else [str(filters)]
        )
        if filters is None or not names:
            content = packed[: self.content + 1]
        elif names == ["/FlateDecode"] and entry(stream, "/DecodeParms") is None:
            try:
                content = zlib.decompressobj().decompress(packed, self.content + 1)
            except zlib.error:
                return b""
        else:
            return b""
        if len(content) > self.content:
            raise OverBudget
        self.content -= len(content)
        return content

    def spend(self, *, tokens: int = 0, words: int = 0) -> None:
        """Raises ``OverBudget`` where nothing is left."""
        self.tokens -= tokens
        self.words -= words
        if self.tokens < 0 or self.words < 0:
            raise OverBudget


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Letters between blanks.  ``box`` in user space, from descent to ascent."""

    text: str
    box: Box


def words(page: Page, budget: Budget) -> Iterator[Word]:
    """The words of *page* in the order of its content.  Raises ``OverBudget``, or what the reader raises."""
    contents = entry(page.entries, "/Contents")
    streams = entries(contents, 1000) if isinstance(contents, generic.ArrayObject) else [contents]
    content = b"\n".join(
        budget.inflate(stream) for stream in streams if isinstance(stream, generic.StreamObject)
    )
    yield from _Reader(budget).read(content, page.entry("/Resources"), _UNIT, 0)


@dataclass(slots=True)
class _State:
    """What q keeps: the parts of the graphics state that place text."""

    ctm: _Matrix = _UNIT
    font: Font | None = None
    size: float = 0.0
    spacing: float = 0.0
    word_spacing: float = 0.0
    stretch: float = 1.0
    leading: float = 0.0
    rise: float = 0.0

    def copy(self) -> _State:
        return _State(
            self.ctm,
            self.font,
            self.size,
            self.spacing,
            self.word_spacing,
            self.stretch,
            self.leading,
            self.rise,
        )


@dataclass(slots=True)
class _Reader:
    """Follows the operators of one page's content."""

    budget: Budget
    state: _State = field(default_factory=_State)
    text: _Matrix = _UNIT
    line: _Matrix = _UNIT
    fonts: dict[int, Font | None] = field(default_factory=dict)

    def read(self, content: bytes, resources: Any, ctm: _Matrix, depth: int) -> Iterator[Word]:
        outer, self.state = self.state, _State(ctm=ctm)
        saved: list[_State] = []
        for operator, operands in _operations(content, self.budget):
            match operator:
                case b"q":
                    saved = [*saved[-_MOST_SAVED:], self.state.copy()]
                case b"Q":
                    if saved:
                        self.state = saved.pop()
                case b"cm":
                    self.state.ctm = _times(_six(operands), self.state.ctm)
                case b"Do":
                    yield from self._form(resources, operands, depth)
                case _:
                    yield from self._text(operator, operands, resources)
        self.state = outer

    def _text(self, operator: bytes, operands: list[Any], resources: Any) -> Iterator[Word]:
        state = self.state
        match operator, operands:
            case b"BT", _:
                self.text = self.line = _UNIT
            case b"Tf", [bytes() as name, float() as size]:
                state.font, state.size = self._font(resources, name), size
            case b"Td", [float() as x, float() as y]:
                self._move(x, y)
            case b"TD", [float() as x, float() as y]:
                state.leading = -y
                self._move(x, y)
            case b"Tm", _:
                self.text = self.line = _six(operands)
            case b"T*", _:
                self._move(0.0, -state.leading)
            case b"TL", [float() as leading]:
                state.leading = leading
            case b"Tc", [float() as spacing]:
                state.spacing = spacing
            case b"Tw", [float() as spacing]:
                state.word_spacing = spacing
            case b"Tz", [float() as percent]:
                state.stretch = percent / 100
            case b"Ts", [float() as rise]:
                state.rise = rise
            case b"Tj" | b"TJ", _:
                yield from self._show(operands)
            case b"'", _:
                self._move(0.0, -state.leading)
                yield from self._show(operands)
            case b'"', [float() as word_spacing, float() as spacing, string]:
                state.word_spacing, state.spacing = word_spacing, spacing
                self._move(0.0, -state.leading)
                yield from self._show([string])

    def _move(self, x: float, y: float) -> None:
        self.text = self.line = _times((1, 0, 0, 1, x, y), self.line)

    def _show(self, shown: list[Any]) -> Iterator[Word]:
        state = self.state
        if state.font is None:
            return
        letters: list[str] = []
        start = x = 0.0
        for part in shown:
            if isinstance(part, float):
                x -= part / 1000 * state.size * state.stretch
                continue
            if not isinstance(part, _String):
                continue
            for glyph in state.font.glyphs(part.value):
                step = glyph.width * state.size + state.spacing
                if glyph.is_single_blank:
                    step += state.word_spacing
                if glyph.text.isspace():
                    yield from self._word(letters, start, x)
                    letters = []
                elif not letters:
                    start = x
                if not glyph.text.isspace():
                    letters.append(glyph.text)
                x += step * state.stretch
        yield from self._word(letters, start, x)
        self.text = _times((1, 0, 0, 1, x, 0), self.text)

    def _word(self, letters: list[str], start: float, end: float) -> Iterator[Word]:
        text = "".join(letters)
        if not text:
            return
        self.budget.spend(words=1)
        size, rise = self.state.size, self.state.rise
        matrix = _times(self.text, self.state.ctm)
        corners = [
            _point(matrix, x, y)
            for x, y in (
                (start, rise - 0.2 * size),
                (end, rise - 0.2 * size),
                (start, rise + 0.7 * size),
                (end, rise + 0.7 * size),
            )
        ]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        if all(abs(edge) < _FAR for edge in (*xs, *ys)):
            yield Word(text=text, box=Box(left=min(xs), bottom=min(ys), right=max(xs), top=max(ys)))

    def _font(self, resources: Any, name: bytes) -> Font | None:
        found = entry(entry(resources, "/Font"), name.decode("latin-1"))
        if not isinstance(found, generic.DictionaryObject):
            return None
        if id(found) not in self.fonts:
            font = read_font(found, self.budget.inflate)
            self.budget.spend(tokens=_FONT_TOKENS + (font.codes if font else 0))
            self.fonts[id(found)] = font
        return self.fonts[id(found)]

    def _form(self, resources: Any, operands: list[Any], depth: int) -> Iterator[Word]:
        if depth >= _DEEPEST or not operands or not isinstance(operands[0], bytes):
            return
        objects, name = entry(resources, "/XObject"), operands[0].decode("latin-1")
        if _is_picture(raw_entry(objects, name)):
            return
        form = entry(objects, name)
        if not isinstance(form, generic.StreamObject) or entry(form, "/Subtype") != "/Form":
            return
        matrix = _UNIT
        if (own := entry(form, "/Matrix")) is not None:
            matrix = _six([float(number) for number in entries(own, 6)])
        # a form without resources of its own uses the page's
        inner = entry(form, "/Resources") or resources
        yield from self.read(self.budget.inflate(form), inner, _times(matrix, self.state.ctm), depth + 1)


def _is_picture(found: Any) -> bool:
    """Whether a reference leads to an image: that is seen without reading it, and a scan may have 100 MB."""
    if not isinstance(found, generic.IndirectObject) or not isinstance(found.reference.pdf, QuickReader):
        return False
    dictionary = found.reference.pdf.glance(found.reference)
    return dictionary is not None and entry(dictionary, "/Subtype") == "/Image"


@dataclass(frozen=True, slots=True)
class _String:
    """A string operand; names are plain bytes."""

    value: bytes


def _operations(content: bytes, budget: Budget) -> Iterator[tuple[bytes, list[Any]]]:
    """Operators with what stands before them: numbers as float, names as bytes, strings."""
    operands: list[Any] = []
    at = 0
    while at < len(content):
        token = _TOKEN.match(content, at)
        assert token is not None  # the last alternative takes anything
        at = token.end()
        budget.spend(tokens=1)
        match token.lastgroup:
            case "number":
                found: Any = float(token["number"]) if len(token["number"]) < _LONGEST_NUMBER else 0.0
            case "name":
                found = token["name"]
            case "hex":
                digits = bytes(digit for digit in token["hex"] if digit > 0x20)
                found = _String(bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii")))
            case "string":
                value, at = _literal(content, at)
                found = _String(value)
            case "operator":
                operator = token["operator"]
                if operator == b"ID":
                    # an inline image: its bytes are no operators
                    end = _END_OF_IMAGE.search(content, at)
                    at = end.end() if end else len(content)
                else:
                    yield operator, operands
                operands = []
                continue
            case _:
                continue
        if len(operands) < _MOST_OPERANDS:
            operands.append(found)


def _literal(content: bytes, start: int) -> tuple[bytes, int]:
    """The string whose opening parenthesis is before *start*, and where it ends."""
    depth, at = 1, start
    while depth:
        found = _IN_STRING.search(content, at)
        if found is None:
            at = len(content) + 1
            break
        match found[0]:
            case b"\\":
                at = found.end() + 1
            case b"(":
                depth, at = depth + 1, found.end()
            case _:
                depth, at = depth - 1, found.end()
    raw = content[start : at - 1]
    return (_ESCAPE.sub(_unescaped, raw) if b"\\" in raw else raw), at


def _unescaped(found: re.Match[bytes]) -> bytes:
    what = found[1]
    if what[:1].isdigit():
        return bytes((int(what, 8) & 0xFF,))
    return _ESCAPED.get(what, what)


def _six(operands: list[Any]) -> _Matrix:
    match operands:
        case [float() as a, float() as b, float() as c, float() as d, float() as e, float() as f]:
            return (a, b, c, d, e, f)
        case _:
            return _UNIT


def _times(first: _Matrix, then: _Matrix) -> _Matrix:
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def _point(matrix: _Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f
