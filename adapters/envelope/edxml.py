"""edXML behind the port ``Envelopes``: a bounded look, one bounded reading, one way of writing.

    envelopes = EdxmlEnvelopes(Options(), vault)
    marks = envelopes.peek(body[:262_144], is_whole=True)
    edoc, findings = await envelopes.read(PayloadRef.of(body))
    rendered = await envelopes.render(edoc, hop=us, at=received_at, sealed={0: sealed_pdf})

Ordinary documents (up to 1 MiB) are read and written in a millisecond or two, on the loop and in memory.
What is larger goes through threads in pieces: from the vault by way of ``carve`` into loose files (one for
each large attachment), and from these by way of ``stream`` back into the vault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from zlib import crc32

from adapters.envelope import files, header, parse, stream
from adapters.envelope.attachments import TooHeavy, wrap
from adapters.envelope.carve import CarvedWrongly, Carver, before_base64, has_many_references
from adapters.envelope.content import Content, Spool
from adapters.envelope.dates import VIETNAM
from adapters.envelope.edoc import read_edoc
from adapters.envelope.grammar import EDOC, STATUS
from adapters.envelope.outline import Reading, outline
from adapters.envelope.parse import HEADER, QCVN, Node
from adapters.envelope.rules import Findings, Rulebook
from adapters.envelope.shape import check
from adapters.envelope.status import read_status
from adapters.envelope.strict import fill, trace
from adapters.loose import LooseFile
from gateway.errors import Refused
from gateway.model.envelope import Edoc, Envelope, Kind, Marks
from gateway.model.finding import Finding, Severity
from gateway.model.ids import OrganCode
from gateway.model.payload import PayloadRef
from gateway.ports import Vault

_MIB = 1024 * 1024
_INLINE_REST = 32 * 1024  # 8,000 tiny elements: 30 ms; an ordinary header has 10 KB, one to 448 organs 70
_INLINE_UNPACKED = 4 * _MIB  # 20 ms
_INLINE_REFERENCES = 10_000  # 5 ms, as line ends within base64
_UNPACKED_FREELY = 64 * _MIB
_UNPACKED_RATIO = (
    16  # above that, of all ZIPs to the whole document: small ones shall not make seconds of work
)
_RIDING = _MIB // 4  # of a large document, files up to this size stay in memory
_REMEMBERED = 1000  # checksums
_BEGINNING = 16 * 1024  # where base64 begins so early, what comes before it is not parsed again
_MOST_BEGUN = 64  # documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Bounds of one document, in bytes and counts, and the severities that differ from ``rules.toml``.

    ``folder`` is where large attachments lie while their document is in hand; by default, where temporary
    files lie on this machine.  ``streams``: how many large documents are read, and written, at once.
    """

    header_bytes: int = 256 * 1024  # what peek looks at
    document_bytes: int = 768 * _MIB  # ten files of 50 MB, as base64
    rest_bytes: int = 2 * _MIB  # the envelope without its attachments
    status_bytes: int = 256 * 1024
    file_unpacked_bytes: int = 256 * _MIB  # out of one ZIP
    unpacked_bytes: int = 768 * _MIB  # out of all ZIPs of one document together
    zip_ratio: int = 200  # above 1 MiB; office files reach 20, a blank scan 100
    depth: int = 32
    elements: int = 20_000  # 1,000 recipients with every field are 9,000
    header_elements: int = 8000  # 256 KiB hold 500 recipients with every field: 4,600
    attributes: int = 16
    recipients: int = 1000
    attachments: int = 100
    large_file_bytes: int = 50 * _MIB  # of one file; spec: edXML facts §5
    inline_bytes: int = _MIB  # more is read and written in pieces
    streams: int = 2
    folder: Path | None = None
    leaving_bytes: int = 0  # of that folder's disk, for what must go on when it is nearly full
    severities: Mapping[str, Severity] = field(default_factory=dict)


class EdxmlEnvelopes:
    """The port ``gateway.ports.Envelopes`` for edXML.  *vault* gives the bytes that do not ride along, and
    keeps what is rendered too large to ride along.

    Raises ``ConfigError`` where the options name a rule that does not exist or can't be changed.
    """

    def __init__(self, options: Options, vault: Vault) -> None:
        self._options = options
        self._vault = vault
        self._book = Rulebook(options.severities)
        self._bounds = parse.Bounds(
            depth=options.depth, elements=options.elements, attributes=options.attributes
        )
        self._header_bounds = replace(self._bounds, elements=options.header_elements)
        self._reading = asyncio.Semaphore(options.streams)
        self._writing = asyncio.Semaphore(options.streams)
        self._crcs: dict[str, int] = {}
        # What was peeked at is read soon as a rule: its header need not be parsed again.
        self._begun: dict[bytes, parse.Begun] = {}

    def peek(self, head: bytes | memoryview, *, is_whole: bool) -> Marks:
        """``Envelopes.peek``; besides, ``xml-too-costly`` where the header breaks a bound."""
        bound = self._options.header_bytes
        if len(head) > bound:
            head, is_whole = head[:bound], False
        until = before_base64(bytes(head[:_BEGINNING]))
        marks, begun = header.peek(head, self._header_bounds, is_whole=is_whole, until=until)
        if begun is not None:
            self._begun[begun.seen] = begun
            if len(self._begun) > _MOST_BEGUN:
                del self._begun[next(iter(self._begun))]
        return marks

    async def read(self, ref: PayloadRef) -> tuple[Envelope | None, tuple[Finding, ...]]:
        """``Envelopes.read``; besides, ``xml-too-costly`` where the document breaks a bound."""
        reading = await self.examine(ref)
        return reading.envelope, reading.findings

    async def examine(self, ref: PayloadRef) -> Reading:
        """The same, and what is known of a document that has no whole envelope; raises as ``read``."""
        if ref.size > self._options.document_bytes:
            raise Refused("xml-too-costly", f"{ref.size} bytes")
        if ref.size > self._options.inline_bytes:
            async with self._reading:
                return await self._read_in_pieces(ref)
        body = await self._body(ref)
        try:
            return self._read(body, ref.sha256, light=_INLINE_UNPACKED)
        except TooHeavy:
            return await asyncio.to_thread(self._read, body, ref.sha256, light=None)

    async def render(
        self,
        edoc: Edoc,
        *,
        hop: OrganCode,
        at: datetime,
        sealed: Mapping[int, PayloadRef],
    ) -> PayloadRef:
        """``Envelopes.render``.  Raises ``Refused("dialect-unsupported")`` for an edoc that was not read
        from edXML."""
        refs = [sealed.get(i, attachment.payload) for i, attachment in enumerate(edoc.attachments)]
        if sum(ref.size for ref in refs) <= self._options.inline_bytes:
            return self._render(edoc, hop, at, refs, [await self._body(ref) for ref in refs])
        local = at.astimezone(VIETNAM)
        parts = [
            stream.Part(
                ref=ref,
                zipped_as=attachment.name if attachment.is_zipped else None,
                crc=self._crcs.get(ref.sha256),
            )
            for attachment, ref in zip(edoc.attachments, refs, strict=True)
        ]
        try:
            written = stream.Writing(edoc.skeleton, trace(hop, at), parts, local, self._vault)
        except ValueError as error:
            raise Refused("dialect-unsupported", str(error)) from error
        async with self._writing:
            return (await self._vault.put(written.chunks())).bare()

    def _render(
        self, edoc: Edoc, hop: OrganCode, at: datetime, refs: list[PayloadRef], bodies: list[bytes]
    ) -> PayloadRef:
        local = at.astimezone(VIETNAM)
        contents = [trace(hop, at)]
        for attachment, ref, body in zip(edoc.attachments, refs, bodies, strict=True):
            if attachment.is_zipped:
                crc = self._crc(attachment.payload, body)
                body = wrap(body, ref.sha256, attachment.name, local, crc=crc)
            contents.append(body)
        try:
            return PayloadRef.of(fill(edoc.skeleton, contents))
        except ValueError as error:
            raise Refused("dialect-unsupported", str(error)) from error

    def _crc(self, came: PayloadRef, body: bytes) -> int | None:
        """The CRC-32 of *body* where it begins with what *came*, whose own was compared when it was unpacked."""
        known = self._crcs.get(came.sha256)
        if known is None or came.body is None or not body.startswith(came.body):
            return None
        return crc32(memoryview(body)[len(came.body) :], known)

    async def _body(self, ref: PayloadRef) -> bytes:
        return ref.body if ref.body is not None else await self._vault.read(ref)

    async def _read_in_pieces(self, ref: PayloadRef) -> Reading:
        carver = self._carver(ref.sha256, self._spool)
        await stream.each(self._vault.open(ref), carver.feed)
        try:
            return await asyncio.to_thread(self._judge, *self._carved(carver), ref.size, self._spool, None)
        except CarvedWrongly as wrongly:
            if ref.size > self._options.rest_bytes:
                if isinstance(wrongly.__cause__, Refused):
                    raise wrongly.__cause__ from None
                raise Refused("xml-too-costly", "base64 outside of the attachments") from None
        body = await self._body(ref)
        return await asyncio.to_thread(self._judge, body, None, {}, ref.size, self._spool, None)

    def _read(self, body: bytes, digest: str, *, light: int | None) -> Reading:
        if light is not None and has_many_references(body, _INLINE_REFERENCES):
            raise TooHeavy
        spool = self._spool if light is None else self._spool_in_memory
        carver = self._carver(digest, spool)
        carver.feed(body)
        try:
            return self._judge(*self._carved(carver), len(body), spool, light)
        except CarvedWrongly:
            return self._judge(body, None, {}, len(body), spool, light)

    def _carved(self, carver: Carver) -> tuple[bytes, parse.Begun | None, Mapping[str, Content | None]]:
        rest, bodies = carver.end()
        return rest, self._begun.pop(rest[: carver.before], None), bodies

    def _carver(self, digest: str, spool: Callable[[], Spool]) -> Carver:
        options = self._options
        return Carver(digest, at_most=options.attachments, rest_bytes=options.rest_bytes, spool=spool)

    def _spool_in_memory(self) -> Spool:
        return Spool(in_memory=self._options.inline_bytes + _INLINE_UNPACKED, loose=self._loose)

    def _spool(self) -> Spool:
        return Spool(in_memory=_RIDING, loose=self._loose)

    def _loose(self) -> LooseFile:
        return LooseFile.in_folder(self._options.folder, leaving=self._options.leaving_bytes)

    def _judge(
        self,
        rest: bytes,
        begun: parse.Begun | None,
        bodies: Mapping[str, Content | None],
        size: int,
        spool: Callable[[], Spool],
        light: int | None,
    ) -> Reading:
        """Read the document of *size* bytes of which *bodies* were cut out and *rest* is left."""
        root = self._parse(rest, begun, bodies, light)
        found = Findings(self._book)
        message = _message(root)
        kind = None if message is None else header.kind_of(message)
        if message is None or kind is None:
            found.add("EDX-001", "/".join(HEADER))
            return Reading(envelope=None, findings=found.all())
        if kind is Kind.STATUS:
            check(root, STATUS, found)
            status = self._read_status(root, message, size, found)
            return Reading(envelope=status, findings=found.all(), outline=outline(root, message, kind))
        check(root, EDOC, found)
        bounds = files.Bounds(
            attachments=self._options.attachments,
            file_unpacked_bytes=self._options.file_unpacked_bytes,
            unpacked_bytes=min(self._options.unpacked_bytes, max(_UNPACKED_FREELY, _UNPACKED_RATIO * size)),
            ratio=self._options.zip_ratio,
            large=self._options.large_file_bytes,
            light=light,
        )
        attached = files.Files(root, bodies, found, bounds, spool)
        edoc = read_edoc(root, message, attached, found, recipients=self._options.recipients)
        self._remember(attached.crcs)
        known = outline(root, message, kind, attached.had)
        return Reading(envelope=edoc, findings=found.all(), outline=known)

    def _remember(self, crcs: Mapping[str, int]) -> None:
        if len(self._crcs) > _REMEMBERED:
            self._crcs = {}
        self._crcs.update(crcs)

    def _read_status(self, root: Node, message: Node, size: int, found: Findings) -> Envelope | None:
        # A status goes on exactly as it came, unseen by the inspector: it must have nothing to inspect.
        if files.carries_files(root):
            found.add("EDX-088", "AttachmentEncoded")
        if size > self._options.status_bytes:
            found.add("EDX-089", "", f"{size} > {self._options.status_bytes}")
        return read_status(message, found)

    def _parse(
        self,
        rest: bytes,
        begun: parse.Begun | None,
        bodies: Mapping[str, Content | None],
        light: int | None,
    ) -> Node:
        if len(rest) > self._options.rest_bytes:
            raise Refused("xml-too-costly", f"{len(rest)} bytes beside the attachments")
        if light is not None and len(rest) > _INLINE_REST:
            raise TooHeavy
        try:
            root = parse.parse(rest, self._bounds, begun)
        except Refused as refused:
            if refused.reason == "xml-malformed" and None in bodies.values():
                raise CarvedWrongly from refused  # what was taken out as no base64 may have held markup
            raise
        if not bodies.keys() <= {node.text for node in files.encoded(root)}:
            raise CarvedWrongly
        return root


def _message(root: Node) -> Node | None:
    if root.name != HEADER[0] or root.space != QCVN:
        return None
    node: Node | None = root
    for name in HEADER[1:]:
        node = None if node is None else node.first(name)
    return node
