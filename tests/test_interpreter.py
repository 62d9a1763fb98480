"""How a worker uses the processors: tried in a process of its own, with a thread beside."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters import processors
from gateway.wiring import interpreter

SEEN = """
import asyncio, os, sys, threading
from gateway.wiring import interpreter

interpreter._LOOKS_EVERY_S = 0.001
idle = threading.Event()
beside = threading.Thread(target=idle.wait)
beside.start()

home = {min(os.sched_getaffinity(0))}

async def policies():
    busy = [False]
    task = asyncio.create_task(interpreter.run_in_long_turns_while(lambda: busy[0], home))
    for busy[0] in (False, True, False):
        looks = interpreter._CALM_LOOKS + 2
        while looks:  # so many looks of its later
            looks -= 1
            await asyncio.sleep(interpreter._LOOKS_EVERY_S * 2)
        for thread in 0, beside.native_id:
            print(os.sched_getscheduler(thread), sorted(os.sched_getaffinity(thread)))
    assert not task.done()

asyncio.run(policies())
print(sys.getswitchinterval())
idle.set()
"""
OURS = sorted(processors.OURS)


@pytest.mark.parametrize(
    ("refused", "while_busy"),
    [
        ("", f"{os.SCHED_BATCH} {OURS[:1]}"),
        ("sched_setscheduler", f"{os.SCHED_OTHER} {OURS[:1]}"),
        ("sched_setaffinity", f"{os.SCHED_BATCH} {OURS}"),
    ],
)
def test_while_busy_all_threads_run_in_long_turns_at_home(refused: str, while_busy: str) -> None:
    """And what the system refuses is as it is for others."""
    refusal = (
        f"import os; os.{refused} = lambda *_: (_ for _ in ()).throw(PermissionError())\n" if refused else ""
    )
    told = subprocess.check_output([sys.executable, "-c", refusal + SEEN], text=True).splitlines()
    usual, long = f"{os.SCHED_OTHER} {OURS}", while_busy
    assert told == [usual, usual, long, long, usual, usual, "0.02"]


@pytest.mark.parametrize(
    ("ours", "workers", "homes"),
    [
        ({0, 1}, 2, [[0], [1]]),
        ({2, 5}, 3, [[2], [5], [2]]),
        ({0, 1, 2}, 2, [[0, 1, 2], [0, 1, 2]]),
        ({3}, 1, [[3]]),
    ],
)
def test_where_the_workers_are_enough_for_all_processors_each_keeps_to_one(
    ours: set[int], workers: int, homes: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else those that are left over would stand idle in a crowd."""
    monkeypatch.setattr(interpreter, "OURS", frozenset(ours))
    assert [sorted(interpreter.home_of(n, workers=workers)) for n in range(workers)] == homes


@pytest.mark.parametrize(
    ("stats", "part"),
    [
        ("500000000 2000000000 7", 0.25),
        ("0 0 7", 0.0),
        ("nothing", math.inf),
        ("", math.inf),
    ],
)
def test_labour_is_what_the_loop_ran_and_not_what_it_waited(stats: str, part: float, tmp_path: Path) -> None:
    """Within two seconds, and it looks no more often; where nobody counts it any amount."""
    file, now = tmp_path / "schedstat", [5.0]
    file.write_text("0 0 0")
    labour = interpreter.Labour(lambda: now[0], file)
    file.write_text(stats)
    now[0] = 6.9
    assert labour.part == 0
    now[0] = 7.0
    assert labour.part == pytest.approx(part)
    file.write_text("9000000000 0 0")
    assert labour.part == pytest.approx(part)


def test_where_nobody_counts_it_is_any_amount_at_each_look(tmp_path: Path) -> None:
    now = [5.0]
    labour = interpreter.Labour(lambda: now[0], tmp_path / "none")
    for now[0] in (7.0, 9.0):
        assert labour.part == math.inf


def test_the_labour_of_this_process_is_counted() -> None:
    ran = interpreter.Labour()._read()
    assert 0 < ran < math.inf


BORN = """
import os, subprocess, sys
from adapters.processors import OURS, as_we_began

os.sched_setaffinity(0, {min(OURS)})
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
with as_we_began():
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
print(os.sched_getscheduler(0), sorted(os.sched_getaffinity(0)))
print(os.sched_getscheduler(child.pid), sorted(os.sched_getaffinity(child.pid)))
child.communicate()
"""


def test_who_is_born_of_a_busy_worker_is_free() -> None:
    """A judging process keeps to no processor and pushes aside what it may, as it would in a calm."""
    told = subprocess.check_output([sys.executable, "-c", BORN], text=True).splitlines()
    assert told == [f"{os.SCHED_BATCH} {OURS[:1]}", f"{os.SCHED_OTHER} {OURS}"]
