"""The revisions of a file: which numbers each of them touches, and which of them a signature saw.

A revision is one cross-reference section; the oldest is 0.  A linearised file begins with two sections
that were written together, so the revision that a signature saw is not found by counting ends of files:
it is the one to which the last ``startxref`` within the signed bytes leads.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Mapping
from itertools import accumulate, islice

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import DictionaryObject, IndirectObject, StreamObject
from pyhanko.pdf_utils.reader import HistoricalResolver
from pyhanko.pdf_utils.xref import XRefSectionData

from adapters.pdf.reader import QuickReader, resolved
from adapters.pdf.references import references_in

_STARTXREF = re.compile(rb"startxref[\s\x00]+([0-9]{1,20})")
_ENDING = re.compile(rb"startxref[\s\x00]+[0-9]+[\s\x00]+%%EOF")
_LENGTH = re.compile(rb"/Length[\s\x00]+([0-9]{1,19})(?:[\s\x00]+([0-9]{1,5})[\s\x00]+R)?")
_MOST_BYTES_OF_AN_ENDING = 2048


class Revisions:
    """What the cross-reference sections of *reader* say, looked up once.

    *judged* are the numbers of the signatures to which the newest form leads: each is judged on its own.
    """

    def __init__(self, reader: QuickReader, judged: Collection[int] = ()) -> None:
        self.reader = reader
        self.judged = frozenset(judged)
        self.last: int = reader.xrefs.total_revisions - 1
        self._resolvers: dict[int, HistoricalResolver] = {}
        self._touched = [self._touched_in(revision) for revision in range(self.last + 1)]
        self._since: dict[int, int] = {}
        self._generations: dict[int, set[int]] = {}
        for revision, touched in enumerate(self._touched):
            for number in touched:
                self._since.setdefault(number, revision)
        self._places = [self._places_in(revision) for revision in range(self.last + 1)]
        infos = (reader.xrefs.get_xref_container_info(r) for r in range(self.last + 1))
        self._ends = list(accumulate((info.end_location for info in infos), max))
        self._bounds = self._find_bounds()
        self._trailers: list[tuple[int, int]] | None = None
        self._standing: list[tuple[int, int]] | None = None
        self._reaches: tuple[list[int], list[int]] | None = None
        self._stream_targets: dict[int, frozenset[int]] = {}

    # --- what a revision holds ---------------------------------------------------------------------------

    def at(self, revision: int) -> HistoricalResolver:
        """The file as it was at *revision*; references in what it hands out are resolved there, too."""
        if revision not in self._resolvers:
            self._resolvers[revision] = self.reader.get_historical_resolver(revision)
        return self._resolvers[revision]

    def touched(self, revision: int) -> Mapping[int, set[int]]:
        """The numbers that *revision* defines or frees, each with the generations that it names."""
        return self._touched[revision]

    def is_known(self, number: int, revision: int) -> bool:
        """Whether *revision* or one before it defines *number*."""
        return self._since.get(number, self.last + 1) <= revision

    def since(self, number: int) -> int:
        """The revision that was the first to define *number*; one past the last where none does."""
        return self._since.get(number, self.last + 1)

    def generations(self, number: int, revision: int) -> set[int]:
        """The generations under which *number* was known up to *revision*."""
        return {
            generation
            for earlier in range(self.since(number), revision + 1)
            for generation in self._touched[earlier].get(number, ())
        }

    def object(self, number: int, revision: int, generation: int) -> generic.PdfObject:
        """The object *number* as it was at *revision*; null where there was none."""
        resolver = self.at(revision)
        found: generic.PdfObject = resolver.get_object(generic.Reference(number, generation, resolver))
        return found

    def object_streams(self, revision: int) -> set[int]:
        """The numbers of the object streams in use up to *revision*."""
        return {
            ref.idnum
            for r in range(revision + 1)
            for ref in self.reader.xrefs.object_streams_used_in(r)  # type: ignore[no-untyped-call]  # pyHanko's
        }

    def mentioned(self, wanted: set[int], revision: int) -> set[int]:
        """Those of *wanted* that the bytes of *revision* and of those before it so much as mention."""
        places, targets = self.reader.references()
        found = wanted.intersection(islice(targets, bisect_left(places, self._bounds[revision])))
        for number in self.object_streams(revision):
            found |= wanted & self._targets_in_stream(number, revision)
        return found

    def _targets_in_stream(self, number: int, revision: int) -> frozenset[int]:
        if number not in self._stream_targets:
            # an object stream that is replaced is an attack of its own, so its number is key enough
            stream = self.object(number, revision, 0)
            self._stream_targets[number] = (
                frozenset(target for _, target in references_in(stream.data))
                if isinstance(stream, StreamObject)
                else frozenset()
            )
        return self._stream_targets[number]

    def is_mentioned_elsewhere(self, number: int, revision: int, *, holder: int | None = None) -> bool:
        """Whether the bytes up to *revision* mention *number* outside all trailers, but for once in object *holder*.

        Where an object stands is what the tables say; what the bytes look like is the author's.
        """
        places, targets = self.reader.references()
        held: set[int] = set()
        for index in range(bisect_left(places, self._bounds[revision])):
            if targets[index] != number or self._is_in_trailer(places[index]):
                continue
            start, standing = self._standing_at(places[index])
            # twice in one object is once too often: the second may be for another use
            if standing != holder or start in held:
                return True
            held.add(start)
        return any(number in self._targets_in_stream(one, revision) for one in self.object_streams(revision))

    def _is_in_trailer(self, place: int) -> bool:
        if self._trailers is None:
            self._trailers = []
            for revision in range(self.last + 1):
                info = self.reader.xrefs.get_xref_container_info(revision)
                if info.stream_ref is not None and self.reader.data[info.start_location :][:1].isdigit():
                    self._trailers.append((info.start_location, info.end_location))
                else:
                    end = self.reader.data.find(b"startxref", info.end_location)
                    self._trailers.append((info.end_location, end if end >= 0 else info.end_location))
        return any(start <= place < end for start, end in self._trailers)

    def _standing_at(self, place: int) -> tuple[int, int]:
        """Where the object begins that begins last before *place*, and its number; zeros where none does."""
        if self._standing is None:
            self._standing = sorted(
                (at, number)
                for revision in range(self.last + 1)
                for data in self._tables(revision)
                for number, (_, at) in data.standard_xrefs.items()
            )
        index = bisect_left(self._standing, (place, 0))
        return self._standing[index - 1] if index else (0, 0)

    def is_plain(self, number: int, revision: int) -> bool:
        """Whether what *revision* itself says of *number* reads the same to everybody."""
        # some write both /Type /DocTimeStamp and /Type /Sig, to please everybody
        repeatable = "/Type" if number in self.judged else ""
        for generation in self._touched[revision][number]:
            ref = generic.Reference(number, max(0, generation), self.reader)
            marker = self.reader.xrefs.get_historical_ref(ref, revision)
            if marker is not None and not self.reader.is_plain(ref, marker, repeatable=repeatable):
                return False
        return True

    def leads_back(self, number: int, revision: int) -> bool:
        """Whether the table of *revision* puts *number* where earlier revisions lie, and they had it elsewhere.

        What stood there waited for that: nothing led to it when the earlier ones were signed.
        """
        # sections tell where revisions end, not objects: the attack is that an object lies before
        bound = self._ends[revision - 1]
        if self.reader.xrefs.get_xref_container_info(revision).start_location < bound:
            return False  # linearised: the sections were written together
        for generation in self._touched[revision][number]:
            ref = generic.Reference(number, generation, self.reader)
            now = self.reader.xrefs.get_historical_ref(ref, revision)
            before = self.reader.xrefs.get_historical_ref(ref, revision - 1)
            if now is None or now == before:
                continue
            if isinstance(now, int):
                if now < bound:
                    return True
            elif self.is_known(now.obj_stream_id, revision - 1):
                return True
        return False

    # --- which revision a signature saw ------------------------------------------------------------------

    def seen_by(self, end: int) -> int | None:
        """The revision that lies in the first *end* bytes; ``None`` where they hold no whole one.

        All its sections must lie within, all later ones outside.
        """
        data = self.reader.data
        if end >= len(data):
            return self.last
        at = data.rfind(b"startxref", 0, end)
        found = _STARTXREF.match(data, at, end) if at >= 0 else None
        if found is None:
            return None
        place = int(found[1])
        infos = [self.reader.xrefs.get_xref_container_info(r) for r in range(self.last + 1)]
        named = [
            r
            for r, info in enumerate(infos)
            if place in (info.start_location, info.declared_startxref)
            and self.reader.xrefs.get_startxref_for_revision(r) < end
        ]
        if not named:
            return None
        seen = max(named)
        is_within = all(info.start_location < end for info in infos[: seen + 1])
        is_outside = all(info.start_location >= end for info in infos[seen + 1 :])
        return seen if is_within and is_outside else None

    def is_whole(self, end: int) -> bool:
        """Whether the first *end* bytes end like a file."""
        data = self.reader.data
        at = data.rfind(b"startxref", max(0, end - _MOST_BYTES_OF_AN_ENDING), end)
        found = _ENDING.match(data, at) if at >= 0 else None
        return found is not None and found.end() <= end and not data[found.end() : end].strip(b"\r\n \t\x00")

    def reaches_beyond(self, revision: int, end: int) -> int | None:
        """A place behind the first *end* bytes that a table or a length of *revision* names; else ``None``.

        It was empty when it was signed; whoever appends bytes fills it, and no later table tells.
        """
        furthest = max(at for at, _ in (*self._places[: revision + 1], (0, 0)))
        if furthest >= end:
            return furthest
        # the last object must end there as well, and so must every stream
        if furthest and not 0 <= self.reader.data.find(b"endobj", furthest) < end:
            return furthest
        reach = self._reach_of_streams(end)
        return reach if reach > end else None

    def _reach_of_streams(self, end: int) -> int:
        """How far the streams go whose lengths are written in the first *end* bytes."""
        if self._reaches is None:
            at: list[int] = []
            furthest: list[int] = []
            for found in _LENGTH.finditer(self.reader.data):
                length = int(found[1])
                if found[2] is not None:
                    named = self.object(length, self.last, int(found[2])) if length < 1 << 31 else None
                    length = int(named) if isinstance(named, int) else 0
                at.append(found.end())
                furthest.append(max(found.end() + length, furthest[-1] if furthest else 0))
            self._reaches = at, furthest
        places, reaches = self._reaches
        before = bisect_left(places, end)
        return reaches[before - 1] if before else 0

    # --- building ----------------------------------------------------------------------------------------

    def _touched_in(self, revision: int) -> dict[int, set[int]]:
        touched: dict[int, set[int]] = {}
        xrefs = self.reader.xrefs
        for ref in (*xrefs.explicit_refs_in_revision(revision), *xrefs.refs_freed_in_revision(revision)):
            touched.setdefault(ref.idnum, set()).add(ref.generation)
        return touched

    def _tables(self, revision: int) -> list[XRefSectionData]:
        """What the section of *revision* says, and what its hidden half says in a hybrid file."""
        section = self.reader.xrefs.get_xref_data(revision)
        return [section] if section.hybrid is None else [section, section.hybrid.xref_data]

    def _places_in(self, revision: int) -> tuple[int, int]:
        """The last and the first place at which *revision* says that an object stands."""
        places = [at for data in self._tables(revision) for _, at in data.standard_xrefs.values()]
        return (max(places), min(places)) if places else (0, len(self.reader.data))

    def _find_bounds(self) -> list[int]:
        """For each revision the place in the file before which all lies that belongs to it or to earlier ones."""
        xrefs, size = self.reader.xrefs, len(self.reader.data)
        firsts = [
            min(xrefs.get_xref_container_info(revision).start_location, self._places[revision][1])
            for revision in range(self.last + 1)
        ]
        bounds = [size] * (self.last + 1)
        later = size
        for revision in range(self.last - 1, -1, -1):
            later = min(later, firsts[revision + 1])
            # where a later revision begins before an earlier one ends, nothing can be told by place
            bounds[revision] = later if later >= self._ends[revision] else size
        return bounds


def signature_place(reader: QuickReader, signature: DictionaryObject, revision: int) -> int | None:
    """Where in the file the object begins that holds *signature*.

    ``None`` where it is in no plain object, or in one that a revision after *revision* wrote anew.
    """
    holder = signature.raw_get("/Contents").container_ref
    if not isinstance(holder, generic.Reference):
        return None
    marker = reader.xrefs.get_historical_ref(holder, revision)
    return marker if isinstance(marker, int) and marker == reader.xrefs[holder] else None


def root_of(resolver: HistoricalResolver) -> generic.PdfObject:
    """The catalogue of the file as *resolver* sees it."""
    raw = resolver.trailer_view.raw_get("/Root")
    if not isinstance(raw, IndirectObject):
        return resolved(raw)
    # the reference in the trailer would lead to the newest catalogue
    found: generic.PdfObject = resolver.get_object(generic.Reference(raw.idnum, raw.generation, resolver))
    return found
