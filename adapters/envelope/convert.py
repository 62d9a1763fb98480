"""Between edXML and its canonical JSON, as whole documents in memory.

    document = of_edoc(edoc, bodies)              # or of_status(body), or read_json(data)
    write_edxml(document), write_json(document)

Nothing is judged here: what is converted was read before, or is read after.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from pybase64 import b64encode

from adapters.envelope import parse
from adapters.envelope.attachments import wrap
from adapters.envelope.canonical import SHAPES, Document, File, Json, from_object, to_object
from adapters.envelope.media import type_of
from adapters.envelope.parse import Node
from adapters.envelope.strict import GAP, skeleton
from gateway.errors import Refused
from gateway.model.envelope import Edoc, Kind

_OUR_TRACE = b"<edXML:TraceHeader>" + GAP.encode() + b"</edXML:TraceHeader>"
_NO_TRACES = b"<edXML:TraceHeaderList></edXML:TraceHeaderList>"
_BOUNDS = parse.Bounds(elements=100_000)  # what is converted was within tighter ones
_ENCODED = "ContentTransferEncoded"


def of_edoc(edoc: Edoc, bodies: Sequence[bytes]) -> Document:
    """The document that *edoc* was read from, in the strict form; *bodies* are its files'.

    Raises ``Refused("dialect-unsupported")`` for an edoc that was not read from edXML.
    """
    if _OUR_TRACE not in edoc.skeleton:
        raise Refused("dialect-unsupported")
    rest = edoc.skeleton.replace(_OUR_TRACE, b"", 1).replace(_NO_TRACES, b"").replace(GAP.encode(), b"")
    root = parse.parse(rest, _BOUNDS)
    _make_gaps(root)
    files = tuple(
        File(
            name=one.name,
            media_type=type_of(body, one.name, one.media_type),
            body=body,
            zipped_at=one.zipped_at if one.is_zipped else "",
        )
        for one, body in zip(edoc.attachments, bodies, strict=True)
    )
    return Document(kind=Kind.EDOC, root=root, files=files)


def of_status(body: bytes, bounds: parse.Bounds) -> Document:
    """The document that a status' bytes are.

    Raises as ``parse.parse`` does, and ``Refused("json-unsupported")`` where it carries files.
    """
    root = parse.parse(body, bounds)
    if root.first("AttachmentEncoded") is not None:
        raise Refused("json-unsupported", "a status that carries files")
    return Document(kind=Kind.STATUS, root=root)


def is_json(head: bytes) -> bool:
    """Whether a file that begins with *head* can be JSON: no XML begins so."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(b"{")


def read_json(data: bytes) -> Document:
    """The document that *data* (UTF-8) is.

    Raises ``Refused``: ``json-malformed``, ``json-invalid`` or ``json-too-costly``.
    """
    try:
        value = json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number, parse_int=_number
        )
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        # neither the text nor the bytes: only where it breaks
        where = error.pos if isinstance(error, json.JSONDecodeError) else error.start
        raise Refused("json-malformed", f"at {where}") from None
    except RecursionError:
        raise Refused("json-too-costly", "too deep") from None
    try:
        return from_object(value)
    except RecursionError:
        raise Refused("json-too-costly", "too deep") from None


def write_json(document: Document) -> bytes:
    """*document* as JSON: the same bytes for the same document.

    Raises ``Refused("json-unsupported")`` for a tree that breaks the rules of form (EDX-002, EDX-003).
    """
    return (json.dumps(to_object(document), ensure_ascii=False, indent=1) + "\n").encode()


def write_edxml(document: Document) -> bytes:
    """*document* as edXML in the strict form, without a trace of ours."""
    pieces = skeleton(document.root, SHAPES[document.kind]).split(GAP.encode())
    if len(pieces) != len(document.files) + 1:
        raise Refused("json-invalid", f"{len(pieces) - 1} contents for {len(document.files)} files")
    out = [pieces[0]]
    for file, piece in zip(document.files, pieces[1:], strict=True):
        out += (b64encode(_wrapped(file)), piece)
    return b"".join(out)


def _wrapped(file: File) -> bytes:
    if not file.zipped_at:
        return file.body
    at = datetime.strptime(file.zipped_at, "%Y/%m/%d %H:%M:%S")
    return wrap(file.body, sha256(file.body).hexdigest(), file.name, at)


def _make_gaps(root: Node) -> None:
    for group in root.all("AttachmentEncoded"):
        for attachment in group.all("Attachment"):
            for node in attachment.all(_ENCODED):
                node.items = [GAP]


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Refused("json-malformed", "a key twice")
    return made


def _no_number(text: str) -> float:
    raise Refused("json-malformed", f"{text} is no JSON")


def _number(text: str) -> int:
    if len(text) > 18:
        raise Refused("json-malformed", "a number too long")
    return int(text)
