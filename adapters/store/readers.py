"""A few threads that read, each with a connection of its own; the one writer is never waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection, Engine

from adapters.store.engine import is_broken, unavailable
from adapters.threads import Threads
from gateway.errors import Unavailable

T = TypeVar("T")


class Readers:
    """Runs queries in threads; every query sees one state of the database throughout."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._threads = Threads(threads, "store-reader")
        self._local = threading.local()
        self._is_closed = False

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """The answer of *query*; raises ``Unavailable`` where the database does not serve."""
        if self._is_closed:
            raise Unavailable("store-away", "closed")
        return await self._threads.run(self._run, query)

    async def close(self) -> None:
        """Finish what runs, then end the threads.  May be called twice."""
        self._is_closed = True
        await self._threads.close()
        self._engine.dispose()

    def _run(self, query: Callable[[Connection], T]) -> T:
        is_fresh = False
        while True:
            connection: Connection | None = getattr(self._local, "connection", None)
            try:
                if connection is None:
                    is_fresh = True
                    connection = self._local.connection = self._engine.connect()
                with connection.begin():
                    return query(connection)
            except Exception as error:
                self._drop(connection)
                # An idle connection may have died unnoticed, for example when the server was restarted.
                if is_broken(error) and not is_fresh:
                    continue
                raise unavailable(error) from error

    def _drop(self, connection: Connection | None) -> None:
        self._local.connection = None
        if connection is not None:
            with suppress(Exception):
                connection.invalidate()
                connection.close()
