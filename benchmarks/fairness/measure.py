"""The others' latency beside one agency that is trouble, against alone: by turns on two gateways.

Strategy: the others send by the clock, a quarter of what the gateway can take.  Two fresh gateways run, one of them with the
agency; the others send to the one for ten seconds and then to the other, at the same random instants, and meanwhile
the other with all that belongs to it stands still (SIGSTOP), as if it were not there.  For a machine that others share, and
its disk, are quicker in one minute than in the next: windows of a minute, one after the other, told 1.0 and 1.7 of the
same code, as the machine was.  Every other pair of turns goes backwards.

What is measured is an agency whose documents wait, not how it fills its queue: a thousand documents of 160 KB in two seconds
are a burst that the broker writes down a second time when its log is full, whoever works beside.  So where a queue
fills, that is over before anything is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiormq
from aiormq.abc import AbstractChannel

from adapters.broker.topology import submit_queue
from benchmarks.clients import Exchange, Office
from benchmarks.exchange.figures import quantile
from benchmarks.exchange.load import closed_loop, open_loop
from benchmarks.exchange.plan import Plan
from benchmarks.exchange.served import Gateway, Setting, Supply, served, warm
from benchmarks.fairness.greedy import QUOTA, WAITING
from benchmarks.processes import GATEWAY, held_still
from gateway.model.ids import PartyKey

KIND = "unsigned"
PART = 4
"""The others send the fourth part of what the gateway can take."""
FULL_S = 4.0
RUN_IN_S = 4.0
"""How long the others send before the first turn."""
TURN_S = 10.0
SETTLES_S = 2.0
"""How long the others send at the beginning of a turn before anything counts: who stood still has some to catch up with.
A connection lasts for longer than a turn without a sign of life."""
IN_TROUBLE_WITHIN_S = 240.0
ENDS_WITHIN_S = 10.0
LOOKS_EVERY_S = 0.2
FILLS = ("queue", "slow")
"""The agency has filled its queue before anything is measured."""
FLOOD = 50
"""So many over HTTP are a flood."""
LIKELY, DRAWN = 0.9, 2_000
"""In this share of so many draws of turns with putting back, the ratio lies between the bounds that are told."""


async def capacity(plan: Plan, supply: Supply) -> float:
    """Documents per second with everybody sending as fast as the gateway takes."""
    exchange = Exchange()
    with plan.cleared("capacity") as folder:
        async with served(folder, supply) as gateway, gateway.offices(plan.senders, exchange) as among:
            await warm(gateway, among, exchange)
            return float((await closed_loop(gateway, among, exchange, KIND, FULL_S))["per_s"])


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two gateways, with the offices of the others."""

    gateway: Gateway
    among: Sequence[Office]
    exchange: Exchange
    turns: list[dict[str, Any]] = field(default_factory=list)
    """What ``open_loop`` told of each turn, and how long each document took, in milliseconds."""

    async def send(self, rate: float, lasting_s: float, seed: int) -> None:
        """One turn."""
        await open_loop(self.gateway, self.among, self.exchange, KIND, rate, SETTLES_S, seed=-1 - seed)
        told = await open_loop(self.gateway, self.among, self.exchange, KIND, rate, lasting_s, seed=seed)
        self.turns.append(told | {"took_ms": [round(end.took * 1000, 1) for end in self.exchange.ends]})


async def measure(plan: Plan, supply: Supply, scenario: str, rate: float) -> dict[str, Any]:
    """Beside such an agency and alone, by turns, and how the agency fared."""
    setting = Setting(documents_per_minute=QUOTA if scenario == "quota" else 0)
    async with (
        _side(plan, supply, f"{scenario}-alone", setting) as alone,
        _side(plan, supply, scenario, setting) as beside,
        _greed(beside.gateway, scenario) as (greedy, pid),
    ):
        families = {id(alone): [alone.gateway.stack.pid], id(beside): [beside.gateway.stack.pid, pid]}
        await open_loop(beside.gateway, beside.among, beside.exchange, KIND, rate, RUN_IN_S)
        for turn in range(max(1, round(plan.seconds / TURN_S))):
            pair = (alone, beside) if turn % 2 else (beside, alone)
            for now, still in (pair, reversed(pair)):
                with held_still([pid for pid in families[id(still)] if pid]):
                    await now.send(rate, min(TURN_S, plan.seconds), turn)
    told = {
        "scenario": scenario,
        "alone": alone.turns,
        "beside": beside.turns,
        "greedy": dict(greedy),
    }
    of_alone, of_beside = summed_up(alone.turns), summed_up(beside.turns)
    plan.say(f"{scenario}: p99 {of_beside['p99_ms']:.0f} ms, alone {of_alone['p99_ms']:.0f} ms")
    return told


def summed_up(turns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All turns together: the quantiles, and the processors that were used."""
    seconds = sum(turn["elapsed_s"] for turn in turns)
    took = [ms for turn in turns for ms in turn["took_ms"]]
    return {
        "p50_ms": quantile(took, 0.50),
        "p99_ms": quantile(took, 0.99),
        **{
            share: sum(turn[share] * turn["elapsed_s"] for turn in turns) / seconds
            for share in ("busy", "strangers", "stolen", "waiting")
        },
        "cores": {
            part: sum(turn["cpu_ms"].get(part, 0.0) * turn["documents"] for turn in turns) / 1000 / seconds
            for part in (*GATEWAY, "broker", "clients", "greedy")
        },
    }


def against(
    beside: Sequence[Mapping[str, Any]], alone: Sequence[Mapping[str, Any]], share: float
) -> tuple[float, float, float]:
    """That quantile beside as a multiple of that alone, and between which bounds it likely lies: drawn from the pairs of turns,
    with putting back."""
    pairs = [*zip(beside, alone, strict=True)]
    chance = random.Random(517)
    drawn = sorted(_ratio(chance.choices(pairs, k=len(pairs)), share) for _ in range(DRAWN))
    beyond = round(DRAWN * (1 - LIKELY) / 2)
    return _ratio(pairs, share), drawn[beyond], drawn[-1 - beyond]


def _ratio(pairs: Sequence[Sequence[Mapping[str, Any]]], share: float) -> float:
    beside, alone = (
        quantile([ms for turn in side for ms in turn["took_ms"]], share) for side in zip(*pairs, strict=True)
    )
    return beside / alone


@contextlib.asynccontextmanager
async def _side(plan: Plan, supply: Supply, name: str, setting: Setting) -> AsyncIterator[Side]:
    exchange = Exchange()
    with plan.cleared(name) as folder:
        async with (
            served(folder, supply, setting) as gateway,
            gateway.offices(plan.senders, exchange) as among,
        ):
            await warm(gateway, among, exchange)
            yield Side(gateway, among, exchange)


@contextlib.asynccontextmanager
async def _greed(gateway: Gateway, scenario: str) -> AsyncIterator[tuple[dict[str, int], int]]:
    """The agency at work, from when it is trouble: what it tells of itself is kept, and its process."""
    queued = sorted(organ for organ, entry in gateway.access.items() if entry["amqp_url"])
    dead, organ = queued[-2:]
    to = {"dead": dead, "fanout": "everybody"}.get(scenario, organ)
    told: dict[str, int] = {}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.fairness.greedy", scenario),
        *(str(gateway.stack.access_file), organ, to),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    heard = asyncio.create_task(_hear(process.stdout, told))
    try:
        async with asyncio.timeout(IN_TROUBLE_WITHIN_S), _watching(gateway.access[organ]) as channel:
            while not await _is_trouble(scenario, told, channel, submit_queue(PartyKey(organ))):
                if heard.done():
                    raise SystemExit(f"the greedy agency ended: {told}")
                await asyncio.sleep(LOOKS_EVERY_S)
        yield told, process.pid
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        await heard


@contextlib.asynccontextmanager
async def _watching(access: Mapping[str, Any]) -> AsyncIterator[AbstractChannel]:
    """A channel with the rights of an agency: the broker says to anybody how long a queue is."""
    connection = await aiormq.connect(access["amqp_url"])
    try:
        yield await connection.channel()
    finally:
        await connection.close()


async def _is_trouble(scenario: str, told: Mapping[str, int], channel: AbstractChannel, submits: str) -> bool:
    """Whether more of its documents wait than are taken: its queue is full, or its quota used up; those for the dead agency
    when all are taken in."""
    sent = told.get("sent", 0)
    if scenario == "http":
        return sent >= FLOOD
    waiting = (await channel.queue_declare(submits, passive=True)).message_count or 0
    match scenario:
        case "dead":
            return sent >= WAITING and waiting == 0
        case "quota":
            return told.get("ContentConsignment", 0) >= QUOTA
        case _ if scenario in FILLS:
            return told.get("queue full", 0) > 0
        case _:
            return sent > 0 and waiting > 0


async def _hear(stream: asyncio.StreamReader, told: dict[str, int]) -> None:
    async for line in stream:
        told.update(json.loads(line))
