"""Statements of SQLAlchemy Core, compiled once per database and run with rows as plain tuples.

Compiling, and turning values into parameters, would otherwise cost more than the database itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
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
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from adapters.store.rows import Row

MOST_LISTED = 512
"""How many keys one IN list holds at most: far below every database's limit of parameters."""


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
    """One statement for many rows.  A row has the columns of *order*, and the statement picks its own."""

    __slots__ = ("_pick", "text")

    def __init__(self, dialect: Dialect, statement: ClauseElement, order: Sequence[str]) -> None:
        self.text, names = _compiled(dialect, statement)
        positions = [order.index(name) for name in names]
        is_whole = positions == list(range(len(order)))
        self._pick = None if is_whole else itemgetter(*positions) if len(positions) > 1 else None
        assert is_whole or len(positions) > 1

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Run it for all *rows*; how many rows of the table it touched."""
        if not rows:
            return 0
        picked = list(map(self._pick, rows)) if self._pick else rows
        return _execute(connection, self.text, picked, is_many=True).rowcount


class One:
    """One statement, run once with named values."""

    __slots__ = ("_fixed", "_names", "_pick", "text")

    def __init__(self, dialect: Dialect, statement: ClauseElement) -> None:
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._fixed: Mapping[str, Any] = compiled.params

    def run(self, connection: Connection, **values: Any) -> Answer:
        """What the database answered."""
        fixed = self._fixed
        parameters = tuple(values[name] if name in values else fixed[name] for name in self._names)
        return _execute(connection, self.text, parameters)


class Listed:
    """A query by a list of keys of any length: sent in a few fixed lengths, the last key repeated.

    A key of one column is looked up with ``IN``.  For one of several the pairs are spelt out, because SQLite
    does not use an index for lists of tuples; such statements are kept short.
    """

    __slots__ = ("_columns", "_most", "_texts")

    def __init__(self, dialect: Dialect, statement: Select[Any], *columns: ColumnElement[Any]) -> None:
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

    def run(self, connection: Connection, keys: Iterable[Any]) -> Iterator[Row]:
        """The rows of all *keys*: texts, or tuples of them where a key has several columns."""
        left = iter(keys)
        while chunk := list(islice(left, self._most)):
            size = next(size for size in self._texts if size >= len(chunk))
            chunk += chunk[-1:] * (size - len(chunk))
            values = tuple(chunk) if self._columns == 1 else tuple(part for key in chunk for part in key)
            yield from _execute(connection, self._texts[size], values)


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
    return Bulk(dialect, statement, names)


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


def deleting(dialect: Dialect, table: Table, key: str, *only: ColumnElement[bool]) -> Bulk:
    """Delete rows by one column, those alone of which *only* holds."""
    statement = delete(table).where(table.c[key] == bindparam("key_", type_=table.c[key].type), *only)
    return Bulk(dialect, statement, ["key_"])


def _execute(connection: Connection, text: str, parameters: Any, *, is_many: bool = False) -> Answer:
    """Run a compiled statement on the driver's own cursor, within the transaction of *connection*.

    SQLAlchemy's execution of it takes ten times as long as SQLite's, and adds nothing to what is compiled already.
    What fails is told as it would be: raises ``DBAPIError``, and a lost connection is invalidated.
    """
    driver = connection.connection.driver_connection
    assert driver is not None
    cursor = driver.cursor()
    for hear in connection.dispatch.before_cursor_execute:  # whoever listens to an engine hears of ours, too
        hear(connection, cursor, text, parameters, None, is_many)
    try:
        if is_many:
            cursor.executemany(text, parameters)
            return Answer((), cursor.rowcount)
        cursor.execute(text, parameters)
        return Answer(cursor.fetchall() if cursor.description else (), cursor.rowcount)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _told(connection, text, error) from error
    finally:
        cursor.close()


def _told(connection: Connection, text: str, error: Exception) -> BaseException:
    dialect = connection.dialect
    driver = connection.connection.driver_connection
    is_lost = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
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
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    names = list(compiled.positiontup or ())
    values = compiled.params  # a new dictionary at each look
    stray = [name for name in names if values[name] is not None]
    assert not stray, stray  # a literal in the statement would need a place in every row
    return str(compiled), names
