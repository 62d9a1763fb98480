"""What is kept for how long, as the configuration has it; and clearing out by hand."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from adapters.clock import SystemClock
from adapters.store import FileShelves, FileVault, VaultOptions
from gateway.config import Config
from gateway.disposal import ACTOR, VERB, Disposer, Sweep, Tally
from gateway.model.change import AuditEntry
from gateway.model.ids import Owner
from gateway.wiring.audit import must_have_store
from gateway.wiring.ground import open_the_store

_EARLIER = 5
_NOTES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What went, or would go, in this round; ``earlier``: what went in the last rounds that let anything go."""

    tally: Tally
    earlier: Sequence[AuditEntry]


def sweep_of(config: Config) -> Sweep:
    """How often, and how gently, the gateway clears out."""
    section = config.sections.retention
    return Sweep(
        every=timedelta(minutes=section.every_minutes),
        untouched=timedelta(days=section.orphan_days),
        settle=timedelta(seconds=section.settle_s),
    )


async def purge(config: Config, *, is_dry: bool) -> Purged:
    """Clear out now, beside whatever runs; with *is_dry* only look.  Raises ``ConfigError`` where there is no store.

    Bytes without a name are looked at twice, as far apart as the configuration has it: that is waited for.
    """
    must_have_store(config)
    store = await open_the_store(config)
    vault = FileVault(VaultOptions(folder=config.data(config.sections.vault.folder, "vault")))
    try:
        sweep = sweep_of(config)
        disposer = Disposer(
            store.disposal,
            FileShelves(vault),
            store.ledger,
            store.inboxes,
            store.records,
            SystemClock(),
            owner=Owner(f"purge-{os.getpid()}-{uuid.uuid4().hex[:12]}"),
            sweep=sweep,
            is_hasty=True,
        )
        notes = [n for n in await store.records.notes(_NOTES) if (n.actor, n.verb) == (ACTOR, VERB)]
        tally = await disposer.round(is_dry=is_dry)
        if tally.waiting:
            await asyncio.sleep(sweep.settle.total_seconds())
            await disposer.tidy_again(tally)
        return Purged(tally=tally, earlier=notes[:_EARLIER])
    finally:
        await vault.close()
        await store.close()
