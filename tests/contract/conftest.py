"""Stores for the suites of ``Ledger``, ``Lives``, ``Inboxes`` and ``Records``: the twin, SQLite, PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete

from adapters.memory import FixedClock, MemoryStore
from adapters.store import Options, Store
from adapters.store.engine import parse
from adapters.store.migrate import migrate
from adapters.store.tables import metadata
from tests.builders import NOON
from tests.contract.entries import YOU
from tests.services import Postgres

AnyStore = MemoryStore | Store


@pytest.fixture
def clock() -> FixedClock:
    """The clock of the stores in these suites; it stands at noon until it is moved."""
    return FixedClock(NOON)


@pytest.fixture(scope="session")
def store_database(postgres_server: Postgres) -> str:
    """A PostgreSQL database with our tables, for one test after the other."""
    url = postgres_server.new_database()
    migrate(parse(url))
    return url


@pytest.fixture(scope="session")
def store_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with our tables, to be copied: that is quicker than making them for each test."""
    file = tmp_path_factory.mktemp("store") / "empty.sqlite"
    migrate(parse(f"sqlite:///{file}"))
    return file


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, clock: FixedClock, tmp_path: Path) -> AsyncIterator[AnyStore]:
    """An empty store of each kind, in which ``YOU`` lives for long: the dead lease nothing."""
    if request.param == "memory":
        twin = MemoryStore(clock)
        await twin.beat(YOU, timedelta(days=4000))
        yield twin
        return
    if request.param == "sqlite":
        file = tmp_path / "ledger.sqlite"
        shutil.copy(request.getfixturevalue("store_file"), file)
        url = f"sqlite:///{file}"
    else:
        url = request.getfixturevalue("store_database")
        empty(url)
    opened = await Store.open(Options(url=url, realm="H53"), now=clock.now)
    await opened.lives.beat(YOU, timedelta(days=4000))
    yield opened
    await opened.close()


def empty(url: str) -> None:
    """Take every row out of a PostgreSQL database."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in metadata.tables.values():
            connection.execute(
                delete(table)
            )  # these few rows go quicker so than by TRUNCATE, which syncs files
    engine.dispose()
