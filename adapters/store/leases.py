"""Who lives, and who has which work.

A life is a row that says until when its owner lives.  What a dead owner had leased is set free before
anything is leased, so that the search for free work walks along one index and never looks at work in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import (
    BindParameter,
    Connection,
    Dialect,
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
from gateway.model.change import Work, WorkKind
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
        u = tables.work.alias("u")
        overtaken = select(u.c.key).where(
            u.c.party == w.c.party,
            u.c.lane < w.c.lane,
            u.c.lane < literal_column(str(rows.lane_of(Priority.ORDINARY))),
            u.c.kind == literal_column(f"'{WorkKind.DELIVERY.value}'"),
            u.c.reason == "queue-full",
        )
        self._free = One(
            dialect,
            select(w)
            .where(w.c.owner.is_(None), w.c.lane == bindparam("lane"), w.c.due_at <= bindparam("now"))
            .where(w.c.kind.in_(kinds))
            .where(or_(w.c.kind != WorkKind.DELIVERY.value, ~overtaken.exists()))
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
        self, connection: Connection, owner: Owner, limit: int, kinds: frozenset[WorkKind]
    ) -> Sequence[Work]:
        """Up to *limit* pieces of work that are due, now *owner*'s: urgent first, then the longest due.

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
        named = {f"kind{n}": kind for n, kind in enumerate(asked)}
        found: list[Work] = []
        for lane in _LANES:
            if left := limit - len(found):
                free = self._free.run(connection, lane=lane, now=now, most=left, **named)
                found += map(rows.work_of, free)
        self._take.run(connection, sorted((owner, work.key) for work in found))
        return [replace(work, owner=owner, attempts=work.attempts + 1) for work in found]
