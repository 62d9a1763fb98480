"""A bound on how many are inside at once, with a share for each party.

Who waits enters the most urgent first; of one degree the parties take turns, whoever waits longest of each.
So a party with much to do waits for itself, and the others for one of its steps at most.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from gateway.held import Held
from gateway.restraint import Restraint

_BEFORE_ALL = 1 << 10


class Gate:
    """*places* in all, at most *share* of them for one party, and one more for what is urgent: what a party has
    in hand does not hold up its own express.  Work of nobody (``None``) has no share.

    With a *restraint*, a party that took much beside others has no more places than that allows, and it keeps account of
    who holds places here; with *least*, too, it is only asked, and a party may always have so many.
    """

    def __init__(
        self, places: int, share: int | None = None, *, restraint: Restraint | None = None, least: int = 0
    ) -> None:
        self._places = self._free = places
        self._share = places if share is None else share
        self._restraint = restraint
        self._least = least
        self._keeps_account = not least
        self._alarm: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # in which they wait
        self._inside: Counter[str] = Counter()
        # by degree, then by party; whoever was served goes to the end
        self._waiting: dict[int, dict[str | None, deque[asyncio.Future[None]]]] = {}

    @property
    def free(self) -> int:
        """How many places are free."""
        return self._free

    def place(self, whose: str | None = None, priority: int = 0) -> AbstractAsyncContextManager[None]:
        """Hold one place."""
        return Held(partial(self.enter, whose, priority), partial(self.leave, whose))

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
        if self._restraint is not None and self._keeps_account and whose is not None:
            self._restraint.came(whose)
        # Whoever comes while others of the party wait is behind them, even if by now it may have a place again.
        is_first = whose not in self._waiting.get(priority, ())
        if self._free > 0 and is_first and self._has_share(whose, priority):
            self._admit(whose)
            return
        self._loop = asyncio.get_running_loop()
        ready = self._loop.create_future()
        self._waiting.setdefault(priority, {}).setdefault(whose, deque()).append(ready)
        self._call()
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
            if self._restraint is not None and self._keeps_account:
                self._restraint.left(whose)
            self._inside[whose] -= 1
            if not self._inside[whose]:
                del self._inside[whose]
        self._call()

    def _has_share(self, whose: str | None, priority: int) -> bool:
        if whose is None:
            return True
        share = self._share + (priority > 0)
        inside = self._inside[whose]
        if inside >= share or self._restraint is None or priority > 0:
            return inside < share
        return inside < max(self._least, self._restraint.places(whose, share))

    def _admit(self, whose: str | None) -> None:
        self._free -= 1
        if whose is not None:
            self._inside[whose] += 1
            if self._restraint is not None and self._keeps_account:
                self._restraint.took(whose)

    def _call(self) -> None:
        while self._free > 0 and self._call_one():
            pass
        self._look_again()

    def _look_again(self) -> None:
        """Whoever is restrained may enter when nobody leaves: by and by, or once the others are gone."""
        if self._restraint is None or self._alarm is not None or not self._free or not self._waiting:
            return
        rests = (
            self._restraint.rest(party) for parties in self._waiting.values() for party in parties if party
        )
        if self._loop is not None and (rest := min(rests, default=None)) is not None:
            self._alarm = self._loop.call_later(rest, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        self._call()

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
