"""The attached files of an edoc: references meet attachments, base64 and ZIP come off, labels are mended.

Nodes of the tree are changed on the way: what is written later carries the file names and types that
were found here, and a gap where the bytes were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.envelope.attachments import PDF_TYPE, ZIP_TYPE, Unwrapped, is_pdf, unwrap
from adapters.envelope.carve import decode
from adapters.envelope.parse import Node
from adapters.envelope.rules import Findings
from adapters.envelope.strict import GAP, bare_id
from gateway.model.envelope import Attachment
from gateway.model.finding import Severity
from gateway.model.payload import PayloadRef

_MANIFEST = "edXMLEnvelope/edXMLBody/edXMLManifest"
_ENCODED = "AttachmentEncoded"
_ANY_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may come out of one document: ``light`` is what may be unpacked on the loop."""

    attachments: int
    unpacked_bytes: int
    ratio: int
    light: int | None = None


def encoded(root: Node) -> list[Node]:
    """Every ContentTransferEncoded that stands where one belongs."""
    return [
        node
        for group in root.all(_ENCODED)
        for attachment in group.all("Attachment")
        for node in attachment.all("ContentTransferEncoded")
    ]


def carries_files(root: Node) -> bool:
    """Whether the document refers to files or carries some."""
    return bool(_references(root)) or root.first(_ENCODED) is not None


class Files:
    """The files in *root*; *bodies* is what was carved out of it, by token."""

    def __init__(self, root: Node, bodies: dict[str, bytes | None], found: Findings, bounds: Bounds) -> None:
        self._root = root
        self._bodies = bodies
        self._found = found
        self._bounds = bounds
        self._unpacked = 0

    def read(self) -> tuple[Attachment, ...] | None:
        """The files in the order of their references; ``None`` where one can't be had.

        Raises ``TooHeavy`` where unpacking would hold the loop.
        """
        references = _references(self._root)
        group = self._root.first(_ENCODED)
        attached = [] if group is None else group.all("Attachment")
        if not references and not attached:
            self._found.add("EDX-060", _ENCODED)
            return ()
        most = max(len(references), len(attached))
        if most > self._bounds.attachments:
            self._found.add("EDX-069", _ENCODED, f"{most} > {self._bounds.attachments}")
            return None
        by_id = self._by_id(attached, f"{_ENCODED}/Attachment")
        order = self._by_id(references, f"{_MANIFEST}/Reference")
        if by_id is None or order is None:
            return None
        for content_id in order:
            if content_id not in by_id:
                self._found.add("EDX-061", f"{_MANIFEST}/Reference", content_id)
        for content_id in by_id:
            if content_id not in order:
                self._found.add("EDX-062", f"{_ENCODED}/Attachment", content_id)
        files = [
            self._file(content_id, reference, by_id[content_id])
            for content_id, reference in order.items()
            if content_id in by_id
        ]
        if group is None or order.keys() != by_id.keys():
            return None
        others = [child for child in group.children if not any(child is one for one in attached)]
        group.items = [*(by_id[content_id] for content_id in order), *others]
        whole = tuple(file for file in files if file is not None)
        return whole if len(whole) == len(files) else None

    def _by_id(self, nodes: Sequence[Node], where: str) -> dict[str, Node] | None:
        known: dict[str, Node] = {}
        is_whole = True
        for at, node in enumerate(nodes, 1):
            content_id = bare_id(node.value("ContentId"))
            if not content_id or content_id in known:
                self._found.add("EDX-063", f"{where}[{at}]/ContentId", content_id)
                is_whole = False
            known[content_id] = node
        return known if is_whole else None

    def _file(self, content_id: str, reference: Node, attachment: Node) -> Attachment | None:
        claimed = attachment.value("ContentType") or reference.value("ContentType")
        description = attachment.value("Description") or reference.value("Description")
        name = self._name(content_id, reference, attachment)
        came = self._decoded(content_id, attachment)
        if came is None:
            return None
        file = unwrap(
            came,
            name,
            at_most=self._bounds.unpacked_bytes - self._unpacked,
            ratio=self._bounds.ratio,
            light=None if self._bounds.light is None else self._bounds.light - self._unpacked,
        )
        if file.is_zipped:
            self._unpacked += len(file.body)
        if file.rule and self._found.add(file.rule, name, file.detail) is Severity.ERROR:
            return None
        if not file.body and self._found.add("EDX-067", name) is Severity.ERROR:
            return None
        carried = _type_of(file, claimed)
        if claimed and carried != claimed.lower():
            self._found.add("EDX-068", name, claimed)
        for node in (reference, attachment):
            _put(node, "ContentType", carried)
            _put(node, "AttachmentName", name)
        _put(attachment, "ContentTransferEncoded", GAP)
        return Attachment(
            content_id=content_id,
            name=name,
            payload=PayloadRef.of(file.body),
            media_type=claimed,
            description=description,
            is_zipped=file.is_zipped,
            is_pdf=is_pdf(file.body),
        )

    def _name(self, content_id: str, reference: Node, attachment: Node) -> str:
        named, referred = attachment.value("AttachmentName"), reference.value("AttachmentName")
        if not named and not referred:
            self._found.add("EDX-064", f"{_ENCODED}/Attachment", content_id)
            return content_id
        if named and referred and named != referred:
            # One name goes on to the recipients, so that nobody opens what was judged under another.
            self._found.add("EDX-065", named)
        return named or referred

    def _decoded(self, content_id: str, attachment: Node) -> bytes | None:
        node = attachment.first("ContentTransferEncoded")
        text = "" if node is None else node.text
        body = self._bodies[text] if text in self._bodies else decode(text.encode())
        if body is None:
            self._found.add("EDX-066", f"{_ENCODED}/Attachment/ContentTransferEncoded", content_id)
        return body


def _references(root: Node) -> list[Node]:
    node: Node | None = root
    for name in _MANIFEST.split("/"):
        node = None if node is None else node.first(name)
    return [] if node is None else node.all("Reference")


def _type_of(file: Unwrapped, claimed: str) -> str:
    """The type under which the file is carried on.  spec: edXML facts §1 - trust the bytes, not the label"""
    if file.is_zipped:
        return ZIP_TYPE
    if is_pdf(file.body):
        return PDF_TYPE
    label = claimed.lower()
    if not label or label == PDF_TYPE or (label == ZIP_TYPE and not file.body.startswith(b"PK")):
        return _ANY_TYPE
    return label


def _put(node: Node, name: str, text: str) -> None:
    """Make *text* the content of the child *name*, which is made where it is missing."""
    child = node.first(name)
    if child is None:
        child = Node(name)
        node.items.append(child)
    child.items = [text]
