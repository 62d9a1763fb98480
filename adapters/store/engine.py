"""Opens the database: SQLite or PostgreSQL, for the one writer or for readers, and names its failures."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import QueuePool

from adapters.store.rows import instant, micros
from gateway.errors import ConfigError, Unavailable

LOCK_WAIT_S = 10.0
"""How long a transaction waits for another's lock before it is tried again, or given up."""

# No mmap: it was not quicker, and its pages count as our memory.
_SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    f"busy_timeout={int(LOCK_WAIT_S * 1000)}",
    "foreign_keys=OFF",
    "temp_store=MEMORY",
    "cache_size=-16000",
    # Checkpoints sync the database file as well: at 16 MB of log, not at every 4.
    "wal_autocheckpoint=4000",
    "journal_size_limit=67108864",
)


def parse(url: str) -> URL:
    """*url* as SQLAlchemy reads it; raises ``ConfigError`` for what is neither SQLite (file) nor PostgreSQL."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("store.url: not a database URL") from error
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ConfigError("store.url: SQLite needs a file, for several processes share it")
        return parsed.set(drivername="sqlite+pysqlite")
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(f"store.url: {parsed.get_backend_name()} is neither sqlite nor postgresql")


def file_of(url: URL) -> Path | None:
    """The file of an SQLite database."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def open_writer(url: URL) -> Engine:
    """An engine whose transactions write: they begin with the right to do so."""
    if file_of(url) is None:
        # Every statement of ours goes by a key, however few rows a table has today: its plan is made once.
        return _postgresql(url, 1, " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off")
    engine = _sqlite(url, connections=1)
    event.listen(engine, "connect", _wait_by_ourselves)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def open_readers(url: URL, connections: int) -> Engine:
    """An engine whose transactions see one state of the database throughout."""
    if file_of(url) is None:
        return _postgresql(url, connections).execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
    engine = _sqlite(url, connections)
    event.listen(engine, "begin", _begin_deferred)
    return engine


def store_clock(connection: Connection) -> datetime:
    """Now, as everybody who shares the store sees it: the server's clock, or the machine's."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    row = connection.exec_driver_sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").one()
    return instant(row[0])


def process_micros() -> int:
    """The machine's clock, where nothing is compared with other machines' work."""
    return micros(datetime.now(UTC))


class Contradicted(Exception):
    """Some row is not what a change expected: nothing may be committed."""


def is_contradiction(error: Exception) -> bool:
    """Whether a row was not as expected: of another version, or there although it was to be new."""
    return isinstance(error, Contradicted | IntegrityError)


def is_passing(error: Exception) -> bool:
    """Whether the same transaction may succeed at once: a deadlock, a lock, a lost race."""
    # spec: PostgreSQL, Appendix A - serialization_failure, deadlock_detected, lock_not_available
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, OperationalError) else None
    return state in ("40001", "40P01", "55P03")


def is_broken(error: Exception) -> bool:
    """Whether it was the connection that broke."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def is_outage(error: Exception) -> bool:
    """Whether the database as a whole does not serve, whatever it was asked."""
    return isinstance(error, OperationalError) or is_broken(error)


def unavailable(error: Exception) -> Unavailable:
    """What the caller gets to see of *error*."""
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, DBAPIError):
        text, state = str(error.orig), getattr(error.orig, "sqlstate", None)
        if "disk is full" in text or state == "53100":
            return Unavailable("disk-full")
        if is_outage(error):
            return Unavailable("store-away", type(error.orig).__name__)
    return Unavailable("internal", f"not writable or readable: {type(error).__name__}")


def _sqlite(url: URL, connections: int) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # values of rows have no place in an error's words, which are logged
        connect_args={
            "check_same_thread": False,
            "isolation_level": None,  # transactions begin where we say so
            "cached_statements": 512,
            "timeout": LOCK_WAIT_S,
        },
    )
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _wait_by_ourselves(connection: Any, _record: Any) -> None:
    # SQLite's own waiting sleeps up to 100 ms between two looks, so that one busy process starves another.
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=0")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    cursor = connection.connection.cursor()
    try:
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
                return
            except Exception as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(random.uniform(0.0003, 0.0015))
    finally:
        cursor.close()


def _begin_deferred(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _postgresql(url: URL, connections: int, more: str = "") -> Engine:
    settings = {
        "application_name": "vanthu",
        "connect_timeout": "10",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "30000",
        "options": (
            f"-c statement_timeout=60s -c lock_timeout={int(LOCK_WAIT_S)}s"
            # Compiling takes longer than any statement of ours, and one that must scan a small table where scans are
            # forbidden looks so dear that it is compiled each time it is said.
            " -c idle_in_transaction_session_timeout=60s -c timezone=UTC -c jit=off" + more
        ),
        "client_encoding": "utf8",
    }
    given: dict[str, Any] = {name: value for name, value in settings.items() if name not in url.query}
    # Else the driver prepares on its own, too, and after a ROLLBACK has the server forget all that is prepared: ours.
    given["prepare_threshold"] = None
    return create_engine(
        url,
        paramstyle="format",
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args=given,
    )
