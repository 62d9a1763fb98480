"""Pages and annotations of a PDF as pikepdf reads them: the few look-ups that everybody needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pikepdf

from adapters.inspection.paper.plane import Box

HIDDEN = 0x02 | 0x20
"""spec: ISO 32000-1 §12.5.3 - Hidden, NoView"""

_MAX_PAGES = 2_000


def pages_of(pdf: pikepdf.Pdf) -> Iterator[pikepdf.Object]:
    """The pages of *pdf* in their order, as they are: nothing is pulled down from their parents; bounded."""
    seen: set[tuple[int, int]] = set()
    nodes: list[object] = [pdf.Root.get("/Pages")]
    while nodes and len(seen) < _MAX_PAGES:
        node = nodes.pop()
        if not isinstance(node, pikepdf.Dictionary) or node.objgen in seen:
            continue
        seen.add(node.objgen)
        kids = node.get("/Kids")
        if isinstance(kids, pikepdf.Array):
            nodes.extend(reversed(list(kids)))
        else:
            yield node


def annotations_of(page: pikepdf.Object) -> Iterator[pikepdf.Object]:
    """The annotations of *page* that are dictionaries."""
    found = page.get("/Annots")
    if isinstance(found, pikepdf.Array):
        yield from (one for one in found if isinstance(one, pikepdf.Dictionary))


def box_of(holder: pikepdf.Object, key: str = "/Rect") -> Box | None:
    """A rectangle, its corners put in order; ``None`` where there is none."""
    value = holder.get(key)
    if not isinstance(value, pikepdf.Array) or len(value) != 4:
        return None
    try:
        left, bottom, right, top = floats(value)
    except (TypeError, ValueError):
        return None
    return min(left, right), min(bottom, top), max(left, right), max(bottom, top)


def looks_of(annotation: pikepdf.Object) -> pikepdf.Object | None:
    """The stream that is an annotation's normal appearance now."""
    looks = annotation.get("/AP")
    normal = looks.get("/N") if isinstance(looks, pikepdf.Dictionary) else None
    if isinstance(normal, pikepdf.Stream):
        return normal
    state = annotation.get("/AS")
    if not isinstance(normal, pikepdf.Dictionary) or not isinstance(state, pikepdf.Name):
        return None
    chosen = normal.get(str(state))
    return chosen if isinstance(chosen, pikepdf.Stream) else None


def inherited(node: pikepdf.Object | None, key: str) -> pikepdf.Object | None:
    """What a page or a field has under *key*, itself or by its parents."""
    for _ in range(50):
        if not isinstance(node, pikepdf.Dictionary):
            return None
        if (value := node.get(key)) is not None:
            return value
        node = node.get("/Parent")
    return None


def floats(given: Iterable[object]) -> list[float]:
    """Raises ``TypeError`` or ``ValueError`` where one is no number."""
    return [float(one) for one in given]  # type: ignore[arg-type]  # that is what is raised
