"""deliver: one copy per recipient, and what each event does to it.

An inbox is served from the store, so a copy for an HTTP party is available as soon as it is committed;
a copy for a queue is pending until the broker has confirmed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.errors import Reason
from gateway.model.change import Work
from gateway.model.document import Outbound, Route, RouteRefusal, Submission
from gateway.model.envelope import Kind
from gateway.model.evidence import EventName
from gateway.model.handover import Delivery, Handed, HandOver, HandOverResult
from gateway.model.ids import DocumentId, OrganCode, PartyKey, delivery_id
from gateway.model.journey import Ask, moves, next_handover
from gateway.model.journey import HandOverEvent as On
from gateway.model.journey import HandOverState as Is
from gateway.model.party import Link, Party
from gateway.model.payload import PayloadRef
from gateway.model.policy import Patience, Policy
from gateway.stages.amend import Asked, what_to_ask

# What each move proves, in the order of the proofs.  A move that skips "available" proves it as well.
PROOFS: Mapping[tuple[Is, On], tuple[EventName, ...]] = {
    (Is.PENDING, On.CONSIGN): (EventName.CONTENT_CONSIGNMENT,),
    (Is.PENDING, On.HAND_OVER): (EventName.CONTENT_CONSIGNMENT, EventName.CONTENT_HANDOVER),
    (Is.PENDING, On.FAIL): (EventName.CONTENT_CONSIGNMENT_FAILURE,),
    (Is.PENDING, On.WITHDRAW): (EventName.CONTENT_CONSIGNMENT_FAILURE,),
    (Is.PENDING, On.EXPIRE): (EventName.CONTENT_CONSIGNMENT_FAILURE,),
    (Is.AVAILABLE, On.HAND_OVER): (EventName.CONTENT_HANDOVER,),
    (Is.AVAILABLE, On.FAIL): (EventName.CONTENT_HANDOVER_FAILURE,),
    (Is.AVAILABLE, On.EXPIRE): (EventName.CONTENT_HANDOVER_FAILURE,),
    # an operator's act: the audit has it, and what comes of it is proved by the next link of the chain
    (Is.FAILED, On.REPLAY): (),
    (Is.EXPIRED, On.REPLAY): (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A copy after an event, and what the event proves; nothing where it came too late."""

    handover: HandOver
    proofs: tuple[EventName, ...] = ()


def plan(outbound: Outbound) -> tuple[HandOver, ...]:
    """One pending copy per route, and one per refusal that has nothing to carry and is to fail."""
    valid = outbound.routed.signed.valid
    document = valid.received.submission.document
    payload = outbound.rendered.bare()
    served = tuple(
        _planned(document, route, payload, asked)
        for route in outbound.routed.routes
        if (asked := what_to_ask(valid, route)) is not None
    )
    taken = {handover.recipient for handover in served}
    return served + tuple(_unserved(document, r, taken) for r in outbound.routed.refusals)


def _planned(document: DocumentId, route: Route, payload: PayloadRef, asked: Asked) -> HandOver:
    copy = pending(document, route.party, route.addressed_as, payload, about=asked.about, asks=asked.asks)
    if asked.reason:
        return replace(copy, payload=None, reason=asked.reason)
    return replace(copy, reason=Reason("recipient-succeeded")) if route.succession else copy


def pending(
    document: DocumentId,
    party: Party,
    addressed_as: OrganCode,
    payload: PayloadRef,
    *,
    head: str = "",
    kind: Kind = Kind.EDOC,
    about: DocumentId | None = None,
    asks: Ask = Ask.NOTHING,
    is_quiet: bool = False,
) -> HandOver:
    """A copy that is yet to be handed over; *is_quiet* for a status on its way back."""
    return HandOver(
        document=document,
        recipient=party.key,
        addressed_as=addressed_as,
        name=party.name,
        link=party.link,
        delivery=delivery_id(document, party.key, 1),
        state=Is.PENDING,
        payload=payload,
        kind=kind,
        head=head,
        is_quiet=is_quiet,
        about=about,
        asks=asks,
    )


def _unserved(document: DocumentId, refusal: RouteRefusal, taken: Set[PartyKey]) -> HandOver:
    # Keyed by the code as addressed; where that is the key of a party that has its copy under another code,
    # the two must not be one.
    key = PartyKey(refusal.addressed_as)
    if key in taken:
        key = PartyKey(f"{key}~")
    return HandOver(
        document=document,
        recipient=key,
        addressed_as=refusal.addressed_as,
        name=refusal.name,
        link=Link.HTTP,
        delivery=delivery_id(document, key, 1),
        state=Is.PENDING,
        payload=None,
        reason=refusal.reason,
    )


def advance(handover: HandOver, event: On, at: datetime, reason: Reason | None = None) -> Moved:
    """*handover* after *event* at the instant *at*.  A late or doubled event changes nothing."""
    if not moves(handover.state, event):
        return Moved(handover=handover)
    state = next_handover(handover.state, event)
    proofs = () if handover.is_quiet else PROOFS[handover.state, event]
    available = state in (Is.AVAILABLE, Is.HANDED_OVER)
    moved = replace(
        handover,
        state=state,
        available_at=handover.available_at or (at if available else None),
        handed_over_at=at if state is Is.HANDED_OVER else None,
        reason=reason or handover.reason,
    )
    return Moved(handover=moved, proofs=proofs)


def parcel(
    submission: Submission, handover: HandOver, sender: OrganCode, attempt: int, *, as_claim: bool
) -> Delivery | None:
    """The parcel for a copy; ``None`` where there are no bytes to carry."""
    if handover.payload is None:
        return None
    return Delivery(
        id=handover.delivery,
        document=submission.document,
        about=correlation(handover),
        party=handover.recipient,
        addressed_as=handover.addressed_as,
        sender=sender,
        kind=handover.kind,
        payload=handover.payload,
        expires_at=expiry(handover, submission),
        attempt=attempt,
        priority=submission.priority,
        due=submission.due,
        as_claim=as_claim,
    )


def expiry(handover: HandOver, submission: Submission) -> datetime:
    """Until when a copy may be brought: as long as its document, unless a replay gave it a time of its own."""
    return handover.expires_at or submission.expires_at


def is_due_by(handover: HandOver, deadline: Work) -> bool:
    """Whether *deadline* is that of this copy: a replayed one has its own, under its delivery id."""
    if handover.expires_at is None:
        return deadline.recipient is None
    return deadline.key == f"deadline:{handover.delivery}"


def correlation(handover: HandOver) -> DocumentId:
    """What a delivery is about: a status about the document that it names, an edoc about itself."""
    is_status = handover.kind is Kind.STATUS
    return handover.about if is_status and handover.about else handover.document


def travels_as_claim(queue_recipients: int, policy: Policy) -> bool:
    """Whether so many queues make the broker write too many copies of one body."""
    return queue_recipients > policy.limits.claim_fanout


def settle(handover: HandOver, result: HandOverResult, submission: Submission, now: datetime) -> Moved | None:
    """What the outlet's answer does to the copy; ``None``: nothing yet, try again later."""
    match result.handed:
        case Handed.TAKEN:
            return advance(handover, On.CONSIGN, now)
        case Handed.NEVER if result.reason == "delivery-expired":
            return advance(handover, On.EXPIRE, now, result.reason)
        case Handed.NEVER:
            return advance(handover, On.FAIL, now, result.reason)
        case Handed.NOT_NOW:
            if now >= expiry(handover, submission):
                return advance(handover, On.EXPIRE, now, Reason("delivery-expired"))
            return None


_DEATHS: Mapping[str, tuple[On, Reason]] = {
    "expired": (On.EXPIRE, Reason("delivery-expired")),
    "rejected": (On.FAIL, Reason("delivery-rejected")),
    "delivery_limit": (On.FAIL, Reason("delivery-poison")),
    "maxlen": (On.FAIL, Reason("queue-full")),
}


def returned(handover: HandOver, cause: str, now: datetime) -> Moved:
    """What a dead letter of the recipient's queue does to the copy.  *cause* is the broker's word.

    The letter proves that the copy had been available, even where our own commit of that was lost.
    """
    event, reason = _DEATHS.get(cause, (On.FAIL, Reason("delivery-rejected")))
    first = advance(handover, On.CONSIGN, now)
    second = advance(first.handover, event, now, reason)
    return Moved(handover=second.handover, proofs=first.proofs + second.proofs)


_SOON = frozenset({"queue-full", "original-not-here", "original-in-flight"})
_SOON_IF_SURE = frozenset({"broker-away"})
"""As soon, where the attempt surely brought nothing: once the broker is back everybody waits for what waited for it."""


def back_off(
    patience: Patience,
    attempts: int,
    jitter: float,
    reason: Reason | None = None,
    *,
    is_urgent: bool = False,
    is_sure: bool = False,
) -> timedelta:
    """How long to wait after *attempts* tries that ended for *reason*: doubling, capped, the upper half drawn
    by *jitter* in [0, 1).  What is urgent asks a full queue again at the first pause, each time.  *is_sure*: the last
    try surely brought nothing."""
    doublings = min(max(attempts - 1, 0), 20)
    is_soon = reason in _SOON or (is_sure and reason in _SOON_IF_SURE)
    cap = min(patience.crowded, patience.longest) if is_soon else patience.longest
    if is_urgent and reason == "queue-full":
        cap = min(patience.first, cap)
    whole: timedelta = min(patience.first * (1 << doublings), cap)
    return whole / 2 + whole / 2 * jitter


def rest(patience: Patience, deaths: int, jitter: float) -> timedelta:
    """How long a document rests after *deaths* lives have ended with it in hand: none after the first, then
    fourfold each time, capped, the upper half drawn by *jitter* in [0, 1)."""
    if deaths < 2:
        return timedelta()
    whole: timedelta = min(patience.first * (1 << min(2 * (deaths - 1), 20)), patience.longest)
    return whole / 2 + whole / 2 * jitter
