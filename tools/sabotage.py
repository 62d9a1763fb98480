"""Breaks each promise on purpose, in a copy, and demands that the named test notices.

    python -m tools.sabotage                # all
    python -m tools.sabotage --only chain   # those whose name or promise contains "chain"
    python -m tools.sabotage --jobs 2       # two at a time (the default)
    python -m tools.sabotage --table        # which sabotages break which clause of which promise

At the end stands a table: what each promise says, clause by clause (``clauses.toml`` beside the patches), and how many
sabotages of each were noticed.  A clause without any is a failure.  ``--table`` prints it without running anything.

A patch in ``tests/sabotage/`` begins with two lines, ``promise: <number> <words>`` and ``test: <pytest node id>``,
then a unified diff.  A patch that no longer applies or leaves no Python, a test that does not pass without it,
and a test that still passes with it are all failures; so is one that cannot be run, or never ends: only an
assertion that fails counts as noticed.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
PATCHES = ROOT / "tests" / "sabotage"
TEST_TIME_S = 300
CLAUSES = "clauses.toml"
PROMISES = range(1, 13)
"""The numbers of what the README promises."""


class Verdict(Enum):
    """How a run of one test ended."""

    PASSED = "passes"
    FAILED = "fails"
    BROKEN = "cannot be run"
    ENDLESS = f"does not end within {TEST_TIME_S} s"


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One patch: what it breaks, and the test that must notice."""

    name: str
    promise: str
    test: str
    diff: str

    @property
    def number(self) -> int:
        """The number of the promise; 0 where the header names none."""
        first = self.promise.split(" ", 1)[0]
        return int(first) if first.isdecimal() else 0


def load(folder: Path) -> list[Sabotage]:
    """Every sabotage in *folder*; exits with a sentence where one has no promise, no test or no diff."""
    found = []
    for path in sorted(folder.glob("*.patch")):
        head, _, diff = path.read_text(encoding="utf-8").partition("\n--- ")
        fields = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
        if not {"promise", "test"} <= fields.keys() or not diff:
            raise SystemExit(f"{path.name}: needs the lines promise: and test:, and a diff")
        one = Sabotage(path.stem, fields["promise"].strip(), fields["test"].strip(), f"--- {diff}")
        if one.number not in PROMISES:
            raise SystemExit(f"{path.name}: the promise begins with a number from 1 to {PROMISES[-1]}")
        found.append(one)
    return found


def clauses(folder: Path) -> dict[int, dict[str, list[str]]]:
    """What each promise says, and the names of the sabotages that break it; nothing where the folder has no list."""
    file = folder / CLAUSES
    told = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {int(number): said for number, said in told.items()}


def table(folder: Path, known: Sequence[Sabotage], noticed: set[str] | None = None) -> tuple[list[str], int]:
    """The lines of the table, and how many clauses nobody breaks (with *noticed*: none of whose sabotages is in it)."""
    names = {one.name for one in known}
    lines, bare = [], 0
    for number, said in clauses(folder).items():
        listed = {name for breakers in said.values() for name in breakers}
        besides = [one.name for one in known if one.number == number and one.name not in listed]
        lines.append(f"promise {number}: {len(besides)} besides those of its clauses")
        for clause, breakers in said.items():
            there = names.intersection(breakers)
            seen = there if noticed is None else there & noticed
            bare += not seen
            word = f"{len(seen)} of {len(breakers)} noticed" if noticed is not None else f"{len(there)}"
            lines.append(f"  {'NONE' if not seen else word:16} {clause}")
            lines += [f"  {'MISSING':16} {name}" for name in breakers if name not in names]
            bare += len(set(breakers) - names)
    return lines, bare


def exists(test: str, root: Path = ROOT) -> bool:
    """Whether the file of the node id *test* defines the function that it names."""
    file, _, name = test.partition("::")
    path = root / file
    if not path.is_file():
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name.partition("[")[0]
        for node in tree.body
    )


def apply(diff: str, folder: Path, *, dry: bool = False) -> str:
    """Apply *diff* in *folder*; ``""`` where it fits and leaves Python, else what is wrong.

    One line of context must match, so that a patch outlives changes around it.
    """
    command = ["git", "apply", "-p1", "-C1", *(["--check"] if dry else []), "-"]
    # without a repository around it, git would not look at a folder inside another repository
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(command, cwd=folder, input=diff, text=True, capture_output=True, env=environment)
    if done.returncode != 0:
        return f"the patch no longer applies: {done.stderr.strip()[:300]}"
    changed = [line[6:].split("\t")[0] for line in diff.splitlines() if line.startswith("+++ b/")]
    for name in [] if dry else changed:
        try:
            compile((folder / name).read_bytes(), name, "exec")
        except SyntaxError as error:
            return f"the patch leaves no Python: {error}"
    return ""


def copy_of(source: Path, target: Path) -> None:
    """The tracked and new files of *source*, without what is ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=source, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)


def run(copy: Path, tests: Sequence[str]) -> dict[str, Verdict]:
    """How each of *tests* ends in *copy*."""
    report = copy / "var" / "sabotage.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, "-x"] if len(tests) == 1 else command,
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TEST_TIME_S * (1 + len(tests) // 10),
        )
    except subprocess.TimeoutExpired:
        return dict.fromkeys(tests, Verdict.ENDLESS)
    if done.returncode not in (0, 1) or not report.is_file():
        print(done.stdout[-2000:], done.stderr[-1000:], sep="\n")
        return dict.fromkeys(tests, Verdict.BROKEN)
    cases = list(ElementTree.parse(report).iter("testcase"))
    return {test: _verdict(test, cases) for test in tests}


def _verdict(test: str, cases: Sequence[ElementTree.Element]) -> Verdict:
    file, _, name = test.partition("::")
    place = file.removesuffix(".py").replace("/", ".")
    mine = [
        case
        for case in cases
        if case.get("classname") == place and f"{case.get('name')}[".startswith(f"{name}[")
    ]
    told = [(kind, t) for case in mine for kind in ("failure", "error", "skipped") for t in case.iter(kind)]
    # What the watchdog says on a machine that is busy with us is no verdict of the test.
    told = [(kind, t) for kind, t in told if "the loop was held" not in f"{t.get('message')} {t.text}"]
    if any(kind == "failure" for kind, _ in told):
        return Verdict.FAILED
    for _, one in told[:1]:
        print(f"{test}: {(one.get('message') or '')[:300]}", file=sys.stderr)
    return Verdict.PASSED if mine and not told else Verdict.BROKEN


def unfit(pristine: Path, scratch: Path, tests: Sequence[str], jobs: int) -> dict[str, str]:
    """Those of *tests* that do not pass in an untouched copy, and why; shared by all patches that name them."""
    groups = [sorted(tests)[at::jobs] for at in range(jobs)]

    def passing(group: Sequence[str], number: int) -> dict[str, Verdict]:
        copy = scratch / f"untouched-{number}"
        shutil.copytree(pristine, copy)
        verdicts = run(copy, group)
        # a machine that is busy with the others is no reason: each that failed once more, alone
        again = [test for test, verdict in verdicts.items() if verdict is not Verdict.PASSED]
        for test in again:
            verdicts |= run(copy, [test])
        shutil.rmtree(copy, ignore_errors=True)
        return verdicts

    found: dict[str, str] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for verdicts in pool.map(passing, [group for group in groups if group], range(jobs)):
            for test, verdict in verdicts.items():
                if verdict is not Verdict.PASSED:
                    found[test] = f"{test} {verdict.value} even without the sabotage"
    return found


def notices(one: Sabotage, pristine: Path, scratch: Path) -> str:
    """``""`` where the test notices the sabotage, else what is wrong."""
    copy = scratch / one.name
    shutil.copytree(pristine, copy)
    try:
        if wrong := apply(one.diff, copy):
            return wrong
        verdict = run(copy, [one.test])[one.test]
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return "" if verdict is Verdict.FAILED else f"{one.test} {verdict.value} with the sabotage: it must fail"


def unnoticed(wanted: Sequence[Sabotage], jobs: int, source: Path = ROOT) -> set[str]:
    """The names of those of *wanted* that go unnoticed in a copy of *source*; prints a line for each."""
    blind = set[str]()
    with tempfile.TemporaryDirectory(prefix="vanthu-sabotage-") as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)  # servers that a test starts may run as a user of their own
        pristine = scratch / "pristine"
        copy_of(source, pristine)
        missing = {one.test for one in wanted if not exists(one.test, pristine)}
        tests = sorted({one.test for one in wanted} - missing)
        wrong = {test: f"{test} does not exist" for test in missing}
        wrong |= unfit(pristine, scratch, tests, jobs)

        def outcome(one: Sabotage) -> tuple[Sabotage, str, float]:
            began = time.monotonic()
            return one, wrong.get(one.test) or notices(one, pristine, scratch), time.monotonic() - began

        with ThreadPoolExecutor(jobs) as pool:
            # those that wait for servers first: at the end they would run alone
            ordered = sorted(wanted, key=lambda one: not one.test.startswith("tests/service/"))
            for done in as_completed([pool.submit(outcome, one) for one in ordered]):
                one, why, seconds = done.result()
                if why:
                    blind.add(one.name)
                word = "UNNOTICED" if why else "noticed  "
                detail = f"\n    {why}" if why else ""
                print(f"{word} {seconds:5.1f} s  {one.name}: {one.promise}{detail}", flush=True)
    return blind


def main(arguments: Sequence[str] | None = None) -> None:
    """Run them; exit 1 where one goes unnoticed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[""], help="parts of names or of promises' words")
    parser.add_argument("--table", action="store_true", help="print what breaks which clause, run nothing")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--patches", type=Path, default=PATCHES, help="the folder of the patches")
    parser.add_argument("--source", type=Path, default=ROOT, help="the repository to break a copy of")
    given = parser.parse_args(arguments)
    is_part = given.only != [""]
    known = load(given.patches)
    if given.table:
        lines, bare = table(given.patches, known)
        print("\n".join(lines))
        raise SystemExit(1 if bare else 0)
    wanted = [s for s in known if any(part in s.name or part in s.promise for part in given.only)]
    if not wanted:
        raise SystemExit("no sabotage of that name")
    began = time.monotonic()
    blind = unnoticed(wanted, max(1, given.jobs), given.source)
    seconds = time.monotonic() - began
    bare = 0
    if not is_part:
        lines, bare = table(given.patches, known, {one.name for one in wanted} - blind)
        print("\n".join(lines))
    print(
        f"{len(wanted)} sabotages in {seconds:.0f} s: {len(wanted) - len(blind)} noticed, {len(blind)} not"
        + (f"; {bare} clauses are broken by none" if bare else "")
    )
    raise SystemExit(1 if blind or bare else 0)


if __name__ == "__main__":
    main()
