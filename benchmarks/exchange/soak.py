"""Whether a quarter of an hour under pressure leaves the rate and the memory as they were."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.clients import Exchange
from benchmarks.exchange.figures import slope
from benchmarks.exchange.load import Pressure
from benchmarks.exchange.plan import Plan
from benchmarks.exchange.served import Supply, served, warm
from benchmarks.processes import memory

MINUTE_S = 60.0
SWEEPS_S = 15.0
KEPT_S = 30.0
"""Payloads that nobody has touched for so long are removed, from before the first minute on: the disk would not hold a quarter
of an hour of them."""


async def measure(plan: Plan, supply: Supply) -> dict[str, Any]:
    """Rate and memory minute by minute; the last against the first; MB per hour by the slope of all but the first."""
    exchange = Exchange()
    minutes: list[dict[str, Any]] = []
    with plan.cleared("soak") as folder:
        async with served(folder, supply) as gateway, gateway.offices(plan.senders, exchange) as among:
            await warm(gateway, among, exchange)
            broom = asyncio.create_task(_sweep(folder / "vault"), name="sweep")
            try:
                async with Pressure(gateway, among, exchange, "unsigned") as pressure:
                    # Until as much is removed as in every minute.
                    await pressure.window(KEPT_S + 2 * SWEEPS_S)
                    ends = time.monotonic() + plan.soak_s
                    while (left := ends - time.monotonic()) > 0.5:
                        one = await pressure.window(min(MINUTE_S, left))
                        if one["elapsed_s"] < 0.9 * min(MINUTE_S, plan.soak_s):
                            break
                        one["rss_mb"] = _by_part()
                        minutes.append(one)
                        rss = ", ".join(f"{part} {mb:.0f}" for part, mb in one["rss_mb"].items())
                        plan.say(f"soak, minute {len(minutes)}: {one['per_s']:.1f}/s; MB {rss}")
            finally:
                broom.cancel()
                await asyncio.gather(broom, return_exceptions=True)
    return summed_up(minutes)


def summed_up(minutes: list[dict[str, Any]]) -> dict[str, Any]:
    """What the minutes come to."""
    grows = {
        part: slope([(at / 60, one["rss_mb"][part]) for at, one in enumerate(minutes) if at])
        for part in (minutes[0]["rss_mb"] if minutes else ())
    }
    ratio = minutes[-1]["per_s"] / minutes[0]["per_s"] if len(minutes) > 1 else None
    return {"ratio": ratio, "rss_mb_per_hour": grows, "minutes": minutes}


def _by_part() -> dict[str, float]:
    largest: dict[str, float] = {}
    for one in memory():
        largest[one.part] = max(largest.get(one.part, 0.0), one.now / 1e6)
    return dict(sorted(largest.items()))


async def _sweep(vault: Path) -> None:
    while True:
        await asyncio.sleep(SWEEPS_S)
        await asyncio.to_thread(_remove_old, vault)


def _remove_old(vault: Path) -> None:
    before = time.time() - KEPT_S
    for path in vault.rglob("*"):
        # the gateway may be moving it, and its temporary files are its own
        with suppress(OSError):
            if path.is_file() and len(path.name) == 64 and path.stat().st_mtime < before:
                path.unlink()
