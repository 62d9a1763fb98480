"""The readers of edXML and of its JSON as targets: whatever the bytes, a refusal with a reason or a document of which
nothing is lost in any form."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import schemas
from adapters.envelope import convert, parse
from adapters.envelope.canonical import SHAPES, Document
from adapters.envelope.edxml import EdxmlEnvelopes, Options
from adapters.envelope.parse import Node
from adapters.envelope.rules import rules
from adapters.envelope.strict import skeleton
from adapters.files import InHand
from gateway.errors import Refused
from gateway.model.envelope import Edoc, Envelope, Kind, Marks, StatusReport
from gateway.model.finding import Finding, Severity
from gateway.model.ids import OrganCode
from gateway.model.payload import PayloadRef
from tests.envelope import readers, trees
from tests.fuzz import bend_xml
from tests.fuzz.flaw import Flaw
from tests.vectors.edxml.producers import businesses, edocs, statuses

_AT = datetime(2026, 3, 4, 18, 30, 5, tzinfo=UTC)
_HOP = OrganCode("H53.15")
_TRACE = (
    b"<edXML:TraceHeader><edXML:OrganId>H53.15</edXML:OrganId>"
    b"<edXML:Timestamp>2026/03/05 01:30:05</edXML:Timestamp></edXML:TraceHeader>"
)
_HEAD = 256 * 1024
_LONGEST_LINE = 2000
_CODES = rules().keys() | schemas.reasons().keys()

_MARKS = re.compile(r"[0-9+]+[0-9A-F]*|'.*'|\".*\"|\(.*\)")  # what differs from one input to the next

OfEdoc = Callable[[Edoc, Sequence[bytes]], Document]


class _Crumbs(InHand):
    """A vault whose bytes come in small pieces of many sizes, and that keeps what was put last."""

    def __init__(self) -> None:
        self._last: PayloadRef | None = None

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        self._last = await super().put(chunks)
        return self._last

    async def open(self, ref: PayloadRef) -> AsyncIterator[bytes]:
        body, at, size = await self.read(ref), 0, 1 + ref.size % 61
        while at < len(body):
            yield body[at : at + size]
            at, size = at + size, size * 7 % 1021 + 1

    async def read(self, ref: PayloadRef) -> bytes:
        kept = self._last if ref == self._last else None
        return await super().read(kept or ref)


class _Reading:
    """The adapter, and a loop to run it in; ``inline_bytes``: longer documents are read in pieces."""

    def __init__(self, vault: InHand | None = None, **options: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._vault = vault or InHand()
        self._envelopes = EdxmlEnvelopes(Options(**options), self._vault)  # type: ignore[arg-type]

    def peek(self, data: bytes) -> Marks:
        return self._envelopes.peek(data[:_HEAD], is_whole=len(data) <= _HEAD)

    def read(self, data: bytes) -> tuple[Envelope | None, tuple[Finding, ...]]:
        return self._loop.run_until_complete(self._envelopes.read(PayloadRef.of(data)))

    def render(self, edoc: Edoc) -> bytes:
        return self.bytes_of(
            self._loop.run_until_complete(self._envelopes.render(edoc, hop=_HOP, at=_AT, sealed={}))
        )

    def bytes_of(self, ref: PayloadRef) -> bytes:
        return self._loop.run_until_complete(self._vault.read(ref))


class Edxml:
    """A look, a reading, a writing, and both conversions."""

    name = "edxml"

    def __init__(self, folder: Path, of_edoc: OfEdoc = convert.of_edoc) -> None:
        self._reading = _Reading()
        self._in_pieces = _Reading(_Crumbs(), inline_bytes=64)
        self._of_edoc = of_edoc

    def seeds(self) -> list[bytes]:
        """Every vector, and trees by chance."""
        return [*(edocs() | statuses() | businesses()).values(), *map(_a_tree, range(4))]

    def bent(self, chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
        """Bent as XML."""
        return bend_xml.xml(chance, data, others)

    def check(self, data: bytes) -> str:
        """Look, read, write; what is accepted must survive everything."""
        marks, why = None, ""
        try:
            marks = self._reading.peek(data)
        except Refused as refused:
            why = _reason(refused)
        try:
            envelope, findings = self._reading.read(data)
        except Refused as refused:
            self._check_pieces(data, _reason(refused))
            return f"refused: {_reason(refused)}"
        self._check_pieces(data, (envelope, findings))
        _check_findings(findings)
        if envelope is None or any(one.severity is Severity.ERROR for one in findings):
            errors = [one.code for one in findings if one.severity is Severity.ERROR]
            return f"broken: {min(errors, default='unreadable')}"
        if marks is None:
            raise Flaw("accepted-unseen", why)
        match envelope:
            case Edoc():
                self._check_edoc(marks, envelope, findings)
            case StatusReport():
                self._check_status(marks, envelope, data)
        return f"{marks.kind}: " + max((one.code for one in findings), default="no remark")

    def _check_pieces(self, data: bytes, expected: object) -> None:
        """What comes in pieces is read as the whole is; looked at for every fourth input, because it takes a thread."""
        if crc32(data) % 4:
            return
        try:
            told: object = self._in_pieces.read(data)
        except Refused as refused:
            told = _reason(refused)
        if told != expected:
            raise Flaw("read-otherwise-in-pieces", str(expected)[:500], str(told)[:500])

    def _check_edoc(self, marks: Marks, edoc: Edoc, findings: tuple[Finding, ...]) -> None:
        # of a repeated or nested field the look tells every value
        told = ((edoc.subject, marks.subject), (edoc.type_name, marks.type_name), (edoc.sphere, marks.sphere))
        if (marks.kind, marks.sender) != (Kind.EDOC, edoc.sender.code) or any(
            one not in seen for one, seen in told
        ):
            raise Flaw("seen-otherwise", marks, edoc)
        bodies = [self._reading.bytes_of(one.payload) for one in edoc.attachments]
        for one, body in zip(edoc.attachments, bodies, strict=True):
            if (one.payload.sha256, one.payload.size) != (sha256(body).hexdigest(), len(body)):
                raise Flaw("digest", one)
        out = self._reading.render(edoc)
        if crc32(edoc.skeleton) % 4 == 0 and self._in_pieces.render(edoc) != out:
            raise Flaw("written-otherwise-in-pieces")
        again, _ = self._reading.read(out)
        if not isinstance(again, Edoc) or [one.payload for one in again.attachments] != [
            one.payload for one in edoc.attachments
        ]:
            raise Flaw("files-lost", again)
        if (again.sender, again.recipients, again.subject, again.reference) != (
            *(edoc.sender, edoc.recipients),
            *(edoc.subject, edoc.reference),
        ):
            raise Flaw("read-otherwise-again")
        if self._reading.render(again) != out.replace(_TRACE, _TRACE * 2, 1) and out.count(_TRACE) == 1:
            raise Flaw("forwarding-changes-more-than-the-trace")
        document = self._of_edoc(edoc, bodies)
        if skeleton(document.root, SHAPES[Kind.EDOC]) not in (
            edoc.skeleton.replace(_GAP, b"", 1),
            edoc.skeleton.replace(_GAP, b"", 1).replace(
                b"<edXML:TraceHeaderList></edXML:TraceHeaderList>", b""
            ),
        ):
            raise Flaw("outline-differs")
        _check_document(document)
        if not findings:
            _check_readers(edoc, bodies, out)

    def _check_status(self, marks: Marks, report: StatusReport, data: bytes) -> None:
        if (marks.kind, marks.sender) != (Kind.STATUS, report.reporter.code):
            raise Flaw("seen-otherwise", marks, report)
        document = convert.of_status(data, parse.Bounds())
        again, _ = self._reading.read(convert.write_edxml(document))
        if again != report:
            raise Flaw("read-otherwise-again", again)
        _check_document(document)


_GAP = b"<edXML:TraceHeader>\0</edXML:TraceHeader>"


class CanonicalJson:
    """The reader of canonical JSON."""

    name = "json"

    def __init__(self, folder: Path) -> None:
        self._reading = _Reading()

    def seeds(self) -> list[bytes]:
        """The vectors and trees by chance, as JSON."""
        made = [convert.write_json(_document_by_chance(number)) for number in range(12)]
        for body in (edocs() | businesses()).values():
            edoc, _ = self._reading.read(body)
            assert isinstance(edoc, Edoc)
            bodies = [self._reading.bytes_of(one.payload) for one in edoc.attachments]
            made.append(convert.write_json(convert.of_edoc(edoc, bodies)))
        return [
            *made,
            *(convert.write_json(convert.of_status(body, parse.Bounds())) for body in statuses().values()),
        ]

    def bent(self, chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
        """Bent as JSON."""
        return bend_xml.canonical(chance, data, others)

    def check(self, data: bytes) -> str:
        """Read it; what is read is well-formed edXML, and the same JSON again."""
        try:
            document = convert.read_json(data)
        except Refused as refused:
            return f"refused: {_reason(refused)} {_MARKS.sub('', refused.detail.rpartition(': ')[2])}"
        _check_document(document)
        try:
            envelope, findings = self._reading.read(convert.write_edxml(document))
        except Refused as refused:
            if refused.reason == "xml-malformed":
                raise Flaw("not-well-formed", refused.detail) from refused
            return f"read, then refused: {_reason(refused)}"
        _check_findings(findings)
        if not isinstance(envelope, Edoc):
            return "read: " + ("a status" if isinstance(envelope, StatusReport) else "broken")
        bodies = [self._reading.bytes_of(one.payload) for one in envelope.attachments]
        _check_document(convert.of_edoc(envelope, bodies))
        return "read: an edoc"


ALL: dict[str, type[Edxml | CanonicalJson]] = {one.name: one for one in (Edxml, CanonicalJson)}


def loses(edoc: Edoc, bodies: Sequence[bytes]) -> Document:
    """A fault to be found: of strangers those with attributes are forgotten, but for the ones in MessageHeader."""
    document = convert.of_edoc(edoc, bodies)
    for node in document.root.walk():
        if node.space == parse.QCVN and node.name != "MessageHeader":
            node.items = [one for one in node.items if isinstance(one, str) or not _is_marked(one)]
    return document


def _is_marked(node: Node) -> bool:
    return node.space != parse.QCVN and bool(node.attributes)


# --- what must hold -------------------------------------------------------------------------------------------


def _reason(refused: Refused) -> str:
    if refused.reason not in schemas.reasons():
        raise Flaw("unknown-reason", refused.reason)
    if len(refused.detail) > _LONGEST_LINE:
        raise Flaw("long-detail", refused.reason, len(refused.detail))
    return refused.reason


def _check_findings(findings: tuple[Finding, ...]) -> None:
    for one in findings:
        if one.code not in _CODES:
            raise Flaw("unknown-rule", one.code)
        if len(one.where) > _LONGEST_LINE or len(one.detail) > _LONGEST_LINE:
            raise Flaw("long-finding", one.code, len(one.where), len(one.detail))


def _check_document(document: Document) -> None:
    """The document is the same out of either form."""
    strict = convert.write_edxml(document)
    rest = skeleton(document.root, SHAPES[document.kind]).replace(b"\0", b"QQ==")
    if skeleton(parse.parse(rest, parse.Bounds(elements=100_000)), SHAPES[document.kind]) != rest:
        raise Flaw("writing-is-no-normal-form")
    try:
        told = convert.write_json(document)
        again = convert.read_json(told)
    except Refused as refused:
        if refused.reason in ("json-unsupported", "json-too-costly", "xml-too-costly"):
            return
        raise Flaw("json-not-read-back", refused.reason, refused.detail) from refused
    if convert.write_json(again) != told:
        raise Flaw("json-differs")
    if convert.write_edxml(again) != strict:
        raise Flaw("edxml-differs")


def _check_readers(edoc: Edoc, bodies: list[bytes], out: bytes) -> None:
    """What has no remark at all is read by everybody."""
    try:
        told, other = readers.java_sdk(out), readers.by_prefix(out)
    except (readers.Broken, ValueError) as error:
        raise Flaw("not-read-by-others", str(error)) from error
    if told["subject"] != edoc.subject or told["kind"] != int(edoc.business):
        raise Flaw("read-otherwise-by-others", told)
    if told["files"] != [(one.name, body) for one, body in zip(edoc.attachments, bodies, strict=True)]:
        raise Flaw("files-read-otherwise-by-others")
    if other["to"] != [organ.code for organ in edoc.recipients]:
        raise Flaw("recipients-read-otherwise-by-others")


def _document_by_chance(number: int) -> Document:
    chance = random.Random(number)
    kind = chance.choice(list(Kind))
    root = trees.group(chance, "edXML", SHAPES[kind], files=0)
    return Document(kind=kind, root=root)


def _a_tree(number: int) -> bytes:
    return convert.write_edxml(_document_by_chance(number))
