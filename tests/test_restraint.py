"""What one party may take of a worker's time: a part beside others, all of it where nobody wants it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.gate import Gate
from gateway.restraint import LONGEST_S, OWES_FOR_S, PRESENT_S, SAVED_S, Restraint
from tests.simulation.loop import VirtualLoop

FLOOD, OTHER = "flood", "other"
PART = 0.25
STEP_S = 0.02
"""How long a document holds a place where it is alone; with n inside, n times as long."""


class Clock:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def a_document(restraint: Restraint, clock: Clock, whose: str, lasting: float) -> None:
    """*whose* holds a place alone for so long."""
    restraint.came(whose)
    restraint.took(whose)
    clock.at += lasting
    restraint.left(whose)


def spent(restraint: Restraint, clock: Clock, whose: str) -> None:
    """*whose* takes all that it has saved, and a little more."""
    a_document(restraint, clock, whose, LONGEST_S)
    a_document(restraint, clock, whose, 0.1)


def test_who_is_alone_has_all_places() -> None:
    clock = Clock()
    restraint = Restraint(PART, clock)
    for _ in range(10):
        spent(restraint, clock, FLOOD)
    assert restraint.places(FLOOD, 4) == 4


def test_who_took_much_waits_while_another_is_there_and_no_longer() -> None:
    clock = Clock()
    restraint = Restraint(PART, clock)
    spent(restraint, clock, FLOOD)
    restraint.came(OTHER)
    assert (restraint.places(FLOOD, 4), restraint.places(OTHER, 4)) == (0, 4)
    assert 0 < restraint.rest(FLOOD) < PRESENT_S
    clock.at += PRESENT_S
    assert restraint.places(FLOOD, 4) == 4


def test_places_come_back_one_by_one_with_what_is_saved() -> None:
    clock = Clock()
    restraint = Restraint(PART, clock)
    spent(restraint, clock, FLOOD)
    seen = []
    for _ in range(40):
        clock.at += 0.1
        restraint.came(OTHER)
        seen.append(restraint.places(FLOOD, 4))
    assert seen == sorted(seen)
    assert sorted(set(seen)) == [0, 1, 2, 3, 4]


def test_equals_do_not_wait_for_each_other() -> None:
    """Thirty-two who send one after the other: none takes a part of the worker that is worth a word."""
    clock = Clock()
    restraint = Restraint(PART, clock)
    parties = [f"{n}" for n in range(32)]
    for party in parties:
        restraint.came(party)
        restraint.took(party)
    for _ in range(100):
        for party in parties:
            clock.at += STEP_S
            restraint.left(party)
            restraint.came(party)
            assert restraint.places(party, 4) == 4
            restraint.took(party)


def test_two_floods_alone_share_all_of_it() -> None:
    clock = Clock()
    restraint = Restraint(PART, clock)
    for _ in range(5):
        spent(restraint, clock, "one")
        spent(restraint, clock, "two")
    restraint.came("one")
    restraint.came("two")
    assert restraint.places("one", 4) == restraint.places("two", 4) == 4


def test_what_was_taken_alone_is_forgotten() -> None:
    """An hour of a flood at night, and somebody comes: the flood has its part as if it had begun just now."""
    clock = Clock()
    restraint = Restraint(PART, clock)
    while clock.at < 4600.0:
        a_document(restraint, clock, FLOOD, STEP_S)
    began = clock.at
    restraint.came(OTHER)
    while restraint.places(FLOOD, 4) == 0:
        clock.at += restraint.rest(FLOOD)
        restraint.came(OTHER)
    assert 0 < clock.at - began <= OWES_FOR_S + 0.1


@settings(max_examples=10, deadline=None)
@given(alone_s=st.floats(1, 60), pauses=st.lists(st.floats(0.1, 1.5), min_size=1, max_size=8))
def test_a_flood_has_its_part_however_long_it_was_alone(alone_s: float, pauses: list[float]) -> None:
    served, waited = in_virtual_time(worker(Restraint(PART, loop_time), 30.0, pauses, alone_s))
    assert 0.8 * PART < (served[FLOOD] * STEP_S - alone_s) / 30.0 < 1.8 * PART
    assert max(waited) == 0.0


def test_copies_cost_their_sender_time() -> None:
    clock = Clock()
    restraint = Restraint(PART, clock)
    a_document(restraint, clock, FLOOD, STEP_S)
    restraint.came(OTHER)
    assert restraint.places(FLOOD, 4) == 4
    restraint.charge(FLOOD, 2000)
    assert restraint.places(FLOOD, 4) == 0


def test_a_small_document_pays_for_no_large_one() -> None:
    clock = Clock()
    restraint = Restraint(PART, clock)
    restraint.came(FLOOD)
    restraint.charge(FLOOD, 5000)  # to everybody: 2.5 s
    restraint.came(OTHER)
    owed = restraint._accounts[FLOOD].saved
    a_document(restraint, clock, FLOOD, STEP_S)
    assert restraint._accounts[FLOOD].saved <= owed + STEP_S * PART


def test_a_judge_who_takes_ten_seconds_is_not_the_workers_time() -> None:
    clock = Clock()
    restraint = Restraint(PART, clock)
    a_document(restraint, clock, FLOOD, 10.0)
    waits = 0.0
    while restraint.places(FLOOD, 4) == 0 or not waits:
        restraint.came(OTHER)
        clock.at += (rest := restraint.rest(FLOOD))
        waits += rest
    assert waits <= (LONGEST_S - SAVED_S) / PART + 0.1


def test_one_is_no_restraint() -> None:
    clock = Clock()
    restraint = Restraint(1.0, clock)
    spent(restraint, clock, FLOOD)
    restraint.came(OTHER)
    assert restraint.places(FLOOD, 4) == 4


def test_who_is_gone_is_forgotten() -> None:
    clock = Clock()
    restraint = Restraint(PART, clock)
    for n in range(1000):
        a_document(restraint, clock, f"{n}", STEP_S)
    clock.at += 2 * PRESENT_S
    for n in range(1000):
        a_document(restraint, clock, f"new {n % 2}", STEP_S)
    assert len(restraint._accounts) <= 2


async def worker(
    restraint: Restraint, seconds: float, pauses: list[float], alone_s: float = 0.0
) -> tuple[Counter[str], list[float]]:
    """A flood with a hundred in line at all times, for *alone_s* alone and then for *seconds* beside another that sends
    after pauses: what each was served, and how long the other waited for its place."""
    loop = asyncio.get_running_loop()
    gate = Gate(16, 4, restraint=restraint)
    served: Counter[str] = Counter()
    waited: list[float] = []
    ends = loop.time() + alone_s + seconds

    async def documents(whose: str, after_s: float = 0.0) -> None:
        await asyncio.sleep(after_s)
        while loop.time() < ends:
            began = loop.time()
            await gate.enter(whose)
            if whose == OTHER:
                waited.append(loop.time() - began)
            await asyncio.sleep(STEP_S * (16 - gate.free))
            gate.leave(whose)
            served[whose] += 1
            if whose == OTHER:
                await asyncio.sleep(pauses[served[OTHER] % len(pauses)])

    others = [documents(OTHER, alone_s)] if pauses else []
    await asyncio.gather(*(documents(FLOOD) for _ in range(100)), *others)
    return served, waited


def in_virtual_time(
    work: Coroutine[Any, Any, tuple[Counter[str], list[float]]],
) -> tuple[Counter[str], list[float]]:
    """*work* with no second lost, in an order drawn by a seed."""
    loop = VirtualLoop(random.Random(5).random)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def loop_time() -> float:
    """As a worker reads it."""
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("pauses", "least", "most"), [([], 0.9, 1.1), ([0.1], 0.15, 0.35)], ids=["alone", "beside"]
)
def test_a_flood_has_the_worker_alone_and_a_part_of_it_beside_others(
    pauses: list[float], least: float, most: float
) -> None:
    served, waited = in_virtual_time(worker(Restraint(PART, loop_time), 60.0, pauses))
    assert least < served[FLOOD] * STEP_S / 60.0 < most
    assert max(waited, default=0.0) == 0.0


@settings(max_examples=20, deadline=None)
@given(pauses=st.lists(st.floats(0.1, 5.0), min_size=1, max_size=8))
def test_nobody_waits_for_ever_however_the_other_comes_and_goes(pauses: list[float]) -> None:
    served, waited = in_virtual_time(worker(Restraint(PART, loop_time), 30.0, pauses))
    assert served[FLOOD] * STEP_S / 30.0 > 0.8 * PART
    assert max(waited) == 0.0


async def test_nobody_overtakes_his_own_party_when_it_may_go_on() -> None:
    """What its sender hears first of a document is that it was accepted."""
    clock = Clock()
    restraint = Restraint(PART, clock)
    gate = Gate(4, share=2, restraint=restraint, least=1)
    spent(restraint, clock, FLOOD)
    restraint.came(OTHER)
    await gate.enter(FLOOD)
    first = asyncio.create_task(gate.enter(FLOOD))
    await asyncio.sleep(0)
    assert not first.done()
    clock.at += PRESENT_S  # and nobody has looked yet
    second = asyncio.create_task(gate.enter(FLOOD))
    await asyncio.wait_for(first, 1)
    assert not second.done()
    gate.leave(FLOOD)
    await asyncio.wait_for(second, 1)
