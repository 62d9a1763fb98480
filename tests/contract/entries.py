"""What the stores of these suites are filled with: say the value that matters, default the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from gateway.model.change import Change, Event, Work, WorkKind
from gateway.model.document import Header
from gateway.model.envelope import DocumentReference, Priority
from gateway.model.evidence import EventName, EvidenceRecord
from gateway.model.handover import HandOver, InboxItem, ItemType
from gateway.model.ids import DocumentId, OfficialId, OrganCode, Owner, PartyKey, delivery_id, evidence_id
from gateway.model.journey import HandOverState
from gateway.model.payload import PayloadRef
from tests.builders import COMMUNE, DEPARTMENT, NOON, PROVINCE, a_handover, a_submission

D1 = DocumentId("0195d000-0000-7000-8000-000000000001")
D2 = DocumentId("0195d000-0000-7000-8000-000000000002")
ME, YOU = Owner("life-1"), Owner("life-2")


def some_work(key: str = f"document:{D1}", **changes: Any) -> Work:
    """Free work that has been due since noon."""
    kind = WorkKind(key.partition(":")[0])
    return replace(Work(key=key, kind=kind, document=D1, due_at=NOON), **changes)


def a_copy(document: str = D1, recipient: str = DEPARTMENT, **changes: Any) -> HandOver:
    """A pending copy."""
    document, party = DocumentId(document), PartyKey(recipient)
    return a_handover(
        document=document,
        recipient=party,
        addressed_as=OrganCode(recipient),
        delivery=delivery_id(document, party, 1),
        **changes,
    )


def a_header(document: str = D1, **changes: Any) -> Header:
    """Quyết định 517/QĐ-UBND; *changes* are of its reference."""
    reference = DocumentReference(
        organ=OrganCode(PROVINCE),
        code="517/QĐ-UBND",
        dated=date(2016, 3, 4),
        official_id=OfficialId("517-2016"),
    )
    return Header(
        document=DocumentId(document), reference=replace(reference, **changes), subject="Về việc bổ nhiệm"
    )


def some_evidence(
    document: str = D1, recipient: str | None = None, sequence: int = 0, **changes: Any
) -> EvidenceRecord:
    """The acceptance, or the consignment of one copy."""
    party = PartyKey(recipient) if recipient else None
    body = f"<Evidence n='{sequence}'>Đã nhận</Evidence>".encode()
    record = EvidenceRecord(
        id=evidence_id(DocumentId(document), party, sequence),
        document=DocumentId(document),
        recipient=party,
        event=EventName.CONTENT_CONSIGNMENT if recipient else EventName.SUBMISSION_ACCEPTANCE,
        sequence=sequence,
        issued_at=NOON,
        reason=None,
        sha256=sha256(body).hexdigest(),
        body=body,
    )
    return replace(record, **changes)


def an_item(id: str = "item-1", **changes: Any) -> InboxItem:
    """A document in the commune's inbox."""
    item = InboxItem(
        id=id,
        party=PartyKey(COMMUNE),
        type=ItemType.EDOC,
        document=D1,
        correlation=D1,
        headers=(("vanthu-sender", PROVINCE), ("vanthu-version", "1")),
        sha256="cd" * 32,
        size=2000,
        payload=PayloadRef(sha256="cd" * 32, size=2000),
        evidence=None,
        priority=Priority.ORDINARY,
        available_at=NOON,
        expires_at=NOON + timedelta(days=30),
    )
    return replace(item, **changes)


def an_event(event: str = "received", document: str = D1, at: datetime = NOON, **changes: Any) -> Event:
    """A line of a timeline."""
    return replace(Event(document=DocumentId(document), at=at, stage="receive", event=event), **changes)


def registered(document: str = D1, **changes: Any) -> Change:
    """T1: a submission of the province; its message id is the document's unless said otherwise."""
    changes = {"message_id": f"m-{document}"} | changes
    return Change(submission=a_submission(document=document, head="", **changes))


def accepted(
    document: str = D1,
    recipient: str = DEPARTMENT,
    *,
    state: HandOverState = HandOverState.PENDING,
    **of: Any,
) -> Change:
    """T1 and T2 in one: a document with one copy; *of* is of its reference."""
    return replace(
        registered(document),
        header=a_header(document, **of),
        handovers=(a_copy(document, recipient, state=state),),
    )
