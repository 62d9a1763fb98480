"""A worker that kills itself (-9) at a named point, once for each time that it is told to.

The points are those between which something could be lost or doubled.  A file in ``var`` tells a worker where to
die; it takes the file away first, so that the next life goes on.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiormq
import uvloop

from gateway.model.change import Change, Outcome
from gateway.model.handover import Delivery, Handed, HandOverResult, Parcel
from gateway.model.payload import PayloadRef
from gateway.wiring import work
from gateway.world import World

POINTS = ("after-vault", "after-t1", "after-acknowledge", "after-t2", "after-publish", "before-t3")


def order(var: Path, point: str) -> Path:
    """The file that tells the next worker which passes *point* to die there; it is gone when one did."""
    return var / f"die-{point}"


class Dying:
    """Dies where it is ordered to."""

    def __init__(self, var: Path) -> None:
        self._var = var

    def at(self, point: str) -> None:
        """The end, if somebody ordered it here."""
        try:
            order(self._var, point).unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


class Wrapped:
    """A port of which single methods are replaced."""

    def __init__(self, port: Any, **methods: Any) -> None:
        self._port = port
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


def crashing(world: World, dying: Dying) -> World:
    """*world* with death in it."""

    async def put(chunks: Any) -> PayloadRef:
        ref = await world.vault.put(chunks)
        dying.at("after-vault")
        return ref

    async def commit(change: Change) -> Outcome:
        is_t3 = change.fence is not None and change.fence.key.startswith("delivery:") and change.handovers
        if is_t3:
            dying.at("before-t3")
        outcome = await world.ledger.commit(change)
        if change.submission is not None and change.submission.version == 1:
            dying.at("after-t1")
        if change.header is not None:
            dying.at("after-t2")
        return outcome

    async def hand_over(parcel: Parcel) -> HandOverResult:
        result = await world.outlet.hand_over(parcel)
        if isinstance(parcel, Delivery) and result.handed is Handed.TAKEN:
            dying.at("after-publish")
        return result

    return replace(
        world,
        vault=Wrapped(world.vault, put=put),
        ledger=Wrapped(world.ledger, commit=commit),
        outlet=Wrapped(world.outlet, hand_over=hand_over),
    )


def main() -> None:
    """One worker that will die."""
    facts = json.loads(sys.stdin.buffer.readline())
    dying = Dying(Path(facts["var"]))
    acknowledge = aiormq.Channel.basic_ack

    async def basic_ack(channel: aiormq.Channel, *args: Any, **kwargs: Any) -> None:
        await acknowledge(channel, *args, **kwargs)
        dying.at("after-acknowledge")

    aiormq.Channel.basic_ack = basic_ack  # type: ignore[method-assign]  # the library's, not ours
    uvloop.run(work(facts, wrap=lambda world: crashing(world, dying)))


if __name__ == "__main__":
    main()
