"""The operators' record: who asked what of the command line, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adapters.clock import SystemClock
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.model.change import AuditEntry

if TYPE_CHECKING:
    from adapters.store import Store


async def note(config: Config, actor: str, verb: str, subject: str, outcome: str) -> None:
    """Put an operator's verb on record, where there is a store to keep it."""
    if not has_store(config):
        return
    from gateway.wiring.ground import open_the_store  # a database's library, for those who have one

    store = await open_the_store(config)
    try:
        await note_in(store, actor, verb, subject, outcome)
    finally:
        await store.close()


async def note_in(store: Store, actor: str, verb: str, subject: str, outcome: str) -> None:
    """Put an operator's verb on record in *store*, which is open."""
    entry = AuditEntry(
        at=SystemClock().now(),
        actor=actor,
        verb=verb,
        object=_printable(subject)[:200],
        outcome=_printable(outcome)[:200],
    )
    await store.records.note(entry)


def has_store(config: Config) -> bool:
    """Whether there is a store, as far as can be known without asking a server."""
    url = config.store_url
    return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).exists()


def must_have_store(config: Config) -> None:
    """Raises ``ConfigError`` where there is no store yet."""
    if not has_store(config):
        path = config.store_url.removeprefix("sqlite:///")
        raise ConfigError(f"{path}: chưa có kho dữ liệu · there is no store yet")


def _printable(text: str) -> str:
    """*text* as a database takes it: names of files may hold bytes that are no letters."""
    return text.encode(errors="backslashreplace").decode()
