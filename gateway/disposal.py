"""Clears out what was kept long enough: content first, metadata later, and bytes to which nothing refers.

Runs beside the exchange in every worker process; one of them leads (``Disposal.lead``).  It goes in small steps, each
one document or one shelf of the vault, rests between them by the time that they took, and much longer while there is
other work.  What is not final is never touched: ``gateway.stages.dispose`` says what stands in the way.  Every step
may run twice, or beside another's, and a life that ends between two leaves nothing to be mended.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from gateway.errors import Unavailable
from gateway.loops import Loops
from gateway.model.change import AuditEntry, Committed
from gateway.model.document import Dossier
from gateway.model.handover import InboxItem
from gateway.model.ids import DocumentId, Owner
from gateway.model.party import Link
from gateway.model.retention import DataClass, Hindrance, Lying
from gateway.ports import Clock, Disposal, Inboxes, Ledger, Records, Shelves
from gateway.stages import dispose

log = structlog.get_logger("disposal")

ACTOR, VERB = "vanthu", "dispose"
"""Under which the record of operators' actions has what went."""

MOST_CONDEMNED = 50_000
"""How many bytes without a name are remembered between two rounds; the rest has its turn later."""

DEATHS_KEPT = timedelta(days=60)
"""How long it is remembered how often something died: longer than any submission lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """How often and how gently: a round begins every ``every``; ``page`` documents are looked up at once; after each
    step it rests ``ease`` times as long as that took, ``ease_when_busy`` times while there is other work.

    Bytes without a name go when nobody has put them for ``untouched``, and they were seen so twice, ``settle``
    apart by a clock that never leaps: whoever put them and died, or stands still, has long been given up.
    """

    first: timedelta = timedelta(minutes=1)
    every: timedelta = timedelta(hours=1)
    page: int = 50
    ease: float = 4.0
    ease_when_busy: float = 50.0
    longest_rest: timedelta = timedelta(seconds=5)
    untouched: timedelta = timedelta(days=7)
    settle: timedelta = timedelta(minutes=1)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a round has let go of, or would have: documents by data class, payloads and their bytes; and what was due
    and is kept on, by data class and what stands in the way."""

    gone: Counter[DataClass] = field(default_factory=Counter)
    kept: Counter[tuple[DataClass, Hindrance]] = field(default_factory=Counter)
    payloads: int = 0
    payload_bytes: int = 0
    waiting: int = 0

    @property
    def told(self) -> str:
        """One line of names and numbers."""
        parts = [f"{part}={self.gone[part]}" for part in DataClass]
        return " ".join([*parts, f"payloads={self.payloads}", f"bytes={self.payload_bytes}"])

    def __bool__(self) -> bool:
        """Whether anything went."""
        return bool(self.gone.total() or self.payloads)


class Numbers(Protocol):
    """Where numbers go (``adapters.http.metrics``)."""

    def purged(
        self, gone: Mapping[str, int], kept: Mapping[str, int], payloads: int, size: int, at: datetime
    ) -> None:
        """A round has ended at *at*: how many documents went, and how many were due and are kept on, by data class;
        how many payloads went, of so many bytes."""
        ...


class Disposer:
    """One life's part in clearing out.  *is_busy*: whether there is other work now; *is_hasty*: never rest,
    somebody waits for us."""

    def __init__(
        self,
        disposal: Disposal,
        shelves: Shelves,
        ledger: Ledger,
        inboxes: Inboxes,
        records: Records,
        clock: Clock,
        *,
        owner: Owner,
        is_busy: Callable[[], bool] = lambda: False,
        numbers: Numbers | None = None,
        sweep: Sweep = Sweep(),
        is_hasty: bool = False,
    ) -> None:
        self._disposal = disposal
        self._shelves = shelves
        self._ledger = ledger
        self._inboxes = inboxes
        self._records = records
        self._clock = clock
        self._owner = owner
        self._is_busy = is_busy
        self._numbers = numbers
        self._sweep = sweep
        self._is_hasty = is_hasty
        self._condemned: dict[tuple[str, int], float] = {}
        self._loops = Loops()

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin, after a while."""
        self._loops.begin("disposal", self._keep_on())

    async def stop(self) -> None:
        """End at once: nothing has to be finished.  May be called twice."""
        await self._loops.end()

    @property
    def failed(self) -> BaseException | None:
        """What ended the loop that must not end, if anything."""
        return self._loops.failed

    async def _keep_on(self) -> None:
        await asyncio.sleep(self._sweep.first.total_seconds())
        while True:
            try:
                if await self._disposal.lead(self._owner):
                    await self.round()
            except Unavailable as away:
                log.warning("not cleared out", reason=away.reason)
            await asyncio.sleep(self._sweep.every.total_seconds())

    # --- one round ----------------------------------------------------------------------------------

    async def round(self, *, is_dry: bool = False) -> Tally:
        """Look at everything once.  What goes is put on record; with *is_dry* nothing goes, and it is only told."""
        tally = Tally()
        for part in DataClass:
            await self._documents(part, tally, is_dry)
        await self._tidy_all(tally, is_dry)
        if not is_dry:
            await self._disposal.sweep(self._clock.now() - DEATHS_KEPT)
            await self._put_on_record(tally)
            self._count(tally)
        return tally

    async def tidy_again(self, tally: Tally) -> None:
        """Look at the vault once more: what was seen without a name long enough ago goes now, and is added to *tally*."""
        tally.waiting = 0
        found = Tally()
        await self._tidy_all(found, is_dry=False)
        tally.payloads += found.payloads
        tally.payload_bytes += found.payload_bytes
        tally.waiting = found.waiting
        await self._put_on_record(found)

    async def _tidy_all(self, tally: Tally, is_dry: bool) -> None:
        for shelf in range(self._shelves.shelves):
            async with self._gently():
                await self._tidy(shelf, tally, is_dry)

    def _count(self, tally: Tally) -> None:
        if self._numbers is not None:
            kept = Counter(part for part, _ in tally.kept.elements())
            self._numbers.purged(
                {part: tally.gone[part] for part in DataClass},
                {part: kept[part] for part in DataClass},
                tally.payloads,
                tally.payload_bytes,
                self._clock.now(),
            )

    async def _put_on_record(self, tally: Tally) -> None:
        if tally:
            entry = AuditEntry(
                at=self._clock.now(), actor=ACTOR, verb=VERB, object=self._owner, outcome=tally.told
            )
            await self._records.note(entry)
            log.info("cleared out", what=tally.told)

    # --- documents ----------------------------------------------------------------------------------

    async def _documents(self, part: DataClass, tally: Tally, is_dry: bool) -> None:
        after: DocumentId | None = None
        while due := await self._disposal.due(part, self._clock.now(), after, self._sweep.page):
            for one in due:
                async with self._gently():
                    await self._document(part, one.document, tally, is_dry)
            after = due[-1].document

    async def _document(self, part: DataClass, document: DocumentId, tally: Tally, is_dry: bool) -> None:
        dossier = await self._ledger.load(document)
        if dossier is None or dispose.is_gone(part, dossier):
            return
        undone = await self._disposal.undone(dispose.works_of(dossier))
        now = self._clock.now()
        hindrance = dispose.hindrance(part, dossier, undone, await self._users(dossier), now)
        if hindrance is not None:
            tally.kept[part, hindrance] += 1
        elif is_dry or await self._let_go(part, dossier, now):
            tally.gone[part] += 1

    async def _let_go(self, part: DataClass, dossier: Dossier, now: datetime) -> bool:
        """Whether it went; not where somebody was quicker, whoever that was."""
        document = dossier.submission.document
        if part is DataClass.CONTENT:
            change = dispose.without_content(dossier, await self._items(dossier), now)
            return isinstance(await self._ledger.commit(change), Committed)
        issued = await self._records.evidence(document)
        items = [
            *((copy.recipient, str(it)) for copy in dossier.handovers for it in dispose.deliveries_of(copy)),
            *((dossier.submission.party, str(one.id)) for one in issued),
        ]
        return await self._disposal.forget(document, items, now)

    async def _items(self, dossier: Dossier) -> Sequence[InboxItem]:
        found = [
            await self._inboxes.item(copy.recipient, it)
            for copy in dossier.handovers
            if copy.link is Link.HTTP
            for it in dispose.deliveries_of(copy)
        ]
        return [item for item in found if item is not None]

    async def _users(self, dossier: Dossier) -> Sequence[Dossier]:
        """The documents that recall, update or replace this one, or have asked something about a copy of it."""
        own = dossier.submission.document
        names = {one.document for one in await self._records.relations(own) if one.other == own}
        names |= {copy.asked_by for copy in dossier.handovers if copy.asked_by is not None}
        found = [await self._ledger.load(name) for name in sorted(names)]
        return [user for user in found if user is not None]

    # --- bytes --------------------------------------------------------------------------------------

    async def _tidy(self, shelf: int, tally: Tally, is_dry: bool) -> None:
        lying = await self._shelves.look(shelf, self._clock.now() - self._sweep.untouched)
        if not lying:
            return
        named = await self._disposal.named({one.ref.sha256 for one in lying})
        for one in lying:
            if one.ref.sha256 in named:
                self._condemned.pop((one.ref.sha256, one.mark), None)
                if one.is_aside and not is_dry:
                    await self._shelves.put_back(one)
            elif is_dry:
                _count(tally, one)
            elif not self._is_ripe(one):
                tally.waiting += 1
            elif one.is_aside or await self._shelves.set_aside(one):
                await self._finish(one, tally)

    def _is_ripe(self, one: Lying) -> bool:
        """Whether it was seen like this before, long enough ago; else that is remembered now."""
        key, now = (one.ref.sha256, one.mark), asyncio.get_running_loop().time()
        seen = self._condemned.get(key)
        if seen is None:
            if len(self._condemned) < MOST_CONDEMNED:
                self._condemned[key] = now
            return False
        return now - seen >= self._sweep.settle.total_seconds()

    async def _finish(self, one: Lying, tally: Tally) -> None:
        """What is aside can't be put any more, only anew: ask again, and decide."""
        self._condemned.pop((one.ref.sha256, one.mark), None)
        if await self._disposal.named({one.ref.sha256}):
            await self._shelves.put_back(one)
        elif await self._shelves.destroy(one):
            _count(tally, one)

    def _gently(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._is_hasty else _Rest(self._sweep, self._is_busy)


class _Rest(AbstractAsyncContextManager[None]):
    """Around one step: rests after it is done, by the time that it took; who is to stop does not."""

    def __init__(self, sweep: Sweep, is_busy: Callable[[], bool]) -> None:
        self._sweep = sweep
        self._is_busy = is_busy
        self._began = 0.0

    async def __aenter__(self) -> None:
        self._began = asyncio.get_running_loop().time()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        took = asyncio.get_running_loop().time() - self._began
        ease = self._sweep.ease_when_busy if self._is_busy() else self._sweep.ease
        await asyncio.sleep(min(took * ease, self._sweep.longest_rest.total_seconds()))


def _count(tally: Tally, one: Lying) -> None:
    tally.payloads += 1
    tally.payload_bytes += one.ref.size
