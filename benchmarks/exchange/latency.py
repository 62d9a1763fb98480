"""How long a document takes at half load: arrivals by the clock, at random, whether or not those before are through."""

from __future__ import annotations

from typing import Any

from benchmarks.clients import Exchange
from benchmarks.exchange.load import closed_loop, open_loop
from benchmarks.exchange.plan import Plan
from benchmarks.exchange.served import Supply, served, warm

WINDOWS = 3
"""How many times as long as any other window: a p99 needs many documents."""


async def measure(plan: Plan, supply: Supply) -> dict[str, Any]:
    """Half of the rate that the same gateway has just reached."""
    exchange = Exchange()
    with plan.cleared("latency") as folder:
        async with served(folder, supply) as gateway, gateway.offices(plan.senders, exchange) as among:
            await warm(gateway, among, exchange)
            full = await closed_loop(gateway, among, exchange, "unsigned", plan.seconds)
            lasting = plan.seconds * WINDOWS
            told = {"full_load": full}
            for kind, name in (("unsigned", "half_load"), ("signed", "half_load_signed")):
                rate = full["per_s"] / 2
                if kind == "signed":
                    rate = (await closed_loop(gateway, among, exchange, kind, plan.seconds))["per_s"] / 2
                told[name] = await open_loop(gateway, among, exchange, kind, rate, lasting)
                plan.say(
                    f"{kind} at {rate:.0f}/s: p50 {told[name]['p50_ms']:.0f} ms, p99 {told[name]['p99_ms']:.0f} ms"
                )
    return told
