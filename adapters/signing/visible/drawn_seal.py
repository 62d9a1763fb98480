"""A seal for development, drawn by ourselves: two red rings, the organ's name between them, a star.

It says in its middle that it is a trial, so that nobody takes it for the agency's own.
"""

from __future__ import annotations

import io
import math
import unicodedata
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_RED = (214, 24, 31)
_MM_PER_INCH = 25.4
_DPI = 250
_FINER = 3
"""Drawn so many times larger and then reduced, for smooth edges."""
_DEGREES = 16
_TRIAL = "THỬ NGHIỆM"


def draw(name: str, *, font: Path, diameter_mm: float) -> bytes:
    """A PNG of *diameter_mm*, transparent, with its resolution, for the organ *name*."""
    across = round(diameter_mm / _MM_PER_INCH * _DPI) * _FINER
    ink = Image.new("L", (across, across), 0)
    pen = ImageDraw.Draw(ink)
    unit = across / 100
    for inset, width in ((0, 1.6), (2.6, 0.5), (20, 0.7)):
        pen.ellipse(
            (inset * unit, inset * unit, across - 1 - inset * unit, across - 1 - inset * unit),
            outline=255,
            width=max(1, round(width * unit)),
        )
    _star(pen, across / 2, across * 0.45, 15 * unit)
    small = ImageFont.truetype(font, round(6 * unit))
    pen.text((across / 2, across * 0.67), _TRIAL, font=small, fill=255, anchor="mm")
    _around(ink, unicodedata.normalize("NFC", name).upper(), font, unit)

    alpha = ink.resize((across // _FINER, across // _FINER), Image.Resampling.LANCZOS)
    # one red in sixteen degrees of transparency: a tenth of the size, and nobody sees the difference
    picture = alpha.point(lambda value: (value + 8) // 17).convert("P")
    picture.putpalette(_RED * _DEGREES)
    out = io.BytesIO()
    transparency = bytes(degree * 17 for degree in range(_DEGREES))
    picture.save(out, "PNG", dpi=(_DPI, _DPI), transparency=transparency, bits=4)
    return out.getvalue()


def _star(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float) -> None:
    corners = []
    for corner in range(10):
        angle = math.pi * corner / 5 - math.pi / 2
        reach = radius if corner % 2 == 0 else radius * 0.382
        corners.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    pen.polygon(corners, fill=255)


def _around(ink: Image.Image, text: str, font: Path, unit: float) -> None:
    """*text* along the ring, from the left over the top to the right; small where it is long."""
    radius = 38.6 * unit
    arc = math.radians(300)
    height = 10.5
    while height > 4 and ImageFont.truetype(font, round(height * unit)).getlength(text) > arc * radius:
        height -= 0.5
    face = ImageFont.truetype(font, round(height * unit))
    spread = min(arc, face.getlength(text) / radius * 1.06)
    length = face.getlength(text) or 1
    at = 0.0
    side = round(3 * height * unit)
    for letter in text:
        step = face.getlength(letter)
        angle = spread * ((at + step / 2) / length - 0.5)
        at += step
        if letter == " ":
            continue
        tile = Image.new("L", (side, side), 0)
        ImageDraw.Draw(tile).text((side / 2, side / 2), letter, font=face, fill=255, anchor="mm")
        tile = tile.rotate(-math.degrees(angle), Image.Resampling.BICUBIC)
        x = ink.width / 2 + radius * math.sin(angle) - side / 2
        y = ink.height / 2 - radius * math.cos(angle) - side / 2
        ink.paste(255, (round(x), round(y)), tile)
