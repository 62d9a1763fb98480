"""Hostile XML into a small tree: one bounded pass of expat, nothing fetched, no DTD, no entities.

``peek`` and ``read`` both see a document through this file alone, so that no header that is read
later can look different from the one that was screened.  Strategy: refuse what is not UTF-8, let expat
check well-formedness, count everything while the tree grows, and forget comments and
processing instructions.  Elements without a namespace below an edXML element count as edXML's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pyexpat import ExpatError, ParserCreate

from adapters.envelope.grammar import ALIASES
from gateway.errors import Refused

QCVN = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
HEADER = ("edXML", "edXMLEnvelope", "edXMLHeader", "MessageHeader")
"""Where the header stands: the first element on this path, in edXML's namespace, is *the* header."""

_SEPARATOR = "\x1f"  # no XML name, and no namespace, can hold it
_CHUNK = 256 * 1024  # expat keeps the GIL while it parses one piece
_HEADER_CHUNK = 16 * 1024  # expat goes on to the end of the piece in which the header ends
_HEAD = 8 * 1024  # where the older form shows itself
_OLDER_MIME = re.compile(
    rb"\s{0,16}(--[\w'()+,./:=?-]|(MIME-Version|Content-(Type|ID|Transfer-Encoding))\s{0,4}:)", re.IGNORECASE
)
_OLDER_XML = re.compile(rb"xmlns(:[\w.-]{1,40})?\s{0,8}=\s{0,8}[\"']http://www\.e-doc\.vn/Schema")
_UNDEFINED_ENTITY = 11  # pyexpat.errors: XML_ERROR_UNDEFINED_ENTITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one document may hold; more is ``xml-too-costly``."""

    depth: int = 32
    elements: int = 20_000
    attributes: int = 16


@dataclass(slots=True)
class Node:
    """One element: local name, namespace, attributes (``namespace\\x1fname`` or ``name``), content in order.

    ``alias`` is the name under which it came, where that is a producer's own and not the standard's.
    """

    name: str
    space: str = QCVN
    attributes: dict[str, str] = field(default_factory=dict)
    items: list[Node | str] = field(default_factory=list)
    alias: str = ""

    @property
    def children(self) -> list[Node]:
        """The child elements."""
        return [item for item in self.items if not isinstance(item, str)]

    @property
    def text(self) -> str:
        """The element's own text without its outer blanks."""
        if len(self.items) == 1:
            only = self.items[0]
            return only.strip() if isinstance(only, str) else ""
        return "".join([item for item in self.items if isinstance(item, str)]).strip()

    @property
    def whole_text(self) -> str:
        """All text within, also that of elements inside, without outer blanks."""
        return "".join(self._strings()).strip()

    def all(self, name: str) -> list[Node]:
        """The child elements of edXML called *name*."""
        return [
            item
            for item in self.items
            if not isinstance(item, str) and item.name == name and item.space == QCVN
        ]

    def first(self, name: str) -> Node | None:
        """The first child element of edXML called *name*."""
        for item in self.items:
            if not isinstance(item, str) and item.name == name and item.space == QCVN:
                return item
        return None

    def value(self, name: str) -> str:
        """The text of the first child called *name*; empty where there is none."""
        found = self.first(name)
        return "" if found is None else found.text

    def walk(self) -> Iterator[Node]:
        """This element and all within it, in document order."""
        yield self
        for item in self.items:
            if not isinstance(item, str):
                yield from item.walk()

    def _strings(self) -> Iterator[str]:
        for item in self.items:
            if isinstance(item, str):
                yield item
            else:
                yield from item._strings()


def parse(data: bytes, bounds: Bounds, begun: Begun | None = None) -> Node:
    """The tree of the whole document *data*; *begun* is spent on it.

    Raises ``Refused``: ``xml-malformed``, ``xml-forbidden`` or ``xml-too-costly``; ``ValueError`` where *data*
    does not begin as what was *begun*.
    """
    if begun is None:
        builder = _Builder(bounds)
        _Feeding(builder, data).feed(data, is_last=True)
    else:
        builder = begun.builder
        builder.bounds = bounds
        begun.feeding.feed(begun.left_of(data), is_last=True)
    if builder.root is None:  # unreachable: expat has refused a document without a root
        raise Refused("xml-malformed", "no element")
    return builder.root


def parse_header(
    head: bytes | memoryview, bounds: Bounds, *, is_whole: bool, until: int = 0
) -> tuple[Node | None, Begun | None]:
    """The header alone, from the first bytes of a document; ``None`` where *head* ends before it does.

    Stops at the header's end tag; or, where that stands within the first *until* bytes, goes on to their end, and
    tells what has *begun*.  What is wrong behind the header is no matter here.  Raises as ``parse`` does.
    """
    builder = _Builder(bounds)
    feeding = _Feeding(builder, head)
    if until:
        try:
            feeding.feed(head[:until], is_last=False)
        except Refused:
            if builder.header is None:
                raise
            return builder.header, None
        if builder.header is not None:
            return builder.header, Begun(seen=bytes(head[:until]), builder=builder, feeding=feeding)
    builder.stops_at_header = True
    try:
        feeding.feed(head[until:], is_last=is_whole, chunk=_HEADER_CHUNK)
    except _HeaderSeen:
        return builder.header, None
    return None, None


@dataclass(slots=True, kw_only=True)
class Begun:
    """A document of which the first bytes, ``seen``, are parsed."""

    seen: bytes
    builder: _Builder
    feeding: _Feeding

    def left_of(self, data: bytes) -> bytes:
        """What comes after them in *data*; raises ``ValueError`` where it begins otherwise."""
        if not data.startswith(self.seen):
            raise ValueError("another document")
        return data[len(self.seen) :]


class _HeaderSeen(Exception):
    """Leaves expat at the header's end tag: the only way out of a parse."""


class _Builder:
    """Grows the tree from expat's events and counts."""

    def __init__(self, bounds: Bounds) -> None:
        self.root: Node | None = None
        self.header: Node | None = None
        self.bounds = bounds
        self.stops_at_header = False
        self._open: list[Node] = []
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        space, _, name = tag.rpartition(_SEPARATOR)
        opened = self._open
        if not space and (not opened or opened[-1].space == QCVN):
            space = QCVN
        node = Node(name, space, attributes, [])
        if opened and space == QCVN and (others := ALIASES.get(opened[-1].name)) and name in others:
            node.name, node.alias = others[name], name
        self._count += 1
        if self._count > self.bounds.elements:
            raise Refused("xml-too-costly", f"more than {self.bounds.elements} elements")
        if len(opened) >= self.bounds.depth:
            raise Refused("xml-too-costly", f"deeper than {self.bounds.depth}")
        if len(attributes) > self.bounds.attributes:
            raise Refused("xml-too-costly", f"more than {self.bounds.attributes} attributes")
        if opened:
            opened[-1].items.append(node)
        else:
            self.root = node
        opened.append(node)

    def text(self, text: str) -> None:
        self._open[-1].items.append(text)

    def end(self, _tag: str) -> None:
        if len(self._open) == len(HEADER) and self.header is None and self._at_header():
            self.header = self._open[-1]
            if self.stops_at_header:
                raise _HeaderSeen
        self._open.pop()

    def _at_header(self) -> bool:
        return all(
            node.space == QCVN and node.name == name for node, name in zip(self._open, HEADER, strict=True)
        )


class _Feeding:
    """One pass of expat, whose events go to *builder*, over a document that begins with *head*."""

    def __init__(self, builder: _Builder, head: bytes | memoryview) -> None:
        if _is_older_form(bytes(head[:_HEAD])):
            raise Refused("edxml-older-form")
        # UTF-16 and UTF-32 betray themselves in the first two bytes; expat would follow a UTF-16 mark
        # even against the encoding that we name.
        if head[:1] in (b"\xfe", b"\xff", b"\x00") or head[1:2] == b"\x00":
            raise Refused("xml-malformed", "the encoding is not UTF-8")
        parser = ParserCreate("utf-8", _SEPARATOR)
        parser.buffer_text = True
        parser.buffer_size = 64 * 1024
        parser.XmlDeclHandler = _declared
        parser.StartDoctypeDeclHandler = _forbidden
        parser.EntityDeclHandler = _forbidden
        parser.StartElementHandler = builder.start
        parser.EndElementHandler = builder.end
        parser.CharacterDataHandler = builder.text
        self._parser = parser

    def feed(self, data: bytes | memoryview, *, is_last: bool, chunk: int = _CHUNK) -> None:
        """Go on with *data*.  Raises ``Refused``, and what the builder raises."""
        try:
            if len(data) <= chunk:
                self._parser.Parse(data, is_last)
                return
            view = memoryview(data)
            for start in range(0, len(data), chunk):
                self._parser.Parse(view[start : start + chunk], False)
            self._parser.Parse(b"", is_last)
        except ExpatError as error:
            if error.code == _UNDEFINED_ENTITY:
                raise Refused("xml-forbidden", "an entity reference") from error
            # expat's own words hold a position and never the document's text
            raise Refused("xml-malformed", str(error)) from error


def _is_older_form(head: bytes) -> bool:
    """Whether a document that begins with *head* is of the form before QCVN 102: SOAP, alone or in MIME."""
    # spec: edXML facts §1 - namespace http://www.e-doc.vn/Schema/, multipart
    return _OLDER_MIME.match(head) is not None or (
        _OLDER_XML.search(head) is not None and QCVN.encode() not in head
    )


def _declared(version: str, encoding: str | None, _standalone: int) -> None:
    if version != "1.0":
        raise Refused("xml-malformed", "not XML 1.0")
    if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise Refused("xml-malformed", "the encoding is not UTF-8")


def _forbidden(*_: object) -> None:
    raise Refused("xml-forbidden", "a document type declaration")
