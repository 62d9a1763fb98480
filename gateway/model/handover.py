"""One recipient's copy of one document, and the parcels that travel for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.errors import Reason
from gateway.model.envelope import Due, Kind, Priority
from gateway.model.evidence import EventName
from gateway.model.ids import (
    DeliveryId,
    DocumentId,
    EvidenceId,
    MessageId,
    OrganCode,
    PartyKey,
)
from gateway.model.journey import Answer, Ask, HandOverState, Request, Status
from gateway.model.party import Link
from gateway.model.payload import PayloadRef


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """The row of one (document, recipient).

    ``recipient`` is the party's key, or the code as addressed where the party has no copy of its own.
    ``sequence`` and ``head`` are the number and SHA-256 of the last evidence of its chain (0 and the
    acceptance's before the first).  ``reason`` says why a copy ended as it did, or, of one that did not fail, that
    it went to a successor (``recipient-succeeded``).  ``is_quiet`` marks a status on its way back: it yields no evidence
    and no receipts, else receipts would breed receipts; ``about`` is then the document it reports on.

    A copy that ``asks`` something (a recall, an update) is about the recipient's copy of the document
    ``about``, and ``answer`` is what the recipient said to it.  ``request`` is what was asked about this copy
    itself, and ``asked_by`` the document that asked last.

    ``generation`` rises by each replay, and ``delivery`` with it; ``expires_at`` is then the copy's own, for it gets
    as much time again as its document had (``None``: the document's).
    """

    document: DocumentId
    recipient: PartyKey
    addressed_as: OrganCode
    name: str
    link: Link
    delivery: DeliveryId
    state: HandOverState
    payload: PayloadRef | None
    kind: Kind = Kind.EDOC
    generation: int = 1
    status: Status = Status.NONE
    sequence: int = 0
    head: str = ""
    available_at: datetime | None = None
    handed_over_at: datetime | None = None
    reason: Reason | None = None
    is_quiet: bool = False
    about: DocumentId | None = None
    asks: Ask = Ask.NOTHING
    answer: Answer = Answer.NONE
    request: Request = Request.NONE
    asked_by: DocumentId | None = None
    expires_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A document on its way to a recipient's queue.

    ``about`` is what ``correlation_id`` carries: our document id, or for a status the document it
    reports on.  ``addressed_as`` is the code under which the envelope names its recipient.  ``attempt`` counts
    from 1.  ``as_claim`` asks for a reference instead of the body.
    """

    id: DeliveryId
    document: DocumentId
    about: DocumentId
    party: PartyKey
    sender: OrganCode
    kind: Kind
    payload: PayloadRef
    expires_at: datetime
    addressed_as: OrganCode = OrganCode("")
    attempt: int = 1
    priority: Priority = Priority.ORDINARY
    due: Due | None = None
    as_claim: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Evidence on its way to the sender.  ``correlation`` is the sender's own message id."""

    id: EvidenceId
    document: DocumentId
    party: PartyKey
    correlation: MessageId
    event: EventName
    recipient: OrganCode | None
    reason: Reason | None
    sequence: int
    body: bytes = field(repr=False)


Parcel = Delivery | Receipt


class Handed(StrEnum):
    """The outlet's answer: taken durably, not now, or never."""

    TAKEN = "taken"
    NOT_NOW = "not-now"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverResult:
    """What became of a parcel; ``reason`` says why where it was not taken.

    ``is_sure``: surely nobody has it (nothing was sent, or the other side said no), so that a recall may still
    take it back unseen.  A lost answer leaves a doubt.
    """

    handed: Handed
    reason: Reason | None = None
    is_sure: bool = False


class ItemType(StrEnum):
    """What an HTTP inbox holds."""

    EDOC = "edoc"
    STATUS = "status"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """One thing that waits for an HTTP party.  ``id`` is the delivery's or the evidence's.

    ``headers`` are the same names and values that the AMQP contract would carry.
    """

    id: str
    party: PartyKey
    type: ItemType
    document: DocumentId
    correlation: str
    headers: tuple[tuple[str, str], ...]
    sha256: str
    size: int
    payload: PayloadRef | None
    evidence: EvidenceId | None
    priority: Priority
    available_at: datetime
    expires_at: datetime
    lock: str = ""
    locked_until: datetime | None = None
    taken_at: datetime | None = None
    version: int = 1

    @property
    def is_urgent(self) -> bool:
        """Whether it goes before ordinary ones."""
        return self.priority.is_urgent
