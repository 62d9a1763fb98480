"""PDF objects as pyHanko has them: read with care, and made with types."""

from __future__ import annotations

import math
from itertools import islice
from typing import IO, Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.crypt import SecurityHandler
from pyhanko.pdf_utils.writer import BasePdfFileWriter


class Verbatim(generic.PdfObject):
    """An object that is written as the bytes that it was made of: nobody reads it before the file is done."""

    def __init__(self, written: bytes) -> None:
        self._written = written

    def write_to_stream(
        self, stream: IO[bytes], handler: SecurityHandler | None = None, container_ref: object = None
    ) -> None:
        stream.write(self._written)


def resolved(found: Any) -> Any:
    """What *found* is, or refers to."""
    if isinstance(found, generic.IndirectObject):
        return found.get_object()  # type: ignore[no-untyped-call]  # pyHanko's
    return found


def entry(container: object, key: str) -> Any:
    """The value of *key*, whether it stands there or elsewhere; ``None`` where there is none."""
    found = resolved(container)
    if not isinstance(found, generic.DictionaryObject) or key not in found:
        return None
    value = resolved(found.raw_get(key))
    return None if isinstance(value, generic.NullObject) else value


def raw_entry(container: object, key: str) -> Any:
    """The value of *key* as it stands: a reference stays one."""
    found = resolved(container)
    if not isinstance(found, generic.DictionaryObject) or key not in found:
        return None
    return found.raw_get(key)


def entries(container: object, most: int | None = None) -> list[Any]:
    """The first *most* elements of an array, wherever they stand."""
    found = resolved(container)
    if not isinstance(found, generic.ArrayObject):
        return []
    # an array's own iteration does not resolve, its slices do not work
    return [resolved(element) for element in islice(iter(found), most)]


def finite(found: object) -> float | None:
    """A number that can be reckoned with; ``None`` for everything else."""
    if not isinstance(found, generic.FloatObject | generic.NumberObject):
        return None
    try:
        value = float(found)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def name(text: str) -> generic.NameObject:
    """The name */text*."""
    return generic.NameObject(f"/{text}")


def number(value: int) -> generic.NumberObject:
    """An integer."""
    return generic.NumberObject(value)  # type: ignore[no-untyped-call]  # pyHanko's


def dictionary(**values: generic.PdfObject) -> generic.DictionaryObject:
    """A dictionary; the keywords are its keys."""
    return generic.DictionaryObject(  # type: ignore[no-untyped-call]  # pyHanko's
        {name(key): value for key, value in values.items()}
    )


def added(writer: BasePdfFileWriter, found: generic.PdfObject) -> generic.IndirectObject:
    """*found* as an object of its own in *writer*'s update."""
    ref: generic.IndirectObject = writer.add_object(found)
    return ref
