"""Numbers the evidence: a place for each in the Merkle log, and a signed head every minute.

Runs beside the exchange in every worker process; one of them leads (``Log.lead``), the others look once a
second whether it still lives.  Evidence waits in the store for its number, so nothing here is ever in the way
of a document, and a life that ends between any two steps leaves nothing to be mended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import structlog

from gateway.errors import Unavailable
from gateway.loops import Loops
from gateway.model.breaker import Breaker, Temper
from gateway.model.ids import EvidenceId, OrganCode, Owner
from gateway.model.log import HeadRecord, LogState, TreeHead
from gateway.ports import Clock, Log, LogRecords, Notary, Stamper

log = structlog.get_logger("sequencer")

_LAST_HEAD_S = 5.0
"""How long the last head may take when we stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often: evidence gets its numbers every ``tick``, at most ``batch`` in one commit, and ``page`` older
    ones are looked at besides once in each term; a head is signed every ``head``; a time-stamp that could not be had is asked for again after ``pause``, which doubles up to
    ``longest_pause``."""

    tick: timedelta = timedelta(seconds=1)
    head: timedelta = timedelta(minutes=1)
    batch: int = 500
    page: int = 500
    pause: timedelta = timedelta(seconds=5)
    longest_pause: timedelta = timedelta(minutes=10)


class Sequencer:
    """One life's part in the log of *organ*.  *stamper*: the time-stamp authority, where there is one."""

    def __init__(
        self,
        log: Log,
        records: LogRecords,
        notary: Notary,
        clock: Clock,
        *,
        organ: OrganCode,
        owner: Owner,
        stamper: Stamper | None = None,
        jitter: Callable[[], float] = lambda: 1.0,
        rhythm: Rhythm = Rhythm(),
    ) -> None:
        self._log = log
        self._records = records
        self._notary = notary
        self._clock = clock
        self._organ = organ
        self._owner = owner
        self._stamper = stamper
        self._jitter = jitter
        self._rhythm = rhythm
        self._leads = False
        self._walked: tuple[int, EvidenceId | None] = (0, None)
        self._loops = Loops()

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to look, after one ``tick``: by then the owner's life must have begun."""
        self._loops.begin("sequencer", self._number())
        if self._stamper is not None:
            self._loops.begin("stamps", self._ask_for_stamps(self._stamper))

    async def stop(self) -> None:
        """End; who leads signs what has come since the last head, also after its life was ended in the store
        (unless another has taken over).  May be called twice."""
        if await self._loops.end() and self._leads:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(_LAST_HEAD_S):
                    for _ in range(3):  # what was cancelled in its midst may still be written
                        if await self.turn(is_last=True):
                            break

    @property
    def leads(self) -> bool:
        """Whether this life was the one that numbers when it looked last."""
        return self._leads

    @property
    def failed(self) -> BaseException | None:
        """What ended a loop that must not end, if any."""
        return self._loops.failed

    async def _number(self) -> None:
        while True:
            await asyncio.sleep(self._rhythm.tick.total_seconds())
            try:
                await self.turn()
            except Unavailable as away:
                log.warning("evidence not numbered", reason=away.reason)

    # --- one look -----------------------------------------------------------------------------------

    async def turn(self, *, is_last: bool = False) -> bool:
        """Number what waits, and sign a head if it is time (*is_last*: if anything was added since).

        Answers whether this life leads.  May be called at any time and in any number of lives at once.
        """
        term = await self._log.lead(self._owner)
        self._leads = term is not None
        if term is None:
            return False
        state = await self._records.state()
        size = state.size
        while waiting := await self._log.waiting(self._rhythm.batch):
            if not await self._log.append(term, size, waiting):
                self._leads = False
                return False
            size += len(waiting)
        await self._look_for_strays(term)
        if self._is_time(state, size, is_last):
            await self._sign(term)
        return True

    async def _look_for_strays(self, term: int) -> None:
        """Once in each term walk through all evidence, a page at a look: what an older version of us issued
        beside a newer one waits nowhere."""
        if term != self._walked[0]:
            self._walked = (term, EvidenceId(""))
        if (after := self._walked[1]) is not None:
            self._walked = (term, await self._log.adopt(after, self._rhythm.page))

    def _is_time(self, state: LogState, size: int, is_last: bool) -> bool:
        head = state.head
        if head is None or (is_last and head.size != size) or state.is_wanted:
            return True
        # a clock that was set back must not leave us without heads until it has caught up
        return not is_last and not timedelta() <= self._clock.now() - head.signed_at < self._rhythm.head

    async def _sign(self, term: int) -> None:
        state = await self._records.state()
        head = TreeHead(log=self._organ, size=state.size, root=state.root, at=self._clock.now())
        body = self._notary.vouch(head)
        record = HeadRecord(
            size=head.size, root=head.root, signed_at=head.at, sha256=sha256(body).hexdigest(), body=body
        )
        if await self._log.publish(term, record):
            log.info("head signed", size=head.size)

    # --- time-stamps --------------------------------------------------------------------------------

    async def _ask_for_stamps(self, stamper: Stamper) -> None:
        rhythm, now = self._rhythm, asyncio.get_running_loop().time
        temper = Temper(
            failures=1,
            first_s=rhythm.pause.total_seconds(),
            longest_s=rhythm.longest_pause.total_seconds(),
        )
        breaker = Breaker(temper=temper)
        while True:
            try:
                breaker, _ = breaker.asked(now())
                is_done = not self._leads or not await self.stamp_one(stamper)
                breaker = breaker.succeeded()
                if is_done:
                    await asyncio.sleep(rhythm.tick.total_seconds())
            except Unavailable as away:
                log.warning("head not time-stamped", reason=away.reason, detail=away.detail)
                breaker = breaker.failed(now(), self._jitter())
                await asyncio.sleep(breaker.until - now())

    async def stamp_one(self, stamper: Stamper) -> bool:
        """Have the newest head without a time-stamp stamped; whether there was one.

        The newest first: every head commits to all before it, so old ones are the least in need.
        Raises ``Unavailable`` where the authority gives none, or one that does not hold.
        """
        head = await self._log.unstamped()
        if head is None:
            return False
        await self._log.stamp(head, await stamper.stamp(head.body))
        return True
