"""Payloads as files, each under the SHA-256 of its bytes.

Strategy: write to a temporary file, sync it, give it its name, sync the folder that holds the name.  A file that
has its name is therefore whole and durable, and nobody ever sees half of one.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from io import FileIO
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from uuid import uuid4

from adapters.threads import Threads
from gateway.errors import ConfigError, Unavailable
from gateway.model.payload import Loose, PayloadRef

T = TypeVar("T")

CHUNK = 1024 * 1024

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultOptions:
    """Where the payloads lie.

    ``threads``: how many files are written or read at once.  ``min_free_bytes``: with less disk the health
    check complains.  ``leftovers``: temporaries older than this are what a dead process left.
    """

    folder: Path
    threads: int = 4
    min_free_bytes: int = 256 * 1024 * 1024
    leftovers: timedelta = timedelta(hours=1)


class FileVault:
    """``gateway.ports.Vault`` in a folder that any number of processes share."""

    def __init__(self, options: VaultOptions) -> None:
        self._options = options
        self._folder = options.folder
        self._temporary = options.folder / "tmp"
        self._aside = options.folder / "aside"
        self._threads = Threads(options.threads, "vault")
        self._life = uuid4().hex
        self._numbers = count()
        self._durable: set[str] = set()
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            self._aside.mkdir(exist_ok=True)
            self.sweep()
        except OSError as error:
            raise ConfigError(f"vault.folder: {error.strerror}: {options.folder}") from error

    def lay_out(self) -> None:
        """Make every folder that payloads will lie in, durably: else the first thousand documents would wait for it, each
        for some.  Blocks for a fifth of a second the first time; raises ``ConfigError``."""
        try:
            for number in range(256):
                self._make(f"{number:02x}")
        except OSError as error:
            raise ConfigError(f"vault.folder: {error.strerror}: {self._folder}") from error

    @property
    def temporary(self) -> Path:
        """The folder, on the same disk, of what is not finished.  What is old in it is swept at the start."""
        return self._temporary

    @property
    def aside(self) -> Path:
        """The folder, on the same disk, of what is being removed: until it is, it can still be read."""
        return self._aside

    def path_of(self, ref: PayloadRef) -> Path:
        """Where the payload lies."""
        return self._path(ref)

    def make_durable(self, ref: PayloadRef) -> None:
        """Make the payload's name durable.  Blocks; raises ``OSError``."""
        _sync(self._path(ref).parent)

    def aside_of(self, ref: PayloadRef) -> Path:
        """Where it lies while it is being removed."""
        return self._aside / ref.sha256

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        """``Vault.put``.  Raises ``Unavailable("disk-full")``."""
        if isinstance(chunks, bytes | PayloadRef):
            return await self._run(self._put_whole, chunks)
        draft = await self._run(_Draft, self._temporary / uuid4().hex)
        try:
            async for chunk in chunks:
                await self._run(draft.write, chunk)
            return await self._run(self._keep, draft)
        finally:
            await asyncio.shield(self._run(draft.discard))

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        """``Vault.open``.  Raises ``Unavailable("digest-mismatch")`` at the end of bytes that are not those
        that *ref* names."""
        if ref.body is not None:
            for at in range(start, len(ref.body), CHUNK):
                yield ref.body[at : at + CHUNK]
            return
        file = await self._run(self._open, ref, start)
        try:
            while chunk := await self._run(file.read):
                yield chunk
            if not file.is_like(ref):
                raise Unavailable("digest-mismatch")
        finally:
            file.close()

    async def read(self, ref: PayloadRef) -> bytes:
        """``Vault.read``.  Raises ``Unavailable`` with ``payload-missing`` or ``digest-mismatch``."""
        return ref.body if ref.body is not None else await self._run(self._read, ref)

    def holds(self, ref: PayloadRef) -> bool:
        """Whether the payload is here, whole; makes it young again.  Blocks; raises ``OSError``."""
        return self._refresh(ref)

    def adopt(self, path: Path, ref: PayloadRef) -> None:
        """Take the file *path*, whole and durable, as the payload *ref*: no byte is copied.  Blocks; raises
        ``OSError``.  Whoever calls it has compared the bytes with *ref*, and has them on the vault's disk."""
        if self._refresh(ref):
            path.unlink()
            return
        target = self._path(ref)
        self._make(ref.sha256[:2])
        path.replace(target)
        _sync(self._folder_of(ref))
        os.utime(target)

    async def check(self) -> str:
        """``ok``, or one sentence that says what is wrong: tries to write, and looks at the free disk."""
        try:
            free = await self._run(self._probe)
        except Unavailable as away:
            return f"the vault can't be written: {away}"
        if free < self._options.min_free_bytes:
            return f"only {free // 2**20} MiB of disk are free for the vault"
        return "ok"

    async def close(self) -> None:
        """Finish what runs.  May be called twice."""
        await self._threads.close()

    # --- in the threads -----------------------------------------------------------------------------

    async def _run(self, call: Callable[..., T], *arguments: Any) -> T:
        try:
            return await self._threads.run(call, *arguments)
        except OSError as error:
            reason = "disk-full" if error.errno in _FULL else "store-away"
            raise Unavailable(reason, error.strerror or type(error).__name__) from error
        except RuntimeError as error:
            raise Unavailable("store-away", "closed") from error

    def _put_whole(self, whole: bytes | PayloadRef) -> PayloadRef:
        # In plain calls of the system: paths and files as objects cost as much again, twice for each document.
        ref = PayloadRef.named(whole)
        assert ref.body is not None
        if self._refresh(ref):
            return ref
        self._make(ref.sha256[:2])
        folder = self._folder_of(ref)
        draft = f"{self._temporary}/{self._life}-{next(self._numbers)}"
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            try:
                left = memoryview(ref.body)
                while left:
                    left = left[os.write(file, left) :]
                os.fdatasync(file)
                _give_memory_back(file)
            finally:
                os.close(file)
            os.replace(draft, f"{folder}/{ref.sha256}")
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(draft)
            raise
        _sync(folder)
        return ref

    def _keep(self, draft: _Draft) -> PayloadRef:
        ref = draft.ref
        if not self._refresh(ref):
            self._name(draft, ref)
        return ref

    def _name(self, draft: _Draft, ref: PayloadRef) -> None:
        """Make what is whole in *draft* durable under the name of *ref*."""
        self._make(ref.sha256[:2])
        draft.become(self._path(ref))
        _sync(self._folder_of(ref))

    def _refresh(self, ref: PayloadRef) -> bool:
        """Make a payload that is here young again; false where it is not here, or not whole."""
        folder = self._folder_of(ref)
        path = f"{folder}/{ref.sha256}"
        try:
            if os.stat(path).st_size != ref.size:
                return False
            os.utime(path)
        except FileNotFoundError:
            return False
        # Another writer may have given the name and not yet synced it: what we answer must be durable.
        _sync(folder)
        return True

    def _path(self, ref: PayloadRef) -> Path:
        return Path(self._folder_of(ref), ref.sha256)

    def _folder_of(self, ref: PayloadRef) -> str:
        # 256 × 16 folders: made soon, and with 10 million payloads 2,500 files in each
        return f"{self._folder}/{ref.sha256[:2]}/{ref.sha256[2]}"

    def _make(self, prefix: str) -> None:
        """Have the folders of the digests that begin with *prefix*, durably: all at once, because each sync costs as much
        as a file's."""
        if prefix in self._durable:
            return
        outer = self._folder / prefix
        brothers = [outer / digit for digit in "0123456789abcdef"]
        outer.mkdir(exist_ok=True)
        for brother in brothers:
            brother.mkdir(exist_ok=True)
        # even where they were here: who made them may not have come so far
        _sync(outer)
        _sync(self._folder)
        self._durable.add(prefix)

    def _open(self, ref: PayloadRef, start: int) -> _Opened:
        if ref.loose is not None:
            return _Opened(ref.loose, start)
        return self._found(ref, lambda path: _opened(path, start))

    def _read(self, ref: PayloadRef) -> bytes:
        if ref.loose is not None:
            body = ref.loose.read(0, ref.loose.size)
        else:
            body = self._found(ref, Path.read_bytes)
        if len(body) != ref.size or sha256(body).hexdigest() != ref.sha256:
            raise Unavailable("digest-mismatch")
        return body

    def _found(self, ref: PayloadRef, use: Callable[[Path], T]) -> T:
        # The last again, for it may have been put back while we looked aside.
        for path in (self._path(ref), self.aside_of(ref), self._path(ref)):
            with suppress(FileNotFoundError):
                return use(path)
        raise Unavailable("payload-missing")

    def _probe(self) -> int:
        draft = _Draft(self._temporary / uuid4().hex)
        try:
            draft.write(b"probe")
        finally:
            draft.discard()
        return shutil.disk_usage(self._folder).free

    def sweep(self) -> None:
        """Drop temporaries that a dead process left.  Blocks; raises ``OSError``."""
        oldest = time.time() - self._options.leftovers.total_seconds()
        for path in self._temporary.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _opened(path: Path, start: int) -> _Opened:
    try:
        os.utime(path)  # young again: whoever opens a claim may be about to name it
    except FileNotFoundError:
        raise
    except OSError:  # who may only read here names nothing
        pass
    return _Opened(path, start)


class _Hashed:
    """A file that is hashed on its way.  It may be closed while a thread is still busy with it."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._size = 0
        # A descriptor that is closed under a running call may be another file's by then.
        self._busy = Lock()

    @property
    def ref(self) -> PayloadRef:
        """What has come by so far."""
        return PayloadRef(sha256=self._digest.hexdigest(), size=self._size)

    def _count(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._size += len(chunk)


class _Opened(_Hashed):
    """A payload that is being read from the offset *start* on, by its path or as a loose file."""

    def __init__(self, source: Path | Loose, start: int) -> None:
        super().__init__()
        self._source = source.open("rb", buffering=0) if isinstance(source, Path) else source
        self._start = start
        if start and isinstance(self._source, FileIO):
            self._source.seek(start)

    def read(self) -> bytes:
        """The next chunk; empty at the end."""
        with self._busy:
            chunk: bytes
            if isinstance(self._source, FileIO):
                chunk = self._source.read(CHUNK)
            else:
                chunk = self._source.read(self._start + self._size, CHUNK)
            if self._start:
                self._size += len(chunk)
            else:
                self._count(chunk)
            return chunk

    def is_like(self, ref: PayloadRef) -> bool:
        """At the end: whether the bytes may be those of *ref*."""
        return self._start + self._size == ref.size if self._start else self.ref == ref

    def close(self) -> None:
        """Let go of the file.  May be called twice."""
        with self._busy:
            if isinstance(self._source, FileIO):
                self._source.close()


class _Draft(_Hashed):
    """A payload that is being written."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("xb", buffering=0)
        self._path: Path | None = path

    def write(self, chunk: bytes) -> None:
        """Add *chunk*."""
        with self._busy:
            left = memoryview(chunk)
            while left:
                left = left[self._file.write(left) :]
            self._count(chunk)

    def become(self, path: Path) -> None:
        """Be durable, under the name *path*; the folder is yet to be synced."""
        with self._busy:
            assert self._path is not None
            os.fdatasync(self._file.fileno())
            _give_memory_back(self._file.fileno())
            self._path.replace(path)
            self._path = None

    def discard(self) -> None:
        """Leave nothing behind, unless it has got its name."""
        with self._busy:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _give_memory_back(file: int) -> None:
    """Let the next payload have the memory that the system keeps of this one, which is hardly read again from the disk.

    Else, once no memory is free, each payload pushes out an older one and what others read, through memory that no processor
    has at hand: a tenth of what a document costs (``docs/adr/0026-long-turns.md``).
    """
    with suppress(OSError):  # advice that a file system need not take
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def _sync(folder: Path | str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
