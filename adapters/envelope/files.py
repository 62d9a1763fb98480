"""The attached files of an edoc: references meet attachments, base64 and ZIP come off, labels are mended.

Nodes of the tree are changed on the way: what is written later carries the file names and types that
were found here, and a gap where the bytes were.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from adapters.envelope.attachments import ZIP_TYPE, Unwrapped, is_pdf, unwrap
from adapters.envelope.carve import decode
from adapters.envelope.content import Content, Spool
from adapters.envelope.media import media_type
from adapters.envelope.parse import Node
from adapters.envelope.rules import Findings
from adapters.envelope.strict import GAP, bare_id
from gateway.model.envelope import Attachment
from gateway.model.finding import Severity

_MANIFEST = "edXMLEnvelope/edXMLBody/edXMLManifest"
_ENCODED = "AttachmentEncoded"
_ARCHIVE_TYPE = "application/x-zip-compressed"
_PATH = re.compile(r"[/\\\\\x00-\x1f\x7f]|^\.{1,2}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may come out of one document: ``light`` is what may be unpacked on the loop, more than ``large``
    in one file is told."""

    attachments: int
    file_unpacked_bytes: int
    unpacked_bytes: int
    ratio: int
    large: int
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
    """The files in *root*; *bodies* is what was carved out of it, by token; *spool* makes the place for one
    file.  ``crcs``: the CRC-32 of what was unpacked, by SHA-256; ``had``: the files that could be had, also where
    others could not."""

    def __init__(
        self,
        root: Node,
        bodies: Mapping[str, Content | None],
        found: Findings,
        bounds: Bounds,
        spool: Callable[[], Spool],
    ) -> None:
        self._root = root
        self._bodies = bodies
        self._spool = spool
        self.crcs: dict[str, int] = {}
        self.had: list[Attachment] = []
        self._found = found
        self._bounds = bounds
        self._unpacked = 0

    def read(self, *, may_lack: bool = False) -> tuple[Attachment, ...] | None:
        """The files in the order of their references; ``None`` where one can't be had.  *may_lack*: none is no fault.

        Raises ``TooHeavy`` where unpacking would hold the loop.
        """
        references = _references(self._root)
        group = self._root.first(_ENCODED)
        attached = [] if group is None else group.all("Attachment")
        if not references and not attached and not may_lack:
            self._found.add("EDX-060", _ENCODED)
            return ()
        most = max(len(references), len(attached))
        if most > self._bounds.attachments:
            self._found.add("EDX-069", _ENCODED, f"{most} > {self._bounds.attachments}")
            return None
        by_id = self._by_id(attached, f"{_ENCODED}/Attachment")
        order = self._by_id(references, f"{_MANIFEST}/Reference")
        if by_id is None or order is None:
            self._alone([(f"{_ENCODED}/Attachment[{at}]", one) for at, one in enumerate(attached, 1)])
            return None
        for at, content_id in enumerate(order, 1):
            if content_id not in by_id:
                self._found.add("EDX-061", f"{_MANIFEST}/Reference[{at}]", content_id)
        places = {content_id: f"{_ENCODED}/Attachment[{at}]" for at, content_id in enumerate(by_id, 1)}
        for content_id, place in places.items():
            if content_id not in order:
                self._found.add("EDX-062", place, content_id)
        files = [
            self._file(places[content_id], reference, by_id[content_id])
            for content_id, reference in order.items()
            if content_id in by_id
        ]
        self._alone([(places[one], node) for one, node in by_id.items() if one not in order])
        if group is None or order.keys() != by_id.keys():
            return None
        group.items = _in_order(group, [by_id[content_id] for content_id in order])
        self._twice([] if None in files else files, places)
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

    def _alone(self, attachments: Sequence[tuple[str, Node]]) -> None:
        """Look at files to which nothing refers: the document is refused, but all is to be told at once."""
        for place, attachment in attachments:
            self._file(place, Node("Reference"), attachment)

    def _twice(self, files: Sequence[Attachment | None], places: dict[str, str]) -> None:
        names = Counter(file.name for file in files if file is not None)
        for file in files:
            if file is not None and names[file.name] > 1:
                self._found.add("EDX-077", f"{places[file.content_id]}/AttachmentName", file.name)

    def _file(self, place: str, reference: Node, attachment: Node) -> Attachment | None:
        content_id = bare_id(attachment.value("ContentId"))
        claimed = attachment.value("ContentType") or reference.value("ContentType")
        description = attachment.value("Description") or reference.value("Description")
        name = self._name(place, content_id, reference, attachment)
        content = f"{place}/ContentTransferEncoded"
        came = self._decoded(content, content_id, attachment)
        if came is None:
            return None
        file = unwrap(
            came,
            name,
            spool=self._spool,
            at_most=min(self._bounds.file_unpacked_bytes, self._bounds.unpacked_bytes - self._unpacked),
            ratio=self._bounds.ratio,
            light=None if self._bounds.light is None else self._bounds.light - self._unpacked,
        )
        if file.is_zipped:
            self._unpacked += file.content.size
        if file.rule and self._found.add(file.rule, content, file.detail or name) is Severity.ERROR:
            return None
        size = file.content.size
        if not size and self._found.add("EDX-067", content, name) is Severity.ERROR:
            return None
        if size > self._bounds.large:
            self._found.add("EDX-079", content, f"{size} > {self._bounds.large}")
        carried = _type_of(file, name, claimed)
        if claimed and carried != claimed.lower():
            self._found.add("EDX-068", f"{place}/ContentType", claimed)
        for node in (reference, attachment):
            _put(node, "ContentType", carried)
            _put(node, "AttachmentName", name)
        _put(attachment, "ContentTransferEncoded", GAP)
        payload = file.content.ref()
        if file.is_zipped:
            self.crcs[payload.sha256] = file.crc
        had = Attachment(
            content_id=content_id,
            name=name,
            payload=payload,
            media_type=claimed,
            description=description,
            is_zipped=file.is_zipped,
            zipped_at=file.zipped_at,
            is_pdf=is_pdf(file.content.head()),
        )
        self.had.append(had)
        return had

    def _name(self, place: str, content_id: str, reference: Node, attachment: Node) -> str:
        named, referred = attachment.value("AttachmentName"), reference.value("AttachmentName")
        where = f"{place}/AttachmentName"
        if not named and not referred:
            self._found.add("EDX-064", where, content_id)
            return content_id
        if named and referred and named != referred:
            # One name goes on to the recipients, so that nobody opens what was judged under another.
            self._found.add("EDX-065", where, named)
        if _PATH.search(named or referred):
            self._found.add("EDX-078", where, named or referred)
        return named or referred

    def _decoded(self, where: str, content_id: str, attachment: Node) -> Content | None:
        node = attachment.first("ContentTransferEncoded")
        text = "" if node is None else node.text
        body = self._bodies[text] if text in self._bodies else decode(text.encode(), self._spool())
        if body is None:
            self._found.add("EDX-066", where, content_id)
        return body


def _references(root: Node) -> list[Node]:
    node: Node | None = root
    for name in _MANIFEST.split("/"):
        node = None if node is None else node.first(name)
    return [] if node is None else node.all("Reference")


def _in_order(group: Node, attachments: Sequence[Node]) -> list[Node | str]:
    """The children of *group*, its attachments in that order, each with what stood behind it."""
    lead: list[Node | str] = []
    behind: dict[int, list[Node | str]] = {id(one): [one] for one in attachments}
    last = lead
    for child in group.children:
        last = behind.get(id(child), last)
        if id(child) not in behind:
            last.append(child)
    return [*lead, *(child for one in attachments for child in behind[id(one)])]


def _type_of(file: Unwrapped, name: str, claimed: str) -> str:
    """The type under which the file is carried on.  spec: edXML facts §1 - trust the bytes, not the label

    ``application/zip`` stands for a wrapping: public readers unpack whatever is labelled so and is not
    called ``.zip``.
    """
    if file.is_zipped:
        return ZIP_TYPE
    kind = media_type(file.content.head(), file.content.tail(), name, claimed)
    return _ARCHIVE_TYPE if kind == ZIP_TYPE and not name.endswith(".zip") else kind


def _put(node: Node, name: str, text: str) -> None:
    """Make *text* the content of the child *name*, which is made where it is missing."""
    child = node.first(name)
    if child is None:
        child = Node(name)
        node.items.append(child)
    child.items = [text]
