"""An event loop of virtual time: nothing sleeps, and what is ready runs in an order drawn from the seed.

Every handle belongs to the life in whose context it was made.  Those of a dead life are never run again (and kept,
so that nothing of it is collected and runs its ``finally``); those of a frozen life wait until it thaws.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio.base_events import BaseEventLoop
from contextvars import ContextVar
from typing import Any


class Mortal:
    """What the loop must know of a life."""

    __slots__ = ("is_dead", "is_frozen", "parked")

    def __init__(self) -> None:
        self.is_dead = False
        self.is_frozen = False
        self.parked: list[asyncio.Handle] = []


LIFE: ContextVar[Mortal | None] = ContextVar("life", default=None)
"""Whose code runs; ``None``: the world's."""


class StandsStill(Exception):
    """Nothing is ready and nothing ever will be."""


class VirtualLoop(BaseEventLoop):
    """``time`` jumps to the next timer as soon as nothing is ready; *draw* gives numbers in [0, 1)."""

    def __init__(self, draw: Any) -> None:
        super().__init__()
        self._ready: list[Any] = []
        self._moment = 0.0
        self._draw = draw
        self.tasks: list[asyncio.Task[Any]] = []
        self.trouble: list[str] = []
        self.set_task_factory(self._task)
        self.set_exception_handler(self._note)

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._moment

    def _task(self, loop: Any, coro: Any, context: Any = None) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=loop, context=context)
        task._log_destroy_pending = False  # the dead leave theirs unfinished
        self.tasks.append(task)
        return task

    def _note(self, loop: Any, context: dict[str, Any]) -> None:
        self.trouble.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _write_to_self(self) -> None:
        """Nobody waits in another thread."""

    def _check_closed(self) -> None:
        """A dropped coroutine may still ask for something while it is collected."""

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        if not ready:
            while scheduled and scheduled[0]._cancelled:
                heapq.heappop(scheduled)._scheduled = False
            if not scheduled:
                raise StandsStill
            self._moment = max(self._moment, scheduled[0]._when)
            while scheduled and scheduled[0]._when <= self._moment:
                handle = heapq.heappop(scheduled)
                handle._scheduled = False
                ready.append(handle)
        draw = self._draw
        while ready and not self._stopping:
            at = int(draw() * len(ready))
            handle = ready[at]
            ready[at] = ready[-1]
            ready.pop()
            if handle._cancelled:
                continue
            life = handle._context.get(LIFE)
            if life is not None and (life.is_dead or life.is_frozen):
                life.parked.append(handle)
                continue
            handle._run()

    def thaw(self, life: Mortal) -> None:
        """What *life* had before it now comes at once."""
        life.is_frozen = False
        self._ready += life.parked
        life.parked.clear()
