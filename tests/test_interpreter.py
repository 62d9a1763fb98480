"""How a worker uses the processors: tried in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

SEEN = """
import os, subprocess, sys
from gateway.wiring.interpreter import run_in_long_turns
run_in_long_turns()
child = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
print(os.sched_getscheduler(0), sys.getswitchinterval(), subprocess.check_output(child, text=True).strip())
"""
REFUSED = "import os; os.sched_setscheduler = lambda *_: (_ for _ in ()).throw(PermissionError())\n" + SEEN


def seen(program: str) -> list[str]:
    return subprocess.check_output([sys.executable, "-c", program], text=True).split()


def test_a_worker_and_what_it_starts_run_in_long_turns() -> None:
    batch = str(os.SCHED_BATCH)
    assert seen(SEEN) == [batch, "0.02", batch]


def test_where_the_system_refuses_it_the_worker_runs_as_others_do() -> None:
    other = str(os.SCHED_OTHER)
    assert seen(REFUSED) == [other, "0.02", other]
