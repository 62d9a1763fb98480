"""``Usage`` in SQL: what parties have used of their quotas; one row each, written once a beat of each worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, Dialect, bindparam, func, literal_column, select

from adapters.store import rows, tables
from adapters.store.readers import Readers
from adapters.store.rows import Row, micros
from adapters.store.sql import Bulk, Listed, inserting, upsert
from adapters.store.writer import Writer
from gateway.model.change import WorkKind
from gateway.model.ids import PartyKey
from gateway.model.quota import Quota, Used, drained, never_below_nought

PARTS = 1000
"""What is used stands there in thousandths: a whole number, and exact in both databases."""


class SqlUsage:
    """``gateway.ports.Usage``."""

    def __init__(
        self,
        dialect: Dialect,
        writer: Writer,
        readers: Readers,
        clock: Callable[[Connection], datetime],
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        u, w = tables.usage, tables.work
        of_party = select(u).order_by(u.c.party)
        self._rows = Listed(dialect, of_party, u.c.party)
        # Two workers that write the same parties wait for each other, in the order of the keys.
        self._held = Listed(dialect, of_party.with_for_update(), u.c.party)
        self._begin = inserting(dialect, u, or_ignore=True)
        names = [column.name for column in u.columns]
        put = upsert(dialect, u).values({name: bindparam(name, type_=u.c[name].type) for name in names})
        changed = {name: put.excluded[name] for name in names if name != "party"}
        self._put = Bulk(
            dialect, put.on_conflict_do_update(index_elements=[u.c.party], set_=changed).inline(), names
        )
        self._waiting = Listed(
            dialect,
            select(w.c.line, func.count())
            .where(w.c.kind == literal_column(f"'{WorkKind.DOCUMENT.value}'"))
            .group_by(w.c.line),
            w.c.line,
        )

    async def look(self, quotas: Mapping[PartyKey, Quota]) -> Mapping[PartyKey, Used]:
        """``Usage.look``."""

        def query(connection: Connection) -> Mapping[PartyKey, Used]:
            now, waiting = self._clock(connection), self._waits(connection, quotas)
            found = _by_party(self._rows.run(connection, quotas))
            return {
                party: _used(found.get(party), quota, now, waiting.get(party, 0))
                for party, quota in quotas.items()
            }

        return await self._readers.ask(query)

    async def draw(self, drawn: Mapping[PartyKey, tuple[Used, Quota]]) -> Mapping[PartyKey, Used]:
        """``Usage.draw``."""
        return await self._writer.call(lambda connection: self._draw(connection, drawn))

    def _draw(
        self, connection: Connection, drawn: Mapping[PartyKey, tuple[Used, Quota]]
    ) -> Mapping[PartyKey, Used]:
        now = self._clock(connection)
        waiting = self._waits(connection, {party: quota for party, (_, quota) in drawn.items()})
        parties = sorted(drawn)
        self._begin.run(connection, [(party, 0, 0, 0, micros(now)) for party in parties])
        found = _by_party(self._held.run(connection, parties))
        after, changed = {}, []
        for party in parties:
            amount, quota = drawn[party]
            row = found[party]
            after[party] = used = never_below_nought(_used(row, quota, now, waiting.get(party, 0)), amount)
            # A row of which nothing is drawn drains by itself: each writing would round what has drained.  But one
            # from the future, before the clock went back, would not drain until then.
            if amount != Used(waiting=amount.waiting) or rows.instant(row[-1]) > now:
                parts = (used.bytes, used.documents, used.urgent)
                changed.append((party, *(round(part * PARTS) for part in parts), micros(now)))
        self._put.run(connection, changed)
        return after

    def _waits(self, connection: Connection, quotas: Mapping[PartyKey, Quota]) -> Mapping[str, int]:
        bounded = [party for party, quota in quotas.items() if quota.documents_waiting]
        return {row[0]: row[1] for row in self._waiting.run(connection, bounded)}


def _by_party(found: Iterable[Row]) -> Mapping[str, Row]:
    return {row[0]: row for row in found}


def _used(row: Row | None, quota: Quota, now: datetime, waiting: int) -> Used:
    if row is None:
        return Used(waiting=waiting)
    _, size, documents, urgent, at = row
    then = Used(bytes=size / PARTS, documents=documents / PARTS, urgent=urgent / PARTS, waiting=waiting)
    return drained(then, quota, now - rows.instant(at))
