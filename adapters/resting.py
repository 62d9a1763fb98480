"""Who gives way rests most of the time while others are at work and a processor is left over.

A processor that is busy costs everybody something, however little the one weighs that keeps it busy: who is awakened finds a
place later, a sync takes longer.  So all who give way go on in the same twelfth of the time and rest for the remainder of it;
however many they are, they end it together, and whoever finds no processor before its end gets a moment.
Where others have just come in a crowd they put their turn off and take it when there is room: those who come in a crowd
wait for each other, and each moment that somebody else has delays all behind.  Nobody rests where that helps nobody for
long: nobody else is at work, or no processor is left over and the nice value stints us anyhow.

Python rests between two of its own steps.  Its garbage collector is one step, and where it looks at everything, half a
second long; so meanwhile it looks at what is new only.  Why so: ``docs/adr/0024-slow-files-give-way.md``.
"""

from __future__ import annotations

import gc
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GOES_S = 0.01
RESTS_S = 0.11
"""A slow file takes longer for it, and the others' slowest tenth less: p90 50 ms instead of 61, of 26/s (0024)."""
ROUND_S = GOES_S + RESTS_S
"""The clock tells where in a round we are, so it is the same for all processes."""

LEAST_S = GOES_S / 10
"""So long goes on whoever finds a processor only when the others are at the end of their turn: each gets on."""

RESTS_AT_MOST = ROUND_S / LEAST_S - 1
"""Seconds of rest for each of work, where many share the turn: one that is put off is taken later."""

CROWDED = 1 / 3
"""Others came in a crowd where less than this share of all processors was left over while we rested."""
PUT_OFF = 12
"""So many turns may be put off at a time, a second and a half: longer than a crowd lasts, or than the broker rolls its log
over.  Where it is crowded for longer, turns are taken as ever."""

PROCESSORS = os.cpu_count() or 1

LOOKS_S = 0.5
AT_WORK = 0.1
"""Of a processor: what others must use, and must leave over, for a rest to help them."""
HELPS_FOR_S = 2.0
"""So long a rest helps after a look that said so: where no processor is left over for a second, as when the broker's log
is rolled over, is where others can bear us least."""

_NEVER = 2**31 - 1
"""So many looks of the garbage collector at what is new before it looks at everything."""


@contextmanager
def resting() -> Iterator[None]:
    """Meanwhile this process rests where it helps.  Its main thread rests: others must have no work of their own.

    What of the file is garbage by its end goes then, so that the next one has as much memory.
    """
    rests, is_over = Rests(), False

    def rest(_signal: int, _frame: FrameType | None) -> None:
        if not is_over:  # else it would wind the timer up once more
            signal.setitimer(signal.ITIMER_REAL, rests.rest())

    looks = gc.get_threshold()
    gc.set_threshold(*looks[:2], _NEVER)
    before = signal.signal(signal.SIGALRM, rest)
    signal.setitimer(signal.ITIMER_REAL, _until_end_of_turn(time.monotonic()))
    try:
        yield
    finally:
        is_over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.set_threshold(*looks)
        gc.collect()


class Rests:
    """Whether a rest helps, looked at twice a second, the rest itself, and the turns that were put off."""

    def __init__(self) -> None:
        self._helps_until = -math.inf
        self._looked_at = time.monotonic()
        self._others, self._idle = processors_used()
        self._put_off = 0

    def rest(self) -> float:
        """Sleep until it is our turn, in a process that has one file to read and no loop; not at all where it is our turn
        already, or where a rest would not help.  For how many seconds to go on then: where we rested, until the turn of all ends."""
        now = time.monotonic()
        if now - self._looked_at >= LOOKS_S:
            self._look(now)
        if now >= self._helps_until or now % ROUND_S < GOES_S / 2:  # half: a timer may come a little early
            return _until_end_of_turn(now)
        while (is_crowded := _rest_of_round()) and self._put_off < PUT_OFF:
            self._put_off += 1
        turns = 1
        if self._put_off and not is_crowded:
            self._put_off -= 1
            turns = 2
        return max(turns * GOES_S - _into_round(time.monotonic()), LEAST_S)

    def _look(self, now: float) -> None:
        others, idle = processors_used()
        enough = AT_WORK * (now - self._looked_at)
        if others - self._others > enough and idle - self._idle > enough:
            self._helps_until = now + HELPS_FOR_S
        self._looked_at, self._others, self._idle = now, others, idle


def _until_end_of_turn(now: float) -> float:
    return (GOES_S - now) % ROUND_S or ROUND_S


def _into_round(now: float) -> float:
    """How far the round has come; less than nothing just before it begins, for a sleep may end a little early."""
    return (now + GOES_S / 2) % ROUND_S - GOES_S / 2


def _rest_of_round() -> bool:
    """Sleep until the next round begins; whether it was crowded meanwhile."""
    began, (_, idle_before) = time.monotonic(), processors_used()
    left = ROUND_S - began % ROUND_S
    time.sleep(left if left > GOES_S / 2 else left + ROUND_S)  # a sleep may end a little early
    _, idle = processors_used()
    return idle - idle_before < CROWDED * PROCESSORS * (time.monotonic() - began)


def processors_used() -> tuple[float, float]:
    """For how many seconds those who do not give way have had a processor since the machine began, and nobody has; nothing
    where the system does not say."""
    try:
        with open("/proc/stat", "rb") as file:
            # spec: proc_stat(5) - user, nice (user mode with low priority), system, idle, iowait
            user, _, _, idle, iowait = map(int, file.readline().split()[1:6])
    except (OSError, ValueError, MemoryError):  # we may be at the end of what we may have
        return 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    return user / ticks, (idle + iowait) / ticks
