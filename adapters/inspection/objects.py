"""Looking at pyHanko's objects and comparing them, as they are written or by what they mean."""

from __future__ import annotations

from collections.abc import Iterable

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject, StreamObject

from adapters.pdf.reader import entry, resolved

_EVERYWHERE = (-1e9, -1e9, 1e9, 1e9)
_PRIVATE = frozenset({"/ITXT"})  # a producer's mark without any effect
_NUMBERS = (generic.NumberObject, generic.FloatObject)
_MAX_DEPTH = 60
_MAX_COPIED = 2_000


def differing(old: DictionaryObject, new: DictionaryObject) -> set[str]:
    """The keys under which the two hold something else."""
    keys = set(old) | set(new)
    return {
        str(key)
        for key in keys - _PRIVATE
        if key not in old or key not in new or not is_alike(old.raw_get(key), new.raw_get(key))
    }


def is_same(old: PdfObject | None, new: PdfObject | None, depth: int = 0) -> bool:
    """Equal as written: references by number, numbers by value, everything else by form and value."""
    if depth > _MAX_DEPTH:
        return False
    if isinstance(old, IndirectObject) or isinstance(new, IndirectObject):
        return (
            isinstance(old, IndirectObject)
            and isinstance(new, IndirectObject)
            and (old.idnum, old.generation) == (new.idnum, new.generation)
        )
    if isinstance(old, StreamObject) or isinstance(new, StreamObject):
        return (
            isinstance(old, StreamObject)
            and isinstance(new, StreamObject)
            and old.encoded_data == new.encoded_data
            and _same_entries(old, new, depth)
        )
    if isinstance(old, DictionaryObject) and isinstance(new, DictionaryObject):
        return _same_entries(old, new, depth)
    if isinstance(old, ArrayObject) and isinstance(new, ArrayObject):
        return len(old) == len(new) and all(
            is_same(a, b, depth + 1) for a, b in zip(raw_items(old), raw_items(new), strict=True)
        )
    if isinstance(old, _NUMBERS) and isinstance(new, _NUMBERS):
        return bool(old == new)  # 612 and 612.0 are one number
    return type(old) is type(new) and old == new


def _same_entries(old: DictionaryObject, new: DictionaryObject, depth: int) -> bool:
    return set(old) == set(new) and all(is_same(old.raw_get(key), new.raw_get(key), depth + 1) for key in old)


def is_alike(old: PdfObject | None, new: PdfObject | None) -> bool:
    """Equal as written, or one is a copy of the other under another number (or under none).

    Some producers write a value out where a reference stood, or copy an object to a new number, whenever
    they touch the dictionary that holds it.  What a copy refers to must be the same again.  *old* and
    *new* are resolved each in the revision from which they come.
    """
    return is_same(old, new) or _is_copy(old, new, [_MAX_COPIED], 0)


def _is_copy(old: PdfObject | None, new: PdfObject | None, budget: list[int], depth: int) -> bool:
    budget[0] -= 1
    if old is None or new is None or depth > _MAX_DEPTH or budget[0] < 0:
        return False
    if isinstance(old, IndirectObject) and isinstance(new, IndirectObject):
        if (old.idnum, old.generation) == (new.idnum, new.generation):
            return True  # if that object was replaced, it is looked at on its own
    elif not isinstance(old, IndirectObject | DictionaryObject | ArrayObject):
        return is_same(old, resolved(new))
    elif not isinstance(new, IndirectObject | DictionaryObject | ArrayObject):
        return is_same(resolved(old), new)
    old, new = resolved(old), resolved(new)
    if isinstance(old, StreamObject) != isinstance(new, StreamObject):
        return False
    if isinstance(old, StreamObject) and isinstance(new, StreamObject):
        return old.encoded_data == new.encoded_data and _copied_entries(old, new, budget, depth)
    if isinstance(old, DictionaryObject) and isinstance(new, DictionaryObject):
        return _copied_entries(old, new, budget, depth)
    if isinstance(old, ArrayObject) and isinstance(new, ArrayObject):
        return len(old) == len(new) and all(
            _is_copy(a, b, budget, depth + 1) for a, b in zip(raw_items(old), raw_items(new), strict=True)
        )
    return is_same(old, new)


def _copied_entries(old: DictionaryObject, new: DictionaryObject, budget: list[int], depth: int) -> bool:
    return set(old) == set(new) and all(
        _is_copy(old.raw_get(key), new.raw_get(key), budget, depth + 1) for key in old
    )


def raw_items(array: ArrayObject) -> Iterable[PdfObject]:
    """The items, references as references."""
    return (array.raw_get(index) for index in range(len(array)))


def raw_children(value: PdfObject) -> Iterable[PdfObject]:
    """What stands in a dictionary or an array, references as references."""
    if isinstance(value, DictionaryObject):
        return [value.raw_get(key) for key in value]
    return list(raw_items(value)) if isinstance(value, ArrayObject) else []


def inherited(node: PdfObject | None, key: str) -> PdfObject | None:
    """What a field or page has under *key*, itself or by its parents."""
    for _ in range(50):
        if not isinstance(node, DictionaryObject):
            return None
        if key in node:
            return entry(node, key)
        node = entry(node, "/Parent")
    return None


def name_in(holder: DictionaryObject, key: str) -> str:
    """The name (or text) under *key*; empty where there is none."""
    value = entry(holder, key)
    return str(value) if isinstance(value, str) else ""


def is_true(value: PdfObject | None) -> bool:
    """Whether *value* is the boolean true."""
    return isinstance(value, generic.BooleanObject) and bool(value)


def rectangle(holder: DictionaryObject) -> tuple[float, float, float, float] | None:
    """The ``/Rect`` as left, bottom, right, top; ``None`` where there is none that takes up room.

    One that cannot be read counts as all the room there is: some viewer will make something of it.
    """
    corners = entry(holder, "/Rect")
    if corners is None:
        return None
    if not isinstance(corners, ArrayObject) or len(corners) != 4:
        return _EVERYWHERE
    try:
        numbers = [float(resolved(n)) for n in raw_items(corners)]  # type: ignore[arg-type]  # what is raised
    except (TypeError, ValueError):
        return _EVERYWHERE
    left, right = sorted((numbers[0], numbers[2]))
    bottom, top = sorted((numbers[1], numbers[3]))
    return (left, bottom, right, top) if left < right and bottom < top else None
