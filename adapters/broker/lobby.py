"""Where messages wait whose party has used up a quota.

A message that waits in hand costs memory, and one that is given back costs one of the few deliveries that its queue
allows it (RabbitMQ before 4.3 counts each).  So who waits for a short time waits in hand, within a bound of bytes; and
whose wait is long goes back once, and its queue is consumed no more until there is room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from enum import Enum

import structlog

from gateway.errors import QuotaExceeded, Unavailable
from gateway.model.ids import PartyKey
from gateway.ports import Quotas

log = structlog.get_logger(__name__)

_LOOK_S = 15.0
"""So often we look again, whatever we were told: quotas are changed while we run."""


class Stay(Enum):
    """How a wait in hand ended."""

    ROOM = "room"
    TOO_LONG = "too long"
    STOPPING = "stopping"


class Lobby:
    """Who waits in hand, *most_bytes* in all, and which queues are closed."""

    def __init__(self, quotas: Quotas, most_bytes: int, stopping: asyncio.Event) -> None:
        self._quotas = quotas
        self._most_bytes = most_bytes
        self._stopping = stopping
        self._held = 0
        self._closed: dict[str, asyncio.Task[None]] = {}

    @property
    def held(self) -> int:
        """Bytes of messages that wait in hand."""
        return self._held

    def is_closed(self, queue: str) -> bool:
        """Whether *queue* is to be left alone for now."""
        return queue in self._closed

    async def in_hand(self, party: PartyKey, wait: timedelta, size: int, most: timedelta) -> Stay:
        """Wait in hand until *party* has room: after *wait*, or sooner where its quota is changed meanwhile."""
        if most < wait or self._held + size > self._most_bytes:
            return Stay.TOO_LONG
        self._held += size
        try:
            return Stay.ROOM if await self._room(party, wait.total_seconds(), most) else self._not_yet()
        finally:
            self._held -= size

    def _not_yet(self) -> Stay:
        return Stay.STOPPING if self._stopping.is_set() else Stay.TOO_LONG

    def close(self, queue: str, party: PartyKey, reopen: Callable[[], None]) -> None:
        """Leave *queue* alone until *party* has room, then *reopen* it.  A queue that is closed stays so."""

        async def wait_for_room() -> None:
            try:
                has_room = await self._room(party, 0.0, None)
            finally:
                self._closed.pop(queue, None)
            if has_room:
                reopen()

        if queue not in self._closed:
            self._closed[queue] = asyncio.create_task(wait_for_room(), name=f"closed:{queue}")

    async def stop(self) -> None:
        """No queue is closed any more."""
        tasks = [*self._closed.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._closed.clear()  # of one that never began, too

    async def _room(self, party: PartyKey, wait_s: float, most: timedelta | None) -> bool:
        """Whether there was room before *most* had passed and before we stopped."""
        loop = asyncio.get_running_loop()
        until = loop.time() + most.total_seconds() if most is not None else None
        while until is None or loop.time() + wait_s <= until:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, _LOOK_S)):
                    await self._stopping.wait()
                return False
            try:
                await self._quotas.check(party)
            except QuotaExceeded as over:
                wait_s = over.room_in.total_seconds()
            except Unavailable:
                wait_s = _LOOK_S
            else:
                return True
        return False
