"""Measures envelopes and evidence, and writes ``docs/benchmarks-envelope.md``.

    python -m benchmarks.envelope --rounds 30

One process, one thread of work at a time; every figure is the median over the rounds, all contestants take turns in
each round.  ``CPU`` is that of all threads of the process.  Ratios are between medians of the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from adapters.envelope.edxml import Options
from adapters.files import InHand
from adapters.store import FileVault, VaultOptions
from benchmarks.envelope import contestants, documents, proofs
from benchmarks.sign import machine
from tools.setup import ROOT

BEGIN, END = "<!-- figures: make bench-envelope -->", "<!-- end of figures -->"
LIBRARIES = ("lxml", "pybase64", "cryptography")
GOALS_MS = {"234 KB": 3.0, "50 MB": 600.0, "evidence": 0.3}
_HEAD = 256 * 1024
_ROW = 5  # small documents in a row: one alone would measure how cold the caches are

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row: *what* did *who*, in milliseconds of the clock and of CPU; ``goal`` 0: none."""

    what: str
    who: str
    ms: float
    cpu_ms: float
    rounds: int
    goal: float = 0.0


async def measured(what: str, entrants: Mapping[str, Work], rounds: int) -> list[Figure]:
    """Let all *entrants* take turns for *rounds* rounds; one round before does not count."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in entrants}
    for number in range(rounds + 1):
        for name, run in entrants.items():
            gc.collect()
            began, cpu = time.perf_counter(), time.process_time()
            await run()
            spent = time.perf_counter() - began, time.process_time() - cpu
            if number:
                took[name].append(spent)
    return [
        Figure(
            what=what,
            who=name,
            ms=statistics.median(ms for ms, _ in each) * 1000,
            cpu_ms=statistics.median(cpu for _, cpu in each) * 1000,
            rounds=rounds,
        )
        for name, each in took.items()
    ]


def plain(run: Callable[[], None], times: int = 1) -> Work:
    """*run* as work, *times* in a row."""

    async def go() -> None:
        for _ in range(times):
            run()

    return go


async def envelopes(rounds: int, large_rounds: int, folder: Path) -> list[Figure]:
    """Every document by every contestant."""
    figures: list[Figure] = []
    for paper in (documents.ordinary(), documents.wrapped()):
        entrants = {name: _repeated(run) for name, run in _in_memory(paper).items()}
        figures += _with_goal(_each(await measured(paper.name, entrants, rounds), _ROW), "234 KB")
    paper = documents.large()
    vault = FileVault(VaultOptions(folder=folder / "vault"))
    ref = await vault.put(paper.edxml)
    options = Options(folder=folder)
    through = contestants.from_vault(ref, paper.edxml[:_HEAD], vault, options)
    in_turn = {"Vanthu, from vault to vault": through, **_in_memory(paper)}
    figures += _with_goal(await measured(paper.name, in_turn, large_rounds), "50 MB")
    await vault.close()
    return figures


def _in_memory(paper: documents.Paper) -> dict[str, Work]:
    return {
        "Vanthu": contestants.ours(paper, InHand()),
        "limit": plain(contestants.limit(paper)),
        "lxml DOM": plain(contestants.lxml_dom(paper)),
        "ElementTree": plain(contestants.element_tree(paper)),
    }


async def evidence(rounds: int, folder: Path, times: int = 50) -> list[Figure]:
    """Events attested and chained; figures are per event."""
    entrants = {
        "Vanthu": plain(proofs.chain(proofs.notary(folder / "keys")), times),
        "limit": plain(proofs.limit(), times),
    }
    return _with_goal(_each(await measured("evidence", entrants, rounds), times), "evidence")


def _repeated(run: Work) -> Work:
    async def go() -> None:
        for _ in range(_ROW):
            await run()

    return go


def _each(figures: list[Figure], times: int) -> list[Figure]:
    """*figures* of *times* in a row, for one of them."""
    return [
        replace(one, ms=one.ms / times, cpu_ms=one.cpu_ms / times, rounds=one.rounds * times)
        for one in figures
    ]


def _with_goal(figures: list[Figure], name: str) -> list[Figure]:
    return [replace(one, goal=GOALS_MS[name]) if one.who.startswith("Vanthu") else one for one in figures]


def tables(about: Mapping[str, object], figures: Sequence[Figure]) -> str:
    """The figures in Markdown."""
    lines = [f"Measured on {about['cpu']}, {about['cores']} cores, load before {about['load_before']}, Python {about['python']}, "
             + ", ".join(f"{name} {version(name)}" for name in LIBRARIES) + "."]  # fmt: skip
    for what in dict.fromkeys(one.what for one in figures):
        rows = [one for one in figures if one.what == what]
        bare = next(one.cpu_ms for one in rows if one.who == "limit")
        lines += [
            "",
            f"| {what} | ms | CPU ms | × limit (CPU) | goal ms | | rounds |",
            "|---|---:|---:|---:|---:|---|---:|",
        ]
        for one in rows:
            goal = f"≤{one.goal:g} | {_met(one)}" if one.goal else " | "
            lines.append(
                f"| {one.who} | {one.ms:.3g} | {one.cpu_ms:.3g} | {one.cpu_ms / bare:.2f} | {goal} | {one.rounds} |"
            )
    return "\n".join(lines)


def _met(one: Figure) -> str:
    if one.ms <= one.goal:
        return "met"
    return "met by CPU time" if one.cpu_ms <= one.goal else "MISSED"


def replaced(page: str, figures: str) -> str:
    """*page* with *figures* between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no place for figures: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


async def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--rounds", type=int, default=30)
    words.add_argument("--large-rounds", type=int, default=5)
    words.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "envelope.json")
    words.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks-envelope.md")
    given = words.parse_args()
    about = machine.describe()
    given.json.parent.mkdir(parents=True, exist_ok=True)
    # beside the results: a memory file system would flatter the vault
    with tempfile.TemporaryDirectory(dir=given.json.parent) as folder:
        figures = await evidence(given.rounds, Path(folder))
        figures += await envelopes(given.rounds, given.large_rounds, Path(folder))
    told = tables(about, figures)
    print(told)
    given.json.write_text(
        json.dumps({"about": about, "figures": [asdict(one) for one in figures]}, indent=1), "utf-8"
    )
    given.page.write_text(replaced(given.page.read_text("utf-8"), told), "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
