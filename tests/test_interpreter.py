"""How a worker uses the processors: tried in a process of its own, with a thread beside."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SEEN = """
import asyncio, os, sys, threading
from gateway.wiring import interpreter

interpreter._LOOKS_EVERY_S = 0.001
idle = threading.Event()
beside = threading.Thread(target=idle.wait)
beside.start()

async def policies():
    crowd = [False]
    task = asyncio.create_task(interpreter.run_in_long_turns_while(lambda: crowd[0]))
    for crowd[0] in (False, True, False):
        looks = interpreter._CALM_LOOKS + 2
        while looks:  # so many looks of its later
            looks -= 1
            await asyncio.sleep(interpreter._LOOKS_EVERY_S * 2)
        print(os.sched_getscheduler(0), os.sched_getscheduler(beside.native_id))
    assert not task.done()

asyncio.run(policies())
print(sys.getswitchinterval())
idle.set()
"""
REFUSED = "import os; os.sched_setscheduler = lambda *_: (_ for _ in ()).throw(PermissionError())\n" + SEEN


@pytest.mark.parametrize(("program", "in_a_crowd"), [(SEEN, os.SCHED_BATCH), (REFUSED, os.SCHED_OTHER)])
def test_in_a_crowd_all_threads_run_in_long_turns(program: str, in_a_crowd: int) -> None:
    """And where the system refuses it the worker runs as others do."""
    told = subprocess.check_output([sys.executable, "-c", program], text=True).splitlines()
    usual = f"{os.SCHED_OTHER} {os.SCHED_OTHER}"
    assert told == [usual, f"{in_a_crowd} {in_a_crowd}", usual, "0.02"]
