"""Dead letters: what ended without success, as operators look at it and may have it tried again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from gateway.errors import Reason
from gateway.model.document import Header, Submission
from gateway.model.handover import HandOver
from gateway.model.ids import DeliveryId, DocumentId, OrganCode, PartyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A hand-over that failed or expired, or (without ``copy``) a submission that was refused for a cause of ours.

    ``died_at`` is when it ended last, ``times`` how often it has died.
    """

    submission: Submission
    header: Header | None
    copy: HandOver | None
    died_at: datetime
    times: int

    @property
    def reason(self) -> Reason | None:
        """Why it ended."""
        return self.copy.reason if self.copy else self.submission.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which dead letters are meant: all of which every part that is given holds.

    ``recipients`` are keys or codes as addressed; where they are given no submission is meant.  ``since`` and
    ``until`` bound the instant of the death.  ``refusals`` are the reasons for which a refused submission counts as
    dead.
    """

    document: DocumentId | None = None
    recipients: tuple[str, ...] = ()
    sender: PartyKey | None = None
    reason: Reason | None = None
    since: datetime | None = None
    until: datetime | None = None
    refusals: frozenset[Reason] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a list of dead letters goes on: behind this one."""

    document: DocumentId
    recipient: PartyKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay made: a new delivery of the same copy, or the same bytes as a document of their own."""

    document: DocumentId
    recipient: OrganCode | None = None
    generation: int = 1
    delivery: DeliveryId | None = None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReplayed:
    """Why nothing was done; ``reason`` is a code of ``schemas/reasons.toml``."""

    reason: Reason
    detail: str = ""
