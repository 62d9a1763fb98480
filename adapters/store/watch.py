"""``Watch`` in SQL: what nobody works on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnClause, Connection, Dialect, bindparam, literal_column, select

from adapters.store import rows, tables
from adapters.store.readers import Readers
from adapters.store.rows import micros
from adapters.store.sql import One
from gateway.errors import Reason
from gateway.model.change import WorkKind
from gateway.model.ids import DocumentId, Owner, PartyKey
from gateway.model.journey import FINAL_SUBMISSIONS, HandOverState, SubmissionState
from gateway.model.stuck import Page, Stray, Undone

MOST_HELD = 10_000


class SqlWatch:
    """``gateway.ports.Watch``."""

    def __init__(self, dialect: Dialect, readers: Readers) -> None:
        self._readers = readers
        s, h, w = tables.submissions, tables.handovers, tables.work
        self._held = One(
            dialect,
            select(w.c.key).where(w.c.owner == bindparam("who")).limit(literal_column(str(MOST_HELD))),
        )
        self._page = One(
            dialect,
            select(s.c.document)
            .where(s.c.document > bindparam("after"))
            .order_by(s.c.document)
            .limit(bindparam("most")),
        )
        undecided = [_quoted(state) for state in SubmissionState if state not in FINAL_SUBMISSIONS]
        self._documents = One(
            dialect,
            select(s.c.document)
            .where(s.c.document > bindparam("after"), s.c.document <= bindparam("last"))
            .where(s.c.state.in_(undecided))
            .where(~select(w.c.key).where(w.c.key == literal_column("'document:'") + s.c.document).exists()),
        )
        self._copies = One(
            dialect,
            select(h.c.document, h.c.recipient)
            .where(h.c.document > bindparam("after"), h.c.document <= bindparam("last"))
            .where(h.c.state == _quoted(HandOverState.PENDING))
            .where(~select(w.c.key).where(w.c.key == literal_column("'delivery:'") + h.c.delivery).exists()),
        )
        self._undone = One(
            dialect,
            select(w, s.c.received_at)
            .join(s, s.c.document == w.c.document)
            .where(w.c.kind != _quoted(WorkKind.DEADLINE), s.c.received_at < bindparam("before"))
            .order_by(s.c.received_at, w.c.key)
            .limit(bindparam("most")),
        )

    async def held(self, owner: Owner) -> Sequence[str]:
        """``Watch.held``."""

        def query(connection: Connection) -> Sequence[str]:
            return [key for (key,) in self._held.run(connection, who=owner)]

        return await self._readers.ask(query)

    async def strays(self, after: DocumentId, limit: int) -> Page:
        """``Watch.strays``."""

        def query(connection: Connection) -> Page:
            page = [document for (document,) in self._page.run(connection, after=after, most=limit)]
            if not page:
                return Page()
            span = {"after": after, "last": page[-1]}
            found = [Stray(document=DocumentId(d)) for (d,) in self._documents.run(connection, **span)]
            found += [
                Stray(document=DocumentId(d), recipient=PartyKey(r))
                for d, r in self._copies.run(connection, **span)
            ]
            last = DocumentId(page[-1]) if len(page) == limit else None
            return Page(strays=tuple(found), last=last)

        return await self._readers.ask(query)

    async def undone(self, before: datetime, limit: int) -> Sequence[Undone]:
        """``Watch.undone``."""

        def query(connection: Connection) -> Sequence[Undone]:
            return [
                Undone(
                    work=rows.work_of(row),
                    since=rows.instant(row[-1]),
                    reason=Reason(row[10]) if row[10] is not None else None,
                )
                for row in self._undone.run(connection, before=micros(before), most=limit)
            ]

        return await self._readers.ask(query)


def _quoted(word: str) -> ColumnClause[str]:
    """One of our own words, said in the statement itself."""
    return literal_column(f"'{word}'")
