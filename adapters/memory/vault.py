"""Twin of ``Vault``: bytes in a dictionary."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256

from gateway.errors import Unavailable
from gateway.model.payload import PayloadRef

CHUNK = 1024 * 1024


class MemoryVault:
    """``gateway.ports.Vault`` without durability."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        """``Vault.put``."""
        body = await gathered(chunks)
        ref = PayloadRef.of(body)
        self._bodies[ref.sha256] = body
        return ref if isinstance(chunks, bytes | PayloadRef) else ref.bare()

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        """``Vault.open``."""
        body = await self.read(ref)
        for at in range(start, len(body), CHUNK):
            yield body[at : at + CHUNK]

    async def read(self, ref: PayloadRef) -> bytes:
        """``Vault.read``."""
        if ref.body is not None:
            return ref.body
        body = ref.loose.read(0, ref.loose.size) if ref.loose else self._bodies.get(ref.sha256)
        if body is None:
            raise Unavailable("payload-missing")
        if len(body) != ref.size or sha256(body).hexdigest() != ref.sha256:
            raise Unavailable("digest-mismatch")
        return body

    async def check(self) -> str:
        """``ok``."""
        return "ok"

    async def close(self) -> None:
        """Nothing to let go of."""

    def forget(self, ref: PayloadRef) -> None:
        """Lose the bytes, as a purge or a broken disk would."""
        self._bodies.pop(ref.sha256, None)


async def gathered(chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> bytes:
    """What is put into a vault, whole."""
    if isinstance(chunks, PayloadRef):
        assert chunks.body is not None, "only what rides along can be put"
        return chunks.body
    return chunks if isinstance(chunks, bytes) else b"".join([chunk async for chunk in chunks])
