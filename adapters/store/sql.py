"""Statements of SQLAlchemy Core, compiled once per database and run with rows as plain tuples.

Compiling, and turning values into parameters, would otherwise cost more than the database itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Dialect,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from adapters.store.rows import Row
from adapters.store.trips import ASTRAY, Call, travel

MOST_LISTED = 512
"""How many keys one IN list holds at most: far below every database's limit of parameters."""

_WIDTHS = (64, 32, 16, 8, 4, 2)
"""How many rows one insert brings to PostgreSQL."""

_NUMBERED: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # it has no types
"""How PostgreSQL itself writes parameters: ``$1``."""

_PARAMETER = re.compile(r"\$(\d+)")


class Answer:
    """What one statement found, or how many rows it touched."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: Sequence[Row], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def all(self) -> Sequence[Row]:
        """Every row."""
        return self._rows

    def one(self) -> Row:
        """The only row; raises ``ValueError`` where there is none, or another."""
        (row,) = self._rows
        return row

    def one_or_none(self) -> Row | None:
        """The only row, if there is one."""
        return self.one() if self._rows else None

    def scalar(self) -> Any:
        """The first column of the first row; ``None`` where there is none."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        """The first column of the only row."""
        return self.one()[0]


class Bulk:
    """One statement for many rows.  A row has the columns of *order*, and the statement picks its own.

    An insert with *is_wide* goes to PostgreSQL with as many rows in one statement as fit: each is planned once, but run
    and answered every time.
    """

    __slots__ = ("_pick", "_wide", "text")

    def __init__(
        self, dialect: Dialect, statement: ClauseElement, order: Sequence[str], *, is_wide: bool = False
    ) -> None:
        self.text, names = _compiled(dialect, statement)
        positions = [order.index(name) for name in names]
        is_whole = positions == list(range(len(order)))
        self._pick = None if is_whole else itemgetter(*positions) if len(positions) > 1 else None
        assert is_whole or len(positions) > 1
        widths = _WIDTHS if is_wide and dialect.name == "postgresql" else ()
        self._wide = [(width, _widened(self.text, len(names), width)) for width in widths]

    def of(self, rows: Sequence[Row]) -> Sequence[Call]:
        """The calls for all *rows*, to go with others."""
        picked = list(map(self._pick, rows)) if self._pick else rows
        calls, at = [], 0
        for width, text in self._wide:
            until = at + (len(picked) - at) // width * width
            if until > at:
                flat = [tuple(chain.from_iterable(picked[n : n + width])) for n in range(at, until, width)]
                calls.append(Call(text, flat, is_many=True))
                at = until
        if at < len(picked):
            calls.append(Call(self.text, picked[at:], is_many=True))
        return calls

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Run it for all *rows*; how many rows of the table it touched."""
        return sum(answer.rowcount for answer in together(connection, self.of(rows)))


class One:
    """One statement, run once with named values."""

    __slots__ = ("_fixed", "_names", "text")

    def __init__(self, dialect: Dialect, statement: ClauseElement) -> None:
        compiled = _compile(dialect, statement)
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._fixed: Mapping[str, Any] = compiled.params

    def of(self, **values: Any) -> Call:
        """The call with these *values*, to go with others."""
        fixed = self._fixed
        return Call(
            self.text, [tuple(values[name] if name in values else fixed[name] for name in self._names)]
        )

    def run(self, connection: Connection, **values: Any) -> Answer:
        """What the database answered."""
        return together(connection, [self.of(**values)])[0]


class Listed:
    """A query by a list of keys of any length, or a deletion: sent in a few fixed lengths, the last key repeated.

    A key of one column is looked up with ``IN``.  For one of several the pairs are spelt out, because SQLite
    does not use an index for lists of tuples; such statements are kept short.
    """

    __slots__ = ("_columns", "_most", "_texts")

    def __init__(
        self, dialect: Dialect, statement: Select[Any] | Delete, *columns: ColumnElement[Any]
    ) -> None:
        self._columns = len(columns)
        self._most = MOST_LISTED if self._columns == 1 else MOST_LISTED // 8
        self._texts: dict[int, str] = {}
        size = 1
        while size <= self._most:
            keys = [
                [bindparam(f"k{n}_{m}", type_=c.type) for m, c in enumerate(columns)] for n in range(size)
            ]
            if self._columns == 1:
                narrowed = statement.where(columns[0].in_([key for (key,) in keys]))
            else:
                pairs = (and_(*(c == k for c, k in zip(columns, key, strict=True))) for key in keys)
                narrowed = statement.where(or_(*pairs))
            self._texts[size], names = _compiled(dialect, narrowed)
            assert names == [key.key for group in keys for key in group]
            size *= 8

    def of(self, keys: Iterable[Any]) -> Sequence[Call]:
        """The calls for all *keys*, to go with others: texts, or tuples of them where a key has several columns."""
        calls = []
        left = iter(keys)
        while chunk := list(islice(left, self._most)):
            size = next(size for size in self._texts if size >= len(chunk))
            chunk += chunk[-1:] * (size - len(chunk))
            values = tuple(chunk) if self._columns == 1 else tuple(part for key in chunk for part in key)
            calls.append(Call(self._texts[size], [values]))
        return calls

    def run(self, connection: Connection, keys: Iterable[Any]) -> Iterator[Row]:
        """The rows of all *keys*."""
        return chain.from_iterable(together(connection, self.of(keys)))


def inserting(
    dialect: Dialect, table: Table, *, without: Collection[str] = (), or_ignore: bool = False
) -> Bulk:
    """Insert rows; with *or_ignore* those whose key exists are left as they are."""
    names = [c.name for c in table.columns if c.name not in without]
    statement = (
        (_upsert(dialect, table).on_conflict_do_nothing() if or_ignore else insert(table))
        .inline()
        .values({name: bindparam(name, type_=table.c[name].type) for name in names})
    )
    return Bulk(dialect, statement, names, is_wide=True)


def replacing(dialect: Dialect, table: Table, *, keep: Collection[str] = ()) -> Bulk:
    """Replace rows by their next version.  A row must end with the version that it expects to find."""
    names = [c.name for c in table.columns]
    keys = [c.name for c in table.primary_key.columns]
    statement = (
        update(table)
        .values({n: bindparam(f"to_{n}", type_=table.c[n].type) for n in names if n not in (*keys, *keep)})
        .where(*(table.c[k] == bindparam(f"to_{k}", type_=table.c[k].type) for k in keys))
        .where(table.c.version == bindparam("expected", type_=table.c.version.type))
    )
    return Bulk(dialect, statement, [*(f"to_{n}" for n in names), "expected"])


def deleting(dialect: Dialect, table: Table, key: str, *only: ColumnElement[bool]) -> Listed:
    """Delete rows by one column, those alone of which *only* holds."""
    return Listed(dialect, delete(table).where(*only), table.c[key])


def together(connection: Connection, calls: Sequence[Call], *, ends: bool = False) -> Sequence[Answer]:
    """Run compiled statements, each with its rows, on the driver itself, in the transaction of *connection*.

    SQLAlchemy's execution takes ten times as long as SQLite's, and adds nothing to what is compiled already.  To
    PostgreSQL they go in one trip, with *ends* together with the end of the transaction: nothing may follow.  What fails
    is told as SQLAlchemy would: raises ``DBAPIError``, and a connection that is lost, or astray, is invalidated.
    """
    if not calls:
        return ()
    driver: Any = connection.connection.driver_connection
    for hear in connection.dispatch.before_cursor_execute:  # whoever listens to an engine hears of ours, too
        for call in calls:
            hear(connection, None, call.text, call.rows if call.is_many else call.rows[0], None, call.is_many)
    try:
        if connection.dialect.name == "postgresql":
            prepared = connection.info.setdefault("prepared", {})
            found = travel(driver, prepared, calls, ends=ends)
            return [Answer(one.rows, one.touched) for one in found]
        return [_execute(driver, call) for call in calls]
    except connection.dialect.loaded_dbapi.Error as error:
        text = calls[0].text if len(calls) == 1 else f"one of {len(calls)} statements"
        raise _told(connection, text, error) from error


def _execute(driver: Any, call: Call) -> Answer:
    cursor = driver.cursor()
    try:
        if call.is_many:
            cursor.executemany(call.text, call.rows)
            return Answer((), cursor.rowcount)
        cursor.execute(call.text, call.rows[0])
        return Answer(cursor.fetchall() if cursor.description else (), cursor.rowcount)
    finally:
        cursor.close()


def _told(connection: Connection, text: str, error: Exception) -> BaseException:
    dialect = connection.dialect
    driver = connection.connection.driver_connection
    is_lost = (
        dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
        or getattr(error, "sqlstate", None) in ASTRAY
    )
    if is_lost:
        connection.invalidate(error)
    return DBAPIError.instance(
        text,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )


def _upsert(dialect: Dialect, table: Table) -> Any:
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def upsert(dialect: Dialect, table: Table) -> Any:
    """``INSERT`` as both databases extend it, with ``on_conflict_do_update``."""
    return _upsert(dialect, table)


def _compiled(dialect: Dialect, statement: ClauseElement) -> tuple[str, list[str]]:
    compiled = _compile(dialect, statement)
    names = list(compiled.positiontup or ())
    values = compiled.params  # a new dictionary at each look
    stray = [name for name in names if values[name] is not None]
    assert not stray, stray  # a literal in the statement would need a place in every row
    return str(compiled), names


def _compile(dialect: Dialect, statement: ClauseElement) -> SQLCompiler:
    if dialect.name == "postgresql":
        dialect = _NUMBERED
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    return compiled


def _widened(text: str, parameters: int, width: int) -> str:
    """An insert of one row as one of *width* rows."""
    found = re.fullmatch(r"(.* VALUES )(\(.*\))( ON CONFLICT DO NOTHING)?", text, re.DOTALL)
    assert found, text
    head, row, tail = found.groups(default="")
    parts = _PARAMETER.split(row)  # every other one is a parameter's number

    def numbered(n: int) -> str:
        return "".join(f"${int(part) + n * parameters}" if at % 2 else part for at, part in enumerate(parts))

    return head + ", ".join(map(numbered, range(width))) + tail
