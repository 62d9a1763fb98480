"""Plain objects read at once: a dictionary, an array, a stream or a trailer as ordinary producers write them.

Strategy: one regular expression takes a token at a time, a stack holds what is open.  What is rare or odd
(comments, brackets within strings, a stream whose length stands elsewhere, keys twice, depth) is not understood on purpose, and
left to pyHanko, which reads byte by byte: five microseconds a token instead of half a one.
"""

from __future__ import annotations

import re
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import PdfObject

_HEADER = re.compile(rb"([0-9]{1,10}) ([0-9]{1,5}) obj[ \t\r\n\x0c\x00]*(?=<<|\[)")
_STREAM = re.compile(rb"[ \t\r\n\x0c\x00]*stream\r?\n")
_END_OF_STREAM = re.compile(rb"[ \t\r\n\x0c\x00]*endstream")
_END_OF_TRAILER = re.compile(rb"[ \t\r\n\x0c\x00]*startxref(?=[ \t\r\n])")
_END = re.compile(rb"[ \t\r\n\x0c\x00]*endobj(?=[ \t\r\n\x0c\x00])")
_NEXT = rb"(?=[ \t\r\n\x0c\x00()<>\[\]{}/%])"
_TOKEN = re.compile(
    rb"[ \t\r\n\x0c\x00]*(?:"
    rb"/([!\"$&'*+,\-.0-9:;=?@A-Z\\^_`a-z|~]+)"
    + _NEXT
    + rb"|([0-9]{1,10}) ([0-9]{1,5}) R"
    + _NEXT
    + rb"|([+-]?[0-9]{1,18})"
    + _NEXT
    + rb"|(<<)|(>>)|(\[)|(\])"
    rb"|([+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+))"
    + _NEXT
    + rb"|\(((?:[^()\\\r]++|\\(?:[nrtbf()\\]|[0-3][0-7]{2}))*+)\)|<([0-9A-Fa-f]*+)>|(true|false|null)"
    + _NEXT
    + rb")"
)
_ESCAPE = re.compile(rb"\\([nrtbf()\\]|[0-7]{3})")
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_DEEPEST = 32
_LONG = 512
"""Hex digits in bytes from which a string is no text in anybody's eyes."""

_INTERNED: dict[bytes, generic.NameObject] = {}
_MOST_INTERNED = 4096


def plain_object(data: bytes, at: int, ref: generic.Reference) -> PdfObject | None:
    """The object *ref* that begins at *at*, as pyHanko would read it; ``None`` where only pyHanko can say."""
    header = _HEADER.match(data, at)
    if header is None or int(header[1]) != ref.idnum or int(header[2]) != ref.generation:
        return None
    own = generic.Reference(ref.idnum, ref.generation, ref.pdf)
    found = _parsed(data, header.end(), own, ref.pdf)
    if found is None:
        return None
    value, end = found
    if _END.match(data, end) is not None:
        return value
    begin = _STREAM.match(data, end)
    return None if begin is None else _stream(data, begin.end(), value)


def trailer_at(
    data: bytes, at: int, ref: generic.TrailerReference, pdf: Any
) -> generic.DictionaryObject | None:
    """The trailer of *pdf* whose dictionary begins at *at*; ``None`` where only pyHanko can say."""
    found = _parsed(data, at, ref, pdf)
    if found is None or _END_OF_TRAILER.match(data, found[1]) is None:
        return None
    return found[0] if isinstance(found[0], generic.DictionaryObject) else None


def dictionary_at(data: bytes, at: int, ref: generic.Reference) -> generic.DictionaryObject | None:
    """The dictionary of the object *ref* that begins at *at*, without the stream that may follow it.

    ``None`` where only pyHanko can say.
    """
    header = _HEADER.match(data, at)
    if header is None or int(header[1]) != ref.idnum or int(header[2]) != ref.generation:
        return None
    found = _parsed(data, header.end(), ref, ref.pdf)
    return found[0] if found is not None and isinstance(found[0], generic.DictionaryObject) else None


def _stream(data: bytes, begin: int, dictionary: PdfObject) -> generic.StreamObject | None:
    """The stream whose bytes begin at *begin*."""
    if not isinstance(dictionary, generic.DictionaryObject):
        return None
    length = dict.get(dictionary, "/Length")
    if type(length) is not generic.NumberObject or not 0 <= length <= len(data) - begin:
        return None
    end = _END_OF_STREAM.match(data, begin + length)
    if end is None or _END.match(data, end.end()) is None:
        return None
    found = generic.StreamObject(dictionary, encoded_data=data[begin : begin + length])
    found.container_ref = dictionary.container_ref
    return found


def _parsed(data: bytes, at: int, ref: generic.Dereferenceable, pdf: Any) -> tuple[PdfObject, int] | None:
    match = _TOKEN.match
    stack: list[Any] = []  # of dictionaries under construction, arrays, and keys that wait for their value
    while True:
        token = match(data, at)
        if token is None:
            return None
        at = token.end()
        value: Any
        match token.lastindex:
            case 1:  # a name
                value = _name(token[1])
                if stack and type(stack[-1]) is dict:
                    if value in stack[-1]:
                        return None
                    stack.append(value)
                    continue
                value = generic.NameObject(value)  # a value knows where it stands, so it is one of its own
            case 3:  # a reference
                value = generic.IndirectObject(  # type: ignore[no-untyped-call]  # pyHanko's
                    int(token[2]), int(token[3]), pdf
                )
            case 4:  # an integer
                value = generic.NumberObject(token[4])  # type: ignore[no-untyped-call]  # pyHanko's
            case 5 | 7:  # << or [
                if len(stack) > _DEEPEST or (stack and type(stack[-1]) is dict):
                    return None
                stack.append({} if token.lastindex == 5 else generic.ArrayObject())
                continue
            case 6:  # >>
                if not stack or type(stack[-1]) is not dict:
                    return None
                value = generic.DictionaryObject()  # type: ignore[no-untyped-call]  # pyHanko's
                dict.update(value, stack.pop())  # its keys are names already
            case 8:  # ]
                if not stack or type(stack[-1]) is not generic.ArrayObject:
                    return None
                value = stack.pop()
            case 9:  # a real number
                value = generic.FloatObject(token[9].decode())  # type: ignore[no-untyped-call]  # pyHanko's
            case 10:  # a literal string
                text = token[10]
                value = generic.pdf_string(_ESCAPE.sub(_unescaped, text) if b"\\" in text else text)
            case 11:  # a string in hex digits
                if len(token[11]) % 2:
                    return None
                raw = bytes.fromhex(token[11].decode())
                value = generic.ByteStringObject(raw) if len(raw) > _LONG else generic.pdf_string(raw)
            case _:  # true, false, null
                word = token[12]
                value = (
                    generic.NullObject() if word == b"null" else generic.BooleanObject(word == b"true")  # type: ignore[no-untyped-call]  # pyHanko's
                )
        value.container_ref = ref
        if not stack:
            return value, at
        top = stack[-1]
        if type(top) is generic.ArrayObject:
            top.append(value)
        elif type(top) is generic.NameObject:
            stack.pop()
            stack[-1][top] = value
        else:
            return None  # a value where a key should be


def _unescaped(found: re.Match[bytes]) -> bytes:
    what = found[1]
    return bytes((int(what, 8),)) if len(what) == 3 else _ESCAPED.get(what, what)


def _name(raw: bytes) -> generic.NameObject:
    found = _INTERNED.get(raw)
    if found is None:
        found = generic.NameObject("/" + raw.decode("ascii"))
        if len(_INTERNED) < _MOST_INTERNED:
            _INTERNED[raw] = found
    return found
