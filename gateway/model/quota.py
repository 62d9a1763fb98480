"""How much a party may send: four quotas, and the arithmetic of what it has used of them.

What is used drains away evenly, a whole quota in its period.  So a party that was quiet may send a whole quota at
once, and from then on as much as drains; over any time *t* it gets no more than ``quota · (1 + t / period)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

NO_BOUND = 0
"""The value of a quota that bounds nothing."""

_TINY = 1e-3  # what drains is a fraction, and kept in thousandths: who waited long enough must not miss by the last one


class Measure(StrEnum):
    """What a quota counts, by the name of its column."""

    BYTES = "bytes_per_day"
    DOCUMENTS = "documents_per_minute"
    WAITING = "documents_waiting"
    URGENT = "urgent_per_minute"


PERIODS = {
    Measure.BYTES: timedelta(days=1),
    Measure.DOCUMENTS: timedelta(minutes=1),
    Measure.URGENT: timedelta(minutes=1),
}
"""In which time a whole quota drains; what waits does not drain, it is decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The quotas of one party, or the default of all.  ``None``: nothing is said, the default holds; ``NO_BOUND``.

    ``bytes_per_day`` and ``documents_per_minute`` bound what it sends, ``documents_waiting`` what of it was taken in
    and is not decided; ``urgent_per_minute``: urgent documents beyond it count as ordinary.
    """

    bytes_per_day: int | None = None
    documents_per_minute: int | None = None
    documents_waiting: int | None = None
    urgent_per_minute: int | None = None

    def of(self, measure: Measure) -> int:
        """The bound of *measure*; ``NO_BOUND`` where there is none."""
        found: int | None = getattr(self, measure.value)
        return found or NO_BOUND

    def over(self, default: Quota) -> Quota:
        """These, and those of *default* where nothing is said."""
        if self == UNSAID:
            return default
        own = {measure.value: getattr(self, measure.value) for measure in Measure}
        return Quota(
            **{name: getattr(default, name) if value is None else value for name, value in own.items()}
        )

    @property
    def holds_back(self) -> bool:
        """Whether any of them may make a document wait."""
        return bool(self.bytes_per_day or self.documents_per_minute or self.documents_waiting)


UNSAID = Quota()


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a party has used and what has not drained yet.  ``waiting`` are its documents that are not decided."""

    bytes: float = 0.0
    documents: float = 0.0
    urgent: float = 0.0
    waiting: int = 0

    def __add__(self, other: Used) -> Used:
        return Used(
            bytes=self.bytes + other.bytes,
            documents=self.documents + other.documents,
            urgent=self.urgent + other.urgent,
            waiting=self.waiting + other.waiting,
        )

    def __sub__(self, other: Used) -> Used:
        return Used(
            bytes=self.bytes - other.bytes,
            documents=self.documents - other.documents,
            urgent=self.urgent - other.urgent,
            waiting=self.waiting - other.waiting,
        )

    def of(self, measure: Measure) -> float:
        """How much of *measure*."""
        match measure:
            case Measure.BYTES:
                return self.bytes
            case Measure.DOCUMENTS:
                return self.documents
            case Measure.URGENT:
                return self.urgent
            case Measure.WAITING:
                return self.waiting


def drained(used: Used, quota: Quota, elapsed: timedelta) -> Used:
    """*used* after *elapsed* (before 0: a clock went back, and nothing drained).  What no quota bounds is not kept."""
    share = {measure: max(0.0, elapsed / period) for measure, period in PERIODS.items()}
    left = {
        measure: max(0.0, used.of(measure) - quota.of(measure) * share[measure]) if quota.of(measure) else 0.0
        for measure in PERIODS
    }
    return Used(
        bytes=left[Measure.BYTES],
        documents=left[Measure.DOCUMENTS],
        urgent=left[Measure.URGENT],
        waiting=used.waiting,
    )


def never_below_nought(used: Used, drawn: Used) -> Used:
    """*used* and what was *drawn* besides; what is given back twice, or after it has drained, is no credit."""
    return Used(
        bytes=max(0.0, used.bytes + drawn.bytes),
        documents=max(0.0, used.documents + drawn.documents),
        urgent=max(0.0, used.urgent + drawn.urgent),
        waiting=used.waiting,
    )


HOLDING = (Measure.BYTES, Measure.DOCUMENTS, Measure.WAITING)
"""The quotas for which a document waits."""


def full(used: Used, quota: Quota, measures: tuple[Measure, ...]) -> Iterator[Measure]:
    """Those of *measures* of which nothing is left: not one document, not one byte.

    A document comes in while one byte is left, however large it is, and what it takes beyond has to drain before the
    next: so one that is larger than the whole quota waits for no room that never comes.
    """
    for measure in measures:
        bound = quota.of(measure)
        if bound and used.of(measure) + 1 > bound + _TINY:
            yield measure


def room_in(used: Used, quota: Quota, measure: Measure) -> timedelta | None:
    """After how long one is left of *measure* again; ``None`` where that is not a matter of time."""
    period, bound = PERIODS.get(measure), quota.of(measure)
    if period is None or not bound:
        return None
    return period * (max(0.0, used.of(measure) + 1 - bound) / bound)


def allowance(bound: int) -> float:
    """How much of a quota one worker may give away before it tells the others."""
    return max(1.0, math.floor(bound / 16))
