"""Keeps what a process has in memory out of files: a refused state secret may be in it, as may anybody's document.

What this cannot keep out is the machine's swap: encrypt it, or have none.
"""

from __future__ import annotations

import ctypes
import resource

_PR_SET_DUMPABLE = 4


def keep_memory_private() -> None:
    """No core dump of this process, nor of what it starts; and no other process of this user reads its memory.

    The limit alone does not hold where the machine pipes core dumps into a program; the kernel's flag does, and
    is each process's own to set again after every start of a program.
    """
    # spec: core(5), prctl(2) - the limit is not enforced for core dumps that are piped to a program
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if prctl is not None:  # Linux
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
