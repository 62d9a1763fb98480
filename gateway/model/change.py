"""What a decision writes, as data: the writer groups many changes into one commit.

A row says which version it expects by its own: a row with ``version`` *n* replaces version *n - 1*
and nothing else; version 1 must not exist yet.  A change whose expectations no longer hold is answered
``Stale`` and writes nothing; the others of its group commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.errors import Reason
from gateway.model.document import Header, Submission
from gateway.model.envelope import Business, Priority
from gateway.model.evidence import EvidenceRecord
from gateway.model.handover import HandOver, InboxItem
from gateway.model.ids import DocumentId, EvidenceId, Owner, PartyKey
from gateway.model.journey import SubmissionState


class WorkKind(StrEnum):
    """What there is to do.

    DOCUMENT: validate … transform.  DELIVERY: hand one copy over.  RECEIPT: bring one piece of evidence
    to the sender.  DEADLINE: look at what is still open when a document expires.
    """

    DOCUMENT = "document"
    DELIVERY = "delivery"
    RECEIPT = "receipt"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One thing to do, leased by ``owner`` (``None``: free from ``due_at`` on).

    ``key`` is unique: kind and the id of what it is about.  ``attempts`` was counted when the work
    was leased, before it is begun; ``sure`` of them have surely brought nothing to anybody.  ``party`` is whom
    it goes to; ``recipient`` whose copy it is about.  ``line`` is where it waits its turn to be leased: its sender's
    line; that of its recipient (``line_to``) once it was postponed; the empty one for what nobody waits for.
    """

    key: str
    kind: WorkKind
    document: DocumentId
    due_at: datetime
    party: PartyKey | None = None
    recipient: PartyKey | None = None
    evidence: EvidenceId | None = None
    priority: Priority = Priority.ORDINARY
    attempts: int = 0
    owner: Owner | None = None
    sure: int = 0
    line: str = ""


LINE_TO = "~"
"""How the lines of recipients begin, and sort behind all others: no party's key has such a letter."""


PROBES = 2
"""How much one lease takes from the line of one recipient: enough to see whether there is room again."""


def line_to(kind: WorkKind, party: PartyKey) -> str:
    """The line of what was postponed on its way to *party*: whoever takes nothing holds up that line alone."""
    return f"{LINE_TO}{kind.value}:{party}"


def is_of_a_recipient(line: str) -> bool:
    """Whether *line* is one of ``line_to``."""
    return line.startswith(LINE_TO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """Work that is tried again at ``due_at``; it is free until then.

    ``is_sure``: the attempt that ends here has surely brought nothing to anybody; of a document: it was not begun,
    but left to rest after a death.
    """

    key: str
    due_at: datetime
    reason: Reason | None = None
    is_sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """For ``recipient``, the document recalls, updates or replaces ``other``.  Written once, kept for good."""

    document: DocumentId
    recipient: PartyKey
    business: Business
    other: DocumentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of a document's timeline.  No content, no personal names."""

    document: DocumentId
    at: datetime
    stage: str
    event: str
    recipient: PartyKey | None = None
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """The right to a change: the work ``key`` must still be leased by ``owner``."""

    key: str
    owner: Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An operator's action, on record from the first day."""

    at: datetime
    actor: str
    verb: str
    object: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Everything that one decision writes, all or nothing.

    ``original`` is the row of another submission that this decision ends.  ``withdraws`` are the keys of work
    that is called off: it must be free, and no attempt at it may have brought anything to anybody; no other part
    of the change is about that work.  ``audit`` puts on record whose action this is.
    """

    fence: Fence | None = None
    submission: Submission | None = None
    original: Submission | None = None
    header: Header | None = None
    handovers: tuple[HandOver, ...] = ()
    items: tuple[InboxItem, ...] = ()
    events: tuple[Event, ...] = ()
    evidence: tuple[EvidenceRecord, ...] = ()
    work: tuple[Work, ...] = ()
    postponed: tuple[Postponed, ...] = ()
    forgets: tuple[str, ...] = ()
    withdraws: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    audit: tuple[AuditEntry, ...] = ()

    @property
    def is_tidying(self) -> bool:
        """Whether it only strikes off work that is done.  Were it lost, that work would be done once more."""
        return bool(self.forgets) and self == Change(fence=self.fence, forgets=self.forgets)


@dataclass(frozen=True, slots=True)
class Committed:
    """Written, and durable."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Somebody was quicker: nothing was written.  Load again and decide anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A new submission whose (realm, party, message id, slot) exists already: nothing was written."""

    document: DocumentId
    sha256: str
    state: SubmissionState


Outcome = Committed | Stale | Known
