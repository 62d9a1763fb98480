"""Large documents in pieces: read beside the loop, and written without ever being whole anywhere but in the vault.

Strategy of writing: the skeleton's pieces as they are, and between them each file's bytes as base64, in its
ZIP where it came in one.  A ZIP says the checksum of what is in it before the bytes themselves: it is known
from reading, or the file is gone through once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

from pybase64 import b64encode

from adapters.envelope.attachments import wrapping
from adapters.envelope.strict import between
from gateway.errors import Refused
from gateway.model.payload import PayloadRef
from gateway.ports import Vault

_TOGETHER = 256 * 1024  # smaller pieces are put together: each costs the vault a turn


async def each(chunks: AsyncIterator[bytes], take: Callable[[bytes], None]) -> None:
    """Give each of *chunks* to *take*, in a thread; the next one is fetched meanwhile.

    What *take* refuses is refused only after the last chunk: until then nobody knows whether the vault has
    kept the bytes as they were.
    """
    refusal: Refused | None = None
    chunk = await anext(chunks, None)
    while chunk is not None:
        taking = None if refusal else asyncio.ensure_future(asyncio.to_thread(take, chunk))
        try:
            chunk = await anext(chunks, None)
        finally:
            try:
                await (taking or asyncio.sleep(0))
            except Refused as why:
                refusal = why
    if refusal is not None:
        raise refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file to be written; ``zipped_as`` is its name where it goes into a ZIP, ``crc`` its CRC-32 if it is known."""

    ref: PayloadRef
    zipped_as: str | None
    crc: int | None = None


class Writing:
    """*skeleton* with our *trace* and *parts* in its gaps, ZIPs dated *at* (a local time).

    Raises ``ValueError`` where the skeleton has more or fewer gaps.
    """

    def __init__(
        self, skeleton: bytes, trace: bytes, parts: Sequence[Part], at: datetime, vault: Vault
    ) -> None:
        first, *self._pieces = between(skeleton, len(parts) + 1)
        self._begin = first + trace
        self._parts = parts
        self._at = at
        self._vault = vault

    async def chunks(self) -> AsyncIterator[bytes]:
        """The document."""
        waiting = self._begin + self._pieces[0]
        for part, piece in zip(self._parts, self._pieces[1:], strict=True):
            left = b""
            async for chunk in self._wrapped(part):
                whole = left + chunk
                usable = len(whole) - len(whole) % 3
                waiting += b64encode(memoryview(whole)[:usable])
                left = whole[usable:]
                if len(waiting) >= _TOGETHER:
                    yield waiting
                    waiting = b""
            waiting += b64encode(left) + piece
        yield waiting

    async def _wrapped(self, part: Part) -> AsyncIterator[bytes]:
        behind = b""
        if part.zipped_as is not None:
            crc = part.crc if part.crc is not None else await self._crc(part.ref)
            before, behind = wrapping(part.ref.size, crc, part.ref.sha256, part.zipped_as, self._at)
            yield before
        async for chunk in self._vault.open(part.ref):
            yield chunk
        yield behind

    async def _crc(self, ref: PayloadRef) -> int:
        crc = 0
        async for chunk in self._vault.open(ref):
            crc = crc32(chunk, crc)
        return crc
