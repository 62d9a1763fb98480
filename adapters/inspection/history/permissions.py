"""What a signature itself says about later changes: the level that it permits, and the fields that it locks."""

from __future__ import annotations

from collections.abc import Callable

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, PdfObject

from adapters.inspection.objects import name_in, raw_items
from adapters.pdf.reader import entry, resolved

STRICTEST = 1


def document(signature: DictionaryObject) -> int | None:
    """The lowest ``/P`` of its transforms (1 nothing, 2 form filling, 3 annotations); ``None`` without any.

    A value that is none of these counts as the strictest.
    """
    # spec: ISO 32000-2 §12.8.2.2 table 257 (DocMDP, by default 2), §12.8.2.4 table 259 (FieldMDP may have one)
    levels: list[int] = []
    for method, parameters in _transforms(signature):
        value = entry(parameters, "/P")
        if value is None:
            levels += [2] if method == "/DocMDP" else []
        else:
            levels.append(int(value) if isinstance(value, int) and value in (1, 2, 3) else STRICTEST)
    return min(levels, default=None)


def locks(signature: DictionaryObject) -> Callable[[str], bool]:
    """Whether a field of that full name is locked."""
    # spec: ISO 32000-2 §12.8.2.4 - /All, /Include the fields named, /Exclude them; a name stands for its kids, too
    rules = [
        (name_in(parameters, "/Action"), _names(parameters))
        for method, parameters in _transforms(signature)
        if method == "/FieldMDP"
    ]

    def is_locked(name: str) -> bool:
        return any(_holds(action, names, name) for action, names in rules)

    return is_locked


def _holds(action: str, names: tuple[str, ...], name: str) -> bool:
    is_named = any(name == one or name.startswith(f"{one}.") for one in names)
    match action:
        case "/Include":
            return is_named
        case "/Exclude":
            return not is_named
        case _:
            return True


def _names(parameters: DictionaryObject) -> tuple[str, ...]:
    fields = entry(parameters, "/Fields")
    if not isinstance(fields, ArrayObject):
        return ()
    return tuple(str(resolved(one)) for one in raw_items(fields))


def _transforms(signature: DictionaryObject) -> list[tuple[str, DictionaryObject]]:
    references: PdfObject | None = entry(signature, "/Reference")
    if not isinstance(references, ArrayObject):
        return []
    found = []
    for raw in raw_items(references):
        reference = resolved(raw)
        parameters = entry(reference, "/TransformParams")
        if isinstance(reference, DictionaryObject):
            empty = DictionaryObject()  # type: ignore[no-untyped-call]  # pyHanko's
            held = parameters if isinstance(parameters, DictionaryObject) else empty
            found.append((name_in(reference, "/TransformMethod"), held))
    return found
