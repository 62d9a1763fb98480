"""A circuit breaker as data: whom to ask now, whom to leave alone for a while, whom to ask once to see.

    closed --failures in a row--> open --its pause is over, one asks--> half-open --success--> closed
                                    ^------------------------------failure-----'

Moments are seconds of any clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Circuit(StrEnum):
    """CLOSED: ask.  OPEN: do not.  HALF_OPEN: one is asking, the others wait for what becomes of it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """After ``failures`` in a row it opens for ``first_s``, doubled each time a probe fails up to ``longest_s``, the
    upper half drawn by jitter.  A probe without an answer within ``probe_s`` lets another go."""

    failures: int = 5
    first_s: float = 1.0
    longest_s: float = 60.0
    probe_s: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """One circuit: ``failures`` in a row, and until when nobody else is let through."""

    temper: Temper
    circuit: Circuit = Circuit.CLOSED
    failures: int = 0
    until: float = 0.0

    def asked(self, now: float) -> tuple[Breaker, bool]:
        """Whether somebody may pass at *now*, and the breaker from then on."""
        if self.circuit is Circuit.CLOSED:
            return self, True
        if now < self.until:
            return self, False
        return replace(self, circuit=Circuit.HALF_OPEN, until=now + self.temper.probe_s), True

    def succeeded(self) -> Breaker:
        """Somebody who passed has had an answer, however late."""
        return self if self == Breaker(temper=self.temper) else Breaker(temper=self.temper)

    def failed(self, now: float, jitter: float) -> Breaker:
        """Somebody who passed has failed; *jitter* is in [0, 1).  While it is open, late failures are no news."""
        if self.circuit is Circuit.OPEN:
            return self
        failures = self.failures + 1
        if failures < self.temper.failures:
            return replace(self, failures=failures)
        doublings = min(failures - self.temper.failures, 30)
        whole = min(self.temper.first_s * (1 << doublings), self.temper.longest_s)
        return replace(
            self, circuit=Circuit.OPEN, failures=failures, until=now + whole / 2 + whole / 2 * jitter
        )
