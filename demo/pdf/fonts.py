"""The four faces of a Times-metric font with all Vietnamese letters, cut down once to what we need.

spec: NĐ 30/2020 Annex I, Part I, I.4 - Times New Roman, Unicode (TCVN 6909:2001), black.  Liberation
Serif (from 2.0 on; 1.07 has no Vietnamese) has the widths of Times New Roman and may be embedded by
anybody (SIL Open Font License).
"""

from __future__ import annotations

import io
import logging
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fontTools import subset  # type: ignore[import-untyped]  # it has no types
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # it has no types

_FOLDERS = (
    "/usr/share/fonts/truetype/liberation2",
    "/usr/share/fonts/truetype/liberation",
    "/usr/share/fonts/liberation-serif",
    "/usr/share/fonts/liberation",
    "/usr/share/fonts/TTF",
)

_VIETNAMESE = frozenset(map(ord, "ĂăĐđĨĩŨũƠơƯư")) | frozenset(range(0x1EA0, 0x1EFA))


class Face(StrEnum):
    """A face by the name of its file."""

    REGULAR = "LiberationSerif-Regular"
    BOLD = "LiberationSerif-Bold"
    ITALIC = "LiberationSerif-Italic"
    BOLD_ITALIC = "LiberationSerif-BoldItalic"


class FontMissing(Exception):
    """The font is not on this machine; the text says what to install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a PDF must know of one embedded face; lengths in thousandths of the font size."""

    name: str
    program: bytes
    glyphs: Mapping[str, int]
    widths: Mapping[int, int]
    ascent: int
    descent: int
    cap_height: int
    box: tuple[int, int, int, int]
    italic_angle: float
    is_bold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fonts:
    """All faces, ready to be embedded."""

    faces: Mapping[Face, Metrics]

    @classmethod
    def load(cls) -> Fonts:
        """Find and cut the faces (about 0.3 s); raises ``FontMissing`` where they are not installed."""
        folder = _find()
        return cls(faces={face: _cut(face, folder / f"{face}.ttf") for face in Face})

    def width(self, text: str, face: Face, size: float) -> float:
        """The length of *text* in points."""
        metrics = self.faces[face]
        return sum(metrics.widths[metrics.glyphs[c]] for c in text) * size / 1000


def _find() -> Path:
    own = os.environ.get("VANTHU_DEMO_FONTS")
    for folder in ([Path(own)] if own else []) + [Path(name) for name in _FOLDERS]:
        if all((folder / f"{face}.ttf").is_file() for face in Face) and _is_vietnamese(folder):
            return folder
    raise FontMissing(
        "Thiếu phông chữ Liberation Serif 2 (có chữ Việt) · the font Liberation Serif 2 is missing: "
        "install the Debian package fonts-liberation2 (apt-get install fonts-liberation2)."
    )


def _is_vietnamese(folder: Path) -> bool:
    font = TTFont(folder / f"{Face.REGULAR}.ttf", lazy=True)
    return bool(font.getBestCmap().keys() >= _VIETNAMESE)


def _repertoire() -> set[int]:
    latin = set(range(0x20, 0x7F)) | set(range(0xA0, 0x100))
    return latin | _VIETNAMESE | set(map(ord, "–—‘’“”•…"))


def _cut(face: Face, path: Path) -> Metrics:
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    font = TTFont(path, lazy=True)
    options = subset.Options(hinting=False, layout_features=[], name_IDs=[1, 2, 4, 6], notdef_outline=True)
    options.drop_tables += ["FFTM", "GPOS", "GSUB", "GDEF", "kern", "DSIG"]
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=_repertoire())
    cutter.subset(font)
    out = io.BytesIO()
    font.save(out)

    small = TTFont(io.BytesIO(out.getvalue()))
    order = {name: number for number, name in enumerate(small.getGlyphOrder())}
    scale = 1000 / small["head"].unitsPerEm
    head, os2, post = small["head"], small["OS/2"], small["post"]
    return Metrics(
        name=f"VANTHU+{face}",
        program=out.getvalue(),
        glyphs={chr(code): order[name] for code, name in small.getBestCmap().items()},
        widths={order[name]: round(advance * scale) for name, (advance, _) in small["hmtx"].metrics.items()},
        ascent=round(os2.sTypoAscender * scale),
        descent=round(os2.sTypoDescender * scale),
        cap_height=round(getattr(os2, "sCapHeight", 0) * scale) or 660,
        box=(
            round(head.xMin * scale),
            round(head.yMin * scale),
            round(head.xMax * scale),
            round(head.yMax * scale),
        ),
        italic_angle=float(post.italicAngle),
        is_bold="Bold" in face,
    )


def composed(text: str) -> str:
    """*text* in NFC: the font has one glyph per Vietnamese letter, not per accent."""
    return unicodedata.normalize("NFC", text)
