"""Which processors who gives way may use, and whether it rests."""

from __future__ import annotations

import re
import signal
from collections.abc import Set
from contextlib import suppress
from pathlib import Path


def half_of(processors: Set[int]) -> set[int]:
    """The later half of *processors*, at least one."""
    return set(sorted(processors)[len(processors) // 2 :])


def rests(pid: int) -> bool:
    """Whether the process has the alarm clock by which who gives way rests."""
    with suppress(OSError):  # it may have ended
        caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return caught is not None and bool(int(caught[1], 16) >> (signal.SIGALRM - 1) & 1)
    return False
