"""Twin of ``Uploads``: growing bytes in a dictionary."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

from adapters.memory.vault import MemoryVault
from gateway.errors import Refused
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.upload import Upload, UploadId, is_of, upload_id
from gateway.ports import Clock, Vault


class MemoryUploads:
    """``gateway.ports.Uploads`` without durability."""

    def __init__(
        self,
        clock: Clock,
        vault: Vault | None = None,
        *,
        per_party: int = 16,
        bytes_per_party: int = 4 * 1024**3,
        keep: timedelta = timedelta(hours=24),
    ) -> None:
        self._clock = clock
        self._vault = vault or MemoryVault()
        self._per_party = per_party
        self._bytes_per_party = bytes_per_party
        self._keep = keep
        self._uploads: dict[UploadId, Upload] = {}
        self._bodies: dict[UploadId, bytearray] = {}
        self._busy: set[UploadId] = set()

    async def begin(self, party: PartyKey, declared: PayloadRef) -> Upload:
        """``Uploads.begin``."""
        later = self._clock.now() + self._keep
        if (same := await self.find(party, upload_id(party, declared))) is not None:
            self._uploads[same.id] = replace(same, expires_at=later)
            return self._uploads[same.id]
        unfinished = [u for u in self._uploads.values() if u.party == party and not u.is_complete]
        if len(unfinished) >= self._per_party:
            raise Refused("uploads-too-many", f"{len(unfinished)}")
        if sum(u.declared.size for u in unfinished) + declared.size > self._bytes_per_party:
            raise Refused("uploads-too-many", f"{declared.size} bytes more")
        upload = Upload(
            id=upload_id(party, declared),
            party=party,
            declared=declared.bare(),
            offset=0,
            is_complete=False,
            expires_at=later,
        )
        self._uploads[upload.id] = upload
        self._bodies[upload.id] = bytearray()
        return upload

    async def find(self, party: PartyKey, upload: UploadId) -> Upload | None:
        """``Uploads.find``."""
        found = self._uploads.get(upload) if is_of(upload, party) else None
        if found is None or found.expires_at <= self._clock.now():
            return None
        return found

    async def append(
        self, party: PartyKey, upload: UploadId, offset: int, pieces: AsyncIterator[bytes]
    ) -> Upload:
        """``Uploads.append``."""
        found = await self._own(party, upload)
        if found.is_complete or found.offset != offset:
            raise Refused("upload-offset-wrong", f"{found.offset}")
        body = self._bodies[upload]
        self._busy.add(upload)
        try:
            async for piece in pieces:
                if len(body) + len(piece) > found.declared.size:
                    raise Refused("upload-length-wrong", f"more than {found.declared.size} bytes")
                body += piece
        finally:
            self._busy.discard(upload)
            later = self._clock.now() + self._keep
            self._uploads[upload] = replace(found, offset=len(body), expires_at=later)
        return self._uploads[upload]

    async def finish(self, party: PartyKey, upload: UploadId) -> Upload:
        """``Uploads.finish``."""
        found = await self._own(party, upload)
        if found.is_complete:
            return found
        if found.offset != found.declared.size:
            raise Refused("upload-length-wrong", f"{found.offset} of {found.declared.size} bytes")
        body = bytes(self._bodies[upload])
        if PayloadRef.of(body) != found.declared:
            await self.drop(party, upload)
            raise Refused("claim-mismatch")
        await self._vault.put(body)
        del self._bodies[upload]
        self._uploads[upload] = replace(found, is_complete=True)
        return self._uploads[upload]

    async def drop(self, party: PartyKey, upload: UploadId) -> None:
        """``Uploads.drop``."""
        await self._own(party, upload)
        del self._uploads[upload]
        self._bodies.pop(upload, None)

    async def sweep(self) -> int:
        """``Uploads.sweep``."""
        old = [u.id for u in self._uploads.values() if u.expires_at <= self._clock.now()]
        for upload in old:
            del self._uploads[upload]
            self._bodies.pop(upload, None)
        return len(old)

    async def _own(self, party: PartyKey, upload: UploadId) -> Upload:
        found = await self.find(party, upload)
        if found is None:
            raise Refused("not-found")
        if upload in self._busy:
            raise Refused("upload-busy")
        return found
