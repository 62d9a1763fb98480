"""Who is measured, and the rounds in which all take turns.

contestants = [Contestant(name="limit", sign=timed(bare, pdf), at_once=20), …]
medians = hold(contestants, rounds=12)
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

Batch = Callable[[int], Sequence[float]]
"""Does the work that many times; answers the milliseconds that each took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One row of the table.  ``at_once``: how often per round; ``warm_up``: how often before the first."""

    name: str
    batch: Batch = field(repr=False)
    at_once: int
    warm_up: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Milliseconds: the median of all, the median of the quickest round, and how many there were."""

    median: float
    best_round: float
    count: int


def timed(work: Callable[[], object]) -> Batch:
    """*work*, done in this process, by the wall clock."""

    def batch(times: int) -> Sequence[float]:
        took = []
        for _ in range(times):
            began = time.perf_counter()
            work()
            took.append((time.perf_counter() - began) * 1000)
        return took

    return batch


def hold(contestants: Sequence[Contestant], rounds: int) -> Mapping[str, Figure]:
    """Warm everybody up, then let them take turns: a machine that slows down slows everybody."""
    for contestant in contestants:
        contestant.batch(contestant.warm_up)
    took: dict[str, list[Sequence[float]]] = {contestant.name: [] for contestant in contestants}
    # As `vanthu work` does before it serves.
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for contestant in contestants:
            took[contestant.name].append(contestant.batch(contestant.at_once))
    gc.unfreeze()
    return {name: _figure(batches) for name, batches in took.items()}


@contextmanager
def one_core() -> Iterator[bool]:
    """This process on one core while inside, where that is allowed; whether it is."""
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {max(before)})
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setaffinity(0, before)


def _figure(batches: Sequence[Sequence[float]]) -> Figure:
    every = [ms for batch in batches for ms in batch]
    return Figure(
        median=statistics.median(every),
        best_round=min(statistics.median(batch) for batch in batches),
        count=len(every),
    )
