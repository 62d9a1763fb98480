"""The benchmark of the whole exchange: its file has the keys that others read, its ratios are right, its page can be written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import processes
from benchmarks.clients import End
from benchmarks.exchange import __main__ as command
from benchmarks.exchange import code, figures, growth, load, page, picture, plan, soak
from benchmarks.exchange.served import quorum_logs

_SVG = "{http://www.w3.org/2000/svg}"
DOCS = Path(page.__file__).resolve().parents[2] / "docs"


def _window(per_s: float, cpu: float) -> dict[str, Any]:
    return {
        "documents": 100,
        "per_s": per_s,
        "gateway_cpu_ms": cpu,
        "cpu_ms": {"worker": cpu - 1, "judge": 1.0, "broker": 5.0, "clients": 1.0},
        "kernel_cpu_ms": 0.5,
        "busy": 0.9,
        "strangers": 0.01,
        "p50_ms": 100.0,
        "p99_ms": 200.0,
    }


def _detail() -> dict[str, Any]:
    kinds = {"unsigned": _window(120.0, 9.0), "signed": _window(50.0, 17.0)}
    parts = dict.fromkeys(("rsa_ms", "sha256_ms", "base64_ms", "xml_ms", "publishes_ms", "fsync_ms"), 0.5)
    half = _window(60.0, 9.0) | {"asked_per_s": 60.0, "sent_late_ms": 1.0, "p50_ms": 30.0}
    copies = {
        "per_s": 1200.0,
        "elapsed_s": 0.4,
        **{f"{who}_cpu_ms_per_copy": 0.3 for who in ("gateway", "broker", "clients")},
    }
    grown = {
        name: _window(110.0, 9.0) | {"page_ms": {"p50": 2.0}, "at_first": {"seconds": 5.0, "per_s": 90.0}}
        for name in ("few", "many_organs", "many_documents")
    }
    minutes = [
        _window(100.0 - n, 9.0) | {"elapsed_s": 60.0, "rss_mb": {"worker": 150.0 + n}} for n in range(3)
    ]
    return {
        "about": {
            "cpu": "a processor",
            "cores": 2,
            "load_before": 0.1,
            "python": "3.11",
            "commit": "abc",
            "at": "2026-03-04T08:00:00+00:00",
            "pdf_bytes": {"unsigned": 234_000, "signed": 234_000},
            "configuration": {name: {"a": 1} for name in ("pace", "inspection", "store", "broker", "log")}
            | {"sqlite_synchronous": "FULL"},
        },
        "exchange": {
            "sqlite": kinds,
            "postgresql": kinds,
            "one_worker": kinds,
            "two_workers": {kind: one | {"per_s": one["per_s"] * 1.5} for kind, one in kinds.items()},
            "parts": parts | {"sum_ms": 3.0},
        },
        "fanout": {"mixed": copies | {"by_queue": 62}, "queues": copies | {"by_queue": 448, "per_s": 500.0}},
        "latency": {"half_load": half, "half_load_signed": half},
        "memory": {"rss_mb": 200.0, "peaks_mb": {"worker": 200.0, "judge": 90.0}},
        "growth": grown | {"organs_ratio": 0.95, "documents_ratio": 0.8, "timeline_ms": 2.0},
        "soak": soak.summed_up(minutes),
    }


def test_the_file_has_the_keys_that_others_read_whatever_was_measured() -> None:
    keys = {name: value if isinstance(value, dict) else None for name, value in figures.empty().items()}
    assert keys.keys() == {
        "documents_per_s", "gateway_cpu_ms", "cpu_ratio_to_parts", "two_workers_ratio", "cores_busy",
        "fanout_deliveries_per_s", "p50_ms", "p99_ms", "rss_mb", "soak_ratio", "growth", "detail",
    }  # fmt: skip
    full = figures.summed_up(_detail())
    for report in (figures.summed_up({}), full):
        assert report.keys() == keys.keys()
        for name in ("documents_per_s", "gateway_cpu_ms", "growth"):
            assert report[name].keys() == keys[name].keys()
    assert figures.summed_up({}) == figures.empty()
    assert all(figures.at(full, goal.key) is not None for goal in figures.GOALS)
    json.dumps(full, allow_nan=False)


def test_ratios_are_taken_between_figures_of_one_run() -> None:
    report = figures.summed_up(_detail())
    assert report["documents_per_s"]["signed_postgresql"] == 50.0
    assert report["cpu_ratio_to_parts"] == pytest.approx(9.0 / 3.0)
    assert report["two_workers_ratio"] == pytest.approx(1.5)
    assert report["soak_ratio"] == pytest.approx(98 / 100)
    assert report["fanout_deliveries_per_s"] == 1200.0
    detail = _detail()
    del detail["exchange"]["one_worker"]
    assert figures.summed_up(detail)["two_workers_ratio"] is None


def test_a_goal_is_met_from_its_own_side() -> None:
    floor = figures.Goal(name="rate", key="x", limit=100, is_floor=True, unit="/s")
    ceiling = figures.Goal(name="time", key="x", limit=10, is_floor=False)
    assert (floor.ratio(150), floor.ratio(50)) == (1.5, 0.5)
    assert (ceiling.ratio(5), ceiling.ratio(20)) == (2, 0.5)
    assert (floor.told, ceiling.told) == ("≥100 /s", "≤10")
    assert ceiling.ratio(0) == math.inf


def test_of_two_goals_of_which_one_is_enough_the_other_is_not_missed() -> None:
    verdicts = {goal.key: verdict for goal, _, verdict in page.rows(figures.summed_up(_detail()))}
    assert (verdicts["two_workers_ratio"], verdicts["cores_busy"]) == ("MISSED", "MISSED")
    detail = _detail()
    detail["exchange"]["two_workers"]["unsigned"]["busy"] = 0.97
    verdicts = {goal.key: verdict for goal, _, verdict in page.rows(figures.summed_up(detail))}
    assert (verdicts["two_workers_ratio"], verdicts["cores_busy"]) == ("the other is met", "met")
    assert verdicts["growth.documents_ratio"] == "MISSED"
    assert verdicts["p50_ms"] == "met"


@pytest.mark.parametrize(
    ("at_start", "left", "is_written"),
    [
        (["7"], ["7"], False),
        (["7"], ["7", "8"], False),
        (["7"], ["8", "9"], True),
        (["7"], ["8", "9", "10"], False),
        (["7"], ["9"], True),
        (["6", "7"], ["7"], False),
        (["6", "7"], ["8"], True),
        (["7"], [], False),
    ],
)
def test_growth_is_measured_when_what_the_start_left_in_the_brokers_log_is_written_down(
    tmp_path: Path, at_start: list[str], left: list[str], is_written: bool
) -> None:
    node = tmp_path / "broker" / "data" / "vanthu@localhost"
    for part in ("quorum", "coordination"):
        (node / part / "vanthu@localhost").mkdir(parents=True)
    # The log of something else, which is never rolled over.
    (node / "coordination" / "vanthu@localhost" / "1.wal").touch()
    shared = node / "quorum" / "vanthu@localhost"
    for number in at_start:
        (shared / f"{number}.wal").touch()
    logs = quorum_logs(tmp_path)
    for log in shared.iterdir():
        log.unlink()
    for number in left:
        (shared / f"{number}.wal").touch()
    assert growth.are_written(logs, quorum_logs(tmp_path)) is is_written


def test_a_broker_whose_log_is_not_found_is_not_taken_for_one_that_is_done() -> None:
    with pytest.raises(SystemExit, match="no log"):
        growth.are_written((), ())


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([], 0.5, 0),
        ([7], 0.99, 7),
        (range(1, 101), 0.5, 50),
        (range(1, 101), 0.99, 99),
        (range(100, 0, -1), 1, 100),
    ],
)
def test_a_quantile_is_a_value_that_was_measured(values: Any, share: float, found: float) -> None:
    assert figures.quantile(list(values), share) == found


def test_a_slope_is_that_of_the_line_through_the_points() -> None:
    assert figures.slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert figures.slope([(0, 1)]) == figures.slope([(1, 1), (1, 2)]) == 0


def test_cpu_is_per_document_and_what_strangers_use_is_nobodys_here() -> None:
    used = processes.Usage(
        {"worker": 80.0, "judge": 10.0, "parent": 10.0, "broker": 50.0, "clients": 20.0},
        others={1: 60.0, 2: 40.0},
        machine=300.0,
        idle=100.0,
    )
    told = load.figures([End(at=0.0, took=0.1)] * 10, 2.0, used)
    assert told["per_s"] == 5
    assert told["gateway_cpu_ms"] == pytest.approx(10)
    assert told["kernel_cpu_ms"] == pytest.approx(20 - 17)
    assert (told["busy"], told["strangers"]) == (pytest.approx(0.5), pytest.approx(0.25))
    assert (told["p50_ms"], told["p99_ms"]) == (pytest.approx(100), pytest.approx(100))


def test_what_the_host_took_is_part_of_the_time_there_was() -> None:
    used = processes.Usage({}, others={}, machine=60.0, idle=20.0, waiting=5.0, stolen=20.0)
    told = load.figures([], 1.0, used)
    assert (told["busy"], told["stolen"], told["waiting"]) == pytest.approx((0.6, 0.2, 0.05))


def test_who_ends_meanwhile_takes_nothing_away_from_what_others_used() -> None:
    before = processes.Usage({"worker": 5.0}, others={1: 50.0, 2: 900.0}, machine=100.0, idle=10.0)
    after = processes.Usage({"worker": 9.0}, others={1: 60.0, 3: 5.0}, machine=130.0, idle=20.0, waiting=4.0)
    used = after.since(before)
    assert used.share(used.waiting) == pytest.approx(0.1)
    assert (used.parts, used.strangers, used.busy) == ({"worker": 4.0}, 15.0, pytest.approx(15 / 40))


def test_the_page_and_its_pictures_are_made_of_any_file() -> None:
    report = figures.summed_up(_detail())
    told = page.replaced((DOCS / "benchmarks-exchange.md").read_text("utf-8"), page.tables(report))
    assert "| whole exchange, unsigned, SQLite | ≥100 /s | 120 /s | 1.20 | met |" in told
    assert "| whole exchange, signed and judged, SQLite | ≥60 /s | 50.0 /s | 0.83 | MISSED |" in told
    drawn = ElementTree.fromstring(picture.cpu(report["detail"]))
    assert len(drawn.findall(f"{_SVG}rect")) > 30
    drawn = ElementTree.fromstring(picture.soak(report["detail"]) or "")
    assert len(drawn.findall(f"{_SVG}polyline")) == 2
    assert "Others were at work" not in told
    noisy = figures.summed_up(_detail() | {"later": {"rounds": [{"strangers": 0.4}]}})
    assert "they had up to 40 % of the machine" in page.tables(noisy)
    bare = figures.summed_up({})
    assert "not measured" in page.tables(bare)
    assert picture.cpu(bare["detail"]).endswith("</svg>\n")
    assert picture.soak(bare["detail"]) is None


def test_figures_of_other_code_are_not_kept() -> None:
    now = code.described()
    assert code.is_same(now, dict(now))
    assert not code.is_same(now | {"code": "other"}, now)
    assert not code.is_same({}, now)
    assert not code.is_same(now | {"commit": ""}, now | {"commit": ""})


async def test_a_part_that_fails_does_not_take_the_others_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails(*_: Any) -> Any:
        raise TimeoutError

    async def goes(*_: Any) -> Any:
        return {"ratio": 1.0}

    kept: dict[str, Any] = {"fanout": {"of": "an earlier run"}}
    reports: list[dict[str, Any]] = []
    failed = await command.measure(
        plan.Plan(var=tmp_path),
        ["soak", "fanout"],
        {"fanout": fails, "soak": goes},
        kept,
        lambda: reports.append(figures.summed_up(kept)),
    )
    assert failed == ["fanout"]
    assert kept == {"soak": {"ratio": 1.0}}
    assert [report["soak_ratio"] for report in reports] == [None, 1.0]
    assert "fanout failed" in capsys.readouterr().out


def test_folders_are_empty_before_and_gone_when_all_is_measured(tmp_path: Path) -> None:
    """Not between: the disk would still let go of the one while the next is measured."""
    here = plan.Plan(var=tmp_path)
    folders = []
    for _ in range(3):
        with here.cleared("x") as folder:
            assert not list(folder.iterdir())
            (folder / "left").touch()
        folders.append(folder)
    assert len(set(folders)) == 3
    assert all((folder / "left").exists() for folder in folders)
    here.clear()
    assert not any(folder.exists() for folder in folders)
