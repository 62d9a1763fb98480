"""A folder whose files are read again when anything in it changes.

Looked at for every document, so it costs one ``stat`` a file; a file that changed is read alone.  One that
changed within the last two seconds may change again without its stamps telling (file systems count time in
steps): it is read at every look until it has rested.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import time
from pathlib import Path

_RESTLESS_NS = 2_000_000_000
_PEM = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{1,40})-----[\r\n]+((?:[A-Za-z0-9-]+:[^\r\n]*[\r\n]+)*)([A-Za-z0-9+/=\s]*?)-----END \1-----"
)

_Stamp = tuple[int, int, int, int]


class Folder:
    """The files in *path* whose names end in one of *endings*, none longer than *max_bytes*.

    No *path*, no such folder, files that cannot be read: nothing is there.
    """

    def __init__(self, path: Path | None, endings: tuple[str, ...], *, max_bytes: int) -> None:
        self.files: dict[str, bytes] = {}
        self._path = path
        self._endings = endings
        self._max_bytes = max_bytes
        self._stamps: dict[str, _Stamp] = {}
        self._restless: set[str] = set()

    def look(self) -> bool:
        """Read what changed into ``files``; whether anything did."""
        now = time.time_ns()
        stamps = self._scan()
        gone = self._stamps.keys() - stamps.keys()
        for name in gone:
            self.files.pop(name, None)
        suspects = {
            name for name, stamp in stamps.items() if self._stamps.get(name) != stamp
        } | self._restless
        is_changed = bool(gone)
        for name in sorted(suspects & stamps.keys()):
            body = self._read(name)
            if body is None:
                is_changed |= self.files.pop(name, None) is not None
            elif self.files.get(name) != body:
                self.files[name] = body
                is_changed = True
        self._restless = {name for name in suspects & stamps.keys() if stamps[name][1] > now - _RESTLESS_NS}
        self._stamps = stamps
        return is_changed

    def _scan(self) -> dict[str, _Stamp]:
        stamps: dict[str, _Stamp] = {}
        if self._path is None:
            return stamps
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if not entry.name.lower().endswith(self._endings):
                        continue
                    try:
                        if entry.is_file():
                            found = entry.stat()
                            stamps[entry.name] = (
                                found.st_mtime_ns,
                                found.st_ctime_ns,
                                found.st_size,
                                found.st_ino,
                            )
                    except OSError:
                        continue  # it went while we looked
        except OSError:
            return {}
        return stamps

    def _read(self, name: str) -> bytes | None:
        assert self._path is not None
        try:
            with open(self._path / name, "rb") as file:
                body = file.read(self._max_bytes + 1)
        except OSError:
            return None
        return body if len(body) <= self._max_bytes else None


def unwrapped(body: bytes, labels: tuple[bytes, ...]) -> list[bytes]:
    """The DER in *body*: itself, or each PEM block with one of *labels*; blocks that are garbled are passed over."""
    if b"-----BEGIN " not in body:
        return [body] if body else []
    found = []
    for block in _PEM.finditer(body):
        if block[1] in labels:
            try:
                found.append(base64.b64decode(b"".join(block[3].split()), validate=True))
            except binascii.Error:
                continue
    return found
