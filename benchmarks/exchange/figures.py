"""What is to be reached, and the arithmetic of what was measured: quantiles, slopes, ratios.  Nothing is run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One figure of ``exchange.json`` (dots lead into it), and how large it has to be, or how small."""

    name: str
    key: str
    limit: float
    is_floor: bool
    unit: str = ""

    def ratio(self, figure: float) -> float:
        """How far beyond the goal *figure* is: 1 and more is met, whichever way it goes."""
        if self.is_floor:
            return figure / self.limit
        return self.limit / figure if figure > 0 else float("inf")

    @property
    def told(self) -> str:
        """The goal in words."""
        return f"{'≥' if self.is_floor else '≤'}{self.limit:g}{self.unit and ' ' + self.unit}"


def _least(name: str, key: str, limit: float, unit: str = "") -> Goal:
    return Goal(name=name, key=key, limit=limit, is_floor=True, unit=unit)


def _most(name: str, key: str, limit: float, unit: str = "") -> Goal:
    return Goal(name=name, key=key, limit=limit, is_floor=False, unit=unit)


GOALS: Sequence[Goal] = (
    _least("whole exchange, unsigned, SQLite", "documents_per_s.unsigned_sqlite", 100, "/s"),
    _least("whole exchange, signed and judged, SQLite", "documents_per_s.signed_sqlite", 60, "/s"),
    _least("whole exchange, unsigned, PostgreSQL", "documents_per_s.unsigned_postgresql", 100, "/s"),
    _least("whole exchange, signed and judged, PostgreSQL", "documents_per_s.signed_postgresql", 60, "/s"),
    _most("CPU of the gateway, unsigned", "gateway_cpu_ms.unsigned", 10, "ms"),
    _most("CPU of the gateway, signed and judged", "gateway_cpu_ms.signed", 18, "ms"),
    _most("CPU of the gateway against its bare parts", "cpu_ratio_to_parts", 5, "×"),
    _least("two workers against one", "two_workers_ratio", 1.7, "×"),
    _least("or both cores busy", "cores_busy", 0.95),
    _least("one document to 448 organs, 62 by queue", "fanout_deliveries_per_s", 1000, "/s"),
    _least("one document to 448 organs, all with queues", "detail.fanout.queues.per_s", 600, "/s"),
    _most("latency at half load, p50", "p50_ms", 60, "ms"),
    _most("latency at half load, p99", "p99_ms", 500, "ms"),
    _most("memory of the largest process, files of 50 MB", "rss_mb", 250, "MB"),
    _least("soak: last minute against the first", "soak_ratio", 0.95),
    _least("12,000 organs against 100", "growth.organs_ratio", 0.9),
    _least("1,000,000 stored documents against none", "growth.documents_ratio", 0.9),
    _most("page of one document among them", "detail.growth.timeline_ms", 5, "ms"),
)
EITHER = ("two_workers_ratio", "cores_busy")
"""Of these one is enough."""


def empty() -> dict[str, Any]:
    """``exchange.json`` before anything was measured: the keys that others rely on, and ``detail``."""
    return {
        "documents_per_s": {
            "unsigned_sqlite": None,
            "signed_sqlite": None,
            "unsigned_postgresql": None,
            "signed_postgresql": None,
        },
        "gateway_cpu_ms": {"unsigned": None, "signed": None},
        "cpu_ratio_to_parts": None,
        "two_workers_ratio": None,
        "cores_busy": None,
        "fanout_deliveries_per_s": None,
        "p50_ms": None,
        "p99_ms": None,
        "rss_mb": None,
        "soak_ratio": None,
        "growth": {"organs_ratio": None, "documents_ratio": None},
        "detail": {},
    }


def summed_up(detail: Mapping[str, Any]) -> dict[str, Any]:
    """``exchange.json`` from the *detail* of each part; what was not measured is ``None``."""
    report = empty()
    report["detail"] = dict(detail)
    for database in ("sqlite", "postgresql"):
        for kind in ("unsigned", "signed"):
            report["documents_per_s"][f"{kind}_{database}"] = at(detail, f"exchange.{database}.{kind}.per_s")
    for kind in ("unsigned", "signed"):
        report["gateway_cpu_ms"][kind] = at(detail, f"exchange.sqlite.{kind}.gateway_cpu_ms")
    report["cpu_ratio_to_parts"] = _over(
        report["gateway_cpu_ms"]["unsigned"], at(detail, "exchange.parts.sum_ms")
    )
    report["two_workers_ratio"] = _over(
        at(detail, "exchange.two_workers.unsigned.per_s"), at(detail, "exchange.one_worker.unsigned.per_s")
    )
    report["cores_busy"] = at(detail, "exchange.two_workers.unsigned.busy")
    report["fanout_deliveries_per_s"] = at(detail, "fanout.mixed.per_s")
    report["p50_ms"] = at(detail, "latency.half_load.p50_ms")
    report["p99_ms"] = at(detail, "latency.half_load.p99_ms")
    report["rss_mb"] = at(detail, "memory.rss_mb")
    report["soak_ratio"] = at(detail, "soak.ratio")
    for what in ("organs_ratio", "documents_ratio"):
        report["growth"][what] = at(detail, f"growth.{what}")
    return report


def at(told: Mapping[str, Any], key: str) -> Any:
    """What stands under *key*, whose dots lead inwards; ``None`` where nothing does."""
    found: Any = told
    for part in key.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def strangers(told: Any) -> float:
    """The largest share of the machine that other programs had during any window of *told*."""
    if isinstance(told, Mapping):
        own = told.get("strangers")
        inner = [strangers(value) for value in told.values()]
        return max([float(own) if isinstance(own, int | float) else 0.0, *inner])
    if isinstance(told, list | tuple):
        return max((strangers(one) for one in told), default=0.0)
    return 0.0


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of *values* that *share* of them do not exceed; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    rank = -(-share * len(ordered) // 1)  # rounded up: the nearest rank
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much y grows per x, by least squares; 0 where that can't be told."""
    if len(points) < 2:
        return 0.0
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


def _over(figure: float | None, other: float | None) -> float | None:
    return figure / other if figure is not None and other else None
