"""The last resort of a process that is to end: whatever holds it, it is gone within a limit.

An end in order waits for the store, the broker and what is in hand, each within limits of its own.  Should one of them
not keep its limit (a disk that is gone, a library's thread), the process would stay, with nobody left who looks after
it.  To be ended at any instant loses nothing: that is promise 1.
"""

from __future__ import annotations

import os
import threading
from datetime import timedelta

STOPPED_HARD = 70
"""The exit code.  spec: sysexits.h - EX_SOFTWARE"""


def end_within(limit: timedelta) -> None:
    """End this process when *limit* is over, whatever it does then; a thread sees to it, not the loop."""
    timer = threading.Timer(limit.total_seconds(), os._exit, (STOPPED_HARD,))
    timer.daemon = True
    timer.start()
