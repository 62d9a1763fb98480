"""The figures of the fairness benchmark: how they are summed up and shown."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import Any

import pytest

from benchmarks.fairness import page
from benchmarks.fairness.greedy import SCENARIOS
from benchmarks.fairness.measure import against, summed_up
from benchmarks.processes import held_still
from tools.setup import ROOT


def a_turn(*took_ms: float, busy: float = 0.5, elapsed_s: float = 10.0) -> dict[str, Any]:
    """As it was measured."""
    return {
        "took_ms": list(took_ms),
        "elapsed_s": elapsed_s,
        "documents": len(took_ms),
        "busy": busy,
        "strangers": 0.01,
        "stolen": 0.002,
        "waiting": 0.04,
        "cpu_ms": {"worker": 50.0, "greedy": 1.0},
    }


def a_run(scenario: str, beside_ms: float, alone_ms: float = 100.0) -> dict[str, Any]:
    """Two turns of each side."""
    alone, beside = (2 * [a_turn(20.0, 20.0, ms)] for ms in (alone_ms, beside_ms))
    return {"scenario": scenario, "alone": alone, "beside": beside, "greedy": {"sent": 7}}


def a_report(*runs: dict[str, Any]) -> dict[str, Any]:
    """As it is written to the file."""
    about = {
        "cpu": "Xeon",
        "cores": 2,
        "python": "3.11.2",
        "commit": "abc",
        "at": "2026-01-01T00:00:00+00:00",
    }
    return {"about": about, "rate": 25.0, "capacity": 100.0, "seconds": 20.0, "runs": list(runs)}


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {row[0]: row[-1] for row in page.rows(report)}


def test_all_turns_count_together_by_how_long_they_took() -> None:
    told = summed_up(
        [a_turn(*range(1, 61), busy=0.2), a_turn(*range(61, 101), busy=0.5, elapsed_s=20.0)],
    )
    assert (told["p50_ms"], told["p99_ms"]) == (50, 99)
    assert told["busy"] == pytest.approx(0.4)
    assert told["cores"]["worker"] == pytest.approx(100 * 0.05 / 30)


@pytest.mark.parametrize(
    ("beside_ms", "verdict"), [(100.0, "met"), (119.0, "met"), (121.0, "MISSED"), (1150.0, "MISSED")]
)
def test_the_goal_is_met_below_a_fifth_more(beside_ms: float, verdict: str) -> None:
    told = verdicts(a_report(a_run("slow", beside_ms)))
    assert told[SCENARIOS["slow"]] == verdict
    assert told[SCENARIOS["dead"]] == "not measured"


def test_where_nothing_was_measured_nothing_is_said() -> None:
    assert set(verdicts(a_report()).values()) == {"not measured"}
    assert page.tables(a_report())


def test_what_the_turns_do_not_agree_on_is_told_with_wide_bounds() -> None:
    """One turn in which the machine stood still makes a ratio, and says itself that it means little."""
    alone = [a_turn(*range(100)) for _ in range(12)]
    same = against(alone, alone, 0.99)
    assert same == (1.0, 1.0, 1.0)
    with_a_stall = [*alone[1:], a_turn(*range(0, 1000, 10))]
    ratio, least, most = against(with_a_stall, alone, 0.99)
    assert least == 1.0 < ratio < most
    assert against(with_a_stall, alone, 0.99) == (ratio, least, most), "the same each time"


def test_the_promise_is_not_about_a_document_to_everybody() -> None:
    assert verdicts(a_report(a_run("fanout", 200.0)))[SCENARIOS["fanout"]] == "no goal"


def test_the_page_has_a_place_for_its_figures_and_says_who_disturbed_them() -> None:
    report = a_report(a_run("queue", 110.0))
    written = (ROOT / "docs" / "benchmarks-fairness.md").read_text("utf-8")
    told = page.replaced(written, page.tables(report))
    row = "20 ms | 20 ms | 1.00 | 100 ms | 110 ms | 1.10 | 1.10 to 1.10 | <1.20 | met |"
    assert f"| {SCENARIOS['queue']} | {row}" in told
    assert "sent 7" in told
    assert "up to 0.2 % of the processors" in told
    assert "none of ours" not in page.tables(report)
    report["runs"][0]["beside"][1]["strangers"] = 0.4
    assert "up to 40 %" in page.tables(report)


async def test_who_is_held_still_does_nothing_and_goes_on_afterwards() -> None:
    """With all that it has started: here a process that starts one that writes."""
    inner = "while True: print(1, flush=True)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=False)"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", outer), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        with held_still([process.pid]):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):  # what was in the pipe comes, and then nothing
                    while await process.stdout.read(1 << 20):
                        pass
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await process.stdout.readline()
        assert await process.stdout.readline()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_who_is_held_still_goes_on_when_who_held_it_is_killed() -> None:
    """Else a whole gateway would stand there for ever: it hears no signal to end."""
    holder = (
        "import sys\nfrom benchmarks.processes import held_still\n"
        "with held_still([int(sys.argv[1])]):\n    print('holds', flush=True)\n    sys.stdin.read()"
    )
    held = await asyncio.create_subprocess_exec("sleep", "600")
    holds = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", holder, str(held.pid)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holds.stdout is not None
    try:
        assert await holds.stdout.readline() == b"holds\n"
        held.terminate()
        holds.kill()
        async with asyncio.timeout(30):
            assert await held.wait() == -signal.SIGTERM
    finally:
        for process in (held, holds):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
