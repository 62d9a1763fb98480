"""``python -m tests.simulation``: live through many seeds, and look whether the books balance after each.

    python -m tests.simulation --seeds 10000 --first-seed 0
    python -m tests.simulation --seed 4711            # one seed, told from its beginning to its end
    python -m tests.simulation --self-check           # plant bugs, one at a time: each must be found

The exit code is 1 where the books of a seed do not balance, or a planted bug was not found.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing import get_context

from tests.simulation.plants import PLANTS
from tests.simulation.runs import BATCH, WITHIN, Order, find, live
from tests.simulation.story import Outcome

MOST_SHOWN = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, default=None, help="only this one, with its whole story")
    parser.add_argument("--plant", default="", help="with this bug in the code")
    parser.add_argument("--self-check", action="store_true", help="plant bugs, one at a time")
    parser.add_argument(
        "--doubtful-commits",
        action="store_true",
        help="in every seed the store may write and not say so",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore", RuntimeWarning)  # the dead never await what they began
    if given.self_check:
        return self_check(given.jobs)
    if given.seed is not None:
        return _tell(given.seed, given.plant, given.doubtful_commits)
    return _many(given)


def _orders(given: argparse.Namespace) -> Iterator[Order]:
    end = given.first_seed + given.seeds
    for first in range(given.first_seed, end, BATCH):
        yield Order(first, min(BATCH, end - first), given.plant, given.doubtful_commits)


def _many(given: argparse.Namespace) -> int:
    begun = time.monotonic()
    bad = seeds = calls = deaths = messages = 0
    moves: Counter[tuple[str, str, str]] = Counter()
    reached: Counter[tuple[str, str, str]] = Counter()
    weather: Counter[str] = Counter()
    met: set[tuple[str, str, str]] = set()
    with get_context("spawn").Pool(given.jobs) as pool:
        for outcomes in pool.imap(live, _orders(given)):
            for one in outcomes:
                seeds += 1
                calls += one.calls
                deaths += one.deaths
                messages += one.documents
                moves += one.moves
                reached += one.reached
                weather += one.weather
                met |= one.met
                if one.problems:
                    bad += 1
                    if bad <= MOST_SHOWN:
                        _show(one, 15, given)
    took = time.monotonic() - begun
    _cover(moves, reached, met, weather)
    print(
        f"\n{seeds} seeds, {messages} messages, {deaths} deaths, {calls} port calls in {took:.1f} s "
        f"({calls / took:,.0f} a second on {given.jobs} cores): "
        + (f"{bad} do not balance" if bad else "all books balance")
    )
    return 1 if bad else 0


def _show(outcome: Outcome, lines: int, given: argparse.Namespace | None = None) -> None:
    seed = outcome.seed
    more = " --doubtful-commits" if given and given.doubtful_commits else ""
    more += f" --plant {given.plant}" if given and given.plant else ""
    print(f"\nseed {seed} does not balance:")
    for problem in outcome.problems:
        print(f"  {problem}")
    print("  …")
    for line in outcome.told[-lines:]:
        print(f"  {line}")
    print(f'  replay: make simulate ARGS="--seed {seed}{more}"', flush=True)


def _cover(
    moves: Counter[tuple[str, str, str]],
    reached: Counter[tuple[str, str, str]],
    met: set[tuple[str, str, str]],
    weather: Counter[str],
) -> None:
    print("\nmoves (machine: from → to, how often)")
    for (machine, before, after), count in sorted(moves.items()):
        print(f"  {machine:12} {before:15} → {after:15} {count:8}")
    print(f"\ndeaths: {len(reached)} different (state × event × crash point)")
    for (state, event, point), count in sorted(reached.items()):
        print(f"  {state:12} × {event:28} × {point:28} {count:6}")
    points = {(state, event, f"{when} {call}") for state, event, call in met for when in ("before", "after")}
    missed = sorted(points - reached.keys())
    print(f"\nnobody died of {len(missed)} of the {len(points | reached.keys())} that were met")
    for state, event, point in missed:
        print(f"  {state:12} × {event:28} × {point}")
    print("\nweather")
    for what, count in weather.most_common(40):
        print(f"  {what:45} {count:8}")


def _tell(seed: int, plant: str, is_doubtful: bool) -> int:
    (outcome,) = live(Order(seed, 1, plant, is_doubtful, True))
    for line in outcome.told:
        print(line)
    print("\nthe last port calls:")
    for line in outcome.last:
        print(line)
    for problem in outcome.problems:
        print(f"WRONG: {problem}")
    print(
        f"\n{outcome.calls} port calls, {outcome.deaths} deaths: "
        + ("wrong" if outcome.problems else "balances")
    )
    return 1 if outcome.problems else 0


def self_check(jobs: int) -> int:
    """Plant each bug and look within how many seeds it is found; the exit code."""
    names = [plant.__name__ for plant in PLANTS]
    missed = 0
    with get_context("spawn").Pool(jobs) as pool:
        for name, (seed, problem) in zip(names, pool.imap(find, names), strict=True):
            missed += seed is None
            told = f"found by seed {seed}: {problem}" if seed is not None else f"NOT FOUND in {WITHIN} seeds"
            print(f"{name.replace('_', ' '):32} {told}", flush=True)
    print(f"{len(names) - missed} of {len(names)} planted bugs found")
    return 1 if missed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the same order of sets in every run
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    raise SystemExit(main())
