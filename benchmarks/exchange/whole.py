"""The whole exchange of one document to one recipient: as ``vanthu serve`` runs it, on SQLite and PostgreSQL; and by
one worker and two."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import limits
from benchmarks.clients import Exchange
from benchmarks.exchange.load import closed_loop
from benchmarks.exchange.plan import Plan
from benchmarks.exchange.served import KINDS, Setting, Supply, served, warm
from gateway.config import load
from tests.services import private_postgres


async def measure(plan: Plan, supply: Supply) -> dict[str, Any]:
    """Everything; the bare parts right before and after that which they are compared with."""
    with plan.cleared("limits") as folder:
        parts = [await limits.measure(folder)]
    told: dict[str, Any] = {"sqlite": await _rounds(plan, supply, "sqlite", Setting())}
    with plan.cleared("limits") as folder:
        parts.append(await limits.measure(folder))
    told["one_worker"] = await _rounds(plan, supply, "one-worker", Setting(workers=1))
    # On a machine with two processors that was measured already.
    is_usual = load(None).workers == 2
    two = Setting(workers=2)
    told["two_workers"] = told["sqlite"] if is_usual else await _rounds(plan, supply, "two-workers", two)
    with private_postgres() as postgres:
        setting = Setting(store_url=postgres.new_database())
        told["postgresql"] = await _rounds(plan, supply, "postgresql", setting)
    told["parts"] = {name: statistics.median(one[name] for one in parts) for name in parts[0]}
    return told


async def _rounds(plan: Plan, supply: Supply, name: str, setting: Setting) -> dict[str, Any]:
    exchange = Exchange()
    rounds: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    with plan.cleared(name) as folder:
        async with (
            served(folder, supply, setting) as gateway,
            gateway.offices(plan.senders, exchange) as among,
        ):
            await warm(gateway, among, exchange)
            for _ in range(plan.rounds):
                for kind in KINDS:
                    one = await closed_loop(gateway, among, exchange, kind, plan.seconds)
                    rounds[kind].append(one)
                    plan.say(f"{name}, {kind}: {one['per_s']:.1f}/s, gateway {one['gateway_cpu_ms']:.2f} ms")
    return {kind: median(rounds[kind]) | {"rounds": rounds[kind]} for kind in KINDS}


def median(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The median of each figure over *rounds*."""
    names = [name for name, value in rounds[0].items() if isinstance(value, int | float)]
    told: dict[str, Any] = {name: statistics.median(one[name] for one in rounds) for name in names}
    parts = {part for one in rounds for part in one["cpu_ms"]}
    told["cpu_ms"] = {
        part: statistics.median(one["cpu_ms"].get(part, 0.0) for one in rounds) for part in sorted(parts)
    }
    return told
