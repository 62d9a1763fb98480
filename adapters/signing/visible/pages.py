"""The pages of a PDF that somebody else wrote: the first, the last, and the one that shows an annotation.

Nothing that a file says is believed: trees may loop, boxes may be missing, reversed or endless, and a page
that an annotation names may not be in the document at all.  Every walk has a bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyhanko.pdf_utils import generic

from adapters.signing.objects import entry, finite, raw_entry, resolved
from adapters.signing.visible.geometry import Box, View

_DEEPEST = 64
"""Levels of the page tree that are followed."""
_MOST_STEPS = 200_000
"""Elements of arrays (kids, annotations) that are looked at in search of pages."""
_LARGEST = 1_000_000.0
"""Units of user space; ISO 32000 speaks of 14,400."""
_LETTER = Box(left=0, bottom=0, right=612, top=792)
"""What viewers show where a page has no MediaBox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page, which is at ``ref``, with what it inherits and how it is seen."""

    ref: generic.IndirectObject
    entries: generic.DictionaryObject
    inherited: tuple[generic.DictionaryObject, ...]
    """The nodes above, from the nearest to the root."""
    view: View

    @property
    def is_paper(self) -> bool:
        """Whether it calls itself a page, or is built like one; other things stand in broken page trees."""
        built = "/Parent" in self.entries and bool(
            {"/Contents", "/MediaBox", "/Resources"} & set(self.entries)
        )
        return entry(self.entries, "/Type") == "/Page" or (built and "/T" not in self.entries)

    def entry(self, key: str) -> Any:
        """The page's entry *key*, or the one that it inherits; ``None`` where there is none."""
        for node in (self.entries, *self.inherited):
            found = entry(node, key)
            if found is not None:
                return found
        return None


class Steps:
    """How many elements of arrays may still be looked at."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS

    def take(self, count: int = 1) -> bool:
        """Whether *count* more may be."""
        self._left -= count
        return self._left >= 0


def first(root: generic.DictionaryObject) -> Page | None:
    """The first page; ``None`` where no page can be found."""
    return next(_pages(root, forwards=True), None)


def from_last(root: generic.DictionaryObject) -> Iterator[Page]:
    """The pages from the last to the first."""
    return _pages(root, forwards=False)


def showing(root: generic.DictionaryObject, widget: generic.IndirectObject, steps: Steps) -> Page | None:
    """The page on which the annotation *widget* is; ``None`` where it is on none that people see.

    Nor where it is not found within *steps*.
    """
    named = raw_entry(widget, "/P")
    if isinstance(named, generic.IndirectObject):
        above = _above(root, named, steps)
        entries = resolved(named)
        if above is not None and _lists(entries, "/Annots", widget, steps):
            return _page(named, entries, above)
        return None
    # spec: ISO 32000-2 §12.5.2 - /P is optional: then the pages have to be asked
    for page in from_last(root):
        if _lists(page.entries, "/Annots", widget, steps):
            return page
    return None


def box_of(found: object) -> Box | None:
    """The rectangle that an array describes; ``None`` where it describes none of a sane size."""
    numbers = resolved(found)
    if not isinstance(numbers, generic.ArrayObject) or len(numbers) != 4:
        return None
    corners = [finite(resolved(element)) for element in numbers]
    if any(corner is None or abs(corner) > _LARGEST for corner in corners):
        return None
    box = Box.between(*(corner for corner in corners if corner is not None))
    return box if box.width > 0 and box.height > 0 else None


def _pages(root: generic.DictionaryObject, *, forwards: bool) -> Iterator[Page]:
    steps = Steps()
    seen: set[tuple[int, int]] = set()
    above: list[generic.DictionaryObject] = []
    # the arrays that we are in, from the root down; they are walked as far as somebody asks
    stack: list[Iterator[Any]] = [iter((raw_entry(root, "/Pages"),))]
    while stack:
        ref = next(stack[-1], _END)
        if ref is _END:
            stack.pop()
            if above:
                above.pop(0)
            continue
        if not steps.take():
            return
        if not isinstance(ref, generic.IndirectObject) or _key(ref) in seen:
            continue
        seen.add(_key(ref))
        node = resolved(ref)
        if not isinstance(node, generic.DictionaryObject):
            continue
        kids = entry(node, "/Kids")
        if not isinstance(kids, generic.ArrayObject):
            yield _page(ref, node, tuple(above))
        elif len(stack) < _DEEPEST:
            above.insert(0, node)
            stack.append(iter(kids) if forwards else reversed(kids))


_END = object()


def _above(
    root: generic.DictionaryObject, page: generic.IndirectObject, steps: Steps
) -> tuple[generic.DictionaryObject, ...] | None:
    """The nodes above *page*, if it hangs in the document's tree by links that hold both ways."""
    top = raw_entry(root, "/Pages")
    above: list[generic.DictionaryObject] = []
    child = page
    while len(above) < _DEEPEST:
        parent = raw_entry(resolved(child), "/Parent")
        if not isinstance(parent, generic.IndirectObject) or not _lists(
            resolved(parent), "/Kids", child, steps
        ):
            return None
        above.append(resolved(parent))
        if isinstance(top, generic.IndirectObject) and _key(parent) == _key(top):
            return tuple(above)
        child = parent
    return None


def _page(
    ref: generic.IndirectObject,
    page: generic.DictionaryObject,
    above: tuple[generic.DictionaryObject, ...],
) -> Page:
    def inherited(key: str) -> Any:
        return next((found for node in (page, *above) if (found := entry(node, key)) is not None), None)

    media = box_of(inherited("/MediaBox")) or _LETTER
    crop = box_of(inherited("/CropBox"))
    # spec: ISO 32000-2 §14.11.2.1 - of a crop box only what lies within the media box counts
    shown = (crop.common(media) if crop is not None else None) or media
    turned = finite(inherited("/Rotate")) or 0.0
    unit = finite(entry(page, "/UserUnit")) or 1.0
    return Page(
        ref=ref,
        entries=page,
        inherited=above,
        view=View(
            shown=shown,
            turned=int(turned) % 360 if turned % 90 == 0 else 0,
            unit=unit if 0 < unit <= _LARGEST else 1.0,
        ),
    )


def _lists(container: object, key: str, ref: generic.IndirectObject, steps: Steps) -> bool:
    """Whether the array at *key* has *ref* among its elements, as far as *steps* go."""
    array = entry(container, key)
    if not isinstance(array, generic.ArrayObject) or not steps.take(len(array)):
        return False
    wanted = _key(ref)
    # an array's own iteration does not resolve what its elements refer to
    return any(isinstance(element, generic.IndirectObject) and _key(element) == wanted for element in array)


def _key(ref: generic.IndirectObject) -> tuple[int, int]:
    return ref.idnum, ref.generation
