"""PostgreSQL's memory of prepared statements, and ours: after whatever ends a transaction both know the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from adapters.store.engine import is_broken, open_writer, parse
from adapters.store.sql import together
from adapters.store.trips import Call

OFTEN = 12
"""A driver that prepares on its own has done so by then."""

ASKED = Call("SELECT 7 + $1::int", [(1,)])


@pytest.fixture
def connection(postgres_database: str) -> Iterator[Connection]:
    """The writer's."""
    engine = open_writer(parse(postgres_database))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_what_is_prepared_outlives_a_rollback(connection: Connection) -> None:
    for number in range(OFTEN):
        connection.execute(text("SELECT :number + 0"), {"number": number})
        assert together(connection, [ASKED])[0].scalar_one() == 8
    connection.rollback()
    assert together(connection, [ASKED])[0].scalar_one() == 8


@pytest.mark.parametrize(
    "changed", ["DEALLOCATE ALL", "PREPARE vanthu_1 AS SELECT 1"], ids=["knows none", "knows others"]
)
def test_a_connection_whose_server_is_another_is_left_for_a_new_one(
    connection: Connection, changed: str
) -> None:
    together(connection, [ASKED])
    connection.exec_driver_sql(changed)
    with pytest.raises(DBAPIError) as failed:
        together(connection, [ASKED, Call("SELECT 1", [()])])
    assert is_broken(failed.value)
    connection.rollback()
    assert together(connection, [ASKED])[0].scalar_one() == 8
