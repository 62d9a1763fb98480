"""The socket of one connection to the broker, as aiormq reads and writes it.

Strategy: asyncio's streams copy each document five times on its way in (out of the socket, into an object, into a buffer, out
of it, and what is behind it to its front), and want it in one piece on its way out.  Here the system puts the bytes where
frames are cut out of them once, and what goes out is handed to the system piece by piece.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import aiormq
from yarl import URL

_AHEAD = 512 * 1024
"""So much is read ahead: one document as a rule.  With less, reading would be stopped and started again within each."""
_LEAST = 64 * 1024
"""The system is offered no less to write into, and reading stops where less is free."""
_LONGEST = 16 * 1024 * 1024
"""A frame of more is nothing that a broker of ours has agreed to."""


class Wire(asyncio.BufferedProtocol):
    """What is asked of a ``StreamReader`` and of a ``StreamWriter`` in one.

    *room* is awaited before each frame is read.
    """

    def __init__(self, room: Callable[[], Awaitable[None]] | None = None) -> None:
        self._room = room
        self._transport: asyncio.Transport | None = None
        self._memory = memoryview(bytearray(_AHEAD))
        self._begin = self._end = 0
        """What has come and is not read lies between them."""
        self._wanted = 0
        self._reader: asyncio.Future[None] | None = None
        self._is_paused = False
        self._is_over = False
        self._lost: Exception | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._closed = asyncio.Event()

    # --- reading -------------------------------------------------------------------------------------

    async def next_frame(self, size: int) -> None:
        """Wait until there is room for one more frame, and *size* bytes of it are here.  Raises like ``here``."""
        if self._room is not None:
            await self._room()
        await self.here(size)

    async def here(self, size: int) -> None:
        """Wait until *size* bytes can be looked at.

        Raises ``asyncio.IncompleteReadError`` where the peer ended before, and ``OSError`` where the connection was lost
        or *size* is more than any frame has.
        """
        while self._end - self._begin < size:
            if self._is_over:
                raise self._lost or asyncio.IncompleteReadError(self.take(self._end - self._begin), size)
            if size > _LONGEST:
                raise OSError(f"the broker sends a frame of {size} bytes")
            if size > len(self._memory):
                self._grow(size)
            self._flow()
            self._wanted = size
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None

    def look(self, at: int, size: int) -> memoryview:
        """*size* bytes that are here, from *at* on; good until the next ``await``."""
        return self._memory[self._begin + at : self._begin + at + size]

    def take(self, size: int) -> bytes:
        """The next *size* bytes, which are here."""
        taken = bytes(self._memory[self._begin : self._begin + size])
        self.skip(size)
        return taken

    def skip(self, size: int) -> None:
        """Leave out the next *size* bytes, which are here."""
        self._begin += size
        if self._begin == self._end:
            self._begin = self._end = 0
        if self._is_paused and 2 * (self._end - self._begin) < len(self._memory):
            self._flow()

    async def readexactly(self, size: int) -> bytes:
        """``StreamReader.readexactly``; aiormq's way to the first frame."""
        await self.next_frame(size)
        return self.take(size)

    async def read(self) -> bytes:
        """What is here, without waiting for more: it is for an error's text."""
        return self.take(self._end - self._begin)

    def at_eof(self) -> bool:
        """Whether all was read and nothing comes any more."""
        return self._is_over and self._begin == self._end

    # --- writing -------------------------------------------------------------------------------------

    @property
    def transport(self) -> asyncio.Transport:
        """The socket."""
        assert self._transport is not None
        return self._transport

    def write(self, data: bytes | Sequence[bytes | memoryview]) -> None:
        """Send *data*, in one piece or in several."""
        if isinstance(data, bytes):
            self.transport.write(data)
        else:
            self.transport.writelines(data)

    async def drain(self) -> None:
        """Wait until more may be written.  Raises ``OSError`` where the connection is lost."""
        await self._may_write.wait()
        if self._is_over:
            raise self._lost or ConnectionResetError("the connection to the broker is closed")

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self.transport.is_closing()

    def can_write_eof(self) -> bool:
        """Whether the peer can be told that nothing more will come: not with TLS."""
        return self.transport.can_write_eof()

    def write_eof(self) -> None:
        """Tell it."""
        self.transport.write_eof()

    def close(self) -> None:
        """Close it, after what was written."""
        self.transport.close()

    async def wait_closed(self) -> None:
        """Wait until it is closed."""
        await self._closed.wait()

    # --- asyncio.BufferedProtocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a socket."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's says of itself that it is none

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the system may write."""
        if len(self._memory) - self._end < _LEAST:
            self._move_up()
            if self._end == len(self._memory):  # a transport that goes on although it was asked to pause
                self._grow(self._end + _LEAST)
        return self._memory[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """It has written."""
        self._end += nbytes
        unread = self._end - self._begin
        if self._reader is not None and unread < self._wanted:
            return
        self._wake()
        # Whoever was woken reads in a later turn of the loop, and many buffers may come in this one.
        if len(self._memory) - unread < _LEAST and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> None:
        """The peer has ended."""
        self._is_over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._is_over, self._lost = True, exc
        self._wake()
        self._may_write.set()
        self._closed.set()

    def pause_writing(self) -> None:
        """The peer takes less than we send."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """It has taken enough."""
        self._may_write.set()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _flow(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()

    def _move_up(self) -> None:
        size = self._end - self._begin
        self._memory[:size] = self._memory[self._begin : self._end]
        self._begin, self._end = 0, size

    def _grow(self, least: int) -> None:
        longer = memoryview(bytearray(least + _LEAST))
        size = self._end - self._begin
        longer[:size] = self._memory[self._begin : self._end]
        self._memory, self._begin, self._end = longer, 0, size


class Wires(aiormq.TransportFactory):
    """Makes the wire of one connection and keeps it in hand, so that it can be dropped whatever state aiormq is in."""

    def __init__(self, room: Callable[[], Awaitable[None]] | None) -> None:
        self._room = room
        self._wire: Wire | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[Any, Any]:
        """Connect, with TLS where the URL says so.  A ``Wire`` is reader and writer."""
        loop = asyncio.get_running_loop()
        context = await kwargs["ssl_context_provider"].get_context() if url.scheme == "amqps" else None
        _, self._wire = await loop.create_connection(
            lambda: Wire(self._room), url.host or "", url.port or 0, ssl=context
        )
        return self._wire, self._wire

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._wire is not None:
            self._wire.transport.abort()
