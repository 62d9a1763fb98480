"""Just enough DER to assemble a CMS signature from parts, and to read one back.

    sequence(integer(1), octets(b"..."))
    for field in fields(der): ...

Every writer returns the complete encoding of its value.  A reader hands out ``Element``s, which are
places in the bytes, and copies nothing until asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

SEQUENCE = 0x30
SET = 0x31
INTEGER = 0x02
OCTET_STRING = 0x04
NULL = b"\x05\x00"


class MalformedDer(ValueError):
    """The bytes are no definite-length DER."""


class Element(NamedTuple):
    """One encoded value in *data*: header from ``start``, content from ``content`` to ``end``."""

    data: bytes
    tag: int
    start: int
    content: int
    end: int

    def whole(self) -> bytes:
        """Tag, length and content."""
        return self.data[self.start : self.end]

    def value(self) -> bytes:
        """The content alone."""
        return self.data[self.content : self.end]

    def fields(self) -> Iterator[Element]:
        """The elements that follow one another in the content."""
        at = self.content
        while at < self.end:
            element = element_at(self.data, at, self.end)
            yield element
            at = element.end


def element_at(data: bytes, at: int = 0, limit: int | None = None) -> Element:
    """The element whose tag stands at *at* and which ends at *limit* at the latest.

    Raises ``MalformedDer`` for anything but single-byte tags and definite lengths.
    """
    end = len(data) if limit is None else limit
    if at + 2 > end:
        raise MalformedDer("truncated header")
    tag, first = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise MalformedDer("long tag")
    content = at + 2
    length = first
    if first >= 0x80:
        width = first & 0x7F
        # spec: X.690 §10.1 - DER has no indefinite lengths; four bytes hold more than we ever write
        if not 1 <= width <= 4 or content + width > end:
            raise MalformedDer("length")
        length = int.from_bytes(data[content : content + width], "big")
        content += width
    if content + length > end:
        raise MalformedDer("truncated content")
    return Element(data, tag, at, content, content + length)


def encode(tag: int, *parts: bytes) -> bytes:
    """The value with that tag whose content is *parts*, one after the other."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    width = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | width)) + length.to_bytes(width, "big") + content


def sequence(*parts: bytes) -> bytes:
    """``SEQUENCE``."""
    return encode(SEQUENCE, *parts)


def set_of(*parts: bytes) -> bytes:
    """``SET OF``, in the order that DER prescribes."""
    # spec: X.690 §11.6 - ascending by encoding
    return encode(SET, *sorted(parts))


def octets(value: bytes) -> bytes:
    """``OCTET STRING``."""
    return encode(OCTET_STRING, value)


def integer(value: int) -> bytes:
    """``INTEGER`` (not negative)."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """``OBJECT IDENTIFIER``."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = bytearray()
    for part in (first * 40 + second, *rest):
        septets = [part & 0x7F]
        while part := part >> 7:
            septets.append(0x80 | (part & 0x7F))
        content += bytes(reversed(septets))
    return encode(0x06, bytes(content))
