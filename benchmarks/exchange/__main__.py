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
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from benchmarks.exchange import fanout, growth, latency, memory, page, soak, whole
from benchmarks.exchange.code import described, is_same
from benchmarks.exchange.figures import summed_up
from benchmarks.exchange.plan import DEFAULT, PARTS, Plan
from benchmarks.exchange.served import Supply, configuration


async def measure(plan: Plan, parts: list[str], supply: Supply, kept: dict[str, Any], write: Any) -> None:
    """Each part in its turn; *write* is called after each with all that is known."""
    for part in PARTS:
        if part not in parts:
            continue
        match part:
            case "exchange":
                kept[part] = await whole.measure(plan, supply)
            case "fanout":
                kept[part] = await fanout.measure(plan, supply)
            case "latency":
                kept[part] = await latency.measure(plan, supply)
            case "memory":
                kept[part] = await memory.measure(plan)
            case "growth":
                kept[part] = await growth.measure(plan, supply)
            case "soak":
                kept[part] = await soak.measure(plan, supply)
        write()


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--parts", nargs="+", choices=PARTS, default=list(DEFAULT))
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    words.add_argument("--seconds", type=float, default=10.0, help="of one window")
    words.add_argument("--rounds", type=int, default=3, help="windows of each kind")
    words.add_argument("--senders", type=int, default=16)
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

    uvloop.run(measure(plan, given.parts, supply, kept, write))
    page.show(summed_up(kept), console)
    if given.page:
        page.write(summed_up(kept))


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
