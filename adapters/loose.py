"""Files without a name: where bytes lie that are on their way and too many for memory.

Nothing has to be tidied up: the kernel frees what nobody holds, also where a process was killed.
"""

from __future__ import annotations

import errno
import os
import resource
import tempfile
from pathlib import Path
from typing import ClassVar
from weakref import WeakSet

from gateway.errors import Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ENOUGH = 10_000
_NO_SUCH_FLAG = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)


class LooseFile:
    """``gateway.model.payload.Loose``, to be written once from its beginning to its end.

    Every method raises ``Unavailable``: ``disk-full``, or ``store-away`` where the disk fails otherwise.  One is
    a descriptor; where loose files hold half of all that the process may have, a new one is ``too-busy``.
    """

    _living: ClassVar[WeakSet[LooseFile]] = WeakSet()

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._living.add(self)

    @classmethod
    def in_folder(cls, folder: Path | None = None, *, leaving: int = 0) -> LooseFile:
        """A new one on the disk of *folder* (the system's folder for temporary files by default), where more than
        *leaving* bytes are free."""
        place = str(folder or tempfile.gettempdir())
        if len(cls._living) >= _most():
            raise Unavailable("too-busy", f"{len(cls._living)} large files are in hand")
        try:
            disk = os.statvfs(place)
            if disk.f_bavail * disk.f_frsize < leaving:
                raise Unavailable("disk-full", f"the last {leaving} bytes are for others")
            return cls(_nameless(place))
        except OSError as error:
            raise _away(error) from error

    @classmethod
    def in_memory(cls) -> LooseFile:
        """A new one that takes memory instead of disk: for twins and tests."""
        return cls(os.memfd_create("vanthu", os.MFD_CLOEXEC))

    @property
    def size(self) -> int:
        """``Loose.size``."""
        return self._size

    def write(self, chunk: bytes | memoryview) -> None:
        """Add *chunk* at the end.  One thread at a time."""
        left = memoryview(chunk)
        try:
            while left:
                written = os.pwrite(self._descriptor, left, self._size)
                self._size += written
                left = left[written:]
        except OSError as error:
            raise _away(error) from error

    def read(self, at: int, size: int) -> bytes:
        """``Loose.read``."""
        try:
            chunk = os.pread(self._descriptor, size, at)
            while len(chunk) < size and (
                more := os.pread(self._descriptor, size - len(chunk), at + len(chunk))
            ):
                chunk += more
            return chunk
        except OSError as error:
            raise _away(error) from error

    def fileno(self) -> int:
        """``Loose.fileno``."""
        return self._descriptor

    def __del__(self) -> None:
        descriptor = getattr(self, "_descriptor", -1)
        if descriptor >= 0:
            os.close(descriptor)


def _nameless(folder: str) -> int:
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NO_SUCH_FLAG:
            raise
    return unlinked(folder)


def unlinked(folder: str) -> int:
    """A new file in *folder* that loses its name at once: for file systems that know no nameless files."""
    descriptor, name = tempfile.mkstemp(prefix="loose-", dir=folder)
    os.unlink(name)
    return descriptor


def _most() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else min(_ENOUGH, soft // 2)


def _away(error: OSError) -> Unavailable:
    reason = "disk-full" if error.errno in _FULL else "store-away"
    return Unavailable(reason, error.strerror or type(error).__name__)
