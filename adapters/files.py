"""Plain files, as somebody has them on a disk: looked at before they are opened, and written whole or not at all.

ref = read(Path("a.pdf"), max_bytes=2**28)
with OutTray(Path("sealed.pdf")) as tray:       # gateway.ports.Vault
    sealed = await sealer.seal(ref, order)
    tray.hand_out(sealed.payload)
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from adapters.loose import LooseFile
from gateway.errors import Refused, Unavailable
from gateway.model.payload import PayloadRef

_PIECE = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def read(path: Path, *, max_bytes: int) -> PayloadRef:
    """The file's bytes, riding along with their reference.

    Of a file with more than *max_bytes* nothing is read: the reference has its size, no bytes and no digest.
    Pipes and devices are never opened, because some never end and others do something.  Raises
    ``Refused("file-unreadable")``.
    """
    try:
        _must_be_ordinary(os.stat(path))
        with open(path, "rb", buffering=0) as file:
            facts = os.fstat(file.fileno())
            _must_be_ordinary(facts)  # it may have been exchanged in between
            if facts.st_size > max_bytes:
                return PayloadRef(sha256="", size=facts.st_size)
            body = file.read(facts.st_size)  # one allocation, and none more
    except OSError as error:
        raise Refused("file-unreadable", f"{path}: {error.strerror or type(error).__name__}") from error
    except ValueError as error:  # a name with a zero in it
        raise Refused("file-unreadable", f"{path!s:.200}: {error}") from error
    return PayloadRef.of(body)


def taken(path: Path, *, max_bytes: int) -> PayloadRef:
    """Like ``read``, but a large file rides along as the file itself: it is gone through once and hashed."""
    try:
        _must_be_ordinary(os.stat(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        file = LooseFile(descriptor)
        _must_be_ordinary(os.fstat(descriptor))
        if file.size > max_bytes:
            return PayloadRef(sha256="", size=file.size)
        if file.size <= _PIECE:
            return PayloadRef.of(file.read(0, file.size))
        digest = sha256()
        for start in range(0, file.size, _PIECE):
            digest.update(file.read(start, _PIECE))
    except OSError as error:
        raise Refused("file-unreadable", f"{path}: {error.strerror or type(error).__name__}") from error
    except ValueError as error:  # a name with a zero in it
        raise Refused("file-unreadable", f"{path!s:.200}: {error}") from error
    return PayloadRef(sha256=digest.hexdigest(), size=file.size, loose=file)


def taken_from(stream: BinaryIO, *, max_bytes: int) -> PayloadRef:
    """What *stream* brings until its end, as ``taken`` gives it.  Raises ``Unavailable("disk-full")``."""
    first = stream.read(min(_PIECE, max_bytes) + 1)
    if len(first) <= min(_PIECE, max_bytes):
        return PayloadRef.of(first)
    file, digest = LooseFile.in_folder(), sha256()
    piece = first
    while piece:
        file.write(piece)
        digest.update(piece)
        if file.size > max_bytes:
            return PayloadRef(sha256="", size=file.size)
        piece = stream.read(_PIECE)
    return PayloadRef(sha256=digest.hexdigest(), size=file.size, loose=file)


class InHand:
    """A vault for bytes that ride along with their reference; it keeps nothing."""

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        """The bytes, in hand."""
        return PayloadRef.of(b"".join([chunk async for chunk in _chunked(chunks)]))

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        """The bytes in pieces; raises like ``read``."""
        if ref.loose is not None:
            for at in range(start, ref.loose.size, _PIECE):
                yield ref.loose.read(at, _PIECE)
            return
        body = await self.read(ref)
        for at in range(start, len(body), _PIECE):
            yield body[at : at + _PIECE]

    async def read(self, ref: PayloadRef) -> bytes:
        """The bytes that ride along.  Raises ``Unavailable("payload-missing")`` where none do."""
        if ref.body is not None:
            return ref.body
        if ref.loose is None:
            raise Unavailable("payload-missing")
        return ref.loose.read(0, ref.loose.size)


class OutTray(InHand):
    """A vault whose one shelf is the place of a file to come.

    What is put there is a draft beside *out*, and nobody sees it under that name before ``hand_out``; what
    was not handed out is gone in the end.  *out* may be the file that was read.  Raises
    ``Refused("file-unwritable")`` at once where *out* can't become a file.
    """

    def __init__(self, out: Path) -> None:
        with _telling(out):
            # a link stays, what it leads to is exchanged
            self._out = Path(os.path.realpath(out))
            self._mode: int | None = None
            if not self._out.parent.is_dir():
                raise Refused("file-unwritable", f"{self._out.parent}: {os.strerror(errno.ENOENT)}")
            if self._out.exists():
                facts = self._out.stat()
                if not stat.S_ISREG(facts.st_mode):
                    raise Refused("file-unwritable", f"{out}: not an ordinary file")
                if not os.access(self._out, os.W_OK):
                    raise Refused("file-unwritable", f"{out}: {os.strerror(errno.EACCES)}")
                self._mode = stat.S_IMODE(facts.st_mode)
        self._drafts: dict[str, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for draft in self._drafts.values():
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        self._drafts.clear()

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        """Keep bytes as a draft; see the port.  Raises ``Unavailable("disk-full")``, ``Refused("file-unwritable")``."""
        digest, size = sha256(), 0
        with self._new_draft() as (handle, draft):
            async for chunk in _chunked(chunks):
                digest.update(chunk)
                size += len(chunk)
                _write(handle, chunk)
            os.fsync(handle)
        ref = PayloadRef(sha256=digest.hexdigest(), size=size)
        self._drafts[ref.sha256] = self._drafts.pop(str(draft))
        return ref

    async def read(self, ref: PayloadRef) -> bytes:
        """The bytes: those that ride along, else those of a draft.  Raises ``Unavailable("payload-missing")``."""
        if ref.body is not None:
            return ref.body
        if ref.sha256 not in self._drafts:
            raise Unavailable("payload-missing")
        with _telling(self._out):
            return self._drafts[ref.sha256].read_bytes()

    def hand_out(self, ref: PayloadRef) -> None:
        """The file appears under its name, complete and durable.  Raises like ``put``."""
        if ref.sha256 not in self._drafts:
            if ref.body is None and ref.loose is None:
                raise Unavailable("payload-missing")
            with self._new_draft() as (handle, draft):
                for piece in _riding(ref):
                    _write(handle, piece)
                os.fsync(handle)
            self._drafts[ref.sha256] = self._drafts.pop(str(draft))
        with _telling(self._out):
            self._drafts[ref.sha256].replace(self._out)
            del self._drafts[ref.sha256]
            folder = os.open(self._out.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @contextmanager
    def _new_draft(self) -> Iterator[tuple[int, Path]]:
        draft = self._out.with_name(f".vanthu-{secrets.token_hex(8)}.tmp")
        with _telling(self._out):
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            self._drafts[str(draft)] = draft
            try:
                if self._mode is not None:
                    os.fchmod(handle, self._mode)
                yield handle, draft
            finally:
                os.close(handle)


def _must_be_ordinary(facts: os.stat_result) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "not an ordinary file")


async def _chunked(chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> AsyncIterator[bytes]:
    if isinstance(chunks, bytes):
        yield chunks
        return
    if isinstance(chunks, PayloadRef):
        for piece in _riding(chunks):
            yield piece
        return
    async for chunk in chunks:
        yield chunk


def _riding(ref: PayloadRef) -> Iterator[bytes]:
    if ref.body is not None or ref.loose is None:
        yield ref.body or b""
        return
    for start in range(0, ref.loose.size, _PIECE):
        yield ref.loose.read(start, _PIECE)


def _write(handle: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(handle, left[:_PIECE]) :]


@contextmanager
def _telling(out: Path) -> Iterator[None]:
    """What the file system says, in our words."""
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        if error.errno in _FULL:
            raise Unavailable("disk-full", f"{out}: {why}") from error
        raise Refused("file-unwritable", f"{out}: {why}") from error
    except ValueError as error:  # a name with a zero in it
        raise Refused("file-unwritable", f"{out!s:.200}: {error}") from error
