"""The others' latency beside one agency that is trouble, against alone: windows by turns, each on a fresh gateway.

Strategy: the others send by the clock, a quarter of what the gateway can take, at the same random instants in every
window of a round.  The gateway is a fresh one for each: nothing that an earlier agency left behind waits in it, and neither
kind of window has one that has run for longer.  Each begins when the broker has just put away what its log held, and so
has the next such moments at the same places: whether they meet a crowd of arrivals is no difference between windows.

A machine that others share, and its disk, are quicker in one quarter of an hour than in the next, so each round has all
scenarios, and every other one has them backwards.  Alone is alone, whatever stands beside it later.  What counts of
several windows is the middle one: a second in which the machine stood still is one window's.  Each is held against those
alone of its own round: they had the same arrivals, in the same quarter of an hour.

What is measured is an agency whose documents wait, not how it fills its queue: a thousand documents of 160 KB in two seconds
are a burst that the broker writes down a second time when its log is full, whoever works beside.  So where a queue
fills, that is over before the window begins; the others go on sending meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import aiormq
from aiormq.abc import AbstractChannel

from adapters.broker.topology import submit_queue
from benchmarks.clients import Exchange, Office
from benchmarks.exchange.load import closed_loop, open_loop
from benchmarks.exchange.plan import Plan
from benchmarks.exchange.served import Gateway, Setting, Supply, quorum_logs, served, warm
from benchmarks.fairness.greedy import QUOTA, WAITING
from benchmarks.processes import GATEWAY
from gateway.model.ids import PartyKey

KIND = "unsigned"
ALONE = ""
"""The scenario in which no agency is trouble."""
PART = 4
"""The others send the fourth part of what the gateway can take."""
FULL_S = 4.0
RUN_IN_S = 4.0
"""How long the others send before a window begins."""
IN_TROUBLE_WITHIN_S = 240.0
ENDS_WITHIN_S = 10.0
LOOKS_EVERY_S = 0.2
FILLS = ("queue", "slow")
"""The agency has filled its queue before anything is measured."""
PUT_AWAY_WITHIN_S = 240.0
LOOKS_AT_LOGS_S = 0.5
FLOOD = 50
"""So many over HTTP are a flood."""


async def capacity(plan: Plan, supply: Supply) -> float:
    """Documents per second with everybody sending as fast as the gateway takes."""
    exchange = Exchange()
    with plan.cleared("capacity") as folder:
        async with served(folder, supply) as gateway, gateway.offices(plan.senders, exchange) as among:
            await warm(gateway, among, exchange)
            return float((await closed_loop(gateway, among, exchange, KIND, FULL_S))["per_s"])


def order(scenarios: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Each scenario once a round and ``ALONE`` before each two of them, with the number of the round; every other one the
    other way round."""
    one: list[str] = []
    for at, scenario in enumerate(scenarios):
        one += [scenario] if at % 2 else [ALONE, scenario]
    for number in range(rounds):
        yield from ((number, scenario) for scenario in (reversed(one) if number % 2 else one))


async def measure(plan: Plan, supply: Supply, scenario: str, rate: float, number: int) -> dict[str, Any]:
    """One window of round *number* beside such an agency, or ``ALONE``, and how the agency fared."""
    exchange = Exchange()
    setting = Setting(documents_per_minute=QUOTA if scenario == "quota" else 0)
    with plan.cleared(scenario or "alone") as folder:
        async with (
            served(folder, supply, setting) as gateway,
            gateway.offices(plan.senders, exchange) as among,
        ):
            await warm(gateway, among, exchange)
            async with _greed(gateway, scenario) as greedy:
                await open_loop(gateway, among, exchange, KIND, rate, RUN_IN_S)
                await _put_away(gateway, among, exchange, rate)
                told = await open_loop(gateway, among, exchange, KIND, rate, plan.seconds, seed=number)
                took = [round(end.took * 1000, 1) for end in exchange.ends]
    plan.say(f"{scenario or 'alone'}: p99 {told['p99_ms']:.0f} ms")
    return told | {"scenario": scenario, "round": number, "took_ms": took, "greedy": dict(greedy)}


def against(
    windows: Sequence[Mapping[str, Any]], alone: Sequence[Mapping[str, Any]], quantile: str
) -> float | None:
    """The middle one of what *quantile* is in these windows, as a multiple of its middle in those alone of the same round;
    ``None`` where no round has both."""
    usual = {
        number: [w[quantile] for w in alone if w["round"] == number] for number in {w["round"] for w in alone}
    }
    ratios = [w[quantile] / median(usual[w["round"]]) for w in windows if w["round"] in usual]
    return median(ratios) if ratios else None


def summed_up(windows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The middle one of the quantiles of these windows, and in all of them together the processors that were used."""
    seconds = sum(w["elapsed_s"] for w in windows)
    return {
        "p50_ms": median(w["p50_ms"] for w in windows),
        "p99_ms": median(w["p99_ms"] for w in windows),
        "windows_p99_ms": [w["p99_ms"] for w in windows],
        **{
            share: sum(w[share] * w["elapsed_s"] for w in windows) / seconds
            for share in ("busy", "strangers", "stolen", "waiting")
        },
        "cores": {
            part: sum(w["cpu_ms"].get(part, 0.0) * w["documents"] for w in windows) / 1000 / seconds
            for part in (*GATEWAY, "broker", "clients", "greedy")
        },
        "greedy": windows[-1]["greedy"],
    }


async def _put_away(gateway: Gateway, among: Sequence[Office], exchange: Exchange, rate: float) -> None:
    """The others send until the broker has moved what its log holds into the files of the queues."""
    logs = quorum_logs(gateway.var)
    assert logs, "no log of the broker where it should be"
    async with asyncio.timeout(PUT_AWAY_WITHIN_S):
        while logs & quorum_logs(gateway.var):
            await open_loop(gateway, among, exchange, KIND, rate, LOOKS_AT_LOGS_S)


@contextlib.asynccontextmanager
async def _greed(gateway: Gateway, scenario: str) -> AsyncIterator[dict[str, int]]:
    """The agency at work, from when it is trouble, what it tells of itself is kept; nobody where the others are ``ALONE``."""
    if scenario == ALONE:
        yield {}
        return
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
        yield told
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
