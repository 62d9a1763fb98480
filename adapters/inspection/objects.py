"""Looking at pyHanko's objects and comparing them as they are written."""

from __future__ import annotations

from collections.abc import Iterable

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject, StreamObject

from adapters.inspection.reader import entry

_PRIVATE = frozenset({"/ITXT"})  # a producer's mark without any effect


def differing(old: DictionaryObject, new: DictionaryObject) -> set[str]:
    """The keys under which the two hold something else, as written."""
    keys = set(old) | set(new)
    return {
        str(key)
        for key in keys - _PRIVATE
        if key not in old or key not in new or not is_same(old.raw_get(key), new.raw_get(key))
    }


def is_same(old: PdfObject | None, new: PdfObject | None, depth: int = 0) -> bool:
    """Equal as written: references by number, everything else by value."""
    if depth > 60:
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
    return type(old) is type(new) and old == new


def _same_entries(old: DictionaryObject, new: DictionaryObject, depth: int) -> bool:
    return set(old) == set(new) and all(is_same(old.raw_get(key), new.raw_get(key), depth + 1) for key in old)


def raw_items(array: ArrayObject) -> Iterable[PdfObject]:
    """The items, references as references."""
    return (array.raw_get(index) for index in range(len(array)))


def raw_children(value: PdfObject) -> Iterable[PdfObject]:
    """What stands in a dictionary or an array, references as references."""
    if isinstance(value, DictionaryObject):
        return [value.raw_get(key) for key in value]
    return list(raw_items(value)) if isinstance(value, ArrayObject) else []


def inherited(node: PdfObject | None, key: str) -> PdfObject | None:
    """What a field has under *key*, itself or by its parents."""
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
