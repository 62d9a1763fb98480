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

from benchmarks.exchange.page import QUIET
from benchmarks.fairness.greedy import SCENARIOS
from benchmarks.fairness.measure import ALONE, against, summed_up
from benchmarks.sign.page import replaced as between_marks
from tools.setup import ROOT

BEGIN, END = "<!-- figures: make bench-fairness -->", "<!-- end of figures -->"
GOAL = 1.20
"""A p99 beside the agency, against alone, must be less."""
NO_GOAL = ("fanout",)
"""A document to everybody is one decision and one commit: the promise is not about it."""
_HEAD = (
    "one agency",
    "p50",
    "against alone",
    "p99 of the middle window",
    "against alone in its round",
    "goal",
    "",
)
_PARTS = ("worker", "judge", "broker", "clients", "greedy")


def rows(report: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Of nobody and of each scenario the latency, against alone, and whether the goal is met."""
    alone = _windows(report, ALONE)
    nobody = (*_latency(alone, "", ""), "", "") if alone else (*[""] * 5, "not measured")
    yield ("is not there", *nobody)
    for scenario, words in SCENARIOS.items():
        windows, goal = _windows(report, scenario), "" if scenario in NO_GOAL else f"<{GOAL:.2f}"
        p50, p99 = (against(windows, alone, quantile) for quantile in ("p50_ms", "p99_ms"))
        if p50 is None or p99 is None:
            yield (words, *[""] * 4, goal, "not measured")
            continue
        verdict = "no goal" if scenario in NO_GOAL else "met" if p99 < GOAL else "MISSED"
        yield (words, *_latency(windows, f"{p50:.2f}", f"{p99:.2f}"), goal, verdict)


def _latency(windows: Sequence[Mapping[str, Any]], p50: str, p99: str) -> Sequence[str]:
    run = summed_up(windows)
    return f"{run['p50_ms']:.0f} ms", p50, _spread(run), p99


def _spread(run: Mapping[str, Any]) -> str:
    each = run["windows_p99_ms"]
    return f"{run['p99_ms']:.0f} ms ({min(each):.0f} to {max(each):.0f})"


def _windows(report: Mapping[str, Any], scenario: str) -> Sequence[Mapping[str, Any]]:
    return [window for window in report["windows"] if window["scenario"] == scenario]


def _runs(report: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """What was measured of each scenario, and alone, summed up."""
    each = {scenario: _windows(report, scenario) for scenario in (ALONE, *SCENARIOS)}
    return {scenario: summed_up(windows) for scenario, windows in each.items() if windows}


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
    yield _machine(report)
    yield ""
    yield "| " + " | ".join(_HEAD) + " |"
    yield "|---" + "|---:" * (len(_HEAD) - 2) + "|---|"
    for row in rows(report):
        yield "| " + " | ".join(row) + " |"
    yield ""
    yield "| cores used | " + " | ".join(_PARTS) + " | busy | how the agency fared in the last window |"
    yield "|---" + "|---:" * (len(_PARTS) + 1) + "|---|"
    for scenario, run in _runs(report).items():
        used = [f"{run['cores'][part]:.2f}" for part in _PARTS]
        name = SCENARIOS.get(scenario, "alone")
        yield f"| {name} | " + " | ".join([*used, f"{100 * run['busy']:.0f} %", _fared(run)]) + " |"


def _load(report: Mapping[str, Any]) -> str:
    others = f"the others send {report['rate']:.0f}/s"
    if report["capacity"] is None:
        return others[:1].upper() + others[1:]
    return f"The gateway took {report['capacity']:.0f} documents/s, {others}"


def _cores(report: Mapping[str, Any]) -> Iterator[str]:
    for scenario, run in _runs(report).items():
        used = " ".join(f"{part} {run['cores'][part]:.2f}" for part in _PARTS)
        yield f"{scenario or 'alone'}: cores: {used}" + (f"; {_fared(run)}" if run["greedy"] else "")
    yield _machine(report)


def _fared(run: Mapping[str, Any]) -> str:
    return ", ".join(f"{what} {count}" for what, count in run["greedy"].items())


def _machine(report: Mapping[str, Any]) -> str:
    """What the machine had to do besides, and how its disk was."""
    stolen, waiting, strangers = (
        [100 * window[share] for window in report["windows"]] for share in ("stolen", "waiting", "strangers")
    )
    told = (
        f"In single windows the host kept up to {max(stolen, default=0):.1f} % of the processors to itself, and for {min(waiting, default=0):.0f} to "
        f"{max(waiting, default=0):.0f} % of the time a processor had nothing to do but to wait for the disk."
    )
    if max(strangers, default=0) > 100 * QUIET:
        told += (
            f" **Programs that are none of ours had up to {max(strangers):.0f} % of the machine: the times are longer "
            "than they are on a quiet one, and the ratios uncertain.**"
        )
    return told


def main() -> None:
    """The page from a file that was measured before."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    write(json.loads((words.parse_args().var / "fairness.json").read_text("utf-8")))


if __name__ == "__main__":
    main()
