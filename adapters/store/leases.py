"""Who lives, and who has which work.

A life is a row that says until when its owner lives.  What a dead owner had leased is set free before
anything is leased, so that the search for free work walks along one index and never looks at work in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Select,
    and_,
    bindparam,
    delete,
    literal_column,
    or_,
    select,
    update,
)

from adapters.store import rows, tables
from adapters.store.rows import micros
from adapters.store.sql import Bulk, One, upsert
from gateway.model.change import LINE_TO, PROBES, Work, WorkKind, is_of_a_recipient
from gateway.model.envelope import Priority
from gateway.model.ids import Owner

MOURNING = timedelta(days=1)
"""How long a dead owner is remembered, so that what it wrote with its last breath is set free, too."""


_LANES = sorted(rows.lane_of(priority) for priority in Priority)


class Leases:
    """The rows of ``lives``, and ``owner`` in ``work``.  Runs in the writer's transactions."""

    def __init__(self, dialect: Dialect, clock: Callable[[Connection], datetime]) -> None:
        self._clock = clock
        self.known: set[Owner] = set()
        """Owners whose life is surely in the store."""
        w, v = tables.work, tables.lives
        inserted = upsert(dialect, v).values(owner=bindparam("who"), alive_until=bindparam("until"))
        self._introduce = One(dialect, inserted.on_conflict_do_nothing())
        self._live = One(
            dialect,
            inserted.on_conflict_do_update(
                index_elements=[v.c.owner], set_={"alive_until": inserted.excluded.alive_until}
            ),
        )
        self._alive_until = One(dialect, select(v.c.alive_until).where(v.c.owner == bindparam("who")))
        self._dead = One(dialect, select(v.c.owner).where(v.c.alive_until <= bindparam("now")))
        self._forget = One(dialect, delete(v).where(v.c.alive_until <= bindparam("long_ago")))
        self._release = One(dialect, update(w).values(owner=None).where(w.c.owner == bindparam("who")))
        unknown = w.c.owner.is_not(None) & w.c.owner.not_in(select(v.c.owner))
        self._release_unknown = One(dialect, update(w).values(owner=None).where(unknown))
        kinds: list[BindParameter[str]] = [bindparam(f"kind{n}") for n in range(len(WorkKind))]
        self._heads = One(dialect, _heads(kinds))
        self._first = One(
            dialect,
            select(w)
            .where(_is_free(w), w.c.line == bindparam("line"), _is_due(w, kinds))
            .order_by(w.c.due_at, w.c.key)
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True),
        )
        self._take = Bulk(
            dialect,
            update(w)
            .values(owner=bindparam("who", type_=w.c.owner.type), attempts=w.c.attempts + literal_column("1"))
            .where(w.c.key == bindparam("it", type_=w.c.key.type)),
            ["who", "it"],
        )

    def introduce(self, connection: Connection, owners: Collection[Owner]) -> None:
        """Make sure that *owners* are in the store; unless they have said that they live, they are dead."""
        unknown = sorted(set(owners) - self.known)
        if unknown:
            now = micros(self._clock(connection))
            for owner in unknown:
                self._introduce.run(connection, who=owner, until=now)

    def live(self, connection: Connection, owner: Owner, lasting: timedelta) -> None:
        """*owner* lives from now on.  If it had died, that was another life: its work is free."""
        now = self._clock(connection)
        until = self._alive_until.run(connection, who=owner).scalar()
        if until is not None and until <= micros(now):
            self._release.run(connection, who=owner)
        self._live.run(connection, who=owner, until=micros(now + lasting))

    def die(self, connection: Connection, owner: Owner) -> None:
        """*owner* is dead, and its work free."""
        self._live.run(connection, who=owner, until=micros(self._clock(connection)))
        self._release.run(connection, who=owner)

    def is_alive(self, connection: Connection, owner: Owner) -> bool:
        """Whether *owner*'s life lasts."""
        until = self._alive_until.run(connection, who=owner).scalar()
        return until is not None and until > micros(self._clock(connection))

    def sweep(self, connection: Connection) -> None:
        """Set free what owners have that nobody remembers."""
        self._release_unknown.run(connection)

    def take(
        self,
        connection: Connection,
        owner: Owner,
        limit: int,
        kinds: frozenset[WorkKind],
        sated: frozenset[str] = frozenset(),
    ) -> Sequence[Work]:
        """Up to *limit* pieces of work that are due, now *owner*'s: urgent first, then line by line.

        None for who is dead itself: whoever asks next would take it from him, and count one more death.
        """
        now = micros(self._clock(connection))
        self.introduce(connection, {owner})
        dead = [who for (who,) in self._dead.run(connection, now=now).all()]
        for who in dead:
            self._release.run(connection, who=who)
        if owner in dead:
            return []
        self._forget.run(connection, long_ago=now - MOURNING // timedelta(microseconds=1))
        asked = sorted(kind.value for kind in kinds)
        asked += asked[-1:] * (len(WorkKind) - len(asked))
        named: dict[str, Any] = {f"kind{n}": kind for n, kind in enumerate(asked)} | {"now": now}
        found: list[Work] = []
        for lane in _LANES:
            if left := limit - len(found):
                found += self._by_turns(connection, left, sated, named | {"lane": lane})
        self._take.run(connection, sorted((owner, work.key) for work in found))
        return [replace(work, owner=owner, attempts=work.attempts + 1) for work in found]

    def _by_turns(
        self, connection: Connection, limit: int, sated: frozenset[str], named: Mapping[str, Any]
    ) -> Iterable[Work]:
        """The longest due of each line, then the second of each, and so on."""
        lines = [line for (line,) in self._heads.run(connection, **named) if line not in sated]
        if not lines:
            return []
        # Of more lines than there is room for, only the first of each is wanted, and of the longest due alone.
        wanted = lines[:limit]
        depth = -(-limit // len(wanted))
        found: dict[str, list[Work]] = {}
        while wanted:
            for line in wanted:
                most = min(depth, PROBES) if is_of_a_recipient(line) else depth
                found[line] = [
                    rows.work_of(row) for row in self._first.run(connection, line=line, most=most, **named)
                ]
            if sum(map(len, found.values())) >= limit:
                break
            wanted = [line for line in wanted if len(found[line]) == depth and not _is_probed(found, line)]
            depth *= 2
        turns = ((turn, work) for line in found.values() for turn, work in enumerate(line))
        ordered = sorted(turns, key=lambda t: (t[0], t[1].due_at, t[1].key))
        return [work for _, work in ordered[:limit]]


def _heads(kinds: Sequence[BindParameter[str]]) -> Select[Any]:
    """The lines of one lane that have due work, the longest due first.

    The lines are found by leaps along the index, so that a long one costs no more than a short one.
    """
    w, v = tables.work.alias("w"), tables.work.alias("v")
    first = select(v.c.line).where(_is_free(v)).order_by(v.c.line).limit(1).scalar_subquery()
    lines = select(first.label("line")).cte("lines", recursive=True)
    after = (
        select(v.c.line)
        .where(_is_free(v), v.c.line > lines.c.line)
        .order_by(v.c.line)
        .limit(1)
        .scalar_subquery()
    )
    lines = lines.union_all(select(after).where(lines.c.line.is_not(None)))
    # A recipient's line is of one kind and of one party, so its first tells whether it may go at all.
    of_a_recipient = v.c.line >= literal_column(f"'{LINE_TO}'")
    # What is not due ends the search at once, and does not hide in the alternative: deadlines wait by the million.
    is_due = v.c.due_at <= bindparam("now")
    head = (
        select(v.c.key)
        .where(_is_free(v), v.c.line == lines.c.line, is_due, or_(of_a_recipient, _may_go(v, kinds)))
        .order_by(v.c.due_at, v.c.key)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(w.c.line)
        .select_from(lines.join(w, w.c.key == head))
        .where(_is_due(w, kinds))
        .order_by(w.c.due_at, w.c.key)
    )


def _is_free(w: FromClause) -> ColumnElement[bool]:
    return and_(w.c.owner.is_(None), w.c.lane == bindparam("lane"))


def _is_due(w: FromClause, kinds: Sequence[BindParameter[str]]) -> ColumnElement[bool]:
    """It may go, and its time has come."""
    return and_(w.c.due_at <= bindparam("now"), _may_go(w, kinds))


def _may_go(w: FromClause, kinds: Sequence[BindParameter[str]]) -> ColumnElement[bool]:
    """Of a kind that is asked for, and no more urgent delivery to the same party waits for a place."""
    u = tables.work.alias("u")
    overtaken = select(u.c.key).where(
        u.c.party == w.c.party,
        u.c.lane < w.c.lane,
        u.c.lane < literal_column(str(rows.lane_of(Priority.ORDINARY))),
        u.c.kind == literal_column(f"'{WorkKind.DELIVERY.value}'"),
        u.c.reason == "queue-full",
    )
    is_first = or_(w.c.kind != literal_column(f"'{WorkKind.DELIVERY.value}'"), ~overtaken.exists())
    return and_(w.c.kind.in_(kinds), is_first)


def _is_probed(found: Mapping[str, Sequence[Work]], line: str) -> bool:
    return is_of_a_recipient(line) and len(found[line]) >= PROBES
