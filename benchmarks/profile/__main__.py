"""Where a worker's CPU goes while documents pass, per document.

    make profile                        or  python -m benchmarks.profile --kind signed --seconds 20

The gateway as ``vanthu serve`` runs it (broker, SQLite, workers, judges), as many senders as ``make bench``
has, documents as in ``make bench``; or one document to 448 organs (``--kind fanout``, ``fanout-queues``), where
figures are per copy.  Writes ``var/bench/profile-KIND.json`` (the figures) and ``profile-KIND.folded`` (stacks
for tools that draw flames).  ``--store postgresql`` takes a server of its own for the whole exchange.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.clients import Exchange
from benchmarks.exchange import fanout
from benchmarks.exchange.load import SETTLES_S, Pressure
from benchmarks.exchange.plan import SENDERS
from benchmarks.exchange.served import KINDS, Setting, Supply, emptied, served, warm
from benchmarks.processes import memory, usage
from benchmarks.profile import report
from benchmarks.profile.worker import FOLDER, file_of
from tests.services import private_postgres

SERVE = (sys.executable, "-m", "benchmarks.profile.serve")
FANNING = {"fanout": fanout.BY_QUEUE["mixed"], "fanout-queues": fanout.BY_QUEUE["queues"]}
WRITTEN_WITHIN_S = 20.0
MOST = 45
"""Rows of a table."""


async def exchanging(
    folder: Path, kind: str, senders: int, seconds: float, *, by_postgresql: bool
) -> dict[str, Any]:
    """A window under pressure; what was seen, and the figures of those who sent."""
    supply = await asyncio.to_thread(Supply.make)
    exchange = Exchange()
    with private_postgres() if by_postgresql else nullcontext() as postgres:
        setting = Setting(workers=1, command=SERVE, store_url=postgres.new_database() if postgres else "")
        async with (
            served(folder, supply, setting) as gateway,
            gateway.offices(senders, exchange) as among,
        ):
            await warm(gateway, among, exchange)
            async with Pressure(gateway, among, exchange, kind) as pressure:
                await pressure.window(SETTLES_S)
                with _watched(folder) as seen:
                    figures = await pressure.window(seconds)
    return figures | {"profile": seen()}


async def fanning_out(folder: Path, queues: int, seconds: float) -> dict[str, Any]:
    """One document to 448 organs, over and over; each copy counts as a document."""
    supply = await asyncio.to_thread(Supply.make)
    async with fanout.sending(folder, supply, queues, SERVE, workers=1) as once:
        await once()
        before, began, copies = usage(), time.perf_counter(), 0
        with _watched(folder) as seen:
            while time.perf_counter() - began < seconds:
                await once()
                copies += fanout.RECIPIENTS
        elapsed, used = time.perf_counter() - began, usage().since(before)
    figures = {"documents": copies, "per_s": copies / elapsed}
    return figures | {"cpu_ms": {part: ms / copies for part, ms in used.parts.items()}, "profile": seen()}


@contextmanager
def _watched(folder: Path) -> Iterator[Callable[[], Any]]:
    """The worker looks at itself as long as this lasts; afterwards a call answers what it saw."""
    (worker,) = (one.pid for one in memory() if one.part == "worker")
    os.kill(worker, signal.SIGUSR1)
    yield lambda: _written(file_of(folder, worker))
    os.kill(worker, signal.SIGUSR2)


def _written(file: Path) -> Any:
    deadline = time.monotonic() + WRITTEN_WITHIN_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"{file}: the worker wrote no profile")
        time.sleep(0.05)
    return json.loads(file.read_text("utf-8"))


def show(kind: str, told: Mapping[str, Any], console: Console) -> dict[str, Any]:
    """Print what was seen; the same as figures per document."""
    count, profile = told["documents"], told["profile"]
    seen = report.samples(profile)
    console.print(
        f"[bold]{kind}[/]: {count} documents, {told['per_s']:.1f}/s while being looked at; "
        f"CPU ms per document: worker {profile['cpu_ms'] / count:.2f} "
        f"(and {profile['looking_ms'] / count:.2f} of it for looking), "
        + ", ".join(f"{part} {ms:.2f}" for part, ms in sorted(told["cpu_ms"].items()) if part != "worker")
    )
    figures: dict[str, Any] = {"documents": count, "worker_ms": profile["cpu_ms"] / count}
    for title, spent in (("thread", report.by_thread(seen)), ("step", report.by_step(seen))):
        figures[title] = _one(f"by {title}", {title: spent}, count, console)
    for title, (alone, within) in (("module", report.by_module(seen)), ("function", report.by_call(seen))):
        figures[title] = _one(
            f"by {title}, in it alone", {"alone": alone, "with calls": within}, count, console
        )
    return figures


def _one(title: str, columns: Mapping[str, Counter[str]], count: int, console: Console) -> Any:
    table = Table(title=f"{title} (CPU ms per document)", title_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(name if len(columns) > 1 else "ms", justify="right")
    first, *_ = columns.values()
    table.add_column("%", justify="right")
    total = sum(first.values())
    for name, ms in first.most_common(MOST):
        table.add_row(
            name, *(f"{column[name] / count:.3f}" for column in columns.values()), f"{100 * ms / total:.1f}"
        )
    console.print(table)
    return {name: {key: ms / count for key, ms in column.most_common()} for name, column in columns.items()}


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    words.add_argument("--kind", choices=(*KINDS, *FANNING), default="unsigned")
    words.add_argument("--seconds", type=float, default=8.0)
    words.add_argument("--senders", type=int, default=SENDERS)
    words.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    given = words.parse_args()
    folder = emptied(given.var / "profile")
    os.environ[FOLDER] = str(folder)
    if given.kind in FANNING:
        told = uvloop.run(fanning_out(folder, FANNING[given.kind], given.seconds))
    else:
        by_postgresql = given.store == "postgresql"
        told = uvloop.run(
            exchanging(folder, given.kind, max(2, given.senders), given.seconds, by_postgresql=by_postgresql)
        )
    console = Console(width=None if sys.stdout.isatty() else 150)
    figures = show(given.kind, told, console)
    seen = report.samples(told["profile"])
    (given.var / f"profile-{given.kind}.folded").write_text(report.folded(seen), encoding="utf-8")
    (given.var / f"profile-{given.kind}.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
