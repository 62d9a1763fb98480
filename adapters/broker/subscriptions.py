"""Keeps a consumer on every queue, whatever happens to channels, connections and queues.

Strategy: up to 64 queues share a channel, and a task per channel opens it, subscribes, waits until it is
gone, and begins anew.  A queue that is missing is taken out of its group, so that the others do not
suffer, and looked for until it is there again.  Queues may come and go while we run: the group's task hears
of it, consumes what is new, and cancels what is no longer its own.  A pause, or a queue that goes, cancels
consumers and keeps the channels, for what is in hand must be acknowledged where it came.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq import spec
from aiormq.abc import AbstractChannel, DeliveredMessage

from adapters.broker.connection import LOST, Connection, real_cancellation_only, within

log = structlog.get_logger(__name__)

_CLOSE_WITHIN = timedelta(seconds=2)

Take = Callable[[str, AbstractChannel, DeliveredMessage], None]
"""Is given each message with the name of its queue and the channel on which to settle it; returns at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long to wait for the broker, and between attempts."""

    answer_within: timedelta
    first_wait: timedelta
    longest_wait: timedelta
    missing_wait: timedelta


@dataclass(slots=True)
class _Group:
    """Queues whose consumers share a channel, at most ``room`` of them; ``tags`` are those that are consumed now,
    ``news`` says that the queues are others than the task last saw."""

    prefetch: int
    room: int
    queues: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Subscriptions:
    """Consumers on many queues over one connection."""

    def __init__(self, connection: Connection, take: Take, pace: Pace) -> None:
        self._connection = connection
        self._take = take
        self._pace = pace
        self._groups: list[_Group] = []
        self._prefetch: dict[str, int] = {}
        self._missing: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = asyncio.Event()
        self._is_paused = asyncio.Event()
        self._is_quiet = asyncio.Event()
        self._changes = asyncio.Event()
        self._is_started = False

    @property
    def consumed(self) -> int:
        """How many queues have their consumer now."""
        return sum(len(group.tags) for group in self._groups)

    @property
    def state(self) -> str:
        """``ok``, or a sentence."""
        if self._missing:
            first = min(self._missing)
            return f"{len(self._missing)} queues are missing at the broker, the first is {first}"
        if not self._is_open.is_set():
            return "paused: nothing is taken in"
        if self.consumed < len(self._prefetch):
            return f"{self.consumed} of {len(self._prefetch)} consumers are there"
        return "ok"

    def add(self, queues: Sequence[str], *, prefetch: int, per_channel: int = 64) -> None:
        """Consume *queues* besides the others, from ``start`` on, or from now on where we run."""
        group: _Group | None = None
        for queue in queues:
            if queue in self._prefetch and queue not in self._missing:
                continue
            self._prefetch[queue] = prefetch
            self._missing.discard(queue)
            if group is None or len(group.queues) >= group.room:
                group = self._with_room(prefetch, per_channel)
            group.queues.append(queue)
            group.news.set()

    def drop(self, queues: Collection[str]) -> None:
        """Consume *queues* no more.  What of them is in hand goes on and is settled where it came."""
        for queue in queues:
            self._prefetch.pop(queue, None)
            self._missing.discard(queue)
        for group in self._groups:
            if any(queue in queues for queue in group.queues):
                group.queues = [queue for queue in group.queues if queue not in queues]
                group.news.set()

    async def left(self, queue: str, limit: timedelta) -> None:
        """Wait until the broker has agreed that *queue*, which was dropped, is consumed no more; not longer than *limit*."""

        async def leave() -> None:
            while any(queue in group.tags for group in self._groups):
                self._changes.clear()
                await self._changes.wait()

        await within(leave(), limit)

    async def settled(self, limit: timedelta | None = None) -> bool:
        """Wait until exactly the queues that are wanted are consumed, but not longer than *limit*; ``False`` where
        they are not (the broker is away, a queue is missing, we are paused)."""

        async def settle() -> None:
            while not self._is_settled():
                self._changes.clear()
                await self._changes.wait()

        await within(settle(), limit or self._pace.answer_within)
        return self._is_settled()

    def _is_settled(self) -> bool:
        return all(group.tags == set(group.queues) for group in self._groups) and not self._missing

    def _with_room(self, prefetch: int, room: int) -> _Group:
        for group in self._groups:
            if group.prefetch == prefetch and len(group.queues) < group.room:
                return group
        group = _Group(prefetch=prefetch, room=room)
        self._groups.append(group)
        if self._is_started:
            self._spawn(group)
        return group

    def start(self) -> None:
        """Begin, or wait for the connection and begin then."""
        self._is_open.set()
        self._is_started = True
        for group in self._groups:
            self._spawn(group)
        task = asyncio.create_task(self._look_for_missing(), name="broker-missing-queues")
        self._tasks.add(task)

    async def pause(self, limit: timedelta | None = None) -> None:
        """Cancel the consumers; waits until the broker has agreed, but not longer than *limit*."""
        self._is_open.clear()
        self._is_paused.set()
        self._tell_quiet()
        await within(self._is_quiet.wait(), limit or self._pace.answer_within)

    def resume(self) -> None:
        """Consume again."""
        self._is_paused.clear()
        self._is_open.set()

    async def stop(self) -> None:
        """End all consumers and their channels; ``start`` begins anew.  May be called twice."""
        self._is_started = False
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, group: _Group) -> None:
        name = f"broker-consumers-{self._groups.index(group)}"
        task = asyncio.create_task(self._attend(group), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attend(self, group: _Group) -> None:
        wait_s = self._pace.first_wait.total_seconds()
        longest_s = self._pace.longest_wait.total_seconds()
        loop = asyncio.get_running_loop()
        while True:
            if not group.queues:
                group.news.clear()
                await group.news.wait()
                continue
            await self._is_open.wait()
            live = await self._connection.opened()
            began = loop.time()
            try:
                with real_cancellation_only():
                    await self._consume(group, live)
            except ChannelNotFoundEntity:
                continue  # that queue is out of the group: the others need not wait
            except TimeoutError:
                self._connection.suspect(live, "no answer to consume")
            except Exception as exc:  # this task must not end: nobody else brings these queues back
                log.warning("consumers lost", consumers=len(group.queues), error=type(exc).__name__)
            if loop.time() - began > longest_s:
                wait_s = self._pace.first_wait.total_seconds()
            await asyncio.sleep(wait_s * (0.5 + random.random()))
            wait_s = min(wait_s * 2, longest_s)

    async def _consume(self, group: _Group, live: AbstractConnection) -> None:
        """Consume on one channel, with pauses, until it is gone."""
        answer_s = self._pace.answer_within.total_seconds()
        channel = live.channel(publisher_confirms=False)
        try:
            async with asyncio.timeout(answer_s):
                await channel.initialize()
            raw = await channel.get_underlay_channel()
            raw.on_consumer_cancel_callbacks.add(lambda frame: self._cancelled(group, frame))
            # spec: RabbitMQ, quorum queues - QoS per consumer only; a global one closes the connection
            await raw.basic_qos(prefetch_count=group.prefetch, global_=False, timeout=answer_s)
            while not raw.is_closed:
                group.news.clear()
                await self._cancel(group, raw, group.tags - set(group.queues))
                for queue in tuple(group.queues):
                    if queue not in group.tags:
                        await self._subscribe(group, raw, queue)
                await _first(raw.closing, self._is_paused.wait(), group.news.wait())
                if not self._is_paused.is_set():
                    continue
                await self._cancel(group, raw, group.tags)
                self._tell_quiet()
                await _first(raw.closing, self._is_open.wait())
        finally:
            group.tags.clear()
            self._tell_quiet()
            await within(channel.close(), _CLOSE_WITHIN)

    async def _cancel(self, group: _Group, raw: AbstractChannel, tags: Collection[str]) -> None:
        answer_s = self._pace.answer_within.total_seconds()
        for tag in tuple(tags):
            if not raw.is_closed:
                await raw.basic_cancel(tag, timeout=answer_s)
                group.tags.discard(tag)
                self._changes.set()

    async def _subscribe(self, group: _Group, raw: AbstractChannel, queue: str) -> None:
        async def on_message(message: DeliveredMessage) -> None:
            self._take(queue, raw, message)

        answer_s = self._pace.answer_within.total_seconds()
        try:
            await raw.basic_consume(queue, on_message, consumer_tag=queue, timeout=answer_s)
        except ChannelNotFoundEntity:
            self._lose(group, queue)
            raise
        group.tags.add(queue)
        self._changes.set()

    def _cancelled(self, group: _Group, frame: spec.Basic.Cancel) -> None:
        # The broker ends a consumer when its queue is deleted, or has lost its majority.
        self._lose(group, frame.consumer_tag or "")

    def _lose(self, group: _Group, queue: str) -> None:
        group.tags.discard(queue)
        self._changes.set()
        if queue in group.queues:
            group.queues.remove(queue)
            self._missing.add(queue)
            log.error("queue missing", queue=queue)

    def _tell_quiet(self) -> None:
        if self.consumed:
            self._is_quiet.clear()
        else:
            self._is_quiet.set()

    async def _look_for_missing(self) -> None:
        while True:
            await asyncio.sleep(self._pace.missing_wait.total_seconds())
            for queue in sorted(self._missing):
                if await self._exists(queue) and queue in self._missing:  # it may have been dropped meanwhile
                    self.add([queue], prefetch=self._prefetch[queue])

    async def _exists(self, queue: str) -> bool:
        live = self._connection.live
        if live is None:
            return False
        channel = live.channel(publisher_confirms=False)
        try:
            async with asyncio.timeout(self._pace.answer_within.total_seconds()):
                with real_cancellation_only():
                    await channel.initialize()
                    await channel.declare_queue(queue, passive=True)
                    return True
        except LOST:
            return False
        finally:
            await within(channel.close(), _CLOSE_WITHIN)


async def _first(closing: asyncio.Future[None], *others: Coroutine[None, None, bool]) -> None:
    """Wait for any of them.  *closing* is an observer of ours: cancelling it closes nothing."""
    waits: set[asyncio.Future[Any]] = {closing, *(asyncio.ensure_future(other) for other in others)}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
