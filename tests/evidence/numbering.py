"""A process that issues evidence and numbers it until it is killed: ``python -m tests.evidence.numbering URL OWNER FIRST``."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from itertools import count

import structlog

from adapters.memory import MemoryNotary, MemoryVault
from adapters.store import Options, Store
from gateway.model.ids import Owner
from gateway.sequencer import Rhythm, Sequencer
from tests.evidence.desk import Desk

BRIEF = Rhythm(head=timedelta(), batch=5)
"""A head after every look, few numbers in a commit: many places to die at."""


async def main(url: str, owner: Owner, first: int) -> None:
    """Go on for ever."""
    async with await Store.open(Options(url=url, realm="H53")) as store:
        desk = Desk(store, MemoryVault(), MemoryNotary())
        sequencer = Sequencer(
            store.log,
            store.log_records,
            desk.notary,
            desk.clock,
            organ=desk.sequencer._organ,
            owner=owner,
            rhythm=BRIEF,
        )
        has_led = False
        for number in count(first):
            await store.lives.beat(owner, timedelta(seconds=1))
            await desk.document(number)
            leads = await sequencer.turn()
            if number == first:
                print("going", flush=True)
            if leads and not has_led:
                print("leads", flush=True)
                has_led = True


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    asyncio.run(main(sys.argv[1], Owner(sys.argv[2]), int(sys.argv[3])))
