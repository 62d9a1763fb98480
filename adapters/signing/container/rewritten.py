"""A container that another program packed again: read as any ZIP file, so that more can be told than that it was.

Its form is not ours any more, which is noted before this is asked; but a person who took a piece of evidence out with
an ordinary program shall hear which piece is missing, and not only that a header is another.  Strategy: what
``zipfile`` would read whole is bounded before it is asked.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from adapters.signing.container.archive import LARGEST, Entry, Malformed, bounded_directory, is_name

_PIECE = 1024 * 1024
_UNFOLDS = 64
"""How many times larger the files may be than the archive: XML with signatures deflates to a third."""
_IS_ENCRYPTED = 0x1
# What ``zipfile`` and ``zlib`` are seen to raise at hostile bytes: they promise no one exception.
_BENT = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)


class Rewritten:
    """An archive in any form, its members not looked into yet: the same questions as ``Archive`` answers."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises ``Malformed`` where it can't be read as a ZIP file either, and ``OSError`` as the file does."""
        size = bounded_directory(file)
        try:
            self._zip = ZipFile(file)
        except _BENT as exc:
            raise Malformed("container", "it is no ZIP file") from exc
        self._members = {one.filename: one for one in self._zip.infolist()}
        if len(self._members) != len(self._zip.infolist()):
            raise Malformed("container", "a name is there twice")
        if sum(one.file_size for one in self._members.values()) > min(LARGEST, size * _UNFOLDS):
            raise Malformed("container", "its files would unfold beyond measure")
        for name, one in self._members.items():
            if one.orig_filename != name or not is_name(name):  # zipfile cuts names at a NUL
                raise Malformed(name[:200], "that is no name of ours")
            if one.flag_bits & _IS_ENCRYPTED or one.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                raise Malformed(name, "it is packed in a way that we do not read")
        self.entries = tuple(
            Entry(name, one.header_offset, one.file_size, one.CRC) for name, one in self._members.items()
        )

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of *entry*.  Raises ``Malformed`` where they can't be unpacked or their checksum is another."""
        left = entry.size
        try:
            with self._zip.open(self._members[entry.name]) as unpacked:
                while piece := unpacked.read(_PIECE):
                    left -= len(piece)
                    yield piece
        except _BENT as exc:
            raise Malformed(entry.name, "it can't be unpacked, or its checksum is another") from exc
        if left:
            raise Malformed(entry.name, "it has another size than it says")
