"""A time-stamp authority on loopback that answers as it should, hangs, or answers garbage when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from tests.signing.test_stamps import answered, authority


class Mood(Enum):
    """How it answers."""

    WELL = "well"
    HANGS = "hangs"
    GARBAGE = "garbage"


class StampAuthority:
    """Listens between ``start`` and ``stop`` at ``url``; ``root`` is the PEM of whom to believe."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self._mood = Mood.WELL
        self._runner: web.AppRunner | None = None

    @property
    def root(self) -> bytes:
        """Its root certificate."""
        return authority()[0].certificate.public_bytes(Encoding.PEM)

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = site.name + "/"

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    @asynccontextmanager
    async def feeling(self, mood: Mood) -> AsyncIterator[None]:
        """Meanwhile it answers so."""
        self._mood = mood
        try:
            yield
        finally:
            self._mood = Mood.WELL

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.read()
        self.asked += 1
        if self._mood is Mood.HANGS:
            await asyncio.Event().wait()
        body = b"\x30\x82\xff\xff garbage" * 1000
        if self._mood is Mood.WELL:
            body = await asyncio.to_thread(answered, asked)
        return web.Response(body=body, content_type="application/timestamp-reply")
