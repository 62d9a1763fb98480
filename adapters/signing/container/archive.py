"""A ZIP file in one form: stored, without dates, comments or extras, so that every byte of it is accounted for.

Strategy: the reader believes nothing that it could write itself.  From the names, sizes and checksums in the
central directory it makes every header anew and compares: a byte that is different, before, between or behind
the members, is told by its place.  Nothing is compressed, so nothing can unfold.

spec: PKWARE APPNOTE 6.3.9 §4.3; ETSI EN 319 162-1 §4.3.3.1 - ``mimetype`` comes first, stored, without extras
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import BinaryIO
from zlib import crc32

MOST_MEMBERS = 60_000
LARGEST = 0xFFFF_FFFE
"""Bytes of a container: without the extension ZIP64."""
_LARGEST_DIRECTORY = 16 * 1024 * 1024
_PIECE = 1024 * 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_LONGEST_NAME = 200
_LONGEST_COMMENT = 0xFFFF

# signature, version needed, flags, method, time, date (1 January 1980), crc, size, size, name, extra
_LOCAL = Struct("<4s5H3I2H")
# signature, made by, needed, flags, method, time, date, crc, size, size, name, extra, comment, disk, internal,
# external, offset
_CENTRAL = Struct("<4s6H3I5H2I")
_END = Struct("<4s4H2IH")


class Malformed(Exception):
    """It is not in the one form.  ``where``: the member, or the byte."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


@dataclass(frozen=True, slots=True)
class Member:
    """A file to be packed; ``open`` gives its bytes in pieces, the same each time."""

    name: str
    size: int
    crc: int
    sha256: bytes
    open: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that was packed, and where its bytes begin."""

    name: str
    offset: int
    size: int
    crc: int


def member(name: str, body: bytes) -> Member:
    """A member with its bytes in hand."""

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    return Member(name, len(body), crc32(body), sha256(body).digest(), pieces)


async def member_from(name: str, pieces: Callable[[], AsyncIterator[bytes]]) -> Member:
    """A member whose bytes are read twice: now to be measured, and again when they are packed."""
    size, crc, digest = 0, 0, sha256()
    async for piece in pieces():
        size, crc = size + len(piece), crc32(piece, crc)
        digest.update(piece)
    return Member(name, size, crc, digest.digest(), pieces)


async def packed(members: Sequence[Member]) -> AsyncIterator[bytes]:
    """The archive with *members* in their order, in pieces.  Raises ``ValueError`` where it would be too large."""
    if len(members) > MOST_MEMBERS or sum(m.size + 400 for m in members) > LARGEST:
        raise ValueError("too large for a container")
    directory, offset = bytearray(), 0
    for one in members:
        name = _checked(one.name)
        yield _local(name, one.size, one.crc)
        async for piece in one.open():
            yield piece
        directory += _central(name, one.size, one.crc, offset)
        offset += _LOCAL.size + len(name) + one.size
    yield bytes(directory)
    yield _end(len(members), len(directory), offset)


class Archive:
    """An archive that is in the one form, its members not looked into yet."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises ``Malformed``, and ``OSError`` as the file does."""
        self._file = file
        self.entries = tuple(self._read())

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of *entry*.  Raises ``Malformed`` at their end where their checksum is another."""
        self._file.seek(entry.offset)
        left, crc = entry.size, 0
        while left:
            piece = self._file.read(min(left, _PIECE))
            if not piece:
                raise Malformed(entry.name, "it ends too early")
            left, crc = left - len(piece), crc32(piece, crc)
            yield piece
        if crc != entry.crc:
            raise Malformed(entry.name, "its checksum is another")

    def _read(self) -> Iterator[Entry]:
        file = self._file
        size = file.seek(0, 2)
        if not _END.size < size <= LARGEST:
            raise Malformed("container", f"{size} bytes are no container")
        count, width, begin = self._read_end(size)
        file.seek(begin)
        directory = file.read(width)
        at = offset = 0
        seen: set[str] = set()
        for _ in range(count):
            fixed = directory[at : at + _CENTRAL.size]
            if len(fixed) < _CENTRAL.size:
                raise Malformed(f"byte {begin + at}", "the directory ends too early")
            _, *_, crc, _, size_, length, _, _, _, _, _, _ = _CENTRAL.unpack(fixed)
            name = directory[at + _CENTRAL.size : at + _CENTRAL.size + length]
            text = name.decode("ascii", "backslashreplace")[:_LONGEST_NAME]
            if length > _LONGEST_NAME or not is_name(text):
                raise Malformed(text, "that is no name of ours")
            if text in seen:
                raise Malformed(text, "it is there twice")
            seen.add(text)
            record = _central(name, size_, crc, offset)
            if directory[at : at + len(record)] != record:
                raise Malformed(text, "its entry in the directory is not in the one form")
            file.seek(offset)
            local = _local(name, size_, crc)
            if file.read(len(local)) != local:
                raise Malformed(text, f"its header at byte {offset} is not in the one form")
            yield Entry(text, offset + len(local), size_, crc)
            at += len(record)
            offset += len(local) + size_
            if offset > begin:
                raise Malformed(text, "it runs into the directory")
        if (at, offset) != (width, begin):
            raise Malformed(f"byte {offset}", "there are bytes that belong to no member")

    def _read_end(self, size: int) -> tuple[int, int, int]:
        """How many members, how long the directory is, and where it begins."""
        self._file.seek(size - _END.size)
        end = self._file.read(_END.size)
        _, _, _, _, count, width, begin, _ = _END.unpack(end)
        if end != _end(count, width, begin) or begin + width + _END.size != size:
            raise Malformed("container", "its end is not in the one form")
        if count > MOST_MEMBERS or width > _LARGEST_DIRECTORY:
            raise Malformed("container", f"{count} members are too many")
        return count, width, begin


def is_name(name: str) -> bool:
    """Whether a member may have this name: short, plain, and leading nowhere else."""
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def bounded_directory(file: BinaryIO) -> int:
    """The size of a ZIP file in any form, of which a reader may take in the whole directory.

    Raises ``Malformed`` where it is too large, or there is none.
    """
    size = file.seek(0, 2)
    if not _END.size < size <= LARGEST:
        raise Malformed("container", f"{size} bytes are no container")
    begin = file.seek(max(0, size - _END.size - _LONGEST_COMMENT))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise Malformed("container", "it is no ZIP file")
    _, _, _, _, count, width, _, _ = _END.unpack_from(tail, at)
    if tail[at - 20 : at - 16] == b"PK\6\7" and at >= 20:
        raise Malformed("container", "it has the extension ZIP64")
    if count > MOST_MEMBERS or width > _LARGEST_DIRECTORY or width > begin + at:
        raise Malformed("container", f"{count} members are too many")
    return size


def _checked(name: str) -> bytes:
    if not is_name(name):
        raise ValueError(f"no name for a member: {name}")
    return name.encode("ascii")


def _local(name: bytes, size: int, crc: int) -> bytes:
    return _LOCAL.pack(b"PK\3\4", 10, 0, 0, 0, 0x21, crc, size, size, len(name), 0) + name


def _central(name: bytes, size: int, crc: int, offset: int) -> bytes:
    fixed = (b"PK\1\2", 20, 10, 0, 0, 0, 0x21, crc, size, size, len(name), 0, 0, 0, 0, 0, offset)
    return _CENTRAL.pack(*fixed) + name


def _end(count: int, width: int, begin: int) -> bytes:
    return _END.pack(b"PK\5\6", 0, 0, count, count, width, begin, 0)
