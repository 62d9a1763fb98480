"""Operators: they have what died tried again, and receipts sent again; their commands die like any process."""

from __future__ import annotations

import asyncio
from contextvars import Context

from gateway.errors import Unavailable
from gateway.model.dead import Replayed, Wanted
from gateway.model.ids import Owner
from gateway.replay import Ports, Replays, refusals
from tests.simulation.town import Life, Lost, SimTown

MEANT = Wanted(refusals=refusals())
AT_MOST_S = 300.0
"""A command that takes longer is given up by who has called it, and goes on."""


class Operators:
    """All of them.  *town* is where they work."""

    def __init__(self, town: SimTown) -> None:
        self.town = town
        self._commands = 0

    def call_at(self, when: float) -> None:
        """At *when* somebody types a command."""
        self.town.in_flight += 1
        delay = max(0.0, when - self.town.loop.time())
        self.town.loop.call_later(
            delay, lambda: self.town.loop.create_task(self._command()), context=Context()
        )

    async def _command(self) -> None:
        town = self.town
        self._commands += 1
        life = town.hire(Owner(f"operator-{self._commands}"))
        try:
            replays = self._replays(life)
            does = self._receipts if town.random.random() < 0.2 else self._dead
            await town.ask(life, does(replays), AT_MOST_S)
        except (Lost, Unavailable):
            await asyncio.sleep(0)  # the rest is for the next one
        finally:
            town.in_flight -= 1

    def _replays(self, life: Life) -> Replays:
        town = self.town
        port = town.weather.port
        ports = Ports(
            ledger=port(life, "ledger", town.store),  # type: ignore[arg-type]
            records=port(life, "records", town.store),  # type: ignore[arg-type]
            dead=port(life, "dead", town.store),  # type: ignore[arg-type]
            vault=town.weather.vault(life, town.vault),  # type: ignore[arg-type]
            directory=town.directory,
            clock=life.clock,
            ids=town.ids,
        )
        return Replays(ports, str(life.owner))

    async def _dead(self, replays: Replays) -> None:
        """Some of all that died, one after the other."""
        async for letter in replays.letters(MEANT):
            if self.town.random.random() < 0.8:
                done = await replays.replay(letter)
                if isinstance(done, Replayed):
                    self.town.counts["replayed"] += 1
                    what = f"{done.recipient} generation {done.generation}" if done.recipient else "whole"
                    self.town.tell(f"{letter.submission.document[-6:]} is replayed: {what}")

    async def _receipts(self, replays: Replays) -> None:
        """All receipts of one document."""
        documents = sorted(self.town.store._submissions)
        if documents:
            await replays.send_receipts(self.town.random.choice(documents))
