"""Bytes and objects that no cross-reference of a file accounts for.

Readers that rebuild a table of objects show what others do not: so nothing may stand behind the last
revision, and an object that only its bytes know of is a thing to be told.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import DictionaryObject
from pyhanko.pdf_utils.misc import PdfReadError, PdfStreamError

from adapters.pdf.reader import QuickReader

# what may follow the last cross-reference section: comments, startxref, and the end
_TAIL = re.compile(
    rb"(?:[\s\x00]*endobj\b)?(?:\s|\x00|%(?!%EOF)[^\r\n]*[\r\n])*startxref\s+[0-9]+\s+%%EOF[\s\x00]*"
)
_TRAILER = re.compile(rb"[\s\x00]*(?:trailer)?[\s\x00]*(?=<<)")
_OBJECT = re.compile(rb"[0-9][\s\x00]+[0-9]+[\s\x00]+obj")
_DAEH = re.compile(
    rb"[\s\x00]+([0-9]{1,5})[\s\x00]+([0-9]{1,10})(?![0-9])"
)  # an object's header, read backwards
# a dictionary without another in front of its one direct length
_STREAM = re.compile(
    rb"obj[\s\x00]*<<(?:(?!endobj|stream)[^>]|>(?!>))*?/Length[\s\x00]+([0-9]{1,10})[\s\x00]*(?=[/>])"
    rb"(?:(?!endobj|stream).)*?>>[\s\x00]*stream(?:\r\n|\n)",
    re.DOTALL,
)
_ENDSTREAM = re.compile(rb"[\r\n]{0,2}endstream")
_LONGEST_DICTIONARY = 4096
_BLANKS = re.compile(rb"[ \t\r\n\x0c\x00]*")


def is_end_accounted(reader: QuickReader) -> bool:
    """Whether nothing but the end follows the last thing that any cross-reference accounts for."""
    try:
        return _is_end_accounted(reader)
    except (ValueError, PdfReadError, PdfStreamError):
        return False


def _is_end_accounted(reader: QuickReader) -> bool:
    xrefs = reader.xrefs
    end = max(xrefs.get_xref_container_info(r).end_location for r in range(xrefs.total_revisions))
    if (trailer := _TRAILER.match(reader.data, end)) is not None:
        reader.stream.seek(trailer.end())
        DictionaryObject.read_from_stream(reader.stream, generic.TrailerReference(reader))  # type: ignore[no-untyped-call]  # pyHanko's
        end = reader.stream.tell()
    if _TAIL.fullmatch(reader.data, end):
        return True
    # a linearised file has its last cross-reference section in front: then the last object ends the file
    last = max(
        (
            at
            for r in range(xrefs.total_revisions)
            for ref in xrefs.explicit_refs_in_revision(r)
            if isinstance(at := xrefs.get_historical_ref(ref, r), int)
        ),
        default=0,
    )
    close = reader.data.rfind(b"endobj")
    is_one_object = last > end and len(_OBJECT.findall(reader.data, last, close)) <= 1
    return is_one_object and bool(_TAIL.fullmatch(reader.data, close + 6))


def stray_objects(reader: QuickReader) -> dict[int, int]:
    """Where in the file an object begins that is in no cross-reference, and its number.

    Looks at every byte a few times at most, however often a number, a table or an end is repeated.
    """
    data = reader.data
    accounted = _Accounted(reader)
    stray: dict[int, int] = {}
    known_end, close = 0, data.find(b"endobj")
    at = data.find(b"obj")
    while at >= 0:
        found = _DAEH.match(data[max(0, at - 32) : at][::-1])
        if found is not None:
            number, start = int(found[2][::-1]), at - found.end()
            if accounted.has(number, start):
                at = known_end = _behind_stream(data, at)
                if 0 <= close < known_end:
                    close = data.find(b"endobj", known_end)
            elif 0 <= close <= start - len(b"endobj") or not known_end:
                stray[start] = number  # behind the end of what is known, so not merely text in a stream
        at = data.find(b"obj", at + 3)
    return stray


def _behind_stream(data: bytes, at: int) -> int:
    """Where the stream ends of the object whose ``obj`` stands at *at*; *at* itself where it has none that is sure.

    What lies within, be it a file with objects of its own, is content.
    """
    begin = _STREAM.match(data, at, at + _LONGEST_DICTIONARY)
    if begin is None:
        return at
    end = begin.end() + int(begin[1])
    return end if _ENDSTREAM.match(data, end) is not None else at


class _Accounted:
    """Where cross-references say that objects and tables begin."""

    def __init__(self, reader: QuickReader) -> None:
        xrefs = reader.xrefs
        places: dict[int, set[int]] = {}
        self._tables: set[int] = set()
        for revision in range(xrefs.total_revisions):
            self._tables.add(xrefs.get_xref_container_info(revision).start_location)
            for ref in xrefs.explicit_refs_in_revision(revision):
                at = xrefs.get_historical_ref(ref, revision)
                if isinstance(at, int):
                    places.setdefault(ref.idnum, set()).add(at)
        self._places = {number: sorted(found) for number, found in places.items()}
        self._data = reader.data
        self._after_blanks: dict[int, int] = {}

    def has(self, number: int, start: int) -> bool:
        """Whether the object *number* at *start* is where a cross-reference leads, blanks aside."""
        if any(start - offset in self._tables for offset in range(4)):
            return True
        places = self._places.get(number, ())
        before = bisect_right(places, start)
        # what stands between an earlier place and this one stands behind the nearest, too
        return before > 0 and self._behind_blanks(places[before - 1]) >= start

    def _behind_blanks(self, place: int) -> int:
        if place not in self._after_blanks:
            found = _BLANKS.match(self._data, place)
            self._after_blanks[place] = found.end() if found is not None else place
        return self._after_blanks[place]
