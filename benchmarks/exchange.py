"""How many documents per second the running gateway exchanges, and what each costs.

    make bench                          or  python -m benchmarks.exchange --documents 300 --rounds 3

The demo path: an edoc with one PDF of 234 KB, sealed by the gateway (PAdES B-B), one recipient by queue;
SQLite, broker, clients and all on this machine; unsigned, and signed by a leader (then judged).  Offices send
one document after the other, with publisher confirms; a document ends when its recipient has the delivery and
its sender the ContentConsignment.  Rounds of both kinds take turns, and figures are medians over rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import platform
import re
import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks import limits, papers
from benchmarks.clients import Exchange, Office, accesses, offices
from benchmarks.processes import GATEWAY, Usage, usage
from demo.edxml import read_edoc
from demo.pki import LeaderAuthority
from demo.stack import Stack
from gateway.config import load

KINDS = ("unsigned", "signed")
GOALS = {"unsigned": (100.0, 10.0), "signed": (60.0, 18.0)}
"""Documents per second, and milliseconds of the gateway's CPU each: what is to be reached on two cores."""
ROUND_WITHIN_S = 180.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured."""

    var: Path
    documents: int
    rounds: int
    senders: int
    workers: Sequence[int]
    open_loop_s: float


class Bench:
    """One gateway that runs, its offices, and the papers they send."""

    def __init__(self, plan: Plan, supply: Mapping[str, Sequence[papers.Paper]], serve: int) -> None:
        self._plan = plan
        self._supply = supply
        self._serve = serve
        self._number = 0
        self.exchange = Exchange()
        self.offices: list[Office] = []

    async def open(self, access_file: Path) -> None:
        """Connect, and let every office send once of each kind: keys are made when they are first used."""
        self.offices = await offices(accesses(access_file), self._plan.senders, self.exchange)
        for kind in KINDS:
            await asyncio.gather(*(self._send(at, kind) for at in range(len(self.offices))))
            signatures = 1 + (kind == "signed")
            delivered = read_edoc(self.exchange.last_body).files[0].body
            if delivered.count(b"/ByteRange") != signatures:
                raise SystemExit(f"{kind}: the delivered PDF does not bear {signatures} signatures")

    async def close(self) -> None:
        """Disconnect."""
        await asyncio.gather(*(office.close() for office in self.offices))

    async def round(self, kind: str) -> dict[str, Any]:
        """Every office sends one after the other, until all documents are through."""
        left = iter(range(self._plan.documents))

        async def office(at: int) -> None:
            for _ in left:
                await self._send(at, kind)

        self.exchange.latencies_s.clear()
        before, began = usage(self._serve), time.perf_counter()
        async with asyncio.timeout(ROUND_WITHIN_S):
            await asyncio.gather(*(office(at) for at in range(len(self.offices))))
        elapsed = time.perf_counter() - began
        return self._figures(self._plan.documents, elapsed, usage(self._serve).since(before))

    async def open_loop(self, kind: str, rate: float, lasting_s: float) -> dict[str, Any]:
        """Documents come by the clock, whether or not those before are through."""
        count = max(1, int(rate * lasting_s))
        self.exchange.latencies_s.clear()
        before, began = usage(self._serve), time.perf_counter()
        async with asyncio.timeout(ROUND_WITHIN_S), asyncio.TaskGroup() as group:
            for at in range(count):
                await asyncio.sleep(max(0.0, began + at / rate - time.perf_counter()))
                group.create_task(self._send(at % len(self.offices), kind))
        elapsed = time.perf_counter() - began
        return {"rate": rate} | self._figures(count, elapsed, usage(self._serve).since(before))

    async def _send(self, at: int, kind: str) -> None:
        self._number += 1
        number = self._number
        supply, sender = self._supply[kind], self.offices[at]
        recipient = self.offices[(at + 1 + number % (len(self.offices) - 1)) % len(self.offices)]
        body = supply[number % len(supply)].edoc(number, sender.organ, recipient.organ)
        await sender.send(body, f"bench-{number}")

    def _figures(self, count: int, elapsed: float, used: Usage) -> dict[str, Any]:
        took = sorted(self.exchange.latencies_s)
        per_document = {part: ms / count for part, ms in used.parts.items()}
        cores = (used.machine + used.idle) / (elapsed * 1000)
        return {
            "documents": count,
            "elapsed_s": elapsed,
            "per_s": count / elapsed,
            "gateway_cpu_ms": sum(per_document.get(part, 0.0) for part in GATEWAY),
            "cpu_ms": per_document,
            "others_cpu_ms": used.machine / count - sum(per_document.values()),
            "busy": used.machine / (used.machine + used.idle),
            "cores": cores,
            "p50_ms": _quantile(took, 0.50) * 1000,
            "p99_ms": _quantile(took, 0.99) * 1000,
        }


async def measure(plan: Plan) -> dict[str, Any]:
    """Everything; what the gateway leaves is removed before and kept after."""
    shutil.rmtree(plan.var, ignore_errors=True)
    plan.var.mkdir(parents=True)
    authority = LeaderAuthority.make()
    made = {
        kind: await asyncio.to_thread(papers.make, authority, is_signed=kind == "signed") for kind in KINDS
    }
    supply = {kind: found for kind, (found, _) in made.items()}
    report: dict[str, Any] = {"machine": _machine(), "pdf_bytes": {kind: made[kind][1] for kind in KINDS}}
    report["configuration"] = _configuration(plan.var)
    report["senders"] = plan.senders
    bare = [await limits.measure(plan.var / "limits-1")]
    report["runs"] = {}
    for workers in plan.workers:
        report["runs"][str(workers)] = await _with_workers(plan, supply, workers, authority.pem)
    bare.append(await limits.measure(plan.var / "limits-2"))
    report["limits"] = {name: statistics.median(one[name] for one in bare) for name in bare[0]}
    report["limits_all"] = bare
    return report


async def _with_workers(
    plan: Plan, supply: Mapping[str, Sequence[papers.Paper]], workers: int, trusted: bytes
) -> dict[str, Any]:
    var = plan.var / f"workers-{workers}"
    var.mkdir()
    async with Stack(var, workers=workers) as stack:
        stack.trust(trusted)
        line = await stack.start()
        found = re.search(r"\bpid=(\d+)", line)
        assert found is not None, line
        bench = Bench(plan, supply, int(found[1]))
        try:
            await bench.open(stack.access_file)
            rounds: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
            for _ in range(plan.rounds):
                for kind in KINDS:
                    rounds[kind].append(await bench.round(kind))
            run: dict[str, Any] = {}
            for kind in KINDS:
                run[kind] = _median(rounds[kind]) | {"rounds": rounds[kind]}
                if plan.open_loop_s:
                    run[kind]["half_load"] = await bench.open_loop(
                        kind, run[kind]["per_s"] / 2, plan.open_loop_s
                    )
        finally:
            await bench.close()
    return run


def _median(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = [name for name, value in rounds[0].items() if isinstance(value, int | float)]
    figures: dict[str, Any] = {name: statistics.median(one[name] for one in rounds) for name in names}
    parts = rounds[0]["cpu_ms"].keys()
    figures["cpu_ms"] = {
        part: statistics.median(one["cpu_ms"].get(part, 0.0) for one in rounds) for part in parts
    }
    return figures


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def _configuration(var: Path) -> dict[str, Any]:
    """What ``vanthu serve`` runs with, where no file says otherwise."""
    config = load(None, var=var)
    sections = config.sections
    told = {
        name: dataclasses.asdict(getattr(sections, name))
        for name in ("store", "broker", "inspection", "pace", "log", "limits")
    }
    return told | {"store_url": config.store_url.partition(":")[0], "sqlite_synchronous": "FULL"}


def show(report: Mapping[str, Any], console: Console) -> None:
    """The report for people."""
    told = report["configuration"]
    console.print(
        f"cores {report['machine']['cores']}, python {report['machine']['python']}, load before "
        f"{report['machine']['load_before']:.1f}; senders {report['senders']}; PDFs {report['pdf_bytes']}"
    )
    for section in ("pace", "inspection", "store", "log"):
        words = [f"{key}={value}" for key, value in told[section].items() if value not in ("", None)]
        console.print(f"  [{section}] {' '.join(words)}".replace("[", r"\["), style="dim")
    bare = report["limits"]
    table = Table(title="The demo path (medians over rounds)")
    for title in (
        "workers",
        "PDF",
        "documents/s",
        "goal",
        "gateway CPU ms",
        "goal",
        "worker",
        "judge",
        "broker",
    ):
        table.add_column(title, justify="left" if title == "PDF" else "right")
    for title in ("clients", "others", "busy", "p50 ms", "p99 ms", "half load p50", "p99"):
        table.add_column(title, justify="right")
    for workers, run in report["runs"].items():
        for kind in KINDS:
            f = run[kind]
            rate, cost = GOALS[kind]
            half = f.get("half_load", {})
            table.add_row(
                workers,
                kind,
                f"{f['per_s']:.1f}",
                f"{f['per_s'] / rate:.2f}x",
                f"{f['gateway_cpu_ms']:.1f}",
                f"{f['gateway_cpu_ms'] / cost:.2f}x",
                *(f"{f['cpu_ms'].get(part, 0):.1f}" for part in ("worker", "judge", "broker", "clients")),
                f"{f['others_cpu_ms']:.1f}",
                f"{100 * f['busy']:.0f} %",
                f"{f['p50_ms']:.0f}",
                f"{f['p99_ms']:.0f}",
                f"{half.get('p50_ms', 0):.0f}",
                f"{half.get('p99_ms', 0):.0f}",
            )
    console.print(table)
    runs = report["runs"]
    if "1" in runs and "2" in runs:
        for kind in KINDS:
            ratio = runs["2"][kind]["per_s"] / runs["1"][kind]["per_s"]
            console.print(
                f"two workers against one, {kind}: {ratio:.2f}x (goal 1.7x, or both cores 95 % busy)"
            )
    first = next(iter(runs.values()))
    ratios = Table(title="Against the bare limits of this machine, measured before and after")
    for title in ("limit", "figure", "unsigned", "signed"):
        ratios.add_column(title)
    sign, threes, puts = (
        bare["rsa2048_sha256_cpu_ms"],
        bare["three_publishes_per_s"],
        bare["vault_put_per_s"] / 2,
    )
    ratios.add_row(
        "RSA-2048 + SHA-256 of the PDF, CPU",
        f"{sign:.2f} ms",
        *(f"gateway CPU {first[kind]['gateway_cpu_ms'] / sign:.0f}x" for kind in KINDS),
    )
    ratios.add_row(
        "three confirmed publishes to quorum queues",
        f"{threes:.0f}/s",
        *(f"{first[kind]['per_s'] / threes:.2f}x" for kind in KINDS),
    )
    ratios.add_row(
        "two payloads put into the vault (fsync)",
        f"{puts:.0f}/s",
        *(f"{first[kind]['per_s'] / puts:.2f}x" for kind in KINDS),
    )
    console.print(ratios)


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    words.add_argument("--documents", type=int, default=300, help="per round")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--senders", type=int, default=16)
    words.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    words.add_argument("--open-loop-s", type=float, default=8.0, help="half load by the clock; 0: not")
    given = words.parse_args()
    plan = Plan(
        var=given.var / "exchange",
        documents=given.documents,
        rounds=given.rounds,
        senders=max(2, given.senders),
        workers=given.workers,
        open_loop_s=given.open_loop_s,
    )
    report = uvloop.run(measure(plan))
    (given.var / "exchange.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    show(report, Console(width=None if sys.stdout.isatty() else 180))


if __name__ == "__main__":
    main()
