"""Looks at every thread of this process once per millisecond of CPU, and says what the CPU went into.

Strategy: the kernel's profiling timer (SIGPROF) ticks by the CPU that all threads use.  At each tick the CPU clock
of each thread is read, and what it has used since the last tick is booked on the stack that it stands at: sums per
thread are exact, what lies below is a sample.  A function of C has no frame of its own: its time is its caller's.
The looking itself is left out of the account, and told.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

EVERY_S = 0.001
_ROOTS = ("asyncio/runners.py", "concurrent/futures/thread.py", "threading.py")
"""Files below which a stack tells nothing: the loop's and the threads' own beginnings."""

Stack = tuple[CodeType, ...]


class Sampler:
    """Counts between ``begin`` and ``end``; only for the main thread, which is where signals arrive."""

    def __init__(self) -> None:
        self._spent: Counter[tuple[int, int, Stack]] = Counter()
        self._clocks: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._looking_ns = 0
        self._main = threading.main_thread().ident
        self._began_ns = 0

    def begin(self) -> None:
        """Forget what was, and count from now on."""
        self._spent.clear()
        self._seen.clear()
        self._looking_ns = 0
        self._began_ns = time.process_time_ns()
        self._book(None)
        self._spent.clear()
        signal.signal(signal.SIGPROF, self._tick)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def end(self, out: Path) -> None:
        """Stop counting, and write what was seen to *out*."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        used = time.process_time_ns() - self._began_ns
        rows = [
            {
                "thread": self._names.get(thread, "?"),
                "line": line,
                "stack": [f"{code.co_filename}:{code.co_qualname}" for code in stack],
                "ms": ns / 1e6,
            }
            for (thread, line, stack), ns in self._spent.items()
        ]
        told = {"cpu_ms": used / 1e6, "looking_ms": self._looking_ns / 1e6, "rows": rows}
        part = out.with_suffix(".part")
        part.write_text(json.dumps(told), encoding="utf-8")
        part.rename(out)

    def _tick(self, _: int, frame: FrameType | None) -> None:
        began = time.thread_time_ns()
        self._book(frame)
        now = time.thread_time_ns()
        self._looking_ns += now - began
        if self._main is not None:
            self._seen[self._main] = now

    def _book(self, interrupted: FrameType | None) -> None:
        for thread, frame in sys._current_frames().items():
            used = self._used(thread)
            since = used - self._seen.get(thread, used if interrupted is None else 0)
            self._seen[thread] = used
            if since <= 0:
                continue
            at = interrupted if thread == self._main else frame
            while at is not None and at.f_code.co_filename == __file__:
                at = at.f_back  # a tick within a tick
            stack, line = _stack(at), at.f_lineno if at is not None else 0
            if len(stack) == 1 and line == stack[0].co_firstlineno:
                stack, line = (), 0  # just entered from the loop: it is the loop's C that took so long
            self._spent[thread, line, stack] += since

    def _used(self, thread: int) -> int:
        # A thread in _current_frames needs the interpreter, which we hold, before it can end.
        if thread not in self._clocks:
            self._clocks[thread] = time.pthread_getcpuclockid(thread)
            self._names.update({t.ident: t.name for t in threading.enumerate() if t.ident is not None})
        return time.clock_gettime_ns(self._clocks[thread])


def _stack(frame: FrameType | None) -> Stack:
    """The calls from the outermost that tells something to the innermost."""
    found = []
    while frame is not None and not frame.f_code.co_filename.endswith(_ROOTS):
        found.append(frame.f_code)
        frame = frame.f_back
    return tuple(reversed(found))
