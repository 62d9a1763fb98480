"""Brings the tables up to date at start, safely when many processes start at once.

Migrations expand first and contract a release later, so that an older process goes on working beside a newer
one: a database that is ahead of us is left as it is.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, inspect, text

from adapters.store.engine import file_of, open_writer
from adapters.store.migrations import HEAD

_LOCK = 0x56414E54  # any number, as long as all our processes use the same


def migrate(url: URL) -> None:
    """Run what is missing, in one transaction; nothing where nothing is."""
    with _alone(url):
        engine = open_writer(url)
        try:
            with engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                if _version(connection) < HEAD:
                    _upgrade(connection)
        finally:
            engine.dispose()


def _version(connection: Connection) -> str:
    """The newest migration that has run; they are numbered, so texts compare rightly."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found or "")


def _upgrade(connection: Connection) -> None:
    # Alembic costs memory and a tenth of a second, and hardly any start needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "adapters.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _alone(url: URL) -> Iterator[None]:
    # The first connection to a new SQLite file switches it to WAL, and two that do so at once lock each other out.
    file = file_of(url)
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
