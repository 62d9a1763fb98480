"""Writes many changes in one transaction: one statement per table, and a verdict for each change.

Strategy: first the facts that decide most (which submissions are known, who holds the fences), asked for all
changes at once.  Then the rows are written with the version that each expects.  The database counts how many
it found; a count that is too low, or a row that was to be new and exists, contradicts the whole attempt.  The
transaction is then rolled back and tried again *carefully*: with each row looked up and locked first.  That
is the rare case, so the common one pays nothing for it.

Changes of one transaction never touch the same row: a later one that does is deferred to the next, where it
sees what the earlier one wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Text,
    bindparam,
    func,
    literal_column,
    null,
    select,
    update,
)

from adapters.store import rows, tables
from adapters.store.engine import Contradicted, process_micros
from adapters.store.leases import Leases
from adapters.store.rows import Row, micros
from adapters.store.sql import Answer, Bulk, Listed, One, deleting, inserting, replacing, together
from adapters.store.trips import Call
from gateway.model.change import LINE_TO, Change, Committed, Known, Outcome, Stale
from gateway.model.ids import DocumentId, Owner
from gateway.model.journey import SubmissionState

# ``line_to`` in SQL
_LINE_TO: ColumnElement[str] = literal_column(f"'{LINE_TO}'", Text)
_COLON: ColumnElement[str] = literal_column("':'", Text)
_NUMBER = Call("SELECT pg_current_xact_id_if_assigned()::text", [()])
_VERSIONED = ("submissions", "headers", "handovers", "items")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long each data class is kept; ``None``: until somebody decides."""

    content: timedelta | None = None
    metadata: timedelta | None = None
    evidence: timedelta | None = None


class Changes:
    """Writes changes to one kind of database on behalf of one realm."""

    def __init__(self, dialect: Dialect, realm: str, retention: Retention, leases: Leases) -> None:
        self._realm = realm
        self._leases = leases
        self._retention = retention
        t = tables
        s, w, e = t.submissions.c, t.work.c, t.evidence.c
        self._known = Listed(dialect, select(s.identity, s.document, s.sha256, s.state), s.identity)
        # Locked in the order of their keys, so that two processes do not wait for each other.
        # Work that is called off is locked with the fences: whoever settles it locks its fence first, too.
        held = select(w.key, w.owner, w.attempts, w.sure).order_by(w.key).with_for_update()
        self._fences = Listed(dialect, held, w.key)
        self._issued = Listed(dialect, select(e.id), e.id)
        self._writes = _Writes(dialect)
        self._versions = {
            table.name: One(
                dialect,
                select(table.c.version)
                .where(*(c == bindparam(f"k{n}") for n, c in enumerate(table.primary_key.columns)))
                .with_for_update(),
            )
            for table in (t.submissions, t.headers, t.handovers, t.items)
        }

    def write(
        self, connection: Connection, changes: Sequence[Change], *, careful: bool
    ) -> tuple[list[Outcome | None], int | None]:
        """The outcome of each change, in order, ``None`` for a deferred one; and the transaction's number, where the
        database has told one.  The caller commits.

        Raises ``Contradicted`` where not *careful* and some expectation does not hold: roll back.
        """
        identities = [_identity(change) for change in changes]
        known, work = self._find(connection, changes, identities)
        outcomes: list[Outcome | None] = []
        mine, shared = set[tuple[str, ...]](), set[tuple[str, ...]]()
        batch = _Batch()
        for change, identity in zip(changes, identities, strict=True):
            touched, added = _touched(change, identity)
            if not (mine.isdisjoint(touched) and shared.isdisjoint(touched) and mine.isdisjoint(added)):
                outcomes.append(None)
            elif (found := known.get(identity)) is not None:
                outcomes.append(found)
                continue
            elif not _may_be(change, work) or (careful and not self._holds(connection, change)):
                outcomes.append(Stale())
                continue
            else:
                outcomes.append(Committed())
                self._add(batch, change, identity)
            mine |= touched
            shared |= added
        number = self._writes.run(connection, batch)
        self._leases.introduce(connection, batch.owners)
        return outcomes, number

    def _find(
        self, connection: Connection, changes: Sequence[Change], identities: Sequence[str]
    ) -> tuple[dict[str, Known], dict[str, Row]]:
        """Which submissions are known already; the owner, the attempts and the sure ones among them, of all work on
        which a change depends."""
        brought = self._known.of(sorted({identity for identity in identities if identity}))
        held = {change.fence.key for change in changes if change.fence}
        held.update(key for change in changes for key in change.withdraws)
        found = together(connection, [*brought, *self._fences.of(sorted(held))])
        known = {
            row[0]: Known(document=DocumentId(row[1]), sha256=row[2], state=SubmissionState(row[3]))
            for row in chain.from_iterable(found[: len(brought)])
        }
        return known, {row[0]: row[1:] for row in chain.from_iterable(found[len(brought) :])}

    def _holds(self, connection: Connection, change: Change) -> bool:
        for table, version, key in self._expected(change):
            names = {f"k{n}": part for n, part in enumerate(key)}
            found = self._versions[table].run(connection, **names).scalar()
            if found != (version - 1 or None):
                return False
        return not any(self._issued.run(connection, [e.id for e in change.evidence]))

    def _expected(self, change: Change) -> Iterator[tuple[str, int, Sequence[str]]]:
        for submission in filter(None, (change.submission, change.original)):
            yield "submissions", submission.version, (submission.document,)
        if change.header:
            yield "headers", change.header.version, (change.header.document,)
        for handover in sorted(change.handovers, key=lambda h: (h.document, h.recipient)):
            yield "handovers", handover.version, (handover.document, handover.recipient)
        for item in change.items:
            if item.version > 1:
                yield "items", item.version, (self._realm, item.party, item.id)

    def _add(self, batch: _Batch, change: Change, identity: str) -> None:
        keep = self._retention
        for s in filter(None, (change.submission, change.original)):
            row = rows.submission_row(s, identity, _until(micros(s.received_at), keep.content))
            batch.put("submissions", row, s.version)
        if (h := change.header) is not None:
            since = micros(change.submission.received_at) if change.submission else process_micros()
            batch.put("headers", rows.header_row(h, _until(since, keep.metadata)), h.version)
        for handover in change.handovers:
            batch.put("handovers", rows.handover_row(handover), handover.version)
        for item in change.items:
            batch.put("items", rows.item_row(item, self._realm), item.version)
        for evidence in change.evidence:
            until = _until(micros(evidence.issued_at), keep.evidence)
            batch.evidence.append(rows.evidence_row(evidence, until))
        batch.events.extend(map(rows.event_row, change.events))
        batch.work.extend(map(rows.work_row, change.work))
        batch.owners.update(work.owner for work in change.work if work.owner is not None)
        batch.postponed.extend((p.key, micros(p.due_at), p.reason, int(p.is_sure)) for p in change.postponed)
        batch.forgets.update(change.forgets)
        batch.withdraws.update(change.withdraws)
        batch.relations.extend(map(rows.relation_row, change.relations))
        batch.audit.extend(rows.audit_row(entry, self._realm) for entry in change.audit)


@dataclass(slots=True)
class _Batch:
    """The rows of many changes by statement.  A row to be replaced ends with the version it expects."""

    new: dict[str, list[Row]] = field(default_factory=lambda: {n: [] for n in _VERSIONED})
    next: dict[str, list[Row]] = field(default_factory=lambda: {n: [] for n in _VERSIONED})
    evidence: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    work: list[Row] = field(default_factory=list)
    postponed: list[Row] = field(default_factory=list)
    forgets: set[str] = field(default_factory=set)
    withdraws: set[str] = field(default_factory=set)
    relations: list[Row] = field(default_factory=list)
    audit: list[Row] = field(default_factory=list)
    owners: set[Owner] = field(default_factory=set)

    def put(self, table: str, row: Any, version: int) -> None:
        """A row of a table with versions."""
        if version == 1:
            self.new[table].append(row)
        else:
            self.next[table].append((*row, version - 1))


class _Writes:
    """One statement per table and kind of write, in the order of a change's parts."""

    def __init__(self, dialect: Dialect) -> None:
        t = tables
        self._new: dict[str, Bulk] = {
            "submissions": inserting(dialect, t.submissions),
            "headers": inserting(dialect, t.headers),
            "handovers": inserting(dialect, t.handovers),
            "items": inserting(dialect, t.items, or_ignore=True),
        }
        self._next: dict[str, Bulk] = {
            "submissions": replacing(dialect, t.submissions, keep=("identity", "delete_after")),
            "headers": replacing(dialect, t.headers, keep=("delete_after",)),
            "handovers": replacing(dialect, t.handovers),
            "items": replacing(dialect, t.items),
        }
        self._evidence = inserting(dialect, t.evidence)
        self._unnumbered = inserting(dialect, t.unnumbered, without=("position",))
        self._events = inserting(dialect, t.events, without=("number",))
        self._work = inserting(dialect, t.work, or_ignore=True)
        w = t.work.c
        self._postpone = Bulk(
            dialect,
            update(t.work)
            .values(
                due_at=bindparam("to", type_=w.due_at.type),
                reason=bindparam("why", type_=w.reason.type),
                sure=w.sure + bindparam("sure_", type_=w.sure.type),
                owner=null(),
                line=func.coalesce(_LINE_TO + w.kind + _COLON + w.party, w.line),
            )
            .where(w.key == bindparam("it", type_=w.key.type)),
            ["it", "to", "why", "sure_"],
        )
        self._forget = deleting(dialect, t.work, "key")
        self._withdraw = deleting(dialect, t.work, "key", w.owner.is_(None), w.attempts == w.sure)
        self._relations = inserting(dialect, t.relations, or_ignore=True)
        self._audit = inserting(dialect, t.audit, without=("number",))
        self._number = [_NUMBER] if dialect.name == "postgresql" else []

    def run(self, connection: Connection, batch: _Batch) -> int | None:
        """Write *batch*; PostgreSQL's number of the transaction.

        Rows go in the order of their keys, so that two processes do not lock crosswise.
        """
        asked: list[tuple[Bulk | Listed, Sequence[Any], str]] = []
        for name in _VERSIONED:
            asked.append((self._new[name], sorted(batch.new[name], key=_by_key), ""))
            asked.append((self._next[name], sorted(batch.next[name], key=_by_key), name))
        asked += [
            (self._evidence, sorted(batch.evidence, key=_first), ""),
            # in the order of their chains, in which the log is to number them
            (self._unnumbered, [(row[0],) for row in batch.evidence], ""),
            (self._events, batch.events, ""),
            (self._work, sorted(batch.work, key=_first), ""),
            (self._postpone, sorted(batch.postponed, key=_first), ""),
            (self._forget, sorted(batch.forgets), ""),
            (self._withdraw, sorted(batch.withdraws), "work"),
            (self._relations, sorted(batch.relations, key=_by_key), ""),
            (self._audit, batch.audit, ""),
        ]
        calls = [statement.of(rows) for statement, rows, _ in asked]
        told = together(connection, [*chain.from_iterable(calls), *self._number])
        left = iter(told)
        for (_, expected, name), made in zip(asked, calls, strict=True):
            touched = sum(answer.rowcount for answer in islice(left, len(made)))
            if name and touched != len(expected):  # each of these rows had to be as it was known
                raise Contradicted(name)
        return _number_in(told[-1]) if self._number else None


def number_of(connection: Connection) -> int | None:
    """PostgreSQL's number of this transaction, by which its fate can be asked for later."""
    is_told = connection.dialect.name == "postgresql"
    return _number_in(together(connection, [_NUMBER])[0]) if is_told else None


def _number_in(answer: Answer) -> int | None:
    return int(answer.scalar() or 0) or None


def _may_be(change: Change, work: Mapping[str, Row]) -> bool:
    """Whether *change* has the right of its fence, and what it calls off is free and has brought nothing."""
    fence = change.fence
    if fence is not None and (fence.key not in work or work[fence.key][0] != fence.owner):
        return False
    for key in change.withdraws:
        if key not in work:
            return False
        owner, attempts, sure = work[key]
        if owner is not None or attempts != sure:
            return False
    return True


def _touched(change: Change, identity: str) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """The rows that must be this change's alone, and those that it adds unless they are there."""
    touched: set[tuple[str, ...]] = {("work", p.key) for p in change.postponed}
    touched.update(("work", key) for key in (*change.forgets, *change.withdraws))
    added: set[tuple[str, ...]] = {("work", w.key) for w in change.work}
    if change.fence:
        touched.add(("work", change.fence.key))
    if change.submission:
        touched.add(("submission", change.submission.document))
        if identity:
            touched.add(("identity", identity))
    if change.original:
        touched.add(("submission", change.original.document))
    if change.header:
        touched.add(("header", change.header.document))
    touched.update(("handover", h.document, h.recipient) for h in change.handovers)
    touched.update(("evidence", e.id) for e in change.evidence)
    for item in change.items:
        (added if item.version == 1 else touched).add(("item", item.party, item.id))
    return touched, added - touched


def _identity(change: Change) -> str:
    """The unique key of the submission that *change* brings, if it brings a new one."""
    submission = change.submission
    return rows.identity_of(submission) if submission and submission.version == 1 else ""


def _until(since: int, kept: timedelta | None) -> int | None:
    return None if kept is None else since + kept // timedelta(microseconds=1)


def _first(row: Row) -> Any:
    return row[0]


def _by_key(row: Row) -> Any:
    return row[:3]
