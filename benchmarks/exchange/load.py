"""Documents sent through a gateway: as fast as it takes them, or by the clock; and what was seen meanwhile."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.clients import End, Exchange, Office
from benchmarks.exchange.figures import quantile
from benchmarks.exchange.served import Gateway
from benchmarks.processes import GATEWAY, Usage, usage

SETTLES_S = 1.5
"""What is not measured at the beginning of a window."""
WITHIN_S = 120.0


class Pressure:
    """Senders who send one document after the other, each as soon as its last one is through.

    What is measured is what ends between two looks at the clock while all of them send: neither the beginning, when
    nothing is through yet, nor the end, when some have stopped.
    """

    def __init__(self, gateway: Gateway, among: Sequence[Office], exchange: Exchange, kind: str) -> None:
        self._gateway = gateway
        self._among = among
        self._exchange = exchange
        self._kind = kind
        self._goes_on = True
        self._senders: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Pressure:
        self._senders = [asyncio.create_task(self._send(at)) for at in range(len(self._among))]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._goes_on = False
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*self._senders)

    async def window(self, lasting_s: float) -> dict[str, Any]:
        """The figures of the next seconds.  Raises what a sender met."""
        self._exchange.ends.clear()
        before, began = usage(), time.perf_counter()
        await asyncio.wait(self._senders, timeout=lasting_s, return_when=asyncio.FIRST_EXCEPTION)
        elapsed = time.perf_counter() - began
        used = usage().since(before)
        for sender in self._senders:
            if sender.done():
                sender.result()
        return figures(list(self._exchange.ends), elapsed, used)

    async def _send(self, at: int) -> None:
        while self._goes_on:
            await self._gateway.send(self._among, at, self._kind)


async def closed_loop(
    gateway: Gateway, among: Sequence[Office], exchange: Exchange, kind: str, lasting_s: float
) -> dict[str, Any]:
    """One window under pressure, after it has settled."""
    async with Pressure(gateway, among, exchange, kind) as pressure:
        await pressure.window(SETTLES_S)
        return await pressure.window(lasting_s)


async def open_loop(
    gateway: Gateway,
    among: Sequence[Office],
    exchange: Exchange,
    kind: str,
    rate: float,
    lasting_s: float,
    seed: int = 517,
) -> dict[str, Any]:
    """Documents come by the clock, at random as in a Poisson process, whether or not those before are through; at the same
    instants for the same *seed*.

    Each one's time runs from the instant at which it was due, so that whatever delays the sending is counted.
    """
    chance = random.Random(seed)
    exchange.ends.clear()
    before, began = usage(), time.perf_counter()
    due, late, count = began, 0.0, 0
    async with asyncio.timeout(lasting_s + WITHIN_S), asyncio.TaskGroup() as group:
        while (due := due + chance.expovariate(rate)) < began + lasting_s:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            late = max(late, time.perf_counter() - due)
            group.create_task(gateway.send(among, count % len(among), kind, due))
            count += 1
    elapsed = time.perf_counter() - began
    told = figures(list(exchange.ends), elapsed, usage().since(before))
    return {"asked_per_s": rate, "sent_late_ms": late * 1000} | told


def figures(ends: Sequence[End], elapsed: float, used: Usage) -> dict[str, Any]:
    """Rate, CPU in milliseconds per document by part, how busy the machine was, and latency."""
    count = len(ends)
    per_document = {part: ms / max(1, count) for part, ms in sorted(used.parts.items())}
    took = [end.took * 1000 for end in ends]
    return {
        "documents": count,
        "elapsed_s": elapsed,
        "per_s": count / elapsed,
        "gateway_cpu_ms": sum(per_document.get(part, 0.0) for part in GATEWAY),
        "cpu_ms": per_document,
        "kernel_cpu_ms": (used.machine - used.strangers) / max(1, count) - sum(per_document.values()),
        "busy": used.busy,
        "strangers": used.share(used.strangers),
        "stolen": used.share(used.stolen),
        "waiting": used.share(used.waiting),
        "p50_ms": quantile(took, 0.50),
        "p99_ms": quantile(took, 0.99),
    }
