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
from bisect import bisect_left
from collections.abc import Mapping, Sequence
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
_WRITTEN_AFTER_S = 1.0
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)


class Metrics:
    """The gateway's numbers.  Every method is quick, never waits and never raises."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._tally = _Tally()
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
        self._request_seconds = _Histogram(
            "vanthu_http_request_seconds",
            "How long HTTP requests took.",
            ("route",),
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self._stage_seconds = _Histogram(
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

        self._stuck = Counter(
            "vanthu_stuck",
            "What was stuck and was set going again: a lease that nobody had in hand, a document or a copy without work.",
            ("what",),
            registry=registry,
        )
        self._in_hand = Gauge(
            "vanthu_in_hand", "Errands in hand.", multiprocess_mode="livesum", registry=registry
        )
        self._in_hand_seconds = Gauge(
            "vanthu_in_hand_oldest_seconds",
            "How long the oldest errand in hand has been there.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._circuits = Gauge(
            "vanthu_circuits_open",
            "What is left alone for a while because it failed again and again: queues of recipients, services.",
            ("what",),
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._quota_waits = Counter(
            "vanthu_quota_waits",
            "How often a document had to wait for a quota of its sender, or an urgent one counted as ordinary.",
            ("quota",),
            registry=registry,
        )
        self._quotas_in_force = Gauge(
            "vanthu_quota_parties",
            "Parties that a quota holds back now.",
            ("quota",),
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._purged = Counter(
            "vanthu_purged",
            "What was kept long enough and is gone: documents by data class, and payloads.",
            ("what",),
            registry=registry,
        )
        self._purged_bytes = Counter(
            "vanthu_purged_bytes", "Bytes of payloads that are gone.", registry=registry
        )
        # One worker at a time clears out: whoever did it last is right for all.
        self._purge_kept = Gauge(
            "vanthu_purge_kept",
            "Documents that were kept long enough and are kept on, because something stands in the way, by data class.",
            ("what",),
            multiprocess_mode="mostrecent",
            registry=registry,
        )
        self._purge_at = Gauge(
            "vanthu_purge_last_run_timestamp_seconds",
            "When the last round that clears out has ended.",
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
        self._tally.count(self._documents, (outcome, reason))

    def hand_over(self, link: str, outcome: str, reason: str = "") -> None:
        """An attempt to hand a copy over ended."""
        self._tally.count(self._handovers, (link, outcome, reason))

    def receipt(self, event: str) -> None:
        """A receipt was issued."""
        self._tally.count(self._receipts, (event,))

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """An HTTP request was answered.  *route* is the pattern of its path, not the path."""
        self._tally.count(self._requests, (route, method, str(status)))
        self._tally.observe(self._request_seconds, route, seconds)

    def stage(self, stage: str, seconds: float) -> None:
        """A document went through a stage."""
        self._tally.observe(self._stage_seconds, stage, seconds)

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

    def stuck(self, what: str) -> None:
        """Something was stuck, and is set going again."""
        self._stuck.labels(what).inc()

    def in_hand(self, count: int, oldest_s: float) -> None:
        """So many errands are in hand, the oldest for *oldest_s*."""
        self._in_hand.set(count)
        self._in_hand_seconds.set(oldest_s)

    def circuits(self, what: str, opened: int) -> None:
        """So many circuits of this kind are not closed."""
        self._circuits.labels(what).set(opened)

    def quota_waits(self, quota: str) -> None:
        """Something has to wait for this quota, or counts as ordinary because of it."""
        self._tally.count(self._quota_waits, (quota,))

    def quotas_in_force(self, parties: Mapping[str, int]) -> None:
        """So many parties are held back by each quota."""
        for quota, count in parties.items():
            self._quotas_in_force.labels(quota).set(count)

    def purged(
        self, gone: Mapping[str, int], kept: Mapping[str, int], payloads: int, size: int, at: datetime
    ) -> None:
        """A round that clears out has ended at *at*: what went, and what was due and is kept on."""
        for what, count in (*gone.items(), ("payloads", payloads)):
            self._purged.labels(what).inc(count)
        self._purged_bytes.inc(size)
        for what, count in kept.items():
            self._purge_kept.labels(what).set(count)
        self._purge_at.set(at.timestamp())

    async def exposition(self) -> bytes:
        """All numbers in Prometheus' text form, those of the other workers too (as of a second ago)."""
        self._tally.write()
        if _FOLDER not in os.environ:
            return generate_latest(self._registry)
        return await asyncio.to_thread(_of_all_workers)  # it reads files of every worker

    async def close(self) -> None:
        """Leave nothing uncounted behind.  May be called twice."""
        self._tally.write()


class _Histogram(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """*counts* observations in the buckets, of *total* seconds together."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class _Tally:
    """What was counted since it was last written.

    A number that is shared with other processes costs a look at the process id, a lock and a page of a mapped
    file each time, and a document is counted some thirty times.  So they are added up here and written a
    second later at most; a worker that is killed takes its last second with it.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[Counter, tuple[str, ...]], int] = {}
        self._seconds: dict[tuple[_Histogram, str], _Observed] = {}
        self._is_due = False

    def count(self, counter: Counter, labels: tuple[str, ...]) -> None:
        """One more."""
        key = (counter, labels)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._write_soon()

    def observe(self, histogram: _Histogram, label: str, seconds: float) -> None:
        """One more that took *seconds*."""
        key = (histogram, label)
        observed = self._seconds.get(key)
        if observed is None:
            observed = self._seconds[key] = _Observed(histogram)
        observed.add(seconds)
        self._write_soon()

    def write(self) -> None:
        """Add everything to the numbers that others read."""
        counts, self._counts = self._counts, {}
        for (counter, labels), count in counts.items():
            counter.labels(*labels).inc(count)
        for (histogram, label), observed in self._seconds.items():
            if observed.total or any(observed.counts):
                histogram.labels(label).add(observed.counts, observed.total)
                observed.clear()

    def _write_soon(self) -> None:
        if self._is_due:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.write()  # a program without a loop has no later
            return
        self._is_due = True
        loop.call_later(_WRITTEN_AFTER_S, self._write_now)

    def _write_now(self) -> None:
        self._is_due = False
        self.write()


class _Observed:
    """Observations of one label, by bucket."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, histogram: _Histogram) -> None:
        self._bounds: Sequence[float] = histogram._upper_bounds
        self.clear()

    def clear(self) -> None:
        """Nothing is observed yet."""
        self.counts = [0] * len(self._bounds)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds


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
