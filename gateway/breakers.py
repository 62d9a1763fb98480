"""Who fails again and again is left alone for a while: recipients' queues, and services outside.

One breaker per queue of a party: once it has failed several times in a row its parcels are not tried one by one, but
put off at once for the cause that was seen last; one at a time goes to see.  A queue that takes long to answer gets
no more than its share of parcels at once, so that it holds nobody else's places.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from gateway.errors import Reason, Unavailable
from gateway.model.breaker import Breaker, Circuit, Temper
from gateway.model.handover import Delivery, Handed, HandOverResult, Parcel
from gateway.model.ids import PartyKey
from gateway.ports import Outlet

T = TypeVar("T")

SLOW_S = 3.0
"""What the broker takes as a rule is confirmed within milliseconds, a tenth of a second under load."""
MOST_REMEMBERED = 20_000
_OURS = frozenset({"broker-away", "internal", "payload-missing", "digest-mismatch"})
"""Causes that are not the recipient's: the broker, the vault, ourselves."""

Queue = tuple[PartyKey, bool]


class Numbers(Protocol):
    """Where numbers go (``adapters.http.metrics``)."""

    def circuits(self, what: str, opened: int) -> None:
        """So many circuits of this kind are not closed."""
        ...


class GuardedOutlet:
    """``Outlet`` over another, with a breaker per queue.  *share*: of one slow queue's parcels at once."""

    def __init__(
        self, outlet: Outlet, jitter: Callable[[], float], numbers: Numbers, temper: Temper, share: int
    ) -> None:
        self._outlet = outlet
        self._jitter = jitter
        self._numbers = numbers
        self._temper = temper
        self._share = share
        self._troubled: dict[Queue, tuple[Breaker, Reason]] = {}
        self._flying: dict[Queue, deque[float]] = {}

    @property
    def state(self) -> str:
        """``ok``, with the parties whose queues rest."""
        resting = [(q, why) for q, (b, why) in self._troubled.items() if b.circuit is not Circuit.CLOSED]
        if not resting:
            return "ok"
        some = ", ".join(f"{party} ({why})" for (party, _), why in resting[:5])
        return f"ok, RESTING: {len(resting)} queues: {some}"

    async def hand_over(self, parcel: Parcel) -> HandOverResult:
        """``Outlet.hand_over``; put off at once where the queue rests, or is slow and has its share."""
        queue = parcel.party, isinstance(parcel, Delivery)
        now = asyncio.get_running_loop().time()
        troubled = self._troubled.get(queue)
        if troubled is not None:
            breaker, may_pass = troubled[0].asked(now)
            self._troubled[queue] = breaker, troubled[1]
            is_urgent = isinstance(parcel, Delivery) and parcel.priority.is_urgent
            if not may_pass and not is_urgent:  # the next place in a full queue is for the most urgent
                return _not_now(troubled[1])
        flying = self._flying.setdefault(queue, deque())
        if len(flying) >= self._share and now - flying[0] > SLOW_S:
            self._note(queue, Reason("queue-slow"), now)
            return _not_now(Reason("queue-slow"))
        flying.append(now)
        try:
            result = await self._outlet.hand_over(parcel)
        finally:
            flying.remove(now)
            if not flying:
                self._flying.pop(queue, None)
        self._learn(queue, result)
        return result

    def _learn(self, queue: Queue, result: HandOverResult) -> None:
        if result.handed is not Handed.NOT_NOW:
            if self._troubled.pop(queue, None) is not None:
                self._count()
        elif result.reason is not None and result.reason not in _OURS:
            self._note(queue, result.reason, asyncio.get_running_loop().time())

    def _note(self, queue: Queue, why: Reason, now: float) -> None:
        breaker, _ = self._troubled.get(queue, (Breaker(temper=self._temper), why))
        while len(self._troubled) >= MOST_REMEMBERED:
            self._troubled.pop(next(iter(self._troubled)))
        self._troubled[queue] = breaker.failed(now, self._jitter()), why
        self._count()

    def _count(self) -> None:
        opened = sum(b.circuit is not Circuit.CLOSED for b, _ in self._troubled.values())
        self._numbers.circuits("queue", opened)


class GuardedService:
    """A service outside, asked through one breaker; *reason*: of what is raised while it rests."""

    def __init__(
        self, name: str, reason: Reason, jitter: Callable[[], float], numbers: Numbers, temper: Temper
    ) -> None:
        self._name = name
        self._reason = reason
        self._jitter = jitter
        self._numbers = numbers
        self._breaker = Breaker(temper=temper)

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to *question*.  Raises ``Unavailable`` at once while the service rests.

        Whoever is cancelled had no answer in time: that counts as a failure.
        """
        now = asyncio.get_running_loop().time()
        self._breaker, may_pass = self._breaker.asked(now)
        if not may_pass:
            left = self._breaker.until - now
            raise Unavailable(self._reason, f"{self._name} did not answer; asked again in {left:.0f} s")
        try:
            answer = await question()
        except (Unavailable, asyncio.CancelledError):
            failed_at = asyncio.get_running_loop().time()
            self._breaker = self._breaker.failed(failed_at, self._jitter())
            self._tell()
            raise
        self._breaker = self._breaker.succeeded()
        self._tell()
        return answer

    def _tell(self) -> None:
        self._numbers.circuits(self._name, int(self._breaker.circuit is not Circuit.CLOSED))


def _not_now(reason: Reason) -> HandOverResult:
    return HandOverResult(handed=Handed.NOT_NOW, reason=reason, is_sure=True)
