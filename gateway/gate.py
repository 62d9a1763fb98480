"""A bound on how many are inside at once, with a share for each party.

Who waits enters the most urgent first; of one degree the parties take turns, whoever waits longest of each.
So a party with much to do waits for itself, and the others for one of its steps at most.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_BEFORE_ALL = 1 << 10


class Gate:
    """*places* in all, at most *share* of them for one party, and one more for what is urgent: what a party has
    in hand does not hold up its own express.  Work of nobody (``None``) has no share."""

    def __init__(self, places: int, share: int | None = None) -> None:
        self._places = self._free = places
        self._share = places if share is None else share
        self._inside: Counter[str] = Counter()
        # by degree, then by party; whoever was served goes to the end
        self._waiting: dict[int, dict[str | None, deque[asyncio.Future[None]]]] = {}

    @property
    def free(self) -> int:
        """How many places are free."""
        return self._free

    @asynccontextmanager
    async def place(self, whose: str | None = None, priority: int = 0) -> AsyncIterator[None]:
        """Hold one place."""
        await self.enter(whose, priority)
        try:
            yield
        finally:
            self.leave(whose)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """For who holds a place: hold all the others, too, as they become free.  One at a time may ask."""
        held = 0
        try:
            while held < self._places - 1:
                await self.enter(None, _BEFORE_ALL)
                held += 1
            yield
        finally:
            for _ in range(held):
                self.leave(None)

    async def enter(self, whose: str | None = None, priority: int = 0) -> None:
        """Take a place of *whose* share, or wait for one."""
        if self._free > 0 and self._has_share(whose, priority):
            self._admit(whose)
            return
        ready = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(priority, {}).setdefault(whose, deque()).append(ready)
        try:
            await ready
        except asyncio.CancelledError:
            if ready.done() and not ready.cancelled():
                self.leave(whose)  # the place was handed to us while we were being cancelled
            raise

    def leave(self, whose: str | None = None) -> None:
        """Give the place to whoever's turn it is, or free it."""
        self._free += 1
        if whose is not None:
            self._inside[whose] -= 1
            if not self._inside[whose]:
                del self._inside[whose]
        while self._free > 0 and self._call_one():
            pass

    def _has_share(self, whose: str | None, priority: int) -> bool:
        return whose is None or self._inside[whose] < self._share + (priority > 0)

    def _admit(self, whose: str | None) -> None:
        self._free -= 1
        if whose is not None:
            self._inside[whose] += 1

    def _call_one(self) -> bool:
        """Let the next one in; ``False`` where nobody waits who may."""
        for priority in sorted(self._waiting, reverse=True):
            parties = self._waiting[priority]
            # Those passed over hold their whole share: there are never many.
            whose = next((party for party in parties if self._has_share(party, priority)), _NOBODY)
            if isinstance(whose, _Nobody):
                continue
            line = parties.pop(whose)
            ready = line.popleft()
            if line:
                parties[whose] = line
            elif not parties:
                del self._waiting[priority]
            if not ready.done():
                self._admit(whose)
                ready.set_result(None)
            return True
        return False


class _Nobody:
    """No party, where ``None`` is work of nobody."""


_NOBODY = _Nobody()
