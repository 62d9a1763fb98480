"""What is counted, for Prometheus; also over several worker processes.

    metrics = Metrics()
    metrics.document("refused", "state-secret")
    metrics.stage("validate", 0.004)

Workers share numbers through files where ``PROMETHEUS_MULTIPROC_DIR`` names a folder: set it before the
first import of this module, empty the folder at the start (``clear``), and say when a worker ended
(``forget``).  Labels are reason codes, states and route patterns, never ids or names, so the number of series
is bounded; parties have one each where their certificate is loaded.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from gateway.model.log import LogState

MEDIA_TYPE = "text/plain"
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_STAGE_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)


class Metrics:
    """The gateway's numbers.  Every method is quick, never waits and never raises."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._documents = Counter(
            "vanthu_documents", "Documents by outcome and reason.", ("outcome", "reason"), registry=registry
        )
        self._handovers = Counter(
            "vanthu_handovers",
            "Attempts to hand a copy over, by link, outcome and reason.",
            ("link", "outcome", "reason"),
            registry=registry,
        )
        self._receipts = Counter(
            "vanthu_receipts", "Receipts issued, by event.", ("event",), registry=registry
        )
        self._requests = Counter(
            "vanthu_http_requests",
            "HTTP requests by route, method and status.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "vanthu_http_request_seconds",
            "How long HTTP requests took.",
            ("route",),
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self._stage_seconds = Histogram(
            "vanthu_stage_seconds",
            "How long one document took in a stage.",
            ("stage",),
            buckets=_STAGE_SECONDS,
            registry=registry,
        )
        # All workers ask one store and hold the same keys: whoever looked last is right for all.
        self._work = Gauge(
            "vanthu_work_waiting",
            "Work that is undone, by kind.",
            ("kind",),
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self._certificate_days = Gauge(
            "vanthu_certificate_days_left",
            "Whole days until a loaded certificate ends, by party; below 0: since it ended.",
            ("party",),
            multiprocess_mode="mostrecent",
            registry=registry,
        )

        self._log = {
            name: Gauge(f"vanthu_log_{name}", told, multiprocess_mode="mostrecent", registry=registry)
            for name, told in (
                ("size", "Evidence that has its number in the log."),
                ("waiting", "Evidence that waits for its number."),
                ("oldest_seconds", "How long the oldest evidence without a number has been waiting."),
                ("head_age_seconds", "How long ago the latest head of the log was signed."),
            )
        }

    def document(self, outcome: str, reason: str = "") -> None:
        """A document was accepted, refused, repeated or put off."""
        self._documents.labels(outcome, reason).inc()

    def hand_over(self, link: str, outcome: str, reason: str = "") -> None:
        """An attempt to hand a copy over ended."""
        self._handovers.labels(link, outcome, reason).inc()

    def receipt(self, event: str) -> None:
        """A receipt was issued."""
        self._receipts.labels(event).inc()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """An HTTP request was answered.  *route* is the pattern of its path, not the path."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def stage(self, stage: str, seconds: float) -> None:
        """A document went through a stage."""
        self._stage_seconds.labels(stage).observe(seconds)

    def work_waiting(self, by_kind: Mapping[str, int]) -> None:
        """How much work is undone now."""
        for kind, count in by_kind.items():
            self._work.labels(kind).set(count)

    def certificate_days_left(self, by_party: Mapping[str, int]) -> None:
        """How long the certificates last that are loaded here, by party (our own by the name of its file)."""
        for party, days in by_party.items():
            self._certificate_days.labels(party).set(days)

    def evidence_log(self, state: LogState, now: datetime) -> None:
        """How far the log of the evidence is."""
        self._log["size"].set(state.size)
        self._log["waiting"].set(state.waiting)
        self._log["oldest_seconds"].set((now - state.oldest).total_seconds() if state.oldest else 0)
        if state.head is not None:
            self._log["head_age_seconds"].set((now - state.head.signed_at).total_seconds())

    async def exposition(self) -> bytes:
        """All numbers in Prometheus' text form, those of the other workers too."""
        if _FOLDER not in os.environ:
            return generate_latest(self._registry)
        return await asyncio.to_thread(_of_all_workers)  # it reads files of every worker


def clear(folder: Path) -> None:
    """Make *folder* ready for a new life: what a former one counted would be added to it."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


def forget(pid: int) -> None:
    """The worker *pid* ended: its live numbers no longer count, its counters still do."""
    if _FOLDER in os.environ:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _of_all_workers() -> bytes:
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
