"""The typeface of an appendix's text: one with the measures of Times New Roman, cut down once per process.

    typeface = Typeface(find_font(None))
    setting = typeface.set(["15/2026/QĐ-UBND", "2026-01-15T08:30:00+07:00"], longest=50_000)

Strategy: cutting a font takes longer than sealing a PDF, so what most numbers and notations are written with
is cut and compressed once.  A letter outside that asks for the wide cut, made with the first such letter.
spec: NĐ 30/2020 Annex I, Part I, II.8.b - Times New Roman, upright, 10 points, black.  Liberation Serif
(from 2.0 on; 1.07 has no Vietnamese) has its measures and may be embedded by anybody (SIL Open Font License).
"""

from __future__ import annotations

import io
import logging
import threading
import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]  # it has no types

from gateway.errors import ConfigError

_FILE = "LiberationSerif-Regular.ttf"
_FOLDERS = (
    "/usr/share/fonts/truetype/liberation2",
    "/usr/share/fonts/truetype/liberation",
    "/usr/share/fonts/liberation-serif",
    "/usr/share/fonts/liberation",
    "/usr/share/fonts/TTF",
)
_VIETNAMESE = frozenset(map(ord, "ĂăĐđĨĩŨũƠơƯư")) | frozenset(range(0x1EA0, 0x1EFA))

_COMMON = frozenset(range(0x20, 0x7F)) | frozenset(map(ord, "Đđ–ÀÁÂÃÈÉÊÌÍÒÓÔÕÙÚÝĂĨŨƠƯ"))
_WIDE = _COMMON | frozenset(range(0xA0, 0x250)) | _VIETNAMESE | frozenset(map(ord, "—‘’“”•…№"))

_KEPT = frozenset({"head", "hhea", "maxp", "hmtx", "loca", "glyf"})
"""spec: ISO 32000-2 §9.9.1 - what a TrueType program needs where glyphs are chosen by their number."""

logging.getLogger("fontTools").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text as a PDF shows it: glyph numbers in hexadecimal; ``length`` in thousandths of the size."""

    shown: bytes
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A part of the font, ready to be written into a PDF.  Lengths are thousandths of the font size."""

    name: bytes
    program: bytes
    """The font file, deflated."""
    program_size: int
    to_unicode: bytes
    """The CMap from glyph numbers to Unicode, deflated."""
    glyphs: Mapping[int, int]
    """Glyph numbers by code point."""
    widths: Sequence[int]
    """By glyph number."""
    written_widths: bytes
    """The same as a PDF's array has them."""
    ascent: int
    descent: int
    cap_height: int
    box: tuple[int, int, int, int]

    def lines(self, text: str, longest: int) -> Iterator[Line]:
        """*text* in lines that are no longer than *longest*, each with one letter at least.

        What the font lacks shows as its empty box.
        """
        line, length = bytearray(), 0
        for letter in text:
            glyph = self.glyphs.get(ord(letter), 0)
            width = self.widths[glyph]
            if line and length + width > longest:
                yield Line(shown=line.hex().encode("ascii"), length=length)
                line, length = bytearray(), 0
            line += glyph.to_bytes(2, "big")
            length += width
        yield Line(shown=line.hex().encode("ascii"), length=length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Lines of text, and the cut of the font that they are set in."""

    lines: tuple[Line, ...]
    cut: Cut


class Typeface:
    """A font file, and the parts of it that were cut.  May be used from several threads."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._cutting = threading.Lock()
        self._common: Cut | None = None
        self._wide: Cut | None = None

    def __reduce__(self) -> tuple[type[Typeface], tuple[Path]]:
        """Another process cuts the font itself."""
        return Typeface, (self.file,)

    def set(self, lines: Sequence[str], longest: int) -> Setting:
        """*lines* as they are shown; one that is longer than *longest* thousandths is broken.

        The first call cuts the font (some 30 ms).  Raises ``OSError`` where its file has gone.
        """
        texts = [unicodedata.normalize("NFC", line) for line in lines]
        cut = self._cut_for(texts)
        return Setting(
            lines=tuple(line for text in texts for line in cut.lines(text, longest)),
            cut=cut,
        )

    def prepare(self) -> None:
        """Cut what most texts need, if that was not done yet.  Raises as ``set`` does."""
        self._cut_for(("0",))

    def _cut_for(self, texts: Sequence[str]) -> Cut:
        with self._cutting:
            if all(ord(letter) in _COMMON for text in texts for letter in text):
                if self._common is None:
                    self._common = cut(self.file, _COMMON, "VANTHU")
                return self._common
            if self._wide is None:
                self._wide = cut(self.file, _WIDE, "VANTHW")
            return self._wide


def find_font(file: Path | None) -> Path:
    """The font's file: *file* where one is named, else the one of the machine.

    Raises ``ConfigError`` where there is none, or none with Vietnamese letters.
    """
    if file is not None:
        try:
            is_fit = _is_fit(file)
        except FileNotFoundError:
            raise ConfigError(f"seal.font: {file}: not there") from None
        except Exception as exc:
            # fontTools raises what a broken font makes it raise
            raise ConfigError(f"seal.font: {file}: no TrueType font ({type(exc).__name__}: {exc})") from exc
        if not is_fit:
            raise ConfigError(f"seal.font: {file}: no TrueType outlines, or not all letters of Vietnamese")
        return file
    for candidate in (Path(folder) / _FILE for folder in _FOLDERS):
        with suppress(OSError, TTLibError):
            if _is_fit(candidate):
                return candidate
    raise ConfigError(
        "seal.font: thiếu phông chữ Liberation Serif 2 (có chữ Việt) · the font Liberation Serif 2 is missing: "
        "install the Debian package fonts-liberation2, or name a TrueType font of Times New Roman's measures"
    )


def _is_fit(file: Path) -> bool:
    with TTFont(file, lazy=True) as font:
        tables = _KEPT | {"OS/2", "cmap", "name"}
        return tables <= set(font.keys()) and font.getBestCmap().keys() >= _VIETNAMESE


def cut(file: Path, wanted: frozenset[int], tag: str) -> Cut:
    """The glyphs of the *wanted* code points alone, without hinting.  The same file gives the same bytes."""
    with TTFont(file, lazy=True, recalcTimestamp=False) as font:
        cmap = {code: name for code, name in font.getBestCmap().items() if code in wanted}
        names = _with_components(font, {".notdef", *cmap.values()})
        scale = 1000 / font["head"].unitsPerEm
        head, os2 = font["head"], font["OS/2"]
        box = (head.xMin, head.yMin, head.xMax, head.yMax)
        own_name = "".join(letter for letter in font["name"].getDebugName(6) or "" if letter.isalnum())
        metrics = font["hmtx"].metrics
        order = [".notdef", *sorted(names - {".notdef"}, key=font.getGlyphID)]

        glyphs = font["glyf"].glyphs
        for name in order:
            font["glyf"][name].removeHinting()
        font["glyf"].glyphs = {name: glyphs[name] for name in order}
        font["hmtx"].metrics = {name: metrics[name] for name in order}
        font.setGlyphOrder(order)
        font["glyf"].setGlyphOrder(order)
        for table in [table for table in font.keys() if table not in _KEPT and table != "GlyphOrder"]:  # noqa: SIM118  # no mapping
            del font[table]
        out = io.BytesIO()
        font.save(out, reorderTables=False)
        widths = [round(metrics[name][0] * scale) for name in order]
        numbers = {name: number for number, name in enumerate(order)}
    program = out.getvalue()
    chosen = {code: numbers[name] for code, name in sorted(cmap.items())}
    return Cut(
        name=f"{tag}+{own_name or 'Serif'}".encode("ascii", "ignore"),
        program=zlib.compress(program, 9),
        program_size=len(program),
        to_unicode=zlib.compress(_to_unicode(chosen), 9),
        glyphs=chosen,
        widths=widths,
        written_widths=b" ".join(b"%d" % width for width in widths),
        ascent=round(os2.sTypoAscender * scale),
        descent=round(os2.sTypoDescender * scale),
        cap_height=round(getattr(os2, "sCapHeight", 0) * scale) or 660,
        box=(round(box[0] * scale), round(box[1] * scale), round(box[2] * scale), round(box[3] * scale)),
    )


def _with_components(font: TTFont, names: set[str]) -> set[str]:
    """*names* and the glyphs of which theirs are composed."""
    glyf, found, waiting = font["glyf"], set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(glyf[name].getComponentNames(glyf))
    return found


def _to_unicode(glyphs: Mapping[int, int]) -> bytes:
    """spec: ISO 32000-2 §9.10.3 - so that the text can be searched and copied."""
    # where letters share a glyph (Đ and Ð in some fonts), the Vietnamese one is meant
    ordered = sorted(glyphs.items(), key=lambda pair: (pair[0] in _VIETNAMESE, -pair[0]))
    by_number = {number: code for code, number in ordered}
    pairs = [f"<{number:04x}> <{code:04x}>" for number, code in sorted(by_number.items())]
    blocks = [pairs[at : at + 100] for at in range(0, len(pairs), 100)]
    body = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
        "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
        "1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
        f"{body}\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
    ).encode("ascii")
