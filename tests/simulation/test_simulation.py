"""A small part of ``make simulate``: the books of some seeds balance, a seed replays, and planted bugs are found."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from contextvars import copy_context
from random import Random

import pytest

from tests.simulation.loop import LIFE, Mortal, VirtualLoop
from tests.simulation.runs import Order, live

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

QUICKLY_FOUND = (
    "a_broken_connection_begins_anew",
    "acknowledged_before_commit",
    "evidence_forgotten",
    "second_delivery_id",
    "recall_overtakes",
    "receipt_lost",
    "the_same_message_twice",
    "used_up_for_good",
)


def test_whatever_dies_or_fails_in_some_seeds_the_books_balance():
    outcomes = live(Order(0, 20))
    assert [(one.seed, one.problems) for one in outcomes if one.problems] == []
    assert sum(one.deaths for one in outcomes) > 10


def test_a_seed_replays_call_by_call():
    (once,), (again,) = (live(Order(4, 1, tells_all=True)) for _ in range(2))
    assert once.told == again.told
    assert (once.calls, once.moves, once.reached) == (again.calls, again.moves, again.reached)


@pytest.mark.parametrize("plant", QUICKLY_FOUND)
def test_a_planted_bug_is_found(plant):
    assert any(live(Order(first, 1, plant))[0].problems for first in range(60))


def test_a_seed_that_does_not_balance_says_how_to_replay_it():
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "20", "--jobs", "1"]
    done = subprocess.run(
        [*command, "--plant", "evidence_forgotten"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert re.search(r"nobody died of \d+ of the \d+ that were met", done.stdout)
    assert re.search(r'replay: make simulate ARGS="--seed \d+ --plant evidence_forgotten"', done.stdout)


@pytest.mark.parametrize("is_dead", [False, True])
def test_after_a_death_nothing_of_that_life_acts_any_more_not_even_a_finally_block(is_dead):
    loop, mortal, acts = VirtualLoop(Random(0).random), Mortal(), []

    async def live() -> None:
        try:
            await asyncio.sleep(10)
            acts.append("goes on")
        finally:
            acts.append("cleans up")

    async def world() -> None:
        context = copy_context()
        context.run(LIFE.set, mortal)
        tasks = [loop.create_task(live(), context=context) for _ in range(5)]
        await asyncio.sleep(1)
        mortal.is_dead = is_dead
        tasks[0].cancel()
        await asyncio.sleep(100)

    loop.run_until_complete(world())
    assert len(acts) == (0 if is_dead else 9)
    loop.close()
