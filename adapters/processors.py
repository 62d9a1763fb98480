"""The processors that this process may use, whatever its threads are kept to for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

OURS = frozenset(os.sched_getaffinity(0))
"""Their numbers, as they were when this process began."""


@contextmanager
def as_we_began() -> Iterator[None]:
    """Meanwhile what is born of this thread is scheduled as this process was when it began.

    A worker in a crowd keeps to a processor and runs in long turns (``docs/adr/0026-long-turns.md``); a process that is
    born then would do so for its whole life.
    """
    policy, kept = os.sched_getscheduler(0), os.sched_getaffinity(0)
    with suppress(OSError):  # a sandbox may refuse it: then nothing was changed before
        os.sched_setaffinity(0, OURS)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, kept)
            os.sched_setscheduler(0, policy, os.sched_param(0))


def leave_half() -> None:
    """This thread, and what is born of it, uses no more than half of the processors from now on.

    Where all are busy, whoever waits for the disk waits for one of them, too: on a virtual machine of two, a sync took 1.9 ms
    beside two endless loops of the least weight, and 0.2 ms beside one or none.
    """
    with suppress(OSError):  # a sandbox may refuse it: then the nice value must do
        os.sched_setaffinity(0, sorted(OURS)[len(OURS) // 2 :])
