"""Whether many organs, and many stored documents, slow the exchange of one."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.clients import Exchange, Office
from benchmarks.exchange.figures import quantile
from benchmarks.exchange.load import Pressure, closed_loop
from benchmarks.exchange.plan import Plan
from benchmarks.exchange.served import Gateway, Setting, Supply, quorum_logs, served, warm
from benchmarks.exchange.whole import median
from benchmarks.filling import Past, fill
from gateway.config import load

FEW, QUEUES_OF_FEW = 100, 62
PAGES = 200
WRITTEN_WITHIN_S = 240.0


async def measure(plan: Plan, supply: Supply) -> dict[str, Any]:
    """Few organs and an empty store before, between and after; the same clients each time.

    The full store is made once and kept for other runs: a million documents take a quarter of an hour.
    """
    few = Setting(organs=_organs(FEW, QUEUES_OF_FEW))
    many = Setting(organs=_organs(plan.organs, plan.queues))
    past = plan.var.parent / f"past-{plan.documents}.sqlite"
    if not past.exists():
        began = time.monotonic()
        await asyncio.to_thread(_make_past, past, plan.documents)
        plan.say(f"{plan.documents:,} documents put into a store in {time.monotonic() - began:.0f} s")
    told: dict[str, Any] = {}
    with plan.cleared("growth-few") as small, plan.cleared("growth-many") as large:
        await _found(supply, small, few)
        await _found(supply, large, many)
        before = await _rate(plan, supply, small, few, f"{FEW} organs")
        told["many_organs"] = await _rate(
            plan, supply, large, many, f"{plan.organs} organs, {plan.queues} with queues"
        )
        between = await _rate(plan, supply, small, few, f"{FEW} organs again")
        with plan.cleared("growth-full") as full:
            await asyncio.to_thread(_put_past, past, full)
            told["many_documents"] = await _rate(plan, supply, full, few, f"{plan.documents:,} documents")
        after = await _rate(plan, supply, small, few, f"{FEW} organs and few documents again")
    told["few"] = median([*before["rounds"], *between["rounds"], *after["rounds"]])
    told["few"] |= {name: before[name] for name in ("at_first", "page_ms")}
    told["organs_ratio"] = told["many_organs"]["per_s"] / told["few"]["per_s"]
    told["documents_ratio"] = told["many_documents"]["per_s"] / told["few"]["per_s"]
    told["timeline_ms"] = told["many_documents"]["page_ms"]["p50"]
    return told


async def _found(supply: Supply, var: Path, setting: Setting) -> None:
    """Make the queues and end again: the log in which the broker notes them is put in order at its next start, four
    thousand files at once, and not while the rate is measured."""
    async with served(var, supply, setting):
        pass


def _organs(count: int, queues: int) -> Sequence[tuple[str, bool]]:
    return [(f"{at // 100:03}.{at % 100:02}.00.H53", at < queues) for at in range(count)]


def _make_past(path: Path, documents: int) -> None:
    organs = tuple(code for code, has_queues in _organs(FEW, QUEUES_OF_FEW) if has_queues)
    making = path.with_suffix(".making")
    making.unlink(missing_ok=True)
    fill(f"sqlite:///{making.resolve()}", documents, Past(organs=organs))
    making.rename(path)


def _put_past(past: Path, var: Path) -> None:
    """Where ``vanthu serve`` keeps its ledger if no configuration says otherwise."""
    ledger = Path(load(None, var=var.resolve()).store_url.removeprefix("sqlite:///"))
    ledger.parent.mkdir(parents=True)
    shutil.copyfile(past, ledger)
    os.sync()  # else the disk is busy with gigabytes while the rate is measured


async def _rate(plan: Plan, supply: Supply, var: Path, setting: Setting, name: str) -> dict[str, Any]:
    exchange, began = Exchange(), time.monotonic()
    async with served(var, supply, setting) as gateway:
        started, logs = time.monotonic() - began, quorum_logs(var)
        async with gateway.offices(plan.senders, exchange) as among:
            await warm(gateway, among, exchange)
            at_first = await _write_down(gateway, among, exchange, logs)
            rounds = [
                await closed_loop(gateway, among, exchange, "unsigned", plan.seconds)
                for _ in range(plan.rounds)
            ]
            await gateway.send(among, 0, "unsigned")
            pages = await _pages(gateway, among[0].organ, exchange.last_document)
    told = median(rounds)
    plan.say(
        f"{name}: {told['per_s']:.1f}/s, gateway {told['gateway_cpu_ms']:.2f} ms; up in {started:.0f} s, "
        f"settled after {at_first['seconds']:.0f} s at {at_first['per_s']:.0f}/s; "
        f"a document's page in {pages['p50']:.1f} ms"
    )
    return told | {"rounds": rounds, "started_in_s": started, "at_first": at_first, "page_ms": pages}


async def _write_down(
    gateway: Gateway, among: Sequence[Office], exchange: Exchange, logs: Collection[Path]
) -> dict[str, float]:
    """Send until what the broker's start has left in *logs* is in files of its queues: how long it took, and the rate meanwhile.

    At each start every quorum queue elects itself and gets its consumers, and notes both in the log they share. When that is full for
    the first time, each queue writes and syncs a file of its own: four thousand of them while documents pass, once in the broker's life.
    A log that is written down is removed, so there is something to wait for, with few queues and with many. Raises ``TimeoutError``.
    """
    began, documents = time.monotonic(), 0
    async with asyncio.timeout(WRITTEN_WITHIN_S), Pressure(gateway, among, exchange, "unsigned") as pressure:
        while not are_written(logs, quorum_logs(gateway.var)):
            documents += (await pressure.window(0.5))["documents"]
        seconds = time.monotonic() - began
    return {"seconds": seconds, "per_s": documents / seconds}


def are_written(logs: Collection[Path], left: Collection[Path]) -> bool:
    """Whether all *logs* are gone, and of those that came after them one at most is being written down behind the newest: under
    pressure one often is."""
    if not logs:
        raise SystemExit("the broker has no log of its quorum queues where it was looked for")
    return 0 < len(left) <= 2 and not any(log in left for log in logs)


async def _pages(gateway: Gateway, organ: str, document: str) -> dict[str, float]:
    """The page of one document by HTTP, with its timeline, evidence and copies, while nothing else happens."""
    access = gateway.access[organ]
    took = []
    async with aiohttp.ClientSession(
        access["http_url"], headers={"Authorization": f"Bearer {access['http_token']}"}
    ) as http:
        for _ in range(PAGES):
            began = time.perf_counter()
            async with http.get(f"/v1/documents/{document}") as response:
                await response.read()
                assert response.status == 200, response.status
            took.append((time.perf_counter() - began) * 1000)
    return {"p50": statistics.median(took), "p99": quantile(took, 0.99)}
