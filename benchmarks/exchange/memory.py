"""How large each process of the gateway becomes while files of 50 MB pass by claim."""

from __future__ import annotations

from typing import Any

from benchmarks import streaming
from benchmarks.exchange.plan import Plan


async def measure(plan: Plan) -> dict[str, Any]:
    """The largest process at its highest, in MB, and everything of which that is the largest."""
    with plan.cleared("memory") as folder:
        rows = await streaming.whole(folder)
    peaks = {part: max(row["peaks"].get(part, 0) for row in rows) for row in rows for part in row["peaks"]}
    plan.say("peaks: " + ", ".join(f"{part} {size / 1e6:.0f} MB" for part, size in sorted(peaks.items())))
    return {
        "rss_mb": max(peaks.values()) / 1e6,
        "peaks_mb": {p: n / 1e6 for p, n in peaks.items()},
        "documents": rows,
    }
