"""The limits that the kernel keeps for a process that reads what anybody may have sent."""

from __future__ import annotations

import ctypes
import resource
from pathlib import Path

_PR_SET_DUMPABLE = 4


def restrict(memory_bytes: int) -> None:
    """No more than *memory_bytes* above what this process has now; no core dump, and no file is written."""
    base = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (base + memory_bytes, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    leave_no_dump()


def leave_no_dump() -> None:
    """No core dump, wherever the machine would write it or pipe it to."""
    # spec: core(5) - the limit is not enforced for core dumps that are piped to a program
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def allow_cpu(seconds: float) -> None:
    """As much processor time from now on; then the kernel ends the process."""
    # RLIMIT_CPU counts over the life of the process: move the limit ahead of what was used
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 1, hard))
