"""Uploads as files: one grows by appending, another beside it says what it will be.

Strategy: the size of ``<id>.part`` *is* the offset, so that nothing has to be kept in step with it; it is
synced before anybody is told.  ``<id>.json`` holds party, size and digest, and its age is that of the last
piece.  A part that was compared with its digest is renamed into the vault: the description without a part is
a complete upload.  Who writes holds a lock on the part, which a death releases.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import structlog

from adapters.store.vault import CHUNK, FileVault
from adapters.threads import Threads
from gateway.errors import ConfigError, Refused, Unavailable
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.upload import Upload, UploadId, is_of, tag_of, upload_id
from gateway.ports import Clock

T = TypeVar("T")

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SYNCED_EVERY = 16 * CHUNK
_LEFTOVER_S = 3600.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """Where uploads grow (on the vault's disk), and their bounds.

    ``per_party`` unfinished ones of one party at once, ``bytes_per_party`` in all that they declare.  ``keep``:
    who does not go on for so long finds nothing more, and a complete one is forgotten (its payload is not).
    ``sweep_every``: how often we look for those.  ``threads``: how many pieces are written at once.
    """

    folder: Path
    per_party: int = 16
    bytes_per_party: int = 4 * 1024**3
    keep: timedelta = timedelta(hours=24)
    sweep_every: timedelta = timedelta(minutes=10)
    threads: int = 4


class FileUploads:
    """``gateway.ports.Uploads`` in a folder that any number of processes share."""

    def __init__(self, options: UploadOptions, vault: FileVault, clock: Clock) -> None:
        self._options = options
        self._vault = vault
        self._clock = clock
        self._folder = options.folder
        self._threads = Threads(options.threads, "uploads")
        self._sweeper: asyncio.Task[None] | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(f"uploads: {error.strerror}: {self._folder}") from error

    # --- the port -----------------------------------------------------------------------------------

    async def begin(self, party: PartyKey, declared: PayloadRef) -> Upload:
        """``Uploads.begin``."""
        return await self._run(self._begin, party, declared.bare())

    async def find(self, party: PartyKey, upload: UploadId) -> Upload | None:
        """``Uploads.find``."""
        return await self._run(self._find, party, upload)

    async def append(
        self, party: PartyKey, upload: UploadId, offset: int, pieces: AsyncIterator[bytes]
    ) -> Upload:
        """``Uploads.append``.  Raises ``Unavailable("disk-full")``."""
        part = await self._run(self._open, party, upload)
        try:
            if part.size != offset:
                raise Refused("upload-offset-wrong", f"{part.size}")
            async for piece in pieces:
                await self._run(part.write, piece)
        finally:
            # Also where we are cancelled: what came is kept, and the lock let go.
            await asyncio.shield(self._run(self._settle, part))
        return replace(part.upload, offset=part.size, expires_at=self._clock.now() + self._options.keep)

    async def finish(self, party: PartyKey, upload: UploadId) -> Upload:
        """``Uploads.finish``: reads all bytes once, in a thread."""
        return await self._run(self._finish, party, upload)

    async def drop(self, party: PartyKey, upload: UploadId) -> None:
        """``Uploads.drop``."""
        await self._run(self._drop, party, upload)

    async def sweep(self) -> int:
        """``Uploads.sweep``."""
        return await self._run(self._sweep)

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to sweep."""
        self._sweeper = asyncio.create_task(self._keep_sweeping(), name="uploads-sweep")

    async def stop(self) -> None:
        """Sweep no more; finish what runs.  May be called twice."""
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)
        await self._threads.close()

    async def _keep_sweeping(self) -> None:
        while True:
            try:
                if swept := await self.sweep():
                    _log.info("uploads abandoned", count=swept)
            except Unavailable as away:
                _log.warning("uploads not swept", reason=away.reason)
            await asyncio.sleep(self._options.sweep_every.total_seconds())

    async def _run(self, call: Callable[..., T], *arguments: Any) -> T:
        try:
            return await self._threads.run(call, *arguments)
        except OSError as error:
            reason = "disk-full" if error.errno in _FULL else "store-away"
            raise Unavailable(reason, error.strerror or type(error).__name__) from error
        except RuntimeError as error:
            raise Unavailable("store-away", "closed") from error

    # --- in the threads -----------------------------------------------------------------------------

    def _begin(self, party: PartyKey, declared: PayloadRef) -> Upload:
        home = self._folder / tag_of(party)
        if not home.exists():
            home.mkdir(exist_ok=True, mode=0o700)
            _sync(self._folder)
        with _opened(home) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # alone among all who begin an upload of this party
            upload = upload_id(party, declared)
            part, description = home / f"{upload}.part", home / f"{upload}.json"
            if (same := self._find(party, upload)) is not None:
                self._make_young(description)
                return replace(same, expires_at=self._clock.now() + self._options.keep)
            others = [self._told(path.with_suffix(".json")) for path in home.glob("*.part") if path != part]
            sizes = [told.declared.size for told in others if told is not None]
            if len(others) >= self._options.per_party:
                raise Refused("uploads-too-many", f"{len(others)}")
            if sum(sizes) + declared.size > self._options.bytes_per_party:
                raise Refused("uploads-too-many", f"{sum(sizes)} + {declared.size} bytes")
            description.unlink(missing_ok=True)
            # The part first: a description alone is a complete upload.
            part.write_bytes(b"")
            part.chmod(0o600)
            told = {"party": party, "sha256": declared.sha256, "size": declared.size}
            _write(description, json.dumps(told))
            self._make_young(description)
            os.fsync(descriptor)
        begun = self._find(party, upload)
        assert begun is not None
        return begun

    def _find(self, party: PartyKey, upload: UploadId) -> Upload | None:
        told = self._known(party, upload)
        if told is None:
            return None
        try:
            descriptor = os.open(self._part(told), os.O_RDONLY)
        except FileNotFoundError:
            if not self._vault.holds(told.declared):
                return None  # purged since
            return replace(told, offset=told.declared.size, is_complete=True)
        try:
            # Another process may be writing: what it has written so far is made durable here.
            size = os.fstat(descriptor).st_size
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        return replace(told, offset=size)

    def _open(self, party: PartyKey, upload: UploadId) -> _Part:
        told = self._known(party, upload)
        if told is None:
            raise Refused("not-found")
        try:
            return _Part(told, self._part(told))
        except FileNotFoundError:  # it is complete
            raise Refused("upload-offset-wrong", f"{told.declared.size}") from None

    def _settle(self, part: _Part) -> None:
        try:
            part.sync()
            with suppress(FileNotFoundError):
                self._make_young(self._description(part.upload))
        finally:
            part.close()

    def _finish(self, party: PartyKey, upload: UploadId) -> Upload:
        told = self._find(party, upload)
        if told is None:
            raise Refused("not-found")
        if told.is_complete:
            return told
        if told.offset != told.declared.size:
            raise Refused("upload-length-wrong", f"{told.offset} of {told.declared.size} bytes")
        part = self._open(party, upload)
        try:
            part.sync()
            if part.digest() != told.declared.sha256:
                self._forget(told)
                raise Refused("claim-mismatch")
            self._vault.adopt(self._part(told), told.declared)
            _sync(self._part(told).parent)
        finally:
            part.close()
        return replace(told, is_complete=True)

    def _drop(self, party: PartyKey, upload: UploadId) -> None:
        told = self._find(party, upload)
        if told is None:
            raise Refused("not-found")
        if told.is_complete:
            self._forget(told)
            return
        part = self._open(party, upload)
        try:
            self._forget(told)
        finally:
            part.close()

    def _sweep(self) -> int:
        swept = 0
        for path in [path for home in self._folder.iterdir() for path in home.iterdir()]:
            told = self._told(path) if path.suffix == ".json" else None
            with suppress(FileNotFoundError):
                if told is not None and told.expires_at <= self._clock.now():
                    if not self._is_busy(told):
                        self._forget(told)
                        swept += 1
                elif path.suffix == ".part" and not path.with_suffix(".json").exists() and _is_old(path):
                    # somebody died between the two files, at the beginning or at the end
                    path.unlink()
        return swept

    def _is_busy(self, upload: Upload) -> bool:
        try:
            _Part(upload, self._part(upload)).close()
        except Refused:
            return True
        except FileNotFoundError:
            pass
        return False

    def _known(self, party: PartyKey, upload: UploadId) -> Upload | None:
        """What *party* was told when it began; ``None`` where it has no such upload, or it is too old."""
        if not is_of(upload, party):
            return None
        told = self._told(self._folder / tag_of(party) / f"{upload}.json")
        if told is None or told.party != party or told.expires_at <= self._clock.now():
            return None
        return told

    def _told(self, description: Path) -> Upload | None:
        try:
            told = json.loads(description.read_bytes())
            begun = datetime.fromtimestamp(description.stat().st_mtime, UTC)
        except (FileNotFoundError, ValueError):
            return None
        return Upload(
            id=UploadId(description.stem),
            party=PartyKey(told["party"]),
            declared=PayloadRef(sha256=told["sha256"], size=told["size"]),
            offset=0,
            is_complete=False,
            expires_at=begun + self._options.keep,
        )

    def _forget(self, upload: Upload) -> None:
        # The description first: were it left alone, it would tell of a complete upload.
        self._description(upload).unlink(missing_ok=True)
        self._part(upload).unlink(missing_ok=True)
        _sync(self._part(upload).parent)

    def _make_young(self, description: Path) -> None:
        now = self._clock.now().timestamp()
        os.utime(description, (now, now))

    def _part(self, upload: Upload) -> Path:
        return self._folder / tag_of(upload.party) / f"{upload.id}.part"

    def _description(self, upload: Upload) -> Path:
        return self._part(upload).with_suffix(".json")


class _Part:
    """The growing file, locked.  It may be closed while a thread is still busy with it."""

    def __init__(self, upload: Upload, path: Path) -> None:
        self.upload = upload
        self._file = path.open("r+b", buffering=0)
        self._busy = Lock()
        try:
            try:
                # Every opening has a lock of its own, so this keeps out our own process, too.
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused("upload-busy") from None
            status = os.fstat(self._file.fileno())
            if not path.exists() or not os.path.samestat(status, path.stat()):
                # Between our look and our lock somebody finished or dropped it.
                raise FileNotFoundError(path)
        except BaseException:
            self._file.close()
            raise
        self.size = self._file.seek(0, os.SEEK_END)
        self._synced = self.size

    def write(self, piece: bytes) -> None:
        """Add *piece*, or as much as the disk takes."""
        with self._busy:
            if self.size + len(piece) > self.upload.declared.size:
                raise Refused("upload-length-wrong", f"more than {self.upload.declared.size} bytes")
            left = memoryview(piece)
            while left:
                written = self._file.write(left)
                self.size += written
                left = left[written:]
            if self.size - self._synced >= _SYNCED_EVERY:
                # so that the last sync is short, and the machine's memory does not fill up with us
                os.fdatasync(self._file.fileno())
                self._synced = self.size

    def sync(self) -> None:
        """Be durable."""
        with self._busy:
            os.fdatasync(self._file.fileno())
            self._synced = self.size

    def digest(self) -> str:
        """The SHA-256 of all bytes."""
        with self._busy:
            self._file.seek(0)
            found = sha256()
            while chunk := self._file.read(CHUNK):
                found.update(chunk)
            return found.hexdigest()

    def close(self) -> None:
        """Let go of file and lock."""
        with self._busy:
            self._file.close()


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """*folder*'s descriptor."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    """Make the names in *folder* durable."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


def _is_old(part: Path) -> bool:
    return time.time() - part.stat().st_mtime > _LEFTOVER_S


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
