"""A wire on loopback between the gateway and one server: it refuses, keeps silent, or is slow when told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_CHUNK = 16 * 1024


class Wire:
    """Brings everything through to the *port* on loopback, until it is told otherwise; ``port`` is its own end."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._delay_s = 0.0
        self._bytes_per_s = 0.0

    async def start(self) -> None:
        """Listen; a second time on the same port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=_CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break every connection, and take no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    @asynccontextmanager
    async def refused(self) -> AsyncIterator[None]:
        """Meanwhile connections are cut and refused."""
        await self.stop()
        try:
            yield
        finally:
            await self.start()

    @asynccontextmanager
    async def silent(self) -> AsyncIterator[None]:
        """Meanwhile everything is accepted, and nothing goes through: a black hole."""
        self._speaks.clear()
        try:
            yield
        finally:
            self._speaks.set()

    @asynccontextmanager
    async def slow(self, delay_s: float, bytes_per_s: float) -> AsyncIterator[None]:
        """Meanwhile every piece comes so much later, and no faster than that."""
        self._delay_s, self._bytes_per_s = delay_s, bytes_per_s
        try:
            yield
        finally:
            self._delay_s = self._bytes_per_s = 0.0

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._speaks.wait()
            there, away = await asyncio.open_connection("127.0.0.1", self._target, limit=_CHUNK)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(away)
        for source, sink in ((reader, away), (there, writer)):
            pump = asyncio.ensure_future(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(_CHUNK):
                await self._speaks.wait()
                if self._delay_s:
                    await asyncio.sleep(self._delay_s + len(data) / self._bytes_per_s)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            with contextlib.suppress(OSError, RuntimeError):
                sink.close()
            self._writers.discard(sink)
