"""Sealed pages as a person sees them: rendered by poppler, and measured in millimetres."""

from __future__ import annotations

import asyncio
import io
import subprocess
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

DPI = 150
MM_PER_INCH = 25.4

_NEAR = 80
"""Of 255: how far a pixel's colour may be from the one that is looked for; edges are smooth."""

RED, BLUE, GREEN = (230, 20, 30), (0, 0, 255), (0, 150, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Where a colour is seen: millimetres from the page's left and top edge."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A page as it is looked at."""

    image: Image.Image
    mm: float
    """How many millimetres a pixel is."""

    def patch(self, colour: tuple[int, int, int]) -> Patch | None:
        """Where *colour* is; ``None`` where it is not."""
        difference = ImageChops.difference(self.image, Image.new("RGB", self.image.size, colour))
        red, green, blue = difference.split()
        worst = ImageChops.lighter(ImageChops.lighter(red, green), blue)
        found = worst.point(lambda value: 255 if value < _NEAR else 0).getbbox()
        if found is None:
            return None
        left, top, right, bottom = (edge * self.mm for edge in found)
        return Patch(left=left, top=top, right=right, bottom=bottom)


async def look(pdf: bytes, folder: Path, *, page: int = 1, width_mm: float | None = None) -> Seen:
    """*page* of *pdf*; *width_mm*: how wide it is on paper, where poppler does not know (UserUnit)."""
    return await asyncio.to_thread(_look, pdf, folder, page, width_mm)


def _look(pdf: bytes, folder: Path, page: int, width_mm: float | None) -> Seen:
    (folder / "looked-at.pdf").write_bytes(pdf)
    command = ["pdftoppm", "-r", str(DPI), "-cropbox", "-f", str(page), "-l", str(page), "looked-at.pdf"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    image = Image.open(io.BytesIO(done.stdout)).convert("RGB")
    mm = width_mm / image.width if width_mm is not None else MM_PER_INCH / DPI
    return Seen(image=image, mm=mm)


def a_seal(*, across_mm: float = 36.0, dpi: int | None = 200, margin: int = 0, mode: str = "RGBA") -> bytes:
    """A PNG with a red disc and, in its upper left, a green spot, so that it shows which way up it is."""
    across = round(across_mm / MM_PER_INCH * (dpi or 200))
    image = Image.new("RGBA", (across + 2 * margin, across + 2 * margin), (255, 255, 255, 0))
    pen = ImageDraw.Draw(image)
    pen.ellipse((margin, margin, margin + across - 1, margin + across - 1), fill=(*RED, 255))
    third = across // 3
    pen.rectangle(
        (margin + third - 20, margin + third - 20, margin + third, margin + third), fill=(*GREEN, 255)
    )
    out = io.BytesIO()
    options = {"dpi": (dpi, dpi)} if dpi else {}
    image.convert(mode).save(out, "PNG", **options)
    return out.getvalue()


def an_empty_picture() -> bytes:
    """A PNG on which nothing is."""
    out = io.BytesIO()
    Image.new("RGBA", (100, 100), (255, 0, 0, 0)).save(out, "PNG")
    return out.getvalue()
