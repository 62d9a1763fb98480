"""Where a worker's CPU goes while documents pass, per document.

    make profile                        or  python -m benchmarks.profile --kind signed --documents 300

The gateway as ``vanthu serve`` runs it (broker, SQLite, workers, judges), sixteen senders, documents as in
``make bench``.  Writes ``var/bench/profile-KIND.json`` (the figures) and ``profile-KIND.folded`` (stacks for tools
that draw flames).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks import papers
from benchmarks.exchange import KINDS, Bench, Plan
from benchmarks.processes import workers_of
from benchmarks.profile import report
from benchmarks.profile.worker import FOLDER, file_of
from demo.pki import LeaderAuthority
from demo.stack import Stack

WRITTEN_WITHIN_S = 20.0
MOST = 45
"""Rows of a table."""


async def profile(plan: Plan, kinds: Sequence[str]) -> dict[str, Any]:
    """One round of each kind; what was seen, by kind."""
    shutil.rmtree(plan.var, ignore_errors=True)
    plan.var.mkdir(parents=True)
    os.environ[FOLDER] = str(plan.var)
    authority = LeaderAuthority.make()
    supply = {
        kind: (await asyncio.to_thread(papers.make, authority, is_signed=kind == "signed"))[0]
        for kind in KINDS
    }
    told: dict[str, Any] = {}
    command = (sys.executable, "-m", "benchmarks.profile.serve")
    async with Stack(plan.var, workers=1, command=command) as stack:
        stack.trust(authority.pem)
        found = re.search(r"\bpid=(\d+)", await stack.start())
        assert found is not None
        serve = int(found[1])
        bench = Bench(plan, supply, serve)
        try:
            await bench.open(stack.access_file)
            for kind in kinds:
                await bench.round(kind)  # warm, and not looked at
                (worker,) = workers_of(serve)
                os.kill(worker, signal.SIGUSR1)
                figures = await bench.round(kind)
                os.kill(worker, signal.SIGUSR2)
                told[kind] = figures | {
                    "profile": await asyncio.to_thread(_written, file_of(plan.var, worker))
                }
        finally:
            await bench.close()
    return told


def _written(file: Path) -> Any:
    deadline = time.monotonic() + WRITTEN_WITHIN_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"{file}: the worker wrote no profile")
        time.sleep(0.05)
    told = json.loads(file.read_text("utf-8"))
    file.unlink()
    return told


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
    words.add_argument("--kind", choices=KINDS, action="append")
    words.add_argument("--documents", type=int, default=400)
    words.add_argument("--senders", type=int, default=16)
    given = words.parse_args()
    kinds = given.kind or ["unsigned"]
    plan = Plan(
        var=given.var / "profile",
        documents=given.documents,
        rounds=1,
        senders=max(2, given.senders),
        workers=[1],
        open_loop_s=0,
    )
    told = uvloop.run(profile(plan, kinds))
    console = Console(width=None if sys.stdout.isatty() else 150)
    for kind in kinds:
        figures = show(kind, told[kind], console)
        seen = report.samples(told[kind]["profile"])
        (given.var / f"profile-{kind}.folded").write_text(report.folded(seen), encoding="utf-8")
        (given.var / f"profile-{kind}.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
