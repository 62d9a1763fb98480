"""Object streams whose headers are read once, not anew for each of the objects that they name.

pyHanko looks an object up by reading the header number by number from its beginning: a stream of 3,000
objects (30 KB) takes it 20 s.  Whatever is odd about a stream is left to pyHanko.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """An object stream taken apart: where in *data* each number's object begins, and which one it is."""

    stream: generic.StreamObject
    data: bytes
    places: dict[int, tuple[int, int]]


def unpacked(stream: generic.PdfObject) -> Packed | None:
    """*stream* taken apart; ``None`` where it is not as everybody writes it.  Raises what decoding raises."""
    if not isinstance(stream, generic.StreamObject) or stream.get("/Type") != "/ObjStm":
        return None
    count, first = stream.get("/N"), stream.get("/First")
    if not isinstance(count, int) or not isinstance(first, int) or not first > 0 or count < 0:
        return None
    data: bytes = stream.read_data(DecodePurpose.OBJECT_STREAM)
    words = data[:first].split(None, 2 * count)[: 2 * count]
    if len(words) != 2 * count or not all(word.isdigit() and len(word) < 12 for word in words):
        return None
    numbers = [int(word) for word in words]
    places: dict[int, tuple[int, int]] = {}
    for index, (number, offset) in enumerate(zip(numbers[::2], numbers[1::2], strict=True)):
        places.setdefault(number, (first + offset, index))  # pyHanko takes the first, too
    return Packed(stream=stream, data=data, places=places)
