"""A worker whose beat is late: it counts as dead, and must not make matters worse."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

from tests.journey.town import a_town
from tests.simulation.loop import VirtualLoop

LEASE = timedelta(seconds=10)


def test_a_worker_whose_beat_is_overdue_leases_nothing_until_the_next_one():
    loop = VirtualLoop(Random(0).random)
    loop.run_until_complete(_late())
    loop.close()


async def _late() -> None:
    town = await a_town()
    (life,) = town.lives
    leases: list[float] = []
    loop, lease, beat = asyncio.get_running_loop(), town.store.lease, town.store.beat
    slow = asyncio.Event()
    slow.set()

    async def leased(*arguments, **named):
        leases.append(loop.time())
        return await lease(*arguments, **named)

    async def beaten(*arguments):
        await slow.wait()
        await beat(*arguments)

    town.store.lease, town.store.beat = leased, beaten
    await life.worker.start()
    slow.clear()
    await asyncio.sleep(30)
    assert leases
    assert max(leases) < LEASE.total_seconds()
    slow.set()
    await asyncio.sleep(5)
    assert max(leases) > 30
    await life.worker.stop()
