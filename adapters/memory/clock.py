"""Twins of ``Clock`` and ``Ids``: a time that stands until it is moved, ids that count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from gateway.model.ids import DocumentId

OPENING = datetime(2016, 3, 4, 1, 0, tzinfo=UTC)
"""08:00 on 4 March 2016 in Tây Ninh."""


class FixedClock:
    """A clock that tells what it was set to, plus *step* for each time it was asked."""

    def __init__(self, at: datetime = OPENING, *, step: timedelta = timedelta()) -> None:
        self._at = at.astimezone(UTC)
        self._step = step

    def now(self) -> datetime:
        """The time it was set to; moves on by the step afterwards."""
        now = self._at
        self._at += self._step
        return now

    def set(self, at: datetime) -> None:
        """It is *at* now."""
        self._at = at.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """*by* has passed."""
        self._at += by


class CountingIds:
    """Ids that count from *first*: true UUIDv7 in form, and the same in every run.

    *clock* gives their time; ``jitter`` walks through a fixed row of numbers that looks like chance.
    """

    def __init__(self, first: int = 1, *, clock: FixedClock | None = None) -> None:
        self._next = first
        self._clock = clock or FixedClock()
        self._jitters = 0

    def document(self) -> DocumentId:
        """The next id: its time is the clock's, the rest is the count."""
        count = self._next
        self._next += 1
        # spec: RFC 9562 §5.7 - 48 bits of Unix milliseconds, version 7, variant 10
        milliseconds = int(self._clock.now().timestamp() * 1000) & 0xFFFF_FFFF_FFFF
        tail = f"{count:018x}"
        return DocumentId(str(UUID(f"{milliseconds:012x}7{tail[:3]}8{tail[3:]}")))

    def jitter(self) -> float:
        """The next number in [0, 1)."""
        self._jitters += 1
        # The golden ratio's multiples spread evenly, so that tests meet early and late retries alike.
        return (self._jitters * 0.6180339887498949) % 1.0
