"""Looks at processes from outside, by ``/proc``."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def workers_of(serve: int) -> list[int]:
    """The workers that the process *serve* keeps alive, those that are starting among them."""
    return [
        pid
        for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
        if _parent(pid) == serve and "gateway.cli work" in _command(pid)
    ]


def megabytes(pid: int) -> float:
    """The resident memory of a process; none where it has ended."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6
    return 0.0


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return ""
