"""What parties may send, held against what they have sent, over all workers.

Strategy: the count is in the store (``Usage``).  A worker knows it as of its last look, adds up what it has given away
since, and tells the store beside the exchange, once a beat for all parties together.  A document waits for the store
only at its party's first in this life, before anybody is told to wait, and where this worker has given away more
than its allowance since its last look: so all workers together never give more than the quota, and besides each an
allowance and one document.  Why so: ``docs/adr/0023-quotas.md``.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from gateway.errors import QuotaExceeded, Unavailable
from gateway.loops import Loops
from gateway.model.ids import PartyKey
from gateway.model.quota import HOLDING, Measure, Quota, Used, allowance, full, room_in
from gateway.ports import Clock, Directory, Usage

log = structlog.get_logger("quotas")

NOTHING = Used()


class Numbers(Protocol):
    """Where numbers go (``adapters.http.metrics``)."""

    def quota_waits(self, quota: str) -> None:
        """Something has to wait for this quota, or counts as ordinary because of it."""
        ...

    def quotas_in_force(self, parties: Mapping[str, int]) -> None:
        """So many parties are held back by each quota now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """The others hear every ``beat`` what was given away here.  Nobody is turned away by a look that is older than
    ``fresh``.  Who waits for documents to be decided asks again after ``decided``.  After ``quiet`` without anybody
    turned away a quota is told to hold back no more."""

    beat: timedelta = timedelta(seconds=1)
    fresh: timedelta = timedelta(milliseconds=200)
    decided: timedelta = timedelta(seconds=5)
    quiet: timedelta = timedelta(minutes=1)


@dataclass(slots=True)
class _View:
    """What this worker knows of one party: as of its last look, and what it has given away since."""

    used: Used = NOTHING
    since: Used = NOTHING
    looked_at: datetime | None = None
    held_back: dict[Measure, datetime] = field(default_factory=dict)

    @property
    def known(self) -> Used:
        return self.used + self.since

    def is_beyond_allowance(self, quota: Quota) -> bool:
        """Whether the others have to hear before anything more is given away."""
        return any(
            quota.of(measure) and self.since.of(measure) >= allowance(quota.of(measure))
            for measure in Measure
        )


class Quotas:
    """Implements ``gateway.ports.Quotas``.  *default* holds where the directory says nothing of a party."""

    def __init__(
        self,
        usage: Usage,
        directory: Directory,
        clock: Clock,
        numbers: Numbers,
        default: Quota,
        rhythm: Rhythm = Rhythm(),
    ) -> None:
        self._usage = usage
        self._directory = directory
        self._clock = clock
        self._numbers = numbers
        self._default = default
        self._rhythm = rhythm
        self._views: dict[PartyKey, _View] = {}
        self._untold: set[PartyKey] = set()  # of whom something was given away that the others have not heard
        self._held_back: set[PartyKey] = set()
        self._turn = asyncio.Lock()  # answers of two exchanges could overtake each other
        self._loops = Loops()

    # --- what is asked ------------------------------------------------------------------------------

    async def check(self, party: PartyKey) -> None:
        """``Quotas.check``."""
        quota = self._of(party)
        if quota.holds_back:
            await self._with_room(party, quota, HOLDING)

    async def admit(self, party: PartyKey, size: int, *, is_owed: bool = False) -> None:
        """Count one document of *size* bytes; where it *is_owed* even if there is no room.  Raises ``QuotaExceeded``."""
        quota = self._of(party)
        if not quota.holds_back:
            return
        view = self._view(party) if is_owed else await self._with_room(party, quota, HOLDING)
        self._give(party, view, Used(bytes=size, documents=1, waiting=1))

    async def may_hurry(self, party: PartyKey) -> bool:
        """Count one urgent document; ``False`` where it is to count as ordinary."""
        quota = self._of(party)
        if not quota.of(Measure.URGENT):
            return True
        try:
            view = await self._with_room(party, quota, (Measure.URGENT,))
        except QuotaExceeded:
            return False
        self._give(party, view, Used(urgent=1))
        return True

    def give_back(self, party: PartyKey, size: int, *, was_urgent: bool = False) -> None:
        """What was counted has not come in: it will come again."""
        view = self._view(party)
        if self._of(party).holds_back:
            self._give(party, view, NOTHING - Used(bytes=size, documents=1, waiting=1))
        if was_urgent:
            self._give(party, view, NOTHING - Used(urgent=1))

    def _give(self, party: PartyKey, view: _View, amount: Used) -> None:
        view.since += amount
        self._untold.add(party)

    def _of(self, party: PartyKey) -> Quota:
        known = self._directory.party(party)
        return known.quota.over(self._default) if known is not None else self._default

    def _view(self, party: PartyKey) -> _View:
        view = self._views.get(party)
        if view is None:
            view = self._views[party] = _View()
        return view

    async def _with_room(self, party: PartyKey, quota: Quota, measures: tuple[Measure, ...]) -> _View:
        """The view of *party*, with room in *measures* at this instant.  Raises ``QuotaExceeded``."""
        view = self._view(party)
        while self._has_to_look(view, quota, measures):
            async with self._turn:
                if self._has_to_look(view, quota, measures):  # else somebody has looked while we waited
                    await self._exchange({party})
        lacking = [*full(view.known, quota, measures)]
        if not lacking:
            return view
        waits = {measure: room_in(view.known, quota, measure) or self._rhythm.decided for measure in lacking}
        measure = max(lacking, key=lambda one: waits[one])
        self._hold_back(party, view, quota, measure)
        used = math.ceil(view.known.of(measure))
        raise QuotaExceeded(measure, used, quota.of(measure), room_in=waits[measure])

    def _has_to_look(self, view: _View, quota: Quota, measures: tuple[Measure, ...]) -> bool:
        if view.looked_at is None or view.is_beyond_allowance(quota):
            return True
        is_old = abs(self._clock.now() - view.looked_at) > self._rhythm.fresh  # a clock may go back
        return is_old and any(full(view.known, quota, measures))

    # --- what is told and heard ---------------------------------------------------------------------

    async def beat(self) -> None:
        """Tell the others what was given away here, and hear of them; say which quotas hold nobody back any more."""
        async with self._turn:
            # Who is held back draws nothing, and that is written, too: else a clock that went back would never let go.
            await self._exchange(also=self._held_back)
        self._let_go()

    async def _exchange(self, asked: Collection[PartyKey] = (), *, also: Collection[PartyKey] = ()) -> None:
        """Tell all that the others have not heard, and what is *also* to be told; look at *asked*."""
        told = {party: (self._views[party].since, self._of(party)) for party in self._untold.union(also)}
        self._untold.clear()
        if told:
            try:
                answers = await self._usage.draw(told)
            except BaseException:
                # Whether it was written nobody knows: counted twice is better than not at all.
                self._untold.update(told)
                raise
            # Until now it counted as given away here: who came meanwhile saw no less.
            for party, (amount, _) in told.items():
                self._views[party].since -= amount
            self._hear(answers)
        others = {party: self._of(party) for party in asked if party not in told}
        if others:
            self._hear(await self._usage.look(others))

    def _hear(self, answers: Mapping[PartyKey, Used]) -> None:
        now = self._clock.now()
        for party, used in answers.items():
            view = self._views[party]
            view.used, view.looked_at = used, now

    def _hold_back(self, party: PartyKey, view: _View, quota: Quota, measure: Measure) -> None:
        self._numbers.quota_waits(measure)
        if measure not in view.held_back:
            log.warning("quota holds back", party=party, quota=measure.value, bound=quota.of(measure))
        view.held_back[measure] = self._clock.now()
        self._held_back.add(party)

    def _let_go(self) -> None:
        now = self._clock.now()
        in_force: Counter[str] = Counter({measure.value: 0 for measure in Measure})
        for party in [*self._held_back]:
            view = self._views[party]
            lacking = {*full(view.known, self._of(party), tuple(view.held_back))}
            for measure, last in [*view.held_back.items()]:
                if measure in lacking or abs(now - last) < self._rhythm.quiet:
                    in_force[measure.value] += 1
                    continue
                del view.held_back[measure]
                log.info("quota holds back no more", party=party, quota=measure.value)
            if not view.held_back:
                self._held_back.discard(party)
        self._numbers.quotas_in_force(in_force)

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to tell the others."""
        self._loops.begin("quotas-beat", self._beat())

    async def stop(self) -> None:
        """Tell the others for the last time.  May be called twice."""
        if await self._loops.end():
            with suppress(Unavailable):
                await self.beat()

    @property
    def failed(self) -> BaseException | None:
        """What ended the loop that must not end, if anything did."""
        return self._loops.failed

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._rhythm.beat.total_seconds())
            try:
                await self.beat()
            except Unavailable as away:
                log.warning("quotas not told", reason=away.reason)
