"""Starts, watches and stops the parts of one worker process, in order and in reverse.

Stopping is: refuse new work → stop fetching → let running steps finish → close.  ``stop`` may be called
twice, early, or late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

log = structlog.get_logger("service")


class Part(Protocol):
    """Something that is started once and stopped once."""

    async def start(self) -> None:
        """Begin; on return the part works."""
        ...

    async def stop(self) -> None:
        """End, within the part's own limits; a second time is harmless."""
        ...


class Failing(Protocol):
    """A part that may break while it runs."""

    @property
    def failed(self) -> BaseException | None:
        """What broke, if anything did."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """A part and what it is called in logs and in the readiness answer."""

    name: str
    part: Part


class Service:
    """The parts of one process: started in order, stopped in reverse."""

    def __init__(self, parts: Sequence[Named]) -> None:
        self._parts = parts
        self._started: list[Named] = []
        self._stop = asyncio.Event()

    def request_stop(self) -> None:
        """Ask for an orderly end; may be called from a signal handler, and again."""
        self._stop.set()

    async def start(self) -> None:
        """Start every part; where one fails, those already started are stopped again."""
        try:
            for named in self._parts:
                await named.part.start()
                self._started.append(named)
                log.debug("part started", part=named.name)
        except BaseException:
            await self.stop()
            raise

    async def watch(self, every: float = 0.5) -> None:
        """Wait until a stop is asked for; raises what broke where a part broke."""
        while not self._stop.is_set():
            for named in self._started:
                broken = getattr(named.part, "failed", None)
                if broken is not None:
                    log.error("part failed", part=named.name, error=type(broken).__name__)
                    raise broken
            try:
                async with asyncio.timeout(every):
                    await self._stop.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Stop what was started, in reverse; one that fails to stop does not hold the others."""
        while self._started:
            named = self._started.pop()
            try:
                await named.part.stop()
                log.debug("part stopped", part=named.name)
            except Exception as error:  # the rest must still be closed
                log.exception("part did not stop", part=named.name, error=type(error).__name__)
