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
    elif isinstance(value, generic.IndirectObject):
        stream.write(b"%d %d R" % (value.reference.idnum, value.reference.generation))
    elif isinstance(value, generic.DictionaryObject) and kind.write_to_stream is _AS_DICTIONARY:
        stream.write(b"<<\n")
        for key, held in dict.items(value):  # as it stands: its own ways of being read follow references
            stream.write(b"%s " % _name(key))
            write_object(stream, held, container)
            stream.write(b"\n")
        stream.write(b">>")
    elif isinstance(value, generic.ArrayObject) and kind.write_to_stream is _AS_ARRAY:
        stream.write(b"[")
        for held in list.__iter__(value):
            stream.write(b" ")
            write_object(stream, held, container)
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
