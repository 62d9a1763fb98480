"""The processors that this process may use, and how its threads, and what is born of them, are kept to some."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

OURS = frozenset(os.sched_getaffinity(0))
"""Their numbers, as they were when this process began."""


@contextmanager
def as_we_began() -> Iterator[None]:
    """Meanwhile what is born of this thread is scheduled as this process was when it began.

    A busy worker keeps to a processor and runs in long turns (``docs/adr/0026-long-turns.md``); a process that is
    born then would do so for its whole life.
    """
    policy, kept = os.sched_getscheduler(0), os.sched_getaffinity(0)
    schedule(0, os.SCHED_OTHER, OURS)
    try:
        yield
    finally:
        schedule(0, policy, kept)


def schedule(thread: int, policy: int, processors: Collection[int]) -> None:
    """Have *thread* (0: this one) run by *policy* on *processors*, as far as the system lets us: a sandbox may refuse either,
    and a thread may have ended."""
    with suppress(OSError):
        os.sched_setaffinity(thread, processors)
    with suppress(OSError):
        os.sched_setscheduler(thread, policy, os.sched_param(0))


def leave_half() -> None:
    """This thread, and what is born of it, uses no more than half of the processors from now on.

    Where all are busy, whoever waits for the disk waits for one of them, too: on a virtual machine of two, a sync took 1.9 ms
    beside two endless loops of the least weight, and 0.2 ms beside one or none.
    """
    with suppress(OSError):  # a sandbox may refuse it: then the nice value must do
        os.sched_setaffinity(0, sorted(OURS)[len(OURS) // 2 :])
