"""``Lives`` in SQL: who is alive by the store's clock, and what has died how often."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, Dialect, bindparam

from adapters.store import tables
from adapters.store.engine import process_micros
from adapters.store.leases import Leases
from adapters.store.sql import One, upsert
from adapters.store.writer import Writer
from gateway.model.ids import Owner


class SqlLives:
    """``gateway.ports.Lives``."""

    def __init__(self, dialect: Dialect, writer: Writer, leases: Leases) -> None:
        self._writer = writer
        self._leases = leases
        d = tables.deaths
        died = upsert(dialect, d).values(
            key=bindparam("it"), count=bindparam("first"), last_at=bindparam("at")
        )
        self._died = One(
            dialect,
            died.on_conflict_do_update(
                index_elements=[d.c.key], set_={"count": d.c.count + 1, "last_at": died.excluded.last_at}
            ).returning(d.c.count),
        )

    async def beat(self, owner: Owner, lasting: timedelta) -> None:
        """``Lives.beat``.  A beat after the end of its life begins a new one, without the old one's work."""
        await self._writer.call(lambda connection: self._leases.live(connection, owner, lasting))
        self._leases.known.add(owner)

    async def bury(self, owner: Owner) -> None:
        """``Lives.bury``."""
        self._leases.known.discard(owner)
        await self._writer.call(lambda connection: self._leases.die(connection, owner))

    async def died(self, key: str, *, first: int = 1) -> int:
        """``Lives.died``."""
        return await self._writer.call(lambda connection: self._count(connection, key, first))

    def _count(self, connection: Connection, key: str, first: int) -> int:
        return int(self._died.run(connection, it=key, first=first, at=process_micros()).scalar_one())
