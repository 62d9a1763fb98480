"""Loops that run beside the exchange: they end together, and one that ends by itself is told."""

from __future__ import annotations

import asyncio

from gateway.loops import Loops


async def for_ever() -> None:
    await asyncio.Event().wait()


async def broken() -> None:
    raise ValueError("a mistake")


async def test_they_end_at_once_and_a_second_time_there_is_nothing_to_end() -> None:
    loops = Loops()
    for name in ("one", "two"):
        loops.begin(name, for_ever())
    assert await loops.end()
    assert not await loops.end()
    assert loops.failed is None


async def test_what_ends_by_its_own_mistake_is_told_as_long_as_the_others_run() -> None:
    loops = Loops()
    loops.begin("well", for_ever())
    assert loops.failed is None
    loops.begin("badly", broken())
    await asyncio.sleep(0)
    assert isinstance(loops.failed, ValueError)
    await loops.end()
