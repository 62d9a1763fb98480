"""The loops of a part that runs beside the exchange: begun and ended together; one that ends by itself is a mistake."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Loops:
    """Those of one part of one process."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, name: str, loop: Coroutine[Any, Any, None]) -> None:
        """Run *loop* as a task called *name*."""
        self._tasks.append(asyncio.create_task(loop, name=name))

    async def end(self) -> bool:
        """End them all, at once; whether there were any.  May be called twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return bool(tasks)

    @property
    def failed(self) -> BaseException | None:
        """What ended one that must not end, if anything did."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return None
