"""Both sides of the broker's adapters, for tests: clients that know only the published contract, and an intake that
notes what it is told.

Names, keys and headers come from ``schemas/asyncapi.yaml``, as any client would read them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import yaml
from aio_pika.abc import AbstractChannel

from adapters.broker.connection import Connection
from adapters.broker.connection import Options as ConnectionOptions
from adapters.broker.consumer import Consumer
from adapters.broker.consumer import Options as ConsumerOptions
from adapters.broker.definitions import Site
from adapters.broker.management import Management
from adapters.broker.management import Options as ManagementOptions
from adapters.broker.node import PrivateNode
from adapters.broker.outlet import AmqpOutlet
from adapters.broker.outlet import Options as OutletOptions
from adapters.broker.topology import Bound, Bounds, plan
from adapters.clock import SystemClock
from gateway.errors import Reason
from gateway.model.envelope import Kind
from gateway.model.evidence import EventName
from gateway.model.handover import Delivery, Handed, HandOverResult, Receipt
from gateway.model.ids import (
    ClientId,
    DeliveryId,
    DocumentId,
    EvidenceId,
    MessageId,
    OrganCode,
    PartyKey,
)
from gateway.model.journey import SubmissionState
from gateway.model.party import Client, Link, Party
from gateway.model.payload import PayloadRef
from gateway.model.submission import Arrival, Door, Ticket
from schemas import read
from tests.brokers import PASSWORD, address, let_in
from tests.contract.test_outlet import OneVault

VHOST = "broker-contract"
SECRET = b"another secret of thirty-two bytes"
A, B, C = PartyKey("000.00.91.T01"), PartyKey("000.00.92.T01"), PartyKey("000.00.93.T01")
PARTIES = [
    Party(key=A, name="A", codes=(), link=Link.AMQP),
    Party(key=B, name="B", codes=(), link=Link.AMQP),
    Party(key=C, name="C", codes=(), link=Link.HTTP),
]
CLIENTS = [
    Client(id=ClientId("client-a"), acts_for=frozenset({A})),
    Client(id=ClientId("client-b"), acts_for=frozenset({B, C})),
]
BOUNDS = Bounds(
    deliver=Bound(messages=20, bytes=1024 * 1024, deliveries=3),
    dead=Bound(messages=5, bytes=1024 * 1024, deliveries=1000),
)
TOPOLOGY = plan(PARTIES, CLIENTS, BOUNDS)
CONTRACT: Mapping[str, Any] = yaml.safe_load(read("asyncapi.yaml"))
EXCHANGE: str = CONTRACT["channels"]["submit"]["bindings"]["amqp"]["exchange"]["name"]
DOCUMENT = DocumentId("0190a000-0000-7000-8000-000000000001")
EVIDENCE = EvidenceId("00000000-0000-5000-8000-00000000000e")
XML = "application/xml"


def named(channel: str, organ: str) -> str:
    """The routing key or queue of *channel* for *organ*, as the published contract says."""
    told: str = CONTRACT["channels"][channel]["address"]
    return told.replace("{organ}", organ)


# --- the other side of the adapters -----------------------------------------------------------------


@dataclass
class Clerk:
    """An intake that notes what it is told, and fails in the ways that it was taught."""

    arrivals: list[Arrival] = field(default_factory=list)
    undelivered: list[tuple[str, str, str, str]] = field(default_factory=list)
    returned: list[tuple[str, str, str]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    finished: int = 0
    refuses: bool = False
    door_is_open: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.door_is_open.set()

    async def submit(self, arrival: Arrival) -> Ticket:
        await self._note(lambda: self.arrivals.append(arrival))
        await self.door_is_open.wait()
        self.finished += 1
        if self.failures:
            raise self.failures.pop(0)
        if self.refuses:
            return Ticket(door=Door.REFUSED, document=None, state=SubmissionState.REFUSED)
        return Ticket(door=Door.ACCEPTED, document=None, state=SubmissionState.RECEIVED)

    async def check(self, party: PartyKey) -> None:
        """``Quotas.check``: nobody has used anything up."""

    def screen(self, head: bytes) -> None:
        raise AssertionError("AMQP screens nothing")

    async def undeliverable(
        self, document: DocumentId, recipient: PartyKey, delivery: str, cause: str
    ) -> None:
        await self._note(lambda: self.undelivered.append((document, recipient, delivery, cause)))
        if self.failures:
            raise self.failures.pop(0)

    async def untaken(self, document: DocumentId, evidence: EvidenceId, cause: str) -> None:
        await self._note(lambda: self.returned.append((document, evidence, cause)))

    async def sees(self, condition: Callable[[Clerk], bool], within_s: float = 30) -> None:
        """Wait until *condition* holds of us."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: condition(self))

    async def _note(self, write: Callable[[], None]) -> None:
        async with self._news:
            write()
            self._news.notify_all()


@dataclass(frozen=True, kw_only=True)
class Broker:
    """Our virtual host on the private node, with nothing in its queues."""

    node: PrivateNode
    management: Management
    hand: AbstractChannel
    """May do everything, for what only the test itself does."""

    def url(self, user: str = "") -> str:
        return address(self.node, VHOST, user)

    async def depth(self, queue: str) -> int:
        declared = await self.hand.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0

    async def becomes(self, queue: str, depth: int, within_s: float = 30) -> None:
        async with asyncio.timeout(within_s):
            while await self.depth(queue) != depth:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def emptied(broker_node: PrivateNode) -> AsyncIterator[Broker]:
    """Our virtual host, with its topology and nothing in its queues."""
    access = ManagementOptions(
        url=broker_node.management_url, user=broker_node.user, password=broker_node.password
    )
    site = Site(vhost=VHOST, gateway_user=broker_node.user)
    async with Management(access, site) as management:
        await management.ensure(TOPOLOGY, {client.id: PASSWORD for client in CLIENTS})
        await let_in(broker_node, VHOST, "hand")
        async with (
            await aio_pika.connect(address(broker_node, VHOST, "hand")) as connection,
            connection.channel(on_return_raises=True) as hand,
        ):
            for queue in TOPOLOGY.queues:
                await (await hand.get_queue(queue.name, ensure=False)).purge()
            yield Broker(node=broker_node, management=management, hand=hand)


@asynccontextmanager
async def consuming(broker: Broker, clerk: Clerk, **options: Any) -> AsyncIterator[Consumer]:
    quick = ConsumerOptions(
        first_wait=timedelta(milliseconds=20),
        longest_wait=timedelta(milliseconds=200),
        missing_wait=timedelta(milliseconds=200),
    )
    consumer = Consumer(
        replace(quick, **options),
        ConnectionOptions(url=broker.url(), longest_wait=timedelta(milliseconds=500)),
        clerk,
        TOPOLOGY.parties,
        SECRET,
        clerk,
    )
    await consumer.start()
    try:
        await until(lambda: consumer.state == "ok")
        yield consumer
    finally:
        await consumer.stop(timedelta(seconds=1))


@asynccontextmanager
async def handing_over(broker: Broker, deadline_s: float = 5) -> AsyncIterator[AmqpOutlet]:
    options = ConnectionOptions(url=broker.url(), longest_wait=timedelta(milliseconds=500))
    outlet = OutletOptions(public_url="http://gateway.example", deadline=timedelta(seconds=deadline_s))
    async with Connection(options, "publish") as connection:
        yield AmqpOutlet(outlet, connection, OneVault(), SystemClock(), SECRET)


@asynccontextmanager
async def client(broker: Broker, user: str) -> AsyncIterator[AbstractChannel]:
    async with (
        await aio_pika.connect(broker.url(user)) as connection,
        connection.channel(publisher_confirms=True, on_return_raises=True) as channel,
    ):
        yield channel


async def submit(channel: AbstractChannel, key: str, body: bytes = b"<edXML/>", **properties: Any) -> None:
    told = {"message_id": "m-1", "content_type": XML, "delivery_mode": 2, **properties}
    exchange = await channel.get_exchange(EXCHANGE, ensure=False)
    await exchange.publish(aio_pika.Message(body, **told), routing_key=key)


async def until(condition: Callable[[], bool], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


def a_delivery(number: int = 1, **other: Any) -> Delivery:
    plain = Delivery(
        id=DeliveryId(f"00000000-0000-5000-8000-{number:012}"),
        document=DOCUMENT,
        about=DOCUMENT,
        party=A,
        sender=OrganCode(B),
        kind=Kind.EDOC,
        payload=PayloadRef.of(b"<edXML/>"),
        expires_at=datetime.now(UTC) + timedelta(days=30),
    )
    return replace(plain, **other)


def a_receipt(**other: Any) -> Receipt:
    plain = Receipt(
        id=EVIDENCE,
        document=DOCUMENT,
        party=A,
        correlation=MessageId("m-1"),
        event=EventName.CONTENT_CONSIGNMENT_FAILURE,
        recipient=OrganCode(B),
        reason=Reason("queue-full"),
        sequence=2,
        body=b"<evidence/>",
    )
    return replace(plain, **other)


def not_now(reason: str, *, is_sure: bool = False) -> HandOverResult:
    return HandOverResult(handed=Handed.NOT_NOW, reason=Reason(reason), is_sure=is_sure)
