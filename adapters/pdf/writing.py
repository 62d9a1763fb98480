"""Objects written at once: pyHanko writes a name letter by letter, and a seal's update has some forty of them."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import PdfObject

_MOST_NAMES = 4096
_NAMES: dict[str, bytes] = {}
_AS_DICTIONARY = generic.DictionaryObject.write_to_stream
_AS_ARRAY = generic.ArrayObject.write_to_stream


def write_object(stream: BinaryIO, value: PdfObject, container: generic.Reference) -> None:
    """Write *value*, which belongs to *container*, as pyHanko would; for files that are not encrypted."""
    kind = type(value)
    if isinstance(value, generic.NameObject):
        stream.write(_name(value))
    elif isinstance(value, generic.DictionaryObject) and kind.write_to_stream is _AS_DICTIONARY:
        stream.write(b"<<\n")
        for key in value:
            stream.write(_name(key))
            stream.write(b" ")
            write_object(stream, value.raw_get(key), container)
            stream.write(b"\n")
        stream.write(b">>")
    elif isinstance(value, generic.ArrayObject) and kind.write_to_stream is _AS_ARRAY:
        stream.write(b"[")
        for index in range(len(value)):
            stream.write(b" ")
            write_object(stream, value.raw_get(index), container)
        stream.write(b" ]")
    else:
        value.write_to_stream(stream, None, container)


def _name(name: str) -> bytes:
    found = _NAMES.get(name)
    if found is None:
        out = BytesIO()
        generic.NameObject(name).write_to_stream(out)
        found = out.getvalue()
        if len(_NAMES) < _MOST_NAMES:
            _NAMES[str(name)] = found
    return found
