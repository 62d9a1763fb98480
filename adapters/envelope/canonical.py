"""The canonical JSON of edXML: the same tree, element by element, after ``grammar``; the files beside it.

    {"form": "vanthu-edxml/1", "kind": "edoc", "edXML": {"edXMLEnvelope": {...}, "AttachmentEncoded": {...}},
     "attachments": [{"name": ..., "sha256": ..., "size": ..., "media_type": ..., "content": ...}]}

A group is an object of its children by name, a leaf a string; what may occur more than once is always an array.
Attributes are ``@name`` (``@{namespace}name``); a leaf with attributes is an object with its text under
``#text``.  Elements that we do not know, and Signature, are XML as text: ``{"after": "To[2]", "xml": "<v:x .../>"}``
under ``#other`` stands behind the second To, or first of all where ``after`` is empty.  The n-th Attachment's bytes,
unwrapped, are the n-th of ``attachments``.  ``schemas/edxml.schema.json`` says the same to JSON tools.

Texts are those of the strict form, so that edXML in that form comes back byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from pybase64 import b64decode, b64encode

from adapters.envelope import parse
from adapters.envelope.dates import is_stamp
from adapters.envelope.grammar import ALIASES, EDOC, STATUS, Form, Shape
from adapters.envelope.parse import Node
from adapters.envelope.strict import GAP, arranged, fragment, written
from gateway.errors import Refused
from gateway.model.envelope import Kind

FORM = "vanthu-edxml/1"
SHAPES = {Kind.EDOC: EDOC, Kind.STATUS: STATUS}

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[^\W\d][\w.-]*")
_RESERVED = "http://www.w3.org/2000/xmlns/"
_BOUNDS = parse.Bounds()
_MOST_FRAGMENTS = 2000
_LONGEST_NAME = 200

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An attached file: its real bytes; ``zipped_at`` where it is wrapped, ``yyyy/MM/dd HH:mm:ss``."""

    name: str
    media_type: str
    body: bytes
    zipped_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole document: its tree, with ``GAP`` where a file's base64 stands, and its files in their order."""

    kind: Kind
    root: Node
    files: tuple[File, ...] = ()


def to_object(document: Document) -> dict[str, Json]:
    """*document* as JSON has it."""
    return {
        "form": FORM,
        "kind": str(document.kind),
        "edXML": _from_group(document.root, SHAPES[document.kind]),
        "attachments": [_from_file(file) for file in document.files],
    }


def from_object(value: Json) -> Document:
    """The document that *value* is; raises ``Refused("json-invalid")`` with the path of what is wrong."""
    top = _object(value, "$")
    _only(top, {"form", "kind", "edXML", "attachments"}, "$")
    if top.get("form") != FORM:
        raise _wrong("$.form", f"must be {FORM}")
    kind = next((kind for kind in Kind if kind == top.get("kind")), None)
    if kind is None:
        raise _wrong("$.kind", "must be edoc or status")
    files = tuple(
        _to_file(each, f"$.attachments[{at}]")
        for at, each in enumerate(_list(top.get("attachments", []), "$.attachments"))
    )
    reading = _Reading()
    root = reading.group("edXML", top.get("edXML"), SHAPES[kind], "$.edXML")
    attached = [one for group in root.all("AttachmentEncoded") for one in group.all("Attachment")]
    if len(attached) != len(files):
        raise _wrong("$.attachments", f"{len(files)} files for {len(attached)} Attachments")
    for at, (node, file) in enumerate(zip(attached, files, strict=True)):
        if node.value("AttachmentName") != file.name:
            raise _wrong(f"$.attachments[{at}].name", "is not the AttachmentName")
    return Document(kind=kind, root=root, files=files)


# --- to JSON --------------------------------------------------------------------------------------------------


def _from_group(node: Node, shape: Shape) -> dict[str, Json]:
    out: dict[str, Json] = _from_attributes(node)
    other: list[Json] = []
    after = ""
    counts: dict[str, int] = {}
    for child, known in arranged(node, shape):
        if known is None:
            other.append({"after": after, "xml": fragment(child)})
            continue
        counts[child.name] = counts.get(child.name, 0) + 1
        after = f"{child.name}[{counts[child.name]}]" if known.is_many else child.name
        value = _from_child(child, known)
        if known.is_many:
            many = out.setdefault(child.name, [])
            assert isinstance(many, list)
            many.append(value)
        elif child.name in out:
            raise Refused("json-unsupported", f"{child.name} twice")
        elif value is not None:
            out[child.name] = value
    if other:
        out["#other"] = other
    return out


def _from_child(node: Node, shape: Shape) -> Json:
    if shape.is_opaque:
        return fragment(node)
    if shape.children:
        return _from_group(node, shape)
    if node.children:
        raise Refused("json-unsupported", f"elements within {node.name}")
    attributes = _from_attributes(node)
    if shape.form is Form.BASE64:  # the bytes stand under attachments
        return attributes or None
    text = written(node, shape)
    return {**attributes, "#text": text} if attributes else text


def _from_attributes(node: Node) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for key, value in node.attributes.items():
        space, _, name = key.rpartition("\x1f")
        out[f"@{{{space}}}{name}" if space else f"@{name}"] = value
    return out


def _from_file(file: File) -> dict[str, Json]:
    told: dict[str, Json] = {
        "name": file.name,
        "sha256": sha256(file.body).hexdigest(),
        "size": len(file.body),
        "media_type": file.media_type,
    }
    if file.zipped_at:
        told["zipped_at"] = file.zipped_at
    told["content"] = b64encode(file.body).decode()
    return told


# --- from JSON ------------------------------------------------------------------------------------------------


class _Reading:
    """Makes the tree and counts the pieces of XML in it."""

    def __init__(self) -> None:
        self._fragments = 0

    def group(self, name: str, value: Json, shape: Shape, path: str) -> Node:
        given = _object(value, path)
        node = Node(name, attributes=_to_attributes(given, path))
        places: dict[str, int] = {"": 0}
        behind: list[list[Node | str]] = [[]]
        for key in shape.children:
            if key not in given:
                if shape.children[key].form is Form.BASE64:
                    places[key] = len(behind)
                    behind.append([Node(key, items=[GAP])])
                continue
            known = shape.children[key]
            here = f"{path}.{key}"
            each = _list(given[key], here) if known.is_many else [given[key]]
            for at, one in enumerate(each):
                where = f"{here}[{at}]" if known.is_many else here
                places[f"{key}[{at + 1}]" if known.is_many else key] = len(behind)
                behind.append([self._child(key, one, known, where)])
        _only(given, {*shape.children, "#other"}, path)
        for at, one in enumerate(_list(given.get("#other", []), f"{path}.#other")):
            where = f"{path}.#other[{at}]"
            other = _object(one, where)
            _only(other, {"after", "xml"}, where, attributes=False)
            after = _text(other.get("after"), f"{where}.after")
            if after not in places:
                raise _wrong(f"{where}.after", "names nothing that is there")
            stranger = self._fragment(other.get("xml"), f"{where}.xml")
            own = shape.children.keys() | ALIASES.get(name, {}).keys()
            if stranger.space == parse.QCVN and stranger.name in own:
                raise _wrong(f"{where}.xml", f"{stranger.name} has a place of its own")
            behind[places[after]].append(stranger)
        node.items = [item for items in behind for item in items]
        return node

    def _child(self, name: str, value: Json, shape: Shape, path: str) -> Node:
        if shape.is_opaque:
            node = self._fragment(value, path)
            if node.name != name or node.space != parse.QCVN:
                raise _wrong(path, f"must be an element {name}")
            return node
        if shape.children:
            return self.group(name, value, shape, path)
        if isinstance(value, dict):
            _only(value, {"#text"}, path)
            node = Node(name, attributes=_to_attributes(value, path))
            text = _text(value.get("#text", ""), f"{path}.#text")
        else:
            node, text = Node(name), _text(value, path)
        if shape.form is Form.BASE64:
            if text:
                raise _wrong(path, "the content stands under attachments")
            text = GAP
        node.items = [text] if text else []
        return node

    def _fragment(self, value: Json, path: str) -> Node:
        self._fragments += 1
        if self._fragments > _MOST_FRAGMENTS:
            raise Refused("json-too-costly", f"more than {_MOST_FRAGMENTS} elements as text")
        text = _text(value, path)
        try:
            node = parse.parse(text.encode(), _BOUNDS)
        except Refused as why:
            if why.reason == "xml-too-costly":
                raise
            raise _wrong(path, why.detail) from why
        return node


def _to_file(value: Json, path: str) -> File:
    given = _object(value, path)
    _only(given, {"name", "sha256", "size", "media_type", "zipped_at", "content"}, path, attributes=False)
    try:
        body = b64decode(_text(given.get("content"), f"{path}.content"), validate=True)
    except ValueError as error:
        raise _wrong(f"{path}.content", "is not base64") from error
    if "sha256" in given and given["sha256"] != sha256(body).hexdigest():
        raise _wrong(f"{path}.sha256", "is not that of the content")
    if "size" in given and given["size"] != len(body):
        raise _wrong(f"{path}.size", f"is not that of the content, {len(body)}")
    zipped_at = _text(given.get("zipped_at", ""), f"{path}.zipped_at")
    if zipped_at and (not is_stamp(zipped_at) or not "1980" <= zipped_at[:4] <= "2107"):
        raise _wrong(f"{path}.zipped_at", "must be yyyy/MM/dd HH:mm:ss")
    return File(
        name=_text(given.get("name"), f"{path}.name"),
        media_type=_text(given.get("media_type", ""), f"{path}.media_type"),
        body=body,
        zipped_at=zipped_at,
    )


def _to_attributes(given: Mapping[str, Json], path: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for key, value in given.items():
        if not key.startswith("@"):
            continue
        space, _, name = key[1:].rpartition("}")
        if (
            len(out) >= _BOUNDS.attributes
            or (space and space[0] != "{")
            or space == "{"
            or not _is_name(name)
        ):
            raise _wrong(f"{path}.{key[:80]!a}", "is no attribute")
        if space[1:] == _RESERVED:
            raise _wrong(f"{path}.{key[:80]!a}", "is reserved")
        _must_be_xml(key, path)
        out[f"{space[1:]}\x1f{name}" if space else name] = _text(value, f"{path}.{key[:80]}")
    return out


def _is_name(name: str) -> bool:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME or name == "xmlns":
        return False
    if name.isascii():
        return True
    try:  # letters have an edition of XML of their own: the one that expat knows is meant
        parse.parse(f"<a {name}=''/>".encode(), _BOUNDS)
    except Refused:
        return False
    return True


def _object(value: Json, path: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise _wrong(path, "must be an object")
    return value


def _list(value: Json, path: str) -> Sequence[Json]:
    if not isinstance(value, list):
        raise _wrong(path, "must be an array")
    return value


def _text(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, "must be a string")
    _must_be_xml(value, path)
    return value


def _must_be_xml(text: str, path: str) -> None:
    # spec: XML 1.0 §2.2 - neither NUL nor lone surrogates can be written
    if found := _NOT_XML.search(text):
        raise _wrong(path, f"holds U+{ord(found[0]):04X}, which XML cannot")


def _only(given: Mapping[str, Json], known: set[str], path: str, *, attributes: bool = True) -> None:
    for key in given:
        if key not in known and not (attributes and key.startswith("@")):
            raise _wrong(path, f"does not know {key[:80]!a}")


def _wrong(path: str, what: str) -> Refused:
    return Refused("json-invalid", f"{path[:200]}: {what}")
