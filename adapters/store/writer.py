"""The one writer of a process: a thread that groups whatever waits into one transaction.

The asyncio side leaves changes (and short calls, such as a lease) in a queue; while the database syncs one
group, the next one gathers.  Each group costs a sync and two changes of threads, on PostgreSQL three trips.  So what
only strikes off work that is done makes no group of its own unless nothing else comes for a while, for nobody's
document waits for it; and while many documents are in hand nothing does: each waits longer for a processor than that.
Each group is answered once, after its commit.  A group that fails for a reason that lies in its content is halved
until the one that can't be written stands alone; the others commit.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from adapters.store.changes import Changes, number_of
from adapters.store.engine import is_broken, is_contradiction, is_outage, is_passing, unavailable
from gateway.errors import Unavailable
from gateway.model.change import Change, Outcome, Stale

log = structlog.get_logger("store")

T = TypeVar("T")

MOST_ROWS = 4000
"""How many rows one transaction writes at most (a single change may have more)."""

PATIENCE_S = 0.025
"""How long what only tidies up, and in a crowd anything, waits for others to be written with."""

MOST_PATIENT = 32
"""How many wait at most."""

TRIES = 5
"""How often a group that lost a race or met a lock is tried again as it is."""

OUTAGE_S = 8.0
"""How long the fate of a commit is asked for when the connection broke in it; shorter than a life lasts."""


@dataclass(slots=True)
class _Job:
    """A change to write, or a call to make with the connection; and who waits for the answer."""

    future: asyncio.Future[Any]
    change: Change | None
    call: Callable[[Connection], Any] | None = None

    @property
    def rows(self) -> int:
        c = self.change
        if c is None:
            return 1
        return 4 + len(c.handovers) + len(c.items) + len(c.events) + len(c.evidence) + len(c.work)


class Writer:
    """Owns the thread and its connection.  Answers on *loop*, from which alone it is called."""

    def __init__(
        self,
        engine: Engine,
        changes: Changes,
        loop: asyncio.AbstractEventLoop,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.is_crowded: Callable[[], bool] = lambda: False
        """Whether so much is in hand that a few milliseconds more count for nothing."""
        self._patience_s = patience_s
        self._engine = engine
        self._changes = changes
        self._loop = loop
        self._queue: SimpleQueue[list[_Job] | None] = SimpleQueue()
        self._patient: list[_Job] = []
        self._held: list[_Job] = []
        self._connection: Connection | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread still serves."""
        return self._thread.is_alive() and not self._is_closed

    async def commit(self, change: Change) -> Outcome:
        """Write *change* with whatever else waits; durable on return."""
        outcome: Outcome = await self._put(change, None)
        return outcome

    async def call(self, call: Callable[[Connection], T]) -> T:
        """Make *call* inside a group's transaction; durable on return.  It may be called more than once."""
        answer: T = await self._put(None, call)
        return answer

    async def close(self) -> None:
        """Finish what waits, then end the thread.  May be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self._hurry()
            self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _put(self, change: Change | None, call: Callable[[Connection], Any] | None) -> asyncio.Future[Any]:
        if self._is_closed:
            raise Unavailable("store-away", "closed")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._patient.append(_Job(future, change, call))  # all go in the order in which they came
        is_patient = (change is not None and change.is_tidying) or self.is_crowded()
        if not is_patient or len(self._patient) >= MOST_PATIENT:
            self._hurry()
        elif len(self._patient) == 1:
            self._loop.call_later(self._patience_s, self._hurry)
        return future

    def _hurry(self) -> None:
        jobs, self._patient = self._patient, []
        if jobs:
            self._queue.put(jobs)

    # --- in the thread ------------------------------------------------------------------------------

    def _work(self) -> None:
        while (jobs := self._take()) is not None:
            try:
                self._settle(jobs)
            except BaseException as bug:  # whoever waits must get an answer, and the next group its turn
                log.exception("group lost", error=type(bug).__name__)
                self._answer([(job, Unavailable("internal", type(bug).__name__)) for job in jobs])
        self._drop_connection()

    def _take(self) -> list[_Job] | None:
        jobs = self._held
        self._held = []
        if not jobs:
            first = self._queue.get()
            if first is None:
                return None
            jobs = first
        weight = sum(job.rows for job in jobs)
        while weight < MOST_ROWS:
            try:
                more = self._queue.get_nowait()
            except Empty:
                break
            if more is None:
                self._queue.put(None)  # closing: this group first
                break
            jobs += more
            weight += sum(job.rows for job in more)
        return jobs

    def _settle(self, jobs: list[_Job]) -> None:
        """Answer all *jobs*, or keep them for the next group."""
        is_careful = False
        failure: Exception
        for attempt in range(TRIES):
            try:
                answers = self._transact(jobs, is_careful)
            except Exception as error:
                failure = error
                if is_contradiction(error):
                    is_careful = True
                elif is_passing(error):
                    time.sleep(random.uniform(0, 0.005 * 2**attempt))
                elif not (is_broken(error) and attempt == 0):  # an idle connection may have died unnoticed
                    break
            else:
                self._answer(answers)
                self._held += [job for job, answer in answers if answer is None and job.change]
                return
        if len(jobs) > 1 and (is_passing(failure) or not is_outage(failure)):
            middle = len(jobs) // 2
            self._settle(jobs[:middle])
            self._settle(jobs[middle:])
            return
        if is_contradiction(failure) and jobs[0].change is not None:
            self._answer([(job, Stale()) for job in jobs])  # somebody else is always quicker
            return
        log.warning("not written", jobs=len(jobs), error=type(failure).__name__)
        for job in jobs:
            answer = unavailable(failure)
            answer.__cause__ = failure
            self._answer([(job, answer)])

    def _transact(self, jobs: Sequence[_Job], is_careful: bool) -> list[tuple[_Job, Any]]:
        connection = self._connect()
        transaction = connection.begin()
        number: int | None = None
        try:
            changes = [job.change for job in jobs if job.change is not None]
            outcomes: list[Outcome | None] = []
            if changes:
                outcomes, number = self._changes.write(connection, changes, careful=is_careful)
            left = iter(outcomes)
            answers = [
                (
                    job,
                    next(left)
                    if job.change is not None
                    else _Answer(job.call(connection) if job.call else None),
                )
                for job in jobs
            ]
            number = number or number_of(connection)
        except BaseException:
            self._roll_back(connection, transaction)
            raise
        try:
            transaction.commit()
        except BaseException as error:
            self._drop_connection()
            if number is None or not self._was_committed(number, error):
                raise
        return answers

    def _was_committed(self, number: int, error: BaseException) -> bool:
        """Whether transaction *number* was committed although its answer was lost with the connection."""
        if not isinstance(error, Exception) or not is_outage(error) or is_passing(error):
            return False
        deadline = time.monotonic() + OUTAGE_S
        while time.monotonic() < deadline:
            with suppress(SQLAlchemyError):
                connection = self._connect()
                status = connection.exec_driver_sql(
                    "SELECT pg_xact_status(%s::text::xid8)", (str(number),)
                ).scalar()
                connection.rollback()
                if status != "in progress":
                    return bool(status == "committed")
            self._drop_connection()
            time.sleep(0.2)
        return False

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _roll_back(self, connection: Connection, transaction: Any) -> None:
        with suppress(Exception):
            transaction.rollback()
        if connection.invalidated or connection.in_transaction():
            self._drop_connection()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.invalidate()
                connection.close()

    def _answer(self, answers: Sequence[tuple[_Job, Any]]) -> None:
        told = [(job.future, answer) for job, answer in answers if answer is not None]
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_tell, told)


@dataclass(slots=True)
class _Answer:
    """What a call answered; ``None`` is an answer, too."""

    value: Any


def _tell(answers: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in answers:
        if future.done():  # whoever asked was cancelled meanwhile
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer.value if isinstance(answer, _Answer) else answer)
