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
from benchmarks.fairness.measure import LIKELY, against, summed_up
from benchmarks.sign.page import replaced as between_marks
from tools.setup import ROOT

BEGIN, END = "<!-- figures: make bench-fairness -->", "<!-- end of figures -->"
GOAL = 1.20
"""A p99 beside the agency, against alone, must be less."""
NO_GOAL = ("fanout",)
"""A document to everybody is one decision and one commit: the promise is not about it."""
_HEAD = (
    "one agency",
    "p50 alone",
    "beside",
    "ratio",
    "p99 alone",
    "beside",
    "ratio",
    "likely",
    "goal",
    "",
)
_PARTS = ("worker", "judge", "broker", "clients", "greedy")


def rows(report: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Of each scenario the latency alone and beside, against each other, and whether the goal is met."""
    told = {run["scenario"]: run for run in report["runs"]}
    for scenario, words in SCENARIOS.items():
        run, goal = told.get(scenario), "" if scenario in NO_GOAL else f"<{GOAL:.2f}"
        if run is None:
            yield (words, *[""] * 7, goal, "not measured")
            continue
        ratio, least, most = against(run["beside"], run["alone"], 0.99)
        verdict = "no goal" if scenario in NO_GOAL else "met" if ratio < GOAL else "MISSED"
        yield (
            words,
            *_latency(run, "p50_ms"),
            f"{against(run['beside'], run['alone'], 0.50)[0]:.2f}",
            *_latency(run, "p99_ms"),
            f"{ratio:.2f}",
            f"{least:.2f} to {most:.2f}",
            goal,
            verdict,
        )


def _latency(run: Mapping[str, Any], name: str) -> Iterator[str]:
    return (f"{summed_up(run[side])[name]:.0f} ms" for side in ("alone", "beside"))


def show(report: Mapping[str, Any], console: Console) -> None:
    """The table on the console."""
    table = Table(title=f"Others at {report['rate']:.0f} documents/s: beside one agency that …, and alone")
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
        f"{about['at']}. {_load(report)}; {report['seconds']:.0f} s beside each and as long alone, by turns. "
        f"Likely: between these bounds lies the ratio with a chance of {100 * LIKELY:.0f} % (drawn from the pairs of turns)."
    )
    yield _machine(report)
    yield ""
    yield "| " + " | ".join(_HEAD) + " |"
    yield "|---" + "|---:" * (len(_HEAD) - 2) + "|---|"
    for row in rows(report):
        yield "| " + " | ".join(row) + " |"
    yield ""
    yield "| cores used | | " + " | ".join(_PARTS) + " | busy | how the agency fared |"
    yield "|---|---" + "|---:" * (len(_PARTS) + 1) + "|---|"
    for run in report["runs"]:
        for side, words, fared in (("alone", "", ""), ("beside", SCENARIOS[run["scenario"]], _fared(run))):
            told = summed_up(run[side])
            used = [f"{told['cores'][part]:.2f}" for part in _PARTS]
            yield f"| {words} | {side} | " + " | ".join([*used, f"{100 * told['busy']:.0f} %", fared]) + " |"


def _load(report: Mapping[str, Any]) -> str:
    others = f"the others send {report['rate']:.0f}/s"
    if report["capacity"] is None:
        return others[:1].upper() + others[1:]
    return f"The gateway took {report['capacity']:.0f} documents/s, {others}"


def _cores(report: Mapping[str, Any]) -> Iterator[str]:
    for run in report["runs"]:
        for side in ("alone", "beside"):
            cores = summed_up(run[side])["cores"]
            used = " ".join(f"{part} {cores[part]:.2f}" for part in _PARTS)
            yield f"{run['scenario']}, {side}: cores: {used}"
        yield f"{run['scenario']}: {_fared(run)}"
    yield _machine(report)


def _fared(run: Mapping[str, Any]) -> str:
    return ", ".join(f"{what} {count}" for what, count in run["greedy"].items())


def _machine(report: Mapping[str, Any]) -> str:
    """What the machine had to do besides, and how its disk was."""
    turns = [turn for run in report["runs"] for side in ("alone", "beside") for turn in run[side]]
    stolen, waiting, strangers = (
        [100 * turn[share] for turn in turns] for share in ("stolen", "waiting", "strangers")
    )
    told = (
        f"In single turns the host kept up to {max(stolen, default=0):.1f} % of the processors to itself, and for {min(waiting, default=0):.0f} to "
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
