"""A small disk in memory that can be full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_PAGE = 4096


class CannotMount(Exception):
    """This process may not mount; the text says why, in Vietnamese and English."""


class Disk:
    """A tmpfs at *folder*, between ``mount`` and ``unmount``."""

    def __init__(self, folder: Path, megabytes: int, *, owner: tuple[int, int] = (0, 0)) -> None:
        self.folder = folder
        self._megabytes = megabytes
        self._owner = owner
        self._is_mounted = False

    def mount(self) -> None:
        """Mount it; what an earlier run left mounted there goes first.  Raises ``CannotMount``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        while os.path.ismount(self.folder):
            subprocess.run(["umount", str(self.folder)], check=True, capture_output=True)
        user, group = self._owner
        options = f"size={self._megabytes}m,mode=0755,uid={user},gid={group}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True)
        except OSError as error:
            raise CannotMount(_sentence(str(error))) from error
        if done.returncode != 0:
            raise CannotMount(_sentence(done.stderr.strip()))
        self._is_mounted = True

    def unmount(self) -> None:
        """Give it back, with all that is in it.  May be called twice."""
        if self._is_mounted:
            self._is_mounted = False
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """Meanwhile it has no byte left: it is made just as large as what lies in it."""
        self._shrink()
        try:
            yield
        finally:
            self._resize(self._megabytes * 1024 * 1024)

    def _shrink(self) -> None:
        # What runs goes on writing while we measure.
        for spare in (0, 1, 8, 64, 512, 4096):
            state = os.statvfs(self.folder)
            used = (state.f_blocks - state.f_bfree) * state.f_frsize
            if self._resize(used + spare * _PAGE):
                return
        raise AssertionError("the disk fills more quickly than it can be made smaller")

    def _resize(self, size: int) -> bool:
        command = ["mount", "-o", f"remount,size={size}", str(self.folder)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _sentence(why: str) -> str:
    return (
        "không được phép gắn đĩa tmpfs, nên bỏ qua lỗi đầy đĩa · no tmpfs may be mounted here, "
        f"so a full disk is left out ({why})"
    )
