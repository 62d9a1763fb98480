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

    async def put(self, chunks: AsyncIterator[bytes] | bytes) -> PayloadRef:
        """``Vault.put``."""
        if isinstance(chunks, bytes):
            ref = PayloadRef.of(chunks)
            self._bodies[ref.sha256] = chunks
            return ref
        ref = PayloadRef.of(b"".join([chunk async for chunk in chunks]))
        self._bodies[ref.sha256] = ref.body or b""
        return ref.bare()

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
