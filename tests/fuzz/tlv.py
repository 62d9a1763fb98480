"""Tag, length, value: a tree of DER that can be bent and written again, with lengths that fit or that lie.

A reader of its own: what the harness holds against the gateway's readers must not be read by them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_MAX_DEPTH = 40


class NoTlv(ValueError):
    """The bytes are no nested tags, lengths and values."""


@dataclass(slots=True, kw_only=True)
class Node:
    """One value: its *content*, or the *kids* that are its content.  *lie* is added to the length written."""

    tag: int
    content: bytes = b""
    kids: list[Node] = field(default_factory=list)
    lie: int = 0

    @classmethod
    def parse(cls, data: bytes) -> Node:
        """The first value in *data*.  Raises ``NoTlv``."""
        return _read(data, 0, len(data), 0)[0]

    def encoded(self) -> bytes:
        """Tag, length and content."""
        content = b"".join(kid.encoded() for kid in self.kids) if self.kids else self.content
        return bytes((self.tag,)) + _length(max(0, len(content) + self.lie)) + content

    def walk(self) -> list[Node]:
        """This node and all below it, from above."""
        found, waiting = [], [self]
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting.extend(reversed(node.kids))
        return found


def _read(data: bytes, at: int, end: int, depth: int) -> tuple[Node, int]:
    if at + 2 > end or depth > _MAX_DEPTH:
        raise NoTlv
    tag, length, at = data[at], data[at + 1], at + 2
    if length >= 0x80:
        width = length & 0x7F
        if not 1 <= width <= 4 or at + width > end:
            raise NoTlv
        length = int.from_bytes(data[at : at + width], "big")
        at += width
    stop = at + length
    if stop > end:
        raise NoTlv
    node = Node(tag=tag, content=data[at:stop])
    if tag & 0x20:
        while at < stop:
            kid, at = _read(data, at, stop, depth + 1)
            node.kids.append(kid)
    return node, stop


def _length(length: int) -> bytes:
    if length < 0x80:
        return bytes((length,))
    width = (length.bit_length() + 7) // 8
    return bytes((0x80 | width,)) + length.to_bytes(width, "big")


def wrap(tag: int, *parts: bytes) -> bytes:
    """The value with that tag whose content is *parts*."""
    content = b"".join(parts)
    return bytes((tag,)) + _length(len(content)) + content


def seq(*parts: bytes) -> bytes:
    """``SEQUENCE``."""
    return wrap(0x30, *parts)


def octets(value: bytes) -> bytes:
    """``OCTET STRING``."""
    return wrap(0x04, value)


def integer(value: int) -> bytes:
    """``INTEGER``, not negative."""
    return wrap(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """``OBJECT IDENTIFIER``."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = bytearray()
    for part in (first * 40 + second, *rest):
        septets = [part & 0x7F]
        while part := part >> 7:
            septets.append(0x80 | (part & 0x7F))
        content += bytes(reversed(septets))
    return wrap(0x06, bytes(content))
