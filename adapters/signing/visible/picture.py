"""The picture of an agency's seal: read from a PNG, checked, and prepared once for every PDF it goes on.

    picture = read_picture(Path("var/keys/000.00.13.H53.seal.png").read_bytes(), diameter_mm=36)

spec: NĐ 30/2020 Annex I, Part I, II.8.a - red, of the seal's real size, PNG with a transparent ground.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass

from PIL import Image, ImageStat, UnidentifiedImageError

from adapters.signing.visible.geometry import POINTS_PER_MM, Size

LARGEST_FILE = 4 * 1024 * 1024
"""Bytes of a PNG that are read."""

_MOST_PIXELS = 16_000_000
_SMALLEST_MM, _LARGEST_MM = 10.0, 80.0
"""Seals measure 20 to 50 mm; what lies outside these says that the PNG's resolution is not true."""
_FINEST_DPI = 400
"""Finer pictures are made coarser: every sealed PDF carries the picture."""
_MM_PER_INCH = 25.4
_VISIBLE = 8
"""Of 255: what is fainter belongs to the ground."""
_SAME = 6
"""Of 255: colours that differ by no more are one; resampling rounds."""


class UnusablePicture(ValueError):
    """The PNG cannot serve as a seal; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture as PDFs carry it: colours and transparency, each deflated."""

    size: Size
    """On paper, in points."""
    width: int
    height: int
    """In pixels, of the transparency; the colours may be one pixel, where the picture has one colour."""
    colours: bytes
    colours_width: int
    colours_height: int
    transparency: bytes


def read_picture(png: bytes, *, diameter_mm: float) -> Picture:
    """The seal in *png*: its size is that of its pHYs resolution, without one it is *diameter_mm* across.

    The ground around the seal does not count.  Raises ``UnusablePicture``.
    """
    if len(png) > LARGEST_FILE:
        raise UnusablePicture(f"larger than {LARGEST_FILE} bytes")
    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise UnusablePicture(f"more than {_MOST_PIXELS} pixels")
            resolution = opened.info.get("dpi")
            image = opened.convert("RGBA")
    except UnusablePicture:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError) as exc:
        raise UnusablePicture("no PNG") from exc
    except Exception as exc:
        # Pillow raises what a broken file makes it raise: OSError, SyntaxError, ValueError, zlib.error, …
        raise UnusablePicture(f"a broken PNG: {exc}") from exc

    alpha = image.getchannel("A")
    if alpha.point(lambda value: 255 if value > _VISIBLE else 0).getextrema() == (255, 255):
        raise UnusablePicture("its ground is not transparent")
    ink = alpha.point(lambda value: 255 if value > _VISIBLE else 0).getbbox()
    if ink is None:
        raise UnusablePicture("nothing is on it")
    image = image.crop(ink)
    across, high = _size_mm(image, resolution, diameter_mm)
    image = _coarser(image, across)
    return _prepared(image, Size(width=across * POINTS_PER_MM, height=high * POINTS_PER_MM))


def _size_mm(
    image: Image.Image, resolution: tuple[float, float] | None, diameter_mm: float
) -> tuple[float, float]:
    if resolution is None:
        return diameter_mm, diameter_mm * image.height / image.width
    if min(resolution) <= 0:
        raise UnusablePicture("its resolution (pHYs) is 0")
    size = image.width / resolution[0] * _MM_PER_INCH, image.height / resolution[1] * _MM_PER_INCH
    if not all(_SMALLEST_MM <= side <= _LARGEST_MM for side in size):
        raise UnusablePicture(
            f"{size[0]:.0f} × {size[1]:.0f} mm by its resolution (pHYs): no seal is of that size"
        )
    return size


def _coarser(image: Image.Image, across_mm: float) -> Image.Image:
    most = round(across_mm / _MM_PER_INCH * _FINEST_DPI)
    if image.width <= most:
        return image
    return image.resize((most, max(1, round(image.height * most / image.width))), Image.Resampling.LANCZOS)


def _prepared(image: Image.Image, size: Size) -> Picture:
    alpha = image.getchannel("A").point(lambda value: value if value > _VISIBLE else 0)
    visible = alpha.point(lambda value: 255 if value else 0)
    colours = image.convert("RGB")
    ink = ImageStat.Stat(colours, visible)
    main_colour = (ink.median[0], ink.median[1], ink.median[2])
    if all(high - low <= _SAME for low, high in ink.extrema):
        # drawn in one colour: one pixel says it all
        colours = Image.new("RGB", (1, 1), main_colour)
    else:
        # what cannot be seen gets the main colour, so that it takes no room
        colours = Image.composite(colours, Image.new("RGB", image.size, main_colour), visible)
    return Picture(
        size=size,
        width=alpha.width,
        height=alpha.height,
        colours=zlib.compress(colours.tobytes(), 9),
        colours_width=colours.width,
        colours_height=colours.height,
        transparency=zlib.compress(alpha.tobytes(), 9),
    )
