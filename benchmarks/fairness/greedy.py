"""One agency that is trouble: a process of its own, which sends until its standard input ends.

    python -m benchmarks.fairness.greedy SCENARIO ACCESS_FILE ORGAN RECIPIENT... (or ``everybody``)

It says every second, as a line of JSON, how it fares.  It gives way to everybody else, as it can: on a real link its
clients would not share our processors.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import uvloop
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import DeliveryError

from adapters.limits import give_way
from benchmarks import papers
from benchmarks.clients import Failed, Office, accesses
from demo.edxml import File, Letter, Organ, Producer, write_edoc

SCENARIOS = {
    "queue": "sends small documents by its queue as fast as it is let",
    "quota": "sends like that, but has a quota of 240 a minute",
    "http": "sends small documents over HTTP as fast as it is let",
    "fanout": "sends every document to every organ",
    "dead": "has many documents waiting for an agency that takes none",
    "slow": "sends nothing but PDFs that take ten seconds to judge",
}
ENDLESS = 100_000
WAITING = 400
"""How many go to the dead agency: four times what its queue holds."""
QUOTA = 240
"""Documents a minute: several times what each of the others sends."""
AT_ONCE = 32
PDF_BYTES = 20_000


class Greedy:
    """Implements ``benchmarks.clients.Post``: what comes for it is taken and counted."""

    def __init__(
        self, scenario: str, access: Mapping[str, Mapping[str, Any]], organ: str, to: Sequence[str]
    ) -> None:
        self._scenario = scenario
        self._own = access[organ]
        self._office = Office(organ, self._own, self)
        pdf = costly() if scenario == "slow" else papers.page(1, PDF_BYTES).pdf
        self._paper = _paper(pdf, sorted(access) if list(to) == ["everybody"] else to)
        self._left = WAITING if scenario == "dead" else ENDLESS
        self._number = 0
        self._told: Counter[str] = Counter()

    def delivered(self, message: DeliveredMessage) -> None:
        """A document came."""
        self._told["delivered"] += 1

    def told(self, message: DeliveredMessage) -> None:
        """A receipt came."""
        self._told[str((message.header.properties.headers or {})["vanthu-event"])] += 1

    async def run(self) -> None:
        """Until the end of standard input; who runs us ends us if we do not."""
        ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await self._office.open()
        give_way(19)  # now that it is ready: on a busy machine it would not be for minutes
        async with aiohttp.ClientSession() as http:
            senders = [asyncio.create_task(self._go_on(self._way(http))) for _ in range(AT_ONCE)]
            while not ended.done():
                print(json.dumps(self._told), flush=True)
                await asyncio.wait({ended}, timeout=1.0)
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
        await self._office.close()

    def _way(self, http: aiohttp.ClientSession) -> Callable[[bytes, str], Awaitable[float | None]]:
        async def post(body: bytes, message_id: str) -> float | None:
            return await self._post(http, body, message_id)

        return post if self._scenario == "http" else self._publish

    async def _go_on(self, send: Callable[[bytes, str], Awaitable[float | None]]) -> None:
        while self._left > 0:
            self._left -= 1
            self._number += 1
            number = self._number
            body = self._paper.edoc(number, self._office.organ, "")
            wait_s = await send(body, f"greedy-{os.getpid()}-{number}")
            while wait_s is not None:
                await asyncio.sleep(wait_s)
                wait_s = await send(body, f"greedy-{os.getpid()}-{number}")
            self._told["sent"] += 1

    async def _publish(self, body: bytes, message_id: str) -> float | None:
        """``None``, or how long to wait before it is tried again."""
        try:
            await self._office.publish(body, message_id)
        except (DeliveryError, Failed):
            self._told["queue full"] += 1
            return 0.5
        return None

    async def _post(self, http: aiohttp.ClientSession, body: bytes, message_id: str) -> float | None:
        headers = {
            "Authorization": f"Bearer {self._own['http_token']}",
            "Idempotency-Key": message_id,
            "Content-Type": "application/xml",
        }
        url = self._own["http_url"] + "/v1/submissions"
        async with http.post(url, data=body, headers=headers, params={"organ": self._office.organ}) as answer:
            self._told[f"HTTP {answer.status}"] += 1
            return None if answer.status == 202 else float(answer.headers.get("Retry-After", "1"))


def costly() -> bytes:
    """A PDF of 120 KB that takes eight to ten seconds to judge."""
    with TemporaryDirectory() as folder:
        made = [sys.executable, "-m", "tests.vectors.make_costly_pdfs", folder, "ten_seconds_of_fields"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        return (Path(folder) / "ten_seconds_of_fields.pdf").read_bytes()


def _paper(pdf: bytes, recipients: Sequence[str]) -> papers.Paper:
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


def main() -> None:
    """The command."""
    scenario, access_file, organ, *to = sys.argv[1:]
    uvloop.run(Greedy(scenario, accesses(Path(access_file)), organ, to).run())


if __name__ == "__main__":
    main()
