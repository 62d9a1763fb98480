"""``fairness.json`` for people: on the console, and as the figures of ``docs/benchmarks-fairness.md``.

python -m benchmarks.fairness.page
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.exchange.figures import quantile
from benchmarks.exchange.page import QUIET
from benchmarks.fairness.greedy import SCENARIOS
from benchmarks.sign.page import replaced as between_marks
from tools.setup import ROOT

BEGIN, END = "<!-- figures: make bench-fairness -->", "<!-- end of figures -->"
GOAL = 1.20
"""A p99 beside the agency, against alone, must be less."""
_HEAD = ("one agency", "p50", "against alone", "p99", "against alone", "goal", "")
_PARTS = ("worker", "judge", "broker", "clients", "greedy")


def rows(report: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Of nobody and of each scenario the latency, against alone, and whether the goal is met."""
    alone = [
        window for run in report["runs"].values() for window in run["windows"] if window["kind"] == "alone"
    ]
    took = [ms for window in alone for ms in window["took_ms"]]
    usual = {name: quantile(took, part) for name, part in (("p50", 0.50), ("p99", 0.99))}
    each = [quantile(window["took_ms"], 0.99) for window in alone]
    spread = f"p99 of one: {min(each, default=0.0):.0f} to {max(each, default=0.0):.0f} ms"
    yield (
        f"is not there ({len(alone)} windows, {spread})",
        *(f"{usual['p50']:.0f} ms", "", f"{usual['p99']:.0f} ms", "", "", ""),
    )
    for scenario, told in SCENARIOS.items():
        run = report["runs"].get(scenario)
        if run is None:
            yield (told, *[""] * 4, f"<{GOAL:.2f}", "not measured")
            continue
        cells = [told]
        for name in ("p50", "p99"):
            ms = run["beside"][f"{name}_ms"]
            cells += [f"{ms:.0f} ms", f"{ms / usual[name]:.2f}"]
        yield (*cells, f"<{GOAL:.2f}", "met" if ms / usual["p99"] < GOAL else "MISSED")


def show(report: Mapping[str, Any], console: Console) -> None:
    """The table on the console."""
    table = Table(
        title=f"Others at {report['rate']:.0f} documents/s: beside one agency that …, against alone"
    )
    for at, name in enumerate(_HEAD):
        table.add_column(name, justify="right" if 0 < at < len(_HEAD) - 1 else "left")
    for row in rows(report):
        table.add_row(*row)
    console.print(table)
    for line in _cores(report):
        console.print(line, markup=False, highlight=False)


def tables(report: Mapping[str, Any]) -> str:
    """The figures in Markdown."""
    return "\n".join(_tables(report))


def write(report: Mapping[str, Any], docs: Path = ROOT / "docs") -> None:
    """The page's figures, anew."""
    page = docs / "benchmarks-fairness.md"
    page.write_text(replaced(page.read_text("utf-8"), tables(report)), encoding="utf-8")


def replaced(page: str, figures: str) -> str:
    """*page* with *figures* between its marks.  Raises ``ValueError`` where they are missing."""
    return between_marks(page, figures, begin=BEGIN, end=END)


def _tables(report: Mapping[str, Any]) -> Iterator[str]:
    about = report["about"]
    yield (
        f"{about['cpu']}, {about['cores']} cores; Python {about['python']}; commit {about['commit'] or 'unknown'}, "
        f"{about['at']}. {_load(report)}; windows of each kind: "
        f"{report['rounds']}, of {report['seconds']:.0f} s."
    )
    if (strangers := _strangers(report)) > QUIET:
        yield (
            f"**Programs that are none of ours had up to {100 * strangers:.0f} % of the machine: the times are longer "
            "than they are on a quiet one, and the ratios uncertain.**"
        )
    yield ""
    yield "| " + " | ".join(_HEAD) + " |"
    yield "|---" + "|---:" * (len(_HEAD) - 2) + "|---|"
    for row in rows(report):
        yield "| " + " | ".join(row) + " |"
    yield ""
    yield "| cores used, beside it (alone) | " + " | ".join(_PARTS) + " | busy | how the agency fared |"
    yield "|---" + "|---:" * (len(_PARTS) + 1) + "|---|"
    for scenario, run in report["runs"].items():
        alone, beside = run["alone"], run["beside"]
        used = [f"{beside['cores'][part]:.2f} ({alone['cores'][part]:.2f})" for part in _PARTS]
        busy = f"{100 * beside['busy']:.0f} % ({100 * alone['busy']:.0f} %)"
        yield f"| {SCENARIOS[scenario]} | " + " | ".join([*used, busy, _fared(run)]) + " |"


def _load(report: Mapping[str, Any]) -> str:
    others = f"the others send {report['rate']:.0f}/s"
    if report["capacity"] is None:
        return others[:1].upper() + others[1:]
    return f"The gateway took {report['capacity']:.0f} documents/s, {others}"


def _cores(report: Mapping[str, Any]) -> Iterator[str]:
    for scenario, run in report["runs"].items():
        used = " ".join(f"{part} {run['beside']['cores'][part]:.2f}" for part in _PARTS)
        yield f"{scenario}: cores beside it: {used}; {_fared(run)}"
    yield f"programs that are none of ours had up to {100 * _strangers(report):.0f} % of the machine"


def _fared(run: Mapping[str, Any]) -> str:
    return ", ".join(f"{what} {count}" for what, count in run["greedy"].items())


def _strangers(report: Mapping[str, Any]) -> float:
    return max(
        (run[kind]["strangers"] for run in report["runs"].values() for kind in ("alone", "beside")),
        default=0.0,
    )


def main() -> None:
    """The page from a file that was measured before."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    write(json.loads((words.parse_args().var / "fairness.json").read_text("utf-8")))


if __name__ == "__main__":
    main()
