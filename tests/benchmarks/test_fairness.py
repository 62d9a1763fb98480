"""The figures of the fairness benchmark: how they are summed up and shown."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.fairness import page
from benchmarks.fairness.greedy import SCENARIOS
from benchmarks.fairness.measure import summed_up
from tools.setup import ROOT


def a_window(kind: str, took_ms: list[float], *, busy: float = 0.5) -> dict[str, Any]:
    """As it was measured."""
    return {
        "kind": kind,
        "took_ms": took_ms,
        "elapsed_s": 10.0,
        "documents": len(took_ms),
        "busy": busy,
        "strangers": 0.01,
        "cpu_ms": {"worker": 50.0, "greedy": 1.0},
    }


def a_run(*, alone_ms: float = 100.0, beside_ms: float = 110.0) -> dict[str, Any]:
    """Two windows of each kind: in one of them a document in a hundred takes that long."""
    windows = [
        a_window(kind, [20.0] * 97 + [slowest] * 3)
        for kind, slowest in (("alone", alone_ms), ("beside", beside_ms))
        for _ in range(2)
    ]
    return summed_up(windows) | {"greedy": {"sent": 7}, "windows": windows}


def a_report(**runs: dict[str, Any]) -> dict[str, Any]:
    """As it is written to the file."""
    about = {
        "cpu": "Xeon",
        "cores": 2,
        "python": "3.11.2",
        "commit": "abc",
        "at": "2026-01-01T00:00:00+00:00",
    }
    return {"about": about, "rate": 25.0, "capacity": 100.0, "seconds": 10.0, "rounds": 2, "runs": runs}


def test_quantiles_are_of_all_windows_of_a_kind_together() -> None:
    told = summed_up(
        [
            a_window("alone", [10.0] * 99 + [50.0], busy=0.2),
            a_window("alone", [30.0] * 100, busy=0.4),
            a_window("beside", [20.0] * 100),
        ]
    )
    assert told["alone"]["documents"] == 200
    assert told["alone"]["p99_ms"] == 30.0
    assert told["alone"]["busy"] == pytest.approx(0.3)
    assert told["alone"]["cores"]["worker"] == pytest.approx(0.5)
    assert told["beside"]["p99_ms"] == 20.0


@pytest.mark.parametrize(
    ("beside_ms", "verdict"), [(100.0, "met"), (119.0, "met"), (121.0, "MISSED"), (1150.0, "MISSED")]
)
def test_the_goal_is_met_below_a_fifth_more(beside_ms: float, verdict: str) -> None:
    told = {row[0]: row for row in page.rows(a_report(slow=a_run(beside_ms=beside_ms)))}
    assert told[SCENARIOS["slow"]][-1] == verdict
    assert told[SCENARIOS["dead"]][-1] == "not measured"


def test_alone_is_alone_whatever_stands_beside_it() -> None:
    """One row's window alone had bad luck: the other windows alone count as well."""
    unlucky = a_run(alone_ms=500.0, beside_ms=110.0)
    nobody, *others = page.rows(a_report(queue=unlucky, slow=a_run(), dead=a_run(), http=a_run()))
    assert nobody[0] == "is not there (8 windows, p99 of one: 100 to 500 ms)"
    assert nobody[3] == "100 ms"
    assert {row[0]: row[4] for row in others}[SCENARIOS["queue"]] == "1.10"


def test_the_page_has_a_place_for_its_figures_and_says_who_disturbed_them() -> None:
    report = a_report(queue=a_run())
    written = (ROOT / "docs" / "benchmarks-fairness.md").read_text("utf-8")
    told = page.replaced(written, page.tables(report))
    assert f"| {SCENARIOS['queue']} | 20 ms | 1.00 | 110 ms | 1.10 | <1.20 | met |" in told
    assert "sent 7" in told
    assert "none of ours" not in page.tables(report)
    report["runs"]["queue"]["beside"]["strangers"] = 0.4
    assert "up to 40 %" in page.tables(report)
