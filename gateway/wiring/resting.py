"""A worker's side of a drain: it takes nothing in, finishes or gives back what is in hand, and says what it could not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from adapters.broker.consumer import Consumer
from adapters.broker.outlet import AmqpOutlet
from adapters.http.server import HttpServer
from gateway.worker import Worker


class Resting:
    """Obeys ``{"drain": seconds}`` and ``{"resume": true}``."""

    def __init__(self, http: HttpServer, consumer: Consumer, worker: Worker, outlet: AmqpOutlet) -> None:
        self._http = http
        self._consumer = consumer
        self._worker = worker
        self._outlet = outlet

    async def obey(self, order: Mapping[str, Any]) -> dict[str, Any] | None:
        """Do what *order* says; ``None`` where it is none of these."""
        match order:
            case {"drain": int() | float() as seconds}:
                return {"drained": await self._drain(float(seconds))}
            case {"resume": True}:
                self._worker.resume()
                self._http.resume()
                await self._consumer.resume()
                return {"resumed": True}
        return None

    async def _drain(self, within_s: float) -> dict[str, int]:
        """What had to be broken off, by what it was: given back to the broker or the store, or unanswered."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s

        def left() -> timedelta:
            return timedelta(seconds=max(0.0, until - loop.time()))

        # 1. Nothing new comes in; what is on its way is registered, for the worker still takes it.
        requests, messages = await asyncio.gather(self._http.rest(left()), self._consumer.rest(left()))
        # 2. What is in hand is finished; what follows from it stays in the store, free for whoever leases next.
        errands = await self._worker.drain(left())
        # 3. Whoever waited for the broker's word has it, or was broken off.
        unconfirmed = await self._outlet.rest()
        return {
            "requests": requests,
            "messages": messages,
            "errands": errands,
            "unconfirmed": unconfirmed,
        }
