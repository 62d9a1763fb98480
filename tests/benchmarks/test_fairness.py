"""The figures of the fairness benchmark: how they are summed up and shown."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.fairness import page
from benchmarks.fairness.greedy import SCENARIOS
from benchmarks.fairness.measure import ALONE, against, order, summed_up
from tools.setup import ROOT


def a_window(
    scenario: str, p99_ms: float, number: int = 0, *, busy: float = 0.5, elapsed_s: float = 10.0
) -> dict[str, Any]:
    """As it was measured in the round of that number."""
    return {
        "scenario": scenario,
        "round": number,
        "p50_ms": 20.0,
        "p99_ms": p99_ms,
        "elapsed_s": elapsed_s,
        "documents": 100,
        "busy": busy,
        "strangers": 0.01,
        "stolen": 0.002,
        "waiting": 0.04,
        "cpu_ms": {"worker": 50.0, "greedy": 1.0},
        "greedy": {"sent": 7} if scenario else {},
    }


def a_report(*windows: dict[str, Any]) -> dict[str, Any]:
    """As it is written to the file."""
    about = {
        "cpu": "Xeon",
        "cores": 2,
        "python": "3.11.2",
        "commit": "abc",
        "at": "2026-01-01T00:00:00+00:00",
    }
    return {
        "about": about,
        "rate": 25.0,
        "capacity": 100.0,
        "seconds": 10.0,
        "rounds": 3,
        "windows": list(windows),
    }


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {row[0]: row[-1] for row in page.rows(report)}


def test_each_round_has_all_of_them_and_every_other_one_backwards() -> None:
    """So a machine that gets slower or quicker favours nobody."""
    there = [ALONE, "a", "b", ALONE, "c"]
    told = [*order(["a", "b", "c"], 3)]
    assert [scenario for _, scenario in told] == [*there, *reversed(there), *there]
    assert [number for number, _ in told] == [0] * 5 + [1] * 5 + [2] * 5
    assert [*order(["slow"], 2)] == [(0, ALONE), (0, "slow"), (1, "slow"), (1, ALONE)]


def test_what_counts_is_the_middle_window_and_the_processors_of_all() -> None:
    told = summed_up(
        [
            a_window("slow", 90.0, busy=0.2),
            a_window("slow", 775.0, busy=0.4),  # the disk stood still for a second
            a_window("slow", 110.0, busy=0.5, elapsed_s=20.0),
        ]
    )
    assert told["p99_ms"] == 110.0
    assert told["windows_p99_ms"] == [90.0, 775.0, 110.0]
    assert told["busy"] == pytest.approx(0.4)
    assert told["cores"]["worker"] == pytest.approx(3 * 100 * 0.05 / 40)


@pytest.mark.parametrize(
    ("beside_ms", "verdict"), [(100.0, "met"), (119.0, "met"), (121.0, "MISSED"), (1150.0, "MISSED")]
)
def test_the_goal_is_met_below_a_fifth_more(beside_ms: float, verdict: str) -> None:
    told = verdicts(a_report(a_window(ALONE, 100.0), a_window("slow", beside_ms)))
    assert told[SCENARIOS["slow"]] == verdict
    assert told[SCENARIOS["dead"]] == "not measured"


def test_without_a_window_alone_nothing_is_said() -> None:
    assert set(verdicts(a_report(a_window("slow", 90.0))).values()) == {"not measured"}
    assert set(verdicts(a_report()).values()) == {"not measured"}
    assert page.tables(a_report())


def test_alone_is_alone_whatever_stands_beside_it() -> None:
    windows = [a_window(ALONE, ms) for ms in (100.0, 500.0, 90.0, 110.0, 95.0)]
    nobody, *others = page.rows(a_report(*windows, a_window("queue", 110.0)))
    assert nobody[:5] == ("is not there", "20 ms", "", "100 ms (90 to 500)", "")
    assert {row[0]: row[4] for row in others}[SCENARIOS["queue"]] == "1.10"


def test_a_window_is_held_against_those_alone_of_its_own_round() -> None:
    """A round in which the machine is slow, or many arrive at once, is so for all of its windows."""
    alone = [
        a_window(ALONE, ms, number)
        for ms, number in ((90.0, 0), (100.0, 0), (900.0, 0), (200.0, 1), (300.0, 2))
    ]
    beside = [a_window("slow", ms, number) for ms, number in ((110.0, 0), (240.0, 1), (900.0, 2), (50.0, 3))]
    assert against(beside, alone, "p99_ms") == pytest.approx(1.2)
    assert against(beside[:1], alone, "p99_ms") == pytest.approx(1.1)
    assert against(beside[3:], alone, "p99_ms") is None


def test_the_promise_is_not_about_a_document_to_everybody() -> None:
    told = verdicts(a_report(a_window(ALONE, 100.0), a_window("fanout", 200.0)))
    assert told[SCENARIOS["fanout"]] == "no goal"


def test_the_page_has_a_place_for_its_figures_and_says_who_disturbed_them() -> None:
    report = a_report(a_window(ALONE, 100.0), a_window("queue", 110.0))
    written = (ROOT / "docs" / "benchmarks-fairness.md").read_text("utf-8")
    told = page.replaced(written, page.tables(report))
    assert f"| {SCENARIOS['queue']} | 20 ms | 1.00 | 110 ms (110 to 110) | 1.10 | <1.20 | met |" in told
    assert "sent 7" in told
    assert "up to 0.2 % of the processors" in told
    assert "none of ours" not in page.tables(report)
    report["windows"][1]["strangers"] = 0.4
    assert "up to 40 %" in page.tables(report)
