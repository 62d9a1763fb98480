"""The one form in which we write edXML: fixed order, one prefix, no blanks between elements.

``skeleton`` writes a document once, with a NUL byte (which XML can't hold) where our trace and each
attachment's base64 will stand; ``fill`` puts them in.  So what was read is never parsed again, and a
large attachment is never a text node.

spec: edXML facts §1 - the ``edXML:`` prefix inside the envelope and none inside AttachmentEncoded: a
.NET consumer rejects anything else
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pybase64 import b64encode

from adapters.envelope.dates import VIETNAM, as_written, stamp_as_written
from adapters.envelope.grammar import Form, Shape
from adapters.envelope.parse import QCVN, Node

GAP = "\0"
"""Stands in a skeleton for what is filled in later."""

_CID = "cid:"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XML_SPACE = "http://www.w3.org/XML/1998/namespace"


def skeleton(root: Node, shape: Shape) -> bytes:
    """The document *root* in the strict form; texts that are ``GAP`` stay gaps."""
    out: list[str] = [_DECLARATION]
    _write(out, root, shape, "")
    return "".join(out).encode()


def between(gaps: bytes, count: int) -> list[bytes]:
    """The pieces of the skeleton *gaps* before, between and behind its *count* gaps.

    Raises ``ValueError`` where it has more or fewer.
    """
    pieces = gaps.split(GAP.encode())
    if len(pieces) != count + 1:
        raise ValueError(f"{len(pieces) - 1} gaps for {count} contents")
    return pieces


def fill(gaps: bytes, contents: Sequence[bytes]) -> bytes:
    """The skeleton *gaps* with each of *contents* in its gap: the first as it is, the others as base64.

    Raises ``ValueError`` where there are more or fewer gaps than contents.
    """
    pieces = between(gaps, len(contents))
    out = [pieces[0]]
    for at, (content, piece) in enumerate(zip(contents, pieces[1:], strict=True)):
        out += (content if at == 0 else b64encode(content), piece)
    return b"".join(out)


def trace(organ: str, at: datetime) -> bytes:
    """What stands in one TraceHeader."""
    when = as_stamp(at)
    return (
        f"<edXML:OrganId>{_escaped(organ)}</edXML:OrganId><edXML:Timestamp>{when}</edXML:Timestamp>".encode()
    )


def as_stamp(at: datetime) -> str:
    """An instant as edXML writes it: Vietnam's time, to the second, no zone."""
    return at.astimezone(VIETNAM).strftime("%Y/%m/%d %H:%M:%S")


def _write(out: list[str], node: Node, shape: Shape, parent: str) -> None:
    """Known elements: by their shape.  *parent* is the name of the element around."""
    tag = node.name if shape.is_bare else f"edXML:{node.name}"
    out.append(f"<{tag}")
    if not parent:
        out.append(f' xmlns="{QCVN}"')
    elif node.name == "edXMLEnvelope":
        out.append(f' xmlns:edXML="{QCVN}"')
    if node.attributes:
        _attributes(out, node)
    if not shape.children:
        text = _escaped(written(node, shape))
        out.append(f">{text}</{tag}>" if text else "/>")
        return
    out.append(">")
    if node.items == [GAP]:
        out.append(GAP)
    for child, known in arranged(node, shape):
        if known is None:
            _carry(out, child, QCVN, is_bare=shape.is_bare)
        elif known.is_opaque:
            _carry(out, child, QCVN, is_bare=known.is_bare)
        else:
            _write(out, child, known, node.name)
    out.append(f"</{tag}>")


def arranged(node: Node, shape: Shape) -> list[tuple[Node, Shape | None]]:
    """The children of *node* as they are written: known ones in the order of *shape*, each of the others
    (whose shape is ``None``) behind the known one that it stood behind, or first of all.

    An element that a reader would take for a number or a date, and that is empty, is left out.
    """
    placed: list[tuple[int, int, int, Node, Shape | None]] = []
    place, turn = -1, 0  # of the last known element
    for at, child in enumerate(node.items):
        if isinstance(child, str):
            continue
        known = shape.children.get(child.name) if child.space == QCVN else None
        if known is not None:
            place, turn = shape.position[child.name], at
            if known.form.is_empty_harmful and not child.text and not child.children:
                continue
        placed.append((place, turn, at, child, known))
    placed.sort()  # no two are at the same
    return [(child, known) for _, _, _, child, known in placed]


def written(leaf: Node, shape: Shape) -> str:
    """The text of *leaf* as the strict form has it, not escaped."""
    text = leaf.text
    match shape.form:
        case Form.DATE:
            return as_written(text)
        case Form.STAMP:
            return stamp_as_written(text)
        case Form.CONTENT_ID:
            return f"cid:{bare_id(text)}" if text else ""
        case _:
            return text


def fragment(node: Node) -> str:
    """*node* alone, as XML that needs nothing from around it: in no namespace but those that it declares."""
    out: list[str] = []
    _carry(out, node, "", is_bare=True)
    return "".join(out)


def bare_id(content_id: str) -> str:
    """*content_id* without ``cid:``, which some producers write on one side only.

    spec: RFC 2392 §2 - the name of a URL's scheme, in any case (RFC 3986 §3.1)
    """
    text = content_id.strip()
    return text[len(_CID) :] if text[: len(_CID)].lower() == _CID else text


def _carry(out: list[str], node: Node, default: str, *, is_bare: bool) -> None:
    """Elements that we do not touch, with every blank.  *default* is the default namespace around."""
    ours = node.space == QCVN and not is_bare
    tag = f"edXML:{node.name}" if ours else node.name
    out.append(f"<{tag}")
    if not ours and node.space != default:
        out.append(f' xmlns="{_quoted(node.space)}"')
        default = node.space
    _attributes(out, node)
    if not node.items:
        out.append("/>")
        return
    out.append(">")
    for item in node.items:
        if isinstance(item, str):
            out.append(_escaped(item))
        else:
            _carry(out, item, default, is_bare=is_bare)
    out.append(f"</{tag}>")


def _attributes(out: list[str], node: Node) -> None:
    for at, (key, value) in enumerate(node.attributes.items()):
        space, _, name = key.rpartition("\x1f")
        if space == _XML_SPACE:
            out.append(f' xml:{name}="{_quoted(value)}"')
        elif space:
            out.append(f' xmlns:a{at}="{_quoted(space)}" a{at}:{name}="{_quoted(value)}"')
        else:
            out.append(f' {name}="{_quoted(value)}"')


def _escaped(text: str) -> str:
    if "&" in text or "<" in text or ">" in text or "\r" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return text


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
