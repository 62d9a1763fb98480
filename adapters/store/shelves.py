"""The file vault as whoever clears it out sees it: ``gateway.ports.Shelves``.

Strategy: whoever puts bytes that are here already, or opens them, touches their file by its name, and writes it anew (or
finds nothing) where the name is gone.  So a file that was given another name cannot be touched any more: its age is then what decides, once and for
all, whether somebody relied on it before.  Until it has decided, readers find it under the other name.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from adapters.store.vault import FileVault
from gateway.errors import Unavailable
from gateway.model.payload import PayloadRef
from gateway.model.retention import Lying

T = TypeVar("T")

_DIGITS = 3
_NAME = 64
_DOOMED = ".doomed"


class FileShelves:
    """Every folder of the vault is a shelf."""

    def __init__(self, vault: FileVault) -> None:
        self._vault = vault

    @property
    def shelves(self) -> int:
        """``Shelves.shelves``."""
        return int(16**_DIGITS)

    async def look(self, shelf: int, before: datetime) -> Sequence[Lying]:
        """``Shelves.look``; at the first shelf also drops temporaries that a dead process left."""
        return await _run(self._look, shelf, before)

    async def set_aside(self, lying: Lying) -> bool:
        """``Shelves.set_aside``."""
        return await _run(self._set_aside, lying)

    async def destroy(self, lying: Lying) -> bool:
        """``Shelves.destroy``."""
        return await _run(self._destroy, lying)

    async def put_back(self, lying: Lying) -> None:
        """``Shelves.put_back``."""
        await _run(self._put_back, lying)

    # --- in a thread --------------------------------------------------------------------------------

    def _look(self, shelf: int, before: datetime) -> Sequence[Lying]:
        if shelf == 0:
            self._vault.sweep()
        begin = f"{shelf:0{_DIGITS}x}"
        self._spare(begin)
        aside = []
        for lying in _lying(self._vault.aside, begin, is_aside=True):
            if lying.since >= before or self._vault.path_of(lying.ref).exists():
                self._put_back(lying)
            else:
                aside.append(lying)
        folder = self._vault.path_of(PayloadRef(sha256=begin, size=0)).parent
        return [*aside, *(lying for lying in _lying(folder, begin) if lying.since < before)]

    def _set_aside(self, lying: Lying) -> bool:
        path = self._vault.path_of(lying.ref)
        try:
            if path.stat().st_mtime_ns != lying.mark:
                return False
            path.rename(self._vault.aside_of(lying.ref))
        except FileNotFoundError:
            return False
        return True

    def _destroy(self, lying: Lying) -> bool:
        aside, doomed = self._vault.aside_of(lying.ref), self._doomed(lying.ref)
        try:
            aside.rename(doomed)  # nobody reads it there: what it says now is the last word
            if doomed.stat().st_mtime_ns != lying.mark:
                # put or opened between our look at it and its new name
                doomed.rename(aside)
                self._put_back(lying)
                return False
            doomed.unlink()
        except FileNotFoundError:
            return False
        return True

    def _doomed(self, ref: PayloadRef) -> Path:
        return self._vault.aside_of(ref).with_suffix(_DOOMED)

    def _spare(self, begin: str) -> None:
        """Somebody died between the last two steps: once more, from the one before."""
        for path in self._vault.aside.glob(f"{begin}*{_DOOMED}"):
            with suppress(FileNotFoundError):
                path.rename(path.with_suffix(""))

    def _put_back(self, lying: Lying) -> None:
        path, aside = self._vault.path_of(lying.ref), self._vault.aside_of(lying.ref)
        try:
            # Never over a file that was written anew meanwhile: that one is young.
            os.link(aside, path)
        except FileExistsError:
            pass
        except FileNotFoundError:
            return
        self._vault.make_durable(lying.ref)
        aside.unlink(missing_ok=True)


def _lying(folder: Path, begin: str, *, is_aside: bool = False) -> Iterator[Lying]:
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if len(entry.name) != _NAME or not entry.name.startswith(begin):
                continue
            with suppress(FileNotFoundError):
                found = entry.stat()
                yield Lying(
                    ref=PayloadRef(sha256=entry.name, size=found.st_size),
                    since=datetime.fromtimestamp(found.st_mtime, UTC),
                    mark=found.st_mtime_ns,
                    is_aside=is_aside,
                )


async def _run(call: Callable[..., T], *arguments: Any) -> T:
    try:
        return await asyncio.to_thread(call, *arguments)
    except OSError as error:
        raise Unavailable("store-away", error.strerror or type(error).__name__) from error
