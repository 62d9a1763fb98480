"""receipt: turn every event into evidence, tell the sender, carry the recipient's statuses back.

Each piece of evidence names the SHA-256 of the one before it in its (document, recipient) chain; every
chain is rooted in the acceptance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from gateway.errors import Reason
from gateway.model.change import Work, WorkKind
from gateway.model.document import Submission
from gateway.model.envelope import Priority
from gateway.model.evidence import (
    EventName,
    EventReason,
    Evidence,
    EvidenceParty,
    EvidenceRecord,
)
from gateway.model.handover import HandOver, InboxItem, ItemType, Receipt
from gateway.model.ids import OrganCode, Owner, PartyKey, evidence_id
from gateway.model.journey import Answer, Request, Status, next_status
from gateway.model.journey import HandOverEvent as On
from gateway.model.journey import HandOverState as Is
from gateway.model.party import Link, Party
from gateway.stages.deliver import Moved, advance, expiry

VERSION = "1"

# What a clerk's word proves.  spec: EN 319 522-1; 04, 05 and 06 are carried back but prove nothing here.
STATUS_PROOFS: Mapping[Status, EventName] = {
    Status.REJECTED: EventName.CONSIGNMENT_REJECTION,
    Status.REGISTERED: EventName.CONSIGNMENT_ACCEPTANCE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is to be attested about one copy; ``reasons`` say why."""

    handover: HandOver
    event: EventName
    reasons: tuple[EventReason, ...] = ()


def named(party: Party | None, key: PartyKey, code: OrganCode | None = None) -> EvidenceParty:
    """A party as evidence names it; by its key where the directory has lost it."""
    name = party.name if party else str(key)
    return EvidenceParty(key=key, code=code or OrganCode(str(key)), name=name)


def recipient(handover: HandOver) -> EvidenceParty:
    """The recipient of a copy as evidence names it, under the code that the sender used."""
    return EvidenceParty(key=handover.recipient, code=handover.addressed_as, name=handover.name)


def on_submission(
    submission: Submission,
    event: EventName,
    sender: EvidenceParty,
    recipients: Sequence[EvidenceParty],
    reasons: tuple[EventReason, ...],
    now: datetime,
) -> Evidence:
    """Evidence about the submission as a whole: sequence 0, root of every chain."""
    return Evidence(
        id=evidence_id(submission.document, None, 0),
        event=event,
        event_time=now,
        reasons=reasons,
        document=submission.document,
        message_id=submission.message_id,
        sender=sender,
        recipients=tuple(recipients),
        refers_to=None,
        submitted_at=submission.received_at,
        available_at=None,
        handed_over_at=None,
        content_sha256=submission.sha256,
        content_size=submission.size,
        expires_at=submission.expires_at,
        sequence=0,
    )


def on_handover(
    submission: Submission,
    statement: Statement,
    sender: EvidenceParty,
    now: datetime,
) -> Evidence:
    """Evidence about one copy: the next of its chain."""
    handover = statement.handover
    party = recipient(handover)
    sequence = handover.sequence + 1
    return Evidence(
        id=evidence_id(submission.document, handover.recipient, sequence),
        event=statement.event,
        event_time=now,
        reasons=statement.reasons,
        document=submission.document,
        message_id=submission.message_id,
        sender=sender,
        recipients=(party,),
        refers_to=party,
        submitted_at=submission.received_at,
        available_at=handover.available_at,
        handed_over_at=handover.handed_over_at,
        content_sha256=submission.sha256,
        content_size=submission.size,
        expires_at=expiry(handover, submission),
        sequence=sequence,
        previous=handover.head,
    )


def record(evidence: Evidence, body: bytes) -> EvidenceRecord:
    """Evidence as issued; its SHA-256 is what the next in the chain will name.

    An acceptance may carry remarks, but it has no reason.
    """
    has_reason = evidence.reasons and evidence.event is not EventName.SUBMISSION_ACCEPTANCE
    return EvidenceRecord(
        id=evidence.id,
        document=evidence.document,
        recipient=evidence.refers_to.key if evidence.refers_to else None,
        event=evidence.event,
        sequence=evidence.sequence,
        issued_at=evidence.event_time,
        reason=evidence.reasons[0].code if has_reason else None,
        sha256=sha256(body).hexdigest(),
        body=body,
    )


def chained(handover: HandOver, issued: EvidenceRecord) -> HandOver:
    """*handover* with *issued* as the last of its chain."""
    return replace(handover, sequence=issued.sequence, head=issued.sha256)


def send(
    issued: EvidenceRecord,
    submission: Submission,
    recipient_code: OrganCode | None,
    sender: Party,
) -> Receipt:
    """The receipt that brings *issued* to the sender."""
    return Receipt(
        id=issued.id,
        document=issued.document,
        party=sender.key,
        correlation=submission.message_id,
        event=issued.event,
        recipient=recipient_code,
        reason=issued.reason,
        sequence=issued.sequence,
        body=issued.body,
    )


def work_for(
    receipt: Receipt, recipient_key: PartyKey | None, priority: Priority, now: datetime, owner: Owner | None
) -> Work:
    """The work of bringing *receipt* to a queue, leased by *owner* (free where ``None``); as urgent as the
    document that it is about."""
    return Work(
        key=f"receipt:{receipt.id}",
        kind=WorkKind.RECEIPT,
        document=receipt.document,
        due_at=now,
        party=receipt.party,
        recipient=recipient_key,
        evidence=receipt.id,
        priority=priority,
        attempts=1,
        owner=owner,
        line=receipt.party,
    )


def inbox_item(receipt: Receipt, priority: Priority, expires_at: datetime, now: datetime) -> InboxItem:
    """*receipt* as it waits in the inbox of an HTTP party."""
    return InboxItem(
        id=receipt.id,
        party=receipt.party,
        type=ItemType.RECEIPT,
        document=receipt.document,
        correlation=receipt.correlation,
        headers=headers(receipt),
        sha256=sha256(receipt.body).hexdigest(),
        size=len(receipt.body),
        payload=None,
        evidence=receipt.id,
        priority=priority,
        available_at=now,
        expires_at=expires_at,
    )


def headers(receipt: Receipt) -> tuple[tuple[str, str], ...]:
    """The headers of a receipt, the same on every link."""
    pairs = [
        ("vanthu-event", str(receipt.event)),
        ("vanthu-document", receipt.document),
        ("vanthu-recipient", receipt.recipient or ""),
        ("vanthu-reason", receipt.reason or ""),
        ("vanthu-sequence", str(receipt.sequence)),
        ("vanthu-version", VERSION),
    ]
    return tuple((name, value) for name, value in pairs if value)


def report(
    handover: HandOver, reported: Status, at: datetime, why: EventReason | None
) -> tuple[HandOver, list[Statement]]:
    """What a recipient's status does to its copy, and what it proves, in order.

    A status that is no news changes nothing.  A later one implies the missing 01: the recipient's
    system must have taken what its clerk has handled.
    """
    after = next_status(handover.status, reported)
    if after is None or handover.request is Request.RECALL_AGREED:
        return handover, []
    moved: Moved = advance(handover, On.HAND_OVER, at)
    current = replace(moved.handover, status=after)
    statements = [Statement(handover=current, event=event) for event in moved.proofs]
    if reported in STATUS_PROOFS:
        reasons = (why,) if why else ()
        statements.append(Statement(handover=current, event=STATUS_PROOFS[reported], reasons=reasons))
    return current, statements


def answered(
    handover: HandOver, answer: Answer, at: datetime, why: EventReason
) -> tuple[HandOver, list[Statement]]:
    """What a recipient's answer does to the copy that asked, and what it proves.

    It implies the missing 01: the recipient's system must have taken what its clerk has answered.
    """
    if handover.answer is not Answer.NONE:
        return handover, []
    moved = advance(handover, On.HAND_OVER, at)
    current = replace(moved.handover, answer=answer)
    statements = [Statement(handover=current, event=event) for event in moved.proofs]
    agreed = answer is Answer.AGREED
    event = EventName.CONSIGNMENT_ACCEPTANCE if agreed else EventName.CONSIGNMENT_REJECTION
    return current, [*statements, Statement(handover=current, event=event, reasons=(why,))]


def overdue(handover: HandOver, now: datetime) -> tuple[HandOver, list[Statement]]:
    """What the end of the period does to a copy that is still open.

    What never became available, and what waited in an inbox, expires.  A copy that was put into a
    queue may have been taken (the broker does not say): it stays available, and the sender learns that
    neither acceptance nor refusal came.
    """
    if handover.state is Is.PENDING or (handover.state is Is.AVAILABLE and handover.link is Link.HTTP):
        moved = advance(handover, On.EXPIRE, now, Reason("delivery-expired"))
        why = (EventReason(code=Reason("delivery-expired")),)
        return moved.handover, [
            Statement(handover=moved.handover, event=event, reasons=why) for event in moved.proofs
        ]
    is_settled = handover.answer is not Answer.NONE or handover.request is Request.RECALL_AGREED
    silent = handover.status in (Status.NONE, Status.ARRIVED) and not is_settled
    if handover.state in (Is.AVAILABLE, Is.HANDED_OVER) and silent and not handover.is_quiet:
        why = (EventReason(code=Reason("acceptance-expired")),)
        return handover, [
            Statement(handover=handover, event=EventName.ACCEPTANCE_REJECTION_EXPIRY, reasons=why)
        ]
    return handover, []
