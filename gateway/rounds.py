"""Goes the rounds: looks for what is stuck, sets it going again where that is safe, and tells.

Runs beside the exchange in every worker process, in small steps.  Each looks after what is leased to itself but in
nobody's hand (the store had committed, and the answer was lost): nobody else may take that while this life lasts.
The one that numbers the evidence walks besides through all documents, a page at a time, and looks for documents
that are not decided, and copies that are not handed over, for which there is no work.

Both are safe: work that is set free although somebody had it in hand is work of another life, whose fence holds;
work that is made although there is nothing left to do is forgotten when it is resumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from gateway.errors import Reason, Unavailable
from gateway.loops import Loops
from gateway.model.change import Change, Event, Fence, Postponed, Stale, Work, WorkKind
from gateway.model.document import Dossier
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, Owner
from gateway.model.journey import FINAL_SUBMISSIONS, HandOverState
from gateway.model.stuck import Stray
from gateway.ports import Clock, Ledger, Watch

log = structlog.get_logger("rounds")

LEFT_BEHIND = Reason("left-behind")
TOLD_FOR = timedelta(hours=1)
"""How long readiness tells what was found."""


class Numbers(Protocol):
    """Where numbers go (``adapters.http.metrics``)."""

    def stuck(self, what: str) -> None:
        """Something was stuck, and is set going again."""
        ...

    def in_hand(self, count: int, oldest_s: float) -> None:
        """So many errands are in hand, the oldest for *oldest_s*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How often: own leases are looked at every ``own`` and freed at the second look; one ``page`` of documents every
    ``step``, and after the last page a pause of ``lap``.  ``long`` in hand is worth a word."""

    own: timedelta = timedelta(seconds=5)
    step: timedelta = timedelta(seconds=1)
    page: int = 500
    lap: timedelta = timedelta(minutes=1)
    long: timedelta = timedelta(minutes=10)


class Rounds:
    """One life's rounds.

    *hand*: the keys of what this life has in hand, with the moment of the loop since when; *leads*: whether this life
    is the one that walks through the documents.
    """

    def __init__(
        self,
        watch: Watch,
        ledger: Ledger,
        clock: Clock,
        *,
        owner: Owner,
        hand: Callable[[], Mapping[str, float]],
        leads: Callable[[], bool],
        numbers: Numbers,
        steps: Steps = Steps(),
    ) -> None:
        self._watch = watch
        self._ledger = ledger
        self._clock = clock
        self._owner = owner
        self._hand = hand
        self._leads = leads
        self._numbers = numbers
        self._steps = steps
        self._missed: Set[str] = frozenset()
        self._after = DocumentId("")
        self._found: list[datetime] = []
        self._loops = Loops()

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin, after one step."""
        self._loops.begin("rounds-own", self._look_after_own())
        self._loops.begin("rounds-walk", self._walk_on())

    async def stop(self) -> None:
        """End.  May be called twice."""
        await self._loops.end()

    @property
    def failed(self) -> BaseException | None:
        """What ended a loop that must not end, if any."""
        return self._loops.failed

    async def state(self) -> str:
        """``ok``, with what was found stuck within the last hour and what is in hand for too long."""
        since = self._clock.now() - TOLD_FOR
        self._found = [at for at in self._found if at > since]
        told = [f"{len(self._found)} stuck and set going again within an hour"] if self._found else []
        now, long = asyncio.get_running_loop().time(), self._steps.long.total_seconds()
        old = [(now - at, key) for key, at in self._hand().items() if now - at > long]
        if old:
            oldest, key = max(old)
            told.append(f"IN HAND FOR LONG: {len(old)}, {key} for {oldest:.0f} s")
        return ", ".join(("ok", *told))

    async def _look_after_own(self) -> None:
        while True:
            await asyncio.sleep(self._steps.own.total_seconds())
            try:
                await self.look_after_own()
            except Unavailable as away:
                log.warning("rounds not made", reason=away.reason)

    async def _walk_on(self) -> None:
        while True:
            is_over = True
            try:
                is_over = not self._leads() or await self.walk()
            except Unavailable as away:
                log.warning("rounds not made", reason=away.reason)
            await asyncio.sleep((self._steps.lap if is_over else self._steps.step).total_seconds())

    # --- what is leased to this life ------------------------------------------------------------------

    async def look_after_own(self) -> int:
        """Set free what is leased to us, but was in nobody's hand at two looks; how many those were.

        At one look it may be on its way into our hands: between a commit and its answer.
        """
        leased = await self._watch.held(self._owner)
        hand = self._hand()
        now = asyncio.get_running_loop().time()
        self._numbers.in_hand(len(hand), now - min(hand.values(), default=now))
        missing = {key for key in leased if key not in hand}
        twice, self._missed = missing & self._missed, missing
        freed = 0
        for key in sorted(twice):
            later = Postponed(key=key, due_at=self._clock.now(), reason=LEFT_BEHIND)
            fence = Fence(key=key, owner=self._owner)
            if not isinstance(await self._ledger.commit(Change(fence=fence, postponed=(later,))), Stale):
                freed += 1
                self._tell("lease", work=key)
        return freed

    # --- what has no work ---------------------------------------------------------------------------

    async def walk(self) -> bool:
        """Look at one more page of documents; whether it was the last.  Then the next begins from the first."""
        page = await self._watch.strays(self._after, self._steps.page)
        for stray in page.strays:
            await self._set_going(stray)
        self._after = page.last or DocumentId("")
        return page.last is None

    async def _set_going(self, stray: Stray) -> None:
        dossier = await self._ledger.load(stray.document, stray.recipient)
        if dossier is None:
            return
        now = self._clock.now()
        copy = dossier.of(stray.recipient) if stray.recipient else None
        work = _work_of(dossier, now) if stray.recipient is None else _work_for(dossier, copy, now)
        if work is None:  # it was done meanwhile
            return
        event = Event(
            document=stray.document,
            at=now,
            stage="deliver" if copy else "validate",
            event="set-going-again",
            recipient=stray.recipient,
            reason=LEFT_BEHIND,
        )
        await self._ledger.commit(Change(work=(work,), events=(event,)))
        self._tell("copy" if copy else "document", work=work.key)

    def _tell(self, what: str, *, work: str) -> None:
        log.warning("stuck, set going again", what=what, work=work)
        self._numbers.stuck(what)
        self._found.append(self._clock.now())


def _work_of(dossier: Dossier, now: datetime) -> Work | None:
    submission = dossier.submission
    if submission.state in FINAL_SUBMISSIONS:
        return None
    return Work(
        key=f"document:{submission.document}",
        kind=WorkKind.DOCUMENT,
        document=submission.document,
        due_at=now,
        priority=submission.priority,
        attempts=submission.version - 1,  # as after so many waits: no suspect
    )


def _work_for(dossier: Dossier, copy: HandOver | None, now: datetime) -> Work | None:
    if copy is None or copy.state is not HandOverState.PENDING:
        return None
    return Work(
        key=f"delivery:{copy.delivery}",
        kind=WorkKind.DELIVERY,
        document=copy.document,
        due_at=now,
        party=copy.recipient,
        recipient=copy.recipient,
        priority=dossier.submission.priority,
        attempts=1,  # it may have been brought already
    )
