"""The figures in ``docs/benchmarks.md`` and the picture beside it, written anew from ``var/bench/sign.json``.

python -m benchmarks.sign.page
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.sign import picture, report
from tools.setup import ROOT

BEGIN, END = "<!-- figures: make bench-sign -->", "<!-- end of figures -->"


def tables(told: Mapping[str, Any]) -> str:
    """The figures in Markdown."""
    return "\n".join(_tables(told))


def replaced(page: str, figures: str, *, begin: str = BEGIN, end: str = END) -> str:
    """*page* with *figures* between its marks.  Raises ``ValueError`` where they are missing."""
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"the page has no place for figures: {begin} … {end}")
    return f"{before}{begin}\n{figures}\n{end}{after}"


def _tables(told: Mapping[str, Any]) -> Iterator[str]:
    yield report.conditions(told)
    yield from _table(told, "one signature on 234 KB", report.sealing(told))
    yield from _table(told, "besides", report.ourselves(told))
    yield from _table(told, "where a seal's time goes", report.steps(told))


def _table(told: Mapping[str, Any], title: str, rows: Sequence[report.Row]) -> Iterator[str]:
    yield ""
    yield f"| {title} | ms | CPU ms | counted | ratio | goal | |"
    yield "|---|---:|---:|---:|---|---|---|"
    for row in rows:
        figures = f"{report.number(row.ms)} | {report.processor(told, row)} | {report.counted(told, row)}"
        yield f"| {row.what} | {figures} | {row.ratio} | {row.goal} | {report.met(row)} |"


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--json", type=Path, default=ROOT / "var" / "bench" / "sign.json")
    words.add_argument("--docs", type=Path, default=ROOT / "docs")
    given = words.parse_args()
    told = json.loads(given.json.read_text("utf-8"))
    page = given.docs / "benchmarks.md"
    page.write_text(replaced(page.read_text("utf-8"), tables(told)), encoding="utf-8")
    drawn = given.docs / "pictures" / "sign.svg"
    drawn.parent.mkdir(exist_ok=True)
    drawn.write_text(picture.draw(told), encoding="utf-8")


if __name__ == "__main__":
    main()
