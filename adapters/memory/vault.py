"""Twin of ``Vault`` and ``Shelves``: bytes in a dictionary."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from hashlib import sha256

from gateway.errors import Unavailable
from gateway.model.payload import PayloadRef
from gateway.model.retention import Lying
from gateway.ports import Clock

CHUNK = 1024 * 1024


class MemoryVault:
    """``gateway.ports.Vault`` without durability; with a *clock* also ``gateway.ports.Shelves``, of one shelf."""

    shelves = 1

    def __init__(self, clock: Clock | None = None) -> None:
        self._bodies: dict[str, bytes] = {}
        self._clock = clock
        self._aside: dict[str, bytes] = {}
        self._puts: dict[str, tuple[datetime, int]] = {}
        self._count = 0

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        """``Vault.put``."""
        ref = PayloadRef.of(body := await gathered(chunks))
        self._bodies[ref.sha256] = body
        self._touch(ref.sha256)
        return ref if isinstance(chunks, bytes | PayloadRef) else ref.bare()

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        """``Vault.open``."""
        body = await self.read(ref)
        if ref.body is None:
            self._touch(ref.sha256)
        for at in range(start, len(body), CHUNK):
            yield body[at : at + CHUNK]

    async def read(self, ref: PayloadRef) -> bytes:
        """``Vault.read``."""
        if ref.body is not None:
            return ref.body
        kept = self._bodies if ref.sha256 in self._bodies else self._aside
        body = ref.loose.read(0, ref.loose.size) if ref.loose else kept.get(ref.sha256)
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

    # --- Shelves ------------------------------------------------------------------------------------

    async def look(self, shelf: int, before: datetime) -> Sequence[Lying]:
        """``Shelves.look``."""
        for name in [name for name in self._aside if name in self._bodies or self._puts[name][0] >= before]:
            self._restore(name)
        found = []
        for name, (since, mark) in sorted(self._puts.items()):
            body = self._bodies.get(name, self._aside.get(name))
            if body is not None and since < before:
                ref = PayloadRef(sha256=name, size=len(body))
                found.append(Lying(ref=ref, since=since, mark=mark, is_aside=name in self._aside))
        return found

    async def set_aside(self, lying: Lying) -> bool:
        """``Shelves.set_aside``."""
        name = lying.ref.sha256
        if name not in self._bodies or self._puts[name][1] != lying.mark:
            return False
        self._aside[name] = self._bodies.pop(name)
        return True

    async def destroy(self, lying: Lying) -> bool:
        """``Shelves.destroy``."""
        name = lying.ref.sha256
        if name in self._aside and self._puts[name][1] != lying.mark and name not in self._bodies:
            self._restore(name)
            return False
        return self._aside.pop(name, None) is not None

    async def put_back(self, lying: Lying) -> None:
        """``Shelves.put_back``."""
        self._restore(lying.ref.sha256)

    def _touch(self, name: str) -> None:
        if self._clock is not None:
            self._count += 1
            self._puts[name] = (self._clock.now(), self._count)

    def _restore(self, name: str) -> None:
        body = self._aside.pop(name, None)
        if body is not None:
            self._bodies.setdefault(name, body)


async def gathered(chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> bytes:
    """What is put into a vault, whole."""
    if isinstance(chunks, PayloadRef):
        assert chunks.body is not None, "only what rides along can be put"
        return chunks.body
    return chunks if isinstance(chunks, bytes) else b"".join([chunk async for chunk in chunks])
