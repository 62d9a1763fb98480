"""Request bodies: read once, within limits of size and time.

Strategy: whatever the request says of its length, bytes are counted as they come.  ``100 Continue`` is sent
when the first byte is asked for, so that a client that waits for it is refused before it sends anything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta

from aiohttp import web

from gateway.errors import Refused

_PIECE = 256 * 1024
_SMALL = 16 * 1024


class Body:
    """The body of one request.  ``head`` first, then ``pieces`` (which repeats the head), if at all.

    Both raise ``Refused`` with ``body-too-large`` (or what *excess* says), ``body-too-slow``, ``content-type-unsupported`` (a coding
    such as gzip) or ``request-invalid`` (the peer broke off).
    """

    def __init__(
        self,
        request: web.Request,
        *,
        limit: int,
        idle: timedelta,
        body_time: timedelta,
        excess: str = "body-too-large",
    ) -> None:
        self._request = request
        self._limit = limit
        self._excess = excess
        self._idle_s = idle.total_seconds()
        self._ends = asyncio.get_running_loop().time() + body_time.total_seconds()
        self._head = bytearray()
        self._size = 0
        self._is_whole = False
        self._is_begun = False
        self._refusal: Refused | None = None

    @contextmanager
    def while_kept(self) -> Iterator[None]:
        """Around whatever keeps the pieces: what this body refuses is refused, however the keeper reports it."""
        try:
            yield
        except Exception:  # a keeper wraps what its pieces raise as it likes; nothing is swallowed
            if self._refusal is not None:
                raise self._refusal from None
            raise

    async def head(self, size: int) -> tuple[bytes, bool]:
        """The first *size* bytes or a little more, and whether that is all."""
        while len(self._head) < size and not self._is_whole:
            self._head += await self._read()
        return bytes(self._head), self._is_whole

    async def pieces(self) -> AsyncIterator[bytes]:
        """All the bytes, from the first."""
        if self._head:
            yield bytes(self._head)
            self._head.clear()
        while not self._is_whole:
            if piece := await self._read():
                yield piece

    async def _read(self) -> bytes:
        try:
            return await self._read_piece()
        except Refused as refusal:
            # kept, for whoever wraps what an iterator raised into an error of its own
            self._refusal = refusal
            raise

    async def _read_piece(self) -> bytes:
        if not self._is_begun:
            await self._begin()
        left = self._ends - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, min(self._idle_s, left))):
                piece = await self._request.content.read(_PIECE)
        except TimeoutError:
            raise Refused("body-too-slow") from None
        except (web.RequestPayloadError, ConnectionError) as exc:
            raise Refused("request-invalid", "the body broke off") from exc
        self._size += len(piece)
        if self._size > self._limit:
            raise Refused(self._excess, f"more than {self._limit} bytes")
        self._is_whole = not piece and self._request.content.at_eof()
        return piece

    async def _begin(self) -> None:
        self._is_begun = True
        if (self._request.content_length or 0) > self._limit:
            raise Refused(self._excess, f"more than {self._limit} bytes")
        coding = self._request.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            # A small body that unfolds into a large one has no place here; XML with base64 gains little.
            raise Refused("content-type-unsupported", "Content-Encoding")
        if self._request.headers.get("Expect", "").lower() == "100-continue":
            # spec: RFC 9110 §10.1.1
            await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._request.writer.output_size = 0


async def small_json(request: web.Request, *, idle: timedelta) -> dict[str, object]:
    """A small JSON object; an empty body is an empty one.  Raises ``Refused`` as ``Body`` does."""
    body = Body(request, limit=_SMALL, idle=idle, body_time=idle)
    raw, _ = await body.head(_SMALL + 1)
    return parsed(raw) if raw else {}


def parsed(raw: bytes) -> dict[str, object]:
    """The JSON object in *raw*; raises ``Refused("request-invalid")``."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused("request-invalid", "JSON") from None
    if not isinstance(value, dict):
        raise Refused("request-invalid", "a JSON object is needed")
    return value
