"""A document in the store (rows with versions), and how far it got in memory (stage types).

The rows are what ``Ledger`` keeps.  The stage types ``Received`` … ``Outbound`` each hold the one
before; a function that needs a seal asks for ``Signed``, and mypy proves that nothing unsealed is
delivered.  Stage types are never stored: resumed work is read again from the vault.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from gateway.errors import Reason
from gateway.model.envelope import Business, DocumentReference, Due, Edoc, Kind, Priority, StatusReport
from gateway.model.finding import Finding
from gateway.model.handover import HandOver
from gateway.model.ids import (
    ClientId,
    DocumentId,
    MessageId,
    OfficialId,
    OrganCode,
    PartyKey,
    Realm,
)
from gateway.model.journey import Answer, SubmissionEvent, SubmissionState, next_submission
from gateway.model.party import Link, Party, Successor
from gateway.model.payload import PayloadRef
from gateway.model.signature import Inspection, Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The row of one submission.  (realm, party, message_id, slot) is unique.

    ``slot`` is empty for what owns its message id.  A refusal that must not use the id up (no
    ``user_id``, the same id with other bytes, …) stands beside it under ``<reason>:<sha256>``.

    ``priority`` is the degree by which it goes before others: what the envelope says, else what the lane does;
    ordinary for what is beyond the party's quota of urgent ones.  ``due`` is known from T2 on.
    ``received_at`` is T1's instant: EN 319 522's SubmissionTime and the time of our seal.  ``payload``
    is ``None`` where nothing was kept (refused on its header).  ``head`` is the SHA-256 of the
    evidence with sequence 0, once there is one.  ``version`` counts writes from 1.
    """

    document: DocumentId
    realm: Realm
    party: PartyKey
    client: ClientId
    message_id: MessageId
    sha256: str
    size: int
    kind: Kind
    link: Link
    priority: Priority
    state: SubmissionState
    received_at: datetime
    expires_at: datetime
    payload: PayloadRef | None = None
    reason: Reason | None = None
    head: str = ""
    traceparent: str = ""
    slot: str = ""
    due: Due | None = None
    version: int = 1

    @property
    def is_urgent(self) -> bool:
        """Whether it goes before ordinary ones."""
        return self.priority.is_urgent

    def after(self, event: SubmissionEvent, reason: Reason | None = None) -> Submission:
        """The next version of the row, moved by *event*; raises ``WrongStep`` where the table knows no such move."""
        return replace(
            self,
            state=next_submission(self.state, event),
            reason=reason,
            version=self.version + 1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What statuses and people find a document by: a data class of its own, for it holds personal names.

    The texts of ``reference`` are normalised (``gateway.model.ids.normalised``).
    """

    document: DocumentId
    reference: DocumentReference
    subject: str
    business: Business = Business.NEW
    version: int = 1

    @classmethod
    def of(cls, document: DocumentId, edoc: Edoc) -> Header:
        """The header of *edoc*, received as *document*."""
        return cls(document=document, reference=edoc.reference, subject=edoc.subject, business=edoc.business)

    @property
    def dated(self) -> date | None:
        """The date of promulgation."""
        return self.reference.dated

    @property
    def official_id(self) -> OfficialId:
        """edXML's own id."""
        return self.reference.official_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Namesake:
    """A document that bears the name of another of the same organ: its official id, its number and notation, or both."""

    document: DocumentId
    same_id: bool
    same_code: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All that the ledger knows of one document, or of one of its recipients."""

    submission: Submission
    header: Header | None
    handovers: tuple[HandOver, ...]

    def of(self, recipient: PartyKey) -> HandOver | None:
        """The copy of *recipient*."""
        return next((h for h in self.handovers if h.recipient == recipient), None)


# --- how far it got ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Registered (T1): the bytes are in the vault, the sender is known.

    ``has_header``: it has waited before, and its header is in the store already.
    """

    submission: Submission
    sender: Party
    has_header: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One attachment that was opened: its index in the envelope and what the inspector said."""

    index: int
    inspection: Inspection


@dataclass(frozen=True, slots=True, kw_only=True)
class Valid:
    """Read, and nothing found that stops it.  ``findings`` are warnings and remarks.

    ``originals`` are the documents that it recalls, updates or replaces.
    """

    received: Received
    edoc: Edoc
    examined: tuple[Examined, ...]
    findings: tuple[Finding, ...]
    originals: tuple[Dossier, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidStatus:
    """A status report that names exactly one copy that its reporter had."""

    received: Received
    report: StatusReport
    about: Dossier
    handover: HandOver


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidAnswer:
    """A recipient's answer to what was asked about its copy of ``about``; ``asked_by`` is the document that asked."""

    received: Received
    report: StatusReport
    answer: Answer
    about: Dossier
    asked_by: Dossier


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidRecall:
    """A status 13: the sender asks ``recipients`` (keys) to give a document back; ``originals`` are its versions."""

    received: Received
    report: StatusReport
    originals: tuple[Dossier, ...]
    recipients: tuple[PartyKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Every PDF that the policy wants sealed is sealed; keyed by the attachment's index."""

    valid: Valid
    sealed: tuple[tuple[int, Sealed], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where one recipient's copy goes.  ``addressed_as`` is the code that the envelope used; where it is no
    longer valid, ``succession`` says how it leads to ``party``."""

    party: Party
    addressed_as: OrganCode
    succession: Successor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRefusal:
    """A recipient that can't be served; the others are not disturbed."""

    addressed_as: OrganCode
    name: str
    reason: Reason
    detail: str = ""
    succession: Successor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Every recipient has a route or a refusal, in the order of the envelope."""

    signed: Signed
    routes: tuple[Route, ...]
    refusals: tuple[RouteRefusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """Rendered: ``rendered`` is the one edXML that every recipient of the dialect gets."""

    routed: Routed
    rendered: PayloadRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A stage's no: final, with its reason and everything that was found.  ``edoc`` is what was refused, where it
    could be read: people look for it by its number."""

    reason: Reason
    findings: tuple[Finding, ...] = ()
    detail: str = ""
    edoc: Edoc | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A stage's not yet: ``cause`` is a reason code, shown to operators; ``edoc`` is what waits, where it is known."""

    cause: Reason
    detail: str = ""
    edoc: Edoc | None = None
