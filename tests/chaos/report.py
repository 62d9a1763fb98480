"""What a run has shown: the table for people, and ``chaos.json``."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from tests.chaos.auditor import Flaw, Kind
from tests.chaos.story import Order, Outcome, Struck


def lines_of(outcome: Outcome) -> list[dict[str, Any]]:
    """One line per fault: how often, documents in flight, lost, doubled, recovered."""
    by_fault: dict[str, list[Struck]] = defaultdict(list)
    for struck in outcome.struck:
        by_fault[struck.fault].append(struck)
    lost, doubled = _steps(outcome, Kind.LOST), _steps(outcome, Kind.DOUBLED)
    lines = []
    for fault, struck in sorted(by_fault.items()):
        touched = frozenset[int]().union(*(one.in_flight for one in struck))
        recovered = [one.recovered_s for one in struck]
        through = [one.all_through_s for one in struck]
        lines.append(
            {
                "fault": fault,
                "often": len(struck),
                "in_flight": round(statistics.mean(len(one.in_flight) for one in struck), 1),
                "lost": len(touched & lost),
                "doubled": len(touched & doubled),
                "recovered_s": round(statistics.median(recovered), 1),
                "recovered_most_s": round(max(recovered), 1),
                "all_through_s": round(statistics.median(through), 1),
                "all_through_most_s": round(max(through), 1),
            }
        )
    return lines


def table(outcome: Outcome) -> Table:
    """The lines for people."""
    order = outcome.order
    shown = Table(
        caption="recovered: from the end of the fault to the next document that is done; all through: to the last that was in "
        "flight (median … most)",
        title=f"{order.store}, seed {order.seed}: {order.documents} documents, {len(outcome.struck)} faults",
    )
    for column in ("fault", "often", "in flight", "lost", "doubled", "recovered s", "all through s"):
        shown.add_column(column, justify="left" if column == "fault" else "right")
    for line in lines_of(outcome):
        recovered = f"{line['recovered_s']:.1f} … {line['recovered_most_s']:.1f}"
        through = f"{line['all_through_s']:.1f} … {line['all_through_most_s']:.1f}"
        row = (
            line["fault"],
            line["often"],
            line["in_flight"],
            line["lost"],
            line["doubled"],
            recovered,
            through,
        )
        shown.add_row(*map(str, row))
    return shown


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything that was measured, and every imbalance."""
    rows = outcome.books.rows
    return {
        "order": asdict(outcome.order),
        "replay": replay(outcome.order),
        "balances": not outcome.flaws,
        "documents": outcome.order.documents,
        "submissions": len(rows.submissions),
        "copies": dict(Counter(copy["state"] for copy in rows.handovers)),
        "deliveries": outcome.deliveries,
        "receipts": len(outcome.books.seen.told),
        "evidence": len(rows.evidence),
        "stamped_heads": sum(head["stamp"] is not None for head in rows.heads),
        "elapsed_s": round(outcome.elapsed_s, 1),
        "settled_s": round(outcome.settled_s, 1),
        "worker_memory_mb": round(outcome.memory_mb, 1),
        "faults": lines_of(outcome),
        "timeline": [
            {**asdict(one), "in_flight": len(one.in_flight)}
            for one in sorted(outcome.struck, key=lambda s: s.at_s)
        ],
        "flaws": [{"kind": f.kind.value, "what": f.what, "document": f.document} for f in outcome.flaws],
    }


def sentences(flaws: Sequence[Flaw], most: int = 40) -> list[str]:
    """The imbalances, one line each."""
    told = [f"{flaw.kind.value}: {flaw.what}  {flaw.document}".rstrip() for flaw in flaws[:most]]
    return told + ([f"… and {len(flaws) - most} more"] if len(flaws) > most else [])


def replay(order: Order) -> str:
    """The command that lives through the same again: the same documents and faults, not the same interleaving."""
    return (
        f"make chaos SEED={order.seed} DOCUMENTS={order.documents} STORE={order.store}"
        + (f' ONLY="{order.only}"' if order.only else "")
        + (f" SCALE={order.scale:g}" if order.scale != 1 else "")
    )


def _steps(outcome: Outcome, kind: Kind) -> set[int]:
    """The steps whose documents have a flaw of this kind."""
    documents = {flaw.document for flaw in outcome.flaws if flaw.kind is kind}
    return {number for document in documents for number in outcome.numbers.get(document, ())}
