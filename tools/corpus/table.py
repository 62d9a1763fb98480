"""The results for people, and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from tools.corpus.run import Result


def lines_of(results: Sequence[Result]) -> Sequence[str]:
    """A table by category, then every miss and every absent file by name."""
    width = max(len(result.row.category) for result in results)
    head = f"{'category':{width}}  {'must':11}  {'files':>5}  {'right':>5}  {'misses':>6}  {'slowest':>9}  {'peak':>8}"
    lines = [head, "-" * len(head)]
    by_group = sorted(results, key=lambda r: (r.row.category, r.row.must))
    for (category, must), some in groupby(by_group, key=lambda r: (r.row.category, r.row.must)):
        lines.append(f"{category:{width}}  {must:11}  {_numbers([r for r in some if not r.is_absent])}")
    lines += [
        "-" * len(head),
        f"{'all':{width}}  {'':11}  {_numbers([r for r in results if not r.is_absent])}",
    ]
    lines += [f"MISS    {r.row.file} (must: {r.row.word}): {r.why}" for r in results if r.is_miss]
    lines += [f"ABSENT  {r.row.file}: {r.why}" for r in results if r.is_absent]
    return lines


def write(path: Path, folder: Path, results: Sequence[Result]) -> None:
    """The same as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "corpus": str(folder),
        "files": sum(not r.is_absent for r in results),
        "misses": sum(r.is_miss for r in results),
        "absent": sum(r.is_absent for r in results),
        "slowest_s": round(max((r.seconds for r in results), default=0.0), 3),
        "peak_mib": round(max((r.peak_mib for r in results), default=0.0), 1),
        "results": [{**asdict(r), **asdict(r.row), "row": None} for r in results],
    }
    for entry in report["results"]:  # type: ignore[attr-defined]  # a list of dictionaries
        del entry["row"]
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _numbers(some: Sequence[Result]) -> str:
    misses = sum(r.is_miss for r in some)
    slowest = max((r.seconds for r in some), default=0.0)
    peak = max((r.peak_mib for r in some), default=0.0)
    return f"{len(some):5}  {len(some) - misses:5}  {misses:6}  {slowest * 1000:6.0f} ms  {peak:4.0f} MiB"
