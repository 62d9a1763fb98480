"""``python -m tools.corpus FOLDER``: exit 0 where every demand is met, 1 where one is not, 2 where none could be read."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from gateway import wiring
from tools.corpus import independent, table
from tools.corpus.manifest import Must, NoManifest, rows_of
from tools.corpus.run import Result, run


def main() -> None:
    """Judge the folder."""
    parser = argparse.ArgumentParser(description="Judge a folder of PDFs as its manifest demands.")
    parser.add_argument("folder", type=Path, help="a folder with manifest.csv (columns file, category, must)")
    parser.add_argument(
        "--report", type=Path, default=Path("var/corpus/report.json"), help="where the JSON goes"
    )
    given = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # names need not be letters
    wiring.quiet()
    try:
        rows = rows_of(given.folder)
    except NoManifest as exc:
        print(exc, file=sys.stderr)
        sys.exit(2)
    if any(row.must is Must.SIGN for row in rows) and (missing := independent.missing()):
        packages = " ".join(sorted(missing.values()))
        print(f"{', '.join(missing)}: not installed (apt-get install {packages})", file=sys.stderr)
        sys.exit(2)
    done = 0

    def heard(result: Result) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            print(f"\r{done}/{len(rows)} ", end="", file=sys.stderr, flush=True)

    results = asyncio.run(run(given.folder, rows, heard=heard))
    table.write(given.report, given.folder, results)
    print("\n".join(table.lines_of(results)))
    if all(result.is_absent for result in results):
        sys.exit(2)
    sys.exit(1 if any(result.is_miss for result in results) else 0)


if __name__ == "__main__":
    main()
