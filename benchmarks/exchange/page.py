"""``exchange.json`` for people: on the console, and as ``docs/benchmarks-exchange.md`` with its pictures.

python -m benchmarks.exchange.page
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.exchange import figures, picture
from benchmarks.exchange.figures import EITHER, GOALS, Goal, at
from benchmarks.exchange.plan import PARTS
from benchmarks.sign.page import replaced as between_marks
from tools.setup import ROOT

BEGIN, END = "<!-- figures: make bench -->", "<!-- end of figures -->"
QUIET = 0.05
"""What others may use of the machine without being mentioned."""
_CPU = ("worker", "judge", "parent", "broker", "database", "clients")
_EXCHANGES = (
    ("SQLite, as served", "sqlite"),
    ("SQLite, one worker", "one_worker"),
    ("SQLite, two workers", "two_workers"),
    ("PostgreSQL, as served", "postgresql"),
)


def rows(report: Mapping[str, Any]) -> Iterator[tuple[Goal, float | None, str]]:
    """Each goal, its figure, and whether it is met."""
    for goal in GOALS:
        figure = at(report, goal.key)
        yield goal, figure, _verdict(goal, figure, report)


def tables(report: Mapping[str, Any]) -> str:
    """The figures in Markdown."""
    return "\n".join(_tables(report))


def write(report: Mapping[str, Any], docs: Path = ROOT / "docs") -> None:
    """The page's figures and both pictures, anew."""
    page = docs / "benchmarks-exchange.md"
    page.write_text(replaced(page.read_text("utf-8"), tables(report)), encoding="utf-8")
    (docs / "pictures" / "exchange-cpu.svg").write_text(picture.cpu(report["detail"]), encoding="utf-8")
    if (drawn := picture.soak(report["detail"])) is not None:
        (docs / "pictures" / "exchange-soak.svg").write_text(drawn, encoding="utf-8")


def replaced(page: str, figures: str) -> str:
    """*page* with *figures* between its marks.  Raises ``ValueError`` where they are missing."""
    return between_marks(page, figures, begin=BEGIN, end=END)


def show(report: Mapping[str, Any], console: Console) -> None:
    """Goals and figures on the console."""
    table = Table(title="Goals")
    for name in ("what", "goal", "figure", "ratio", ""):
        table.add_column(name, justify="left" if name in ("what", "") else "right")
    for goal, figure, verdict in rows(report):
        table.add_row(goal.name, goal.told, _figure(goal, figure), _ratio(goal, figure), verdict)
    console.print(table)
    if (told := _disturbed(report["detail"])) is not None:
        console.print(told)
    missing = [part for part in PARTS if part not in report["detail"]]
    if missing:
        console.print(f"not measured: {', '.join(missing)}")


def show_configuration(about: Mapping[str, Any], console: Console) -> None:
    """What is measured on, and with which configuration."""
    console.print(_conditions(about), markup=False, highlight=False)
    console.print(_configuration(about), style="dim", markup=False, highlight=False)


def _disturbed(detail: Mapping[str, Any]) -> str | None:
    share = figures.strangers(detail)
    if share <= QUIET:
        return None
    return (
        f"Others were at work: they had up to {100 * share:.0f} % of the machine. Rates and times are lower and longer than "
        "they are on a quiet one, and CPU per document is higher."
    )


def _verdict(goal: Goal, figure: float | None, report: Mapping[str, Any]) -> str:
    if figure is None:
        return "not measured"
    if goal.ratio(figure) >= 1:
        return "met"
    others = [one for one in GOALS if goal.key in EITHER and one.key in EITHER and one is not goal]
    for other in others:
        reached = at(report, other.key)
        if reached is not None and other.ratio(reached) >= 1:
            return "the other is met"
    return "MISSED"


def _figure(goal: Goal, figure: float | None) -> str:
    if figure is None:
        return "–"
    digits = 2 if goal.limit < 10 else 1 if goal.limit < 100 else 0
    return f"{figure:.{digits}f}{goal.unit and ' ' + goal.unit}"


def _ratio(goal: Goal, figure: float | None) -> str:
    return "" if figure is None else f"{goal.ratio(figure):.2f}"


def _conditions(about: Mapping[str, Any]) -> str:
    return (
        f"{about['cpu']}, {about['cores']} cores, load {about['load_before']} before; Python {about['python']}; "
        f"commit {about['commit'] or 'unknown'}, {about['at']}. PDFs of "
        + " and ".join(f"{size:,} bytes ({kind})" for kind, size in about["pdf_bytes"].items())
        + "."
    )


def _configuration(about: Mapping[str, Any]) -> str:
    told = about["configuration"]
    words = [
        f"[{section}] " + " ".join(f"{k}={v}" for k, v in told[section].items() if v not in ("", None))
        for section in ("pace", "inspection", "store", "broker", "log")
    ]
    return "; ".join([*words, f"synchronous={told['sqlite_synchronous']}"])


def _tables(report: Mapping[str, Any]) -> Iterator[str]:
    detail = report["detail"]
    if "about" in detail:
        yield _conditions(detail["about"])
        if (told := _disturbed(detail)) is not None:
            yield f"**{told}**"
        yield ""
    yield "| what | goal | figure | figure ÷ goal | |"
    yield "|---|---:|---:|---:|---|"
    for goal, figure, verdict in rows(report):
        yield f"| {goal.name} | {goal.told} | {_figure(goal, figure)} | {_ratio(goal, figure)} | {verdict} |"
    if "exchange" in detail:
        yield from _exchange(detail["exchange"])
    if "latency" in detail:
        yield from _latency(detail["latency"])
    if "fanout" in detail:
        yield from _fanout(detail["fanout"])
    if "memory" in detail:
        peaks = ", ".join(f"{part} {mb:.0f} MB" for part, mb in sorted(detail["memory"]["peaks_mb"].items()))
        yield from ("", f"Largest processes while ten files of 50 MB pass by claim: {peaks}.")
    if "growth" in detail:
        yield from _growth(detail["growth"])
    if "soak" in detail:
        yield from _soak(detail["soak"])
    if "about" in detail:
        yield from ("", f"Configuration: `{_configuration(detail['about'])}`")


def _exchange(told: Mapping[str, Any]) -> Iterator[str]:
    yield from _table(
        ["whole exchange", "/s", "gateway CPU ms", *(f"{part}" for part in _CPU), "kernel", "busy", "strangers", "p50 ms", "p99 ms"],
        [
            [
                f"{name}, {kind}",
                f"{one['per_s']:.1f}",
                f"{one['gateway_cpu_ms']:.2f}",
                *(f"{one['cpu_ms'].get(part, 0.0):.2f}" for part in _CPU),
                f"{one['kernel_cpu_ms']:.2f}",
                f"{100 * one['busy']:.0f} %",f"{100 * one['strangers']:.0f} %",
                f"{one['p50_ms']:.0f}",
                f"{one['p99_ms']:.0f}",
            ]
            for name, key in _EXCHANGES
            for kind, one in told.get(key, {}).items()
        ],
    )  # fmt: skip
    parts = told["parts"]
    yield from _table(
        ["bare parts of one document", "CPU ms"],
        [[name.removesuffix("_ms"), f"{ms:.2f}"] for name, ms in parts.items()],
    )


def _latency(told: Mapping[str, Any]) -> Iterator[str]:
    yield from _table(
        ["latency, arrivals by the clock", "/s", "documents", "p50 ms", "p99 ms", "gateway CPU ms", "sent late at most, ms"],
        [
            [name, f"{one['asked_per_s']:.0f}", str(one["documents"]), f"{one['p50_ms']:.0f}", f"{one['p99_ms']:.0f}",
             f"{one['gateway_cpu_ms']:.2f}", f"{one['sent_late_ms']:.0f}"]
            for name, one in (("half load, unsigned", told["half_load"]), ("half load, signed", told["half_load_signed"]))
        ],
    )  # fmt: skip


def _fanout(told: Mapping[str, Any]) -> Iterator[str]:
    yield from _table(
        ["one document to 448 organs", "copies/s", "seconds", "gateway CPU ms per copy", "broker", "clients"],
        [
            [
                f"{one['by_queue']:.0f} by queue",
                f"{one['per_s']:.0f}",
                f"{one['elapsed_s']:.2f}",
                *(f"{one[f'{who}_cpu_ms_per_copy']:.2f}" for who in ("gateway", "broker", "clients")),
            ]
            for one in told.values()
        ],
    )


def _growth(told: Mapping[str, Any]) -> Iterator[str]:
    named = (
        ("few organs, empty store", "few"),
        ("many organs", "many_organs"),
        ("many documents", "many_documents"),
    )
    yield from _table(
        [
            "growth",
            "/s",
            "gateway CPU ms",
            "broker CPU ms",
            "page of one document, p50 ms",
            "settled after s",
            "at /s",
        ],
        [
            [
                name,
                f"{told[key]['per_s']:.1f}",
                f"{told[key]['gateway_cpu_ms']:.2f}",
                f"{told[key]['cpu_ms'].get('broker', 0):.2f}",
                f"{told[key]['page_ms']['p50']:.1f}",
                f"{told[key]['at_first']['seconds']:.1f}",
                f"{told[key]['at_first']['per_s']:.1f}",
            ]
            for name, key in named
        ],
    )


def _soak(told: Mapping[str, Any]) -> Iterator[str]:
    minutes = told["minutes"]
    if not minutes:
        return
    grows = ", ".join(f"{part} {mb:+.0f} MB" for part, mb in told["rss_mb_per_hour"].items())
    yield ""
    yield (
        f"Soak of {len(minutes)} minutes: {minutes[0]['per_s']:.1f}/s in the first, {minutes[-1]['per_s']:.1f}/s in the last; "
        f"memory per hour by its slope: {grows}."
    )


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(head)} |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in body:
        yield f"| {' | '.join(row)} |"


def main() -> None:
    """The command."""
    write(json.loads((ROOT / "var" / "bench" / "exchange.json").read_text("utf-8")))


if __name__ == "__main__":
    main()
