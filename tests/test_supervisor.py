"""The supervisor's orders: heard by all who live, and whoever does not obey starts anew by what holds now."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from gateway.model.ids import Owner
from gateway.supervisor import LONGEST_PAUSE_S, Supervisor, pause_after

WORKER = """
import json, os, sys
facts = json.loads(sys.stdin.readline())
print(json.dumps({"ready": f"{os.getpid()}-{facts['number']}"}), flush=True)
for line in sys.stdin:
    order = json.loads(line)
    if order.get("die") == facts["number"]:
        os._exit(3)
    if order.get("keep silent") == facts["number"]:
        continue
    if order.get("speak late") == facts["number"]:
        print(json.dumps({"order": order["order"] - 1, "late": True}), flush=True)
    print(json.dumps({"order": order["order"], "knows": facts["knows"]}), flush=True)
"""


@asynccontextmanager
async def two_workers() -> AsyncIterator[Supervisor]:
    async def bury(owner: Owner) -> None:
        assert owner

    supervisor = Supervisor((sys.executable, "-c", WORKER), {"knows": "old"}, 2, bury, grace_s=5)
    try:
        await supervisor.start()
        yield supervisor
    finally:
        await supervisor.stop()


async def knowing(supervisor: Supervisor, wanted: dict[int, str]) -> dict[int, Any]:
    """The answers of all workers, once they are those *wanted*."""
    async with asyncio.timeout(20):
        while True:
            answers = await supervisor.order({}, 5)
            if {n: a["knows"] for n, a in answers.items()} == wanted:
                return dict(answers)
            await asyncio.sleep(0.02)


async def test_an_order_is_answered_by_all_and_late_answers_to_another_are_passed_over() -> None:
    async with two_workers() as supervisor:
        answers = await supervisor.order({"speak late": 1}, 5)
        assert {n: a["knows"] for n, a in answers.items()} == {0: "old", 1: "old"}
        assert not any("late" in answer for answer in answers.values())


async def test_a_worker_that_dies_over_an_order_starts_again_with_the_facts_that_hold_now() -> None:
    async with two_workers() as supervisor:
        async with supervisor.quiet():
            answers = await supervisor.order({"die": 0}, 5)
            assert list(answers) == [1]
            supervisor.remember(knows="new")
        await knowing(supervisor, {0: "new", 1: "old"})


async def test_a_worker_that_does_not_answer_is_left_out_and_can_be_restarted() -> None:
    async with two_workers() as supervisor:
        supervisor.remember(knows="new")
        answers = await supervisor.order({"keep silent": 1}, 0.3)
        assert list(answers) == [0]
        supervisor.restart([n for n in supervisor.numbers if n not in answers])
        await knowing(supervisor, {0: "old", 1: "new"})


async def test_nobody_starts_while_it_is_quiet() -> None:
    async with two_workers() as supervisor:
        async with supervisor.quiet():
            supervisor.restart([0])
            async with asyncio.timeout(20):
                while 0 in supervisor.numbers:
                    await asyncio.sleep(0.02)
            assert list(await supervisor.order({}, 5)) == [1]
        await knowing(supervisor, {0: "old", 1: "old"})


def test_workers_that_die_at_once_begin_again_after_growing_pauses_and_one_that_lived_at_once() -> None:
    pauses = [0.0]
    for _ in range(12):
        pauses.append(pause_after(0.5, pauses[-1]))
    assert all(after > before or after == LONGEST_PAUSE_S for before, after in pairwise(pauses))
    assert pauses[-1] == LONGEST_PAUSE_S
    assert pause_after(3600, pauses[-1]) == 0
