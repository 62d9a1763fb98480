"""How many documents the running gateway exchanges, what each costs, and how that holds.

    make bench                          or  python -m benchmarks.exchange --parts exchange latency --seconds 5

The gateway as ``vanthu serve`` runs it, its broker, its database and the clients on this machine.  Writes
``var/bench/exchange.json``; figures of a part that did not run are kept from before only where they were
measured on the same code.  ``--page`` writes ``docs/benchmarks-exchange.md`` and its pictures from it.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from benchmarks.exchange import fanout, growth, latency, memory, page, soak, whole
from benchmarks.exchange.code import described, is_same
from benchmarks.exchange.figures import summed_up
from benchmarks.exchange.plan import DEFAULT, PARTS, SENDERS, Plan
from benchmarks.exchange.served import Supply, configuration

Measures = Mapping[str, Callable[[], Awaitable[dict[str, Any]]]]
"""What measures each part."""


async def measure(
    plan: Plan, parts: Collection[str], measures: Measures, kept: dict[str, Any], write: Callable[[], None]
) -> list[str]:
    """Each part in its turn; *write* is called after each with all that is known.  Answers which ones failed."""
    failed = []
    for part in PARTS:
        if part not in parts:
            continue
        try:
            kept[part] = await measures[part]()
        except Exception:  # whatever ends one part, the others are worth their minutes
            traceback.print_exc()
            plan.say(f"{part} failed")
            kept.pop(part, None)
            failed.append(part)
        write()
    return failed


def _measures(plan: Plan, supply: Supply) -> Measures:
    return {
        "exchange": partial(whole.measure, plan, supply),
        "fanout": partial(fanout.measure, plan, supply),
        "latency": partial(latency.measure, plan, supply),
        "memory": partial(memory.measure, plan),
        "growth": partial(growth.measure, plan, supply),
        "soak": partial(soak.measure, plan, supply),
    }


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--parts", nargs="+", choices=PARTS, default=list(DEFAULT))
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    words.add_argument("--seconds", type=float, default=10.0, help="of one window")
    words.add_argument("--rounds", type=int, default=3, help="windows of each kind")
    words.add_argument("--senders", type=int, default=SENDERS)
    words.add_argument("--organs", type=int, default=12_000, help="of the large directory")
    words.add_argument("--queues", type=int, default=1_000, help="how many of them have queues")
    words.add_argument("--documents", type=int, default=1_000_000, help="of the full store")
    words.add_argument("--soak-s", type=float, default=900.0)
    words.add_argument("--page", action="store_true", help="write the page and its pictures, too")
    given = words.parse_args()
    plan = Plan(
        var=given.var / "exchange",
        seconds=given.seconds,
        rounds=given.rounds,
        senders=max(2, given.senders),
        organs=given.organs,
        queues=given.queues,
        documents=given.documents,
        soak_s=given.soak_s,
    )
    file = given.var / "exchange.json"
    about = described()
    kept = _kept(file, about)
    console = Console(width=None if sys.stdout.isatty() else 150)
    supply = Supply.make()
    kept["about"] = about | {
        "pdf_bytes": supply.pdf_bytes,
        "configuration": configuration(plan.folder("none")),
    }
    page.show_configuration(kept["about"], console)

    def write() -> None:
        file.write_text(json.dumps(summed_up(kept), indent=1), encoding="utf-8")

    try:
        failed = uvloop.run(measure(plan, given.parts, _measures(plan, supply), kept, write))
    finally:
        plan.clear()
    page.show(summed_up(kept), console)
    if given.page:
        page.write(summed_up(kept))
    sys.exit(1 if failed else 0)


def _kept(file: Path, about: dict[str, Any]) -> dict[str, Any]:
    """The parts of an earlier run of the same code."""
    try:
        detail = json.loads(file.read_text("utf-8"))["detail"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    if not is_same(detail.get("about", {}), about):
        return {}
    return {part: told for part, told in detail.items() if part in PARTS}


if __name__ == "__main__":
    main()
