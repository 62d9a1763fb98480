"""One document to 448 organs: copies handed over per second until the sender's client has every receipt."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from aiormq.abc import DeliveredMessage

from benchmarks.clients import Failed, Office
from benchmarks.exchange.plan import Plan
from benchmarks.exchange.served import Gateway, Setting, Supply, served
from benchmarks.papers import PDF_BYTES, page
from benchmarks.processes import GATEWAY, usage
from demo.edxml import File, Letter, Organ, Producer, write_edoc
from demo.stack import SERVE

RECIPIENTS = 448
BY_QUEUE = {"mixed": 62, "queues": RECIPIENTS}
WITHIN_S = 120.0


@dataclass(slots=True)
class Tally:
    """Implements ``benchmarks.clients.Post``: counts what comes for one document."""

    receipts: int = 0
    deliveries: int = 0
    wanted: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str = ""

    def begin(self, deliveries: int) -> None:
        """Wait for a receipt from each recipient, and for so many *deliveries* by queue."""
        self.receipts, self.deliveries, self.wanted = 0, 0, deliveries
        self.done.clear()

    def delivered(self, _: DeliveredMessage) -> None:
        """A recipient has its copy, or the claim of it."""
        self.deliveries += 1
        self._look()

    def told(self, message: DeliveredMessage) -> None:
        """The sender has a receipt."""
        headers = message.header.properties.headers or {}
        match str(headers["vanthu-event"]):
            case "SubmissionAcceptance":
                return
            case "ContentConsignment":
                self.receipts += 1
            case event:
                self.failure = f"{event}: {headers.get('vanthu-reason')!s}"
                self.done.set()
        self._look()

    def _look(self) -> None:
        if self.receipts == RECIPIENTS and self.deliveries == self.wanted:
            self.done.set()


async def measure(plan: Plan, supply: Supply) -> dict[str, Any]:
    """Both directories: 62 recipients with queues, the rest by inbox; and all with queues."""
    return {name: await _among(plan, supply, name, queues) for name, queues in BY_QUEUE.items()}


async def _among(plan: Plan, supply: Supply, name: str, queues: int) -> dict[str, Any]:
    with plan.cleared(f"fanout-{name}") as folder:
        async with sending(folder, supply, queues) as once:
            await once()  # keys are made, channels opened
            rounds = [await once() for _ in range(max(3, plan.rounds))]
    told = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    plan.say(f"fan-out, {queues} by queue: {told['per_s']:.0f} copies/s")
    return told | {"by_queue": queues, "rounds": rounds}


@asynccontextmanager
async def sending(
    folder: Path, supply: Supply, queues: int, command: Sequence[str] = SERVE, workers: int | None = None
) -> AsyncIterator[Callable[[], Awaitable[dict[str, float]]]]:
    """A gateway of which *queues* recipients have queues; a call sends one document to all, and measures."""
    # the sender's code sorts first, and it has queues like those after it
    codes = [f"{number:03}.00.00.H53" for number in range(RECIPIENTS + 1)]
    organs = [(code, at <= queues) for at, code in enumerate(codes)]
    tally = Tally()
    async with (
        served(folder, supply, Setting(organs=organs, command=command, workers=workers)) as gateway,
        gateway.offices(queues + 1, tally) as among,
    ):
        assert among[0].organ == codes[0]
        yield partial(_once, gateway, among[0], codes, tally, queues)


async def _once(
    gateway: Gateway, sender: Office, codes: Sequence[str], tally: Tally, queues: int
) -> dict[str, float]:
    number = gateway.next_number()
    body = _edoc(number, codes)
    tally.begin(queues)
    before, began = usage(), time.perf_counter()
    async with asyncio.timeout(WITHIN_S):
        await sender.publish(body, f"bench-{number}")
        await tally.done.wait()
    elapsed = time.perf_counter() - began
    if tally.failure:
        raise Failed(tally.failure)
    used = usage().since(before)
    return {
        "per_s": RECIPIENTS / elapsed,
        "elapsed_s": elapsed,
        "gateway_cpu_ms_per_copy": sum(used.parts.get(part, 0.0) for part in GATEWAY) / RECIPIENTS,
        "broker_cpu_ms_per_copy": used.parts.get("broker", 0.0) / RECIPIENTS,
        "clients_cpu_ms_per_copy": used.parts.get("clients", 0.0) / RECIPIENTS,
        "busy": used.busy,
    }


def _edoc(number: int, codes: Sequence[str]) -> bytes:
    organs = [Organ(code=code, name=f"Cơ quan {code}") for code in codes]
    letter = Letter(
        sender=organs[0],
        recipients=tuple(organs[1:]),
        number=str(number),
        notation="QĐ-UBND",
        place="Tây Ninh",
        dated=date(2016, 3, 4),
        type_id=1,
        type_name="Quyết định",
        subject="Về việc gửi, nhận văn bản điện tử có ký số",
        competence="TM.",
        position="Chủ tịch",
        signer="Nguyễn Văn A",
        files=(File(name="quyet-dinh.pdf", body=page(number, PDF_BYTES).pdf),),
    )
    return write_edoc(letter, Producer(), datetime.now(UTC))
