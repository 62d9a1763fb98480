"""Statements that go to PostgreSQL in one trip: what is told of them, and what is left when one fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from adapters.store.trips import Call, Prepared, travel

INSERT = Call("INSERT INTO things VALUES ($1, $2, $3)", [("a", 1, b"\0"), ("b", -2, None)], is_many=True)
SELECT = Call("SELECT name, number, body FROM things ORDER BY name", [()])


@pytest.fixture
def driver(postgres_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the store opens it, beside an empty table."""
    conninfo = make_url(postgres_database).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as made:
        made.execute("CREATE TABLE things (name TEXT PRIMARY KEY, number BIGINT, body BYTEA)")
    driver = psycopg.connect(conninfo, client_encoding="utf8")
    yield driver
    driver.close()


def test_each_call_is_told_what_it_found_and_touched(driver: psycopg.Connection[Any]) -> None:
    """In their order, however many rows each has; and the transaction goes on."""
    rows = [("ữ", 7, b"x")]
    told = travel(driver, {}, [INSERT, Call(INSERT.text, rows), SELECT, Call("DELETE FROM things", [()])])
    assert [one.touched for one in told] == [2, 1, 3, 3]
    assert told[2].rows == [("a", 1, b"\0"), ("b", -2, None), ("ữ", 7, b"x")]
    assert driver.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS


def test_what_ends_with_the_trip_is_durable_and_the_connection_free(driver: psycopg.Connection[Any]) -> None:
    travel(driver, {}, [INSERT], ends=True)
    assert driver.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    driver.rollback()
    assert len(driver.execute("SELECT * FROM things").fetchall()) == 2


def test_a_failure_is_told_by_its_kind_and_ends_the_trip(driver: psycopg.Connection[Any]) -> None:
    """Nothing behind it is run, nothing is committed, and the connection serves the next trip."""
    prepared: Prepared = {}
    twice = [INSERT, Call(INSERT.text, [("a", 1, None)]), SELECT]
    with pytest.raises(psycopg.errors.UniqueViolation, match="23505"):
        travel(driver, prepared, twice, ends=True)
    assert driver.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
    driver.rollback()
    assert travel(driver, prepared, [SELECT])[0].rows == []


def test_a_text_that_no_text_can_hold_is_refused_and_not_cut_off(driver: psycopg.Connection[Any]) -> None:
    """C would end it at its zero."""
    with pytest.raises(psycopg.DataError):
        travel(driver, {}, [Call(INSERT.text, [("a\0b", 1, None)])])


def test_a_statement_is_prepared_once(driver: psycopg.Connection[Any]) -> None:
    prepared: Prepared = {}
    for _ in range(3):
        travel(driver, prepared, [SELECT])
    (names,) = driver.execute("SELECT array_agg(name) FROM pg_prepared_statements").fetchall()
    assert names == ([name.decode() for name in prepared.values()],)


def test_more_than_all_buffers_hold_goes_out_while_answers_come_in(driver: psycopg.Connection[Any]) -> None:
    """Sent first and read afterwards, both sides would wait for each other."""
    echo = Call("SELECT $1::bytea", [(bytes(100_000),)] * 300, is_many=True)
    (told,) = travel(driver, {}, [echo])
    assert told.rows == [(bytes(100_000),)] * 300


def test_a_lost_connection_is_closed(driver: psycopg.Connection[Any]) -> None:
    """So that nobody takes it for one that serves."""
    with psycopg.connect(driver.info.dsn, password=driver.info.password, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (driver.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        travel(driver, {}, [SELECT])
    assert driver.closed


def test_a_transaction_begins_as_the_connection_says(driver: psycopg.Connection[Any]) -> None:
    driver.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    driver.read_only = True
    shown = [Call(f"SHOW transaction_{name}", [()]) for name in ("isolation", "read_only")]
    assert [one.rows for one in travel(driver, {}, shown)] == [[("repeatable read",)], [("on",)]]
