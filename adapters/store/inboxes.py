"""``Inboxes`` in SQL: what waits for parties that fetch by HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Dialect, bindparam, or_, select, update

from adapters.store import rows, tables
from adapters.store.readers import Readers
from adapters.store.rows import micros
from adapters.store.sql import One
from adapters.store.writer import Writer
from gateway.model.handover import InboxItem
from gateway.model.ids import PartyKey


class SqlInboxes:
    """``gateway.ports.Inboxes``."""

    def __init__(
        self,
        dialect: Dialect,
        realm: str,
        writer: Writer,
        readers: Readers,
        clock: Callable[[Connection], datetime],
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        i = tables.items
        own = (i.c.realm == bindparam("in_realm", realm)) & (i.c.party == bindparam("whose"))
        it = own & (i.c.id == bindparam("it"))
        self._untaken = One(
            dialect,
            select(i)
            .where(own, i.c.taken_at.is_(None), i.c.expires_at > bindparam("now"))
            .order_by(i.c.lane, i.c.available_at, i.c.id)
            .limit(bindparam("most")),
        )
        self._item = One(dialect, select(i).where(it))
        self._lock = One(
            dialect,
            update(i)
            .values(lock=bindparam("token"), locked_until=bindparam("until"), version=i.c.version + 1)
            .where(it, i.c.taken_at.is_(None))
            .where(
                or_(
                    i.c.locked_until.is_(None),
                    i.c.locked_until <= bindparam("now"),
                    i.c.lock == bindparam("token"),
                )
            ),
        )

    async def peek(self, party: PartyKey, limit: int) -> Sequence[InboxItem]:
        """``Inboxes.peek``."""
        return await self._readers.ask(lambda connection: self._peek(connection, party, limit))

    async def item(self, party: PartyKey, item: str) -> InboxItem | None:
        """``Inboxes.item``."""
        return await self._readers.ask(lambda connection: self._find(connection, party, item))

    async def lock(self, party: PartyKey, item: str, lock: str, lasting: timedelta) -> InboxItem | None:
        """``Inboxes.lock``.  The lock that holds may be taken again, for longer.  Counts as a version."""
        return await self._writer.call(lambda connection: self._hold(connection, party, item, lock, lasting))

    def _peek(self, connection: Connection, party: PartyKey, limit: int) -> Sequence[InboxItem]:
        now = micros(self._clock(connection))
        found = self._untaken.run(connection, whose=party, now=now, most=max(limit, 0))
        return [rows.item_of(row) for row in found]

    def _find(self, connection: Connection, party: PartyKey, item: str) -> InboxItem | None:
        row = self._item.run(connection, whose=party, it=item).one_or_none()
        found = rows.item_of(row) if row is not None else None
        if found is not None and found.locked_until is not None:
            is_over = found.locked_until <= self._clock(connection)
            return replace(found, locked_until=None) if is_over else found
        return found

    def _hold(
        self, connection: Connection, party: PartyKey, item: str, lock: str, lasting: timedelta
    ) -> InboxItem | None:
        now = self._clock(connection)
        until = micros(now + lasting)
        held = self._lock.run(connection, whose=party, it=item, token=lock, until=until, now=micros(now))
        return self._find(connection, party, item) if held.rowcount else None
