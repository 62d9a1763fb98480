"""Cross-reference tables read at once: pyHanko reads them entry by entry, some ten microseconds each.

Strategy: a subsection whose lines all have the form that the standard prescribes (20 bytes) is sliced;
anything else is left to pyHanko, which knows how the lines of odd producers are to be read.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.xref import (
    ObjStreamRef,
    XRefBuilder,
    XRefSection,
    XRefSectionData,
    XRefSectionMetaInfo,
    XRefSectionType,
)

from adapters.pdf.objects import trailer_at

# spec: ISO 32000-1 §7.5.4 - ten digits, five digits, n or f, and two characters of line end
_LINE = 20
_SUBSECTION = re.compile(rb"[\s\x00]*([0-9]{1,10}) +([0-9]{1,10})[ \t]*(?:\r\n|\r|\n)")
_LINES = re.compile(rb"(?:[0-9]{10} [0-9]{5} [nf](?: \r| \n|\r\n))*")
_TRAILER = re.compile(rb"[\s\x00]*trailer[\s\x00]*(?=<<)")
_HIGHEST_GENERATION = 0xFFFF
_MAX_OBJECTS = 10_000_000


class QuickTables(XRefBuilder):
    """pyHanko's, with ordinary tables read by slices of *data*, the bytes behind its stream."""

    def __init__(self, data: bytes, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._data = data

    def _read_xref_table(self, declared_startxref: int) -> Any:
        """The section at the stream's place, just behind ``xref``; returns the place of the one before it."""
        start = self.stream.tell()
        found = self._sliced(start)
        if found is None:
            self.stream.seek(start)
            return super()._read_xref_table(declared_startxref)
        section, end, highest = found
        self.stream.seek(end)
        ref = generic.TrailerReference(self.handler)  # type: ignore[no-untyped-call]  # pyHanko's
        trailer = trailer_at(self._data, end, ref, self.handler)
        if trailer is None:
            trailer = generic.DictionaryObject.read_from_stream(self.stream, ref)
        size = trailer.get("/Size")
        if "/XRefStm" in trailer or not isinstance(size, int) or (self.strict and highest >= size):
            # hybrid files, and those that are not in order: pyHanko knows what to do, or to say
            self.stream.seek(start)
            return super()._read_xref_table(declared_startxref)
        info = XRefSectionMetaInfo(
            xref_section_type=XRefSectionType.STANDARD,
            size=int(size),
            declared_startxref=declared_startxref,
            start_location=start,
            end_location=end,
            stream_ref=None,
        )
        self.sections.append(XRefSection(info, section))
        self.trailer.add_trailer_revision(trailer)
        return int(trailer.raw_get("/Prev")) if "/Prev" in trailer else None

    def _read_xref_stream(self, declared_startxref: int) -> Any:
        """The same for a cross-reference stream."""
        start = self.stream.tell()
        ref, stream = self._read_xref_stream_object()  # type: ignore[no-untyped-call]  # pyHanko's
        section = _unpacked(stream)
        size = stream.get("/Size")
        if section is None or not isinstance(size, int):
            self.stream.seek(start)
            return super()._read_xref_stream(declared_startxref)
        info = XRefSectionMetaInfo(
            xref_section_type=XRefSectionType.STREAM,
            size=int(size),
            declared_startxref=declared_startxref,
            start_location=start,
            end_location=self.stream.tell(),
            stream_ref=ref,
        )
        self.sections.append(XRefSection(info, section))
        self.trailer.add_trailer_revision(stream)
        return int(stream.raw_get("/Prev")) if "/Prev" in stream else None

    def _sliced(self, at: int) -> tuple[XRefSectionData, int, int] | None:
        """The entries, where the trailer's dictionary begins, and the highest number; ``None`` in any doubt."""
        section, highest = XRefSectionData(), 0
        data = self._data
        while (head := _SUBSECTION.match(data, at)) is not None:
            first, count = int(head[1]), int(head[2])
            begin = head.end()
            end = begin + count * _LINE
            if end > len(data) or _LINES.fullmatch(data, begin, end) is None:
                return None
            if not _enter(section, first, data[begin:end]):
                return None
            highest = max(highest, first + count - 1)
            at = end
        trailer = _TRAILER.match(data, at)
        return None if trailer is None else (section, trailer.end(), highest)


def _unpacked(stream: generic.StreamObject) -> XRefSectionData | None:
    """The entries of a cross-reference stream; ``None`` where anything about them is unusual."""
    widths = _numbers(stream, "/W")
    ranges = _numbers(stream, "/Index") if "/Index" in stream else [stream.get("/Size")]
    if len(ranges) == 1:
        ranges = [0, *ranges]
    if (
        len(widths) != 3
        or len(ranges) % 2
        or not ranges
        or not all(isinstance(n, int) and 0 <= n <= _MAX_OBJECTS for n in (*widths, *ranges))
        or ("/Prev" in stream and not isinstance(stream.raw_get("/Prev"), int))
        or widths[0] != 1
        or not 1 <= widths[1] <= 8
        or widths[2] > 8
    ):
        return None
    pairs = list(zip(ranges[::2], ranges[1::2], strict=True))
    width, first_end = sum(widths), 1 + widths[1]
    count = sum(length for _, length in pairs)
    if any(first + length > later for (first, length), (later, _) in pairwise(pairs)):
        return None  # pyHanko says that subsections must ascend
    rows = stream.read_data(DecodePurpose.XREF_STREAM, expected_size=count * (width + 1) or None)
    if len(rows) != count * width:
        return None
    section, at = XRefSectionData(), 0
    for first, length in pairs:
        for number in range(first, first + length):
            kind = rows[at]
            second = int.from_bytes(rows[at + 1 : at + first_end], "big")
            third = int.from_bytes(rows[at + first_end : at + width], "big")
            at += width
            if kind != 2 and third > _HIGHEST_GENERATION:
                return None
            if number == 0:
                continue
            if kind == 1:
                section.standard_xrefs[number] = third, second
                section.explicit_refs_in_revision.add((number, third))
            elif kind == 2:
                section.xrefs_in_objstm[number] = ObjStreamRef(second, third)
                section.obj_streams_used.add(second)
                section.explicit_refs_in_revision.add((number, 0))
            elif kind == 0:
                section.freed[number] = third
                section.explicit_refs_in_revision.add((number, third - 1))
    return section


def _numbers(stream: generic.StreamObject, key: str) -> list[Any]:
    value = stream.get(key)
    return list(value) if isinstance(value, list) else []


def _enter(section: XRefSectionData, first: int, lines: bytes) -> bool:
    """Put the entries of one subsection into *section*; whether all of them are of the usual kind."""
    places, freed, known = section.standard_xrefs, section.freed, section.explicit_refs_in_revision
    number = first
    for at in range(0, len(lines), _LINE):
        generation = int(lines[at + 11 : at + 16])
        if generation > _HIGHEST_GENERATION:
            return False
        if number:
            if lines[at + 17] == 0x6E:  # n
                places[number] = generation, int(lines[at : at + 10])
                known.add((number, generation))
            else:
                freed[number] = generation
                known.add((number, generation - 1))
        number += 1
    return True
