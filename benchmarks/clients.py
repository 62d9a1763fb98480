"""The clients of a benchmark: offices that send, take what comes for them, and look at the clock.

A document is done when its recipient holds the delivery **and** its sender the ContentConsignment.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage, AbstractRobustConnection

DONE_WITHIN_S = 60.0


class Failed(Exception):
    """A document was refused or failed: there is nothing to measure."""


@dataclass(slots=True)
class _Open:
    """A document on its way."""

    done: asyncio.Future[None]
    began: float
    document: str = ""
    is_consigned: bool = False


@dataclass(slots=True)
class Exchange:
    """All offices together: who waits for what."""

    latencies_s: list[float] = field(default_factory=list)
    last_body: bytes = b""
    _open: dict[str, _Open] = field(default_factory=dict)
    _delivered: set[str] = field(default_factory=set)
    _by_document: dict[str, _Open] = field(default_factory=dict)

    def begin(self, message_id: str) -> asyncio.Future[None]:
        """Wait for this document from now on."""
        entry = _Open(asyncio.get_running_loop().create_future(), time.perf_counter())
        self._open[message_id] = entry
        return entry.done

    def delivered(self, message: AbstractIncomingMessage) -> None:
        """A recipient has it."""
        document = str(message.correlation_id)
        self.last_body = message.body
        entry = self._by_document.pop(document, None)
        if entry is None:
            self._delivered.add(document)  # quicker than the receipt
        else:
            self._end(entry)

    def told(self, message: AbstractIncomingMessage) -> None:
        """A sender has a receipt."""
        event = str(message.headers["vanthu-event"])
        message_id = str(message.correlation_id)
        entry = self._open.get(message_id)
        if entry is None or event == "SubmissionAcceptance":
            return
        del self._open[message_id]
        if event != "ContentConsignment":
            reason = str(message.headers.get("vanthu-reason"))
            entry.done.set_exception(Failed(f"{event}: {reason}"))
            return
        document = str(message.headers["vanthu-document"])
        if document in self._delivered:
            self._delivered.discard(document)
            self._end(entry)
        else:
            self._by_document[document] = entry

    def _end(self, entry: _Open) -> None:
        self.latencies_s.append(time.perf_counter() - entry.began)
        if not entry.done.done():
            entry.done.set_result(None)


@dataclass(slots=True)
class Office:
    """One agency's client: one connection, one channel with publisher confirms."""

    organ: str
    access: Mapping[str, Any]
    exchange: Exchange
    _connection: AbstractRobustConnection | None = None
    _submit: AbstractExchange | None = None

    async def open(self) -> None:
        """Connect and begin to take."""
        self._connection = await aio_pika.connect_robust(self.access["amqp_url"], timeout=10)
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.set_qos(prefetch_count=50)
        for name, take in (
            (self.access["deliver_queue"], self.exchange.delivered),
            (self.access["receipts_queue"], self.exchange.told),
        ):
            queue = await channel.get_queue(name, ensure=False)
            await queue.consume(_taking(take))
        self._submit = await channel.get_exchange(self.access["submit_exchange"], ensure=False)

    async def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            await self._connection.close()

    async def send(self, body: bytes, message_id: str) -> None:
        """Send, and wait until it has arrived and is attested.  Raises ``Failed`` and ``TimeoutError``."""
        assert self._submit is not None
        async with asyncio.timeout(DONE_WITHIN_S):
            done = self.exchange.begin(message_id)
            message = aio_pika.Message(
                body,
                message_id=message_id,
                user_id=self.organ,
                content_type="application/xml",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await self._submit.publish(message, f"{self.organ}.edoc", mandatory=True)
            await done


def _taking(take: Callable[[AbstractIncomingMessage], None]) -> Any:
    async def on_message(message: AbstractIncomingMessage) -> None:
        take(message)
        await message.ack()

    return on_message


def accesses(access_file: Path) -> Mapping[str, Mapping[str, Any]]:
    """Everybody's access, by organ."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(access_file.read_text("utf-8"))
    return found


async def offices(access: Mapping[str, Mapping[str, Any]], count: int, exchange: Exchange) -> list[Office]:
    """The first *count* organs with queues, connected."""
    organs = sorted(organ for organ, entry in access.items() if entry["amqp_url"])[:count]
    found = [Office(organ, access[organ], exchange) for organ in organs]
    await asyncio.gather(*(office.open() for office in found))
    return found
