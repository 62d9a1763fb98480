"""The valve of the HTTP door: whether more may come in now, and how long a sender had better wait, at the measured pace.

A sender with a queue waits at the broker, which refuses what its queue can't hold; one that comes by HTTP would wait in
our memory, with its body.  So many wait; more are told ``too-busy`` before their body is read, and when to come again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from gateway.errors import Reason, Unavailable
from gateway.model.ids import DocumentId, EvidenceId, PartyKey
from gateway.model.submission import Arrival, Ticket
from gateway.ports import Intake

SHORTEST_S, LONGEST_S = 1.0, 60.0
"""Between these is what a sender is told to wait: nobody shall come every instant, nor be forgotten."""

Gauge = Callable[[], Reason | None]
"""Says why nothing more may come in, or ``None``; asked for each request, so it must cost next to nothing."""


class Throughput:
    """How quickly those who are inside leave: the mean time from one to the next, while anybody is inside."""

    def __init__(self) -> None:
        self._inside = 0
        self._moved_at = 0.0
        self._mean_s = 0.0

    @property
    def inside(self) -> int:
        """How many are inside."""
        return self._inside

    def entered(self, now_s: float) -> None:
        """One more is inside."""
        if not self._inside:
            self._moved_at = now_s  # nobody was waited for until now
        self._inside += 1

    def left(self, now_s: float) -> None:
        """One has left."""
        self._inside -= 1
        gap_s = now_s - self._moved_at
        self._moved_at = now_s
        self._mean_s = gap_s if not self._mean_s else 0.9 * self._mean_s + 0.1 * gap_s

    def time_for(self, ahead: int, now_s: float) -> timedelta:
        """How long it takes until *ahead* have left; where nobody leaves any more it grows with every second."""
        stalled_s = now_s - self._moved_at if self._inside else 0.0
        seconds = ahead * max(self._mean_s, stalled_s)
        return timedelta(seconds=min(max(seconds, SHORTEST_S), LONGEST_S))


class Valve:
    """Implements ``Intake`` before another one, and ``gateway.ports.Inlet``.  *most* may wait in it at once."""

    def __init__(self, intake: Intake, most: int, gauges: Sequence[Gauge] = ()) -> None:
        self._intake = intake
        self._most = most
        self._gauges = gauges
        self._throughput = Throughput()

    def check(self) -> None:
        """``Inlet.check``."""
        for gauge in self._gauges:
            reason = gauge()
            if reason is not None:
                raise Unavailable(reason, retry_after=self.time_for(self._most))
        if self._throughput.inside >= self._most:
            raise Unavailable("too-busy", retry_after=self.time_for(self._throughput.inside))

    def time_for(self, ahead: int) -> timedelta:
        """``Inlet.time_for``."""
        return self._throughput.time_for(ahead, asyncio.get_running_loop().time())

    async def submit(self, arrival: Arrival) -> Ticket:
        """``Intake.submit``.  Raises ``Unavailable("too-busy")`` where too many wait already."""
        loop = asyncio.get_running_loop()
        if self._throughput.inside >= self._most:
            raise Unavailable("too-busy", retry_after=self.time_for(self._throughput.inside))
        self._throughput.entered(loop.time())
        try:
            return await self._intake.submit(arrival)
        finally:
            self._throughput.left(loop.time())

    def screen(self, head: bytes) -> None:
        """``Intake.screen``."""
        self._intake.screen(head)

    async def undeliverable(
        self, document: DocumentId, recipient: PartyKey, delivery: str, cause: str
    ) -> None:
        """``Intake.undeliverable``."""
        await self._intake.undeliverable(document, recipient, delivery, cause)

    async def untaken(self, document: DocumentId, evidence: EvidenceId, cause: str) -> None:
        """``Intake.untaken``."""
        await self._intake.untaken(document, evidence, cause)
