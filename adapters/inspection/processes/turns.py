"""Whose turn it is: places are shared out among parties, round and round, each with its share.

A party never holds more than *share* places at once, however much it has waiting; so one agency's slow
files leave the other places to the others.  Plain bookkeeping on one event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Generic, TypeVar

from gateway.errors import Unavailable
from gateway.model.ids import PartyKey

Place = TypeVar("Place")


class Turns(Generic[Place]):
    """Hands out *places*, at most *share* of them to one party; *queue* may wait per party."""

    def __init__(self, places: list[Place], *, share: int, queue: int) -> None:
        self._free: deque[Place] = deque(places)
        self._share = share
        self._queue = queue
        self._held: Counter[PartyKey] = Counter()
        self._waiting: dict[PartyKey, deque[asyncio.Future[Place]]] = {}
        self._served: dict[PartyKey, int] = {}
        self._turn = 0
        self._is_closed = False

    @property
    def has_free(self) -> bool:
        """Whether any place is free now."""
        return bool(self._free)

    async def take(self, party: PartyKey) -> Place:
        """A place for *party*, as soon as it is its turn.

        Raises ``Unavailable("too-busy")`` where too much of the party waits already, and
        ``Unavailable("draining")`` once closed.
        """
        if self._is_closed:
            raise Unavailable("draining")
        line = self._waiting.setdefault(party, deque())
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
                self._forget(party, turn)
            raise

    def give_back(self, place: Place, party: PartyKey) -> None:
        """*place* is free again; the next in turn is called."""
        self._held[party] -= 1
        if not self._held[party]:
            del self._held[party]
            if party not in self._waiting:
                self._served.pop(party, None)
        self._free.append(place)
        self._call()

    def close(self) -> None:
        """Whoever waits is told that nothing more happens here."""
        self._is_closed = True
        for line in self._waiting.values():
            for turn in line:
                if not turn.done():
                    turn.set_exception(Unavailable("draining"))
        self._waiting.clear()

    def _call(self) -> None:
        while self._free and (party := self._next()) is not None:
            turn = self._waiting[party].popleft()
            if not self._waiting[party]:
                del self._waiting[party]
            self._held[party] += 1
            self._turn += 1
            self._served[party] = self._turn
            turn.set_result(self._free.popleft())

    def _next(self) -> PartyKey | None:
        """Of those below their share, the one whose last turn was longest ago."""
        waiting = [party for party in self._waiting if self._held[party] < self._share]
        return min(waiting, key=lambda party: self._served.get(party, 0), default=None)

    def _forget(self, party: PartyKey, turn: asyncio.Future[Place]) -> None:
        line = self._waiting.get(party)
        if line is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._waiting[party]
