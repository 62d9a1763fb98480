"""Batches of seeds, for the processes that live through them side by side."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import NamedTuple

from tests.simulation.plants import PLANTS, planted
from tests.simulation.story import Outcome, run

WITHIN = 2_000
"""A planted bug must be found within so many seeds."""
BATCH = 25


class Order(NamedTuple):
    """Which seeds; with which planted bug, if any; whether what the store says it did not do may be done."""

    first: int
    count: int
    plant: str = ""
    is_doubtful: bool = False
    tells_all: bool = False


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Rubbish is collected between seeds: what the dead left lies still, and the living are quicker."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
        gc.collect()


def live(order: Order) -> list[Outcome]:
    """The outcomes; those that have nothing to tell without their story.  A plant ends the batch when it is found."""
    warnings.simplefilter("ignore", RuntimeWarning)  # the dead never await what they began
    found = next((p for p in PLANTS if p.__name__ == order.plant), None)
    outcomes: list[Outcome] = []
    with planted(found) if found else nullcontext(), _nothing_collected():
        for seed in range(order.first, order.first + order.count):
            outcome = run(seed, is_doubtful=order.is_doubtful)
            is_told = order.tells_all or outcome.problems
            outcomes.append(outcome if is_told else replace(outcome, told=(), last=()))
            if found and outcome.problems:
                break
            if seed % 5 == 0:
                gc.collect()
    return outcomes


def find(plant: str) -> tuple[int | None, str]:
    """The first seed that finds *plant*, and as what."""
    for first in range(0, WITHIN, BATCH):
        last = live(Order(first, BATCH, plant))[-1]
        if last.problems:
            return last.seed, last.problems[0]
    return None, ""
