"""The first bytes of uploads whose header has not been seen whole: in memory alone, and nowhere else.

spec: DESIGN §3.10 - a state secret is refused on its header, before anything is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from gateway.errors import Refused, Unavailable
from gateway.model.upload import UploadId


class Heads:
    """Holds up to *most* heads, each for *lasting* after its last piece."""

    def __init__(self, most: int, lasting: timedelta) -> None:
        self._most = most
        self._lasting_s = lasting.total_seconds()
        self._held: dict[UploadId, tuple[bytes, float]] = {}
        self._busy: set[UploadId] = set()

    @contextmanager
    def alone_with(self, upload: UploadId) -> Iterator[None]:
        """Keep others off the beginning of *upload*; raises ``Refused("upload-busy")``."""
        if upload in self._busy:
            raise Refused("upload-busy")
        self._busy.add(upload)
        try:
            yield
        finally:
            self._busy.discard(upload)

    def of(self, upload: UploadId) -> bytes:
        """What is held of *upload*; empty where nothing is."""
        head, until = self._held.get(upload, (b"", 0.0))
        return head if until > self._now() else b""

    def hold(self, upload: UploadId, head: bytes) -> None:
        """Hold *head*.  Raises ``Unavailable("too-busy")`` where too many are held."""
        now = self._now()
        if upload not in self._held and len(self._held) >= self._most:
            self._held = {name: held for name, held in self._held.items() if held[1] > now}
            if len(self._held) >= self._most:
                raise Unavailable("too-busy", "heads of uploads")
        self._held[upload] = (head, now + self._lasting_s)

    def forget(self, upload: UploadId) -> None:
        """Hold nothing of *upload*."""
        self._held.pop(upload, None)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
