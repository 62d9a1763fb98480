"""A gateway of tables behind the HTTP side: what the routes ask is answered from what a test puts in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import cast

from adapters.http import HttpServer, Options, Ports
from adapters.http.gate import Unmetered
from adapters.memory import CountingIds, FixedClock, MemoryDirectory, MemoryLog, MemoryUploads
from adapters.memory.vault import gathered
from gateway.errors import Reason, Refused, Unavailable
from gateway.model.change import AuditEntry, Change, Event, Outcome, Relation, Work, WorkKind
from gateway.model.document import Dossier, Submission
from gateway.model.envelope import DocumentReference, Kind, Priority
from gateway.model.evidence import EventName, EvidenceRecord
from gateway.model.handover import HandOver, InboxItem, ItemType
from gateway.model.ids import (
    ClientId,
    DocumentId,
    EvidenceId,
    MessageId,
    OrganCode,
    Owner,
    PartyKey,
    Realm,
    delivery_id,
    evidence_id,
)
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.party import Client, CodeValidity, Link, Party
from gateway.model.payload import PayloadRef
from gateway.model.submission import Arrival, Door, Ticket
from gateway.ports import Disposal, Quotas, Uploads
from gateway.valve import Gauge, Valve

PROVINCE, DEPARTMENT, COMMUNE, STRANGER = "000.00.00.H53", "000.00.13.H53", "000.25.36.H53", "000.00.14.H53"
SECRET = b"the claims' secret of these tests"
EDXML = '<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">Quyết định 517</edXML>'.encode()


def a_party(code: str, **changes: object) -> Party:
    party = Party(key=PartyKey(code), name=f"Cơ quan {code}", codes=(CodeValidity(code=OrganCode(code)),))
    return replace(party, **changes)  # type: ignore[arg-type]  # says the value that matters


def a_client(name: str, *acts_for: str) -> Client:
    """A client whose token is ``token-<name>``."""
    return Client(
        id=ClientId(name),
        acts_for=frozenset(PartyKey(code) for code in acts_for),
        token_sha256=sha256(f"token-{name}".encode()).hexdigest(),
    )


def bearer(name: str) -> dict[str, str]:
    """The header by which the client of that name comes in."""
    return {"Authorization": f"Bearer token-{name}"}


@dataclass
class Tables:
    """Everything that the gateway knows, and what it was asked."""

    clock: FixedClock = field(default_factory=FixedClock)
    ids: CountingIds = field(default_factory=CountingIds)
    payloads: dict[str, bytes] = field(default_factory=dict)
    dossiers: dict[str, Dossier] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)
    evidence: dict[str, EvidenceRecord] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    items: dict[tuple[str, str], InboxItem] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    health: dict[str, str] = field(default_factory=dict)
    days_left: dict[str, int] = field(default_factory=dict)
    log: MemoryLog = field(default_factory=lambda: MemoryLog({}, lambda owner: True))
    trouble: Exception | None = None
    hangs: bool = False
    door: asyncio.Event | None = None
    """Submissions wait for it, where there is one."""
    header_ends_with: bytes = b""
    checks: int = 0

    def put_document(
        self,
        *,
        sender: str = PROVINCE,
        recipients: Sequence[str] = (COMMUNE,),
        state: HandOverState = HandOverState.AVAILABLE,
    ) -> DocumentId:
        """An accepted document with an event and an evidence for each copy."""
        now = self.clock.now()
        document = self.ids.document()
        submission = Submission(
            document=document,
            realm=Realm("H53"),
            party=PartyKey(sender),
            client=ClientId(sender),
            message_id=MessageId(f"m-{document}"),
            sha256=sha256(EDXML).hexdigest(),
            size=len(EDXML),
            kind=Kind.EDOC,
            link=Link.HTTP,
            priority=Priority.ORDINARY,
            state=SubmissionState.ACCEPTED,
            received_at=now,
            expires_at=now + timedelta(days=30),
        )
        available = now if state is not HandOverState.PENDING else None
        copies = tuple(
            HandOver(
                document=document,
                recipient=PartyKey(code),
                addressed_as=OrganCode(code),
                name=f"Cơ quan {code}",
                link=Link.HTTP,
                delivery=delivery_id(document, PartyKey(code), 1),
                state=state,
                payload=None,
                available_at=available,
            )
            for code in recipients
        )
        self.dossiers[document] = Dossier(submission=submission, header=None, handovers=copies)
        self.events[document] = [Event(document=document, at=now, stage="receive", event="accepted")]
        self._attest(document, None, 0, EventName.SUBMISSION_ACCEPTANCE, now)
        for copy in copies:
            self.events[document].append(
                Event(document=document, at=now, stage="deliver", event="consigned", recipient=copy.recipient)
            )
            self._attest(document, copy.recipient, 1, EventName.CONTENT_CONSIGNMENT, now)
        return document

    def put_item(
        self, party: str = COMMUNE, body: bytes = EDXML, *, ride_along: bool = False, is_urgent: bool = False
    ) -> InboxItem:
        """Something that waits in a party's inbox; its bytes in the vault, or riding along."""
        document = self.put_document(recipients=(party,))
        ref = PayloadRef.of(body)
        self.payloads[ref.sha256] = body
        now = self.clock.now()
        item = InboxItem(
            id=delivery_id(document, PartyKey(party), 1),
            party=PartyKey(party),
            type=ItemType.EDOC,
            document=document,
            correlation=document,
            headers=(("vanthu-sender", PROVINCE), ("vanthu-version", "1")),
            sha256=ref.sha256,
            size=ref.size,
            payload=ref if ride_along else ref.bare(),
            evidence=None,
            priority=Priority(int(is_urgent)),
            available_at=now,
            expires_at=now + timedelta(days=30),
        )
        self.items[party, item.id] = item
        return item

    def _attest(
        self, document: DocumentId, recipient: PartyKey | None, sequence: int, event: EventName, at: datetime
    ) -> None:
        one = evidence_id(document, recipient, sequence)
        body = f"<Evidence>{one}</Evidence>".encode()
        self.evidence[one] = EvidenceRecord(
            id=one,
            document=document,
            recipient=recipient,
            event=event,
            sequence=sequence,
            issued_at=at,
            reason=None,
            sha256=sha256(body).hexdigest(),
            body=body,
        )


class TableVault:
    """``Vault`` in a table."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        body = await gathered(chunks)
        ref = PayloadRef.of(body)
        self._tables.payloads[ref.sha256] = body
        return ref

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        if ref.sha256 not in self._tables.payloads:
            raise Unavailable("payload-missing")
        body = self._tables.payloads[ref.sha256]
        for at in range(start, len(body), 65536):
            yield body[at : at + 65536]
        if len(body) != ref.size:
            raise Unavailable("digest-mismatch")

    async def read(self, ref: PayloadRef) -> bytes:
        return b"".join([piece async for piece in self.open(ref)])


class TableDisposal:
    """As much of ``Disposal`` as HTTP asks: what names bytes."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def named(self, digests: Collection[str]) -> Collection[str]:
        return {one for one in digests if one in self._tables.named}


class TableIntake:
    """``Intake`` that knows submissions by client and message id."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._known: dict[tuple[str, str], tuple[str, Ticket]] = {}

    async def submit(self, arrival: Arrival) -> Ticket:
        tables = self._tables
        if tables.trouble is not None:
            raise tables.trouble
        tables.arrivals.append(arrival)
        if tables.door is not None:
            await tables.door.wait()
        key = (arrival.claimed, arrival.message_id or "")
        if key in self._known:
            digest, ticket = self._known[key]
            if digest == arrival.payload.sha256:
                return replace(ticket, door=Door.REPEATED)
            return self._refused("message-id-reused")
        body = arrival.payload.body or tables.payloads[arrival.payload.sha256]
        try:
            self.screen(body)
        except Refused as refused:
            return self._refused(refused.reason, refused.detail)
        if arrival.expires == "yesterday":
            return Ticket(
                door=Door.REFUSED,
                document=None,
                state=SubmissionState.REFUSED,
                reason=Reason("expires-invalid"),
            )
        document = tables.put_document(sender=arrival.claimed)
        ticket = Ticket(
            door=Door.ACCEPTED,
            document=document,
            state=SubmissionState.RECEIVED,
            received_at=tables.clock.now(),
        )
        self._known[key] = (arrival.payload.sha256, ticket)
        return ticket

    def screen(self, head: bytes) -> None:
        if not head.startswith(b"<"):
            raise Refused("xml-malformed", "line 1, column 0")
        if self._tables.header_ends_with not in head:
            raise Refused("header-incomplete")
        if "(MẬT)".encode() in head:
            raise Refused("state-secret")

    async def undeliverable(
        self, document: DocumentId, recipient: PartyKey, delivery: str, cause: str
    ) -> None:
        return None

    async def untaken(self, document: DocumentId, evidence: EvidenceId, cause: str) -> None:
        return None

    def _refused(self, reason: str, detail: str = "") -> Ticket:
        return Ticket(
            door=Door.REFUSED,
            document=self._tables.put_document(),
            state=SubmissionState.REFUSED,
            reason=Reason(reason),
            detail=detail,
            received_at=self._tables.clock.now(),
        )


class TableDesk:
    """``Desk`` over the table of items."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._locks = 0

    async def peek(self, party: PartyKey, limit: int) -> Sequence[InboxItem]:
        waiting = [i for i in self._tables.items.values() if i.party == party and i.taken_at is None]
        return sorted(waiting, key=lambda i: (-i.priority, i.available_at, i.id))[:limit]

    async def lock(self, party: PartyKey, item: str, lasting: timedelta) -> InboxItem:
        found, now = self._own(party, item), self._tables.clock.now()
        if found.taken_at is not None:
            raise Refused("item-taken")
        if found.locked_until is not None and found.locked_until > now:
            raise Refused("item-locked")
        self._locks += 1
        locked = replace(found, lock=f"lock-{self._locks}", locked_until=now + lasting)
        self._tables.items[party, item] = locked
        return locked

    async def content(self, party: PartyKey, item: str) -> tuple[InboxItem, PayloadRef]:
        found = self._own(party, item)
        assert found.payload is not None
        return found, found.payload

    async def acknowledge(self, party: PartyKey, item: str, lock: str) -> None:
        found, now = self._own(party, item), self._tables.clock.now()
        if found.taken_at is not None:
            return
        if found.lock != lock or found.locked_until is None or found.locked_until <= now:
            raise Refused("lock-lost")
        self._tables.items[party, item] = replace(found, taken_at=now)

    def _own(self, party: PartyKey, item: str) -> InboxItem:
        if (party, item) not in self._tables.items:
            raise Refused("not-found")
        return self._tables.items[party, item]


class TableLedger:
    """``Ledger`` that can be read."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def load(self, document: DocumentId, recipient: PartyKey | None = None) -> Dossier | None:
        if self._tables.trouble is not None:
            raise self._tables.trouble
        dossier = self._tables.dossiers.get(document)
        if dossier is None or recipient is None:
            return dossier
        return replace(dossier, handovers=tuple(h for h in dossier.handovers if h.recipient == recipient))

    async def commit(self, change: Change) -> Outcome:
        raise AssertionError("HTTP never commits by itself")

    async def lease(
        self,
        owner: Owner,
        limit: int,
        kinds: frozenset[WorkKind] = frozenset(WorkKind),
        *,
        sated: frozenset[str] = frozenset(),
    ) -> Sequence[Work]:
        raise AssertionError("HTTP leases no work")

    async def find(self, reference: DocumentReference, recipient: PartyKey) -> Sequence[DocumentId]:
        raise AssertionError("HTTP looks for no reference")


class TableRecords:
    """``Records`` over the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def timeline(self, document: DocumentId) -> Sequence[Event]:
        return self._tables.events.get(document, ())

    async def evidence(self, document: DocumentId) -> Sequence[EvidenceRecord]:
        return [record for record in self._tables.evidence.values() if record.document == document]

    async def one_evidence(self, evidence: EvidenceId) -> EvidenceRecord | None:
        return self._tables.evidence.get(evidence)

    async def relations(self, document: DocumentId) -> Sequence[Relation]:
        return [r for r in self._tables.relations if document in (r.document, r.other)]

    async def search(self, text: str, limit: int = 20) -> Sequence[DocumentId]:
        return ()

    async def waiting(self) -> Mapping[str, int]:
        if self._tables.trouble is not None:
            raise self._tables.trouble
        return {"document": 3, "delivery": 1}

    async def note(self, entry: AuditEntry) -> None:
        return None

    async def notes(self, limit: int = 100) -> Sequence[AuditEntry]:
        return ()


PARTS = ("broker", "contract", "store", "vault", "signing", "certificates", "disk", "inspector")


def a_directory() -> MemoryDirectory:
    """Four organs; a client for each, one for several, one without a token."""
    parties = [a_party(code) for code in (PROVINCE, DEPARTMENT, COMMUNE, STRANGER)]
    clients = [a_client(code, code) for code in (PROVINCE, DEPARTMENT, COMMUNE, STRANGER)]
    several = a_client("several", COMMUNE, DEPARTMENT)
    mute = Client(id=ClientId("mute"), acts_for=frozenset({PartyKey(PROVINCE)}))
    return MemoryDirectory(parties, [*clients, several, mute])


def a_server(
    tables: Tables,
    directory: MemoryDirectory | None = None,
    uploads: Uploads | None = None,
    *,
    places: int = 1000,
    gauges: Sequence[Gauge] = (),
    quotas: Quotas | None = None,
    **options: object,
) -> HttpServer:
    """A server over *tables*, not yet started; *places* submissions may wait behind its valve."""

    async def health() -> Mapping[str, str]:
        tables.checks += 1
        if tables.hangs:
            await asyncio.Event().wait()
        if tables.trouble is not None:
            raise tables.trouble
        return dict.fromkeys(PARTS, "ok") | tables.health

    valve = Valve(TableIntake(tables), places, gauges)
    ports = Ports(
        intake=valve,
        inlet=valve,
        quotas=quotas or Unmetered(),
        desk=TableDesk(tables),
        ledger=TableLedger(tables),
        records=TableRecords(tables),
        log=tables.log,
        vault=TableVault(tables),
        uploads=uploads or MemoryUploads(tables.clock, TableVault(tables)),
        directory=directory or a_directory(),
        clock=tables.clock,
        health=health,
        days_left=lambda: tables.days_left,
        disposal=cast("Disposal", TableDisposal(tables)),
    )
    told: dict[str, object] = {"port": 0, "secret": SECRET, "health_age": timedelta(), **options}
    return HttpServer(Options(**told), ports)  # type: ignore[arg-type]  # says the value that matters
