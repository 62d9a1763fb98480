"""Breaks each promise on purpose, in a copy, and demands that the named test notices.

    python -m tools.sabotage                # all
    python -m tools.sabotage --only chain   # those whose name contains "chain"

A patch in ``tests/sabotage/`` begins with two lines, ``promise: <number> <words>`` and ``test: <pytest node id>``,
then a unified diff.  A patch that no longer applies, a test that does not pass without it, and a test that
still passes with it are all failures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEST_TIME_S = 300


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One patch: what it breaks, and the test that must notice."""

    name: str
    promise: str
    test: str
    diff: str


def load(folder: Path) -> list[Sabotage]:
    """Every sabotage in *folder*; exits with a sentence where one has no promise or no test."""
    found = []
    for path in sorted(folder.glob("*.patch")):
        text = path.read_text(encoding="utf-8")
        head, _, diff = text.partition("\n--- ")
        fields = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
        if not {"promise", "test"} <= fields.keys() or not diff:
            raise SystemExit(f"{path.name}: needs the lines promise: and test:, and a diff")
        found.append(Sabotage(path.stem, fields["promise"], fields["test"], f"--- {diff}"))
    return found


def copy_of(source: Path, target: Path) -> None:
    """The tracked and new files of *source*, without what is ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=source, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)


def passes(copy: Path, tests: Sequence[str]) -> bool | None:
    """Whether *tests* pass in *copy*; ``None`` where they could not even be run."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=TEST_TIME_S,
    )
    if done.returncode not in (0, 1):
        print(done.stdout[-2000:], done.stderr[-1000:], sep="\n")
        return None
    return done.returncode == 0


def notices(one: Sabotage, scratch: Path) -> str:
    """``""`` where the test notices the sabotage, else what is wrong."""
    copy = scratch / one.name
    copy_of(ROOT, copy)
    if passes(copy, [one.test]) is not True:
        return f"{one.test} does not pass even without the sabotage"
    applied = subprocess.run(
        ["git", "apply", "-p1", "-C1", "-"], cwd=copy, input=one.diff, text=True, capture_output=True
    )
    if applied.returncode != 0:
        return f"the patch no longer applies: {applied.stderr.strip()[:300]}"
    outcome = passes(copy, [one.test])
    shutil.rmtree(copy, ignore_errors=True)
    if outcome is None:
        return f"{one.test} cannot be run with the sabotage: it must fail, not break"
    return f"{one.test} still passes" if outcome else ""


def main() -> None:
    """Run them, one after the other; exit 1 where one goes unnoticed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="part of a name")
    wanted = [s for s in load(ROOT / "tests/sabotage") if parser.parse_args().only in s.name]
    if not wanted:
        raise SystemExit("no sabotage of that name")
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="vanthu-sabotage-") as scratch:
        for one in wanted:
            wrong = notices(one, Path(scratch))
            unnoticed += bool(wrong)
            print(
                f"{'UNNOTICED' if wrong else 'noticed  '} {one.name}: {one.promise}"
                + (f"\n    {wrong}" if wrong else ""),
                flush=True,
            )
    print(f"{len(wanted) - unnoticed} passed, {unnoticed} failed")
    raise SystemExit(1 if unnoticed else 0)


if __name__ == "__main__":
    main()
