"""PostgreSQL in few trips: statements go together, and their answers come back together.

Strategy: what a statement costs is mostly the way there and back, on either side.  Each text is prepared once per
connection and known by a name from then on; all rows of all calls go out in one stream, a Sync behind them, and then
the answers are read in the same order.  The first that fails ends the trip: the server leaves out what comes behind.

    for answer in travel(driver, prepared, [Call(text, [(1, "a"), (2, "b")]), Call(other, [("key",)])]): ...

spec: PostgreSQL, Frontend/Backend Protocol §55.2.4 - pipelining
"""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import adapt, pq
from psycopg.pq.abc import PGconn, PGresult

from adapters.store.rows import Row

_TEXT, _BINARY = int(pq.Format.TEXT), int(pq.Format.BINARY)
_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED)

Prepared = dict[str, bytes]
"""The names of the statements that one connection knows."""

ASTRAY = frozenset({"26000", "42P05"})
"""The server knows other statements by these names, or none: somebody between has changed it for another."""


@dataclass(frozen=True, slots=True)
class Call:
    """One statement, run once for each of *rows*."""

    text: str
    rows: Sequence[Row]
    is_many: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What the server found for one call, and how many rows all of its runs touched."""

    rows: Sequence[Row]
    touched: int


def travel(
    driver: psycopg.Connection[Any], prepared: Prepared, calls: Sequence[Call], *, ends: bool = False
) -> Sequence[Found]:
    """Run *calls* in one trip, in a transaction that is begun with them unless one has; with *ends* it ends as well.

    *prepared* is what the connection knows, and learns.  Raises ``psycopg.Error``; the transaction has failed then.
    """
    connection = driver.pgconn
    begins = not driver.autocommit and connection.transaction_status == pq.TransactionStatus.IDLE
    runs = [[_parameters(row) for row in call.rows] for call in calls]
    fresh: Prepared = {}
    try:
        connection.enter_pipeline_mode()
        if begins:
            connection.send_query_params(_beginning(driver), None)
        for call, parameters in zip(calls, runs, strict=True):
            name = prepared.get(call.text) or fresh.get(call.text)
            if name is None:
                name = fresh[call.text] = b"vanthu_%d" % (len(prepared) + len(fresh))
                connection.send_prepare(name, call.text.encode())
            for values, formats in parameters:
                connection.send_query_prepared(name, values, formats, _BINARY)
        if ends:
            connection.send_query_params(b"COMMIT", None)
        connection.pipeline_sync()
        results = iter(_answers(connection))
        connection.exit_pipeline_mode()
    except BaseException:
        driver.close()  # answers may be under way that nobody will read
        raise
    if begins:
        _checked(next(results))
    found = _sorted_out(driver, prepared, calls, fresh, results)
    if ends:
        _checked(next(results))
    return found


def _parameters(row: Row) -> tuple[Sequence[bytes | None], Sequence[int]]:
    """Values as the protocol carries them.  Texts go as binary: so the server, and not C, looks where they end."""
    values: list[bytes | None] = []
    formats: list[int] = []
    for value in row:
        if isinstance(value, str):
            values.append(value.encode())
            formats.append(_BINARY)
        elif isinstance(value, int):
            values.append(b"%d" % value)
            formats.append(_TEXT)
        else:
            values.append(value)  # bytes, or nothing
            formats.append(_BINARY)
    return values, formats


def _answers(connection: PGconn) -> Sequence[PGresult]:
    """One for each message that was left to be sent, in order; sends them meanwhile."""
    waiting = select.poll()
    found: list[PGresult] = []
    while True:
        # A server whose answers nobody reads stops reading, too: so both at once.
        is_unsent = connection.flush()
        while not connection.is_busy():
            result = connection.get_result()
            if result is None:  # the end of one message's answers, or of everything
                if connection.status == pq.ConnStatus.BAD:
                    raise psycopg.OperationalError("the connection is lost")
            elif result.status == pq.ExecStatus.PIPELINE_SYNC:
                return found
            else:
                found.append(result)
        waiting.register(connection.socket, select.POLLIN | (select.POLLOUT if is_unsent else 0))
        waiting.poll()
        connection.consume_input()


def _sorted_out(
    driver: psycopg.Connection[Any],
    prepared: Prepared,
    calls: Sequence[Call],
    fresh: Prepared,
    results: Iterator[PGresult],
) -> Sequence[Found]:
    found = []
    reader = adapt.Transformer(driver)
    for call in calls:
        if call.text in fresh and call.text not in prepared:
            _checked(next(results))
            prepared[call.text] = fresh[call.text]
        touched, rows = 0, list[Row]()
        for _ in call.rows:
            result = _checked(next(results))
            touched += result.command_tuples or 0
            if result.ntuples:
                reader.set_pgresult(result)
                rows += reader.load_rows(0, result.ntuples, tuple)
        found.append(Found(rows, touched))
    return found


def _checked(result: PGresult) -> PGresult:
    """*result*, unless the server has refused: then raises what its code stands for."""
    if result.status not in _FAILED:
        return result
    code = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    words = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
    try:
        kind: type[psycopg.Error] = psycopg.errors.lookup(code)
    except KeyError:
        kind = psycopg.DatabaseError
    raise kind(f"{code} {words}")


def _beginning(driver: psycopg.Connection[Any]) -> bytes:
    words = ["BEGIN"]
    if driver.isolation_level is not None:
        words += ["ISOLATION LEVEL", driver.isolation_level.name.replace("_", " ")]
    if driver.read_only is not None:
        words.append("READ ONLY" if driver.read_only else "READ WRITE")
    return " ".join(words).encode()
