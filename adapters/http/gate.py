"""Who is inside, and whether anybody more is let in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from gateway.errors import Unavailable
from gateway.model.ids import ClientId, PartyKey
from gateway.ports import Inlet


class Gate:
    """Counts the requests that run; once closed, lets none in and tells when the last one left."""

    def __init__(self) -> None:
        self._running = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.is_closed = False

    @contextmanager
    def enter(self, *, always: bool) -> Iterator[None]:
        """Run one request; raises ``Unavailable("draining")`` where the gate is closed.

        *always* lets it in nevertheless, uncounted: nobody waits for those who only look.
        """
        if always:
            yield
            return
        if self.is_closed:
            raise Unavailable("draining")
        self._running += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._empty.set()

    @property
    def running(self) -> int:
        """How many requests run."""
        return self._running

    def open(self) -> None:
        """Let requests in again."""
        self.is_closed = False

    async def close(self, grace: timedelta) -> None:
        """Let nobody in any more, and wait until all have left, for *grace* at most."""
        self.is_closed = True
        try:
            async with asyncio.timeout(grace.total_seconds()):
                await self._empty.wait()
        except TimeoutError:
            return


class AlwaysOpen:
    """An ``Inlet`` that lets everything in; for who has nothing to measure."""

    def check(self) -> None:
        """``Inlet.check``."""

    def time_for(self, ahead: int) -> timedelta:
        """``Inlet.time_for``."""
        return timedelta(seconds=1)


class Unmetered:
    """``Quotas`` that nobody ever uses up."""

    async def check(self, party: PartyKey) -> None:
        """``Quotas.check``."""


class Turnstile:
    """How many bodies are on their way at once: bounded in all and per client, so that no client takes all."""

    def __init__(self, total: int, per_client: int, inlet: Inlet | None = None) -> None:
        self._total = total
        self._per_client = per_client
        self._inlet = inlet or AlwaysOpen()
        self._inside: Counter[ClientId] = Counter()

    @contextmanager
    def inward(self, client: ClientId) -> Iterator[None]:
        """Room for one body that comes in; raises ``Unavailable`` where nothing more may, and as ``through`` does."""
        self._inlet.check()
        with self.through(client):
            yield

    @contextmanager
    def through(self, client: ClientId) -> Iterator[None]:
        """Room for one body of *client*; raises ``Unavailable`` with ``places-full`` where the client has all of its
        own, ``too-busy`` where there is none for anybody."""
        if self._inside[client] >= self._per_client:
            raise Unavailable("places-full", retry_after=self._inlet.time_for(self._inside[client]))
        if self._inside.total() >= self._total:
            raise Unavailable("too-busy", retry_after=self._inlet.time_for(self._inside.total()))
        self._inside[client] += 1
        try:
            yield
        finally:
            self._inside[client] -= 1
            if not self._inside[client]:
                del self._inside[client]
