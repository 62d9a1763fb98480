"""``DeadLetters`` in SQL: what ended without success.  Walks along indexes that hold nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, Select, func, literal_column, or_, select, tuple_

from adapters.store import rows, tables
from adapters.store.readers import Readers
from adapters.store.rows import instant, micros
from adapters.store.sql import Listed
from gateway.model.dead import DeadLetter, Place, Wanted
from gateway.model.journey import DEAD_HANDOVERS, SubmissionState


class SqlDeadLetters:
    """``gateway.ports.DeadLetters``."""

    def __init__(self, dialect: Dialect, readers: Readers) -> None:
        self._readers = readers
        s, h = tables.submissions, tables.headers
        self._submissions = Listed(dialect, select(s), s.c.document)
        self._headers = Listed(dialect, select(h), h.c.document)

    async def dead_copies(
        self, wanted: Wanted, after: Place | None, limit: int, newest_first: bool = False
    ) -> Sequence[DeadLetter]:
        """``DeadLetters.dead_copies``."""
        c, n = tables.handovers.c, tables.events.c
        died = (
            select(func.max(n.at))
            .where(n.document == c.document, n.recipient == c.recipient)
            .scalar_subquery()
        )
        # said as the index says it, else it is not used
        states: list[ColumnElement[str]] = [
            literal_column(f"'{state.value}'") for state in sorted(DEAD_HANDOVERS)
        ]
        query: Select[Any] = select(*tables.handovers.c, died.label("died_at")).where(c.state.in_(states))
        if wanted.recipients:
            named = wanted.recipients
            query = query.where(or_(c.recipient.in_(named), c.addressed_as.in_(named)))
        if wanted.sender is not None:
            s = tables.submissions.c
            query = query.where(
                select(s.document).where(s.document == c.document, s.party == wanted.sender).exists()
            )
        query = _narrowed(query, c, died, wanted)
        if after is not None:
            here, last = tuple_(c.document, c.recipient), (after.document, after.recipient or "")
            query = query.where(here < last if newest_first else here > last)
        query = _ordered(query, (c.document, c.recipient), newest_first).limit(max(limit, 0))

        def ask(connection: Connection) -> Sequence[DeadLetter]:
            found = connection.execute(query).all()
            documents = sorted({row[0] for row in found})
            of = {row[0]: rows.submission_of(row) for row in self._submissions.run(connection, documents)}
            headers = {row[0]: rows.header_of(row) for row in self._headers.run(connection, documents)}
            return [
                DeadLetter(
                    submission=of[row[0]],
                    header=headers.get(row[0]),
                    copy=(copy := rows.handover_of(row)),
                    died_at=instant(row[-1]) if row[-1] is not None else of[row[0]].received_at,
                    times=copy.generation,
                )
                for row in found
                if row[0] in of
            ]

        return await self._readers.ask(ask)

    async def dead_submissions(
        self, wanted: Wanted, after: Place | None, limit: int, newest_first: bool = False
    ) -> Sequence[DeadLetter]:
        """``DeadLetters.dead_submissions``."""
        if wanted.recipients or not wanted.refusals:
            return ()
        c, n, d = tables.submissions.c, tables.events.c, tables.deaths.c
        died = select(func.max(n.at)).where(n.document == c.document, n.recipient.is_(None)).scalar_subquery()
        times = select(d.count).where(d.key == literal_column("'document:'").concat(c.document))
        refused: ColumnElement[str] = literal_column(f"'{SubmissionState.REFUSED.value}'")
        query: Select[Any] = select(*c, times.scalar_subquery(), died.label("died_at")).where(
            c.state == refused, c.reason.in_(sorted(wanted.refusals))
        )
        if wanted.sender is not None:
            query = query.where(c.party == wanted.sender)
        query = _narrowed(query, c, died, wanted)
        if after is not None:
            query = query.where(c.document < after.document if newest_first else c.document > after.document)
        query = _ordered(query, (c.document,), newest_first).limit(max(limit, 0))

        def ask(connection: Connection) -> Sequence[DeadLetter]:
            found = connection.execute(query).all()
            headers = self._headers.run(connection, [row[0] for row in found])
            of = {row[0]: rows.header_of(row) for row in headers}
            return [
                DeadLetter(
                    submission=(submission := rows.submission_of(row)),
                    header=of.get(row[0]),
                    copy=None,
                    died_at=instant(row[-1]) if row[-1] is not None else submission.received_at,
                    times=row[-2] or 0,
                )
                for row in found
            ]

        return await self._readers.ask(ask)


def _narrowed(query: Select[Any], c: Any, died: ColumnElement[int], wanted: Wanted) -> Select[Any]:
    if wanted.document is not None:
        query = query.where(c.document == wanted.document)
    if wanted.reason is not None:
        query = query.where(c.reason == wanted.reason)
    if wanted.since is not None:
        query = query.where(died >= micros(wanted.since))
    if wanted.until is not None:
        query = query.where(died < micros(wanted.until))
    return query


def _ordered(query: Select[Any], columns: Sequence[ColumnElement[Any]], newest_first: bool) -> Select[Any]:
    return query.order_by(*(c.desc() if newest_first else c for c in columns))
