"""The sabotages themselves: each still fits the source and names a test that exists, and the tool can say no.

That the tests notice is for ``make sabotage``, which takes minutes.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools import sabotage
from tools.sabotage import PATCHES, PROMISES, ROOT, Sabotage

ALL = sabotage.load(PATCHES)

GAUGE = '''"""A thing that promises something."""

from __future__ import annotations


def most(numbers: list[int]) -> int:
    """The largest of *numbers*."""
    if not numbers:
        return 0
    return max(numbers)
'''
TEST = '''"""Whether it keeps it."""

from gauge import most


def test_the_largest_is_found():
    assert most([1, 3, 2]) == 3


def test_nothing_is_nought():
    assert most([]) == 0


def test_what_is_broken_already():
    assert most([1]) == 2
'''
DIFF = """
--- a/gauge.py
+++ b/gauge.py
@@ -9,2 +9,2 @@
         return 0
-    return max(numbers)
+    return min(numbers)
"""


def test_every_promise_has_a_sabotage() -> None:
    assert {one.number for one in ALL} == set(PROMISES)


def test_every_clause_of_every_promise_has_a_sabotage() -> None:
    assert sabotage.clauses(PATCHES).keys() == set(PROMISES)
    lines, bare = sabotage.table(PATCHES, ALL)
    assert bare == 0, "\n".join(lines)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_a_sabotage_fits_the_source_and_names_a_test_that_exists(one: Sabotage) -> None:
    assert sabotage.exists(one.test), one.test
    assert one.name.startswith(f"{one.number:02d}-"), "files lie in the order of the promises"
    changed = [line[6:] for line in one.diff.splitlines() if line.startswith("+++ ")]
    assert changed
    assert all(name.startswith(("gateway/", "adapters/")) for name in changed)
    assert sabotage.apply(one.diff, ROOT, dry=True) == ""


def test_no_two_sabotages_are_one() -> None:
    assert len({one.diff for one in ALL}) == len(ALL)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with one source, its tests, and a folder for patches."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # its tests need none, and start the quicker
    project = tmp_path / "project"
    (project / "patches").mkdir(parents=True)
    (project / "gauge.py").write_text(GAUGE, encoding="utf-8")
    (project / "test_gauge.py").write_text(TEST, encoding="utf-8")
    # the test configuration of this repository is not that one's
    (project / "pytest.ini").write_text("[pytest]\naddopts =\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    return project


def _outcome(project: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        sabotage.main(["--source", str(project), "--patches", str(project / "patches")])
    return int(ended.value.code or 0), capsys.readouterr().out


def _lay(project: Path, name: str, test: str, diff: str = DIFF) -> None:
    (project / "patches" / f"{name}.patch").write_text(
        f"promise: 1 the largest is the smallest\ntest: test_gauge.py::{test}\n{diff}", encoding="utf-8"
    )


def test_a_sabotage_that_its_test_notices_is_told_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _lay(project, "01-least", "test_the_largest_is_found")
    code, told = _outcome(project, capsys)
    assert (code, told.startswith("noticed")) == (0, True), told
    assert "min" not in (project / "gauge.py").read_text(), "only a copy was broken"


def test_a_run_fails_where_a_sabotage_goes_unnoticed_or_is_none(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = "test_the_largest_is_found"
    _lay(project, "good", found)
    _lay(project, "blind", "test_nothing_is_nought")
    _lay(project, "broken", "test_what_is_broken_already")
    _lay(project, "missing", "test_that_nobody_wrote")
    _lay(project, "rotten", found, DIFF.replace("max(numbers)", "sum(numbers)"))
    _lay(project, "garbled", found, DIFF.replace("min(numbers)", "min(numbers"))
    _lay(project, "dead", found, DIFF.replace("    return min(numbers)", "import nothing_of_that_name"))
    code, told = _outcome(project, capsys)
    assert code == 1
    assert told.splitlines()[-1].endswith("1 noticed, 6 not"), told
    for name, why in {
        "blind": "passes with the sabotage: it must fail",
        "broken": "fails even without the sabotage",
        "missing": "does not exist",
        "rotten": "no longer applies",
        "garbled": "leaves no Python",
        "dead": "cannot be run with the sabotage: it must fail",
    }.items():
        (line,) = [n for n, text in enumerate(told.splitlines()) if f" {name}: " in text]
        assert told.splitlines()[line].startswith("UNNOTICED")
        assert why in told.splitlines()[line + 1], told


def test_a_patch_without_its_header_is_refused(project: Path) -> None:
    (project / "patches" / "01-none.patch").write_text(f"promise: 1 something\n{DIFF}", encoding="utf-8")
    with pytest.raises(SystemExit, match="needs the lines promise: and test:"):
        sabotage.load(project / "patches")


def test_a_clause_that_no_sabotage_breaks_is_a_failure(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _lay(project, "01-least", "test_the_largest_is_found")
    (project / "patches" / sabotage.CLAUSES).write_text(
        '[1]\n"the largest is told" = ["01-least"]\n"in time" = []\n'
    )
    code, told = _outcome(project, capsys)
    assert (code, "1 of 1 noticed" in told, "NONE" in told) == (1, True, True), told


def test_only_asked_for_ones_are_run(project: Path) -> None:
    _lay(project, "01-least", "test_the_largest_is_found")
    with pytest.raises(SystemExit, match="no sabotage of that name"):
        sabotage.main(
            ["--only", "chain", "--patches", str(project / "patches"), "--source", os.fspath(project)]
        )
