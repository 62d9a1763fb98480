"""Our end of the line to a judging process, which speaks when it is asked, and then once.

    line = Line(end)
    await line.send(request)
    inspection = wire.decode_inspection(await line.answer())

Strategy: the loop watches the line as long as it lives.  To begin and to end watching for each answer costs more than
to read it.
"""

from __future__ import annotations

import asyncio
import os
import socket

from adapters.inspection.processes import wire
from gateway.model.payload import Loose

_PIECE = 1 << 18


class Line:
    """Over *end*, which is ours to close; on the running loop.  Memory is bounded by the longest answer."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._came = bytearray()
        self._is_asked = False
        self._is_broken = False
        self._waiter: asyncio.Future[None] | None = None
        self._loop.add_reader(end.fileno(), self._read)

    @property
    def has_ended(self) -> bool:
        """Whether nobody is there any more, or somebody who speaks unasked.  Not while an answer is due."""
        if self._is_broken or self._came:
            return True
        try:
            self._end.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    async def send(self, *pieces: bytes) -> None:
        """Ask.  Raises ``OSError``."""
        self._is_asked = True
        for piece in pieces:
            try:
                sent = self._end.send(piece)
            except BlockingIOError:
                sent = 0
            if sent < len(piece):
                await self._loop.sock_sendall(self._end, memoryview(piece)[sent:])

    def send_with(self, head: bytes, file: Loose) -> None:
        """Begin to ask: *head*, and with it a descriptor of *file* that can be read and no more.  Raises ``OSError``."""
        self._is_asked = True
        descriptor = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if socket.send_fds(self._end, [head], [descriptor]) != len(head):
                raise BlockingIOError  # the line is empty between two files
        finally:
            os.close(descriptor)

    async def answer(self) -> bytes:
        """What comes back.  Raises ``EOFError`` where the line ends before, ``ValueError`` where it is too long, or
        more than an answer."""
        if not self._is_whole and not self._is_broken:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not self._is_whole:
            raise EOFError
        (size,) = wire.ANSWER.unpack_from(self._came)
        if size > wire.MAX_ANSWER:
            raise ValueError("the answer is too long")
        answer = bytes(self._came[wire.ANSWER.size :])
        if len(answer) > size:
            raise ValueError("more than an answer")
        self._came.clear()
        self._is_asked = False
        return answer

    def interrupt(self) -> None:
        """Let whoever waits for an answer read the end."""
        self._end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it.  Nobody may wait for an answer."""
        self._loop.remove_reader(self._end.fileno())
        self._end.close()

    @property
    def _is_whole(self) -> bool:
        """Whether there is an answer, or one that is too long."""
        if len(self._came) < wire.ANSWER.size:
            return False
        size: int = wire.ANSWER.unpack_from(self._came)[0]
        return size > wire.MAX_ANSWER or len(self._came) >= wire.ANSWER.size + size

    def _read(self) -> None:
        if not self._is_asked or self._is_whole:
            self._break()  # somebody speaks unasked, or went when all was said
            return
        # Until all is there: where the other end broke, uvloop calls once and then watches no longer.
        while not self._is_whole:
            try:
                piece = self._end.recv(_PIECE)
            except BlockingIOError:
                return
            except OSError:
                piece = b""
            if not piece:
                self._break()
                break
            self._came += piece
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self) -> None:
        self._is_broken = True
        self._loop.remove_reader(self._end.fileno())
