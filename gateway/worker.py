"""Leases work and runs it: what has just been taken in, what is due, and what another life left behind.

One ``Worker`` is one life of one process.  It says that it is alive by a beat in the store; when the beat
stops, its work is free for others.  Gates bound what is in hand: documents between T1 and T2, and parcels
on their way; urgent ones pass a gate first, parties by turns, and each has its share alone
(``docs/adr/0020-fair-shares.md``).
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from gateway.errors import Reason, Unavailable
from gateway.gate import Gate
from gateway.model.change import Work, WorkKind, is_of_a_recipient
from gateway.model.ids import DocumentId, EvidenceId, Owner, PartyKey
from gateway.model.submission import Arrival, Ticket
from gateway.pipeline import Pipeline, all_may_hurry
from gateway.ports import Ledger, Lives
from gateway.restraint import Restraint
from gateway.world import Errand, Errands

log = structlog.get_logger("worker")

GROWN_UP_S = 3.0
"""A life that ends sooner may have ended of anything: what has died twice is not tried by one so young."""

SHARES = 4
"""A party has the fourth part of the documents and of the backlog at most; of the parcels a fourth for what it is
sent, and all but a fourth for what it sends: parcels pass quickly where their recipients are well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much at once, and how often.

    ``documents``: between T1 and T2.  ``parcels``: at the outlet.  ``backlog``: parcels in hand beyond which
    new ones are left in the store.  Of each, one party has its share at most.
    ``beside_others``: what part of this worker's time one party may take while others want some.
    ``tick``: how often due work is looked for.  ``lease``: how long a life lasts without a beat.
    """

    documents: int = 16
    parcels: int = 64
    backlog: int = 2000
    beside_others: float = 0.03125
    tick: timedelta = timedelta(milliseconds=500)
    lease: timedelta = timedelta(seconds=10)
    grace: timedelta = timedelta(seconds=20)


class Worker:
    """Implements ``gateway.ports.Intake``; owns every task that it starts."""

    def __init__(
        self,
        pipeline: Pipeline,
        ledger: Ledger,
        lives: Lives,
        owner: Owner,
        pace: Pace,
        may_hurry: Callable[[PartyKey], Awaitable[bool]] = all_may_hurry,
    ) -> None:
        self._pipeline = pipeline
        self._ledger = ledger
        self._lives = lives
        self._owner = owner
        self._pace = pace
        self._restraint = Restraint(pace.beside_others, asyncio.get_running_loop().time)
        self._documents = Gate(pace.documents, share_of(pace.documents), restraint=self._restraint)
        share = max(1, pace.parcels - share_of(pace.parcels))
        self._parcels = Gate(pace.parcels, share, restraint=self._restraint, least=max(1, pace.parcels // 32))
        # Only shares, no bound in all: who waits for a slow recipient must not hold a place at the outlet.  Several
        # such recipients do not use up the share of who sends to them.
        self._recipients = Gate(pace.backlog, share_of(pace.parcels))
        self._held: Counter[str] = Counter()  # what is in hand, by the line in which it would wait
        self._news = asyncio.Event()  # a recipient has room again
        self._may_hurry = may_hurry
        self._tasks: dict[asyncio.Task[None], tuple[str, float]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._suspects = asyncio.Lock()
        self._dropped: list[tuple[Errand, Reason]] = []
        self._draining = False
        self._turn = asyncio.Lock()
        self._lives_until = math.inf
        self._born_at = -math.inf

    # --- Intake -------------------------------------------------------------------------------------

    async def submit(self, arrival: Arrival) -> Ticket:
        """Take *arrival* in when there is a place for it (``Intake.submit``)."""
        if self._draining:
            raise Unavailable("draining")
        whose = str(arrival.claimed)  # unproved, but all that is had by a lie is a share of places
        await self._documents.enter(whose, int(arrival.is_urgent))
        errands: Errands = ()
        try:
            ticket, errands = await self._pipeline.receive(arrival, self._may_hurry)
        finally:
            # the place goes on to the document's own errand, where there is one
            if not any(e.work.kind is WorkKind.DOCUMENT for e in errands):
                self._documents.leave(whose)
        for errand in errands:
            self._begin(errand, held_by=whose)
        return ticket

    def screen(self, head: bytes) -> None:
        """``Intake.screen``."""
        self._pipeline.screen(head)

    async def undeliverable(
        self, document: DocumentId, recipient: PartyKey, delivery: str, cause: str
    ) -> None:
        """``Intake.undeliverable``."""
        self.go_on(await self._pipeline.undeliverable(document, recipient, delivery, cause))

    async def untaken(self, document: DocumentId, evidence: EvidenceId, cause: str) -> None:
        """``Intake.untaken``."""
        await self._pipeline.untaken(document, evidence, cause)

    def go_on(self, errands: Errands) -> None:
        """Run *errands* that a step outside this worker has led to."""
        for errand in errands:
            self._begin(errand)

    # --- life ---------------------------------------------------------------------------------------

    @property
    def in_hand(self) -> int:
        """How many errands this worker has in hand."""
        return len(self._tasks)

    def hand(self) -> Mapping[str, float]:
        """The keys of the work in hand, each with the moment of the loop since when; what was dropped, and is yet to
        be put back, too."""
        held = dict(self._tasks.values())
        held.update((errand.work.key, asyncio.get_running_loop().time()) for errand, _ in self._dropped)
        return held

    def has_room(self, sender: PartyKey | None = None, more: int = 0) -> bool:
        """Whether a new parcel (of a document of *sender*) may be leased to this worker at once, behind *more* that
        are about to be."""
        if self._draining or len(self._tasks) + more >= self._pace.backlog:
            return False
        return sender is None or self._held[sender] + more < share_of(self._pace.backlog)

    async def start(self) -> None:
        """Come to life: the first beat is in the store when this returns."""
        await self._say_alive()
        self._born_at = asyncio.get_running_loop().time()
        self._loops = [
            asyncio.create_task(self._beat(), name="worker-beat"),
            asyncio.create_task(self._lease(), name="worker-lease"),
        ]

    async def drain(self, grace: timedelta) -> int:
        """Take nothing new, finish what runs within *grace*, give the rest back to the store; how much that was.

        On return nothing is leased to this life, which goes on: ``resume`` has it take work again.  Raises
        ``Unavailable`` where the store does not answer.
        """
        self._draining = True
        async with self._turn:  # whoever is leasing has begun what he leased before this goes on
            pass
        await self._finish(grace)
        left = set(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self._dropped.clear()
        await self._lives.bury(self._owner)
        await self._say_alive()
        return len(left)

    def resume(self) -> None:
        """Take work again, after ``drain``."""
        self._draining = False

    async def stop(self) -> None:
        """Take nothing new, finish what runs within the grace, leave the rest to others.  May be called twice."""
        self._draining = True
        for loop in self._loops:
            if loop.get_name() == "worker-lease":
                loop.cancel()
        await self._finish(self._pace.grace)
        for task in [*self._tasks, *self._loops]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._loops, return_exceptions=True)
        with suppress(Unavailable):
            await self._lives.bury(self._owner)

    async def _finish(self, grace: timedelta) -> None:
        deadline = asyncio.get_running_loop().time() + grace.total_seconds()
        while self._tasks and asyncio.get_running_loop().time() < deadline:
            left = deadline - asyncio.get_running_loop().time()
            await asyncio.wait(set(self._tasks), timeout=left, return_when=asyncio.FIRST_COMPLETED)

    @property
    def failed(self) -> BaseException | None:
        """What ended one of the loops that must not end, if any."""
        for loop in self._loops:
            if loop.done() and not loop.cancelled() and loop.exception() is not None:
                return loop.exception()
        return None

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._pace.lease.total_seconds() / 4)
            try:
                await self._say_alive()
            except Unavailable as away:
                log.warning("beat missed", reason=away.reason)

    async def _say_alive(self) -> None:
        begun = asyncio.get_running_loop().time()
        await self._lives.beat(self._owner, self._pace.lease)
        self._lives_until = begun + self._pace.lease.total_seconds()

    async def _lease(self) -> None:
        while True:
            self._news.clear()
            taken = await self._look()
            if not taken.is_full:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.tick.total_seconds()):
                        await self._news.wait()

    async def tick(self) -> bool:
        """Look once for due work and begin what there is room for; whether there may be more at once."""
        taken = await self._look()
        return taken.is_full or taken.is_probing

    async def _look(self) -> _Taken:
        room = min(self._documents.free + self._parcels.free, 100)
        if not room or not self.has_room():
            return _Taken()
        if asyncio.get_running_loop().time() >= self._lives_until:
            # Who stood still may count as dead.  What it leased now would be taken for a dead life's at each
            # look, ours too, and each would count as a death of the documents in hand: first the next beat.
            return _Taken()
        try:
            async with self._turn:
                await self._put_back()
                return await self._take(room) if self.has_room() else _Taken()
        except Unavailable as away:
            log.warning("no lease", reason=away.reason)
            return _Taken()

    async def _put_back(self) -> None:
        # What these needed was away when they failed: they are still leased to us, yet nobody works on them.
        while self._dropped:
            errand, reason = self._dropped.pop()  # first: others may be dropped while we wait
            try:
                after = await self._pipeline.leave(errand, reason)
            except BaseException:
                self._dropped.append((errand, reason))
                raise
            self.go_on(after)

    async def _take(self, room: int) -> _Taken:
        kinds = frozenset(WorkKind)
        if not self._documents.free:
            kinds -= {WorkKind.DOCUMENT}
        most = share_of(self._pace.parcels)
        sated = frozenset(line for line, held in self._held.items() if held >= most)
        leased = await self._ledger.lease(self._owner, room, kinds, sated=sated)
        for work in leased:
            self._spawn(self._resume(Errand(work=work)), work)
        return _Taken(is_full=len(leased) == room, is_probing=any(is_of_a_recipient(w.line) for w in leased))

    async def _resume(self, leased: Errand) -> None:
        try:
            errand = await self._pipeline.resume(leased.work)
        except Unavailable as away:
            self._drop(leased, away.reason)
            return
        except Exception as bug:
            log.exception("not resumed", work=leased.work.key, error=type(bug).__name__)
            self._drop(leased, Reason("internal"))
            return
        if errand is not None:
            await self._run(errand)

    def _begin(self, errand: Errand, *, held_by: str | None = None) -> None:
        held = held_by if errand.work.kind is WorkKind.DOCUMENT else None
        self._spawn(self._run(errand, held_by=held), errand.work)

    async def _run(self, errand: Errand, *, held_by: str | None = None) -> None:
        work = errand.work
        whose = held_by or work.line or None
        if errand.is_suspect:
            after = await self._try(errand, self._run_again)
        elif work.kind is WorkKind.DOCUMENT:
            if not held_by:
                await self._documents.enter(whose, work.priority)
            try:
                after = await self._try(errand, self._pipeline.run)
            finally:
                self._documents.leave(whose)
            if whose is not None:
                self._restraint.charge(whose, len(after))
        elif errand.is_brought:
            after = await self._try(errand, self._pipeline.run)
        else:
            async with (
                self._recipients.place(work.party, work.priority),
                self._parcels.place(whose, work.priority),
            ):
                after = await self._try(errand, self._pipeline.run)
            if after and work.kind is WorkKind.DELIVERY and is_of_a_recipient(work.line):
                self._news.set()
        for following in after:
            if following.is_brought:  # the end of this one: another task for it would cost more than it does
                await self._run(following)
            else:
                self._begin(following)

    async def _run_again(self, suspect: Errand) -> Errands:
        """It may be what killed a life: one at a time, so that it takes no other suspect with it; from the second
        death on with no other document beside it, so that no other takes it along."""
        received = suspect.received
        if received is not None and suspect.work.attempts > received.submission.version + 1:
            await asyncio.sleep(self._born_at + GROWN_UP_S - asyncio.get_running_loop().time())
        # The lock before the place: who waits for its turn keeps nobody from being alone.
        async with self._suspects, self._documents.place(suspect.work.line or None, suspect.work.priority):
            weighed = await self._pipeline.weigh(suspect)
            if weighed.settled is not None:
                return weighed.settled
            if not weighed.is_alone:
                return await self._pipeline.run(suspect)
            async with self._documents.alone():
                return await self._pipeline.run(suspect)

    async def _try(self, errand: Errand, run: Callable[[Errand], Awaitable[Errands]]) -> Errands:
        try:
            return await run(errand)
        except Unavailable as away:
            self._drop(errand, away.reason)
            return ()
        except Exception as bug:  # the last line of defence: nothing may be lost by our own mistakes
            log.exception("errand failed", work=errand.work.key, error=type(bug).__name__)
        try:
            return await self._pipeline.broken(errand)
        except Unavailable as away:
            self._drop(errand, away.reason)
        except Exception as bug:
            log.exception("errand failed again", work=errand.work.key, error=type(bug).__name__)
            self._drop(errand, Reason("internal"))
        return ()

    def _drop(self, errand: Errand, reason: Reason) -> None:
        """Let go of *errand* for now; it is put back into the store at the next tick that finds one."""
        log.warning("dropped for now", work=errand.work.key, reason=reason)
        self._dropped.append((errand, reason))

    def _spawn(self, coroutine: Coroutine[None, None, None], work: Work) -> None:
        task = asyncio.create_task(coroutine, name=work.key)
        self._tasks[task] = work.key, asyncio.get_running_loop().time()
        self._held[work.line] += 1

        def ended(_: asyncio.Task[None]) -> None:
            self._tasks.pop(task)
            self._held[work.line] -= 1
            if not self._held[work.line]:
                del self._held[work.line]

        task.add_done_callback(ended)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one look found: as much as there was room for; something whose recipient had no room before."""

    is_full: bool = False
    is_probing: bool = False


def share_of(places: int) -> int:
    """How many of *places* one party may have."""
    return max(1, places // SHARES)
