"""How a worker uses its interpreter and the processors: what was measured to cost many documents a millisecond each."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress

_NEW_OBJECTS = 5_000
"""So many more containers before the garbage collector looks at the new ones; Python's own is 700."""
_TURN_S = 0.02
"""How long a thread waits for the interpreter before it takes it away; Python's own is 5 ms."""


def run_in_long_turns() -> None:
    """Let whoever runs go on running a little longer: threads of this process, and of all processes that it starts.

    A document changes threads a hundred times.  Where both processors are busy, whoever wakes would push aside what
    runs: a twentieth of a worker's time (``docs/adr/0026-long-turns.md``).
    """
    sys.setswitchinterval(_TURN_S)
    # sched(7): whoever wakes waits until a processor is left.  It needs no privilege; a sandbox may refuse it.
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def spare_the_collector() -> None:
    """What stands now stays: the garbage collector need not look at it again.  To be called before anything listens.

    Else each full collection would hold the loop for 40 ms and more, and one comes every few hundred documents.
    """
    gc.collect()
    gc.freeze()
    # A document makes thousands of objects and hardly any cycles: looked at less often, most are gone already.
    gc.set_threshold(_NEW_OBJECTS)
