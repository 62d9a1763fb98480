"""``Disposal`` in SQL: what has been kept long enough, and what still refers to bytes.

Our document ids sort by the time of receipt, so what is old enough lies at the beginning of a table, or of an index
over those rows alone that have something to lose: a look costs by what it finds, not by what is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Dialect, bindparam, delete, or_, select

from adapters.store import rows, tables
from adapters.store.changes import Retention
from adapters.store.leases import Leases
from adapters.store.readers import Readers
from adapters.store.rows import instant, micros
from adapters.store.sql import Listed, One, upsert
from adapters.store.writer import Writer
from gateway.model.ids import DocumentId, Owner, PartyKey
from gateway.model.retention import DataClass, Due

DUTY = "disposal"


class SqlDisposal:
    """``gateway.ports.Disposal``."""

    def __init__(
        self,
        dialect: Dialect,
        realm: str,
        retention: Retention,
        writer: Writer,
        readers: Readers,
        leases: Leases,
    ) -> None:
        self._realm = realm
        self._retention = retention
        self._writer = writer
        self._readers = readers
        self._leases = leases
        s, h, c = tables.submissions, tables.headers, tables.handovers
        w, i, d, x = tables.work, tables.items, tables.duties, tables.deaths
        self._due = {
            DataClass.CONTENT: One(
                dialect,
                select(s.c.document, s.c.received_at)
                .where(s.c.payload_sha256.is_not(None), s.c.document > bindparam("after"))
                .where(s.c.document < bindparam("old"))
                .where(or_(s.c.delete_after.is_(None), s.c.delete_after <= bindparam("now")))
                .order_by(s.c.document)
                .limit(bindparam("most")),
            ),
            DataClass.METADATA: One(
                dialect,
                select(h.c.document, h.c.delete_after)
                .where(h.c.document > bindparam("after"), h.c.document < bindparam("old"))
                .where(or_(h.c.delete_after.is_(None), h.c.delete_after <= bindparam("now")))
                .order_by(h.c.document)
                .limit(bindparam("most")),
            ),
        }
        self._undone = Listed(dialect, select(w.c.key), w.c.key)
        self._named = [
            Listed(
                dialect,
                select(t.c.payload_sha256).distinct().where(t.c.payload_sha256.is_not(None)),
                t.c.payload_sha256,
            )
            for t in (s, c)
        ]
        is_due = or_(h.c.delete_after.is_(None), h.c.delete_after <= bindparam("now"))
        self._forget = One(dialect, delete(h).where(h.c.document == bindparam("it"), is_due))
        self._clear = One(
            dialect,
            delete(i)
            .where(i.c.realm == bindparam("in_realm", realm), i.c.party == bindparam("whose"))
            .where(i.c.id == bindparam("it"))
            .where(or_(i.c.taken_at.is_not(None), i.c.expires_at <= bindparam("now"))),
        )
        self._sweep = One(dialect, delete(x).where(x.c.last_at < bindparam("before")))
        self._owner = One(dialect, select(d.c.owner).where(d.c.key == bindparam("it")))
        self._take = One(
            dialect,
            upsert(dialect, d)
            .values(key=bindparam("it"), owner=bindparam("who"))
            .on_conflict_do_update(index_elements=[d.c.key], set_={"owner": bindparam("who")}),
        )

    async def lead(self, owner: Owner) -> bool:
        """``Disposal.lead``.  Looks before it asks to write."""

        def is_free(connection: Connection) -> bool | None:
            holder = self._owner.run(connection, it=DUTY).scalar()
            if holder == owner:
                return None
            return holder is None or not self._leases.is_alive(connection, Owner(holder))

        def take(connection: Connection) -> bool:
            if is_free(connection):
                self._take.run(connection, it=DUTY, who=owner)
                return True
            holder = self._owner.run(connection, it=DUTY).scalar()
            return bool(holder == owner)

        found = await self._readers.ask(is_free)
        return True if found is None else await self._writer.call(take) if found else False

    async def due(self, part: DataClass, at: datetime, after: DocumentId | None, limit: int) -> Sequence[Due]:
        """``Disposal.due``: by document id.  Rows without an end of their own have that of today's policy."""
        kept = self._kept(part)
        if kept is None:
            return ()

        def query(connection: Connection) -> Sequence[Due]:
            found = self._due[part].run(
                connection, after=after or "", old=_first_id(at - kept), now=micros(at), most=limit
            )
            since = timedelta() if part is DataClass.METADATA else kept
            return [
                Due(document=DocumentId(row[0]), since=at if row[1] is None else instant(row[1]) + since)
                for row in found
            ]

        return await self._readers.ask(query)

    async def undone(self, keys: Collection[str]) -> Collection[str]:
        """``Disposal.undone``."""
        return await self._readers.ask(
            lambda connection: {row[0] for row in self._undone.run(connection, sorted(keys))}
        )

    async def named(self, digests: Collection[str]) -> Collection[str]:
        """``Disposal.named``."""

        def query(connection: Connection) -> Collection[str]:
            return {row[0] for look in self._named for row in look.run(connection, sorted(digests))}

        return await self._readers.ask(query) if digests else ()

    async def forget(self, document: DocumentId, items: Sequence[tuple[PartyKey, str]], at: datetime) -> bool:
        """``Disposal.forget``."""

        def write(connection: Connection) -> bool:
            now = micros(at)
            if not self._forget.run(connection, it=document, now=now).rowcount:
                return False
            for party, item in items:
                self._clear.run(connection, whose=party, it=item, now=now)
            return True

        return await self._writer.call(write)

    async def sweep(self, before: datetime) -> int:
        """``Disposal.sweep``."""
        return await self._writer.call(
            lambda connection: int(self._sweep.run(connection, before=rows.micros(before)).rowcount)
        )

    def _kept(self, part: DataClass) -> timedelta | None:
        return self._retention.content if part is DataClass.CONTENT else self._retention.metadata


def _first_id(at: datetime) -> str:
    """What sorts before every id of the instant *at* and later.  spec: RFC 9562 §5.7"""
    number = f"{max(micros(at), 0) // 1000:012x}"
    return f"{number[:8]}-{number[8:]}"
