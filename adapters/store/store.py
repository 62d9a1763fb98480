"""Opens the database and gives the ports that live in it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from adapters.store.changes import Changes, Retention
from adapters.store.dead import SqlDeadLetters
from adapters.store.disposal import SqlDisposal
from adapters.store.engine import file_of, open_readers, open_writer, parse, store_clock, unavailable
from adapters.store.inboxes import SqlInboxes
from adapters.store.leases import Leases
from adapters.store.ledger import SqlLedger
from adapters.store.lives import SqlLives
from adapters.store.log import SqlLog
from adapters.store.log_records import SqlLogRecords
from adapters.store.migrate import migrate
from adapters.store.readers import Readers
from adapters.store.records import SqlRecords
from adapters.store.usage import SqlUsage
from adapters.store.watch import SqlWatch
from adapters.store.writer import Writer
from gateway.errors import Unavailable

ANSWER_S = 5.0
"""How long a health check waits for the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the state lives.

    ``url``: ``sqlite:////path/to/file`` or ``postgresql://user:password@host/database``.  ``realm`` is the
    province whose inboxes and audit these are.  ``readers``: how many threads read.  ``min_free_bytes``: with
    less disk beside an SQLite file the health check complains.
    """

    url: str = field(repr=False)
    realm: str = ""
    readers: int = 2
    min_free_bytes: int = 256 * 1024 * 1024
    retention: Retention = field(default_factory=Retention)


class Store:
    """The database, open.  ``ledger``, ``lives``, ``inboxes``, ``records``, ``dead``, ``watch``, ``usage``, ``disposal``, ``log``
    and ``log_records`` are ports of the core."""

    def __init__(
        self, options: Options, loop: asyncio.AbstractEventLoop, now: Callable[[], datetime] | None
    ) -> None:
        """Use ``open``."""
        self._options = options
        self._url = parse(options.url)
        clock = _fixed(now) if now else store_clock
        self._engine = open_writer(self._url)
        dialect = self._engine.dialect
        leases = Leases(dialect, clock)
        changes = Changes(dialect, options.realm, options.retention, leases)
        self._writer = Writer(self._engine, changes, loop)
        self._readers = Readers(open_readers(self._url, options.readers), options.readers)
        self._leases = leases
        self.ledger = SqlLedger(dialect, self._writer, self._readers, leases)
        self.lives = SqlLives(dialect, self._writer, leases)
        self.inboxes = SqlInboxes(dialect, options.realm, self._writer, self._readers, clock)
        self.records = SqlRecords(dialect, options.realm, self._writer, self._readers)
        self.dead = SqlDeadLetters(dialect, self._readers)
        self.watch = SqlWatch(dialect, self._readers)
        self.usage = SqlUsage(dialect, self._writer, self._readers, clock)
        self.disposal = SqlDisposal(
            dialect, options.realm, options.retention, self._writer, self._readers, leases
        )
        self.log = SqlLog(dialect, self._writer, self._readers, leases)
        self.log_records = SqlLogRecords(dialect, self._writer, self._readers)

    @classmethod
    async def open(cls, options: Options, *, now: Callable[[], datetime] | None = None) -> Store:
        """Bring the tables up to date and open them.  Any number of processes may do so at once.

        *now* is a clock in place of the store's own: the server's, or for SQLite the machine's.
        Raises ``ConfigError`` for a URL that can't be meant, ``Unavailable`` where nobody answers.
        """
        url = parse(options.url)
        try:
            await asyncio.to_thread(migrate, url)
            # Compiling all statements takes longer than a loop may be held.
            store = await asyncio.to_thread(cls, options, asyncio.get_running_loop(), now)
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(error) from error
        try:
            await store._writer.call(store._leases.sweep)
        except BaseException:
            await store.close()
            raise
        return store

    def group_while(self, is_crowded: Callable[[], bool]) -> None:
        """Have changes wait a few milliseconds for each other while *is_crowded* says so."""
        self._writer.is_crowded = is_crowded

    async def close(self) -> None:
        """Finish what waits, then close.  May be called twice."""
        await self._writer.close()
        await self._readers.close()
        self._engine.dispose()

    async def check(self) -> str:
        """``ok``, or one sentence that says what is wrong."""
        if not self._writer.is_alive:
            return "the store's writer has ended"
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._readers.ask(_answers)
                await self._writer.call(_answers)
        except TimeoutError:
            return f"the store did not answer within {ANSWER_S:.0f} s"
        except Unavailable as away:
            return f"the store does not answer: {away}"
        file = file_of(self._url)
        if file is not None:
            free = (await asyncio.to_thread(shutil.disk_usage, file.parent)).free
            if free < self._options.min_free_bytes:
                return f"only {free // 2**20} MiB of disk are free for the store"
        return "ok"

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _answers(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT 1").all()


def _fixed(now: Callable[[], datetime]) -> Callable[[Connection], datetime]:
    return lambda _connection: now()
