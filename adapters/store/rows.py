"""Rows from values and values from rows: plain tuples in the order of the table's columns.

Bodies that ride along with a reference are never stored with it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from gateway.errors import Reason
from gateway.model.change import AuditEntry, Event, Relation, Work, WorkKind
from gateway.model.document import Header, Submission
from gateway.model.envelope import Business, DocumentReference, Due, Kind, Priority
from gateway.model.evidence import EventName, EvidenceRecord
from gateway.model.handover import HandOver, InboxItem, ItemType
from gateway.model.ids import (
    ClientId,
    DeliveryId,
    DocumentId,
    EvidenceId,
    MessageId,
    OfficialId,
    OrganCode,
    Owner,
    PartyKey,
    Realm,
)
from gateway.model.journey import Answer, Ask, HandOverState, Request, Status, SubmissionState
from gateway.model.log import HeadRecord
from gateway.model.party import Link
from gateway.model.payload import PayloadRef

Row = Sequence[Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    """*at* as whole microseconds since 1970; exact, unlike ``timestamp()``."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant(number: int) -> datetime:
    """The reverse of ``micros``."""
    return _EPOCH + timedelta(microseconds=number)


def lane_of(priority: Priority) -> int:
    """What sorts the most urgent first: 1 ordinary, 0 khẩn (as the first release wrote them), −1 … −3 beyond."""
    return 1 - priority


def identity(realm: str, party: str, message_id: str, slot: str) -> str:
    """The four parts that make a submission unique, as one key.  Lengths keep the parts apart."""
    parts = (realm, party, message_id, slot)
    return sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()[:32]


def identity_of(submission: Submission) -> str:
    """The unique key of *submission*."""
    return identity(submission.realm, submission.party, submission.message_id, submission.slot)


def submission_row(s: Submission, identity: str, delete_after: int | None) -> Row:
    """A row of ``submissions``."""
    payload = s.payload
    return (
        s.document,
        identity,
        s.realm,
        s.party,
        s.client,
        s.message_id,
        s.slot,
        s.sha256,
        s.size,
        s.kind.value,
        s.link.value,
        int(s.priority),
        s.state.value,
        micros(s.received_at),
        micros(s.expires_at),
        payload.sha256 if payload else None,
        payload.size if payload else None,
        s.reason,
        s.head,
        s.traceparent,
        s.version,
        delete_after,
        str(s.due) if s.due else None,
    )


def submission_of(row: Row) -> Submission:
    """The submission in a row of ``submissions``."""
    return Submission(
        document=DocumentId(row[0]),
        realm=Realm(row[2]),
        party=PartyKey(row[3]),
        client=ClientId(row[4]),
        message_id=MessageId(row[5]),
        slot=row[6],
        sha256=row[7],
        size=row[8],
        kind=Kind(row[9]),
        link=Link(row[10]),
        priority=Priority(row[11]),
        state=SubmissionState(row[12]),
        received_at=instant(row[13]),
        expires_at=instant(row[14]),
        payload=_payload(row[15], row[16]),
        reason=_reason(row[17]),
        head=row[18],
        traceparent=row[19],
        version=row[20],
        due=Due.parse(row[22]) if row[22] else None,
    )


def header_row(h: Header, delete_after: int | None) -> Row:
    """A row of ``headers``."""
    r = h.reference
    dated = r.dated.isoformat() if r.dated else None
    return (
        h.document,
        r.organ,
        r.code,
        dated,
        r.official_id,
        h.subject,
        h.version,
        delete_after,
        int(h.business),
    )


def header_of(row: Row) -> Header:
    """The header in a row of ``headers``."""
    return Header(
        document=DocumentId(row[0]),
        reference=DocumentReference(
            organ=OrganCode(row[1]),
            code=row[2],
            dated=date.fromisoformat(row[3]) if row[3] else None,
            official_id=OfficialId(row[4]),
        ),
        subject=row[5],
        version=row[6],
        business=Business(row[8]),
    )


def handover_row(h: HandOver) -> Row:
    """A row of ``handovers``."""
    payload = h.payload
    return (
        h.document,
        h.recipient,
        h.addressed_as,
        h.name,
        h.link.value,
        h.delivery,
        h.state.value,
        payload.sha256 if payload else None,
        payload.size if payload else None,
        h.kind.value,
        h.generation,
        h.status.value,
        h.sequence,
        h.head,
        micros(h.available_at) if h.available_at else None,
        micros(h.handed_over_at) if h.handed_over_at else None,
        h.reason,
        int(h.is_quiet),
        h.about,
        h.version,
        h.asks.value,
        h.answer.value,
        h.request.value,
        h.asked_by,
        micros(h.expires_at) if h.expires_at else None,
    )


def handover_of(row: Row) -> HandOver:
    """The copy in a row of ``handovers``."""
    return HandOver(
        document=DocumentId(row[0]),
        recipient=PartyKey(row[1]),
        addressed_as=OrganCode(row[2]),
        name=row[3],
        link=Link(row[4]),
        delivery=DeliveryId(row[5]),
        state=HandOverState(row[6]),
        payload=_payload(row[7], row[8]),
        kind=Kind(row[9]),
        generation=row[10],
        status=Status(row[11]),
        sequence=row[12],
        head=row[13],
        available_at=_instant(row[14]),
        handed_over_at=_instant(row[15]),
        reason=_reason(row[16]),
        is_quiet=bool(row[17]),
        about=DocumentId(row[18]) if row[18] is not None else None,
        version=row[19],
        asks=Ask(row[20]),
        answer=Answer(row[21]),
        request=Request(row[22]),
        asked_by=DocumentId(row[23]) if row[23] is not None else None,
        expires_at=_instant(row[24]),
    )


def item_row(i: InboxItem, realm: str) -> Row:
    """A row of ``items``."""
    payload = i.payload
    return (
        realm,
        i.party,
        i.id,
        i.type.value,
        i.document,
        i.correlation,
        json.dumps(i.headers, ensure_ascii=False, separators=(",", ":")),
        i.sha256,
        i.size,
        payload.sha256 if payload else None,
        payload.size if payload else None,
        i.evidence,
        lane_of(i.priority),
        micros(i.available_at),
        micros(i.expires_at),
        i.lock,
        micros(i.locked_until) if i.locked_until else None,
        micros(i.taken_at) if i.taken_at else None,
        i.version,
    )


def item_of(row: Row) -> InboxItem:
    """The item in a row of ``items``."""
    return InboxItem(
        party=PartyKey(row[1]),
        id=row[2],
        type=ItemType(row[3]),
        document=DocumentId(row[4]),
        correlation=row[5],
        headers=tuple((name, value) for name, value in json.loads(row[6])),
        sha256=row[7],
        size=row[8],
        payload=_payload(row[9], row[10]),
        evidence=EvidenceId(row[11]) if row[11] is not None else None,
        priority=Priority(1 - row[12]),
        available_at=instant(row[13]),
        expires_at=instant(row[14]),
        lock=row[15],
        locked_until=_instant(row[16]),
        taken_at=_instant(row[17]),
        version=row[18],
    )


def event_row(e: Event) -> Row:
    """A row of ``events`` without its number."""
    return (e.document, micros(e.at), e.stage, e.event, e.recipient, e.reason, e.detail)


def event_of(row: Row) -> Event:
    """The event in a row of ``events`` without its number."""
    return Event(
        document=DocumentId(row[0]),
        at=instant(row[1]),
        stage=row[2],
        event=row[3],
        recipient=PartyKey(row[4]) if row[4] is not None else None,
        reason=_reason(row[5]),
        detail=row[6],
    )


def evidence_row(e: EvidenceRecord, delete_after: int | None) -> Row:
    """A row of ``evidence``."""
    return (
        e.id,
        e.document,
        e.recipient,
        e.event.value,
        e.sequence,
        micros(e.issued_at),
        e.reason,
        e.sha256,
        e.body,
        delete_after,
    )


def evidence_of(row: Row) -> EvidenceRecord:
    """The evidence in a row of ``evidence``."""
    return EvidenceRecord(
        id=EvidenceId(row[0]),
        document=DocumentId(row[1]),
        recipient=PartyKey(row[2]) if row[2] is not None else None,
        event=EventName(row[3]),
        sequence=row[4],
        issued_at=instant(row[5]),
        reason=_reason(row[6]),
        sha256=row[7],
        body=bytes(row[8]),
    )


def head_row(h: HeadRecord) -> Row:
    """A row of ``heads`` without its number."""
    return (h.size, h.root, micros(h.signed_at), h.sha256, h.body, h.stamp)


def head_of(row: Row) -> HeadRecord:
    """The head in a row of ``heads`` without its number."""
    return HeadRecord(
        size=row[0],
        root=row[1],
        signed_at=instant(row[2]),
        sha256=row[3],
        body=bytes(row[4]),
        stamp=bytes(row[5]) if row[5] is not None else None,
    )


def work_row(w: Work) -> Row:
    """A row of ``work``; nothing was postponed yet."""
    return (
        w.key,
        w.kind.value,
        w.document,
        micros(w.due_at),
        w.party,
        w.recipient,
        w.evidence,
        lane_of(w.priority),
        w.attempts,
        w.owner,
        None,
        0,
        w.line,
    )


def relation_row(r: Relation) -> Row:
    """A row of ``relations``."""
    return (r.document, r.recipient, int(r.business), r.other)


def relation_of(row: Row) -> Relation:
    """The relation in a row of ``relations``."""
    return Relation(
        document=DocumentId(row[0]),
        recipient=PartyKey(row[1]),
        business=Business(row[2]),
        other=DocumentId(row[3]),
    )


def work_of(row: Row) -> Work:
    """The work in a row of ``work``."""
    return Work(
        key=row[0],
        kind=WorkKind(row[1]),
        document=DocumentId(row[2]),
        due_at=instant(row[3]),
        party=PartyKey(row[4]) if row[4] is not None else None,
        recipient=PartyKey(row[5]) if row[5] is not None else None,
        evidence=EvidenceId(row[6]) if row[6] is not None else None,
        priority=Priority(1 - row[7]),
        attempts=row[8],
        owner=Owner(row[9]) if row[9] is not None else None,
        sure=row[11],
        line=row[12],
    )


def audit_row(a: AuditEntry, realm: str) -> Row:
    """A row of ``audit`` without its number."""
    return (realm, micros(a.at), a.actor, a.verb, a.object, a.outcome, a.detail)


def audit_of(row: Row) -> AuditEntry:
    """The entry in a row of ``audit`` without its number."""
    return AuditEntry(
        at=instant(row[1]), actor=row[2], verb=row[3], object=row[4], outcome=row[5], detail=row[6]
    )


def _payload(sha: str | None, size: int | None) -> PayloadRef | None:
    return PayloadRef(sha256=sha, size=size) if sha is not None and size is not None else None


def _instant(number: int | None) -> datetime | None:
    return instant(number) if number is not None else None


def _reason(code: str | None) -> Reason | None:
    return Reason(code) if code is not None else None
