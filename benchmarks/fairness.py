"""What one greedy, dead or slow agency costs the others: their latency beside it, against alone.

    python -m benchmarks.fairness                    (ten minutes)  or  --only slow --rounds 1

The gateway runs as ``make serve`` runs it, with a broker of its own.  Some offices send small documents by the
clock (open loop), each with a PDF that the gateway seals; windows without the greedy agency and windows with it
take turns on the same gateway.  The greedy agency is a process of its own with a lower priority: on a real
link its clients would not share our processors.

* ``queue``, ``http``: it sends small documents as fast as it is let, as if 100,000 waited at its side.
* ``slow``: nothing but PDFs that take eight to ten seconds to judge.
* ``dead``: so many of its documents go to an agency that takes nothing from its queue.
* ``fanout``: every document goes to every organ of the province.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aio_pika
import aiohttp
import uvloop
from aio_pika.exceptions import DeliveryError
from rich.console import Console
from rich.table import Table

from benchmarks import papers
from benchmarks.clients import Exchange, Office, accesses
from benchmarks.processes import GATEWAY, usage
from demo.edxml import File, Letter, Organ, Producer, write_edoc
from demo.stack import Stack

SCENARIOS = ("queue", "http", "dead", "fanout", "slow")
GREEDY, DEAD = "000.00.15.H53", "000.00.16.H53"
PDF_BYTES = 20_000
GOAL = 1.20
SETTLES_WITHIN_S = 120.0
WARM_UP_S = 3.0
ENDS_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured."""

    var: Path
    scenarios: Sequence[str]
    rounds: int
    rate: float
    window_s: float
    others: int
    workers: int
    waiting: int
    config: Path | None


# --- the greedy agency: a process of its own ----------------------------------------------------------


class Greedy:
    """Sends one kind of trouble until its standard input ends; tells at the end how it fared."""

    def __init__(self, scenario: str, access: Mapping[str, Any], waiting: int) -> None:
        self._scenario = scenario
        self._access = access
        self._own = access[GREEDY]
        self._told: Counter[str] = Counter()
        self._numbers = iter(range(10**9))
        recipients = [DEAD] if scenario == "dead" else [GREEDY]
        if scenario == "fanout":
            recipients = sorted(access)
        pdf = costly() if scenario == "slow" else papers.page(1, PDF_BYTES).pdf
        self._paper = template(pdf, recipients)
        self._left = waiting if scenario == "dead" else 100_000

    async def run(self) -> Mapping[str, int]:
        """Until the end of standard input."""
        ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        connection = await aio_pika.connect(self._own["amqp_url"])
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.set_qos(prefetch_count=100)
        for name in ("deliver_queue", "receipts_queue"):
            queue = await channel.get_queue(self._own[name], ensure=False)
            await queue.consume(self._take)
        self._submit = await channel.get_exchange(self._own["submit_exchange"], ensure=False)
        async with aiohttp.ClientSession() as http:
            send = self._post if self._scenario == "http" else self._publish
            senders = [asyncio.create_task(self._go_on(send, http)) for _ in range(32)]
            print("ready", flush=True)
            await ended
            self._left = 0  # a cancelled publish of aio-pika may end as an answer, so nobody is cancelled
            await asyncio.wait(senders, timeout=5)
        await connection.close()
        return self._told

    async def _take(self, message: Any) -> None:
        self._told[str(message.type)] += 1
        await message.ack()

    async def _go_on(self, send: Any, http: aiohttp.ClientSession) -> None:
        while self._left > 0:
            self._left -= 1
            number = next(self._numbers)
            body = self._paper.edoc(number, GREEDY, "")
            while not await send(body, f"greedy-{os.getpid()}-{number}", http) and self._left > 0:
                pass

    async def _publish(self, body: bytes, message_id: str, http: aiohttp.ClientSession) -> bool:
        message = aio_pika.Message(
            body,
            message_id=message_id,
            user_id=GREEDY,
            content_type="application/xml",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        try:
            await self._submit.publish(message, f"{GREEDY}.edoc", mandatory=True)
        except DeliveryError:
            self._told["queue full"] += 1
            await asyncio.sleep(0.5)
            return False
        self._told["sent"] += 1
        return True

    async def _post(self, body: bytes, message_id: str, http: aiohttp.ClientSession) -> bool:
        headers = {
            "Authorization": f"Bearer {self._own['http_token']}",
            "Idempotency-Key": message_id,
            "Content-Type": "application/xml",
        }
        url = self._own["http_url"] + "/v1/submissions"
        async with http.post(url, data=body, headers=headers, params={"organ": GREEDY}) as answer:
            self._told[f"HTTP {answer.status}"] += 1
            if answer.status == 202:
                return True
            await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
            return False


def costly() -> bytes:
    """A PDF of 120 KB that takes eight to ten seconds to judge."""
    with TemporaryDirectory() as folder:
        made = [sys.executable, "-m", "tests.vectors.make_costly_pdfs", folder, "ten_seconds_of_fields"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        return (Path(folder) / "ten_seconds_of_fields.pdf").read_bytes()


def template(pdf: bytes, recipients: Sequence[str]) -> papers.Paper:
    """A document with this PDF; its number and its organs (one recipient alone) are filled in later."""
    letter = Letter(
        sender=Organ(code="@S@", name="Cơ quan gửi"),
        recipients=tuple(Organ(code=code, name="Cơ quan nhận") for code in recipients),
        number="#######",
        notation="CV-VP",
        place="Tây Ninh",
        dated=date(2016, 3, 4),
        type_id=1,
        type_name="Công văn",
        subject="Về việc trao đổi văn bản",
        competence="TM.",
        position="Chủ tịch",
        signer="Nguyễn Văn A",
        files=(File(name="cong-van.pdf", body=pdf),),
    )
    return papers.gapped(write_edoc(letter, Producer(), datetime.now(UTC)))


# --- the others ---------------------------------------------------------------------------------------


class Others:
    """The offices whose latency counts."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._number = 0
        self.exchange = Exchange()
        self._offices: list[Office] = []
        self._papers = [template(papers.page(seed, PDF_BYTES).pdf, ["@R@"]) for seed in range(8)]

    async def open(self, access: Mapping[str, Mapping[str, Any]]) -> None:
        """Connect, and let every office send once: keys are made when they are first used."""
        queued = sorted(organ for organ, entry in access.items() if entry["amqp_url"])
        organs = [organ for organ in queued if organ not in (GREEDY, DEAD)][: self._plan.others]
        self._offices = [Office(organ, access[organ], self.exchange) for organ in organs]
        await asyncio.gather(*(office.open() for office in self._offices))
        await self.window(2.0)

    async def close(self) -> None:
        """Disconnect."""
        await asyncio.gather(*(office.close() for office in self._offices))

    async def window(self, lasting_s: float) -> list[float]:
        """Send by the clock; how long each took, in milliseconds."""
        self.exchange.ends.clear()
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for at in range(int(self._plan.rate * lasting_s)):
                await asyncio.sleep(max(0.0, began + at / self._plan.rate - time.perf_counter()))
                group.create_task(self._send())
        return [end.took * 1000 for end in self.exchange.ends]

    async def _send(self) -> None:
        self._number += 1
        number, count = self._number, len(self._offices)
        sender, recipient = self._offices[number % count], self._offices[(number + 1) % count]
        body = self._papers[number % len(self._papers)].edoc(number, sender.organ, recipient.organ)
        await sender.send(body, f"other-{number}")


# --- windows ------------------------------------------------------------------------------------------


async def measure(plan: Plan) -> dict[str, Any]:
    """Every scenario on a gateway of its own."""
    shutil.rmtree(plan.var, ignore_errors=True)
    report: dict[str, Any] = {
        "rate": plan.rate,
        "window_s": plan.window_s,
        "load_before": os.getloadavg()[0],
        "runs": {},
    }
    for scenario in plan.scenarios:
        var = plan.var / scenario
        var.mkdir(parents=True)
        report["runs"][scenario] = await _scenario(plan, scenario, var)
        print(scenario, {k: v for k, v in report["runs"][scenario].items() if k != "windows"}, flush=True)
    return report


async def _scenario(plan: Plan, scenario: str, var: Path) -> dict[str, Any]:
    async with Stack(var, workers=plan.workers, config=plan.config) as stack:
        await stack.start()
        access = accesses(stack.access_file)
        others = Others(plan)
        windows: list[dict[str, Any]] = []
        try:
            await others.open(access)
            for _ in range(plan.rounds):
                windows.append(await _window(plan, others, "alone"))
                print(windows[-1], file=sys.stderr, flush=True)
                async with _greed(plan, scenario, stack.access_file) as told:
                    await asyncio.sleep(WARM_UP_S)
                    if scenario == "dead":
                        await _until_sent(access, plan.waiting)
                    windows.append(await _window(plan, others, "beside"))
                windows[-1]["greedy"] = dict(told)
                print(windows[-1], file=sys.stderr, flush=True)
                if scenario != "slow":
                    await _settled(access[GREEDY])
        finally:
            await others.close()
    figures: dict[str, Any] = {"windows": windows}
    for name in ("p50_ms", "p99_ms"):
        alone, beside = (
            statistics.median(w[name] for w in windows if w["kind"] == kind) for kind in ("alone", "beside")
        )
        figures |= {f"alone_{name}": alone, f"beside_{name}": beside, f"{name[:3]}_ratio": beside / alone}
    return figures


async def _window(plan: Plan, others: Others, kind: str) -> dict[str, Any]:
    before, began = usage(), time.perf_counter()
    took = sorted(await others.window(plan.window_s))
    used, elapsed = usage().since(before), time.perf_counter() - began
    return {
        "kind": kind,
        "count": len(took),
        "p50_ms": took[len(took) // 2],
        "p99_ms": took[min(len(took) - 1, int(len(took) * 0.99))],
        "worst_ms": took[-1],
        "busy": used.busy,
        "strangers": used.strangers / (used.machine + used.idle),
        "gateway_cores": sum(used.parts.get(part, 0.0) for part in GATEWAY) / 1000 / elapsed,
    }


@contextlib.asynccontextmanager
async def _greed(plan: Plan, scenario: str, access_file: Path) -> AsyncIterator[dict[str, int]]:
    told: dict[str, int] = {}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.fairness", "--greedy", scenario),
        *("--access", str(access_file), "--waiting", str(plan.waiting)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=lambda: os.nice(5),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SETTLES_WITHIN_S):
            if await process.stdout.readline() != b"ready\n":
                raise SystemExit("the greedy agency did not come")
        yield told
    finally:
        async with asyncio.timeout(ENDS_WITHIN_S):
            out, _ = await process.communicate()
        told.update(json.loads(out or b"{}"))


async def _until_sent(access: Mapping[str, Any], count: int) -> None:
    """Wait until the queue of the dead agency is full and what was sent has been taken in."""
    async with asyncio.timeout(SETTLES_WITHIN_S):
        while True:
            await asyncio.sleep(0.5)
            if await _ready(access[DEAD], "deliver_queue") >= 100 and not await _submitted(access[GREEDY]):
                return


async def _settled(access: Mapping[str, Any]) -> None:
    """Wait until nothing of the greedy agency waits for us, and the gateway has come to rest."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLES_WITHIN_S):
            while True:
                if await _submitted(access):
                    await asyncio.sleep(0.5)
                    continue
                before, began = usage(), time.perf_counter()
                await asyncio.sleep(1.0)
                used = usage().since(before)
                if sum(used.parts.get(p, 0.0) for p in GATEWAY) < 150 * (time.perf_counter() - began):
                    return


async def _submitted(access: Mapping[str, Any]) -> int:
    return await _ready(access, "submit_queue")


async def _ready(access: Mapping[str, Any], name: str) -> int:
    """How many messages are ready in a queue; asked of the broker with the rights of its agency."""
    queue = access.get(name) or f"vanthu.submit.{GREEDY}"
    async with await aio_pika.connect(access["amqp_url"]) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


def show(report: Mapping[str, Any], console: Console) -> None:
    """The report for people."""
    table = Table(title=f"Others at {report['rate']:.0f} documents/s: beside one agency, against alone")
    for title in ("one agency", "p50 alone", "beside", "ratio", "p99 alone", "beside", "ratio", "goal"):
        table.add_column(title, justify="left" if title == "one agency" else "right")
    table.add_column("busy alone")
    table.add_column("beside")
    table.add_column("how it fared")
    for name, run in report["runs"].items():
        busy = {w["kind"]: f"{100 * w['busy']:.0f} %" for w in run["windows"]}
        fared: Mapping[str, int] = next((w["greedy"] for w in reversed(run["windows"]) if "greedy" in w), {})
        table.add_row(
            name,
            f"{run['alone_p50_ms']:.0f}",
            f"{run['beside_p50_ms']:.0f}",
            f"{run['p50_ratio']:.2f}",
            f"{run['alone_p99_ms']:.0f}",
            f"{run['beside_p99_ms']:.0f}",
            f"{run['p99_ratio']:.2f}",
            f"<{GOAL:.2f}",
            busy.get("alone", ""),
            busy.get("beside", ""),
            " ".join(f"{k}={v}" for k, v in fared.items()),
        )
    console.print(table)


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    words.add_argument("--only", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    words.add_argument("--rounds", type=int, default=2)
    words.add_argument("--rate", type=float, default=12.0, help="documents per second of all others together")
    words.add_argument("--window-s", type=float, default=20.0)
    words.add_argument("--others", type=int, default=8)
    words.add_argument("--workers", type=int, default=1)
    words.add_argument("--waiting", type=int, default=1500, help="documents for the dead agency")
    words.add_argument("--config", type=Path)
    words.add_argument("--greedy", choices=SCENARIOS, help=argparse.SUPPRESS)
    words.add_argument("--access", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.greedy:
        print(json.dumps(uvloop.run(Greedy(given.greedy, accesses(given.access), given.waiting).run())))
        return
    plan = Plan(
        var=given.var / "fairness",
        scenarios=given.only,
        rounds=given.rounds,
        rate=given.rate,
        window_s=given.window_s,
        others=given.others,
        workers=given.workers,
        waiting=given.waiting,
        config=given.config,
    )
    report = uvloop.run(measure(plan))
    (given.var / "fairness.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    show(report, Console(width=None if sys.stdout.isatty() else 180))


if __name__ == "__main__":
    main()
