"""Who is measured, and the rounds in which all take turns.

contestants = [Contestant(name="limit", sign=timed(bare, pdf), at_once=20), …]
medians = hold(contestants, rounds=12)
"""

from __future__ import annotations

import gc
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple


class Sample(NamedTuple):
    """One measurement: milliseconds by the clock, and of processor.

    ``is_interrupted``: the kernel gave the processor to somebody else meanwhile.
    """

    ms: float
    cpu_ms: float
    is_interrupted: bool


Batch = Callable[[int], Sequence[Sample]]
"""Does the work that many times."""

_ENOUGH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One row of the table.  ``at_once``: how often per round; ``warm_up``: how often before the first."""

    name: str
    batch: Batch = field(repr=False)
    at_once: int
    warm_up: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Milliseconds.  ``median`` is of the ``counted`` measurements that nobody interrupted; where these are
    fewer than ten, of all.  ``median_of_all`` counts the interrupted ones, too; ``cpu`` is the processor's
    time, which others lengthen little.
    """

    median: float
    median_of_all: float
    cpu: float
    counted: int
    count: int


def timed(work: Callable[[], object]) -> Batch:
    """*work*, done in this process, by the wall clock."""

    def batch(times: int) -> Sequence[Sample]:
        return [sample(work) for _ in range(times)]

    return batch


def sample(work: Callable[[], object]) -> Sample:
    """*work*, done once by this thread."""
    before, cpu, began = _interruptions(), time.process_time(), time.perf_counter()
    work()
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    return Sample(took * 1000, spent * 1000, _interruptions() > before)


def _interruptions() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw


def hold(contestants: Sequence[Contestant], rounds: int) -> Mapping[str, Figure]:
    """Warm everybody up, then let them take turns: a machine that slows down slows everybody."""
    for contestant in contestants:
        contestant.batch(contestant.warm_up)
    took: dict[str, list[Sample]] = {contestant.name: [] for contestant in contestants}
    # As `vanthu work` does before it serves.
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for contestant in contestants:
            took[contestant.name] += contestant.batch(contestant.at_once)
    gc.unfreeze()
    return {name: _figure(samples) for name, samples in took.items()}


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


def _figure(samples: Sequence[Sample]) -> Figure:
    every = [one.ms for one in samples]
    whole = [one.ms for one in samples if not one.is_interrupted]
    counted = whole if len(whole) >= _ENOUGH else every
    return Figure(
        median=statistics.median(counted),
        median_of_all=statistics.median(every),
        cpu=statistics.median(one.cpu_ms for one in samples),
        counted=len(counted),
        count=len(every),
    )
