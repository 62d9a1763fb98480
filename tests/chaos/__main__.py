"""``python -m tests.chaos``: thousands of documents through the running gateway while everything around it fails.

    make chaos                                          3,000 documents on each store
    make chaos STORE=sqlite DOCUMENTS=500 SEED=7
    make chaos STORE=postgresql ONLY="disk full"        one kind of fault alone

RabbitMQ, PostgreSQL (or SQLite) and the gateway's processes are real and on loopback.  The faults and the times at which they
strike are drawn by the seed.  Then an auditor holds what the agencies saw against the store and its evidence.  The result lies
in var/chaos/chaos.json, too, and all that is known of documents with a flaw in var/chaos/stories-<store>.json.  The exit code
is 1 where the books do not balance.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.chaos.report import as_json, replay, sentences, table
from tests.chaos.story import Order, Outcome, live
from tests.services import ROOT

STORES = ("sqlite", "postgresql")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    given = _parsed(arguments)
    console = Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=130)
    folder = ROOT / "var" / "chaos"
    folder.mkdir(parents=True, exist_ok=True)
    # The clients' library tells of every lost connection: that is the weather here.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    outcomes = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # then disks are unmounted, too
    for store in STORES if given.store == "both" else (given.store,):
        order = Order(
            seed=given.seed,
            documents=given.documents,
            store=store,
            workers=given.workers,
            often=given.often,
            kills=given.kills,
            only=given.only,
            scale=given.scale,
        )
        shutil.rmtree(folder / store, ignore_errors=True)
        (folder / store).mkdir(exist_ok=True)
        outcome = asyncio.run(_lived(order, folder / store, console))
        outcomes.append(outcome)
        _tell(outcome, console)
        told = json.dumps(outcome.stories, ensure_ascii=False, indent=1)
        (folder / f"stories-{store}.json").write_text(told, encoding="utf-8")
    (folder / "chaos.json").write_text(
        json.dumps([as_json(one) for one in outcomes], ensure_ascii=False, indent=1), encoding="utf-8"
    )
    return 1 if any(one.flaws for one in outcomes) else 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--documents", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="default: a new one")
    parser.add_argument("--store", choices=(*STORES, "both"), default="both")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--often", type=int, default=2, help="how often each fault strikes (default 2)")
    parser.add_argument("--kills", type=int, default=20, help="workers killed besides (default 20)")
    parser.add_argument("--only", default="", help="only faults with this in their name")
    parser.add_argument("--scale", type=float, default=1.0, help="faults last so many times as long")
    return parser.parse_args(arguments)


async def _lived(order: Order, folder: Path, console: Console) -> Outcome:
    console.print(f"{order.store}: {order.documents} documents, seed {order.seed}   ({replay(order)})")
    return await live(order, folder, tell=lambda line: console.print(line, highlight=False))


def _tell(outcome: Outcome, console: Console) -> None:
    console.print(table(outcome))
    told = as_json(outcome)
    console.print(
        f"{told['submissions']} submissions, {told['deliveries']} deliveries, {told['receipts']} receipts, "
        f"{told['evidence']} pieces of evidence, {told['stamped_heads']} stamped heads; copies: {told['copies']}; "
        f"{told['elapsed_s']:.0f} s, at rest {told['settled_s']:.1f} s after the last document; "
        f"the largest worker had {told['worker_memory_mb']:.0f} MB",
        highlight=False,
    )
    if not outcome.flaws:
        console.print("the books balance: nothing lost, nothing doubled, nothing stuck", highlight=False)
        return
    for line in sentences(outcome.flaws):
        console.print(line, highlight=False, markup=False)
    console.print(
        f"{len(outcome.flaws)} imbalances; again: {replay(outcome.order)}", highlight=False, markup=False
    )


if __name__ == "__main__":
    sys.exit(main())
