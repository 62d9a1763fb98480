"""The watchdog bites."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.watchdog import HELD_S

pytest_plugins = ["pytester"]

HEAD = """
import time
import pytest
pytest_plugins = ["tests.watchdog"]

def burn(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
"""


@pytest.mark.parametrize(
    ("body", "marker", "outcome"),
    [
        ("burn(0.15)", "", {"failed": 1}),
        ("burn(0.15)", "@pytest.mark.heavy_body('burns')", {"passed": 1}),
        ("burn(0.01)", "", {"passed": 1}),
        (f"time.sleep({HELD_S + 0.1})", "", {"failed": 1}),
    ],
)
def test_a_callback_that_holds_the_loop_fails_its_test(pytester, monkeypatch, body, marker, outcome):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(HEAD + textwrap.dedent(f"{marker}\nasync def test_one():\n    {body}\n"))
    pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider").assert_outcomes(**outcome)
