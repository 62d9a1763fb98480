"""Fixtures that everybody may use.  Servers start when the first test asks for them, once per run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from adapters.broker.node import PrivateNode
from tests.services import Postgres, private_broker, private_postgres

pytest_plugins = ["tests.watchdog"]

# Rich tracebacks take a third of a second each, on the loop that wrote the line.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
def broker_node() -> Iterator[PrivateNode]:
    """A private RabbitMQ node, shared by the whole run: a test leaves it running and its own names behind."""
    with private_broker() as node:
        yield node


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A private PostgreSQL cluster, shared by the whole run."""
    with private_postgres() as postgres:
        yield postgres


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Postgres) -> str:
    """SQLAlchemy's URL of one database that the whole run shares."""
    return postgres_server.new_database()


@pytest.fixture
def postgres_database(postgres_server: Postgres) -> str:
    """SQLAlchemy's URL of an empty database for this test alone."""
    return postgres_server.new_database()
