"""Whose turn it is: places are shared out among parties, the most urgent first, round and round, each with its share.

A party never holds more than *share* places at once, and one more for what is urgent, however much it has waiting;
so one agency's files leave the other places to the others.  Plain bookkeeping on one event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from gateway.errors import Unavailable
from gateway.model.envelope import Priority
from gateway.model.ids import PartyKey

Place = TypeVar("Place")


class Turns(Generic[Place]):
    """Hands out *places*, at most *share* of them to one party; *queue* may wait per party and degree."""

    def __init__(self, places: list[Place], *, share: int, queue: int) -> None:
        self._free = list(places)  # the one used last is taken first: what it needs is at hand
        self._share = share
        self._queue = queue
        self._held: Counter[PartyKey] = Counter()
        self._waiting: dict[Priority, dict[PartyKey, deque[asyncio.Future[Place]]]] = {}
        self._served: dict[PartyKey, int] = {}
        self._turn = 0
        self._is_closed = False

    @property
    def has_free(self) -> bool:
        """Whether any place is free now."""
        return bool(self._free)

    @asynccontextmanager
    async def place(self, party: PartyKey, priority: Priority = Priority.ORDINARY) -> AsyncIterator[Place]:
        """Hold a place; raises what ``take`` raises."""
        place = await self.take(party, priority)
        try:
            yield place
        finally:
            self.give_back(place, party)

    async def take(self, party: PartyKey, priority: Priority = Priority.ORDINARY) -> Place:
        """A place for *party*, as soon as it is its turn.

        Raises ``Unavailable("too-busy")`` where too much of the party waits already, and
        ``Unavailable("draining")`` once closed.
        """
        if self._is_closed:
            raise Unavailable("draining")
        line = self._waiting.setdefault(priority, {}).setdefault(party, deque())
        if len(line) >= self._queue:
            raise Unavailable("too-busy", f"{len(line)} files of {party} wait for inspection")
        turn: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        line.append(turn)
        self._call()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back(turn.result(), party)  # called and cancelled in the same breath
            else:
                self._forget(party, priority, turn)
            raise

    def give_back(self, place: Place, party: PartyKey) -> None:
        """*place* is free again; the next in turn is called."""
        self._held[party] -= 1
        if not self._held[party]:
            del self._held[party]
            if not any(party in lines for lines in self._waiting.values()):
                self._served.pop(party, None)
        self._free.append(place)
        self._call()

    def close(self) -> None:
        """Whoever waits is told that nothing more happens here."""
        self._is_closed = True
        for lines in self._waiting.values():
            for line in lines.values():
                for turn in line:
                    if not turn.done():
                        turn.set_exception(Unavailable("draining"))
        self._waiting.clear()

    def _call(self) -> None:
        while self._free and (found := self._next()) is not None:
            priority, party = found
            turn = self._waiting[priority][party].popleft()
            self._clear(party, priority)
            self._held[party] += 1
            self._turn += 1
            self._served[party] = self._turn
            turn.set_result(self._free.pop())

    def _next(self) -> tuple[Priority, PartyKey] | None:
        """Of the most urgent of those below their share, the one whose last turn was longest ago."""
        for priority in sorted(self._waiting, reverse=True):
            share = self._share + priority.is_urgent
            waiting = [party for party in self._waiting[priority] if self._held[party] < share]
            if waiting:
                return priority, min(waiting, key=lambda party: self._served.get(party, 0))
        return None

    def _forget(self, party: PartyKey, priority: Priority, turn: asyncio.Future[Place]) -> None:
        line = self._waiting.get(priority, {}).get(party)
        if line is not None and turn in line:
            line.remove(turn)
            self._clear(party, priority)

    def _clear(self, party: PartyKey, priority: Priority) -> None:
        """Leave nothing of a line in which nobody waits any more."""
        lines = self._waiting[priority]
        if not lines[party]:
            del lines[party]
        if not lines:
            del self._waiting[priority]
