"""What one greedy, dead or slow agency costs the others: their latency beside it, against alone.

    make bench-fairness            (half an hour)  or  python -m benchmarks.fairness --only slow --seconds 12

The gateway as ``vanthu serve`` runs it, its broker and the clients on this machine.  Writes ``var/bench/fairness.json``
after each of them; with ``--page`` the figures of ``docs/benchmarks-fairness.md``, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from benchmarks.exchange.code import described
from benchmarks.exchange.plan import Plan
from benchmarks.exchange.served import Supply
from benchmarks.fairness import page
from benchmarks.fairness.greedy import SCENARIOS
from benchmarks.fairness.measure import PART, capacity, measure


async def _measure(
    plan: Plan, supply: Supply, report: dict[str, Any], only: Sequence[str], write: Callable[[], None]
) -> bool:
    """The scenarios *only*, *write* is called after each; whether all could be measured."""
    if report["rate"] is None:
        report["capacity"] = await capacity(plan, supply)
        report["rate"] = report["capacity"] / PART
        plan.say(f"the gateway takes {report['capacity']:.0f} documents/s")
    plan.say(f"the others send {report['rate']:.0f} documents/s")
    has_failed = False
    for scenario in only:
        try:
            report["runs"].append(await measure(plan, supply, scenario, report["rate"]))
        except Exception:  # whatever ends one of them, the others are worth their minutes
            traceback.print_exc()
            plan.say(f"{scenario} failed")
            has_failed = True
        write()
        await asyncio.to_thread(plan.clear)  # gigabytes, and the memory where the folder is in it
    return not has_failed


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    words.add_argument("--only", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    words.add_argument(
        "--seconds", type=float, default=120.0, help="of each scenario, and as long alone, by turns"
    )
    words.add_argument("--others", type=int, default=12, help="how many agencies whose latency counts")
    words.add_argument(
        "--rate", type=float, help="documents/s of all others together (a quarter of the capacity)"
    )
    words.add_argument("--page", action="store_true", help="write the page, too")
    given = words.parse_args()
    plan = Plan(var=given.var / "fairness", seconds=given.seconds, senders=max(2, given.others))
    report: dict[str, Any] = {
        "about": described(),
        "rate": given.rate,
        "capacity": None,
        "seconds": given.seconds,
        "runs": [],
    }
    given.var.mkdir(parents=True, exist_ok=True)

    def write() -> None:
        (given.var / "fairness.json").write_text(json.dumps(report, indent=1), encoding="utf-8")

    try:
        is_whole = uvloop.run(_measure(plan, Supply.make(), report, given.only, write))
    finally:
        plan.clear()
    page.show(report, Console(width=None if sys.stdout.isatty() else 180))
    if given.page:
        page.write(report)
    sys.exit(0 if is_whole else 1)


if __name__ == "__main__":
    main()
