"""How a worker uses its interpreter and the processors: what was measured to cost many documents a millisecond each."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

from adapters.processors import OURS, schedule

_NEW_OBJECTS = 5_000
"""So many more containers before the garbage collector looks at the new ones; Python's own is 700."""
_TURN_S = 0.02
"""How long a thread waits for the interpreter before it takes it away; Python's own is 5 ms."""
_COUNTS_EVERY_S = 2.0
_LOOKS_EVERY_S = 0.25
_CALM_LOOKS = 8
"""So many looks at which nothing was busy, and it is over."""


class Labour:
    """Which part of the last two seconds the loop's thread ran.

    How much is in hand does not tell: what waits for a slow recipient, for a slow file or for its party's turn waits for
    no processor.  Nor how long the thread waits for one: beside slow files it does, and they are not to slow it further.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, file: Path | None = None) -> None:
        self._now = now
        self._file = file or Path(f"/proc/self/task/{os.getpid()}/schedstat")
        self._looked_at, self._ran_s = now(), self._read()
        self._part = 0.0

    @property
    def part(self) -> float:
        """As of the last look; infinite where nobody counts it."""
        now = self._now()
        if now - self._looked_at >= _COUNTS_EVERY_S:
            ran_s = self._read()
            more_s = math.inf if math.isinf(ran_s) else ran_s - self._ran_s
            self._part = more_s / (now - self._looked_at)
            self._looked_at, self._ran_s = now, ran_s
        return self._part

    def _read(self) -> float:
        try:
            # spec: Linux Documentation/scheduler/sched-stats.rst - nanoseconds on a processor come first
            return int(self._file.read_text().split()[0]) / 1e9
        except (OSError, ValueError, IndexError):
            return math.inf


def home_of(number: int, *, workers: int) -> Collection[int]:
    """The processors of a busy worker *number*: one of its own, where *workers* are enough for all of them."""
    ours = sorted(OURS)
    return ours if workers < len(ours) else [ours[number % len(ours)]]


async def run_in_long_turns_while(is_busy: Callable[[], bool], home: Collection[int] = OURS) -> None:
    """For ever: while *is_busy* let whichever thread of this process runs go on running a little longer, and keep all of
    them to the processors of *home*.

    A document changes threads a hundred times.  Where both processors are busy, whoever wakes would push aside what
    runs, and Python's lock would go from one processor to the other: a tenth of a worker's time
    (``docs/adr/0026-long-turns.md``).  With little to do it would wait for nothing.
    """
    sys.setswitchinterval(_TURN_S)
    calm = _CALM_LOOKS
    while True:
        before, calm = calm, 0 if is_busy() else calm + 1
        if calm == 0 and before >= _CALM_LOOKS:
            _schedule_threads(os.SCHED_BATCH, home)
        elif calm == _CALM_LOOKS:
            _schedule_threads(os.SCHED_OTHER, OURS)
        await asyncio.sleep(_LOOKS_EVERY_S)


def _schedule_threads(policy: int, processors: Collection[int]) -> None:
    # sched(7): with SCHED_BATCH, whoever wakes waits until a processor is left.  No privilege is needed for either.
    for thread in Path("/proc/self/task").iterdir():
        schedule(int(thread.name), policy, processors)


def spare_the_collector() -> None:
    """What stands now stays: the garbage collector need not look at it again.  To be called before anything listens.

    Else each full collection would hold the loop for 40 ms and more, and one comes every few hundred documents.
    """
    gc.collect()
    gc.freeze()
    # A document makes thousands of objects and hardly any cycles: looked at less often, most are gone already.
    gc.set_threshold(_NEW_OBJECTS)
