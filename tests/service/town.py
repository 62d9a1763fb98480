"""A small town on a real broker: a running stack, four organs, and clients that know only the contract."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from adapters.broker.node import PrivateNode
from adapters.envelope.compose import (
    Correspondent,
    NewEdoc,
    NewFile,
    NewReference,
    NewStatus,
    compose_edoc,
    compose_status,
)
from gateway.config import load
from gateway.wiring import Stack

PATIENCE_S = 90.0
AWAY = (aio_pika.exceptions.AMQPError, ConnectionError, TimeoutError, RuntimeError, OSError)


@dataclass(slots=True)
class Office:
    """One agency's client: publishes, takes deliveries and receipts as they come, remembers all.

    It connects again by itself, from nothing: a client library's own recovery is not what is tested here.
    """

    organ: str
    access: dict[str, Any]
    deliveries: dict[str, list[AbstractIncomingMessage]] = field(default_factory=lambda: defaultdict(list))
    receipts: list[AbstractIncomingMessage] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _exchange: Any = None
    _is_open: asyncio.Event = field(default_factory=asyncio.Event)
    _keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and begin to take."""
        self._keeper = asyncio.create_task(self._keep())
        async with asyncio.timeout(PATIENCE_S):
            await self._is_open.wait()

    @property
    def is_open(self) -> bool:
        """Whether it is connected now."""
        return self._is_open.is_set()

    async def close(self) -> None:
        """Disconnect."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            try:
                async with await aio_pika.connect(self.access["amqp_url"], timeout=10) as connection:
                    lost = asyncio.Event()
                    connection.close_callbacks.add(lambda *_, lost=lost: lost.set())
                    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                    for queue, take in (
                        (self.access["deliver_queue"], self._delivery),
                        (self.access["receipts_queue"], self._receipt),
                    ):
                        await (await channel.get_queue(queue, ensure=False)).consume(take)
                    self._exchange = await channel.get_exchange(self.access["submit_exchange"], ensure=False)
                    self._is_open.set()
                    await lost.wait()
            except AWAY:
                await asyncio.sleep(0.1)
            finally:
                self._is_open.clear()

    async def publish(
        self, body: bytes, message_id: str, *, key: str = "edoc", user_id: bool = True, **properties: Any
    ) -> None:
        """Publish until the broker has confirmed it: what an e-office does with its outbox."""
        message = aio_pika.Message(
            body,
            message_id=message_id,
            user_id=self.organ if user_id else None,
            content_type="application/xml",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            **properties,
        )
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await self._is_open.wait()
                try:
                    await self._exchange.publish(message, f"{self.organ}.{key}", mandatory=True, timeout=10)
                except AWAY:
                    await asyncio.sleep(0.05)
                    continue
                except asyncio.CancelledError:
                    # The library ends what waits on a lost channel with a cancellation that nobody asked for.
                    task = asyncio.current_task()
                    if task is not None and task.cancelling():
                        raise
                    continue
                return

    async def until(self, seen: Any) -> None:
        """Wait until *seen()* is true of what has come."""
        async with asyncio.timeout(PATIENCE_S), self.news:
            await self.news.wait_for(seen)

    @staticmethod
    async def until_also(seen: Any) -> None:
        """Wait until *seen()* is true of something that tells nobody when it changes."""
        async with asyncio.timeout(PATIENCE_S):
            while not seen():
                await asyncio.sleep(0.02)

    def events(self, message_id: str) -> list[str]:
        """The events of the receipts for *message_id*."""
        return [str(r.headers["vanthu-event"]) for r in self.receipts if r.correlation_id == message_id]

    def events_once(self, message_id: str) -> list[str]:
        """The same, each evidence once, in order."""
        once = {r.message_id: r for r in self.receipts if r.correlation_id == message_id}
        return sorted(str(r.headers["vanthu-event"]) for r in once.values())

    async def _delivery(self, message: AbstractIncomingMessage) -> None:
        async with self.news:
            self.deliveries[str(message.message_id)].append(message)
            self.news.notify_all()
        await message.ack()

    async def _receipt(self, message: AbstractIncomingMessage) -> None:
        async with self.news:
            self.receipts.append(message)
            self.news.notify_all()
        await message.ack()


@dataclass(slots=True)
class Town:
    """The running stack and its offices by organ."""

    stack: Stack
    var: Path
    organs: Sequence[str]
    access: dict[str, Any]
    offices: dict[str, Office]

    def edoc(
        self,
        *recipients: str,
        subject: str = "Về việc kiểm tra",
        pdf: bytes | None = None,
        number: int = 1,
        sender: str = "",
    ) -> bytes:
        """An edoc of the first organ, or of *sender*."""
        return compose_edoc(
            NewEdoc(
                sender=Correspondent(code=sender or self.organs[0], name="UBND"),
                recipients=tuple(Correspondent(code=r, name=r) for r in recipients),
                number=str(number),
                notation="QĐ-UBND",
                dated=date(2016, 3, 4),
                subject=subject,
                sent_at=datetime.now(UTC),
                signer="Nguyễn Văn A",
                files=(NewFile(name="qd.pdf", body=pdf or a_pdf(), media_type="application/pdf"),),
            )
        )

    def status(self, reporter: str, code: str, number: int = 1, description: str = "") -> bytes:
        """A status of *reporter* about the edoc with *number*."""
        return compose_status(
            NewStatus(
                reporter=Correspondent(code=reporter, name=reporter),
                about=NewReference(organ=self.organs[0], code=f"{number}/QĐ-UBND", dated=date(2016, 3, 4)),
                code=code,
                sent_at=datetime.now(UTC),
                description=description,
            )
        )


@asynccontextmanager
async def a_town(
    folder: Path,
    node: PrivateNode,
    *,
    workers: int = 1,
    command: Sequence[str] = (sys.executable, "-m", "gateway.cli", "work"),
    settings: str = "",
    organs: int = 4,
) -> AsyncIterator[Town]:
    """A stack over *node* with organs of its own; the last of them fetches by HTTP."""
    tag = f"{secrets.randbelow(100):02d}.{secrets.randbelow(100):02d}.T99"
    codes = [f"9{n:02d}.{tag}" for n in range(organs)]
    queues = "|".join(codes[:-1]).replace(".", r"\.")
    (folder / "organs.csv").write_text(
        "organ_id,name\n" + "".join(f'"{c}","Cơ quan {c}"\n' for c in codes), encoding="utf-8"
    )
    config = folder / "gateway.toml"
    config.write_text(
        f"""
[directory]
organs = "organs.csv"
queues = '{queues}'
[broker]
url = "{node.amqp_url}"
management_url = "{node.management_url}"
[pace]
workers = {workers}
tick_ms = 100
lease_s = 4.0
[patience]
first_s = 0.2
longest_s = 1.0
{settings}
""",
        encoding="utf-8",
    )
    stack = Stack(load(config, var=folder / "var"), actor="test", command=command)
    offices: dict[str, Office] = {}
    try:
        await stack.start()
        access = json.loads((folder / "var/dev/access.json").read_text(encoding="utf-8"))
        for code in codes:
            if access[code]["amqp_url"]:
                offices[code] = Office(code, access[code])
                await offices[code].open()
        yield Town(stack, folder / "var", codes, access, offices)
    finally:
        for office in offices.values():
            await office.close()
        await stack.stop()


def a_pdf(name: str = "") -> bytes:
    """One empty page, written by hand; with a *name*, unlike every other."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
    ]
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 4\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % o for o in offsets)
    digest = hashlib.sha256(bytes(out) + name.encode()).hexdigest()[:32].encode()
    return bytes(out) + b"trailer\n<< /Size 4 /Root 1 0 R /ID [<%s><%s>] >>\nstartxref\n%d\n%%%%EOF\n" % (
        digest,
        digest,
        start,
    )
