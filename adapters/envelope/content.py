"""The bytes of one attached file on their way: in memory where they are few, in a loose file where many.

spool = Spool(in_memory=256 * 1024, loose=LooseFile.in_folder)
spool.write(b"%PDF-1.7 …")
content = spool.content()
content.head(5), content.size, content.ref()
"""

from __future__ import annotations

import io
from collections.abc import Callable
from hashlib import sha256
from typing import BinaryIO

from adapters.loose import LooseFile
from gateway.model.payload import Loose, PayloadRef

ZIP_MAGIC = b"PK\x03\x04"
_PIECE = 1024 * 1024
_LONGEST_READ = 16 * 1024 * 1024


class Content:
    """Bytes that are all there: *whole* in memory, or in the file *loose*."""

    def __init__(self, whole: bytes | None, loose: Loose | None = None, digest: str = "") -> None:
        self._whole = whole
        self._loose = loose
        self._digest = digest
        self.size = len(whole) if whole is not None else loose.size if loose is not None else 0

    def read(self, at: int, size: int) -> bytes:
        """Up to *size* bytes from *at*."""
        if self._whole is not None:
            return self._whole[at : at + size]
        return b"" if self._loose is None else self._loose.read(at, size)

    def head(self, size: int = 1024) -> bytes:
        """The first *size* bytes."""
        return self.read(0, size)

    def tail(self, size: int = 64 * 1024) -> bytes:
        """The last *size* bytes."""
        return self.read(max(0, self.size - size), size)

    def file(self) -> BinaryIO:
        """A file to read them from, as libraries want one."""
        if self._whole is not None:
            return io.BytesIO(self._whole)
        return io.BufferedReader(_View(self), 64 * 1024)

    def ref(self) -> PayloadRef:
        """The reference; the bytes ride along with it."""
        if self._whole is not None:
            return PayloadRef.of(self._whole)
        if not self._digest:
            digest = sha256()
            for at in range(0, self.size, _PIECE):
                digest.update(self.read(at, _PIECE))
            self._digest = digest.hexdigest()
        return PayloadRef(sha256=self._digest, size=self.size, loose=self._loose)


class Spool:
    """Takes the bytes of a file piece by piece; beyond *in_memory* of them they go to a file from *loose*.

    A ZIP is hashed only when its digest is asked for: as a rule it is unpacked and nobody asks.
    """

    def __init__(self, *, in_memory: int, loose: Callable[[], LooseFile]) -> None:
        self._most = in_memory
        self._new = loose
        self._few: list[bytes] = []
        self._size = 0
        self._loose: LooseFile | None = None
        self._digest = sha256()
        self._is_hashed = True

    def write(self, piece: bytes) -> None:
        """Add *piece*.  Raises ``Unavailable`` where the disk fails."""
        self._size += len(piece)
        if self._loose is None:
            self._few.append(piece)
            if self._size <= self._most:
                return
            self._loose = self._new()
            piece = b"".join(self._few)
            self._few = []
            self._is_hashed = not piece.startswith(ZIP_MAGIC)
        self._loose.write(piece)
        if self._is_hashed:
            self._digest.update(piece)

    def content(self) -> Content:
        """All that was written."""
        if self._loose is None:
            return Content(b"".join(self._few))
        return Content(None, self._loose, self._digest.hexdigest() if self._is_hashed else "")


def content_of(ref: PayloadRef) -> Content:
    """What rides along with *ref*."""
    return Content(ref.body) if ref.body is not None else Content(None, ref.loose, ref.sha256)


class _View(io.RawIOBase):
    """A content as a raw file.  A reader that asks for very much at once gets an error: it was lied to."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._content.size}[whence]
        if start + offset < 0:
            raise ValueError("before the beginning")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is wider
        if len(buffer) > _LONGEST_READ:
            raise ValueError("too much at once")
        chunk = self._content.read(self._at, len(buffer))
        buffer[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)
