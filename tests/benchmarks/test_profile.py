"""The profile of a worker: what is booked on which step, and that the sampler sees who works."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from benchmarks.profile import report
from benchmarks.profile.sampler import Sampler


def _spin(until: threading.Event) -> None:
    while not until.is_set():
        sum(range(1000))


def _work(ms: float) -> None:
    end = time.thread_time() + ms / 1000
    while time.thread_time() < end:
        sum(range(1000))


def test_time_is_booked_on_the_pipelines_step_and_else_on_the_outermost_part_of_ours() -> None:
    rows = [
        {"thread": "vault_0", "line": 1, "stack": [f"{report.ROOT}/adapters/store/vault.py:put"], "ms": 1.0},
        {
            "thread": "MainThread",
            "line": 1,
            "stack": [
                f"{report.ROOT}/gateway/worker.py:Worker._run",
                f"{report.ROOT}/gateway/pipeline.py:Pipeline.carry",
                f"{report.ROOT}/gateway/pipeline.py:Pipeline.sign",
                f"{report.ROOT}/adapters/signing/sealer.py:PadesSealer.seal",
            ],
            "ms": 2.0,
        },
        {"thread": "MainThread", "line": 0, "stack": [], "ms": 4.0},
    ]
    seen = report.samples({"rows": rows})
    assert report.by_step(seen) == {"adapters/store/vault.py": 1, "pipeline.sign": 2, "(loop, no Python)": 4}
    assert report.by_thread(seen) == {"vault": 1, "MainThread": 6}
    alone, within = report.by_module(seen)
    assert alone["gateway/worker.py"] == 0
    assert within["gateway/worker.py"] == within["adapters/signing/sealer.py"] == 2
    assert "MainThread 4000\n" in report.folded(seen)


def test_every_thread_is_charged_with_its_own_time(tmp_path: Path) -> None:
    sampler, enough = Sampler(), threading.Event()
    other = threading.Thread(target=_spin, args=[enough], name="other")
    sampler.begin()
    other.start()
    _work(60)
    enough.set()
    sampler.end(tmp_path / "told.json")
    other.join()
    seen = report.samples(json.loads((tmp_path / "told.json").read_text("utf-8")))
    alone, _ = report.by_call(seen)
    assert alone[f"tests/benchmarks/test_profile.py:{_work.__qualname__}"] == pytest.approx(60, abs=20)
    assert {"MainThread", "other"} <= report.by_thread(seen).keys()
