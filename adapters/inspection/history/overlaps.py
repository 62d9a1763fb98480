"""What the picture of a later signature lies upon: an earlier signature's, or something that nobody may cover.

Anybody can add a signature of his own, and with it a picture of any size at any place.  The seal of an
agency overlaps the leader's picture by law (NĐ 30/2020 Annex I, Part I, II.8); a picture over half a page, over
a field that was filled in, or opaquely over a text replaces what was signed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from io import BytesIO

import pikepdf
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject

from adapters.inspection.history.revisions import Revisions, root_of
from adapters.inspection.objects import inherited, name_in, raw_items, rectangle
from adapters.inspection.paper.dormant import hiding_signatures
from adapters.pdf.reader import entry, resolved

Box = tuple[float, float, float, float]

_MAX_PAGES = 5_000
_MAX_ANNOTATIONS = 20_000
_TOUCHING = 2.0
"""Points by which two may meet before it counts."""

_LARGE = 0.5
"""The share of its page that a signature's picture may take."""

_UNSEEN = frozenset({"/Link", "/Popup"})
_A4 = (0.0, 0.0, 595.0, 842.0)


@dataclass(slots=True)
class Overlaps:
    """What lies beneath the later pictures: earlier signatures, and things that they may not cover."""

    signatures: list[str] = field(default_factory=list)
    covered: list[str] = field(default_factory=list)


class Hiding:
    """Which widgets of signatures hide a text of their page behind opaque looks; looked up once per file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._known: dict[int, bool] = {}

    def among(self, numbers: Collection[int]) -> set[int]:
        """Those of *numbers* that do; all of them where the file cannot be looked through."""
        unknown = set(numbers) - set(self._known)
        if unknown:
            self._known |= dict.fromkeys(unknown, False) | dict.fromkeys(self._look(unknown), True)
        return {number for number in numbers if self._known[number]}

    def _look(self, numbers: Collection[int]) -> Collection[int]:
        try:
            with pikepdf.open(
                BytesIO(self._data), suppress_warnings=True, inherit_page_attributes=False
            ) as pdf:
                return hiding_signatures(pdf, numbers)
        except MemoryError:
            raise
        except Exception:  # whatever qpdf makes of it: what cannot be seen is no excuse
            return numbers


def of_later_signatures(
    revisions: Revisions, revision: int, came: Collection[int], hiding: Hiding
) -> Overlaps:
    """What the widgets *came*, which are newer than *revision*, lie upon."""
    found = Overlaps()
    if not came:
        return found
    for page in _pages(revisions):
        annotations = list(_annotations(page))
        later = [(number, widget) for number, widget in annotations if number in came]
        if not later:
            continue
        limits = _page_box(page)
        earlier = [
            (annotation, box)
            for number, annotation in annotations
            if number not in came
            and (not number or revisions.is_known(number, revision))
            and name_in(annotation, "/Subtype") not in _UNSEEN
            and (box := rectangle(annotation)) is not None
        ]
        opaque = hiding.among(came)
        for number, widget in later:
            if number in opaque:
                found.covered.append(f"{_name(widget)} covers text of the page")
            box = rectangle(widget)
            if box is not None:
                _look(found, _name(widget), box, limits, earlier)
    return found


def _look(
    found: Overlaps, name: str, box: Box, limits: Box, earlier: list[tuple[DictionaryObject, Box]]
) -> None:
    if _area(_common(box, limits)) > _LARGE * _area(limits):
        found.covered.append(f"{name} covers the page")
    for annotation, other in earlier:
        left, bottom, right, top = _common(box, other)
        if right - left <= _TOUCHING or top - bottom <= _TOUCHING:
            continue
        if str(inherited(annotation, "/FT")) == "/Sig":
            found.signatures.append(f"{name} over {_name(annotation)}")
        else:
            found.covered.append(f"{name} covers {_name(annotation)}")


def _pages(revisions: Revisions) -> Iterator[DictionaryObject]:
    waiting: list[PdfObject | None] = [entry(root_of(revisions.at(revisions.last)), "/Pages")]
    seen: set[int] = set()
    given = 0
    while waiting and given < _MAX_PAGES:
        raw = waiting.pop()
        if isinstance(raw, IndirectObject):
            if raw.idnum in seen:
                continue
            seen.add(raw.idnum)
        node = resolved(raw) if raw is not None else None
        if not isinstance(node, DictionaryObject):
            continue
        kids = entry(node, "/Kids")
        if isinstance(kids, ArrayObject):
            waiting.extend(reversed(list(raw_items(kids))))
        else:
            given += 1
            yield node


def _annotations(page: DictionaryObject) -> Iterator[tuple[int, DictionaryObject]]:
    array = entry(page, "/Annots")
    if not isinstance(array, ArrayObject):
        return
    for index in range(min(len(array), _MAX_ANNOTATIONS)):
        raw = array.raw_get(index)
        annotation = resolved(raw)
        if isinstance(annotation, DictionaryObject):
            yield raw.idnum if isinstance(raw, IndirectObject) else 0, annotation


def _page_box(page: DictionaryObject) -> Box:
    for key in ("/CropBox", "/MediaBox"):
        corners = inherited(page, key)
        if isinstance(corners, ArrayObject) and len(corners) == 4:
            try:
                a, b, c, d = (float(n) for n in corners)
            except (TypeError, ValueError):
                continue
            return min(a, c), min(b, d), max(a, c), max(b, d)
    return _A4


def _common(one: Box, other: Box) -> Box:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _name(widget: DictionaryObject) -> str:
    own = inherited(widget, "/T")
    return str(own)[:60] if own is not None else name_in(widget, "/Subtype").lstrip("/") or "?"
