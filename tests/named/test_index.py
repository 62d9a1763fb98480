"""Each of the fifteen bugs has a test of its name, and what is shown elsewhere is really there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.named.index import ELSEWHERE, LATER
from tools.sabotage import exists

BUGS = range(1, 16)


def named() -> dict[int, list[str]]:
    """The tests of this folder by the number of their bug."""
    found: dict[int, list[str]] = {}
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ""
            if match := re.match(r"test_(\d\d)_", name):
                found.setdefault(int(match[1]), []).append(name)
    return found


@pytest.mark.parametrize("number", BUGS)
def test_a_named_bug_has_a_test_of_its_name(number: int) -> None:
    assert named().get(number)


def test_no_other_numbers_are_used() -> None:
    assert {*named(), *ELSEWHERE, *LATER} <= set(BUGS)


@pytest.mark.parametrize("test", sorted({test for tests in ELSEWHERE.values() for test in tests}))
def test_what_is_shown_elsewhere_is_there(test: str) -> None:
    assert exists(test)
