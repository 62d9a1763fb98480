"""The limits that the kernel keeps for a process that reads what anybody may have sent."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from pathlib import Path
from typing import IO

GIVES_WAY = 10
"""Nice value of who gives way: beside a busy worker it still has a tenth of a processor, so it gets on even then."""

SESSION_GIVES_WAY = 14
"""That of its session, where the kernel weighs sessions.  Each who gives way has one of its own, and what they weigh adds
up: six of them with 10 weigh more than half of what the workers do.  Alone beside busy workers one gets on even so, with a
twenty-fifth of a processor."""

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
    """As much processor time from now on; then the kernel ends the process, whatever it is doing."""
    # spec: setitimer(2) - counts the processor time of all threads, in user and in kernel mode
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def give_way(nice: int) -> None:
    """Leave the processors to others from now on; cannot be undone without a privilege.

    Where the kernel shares the processors out by session, in a session of our own: what we use is not the gateway's.
    """
    os.nice(nice)
    # spec: sched(7), "the autogroup feature" - a nice value counts within its session only, and each session has one of
    # its own.  We leave ours only where we may write that one: it is root's while no dump is left of us.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    try:
        with open("/proc/self/autogroup", "wb", buffering=0) as group:
            os.setsid()
            _write_soon(group, b"%d" % max(nice, SESSION_GIVES_WAY))
    except OSError:
        pass  # no such feature, or a session of our own already: the nice value stands
    finally:
        leave_no_dump()


def _write_soon(file: IO[bytes], text: bytes) -> None:
    """The kernel takes one such value in a tenth of a second from all who are not root."""
    for _ in range(40):
        try:
            file.write(text)
            return
        except BlockingIOError:
            time.sleep(0.05)
