"""Of a font in a PDF, what tells which letters a string shows and how wide they are.

Composite fonts need a ToUnicode table; simple ones without are read by their encoding.  Nothing of the font
program is looked at.  spec: ISO 32000-2 §9.6, §9.7, §9.10
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fontTools import agl  # type: ignore[import-untyped]  # it has no types
from pyhanko.pdf_utils import generic

from adapters.signing.objects import entries, entry, finite

_MOST_CODES = 20_000
_DEFAULT_WIDTH = 0.5
_LONGEST_TABLE = 128 * 1024
_WINDOWS = {code: bytes((code,)).decode("cp1252", "replace") for code in range(32, 256)}
_HEX = re.compile(rb"<([0-9A-Fa-f]{1,64})>")
_RANGE = re.compile(
    rb"<([0-9A-Fa-f]{1,16})>\s*<([0-9A-Fa-f]{1,16})>\s*(?:<([0-9A-Fa-f]{1,64})>|\[([^\]]{0,4096})\])"
)

Inflate = Callable[[generic.StreamObject], bytes]


@dataclass(frozen=True, slots=True)
class Glyph:
    """``width`` in units of the font size; ``is_single_blank``: word spacing counts (a one-byte 32)."""

    text: str
    width: float
    is_single_blank: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Font:
    """How the codes of a font are read."""

    code_bytes: int
    letters: Mapping[int, str]
    widths: Mapping[int, float]
    default_width: float

    @property
    def codes(self) -> int:
        """How many codes had to be read."""
        return len(self.letters) + len(self.widths)

    def glyphs(self, string: bytes) -> Iterator[Glyph]:
        """What *string* shows; codes without a letter show U+FFFD."""
        for at in range(0, len(string) - self.code_bytes + 1, self.code_bytes):
            code = int.from_bytes(string[at : at + self.code_bytes], "big")
            yield Glyph(
                self.letters.get(code, "\ufffd"),
                self.widths.get(code, self.default_width),
                self.code_bytes == 1 and code == 32,
            )


def read_font(font: generic.DictionaryObject, inflate: Inflate) -> Font | None:
    """The *font*; ``None`` where its letters cannot be known."""
    table = entry(font, "/ToUnicode")
    letters = _read_cmap(inflate(table)) if isinstance(table, generic.StreamObject) else {}
    if entry(font, "/Subtype") == "/Type0":
        below = next(iter(entries(entry(font, "/DescendantFonts"))), None)
        return Font(
            code_bytes=2,
            letters=letters,
            widths=_composite_widths(entry(below, "/W")),
            default_width=_thousandth(entry(below, "/DW"), 1.0),
        )
    return Font(
        code_bytes=1,
        letters=_encoding(entry(font, "/Encoding")) | letters,
        widths=_simple_widths(font),
        default_width=_thousandth(entry(entry(font, "/FontDescriptor"), "/MissingWidth"), _DEFAULT_WIDTH)
        or _DEFAULT_WIDTH,
    )


def _encoding(encoding: Any) -> dict[int, str]:
    """Letters of a simple font: those of Windows' Latin, and the differences that the font tells."""
    letters = dict(_WINDOWS)
    code = 0
    for element in entries(entry(encoding, "/Differences"), 1000):
        if isinstance(element, int):
            code = element
        elif isinstance(element, str):
            letters[code] = agl.toUnicode(element.lstrip("/")[:64]) or "\ufffd"
            code += 1
    return letters


def _simple_widths(font: generic.DictionaryObject) -> dict[int, float]:
    first = entry(font, "/FirstChar")
    if not isinstance(first, int):
        return {}
    return {
        first + number: _thousandth(width, _DEFAULT_WIDTH)
        for number, width in enumerate(entries(entry(font, "/Widths"), 256))
    }


def _composite_widths(found: Any) -> dict[int, float]:
    """spec: ISO 32000-2 §9.7.4.3 - ``c [w1 w2 …]`` or ``first last w``."""
    widths: dict[int, float] = {}
    # counted as they are written, not as they are kept: the same codes may come again and again
    left = _MOST_CODES
    pending: list[int] = []
    for element in entries(found, _MOST_CODES):
        if isinstance(element, generic.ArrayObject) and len(pending) == 1:
            group = entries(element, max(0, left))
            left -= len(group)
            widths.update((pending[0] + place, _thousandth(width, 1.0)) for place, width in enumerate(group))
            pending = []
        elif len(pending) == 2:
            first, last = pending
            codes = range(first, min(last + 1, first + max(0, left)))
            left -= len(codes)
            widths.update(dict.fromkeys(codes, _thousandth(element, 1.0)))
            pending = []
        elif isinstance(element, int):
            pending = [*pending[-1:], element]
    return widths


def _thousandth(found: Any, otherwise: float) -> float:
    width = finite(found)
    return otherwise if width is None else max(-10.0, min(10.0, width / 1000))


def _read_cmap(cmap: bytes) -> dict[int, str]:
    letters: dict[int, str] = {}
    if len(cmap) > _LONGEST_TABLE:
        return letters
    left = _MOST_CODES
    for kind, read in ((b"bfchar", _characters), (b"bfrange", _ranges)):
        at = 0
        # no regular expression: one that looks for the end takes quadratic time where there is none
        while left > 0 and (start := cmap.find(b"begin" + kind, at)) >= 0:
            at = cmap.find(b"end" + kind, start)
            if at < 0:
                break
            found = list(islice(read(cmap[start:at]), left))
            left -= len(found)
            letters.update(found)
    return letters


def _characters(section: bytes) -> Iterator[tuple[int, str]]:
    found = _HEX.findall(section)
    for code, target in zip(found[::2], found[1::2], strict=False):
        yield int(code, 16), _unicode(target)


def _ranges(section: bytes) -> Iterator[tuple[int, str]]:
    """``<first> <last> <target>`` and ``<first> <last> [<target> …]``."""
    for found in _RANGE.finditer(section):
        first, last = int(found[1], 16), int(found[2], 16)
        if found[3] is not None:
            for place in range(last - first + 1):
                yield first + place, _unicode(found[3], place)
        else:
            for place, target in enumerate(_HEX.findall(found[4])[: max(0, last - first + 1)]):
                yield first + place, _unicode(target)


def _unicode(digits: bytes, plus: int = 0) -> str:
    """The letters that UTF-16BE *digits* stand for, the last one moved on by *plus*."""
    text = bytes.fromhex((b"0" * (len(digits) % 2) + digits).decode("ascii"))
    if len(text) == 1:
        text = b"\0" + text
    letters = text.decode("utf-16-be", "replace")
    if plus and letters:
        moved = ord(letters[-1]) + plus
        letters = letters[:-1] + (chr(moved) if moved < 0x11_0000 else "\ufffd")
    return letters
