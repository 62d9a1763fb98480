"""What is held between a taking and a giving back, as ``async with`` has it.

A class of its own: a parcel holds three such things on its way, and a generator costs twice as much.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager


class Held(AbstractAsyncContextManager[None]):
    """Waits for *take* at the beginning and calls *leave* at the end, however that comes; not where *take* failed."""

    __slots__ = ("_leave", "_take")

    def __init__(self, take: Callable[[], Awaitable[None]], leave: Callable[[], None]) -> None:
        self._take = take
        self._leave = leave

    async def __aenter__(self) -> None:
        await self._take()

    async def __aexit__(self, *_: object) -> None:
        self._leave()
