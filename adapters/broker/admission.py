"""How much of what the broker holds for us we take in at once, and who comes first.

Two bounds: how many submissions are at the intake together (urgent ones first), and how many bytes we hold
before we stop reading.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from itertools import count

from gateway.held import Held


class Gate:
    """A bound on how many are inside; who waits enters urgent first, then in the order of coming."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def place(self, *, urgent: bool = False) -> AbstractAsyncContextManager[None]:
        """Hold one place."""
        return Held(partial(self._enter, urgent), self._leave)

    async def _enter(self, urgent: bool) -> None:
        if self._free > 0:
            self._free -= 1
            return
        ready = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (not urgent, next(self._numbers), ready))
        try:
            await ready
        except asyncio.CancelledError:
            if ready.done() and not ready.cancelled():
                self._leave()  # the place was handed to us while we were being cancelled
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, ready = heapq.heappop(self._waiting)
            if not ready.done():
                ready.set_result(None)
                return
        self._free += 1


class Flight:
    """A bound on the bytes that are on their way at once, first come, first served.

    What is larger than the whole bound goes when nothing else does.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._flying = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def of(self, size: int) -> AbstractAsyncContextManager[None]:
        """Hold *size* bytes of the bound."""
        size = min(size, self._most)
        return Held(partial(self._take, size), partial(self._land, size))

    def _land(self, size: int) -> None:
        self._flying -= size
        self._wake()

    async def _take(self, size: int) -> None:
        if not self._waiting and self._flying + size <= self._most:
            self._flying += size
            return
        ready = asyncio.get_running_loop().create_future()
        self._waiting.append((size, ready))
        try:
            await ready
        except asyncio.CancelledError:
            if ready.done() and not ready.cancelled():
                self._flying -= size
            self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting:
            size, ready = self._waiting[0]
            if not ready.done():
                if self._flying + size > self._most:
                    return
                self._flying += size
                ready.set_result(None)
            self._waiting.popleft()


class Hold:
    """How many bytes of messages we hold that are not settled; who is full stops reading for a while.

    The bound is kept while things move.  Where nothing was settled for *patience_s* (the store is away),
    reading goes on: RabbitMQ closes a connection that takes nothing for 15 s, and every message in hand
    would come again and be counted.  What then bounds us is one message per queue.
    """

    def __init__(self, most: int, patience_s: float = 5.0) -> None:
        self._most = most
        self._patience_s = patience_s
        self._held = 0
        self._moved_at = 0.0
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._held

    def take(self, size: int) -> None:
        """*size* bytes more are held."""
        if self._held + size >= self._most > self._held:
            self._moved_at = asyncio.get_running_loop().time()
            self._has_room.clear()
        self._held += size

    def settle(self, size: int) -> None:
        """*size* bytes are settled."""
        self._moved_at = asyncio.get_running_loop().time()
        self._held -= size
        if self._held < self._most:
            self._has_room.set()

    async def room(self) -> None:
        """Wait until there is room, or nothing has moved for too long."""
        while not self._has_room.is_set():
            left_s = self._moved_at + self._patience_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._has_room.wait()
