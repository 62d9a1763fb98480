"""The clients of a benchmark: offices that send, take what comes for them, and look at the clock.

They share the machine with what they measure, so they are built on the channel of the AMQP library itself; all that
the contract asks of a client they do: persistent messages, publisher confirms, deliveries and receipts acknowledged when
they were taken, those that come within a moment together.
A document is done when its recipient holds the delivery **and** its sender the ContentConsignment.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from pamqp.commands import Basic

DONE_WITHIN_S = 60.0
ACKNOWLEDGED_AT_ONCE = 16
ACKNOWLEDGED_WITHIN_S = 0.01
PREFETCH = 50


class Failed(Exception):
    """A document was refused or failed: there is nothing to measure."""


class Post(Protocol):
    """Who is told of what comes for an office."""

    def delivered(self, message: DeliveredMessage) -> None:
        """A recipient has it."""
        ...

    def told(self, message: DeliveredMessage) -> None:
        """A sender has a receipt."""
        ...


@dataclass(slots=True)
class _Open:
    """A document on its way."""

    done: asyncio.Future[None]
    began: float


@dataclass(frozen=True, slots=True)
class End:
    """A document that is through: when, and how long after it was due to be sent, in seconds."""

    at: float
    took: float


@dataclass(slots=True)
class Exchange:
    """Implements ``Post`` for all offices together: who waits for what, and what is through."""

    ends: list[End] = field(default_factory=list)
    last_body: bytes = b""
    last_document: str = ""
    _open: dict[str, _Open] = field(default_factory=dict)
    _delivered: set[str] = field(default_factory=set)
    _by_document: dict[str, _Open] = field(default_factory=dict)

    def begin(self, message_id: str, due: float | None = None) -> asyncio.Future[None]:
        """Wait for this document from now on; its time runs from *due* where it should have gone out before now."""
        began = time.perf_counter() if due is None else due
        entry = _Open(asyncio.get_running_loop().create_future(), began)
        self._open[message_id] = entry
        return entry.done

    def delivered(self, message: DeliveredMessage) -> None:
        """A recipient has it."""
        document = str(message.header.properties.correlation_id)
        self.last_body = message.body
        entry = self._by_document.pop(document, None)
        if entry is None:
            self._delivered.add(document)  # quicker than the receipt
        else:
            self._end(entry)

    def told(self, message: DeliveredMessage) -> None:
        """A sender has a receipt."""
        headers = message.header.properties.headers or {}
        event = str(headers["vanthu-event"])
        message_id = str(message.header.properties.correlation_id)
        entry = self._open.get(message_id)
        if entry is None or event == "SubmissionAcceptance":
            return
        del self._open[message_id]
        if event != "ContentConsignment":
            entry.done.set_exception(Failed(f"{event}: {headers.get('vanthu-reason')!s}"))
            return
        self.last_document = document = str(headers["vanthu-document"])
        if document in self._delivered:
            self._delivered.discard(document)
            self._end(entry)
        else:
            self._by_document[document] = entry

    def _end(self, entry: _Open) -> None:
        now = time.perf_counter()
        self.ends.append(End(now, now - entry.began))
        if not entry.done.done():
            entry.done.set_result(None)


@dataclass(slots=True)
class Office:
    """One agency's client: one connection, one channel with publisher confirms."""

    organ: str
    access: Mapping[str, Any]
    post: Post
    _connection: AbstractConnection | None = None
    _channel: AbstractChannel | None = None
    _taken: int = 0
    _last: int = 0
    _soon: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and begin to take."""
        async with asyncio.timeout(DONE_WITHIN_S):
            self._connection = await aiormq.connect(self.access["amqp_url"])
            self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            await self._channel.basic_qos(prefetch_count=PREFETCH)
            await self._channel.basic_consume(self.access["deliver_queue"], self._taking(self.post.delivered))
            await self._channel.basic_consume(self.access["receipts_queue"], self._taking(self.post.told))

    async def close(self) -> None:
        """Disconnect."""
        if self._soon is not None:
            await self._soon
        if self._connection is not None:
            await self._connection.close()

    async def publish(self, body: bytes, message_id: str) -> None:
        """Bring it to the broker, which confirms it.  Raises ``Failed``."""
        assert self._channel is not None
        confirmed = await self._channel.basic_publish(
            body,
            exchange=self.access["submit_exchange"],
            routing_key=f"{self.organ}.edoc",
            properties=Basic.Properties(
                message_id=message_id,
                user_id=self.organ,
                content_type="application/xml",
                delivery_mode=2,
            ),
            mandatory=True,
        )
        if not isinstance(confirmed, Basic.Ack):
            raise Failed(f"the broker did not take {message_id}")

    async def send(self, body: bytes, message_id: str, due: float | None = None) -> None:
        """Send, and wait until it has arrived and is attested.  Raises ``Failed`` and ``TimeoutError``."""
        assert isinstance(self.post, Exchange)
        async with asyncio.timeout(DONE_WITHIN_S):
            done = self.post.begin(message_id, due)
            await self.publish(body, message_id)
            await done

    def _taking(self, take: Callable[[DeliveredMessage], None]) -> Any:
        async def on_message(message: DeliveredMessage) -> None:
            take(message)
            assert message.delivery_tag is not None
            self._taken, self._last = self._taken + 1, message.delivery_tag
            if self._taken == ACKNOWLEDGED_AT_ONCE:
                await self._acknowledge()
            elif self._soon is None:
                self._soon = asyncio.create_task(self._acknowledge_soon())

        return on_message

    async def _acknowledge_soon(self) -> None:
        await asyncio.sleep(ACKNOWLEDGED_WITHIN_S)
        self._soon = None
        if self._taken:
            await self._acknowledge()

    async def _acknowledge(self) -> None:
        # messages are taken in the order of their tags: what came before was taken, too
        assert self._channel is not None
        self._taken = 0
        await self._channel.basic_ack(self._last, multiple=True, wait=False)


def accesses(access_file: Path) -> Mapping[str, Mapping[str, Any]]:
    """Everybody's access, by organ."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(access_file.read_text("utf-8"))
    return found


async def offices(access: Mapping[str, Mapping[str, Any]], count: int, post: Post) -> list[Office]:
    """The first *count* organs with queues, connected, some at a time."""
    organs = sorted(organ for organ, entry in access.items() if entry["amqp_url"])[:count]
    found = [Office(organ, access[organ], post) for organ in organs]
    for at in range(0, len(found), 20):
        await asyncio.gather(*(office.open() for office in found[at : at + 20]))
    return found
