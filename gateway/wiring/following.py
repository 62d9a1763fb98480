"""A worker's side of a reload: it prepares a directory, swaps to it, or stays where it is, as its parent orders."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from adapters.directory import LiveDirectory, OrganDirectory
from gateway.config import Config
from gateway.errors import GatewayError
from gateway.wiring.ground import stand

log = structlog.get_logger("directory")

LINE_BYTES = 1024 * 1024


class Following:
    """Obeys the lines that come on standard input.

    ``{"prepare": folder}`` reads the directory there beside the one in force.  ``{"swap": folder, "since": …}`` puts it
    in force: one assignment for whoever asks, then *apply* for queues and checks.  ``{"refused": sentence}`` is what
    readiness says of a reload that came to nothing.  Any other order is *otherwise*'s.
    """

    def __init__(
        self,
        config: Config,
        live: LiveDirectory,
        apply: Callable[[OrganDirectory], Awaitable[str]],
        *,
        since: str = "",
        refused: str = "",
        otherwise: Callable[[Mapping[str, Any]], Awaitable[dict[str, Any] | None]] | None = None,
    ) -> None:
        self._config = config
        self._live = live
        self._apply = apply
        self._otherwise = otherwise
        self._prepared: tuple[str, OrganDirectory] | None = None
        self._since = since
        self._refused = refused

    @property
    def is_between(self) -> bool:
        """Whether an exchange is under way: the broker may be ahead of the directory in force."""
        return self._prepared is not None

    async def state(self) -> str:
        """For readiness: how many organs, since when, and whether a reload was refused since."""
        told = f"ok, {len(self._live.parties())} organs, in force since {self._since}"
        return f"{told}; the last reload was refused: {self._refused}" if self._refused else told

    async def listen(self, ended: Callable[[], None]) -> None:
        """Obey until the parent closes the pipe, or is gone; then call *ended*."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LINE_BYTES)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        try:
            while line := await reader.readline():
                order = json.loads(line)
                answer = {**await self.obey(order), "order": order.get("order")}
                print(json.dumps(answer), flush=True)
        finally:
            ended()

    async def obey(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Do what *order* says; the answer.  What can't be done leaves everything as it was."""
        try:
            match order:
                case {"prepare": str(folder)}:
                    # half a second for 12,000 organs: documents go on meanwhile
                    fresh = await asyncio.to_thread(stand, self._config, Path(folder))
                    self._prepared = (folder, fresh.directory)
                    return {"prepared": folder}
                case {"swap": str(folder), "since": str(since)}:
                    return await self._swap(folder, since)
                case {"refused": str(sentence)}:
                    self._prepared, self._refused = None, sentence
                    return {"noted": True}
                case _:
                    answer = await self._otherwise(order) if self._otherwise else None
                    return answer or {"failed": "an order that nobody knows"}
        except GatewayError as error:
            return {"failed": str(error)}
        except Exception as bug:
            log.exception("order failed", error=type(bug).__name__)
            return {"failed": type(bug).__name__}

    async def _swap(self, folder: str, since: str) -> dict[str, Any]:
        if self._prepared is None or self._prepared[0] != folder:
            return {"failed": "nothing is prepared"}
        (_, fresh), self._prepared = self._prepared, None
        self._live.swap(fresh)
        self._since, self._refused = since, ""
        state = await self._apply(fresh)
        log.info("directory swapped", organs=len(fresh.parties()), consumers=state)
        return {"swapped": folder, "consumers": state}
