"""The AMQP contract on a real RabbitMQ: what clients may do, what they get, and what happens when things break.

Names, keys and headers come from ``schemas/asyncapi.yaml``, as any client would read them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import struct
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import aiormq
import jsonschema
import pytest
import yaml
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, DeliveryError
from aiormq import spec

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
from gateway.errors import Reason, Unavailable
from gateway.model.claim import CLAIM_TYPE, path_of
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
from tests.brokers import PASSWORD, address, api, let_in
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
    failures: list[Exception] = field(default_factory=list)
    door_is_open: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.door_is_open.set()

    async def submit(self, arrival: Arrival) -> Ticket:
        await self._note(lambda: self.arrivals.append(arrival))
        await self.door_is_open.wait()
        if self.failures:
            raise self.failures.pop(0)
        return Ticket(door=Door.ACCEPTED, document=None, state=SubmissionState.RECEIVED)

    def screen(self, head: bytes) -> None:
        raise AssertionError("AMQP screens nothing")

    async def undeliverable(
        self, document: DocumentId, recipient: PartyKey, delivery: str, cause: str
    ) -> None:
        await self._note(lambda: self.undelivered.append((document, recipient, delivery, cause)))
        if self.failures:
            raise self.failures.pop(0)

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


@pytest.fixture
async def broker(broker_node: PrivateNode) -> AsyncIterator[Broker]:
    access = ManagementOptions(url=broker_node.management_url, user=broker_node.user, password=broker_node.password)
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


def not_now(reason: str) -> HandOverResult:
    return HandOverResult(handed=Handed.NOT_NOW, reason=Reason(reason))


# --- what clients may do ----------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["submit", "submitUrgent", "submitStatus"])
async def test_a_client_publishes_under_its_own_keys(broker: Broker, channel: str) -> None:
    async with client(broker, "client-a") as own:
        await submit(own, named(channel, A), user_id="client-a")
    queue = f"vanthu.submit.{A}.urgent" if channel == "submitUrgent" else f"vanthu.submit.{A}"
    assert await broker.depth(queue) == 1


@pytest.mark.parametrize(
    ("key", "user_id"),
    [
        (named("submit", B), "client-a"),
        (named("submit", A), "client-b"),
        (named("submit", A), "vanthu-gateway"),
        (named("submit", A) + ".anything", "client-a"),
        (named("submitUrgent", A) + ".anything", "client-a"),
        ("x" + named("submit", A), "client-a"),
        (named("submit", A.replace(".", "x")), "client-a"),
        (f"{A}.other", "client-a"),
        (A, "client-a"),
    ],
)
async def test_the_broker_refuses_what_is_not_the_clients_own(
    broker: Broker, key: str, user_id: str
) -> None:
    async with client(broker, "client-a") as own:
        with pytest.raises((AMQPError, ConnectionError)) as refused:
            await submit(own, key, user_id=user_id)
    assert not isinstance(refused.value, DeliveryError), "refused, not merely unroutable"
    assert [await broker.depth(queue.name) for queue in TOPOLOGY.queues if "submit" in queue.name] == [0] * 5


@pytest.mark.parametrize(
    "deed",
    ["default exchange", "dead letters", "other's queue", "submit queue", "declare", "delete", "bind"],
)
async def test_a_client_can_do_nothing_else(broker: Broker, deed: str) -> None:
    async with client(broker, "client-a") as own:
        message = aio_pika.Message(b"<edXML/>", message_id="m-1")
        with pytest.raises((AMQPError, ConnectionError), match=r"(?i)access[_ ]refused|403") as refused:
            match deed:
                case "default exchange":
                    await own.default_exchange.publish(message, routing_key=named("deliver", B))
                case "dead letters":
                    dead = await own.get_exchange("vanthu.dead", ensure=False)
                    await dead.publish(message, routing_key=f"submit.{B}")
                case "other's queue":
                    await (await own.get_queue(named("deliver", B), ensure=False)).consume(_nothing)
                case "submit queue":
                    await (await own.get_queue(f"vanthu.submit.{A}", ensure=False)).consume(_nothing)
                case "declare":
                    await own.declare_queue("mine", durable=True)
                case "delete":
                    await own.queue_delete(named("deliver", A))
                case "bind":
                    mine = await own.get_queue(named("deliver", A), ensure=False)
                    await mine.bind(EXCHANGE, f"{B}.edoc")
    assert not isinstance(refused.value, DeliveryError)


async def test_a_client_takes_what_is_its_own(broker: Broker) -> None:
    async with handing_over(broker) as outlet, client(broker, "client-a") as own:
        assert (await outlet.hand_over(a_delivery())).handed is Handed.TAKEN
        assert (await outlet.hand_over(a_receipt())).handed is Handed.TAKEN
        for channel in ("deliver", "receipts"):
            message = await (await own.get_queue(named(channel, A))).get(timeout=10)
            assert message is not None
            await message.ack()


async def _nothing(_: AbstractIncomingMessage) -> None:
    """Takes nothing."""


# --- the published contract -------------------------------------------------------------------------


def test_the_published_names_are_those_of_the_topology() -> None:
    queues = {queue.name for queue in TOPOLOGY.queues}
    keys = {binding.key: binding.queue for binding in TOPOLOGY.bindings if binding.exchange == EXCHANGE}
    for organ in (A, B):
        for channel in ("submit", "submitUrgent", "submitStatus"):
            assert named(channel, organ) in keys
        for channel in ("deliver", "receipts"):
            assert named(channel, organ) in queues
            bound = CONTRACT["channels"][channel]["bindings"]["amqp"]["queue"]["name"]
            assert bound.replace("{organ}", organ) == named(channel, organ)
    assert len(keys) == 6


@pytest.mark.parametrize(
    ("parcel", "message"),
    [
        (a_delivery(), "delivery"),
        (a_delivery(kind=Kind.STATUS, attempt=3), "delivery"),
        (a_delivery(as_claim=True), "deliveryClaim"),
        (a_receipt(), "receipt"),
        (
            a_receipt(event=EventName.SUBMISSION_ACCEPTANCE, recipient=None, reason=None, sequence=0),
            "receipt",
        ),
    ],
)
async def test_what_clients_get_is_what_the_published_contract_says(
    broker: Broker, parcel: Delivery | Receipt, message: str
) -> None:
    async with handing_over(broker) as outlet:
        assert (await outlet.hand_over(parcel)).handed is Handed.TAKEN
    channel = "receipts" if isinstance(parcel, Receipt) else "deliver"
    taken = await (await broker.hand.get_queue(named(channel, A))).get(timeout=10)
    assert taken is not None
    await taken.ack()
    published = CONTRACT["components"]["messages"][message]
    assert taken.content_type == published["contentType"]
    headers = {name: value for name, value in taken.headers.items() if not name.startswith("x-")}
    fits(headers, published["headers"])
    assert headers.keys() <= of(published["headers"])["properties"].keys(), "every header is published"
    expiration = None if taken.expiration is None else str(round(float(str(taken.expiration)) * 1000))
    properties = {
        "message_id": taken.message_id,
        "correlation_id": taken.correlation_id,
        "type": taken.type,
        "content_type": taken.content_type,
        "delivery_mode": int(taken.delivery_mode),
        "timestamp": round(taken.timestamp.timestamp()) if taken.timestamp else None,
        "expiration": expiration,
    }
    fits({name: value for name, value in properties.items() if value is not None}, published["x-amqp-properties"])
    if message == "deliveryClaim":
        fits(json.loads(taken.body), published["payload"])


def test_the_schemas_of_the_published_contract_tell_right_from_wrong() -> None:
    headers = CONTRACT["components"]["messages"]["receipt"]["headers"]
    right = {"vanthu-event": "ContentHandover", "vanthu-document": str(DOCUMENT), "vanthu-sequence": 1}
    with pytest.raises(jsonschema.ValidationError):
        fits(right, headers)
    fits({**right, "vanthu-version": "1"}, headers)
    with pytest.raises(jsonschema.ValidationError):
        fits({**right, "vanthu-version": "1", "vanthu-sequence": "1"}, headers)


def of(reference: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that *reference* means."""
    found: Any = CONTRACT
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found  # type: ignore[no-any-return]  # whatever the YAML holds


def fits(instance: object, reference: Mapping[str, Any]) -> None:
    schema = {"components": CONTRACT["components"], **of(reference)}
    jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(instance)


# --- submissions come in ----------------------------------------------------------------------------


async def test_a_submission_comes_to_the_intake_with_all_that_it_said(broker: Broker) -> None:
    clerk = Clerk()
    headers = {"vanthu-expires": "2030-01-01T00:00:00Z", "traceparent": "00-1-2-01", "unknown": 7}
    async with consuming(broker, clerk), client(broker, "client-a") as own:
        await submit(own, named("submit", A), b"<a/>", user_id="client-a", headers=headers)
        await clerk.sees(lambda c: len(c.arrivals) == 1)
        await submit(own, named("submitStatus", A), b"<s/>", user_id="client-a", message_id="m-2")
        await clerk.sees(lambda c: len(c.arrivals) == 2)
        await submit(own, named("submitUrgent", A), b"<u/>")
        await clerk.sees(lambda c: len(c.arrivals) == 3)
        await broker.becomes(f"vanthu.submit.{A}", 0)
    edoc, status, urgent = clerk.arrivals
    assert edoc == Arrival(
        client=ClientId("client-a"),
        claimed=OrganCode(A),
        message_id=MessageId("m-1"),
        payload=PayloadRef.of(b"<a/>"),
        link=Link.AMQP,
        routed_as=Kind.EDOC,
        content_type=XML,
        expires="2030-01-01T00:00:00Z",
        traceparent="00-1-2-01",
    )
    assert edoc.payload.body == b"<a/>"
    assert (status.routed_as, status.is_urgent) == (Kind.STATUS, False)
    assert (urgent.routed_as, urgent.is_urgent, urgent.client) == (Kind.EDOC, True, None)


async def test_a_claim_is_resolved_and_a_bad_one_is_handed_on_as_it_is(broker: Broker) -> None:
    ref = PayloadRef.of(bytes(2_000_000)).bare()
    good = {"href": path_of(SECRET, A, ref), "sha256": ref.sha256, "size": ref.size}
    absolute = {**good, "href": "https://gateway.example" + good["href"], "unknown": 1}
    bad: list[object] = [
        {**good, "href": path_of(SECRET, B, ref)},
        {**good, "size": ref.size + 1},
        {**good, "sha256": "0" * 64},
        {**good, "href": good["href"][:-1] + "x"},
        {**good, "href": 7},
        {"href": good["href"]},
        [good],
        None,
    ]
    bodies = [json.dumps(claim).encode() for claim in bad] + [b"", b"[" * 5000, b"\xff", b"9" * 5000]
    clerk = Clerk()
    async with consuming(broker, clerk), client(broker, "client-a") as own:
        for claim in (good, absolute):
            await submit(own, named("submit", A), json.dumps(claim).encode(), content_type=CLAIM_TYPE)
        for body in bodies:
            await submit(own, named("submit", A), body, content_type=CLAIM_TYPE)
        await clerk.sees(lambda c: len(c.arrivals) == 2 + len(bodies))
    for arrival in clerk.arrivals[:2]:
        assert (arrival.payload, arrival.payload.body, arrival.content_type) == (ref, None, XML)
    for arrival, body in zip(clerk.arrivals[2:], bodies, strict=True):
        assert (arrival.payload.body, arrival.content_type) == (body, CLAIM_TYPE)


async def test_what_is_unavailable_is_waited_out_with_the_message_in_hand(broker: Broker) -> None:
    clerk = Clerk(failures=[Unavailable("store-away")] * 4)
    async with consuming(broker, clerk), client(broker, "client-a") as own:
        await submit(own, named("submit", A))
        await clerk.sees(lambda c: len(c.arrivals) == 5)
        await broker.becomes(f"vanthu.submit.{A}", 0)
    assert len(set(clerk.arrivals)) == 1
    assert not clerk.arrivals[-1].is_dead_letter, "four failures, and no delivery limit was used up"


async def test_what_stays_unavailable_frees_the_partys_queue_and_is_tried_on(broker: Broker) -> None:
    clerk = Clerk(failures=[Unavailable("payload-missing")] * 8)
    async with consuming(broker, clerk, hold=timedelta(milliseconds=200)), client(broker, "client-a") as own:
        await submit(own, named("submit", A))
        await clerk.sees(lambda c: any(a.is_dead_letter for a in c.arrivals))
        await clerk.sees(lambda c: not c.failures and len(c.arrivals) >= 9)
        await broker.becomes("vanthu.dead.submit", 0)
    dead = [arrival for arrival in clerk.arrivals if arrival.is_dead_letter]
    assert len(dead) < 8, "a try that was merely unavailable is no death"
    assert await broker.depth("vanthu.dead.parked") == 0


@pytest.mark.parametrize("channel", ["submit", "submitUrgent", "submitStatus"])
async def test_a_bug_makes_a_dead_letter_that_comes_again_as_one(broker: Broker, channel: str) -> None:
    clerk = Clerk(failures=[ZeroDivisionError()])
    async with consuming(broker, clerk), client(broker, "client-a") as own:
        forged = [{"queue": f"vanthu.submit.{A}", "reason": "expired", "routing-keys": [f"{B}.edoc"]}]
        await submit(own, named(channel, A), user_id="client-a", headers={"x-death": forged})
        await clerk.sees(lambda c: len(c.arrivals) == 2)
        await broker.becomes("vanthu.dead.submit", 0)
    living, dead = clerk.arrivals
    assert not living.is_dead_letter
    assert dead == replace(living, is_dead_letter=True)


async def test_a_dead_letter_that_only_fails_is_parked_and_does_not_loop(broker: Broker) -> None:
    clerk = Clerk(failures=[ZeroDivisionError()] * 20)
    async with consuming(broker, clerk), client(broker, "client-a") as own:
        await submit(own, named("submit", A))
        await broker.becomes("vanthu.dead.parked", 1)
        assert len(clerk.arrivals) == 4
        assert [arrival.is_dead_letter for arrival in clerk.arrivals] == [False, True, True, True]


async def test_a_message_that_kills_us_again_and_again_becomes_a_dead_letter(broker: Broker) -> None:
    queue = f"vanthu.submit.{A}"
    async with client(broker, "client-a") as own:
        await submit(own, named("submit", A), user_id="client-a")
    deaths = 0
    while await broker.depth(queue) and deaths < 20:
        life = await aiormq.connect(broker.url())
        channel = await life.channel()
        taken: asyncio.Future[aiormq.abc.DeliveredMessage] = asyncio.get_running_loop().create_future()
        await channel.basic_qos(prefetch_count=1)
        await channel.basic_consume(queue, _into(taken))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await taken
        await life.close()
        deaths += 1
        await asyncio.wait({asyncio.create_task(_settled(broker, queue))}, timeout=5)
    assert deaths == 6, "the first delivery and five more"
    clerk = Clerk()
    async with consuming(broker, clerk):
        await clerk.sees(lambda c: len(c.arrivals) == 1)
    assert clerk.arrivals[0].is_dead_letter
    assert (clerk.arrivals[0].client, clerk.arrivals[0].routed_as) == ("client-a", Kind.EDOC)


def _into(future: asyncio.Future[aiormq.abc.DeliveredMessage]) -> Callable[[aiormq.abc.DeliveredMessage], Any]:
    async def take(message: aiormq.abc.DeliveredMessage) -> None:
        if not future.done():
            future.set_result(message)

    return take


async def _settled(broker: Broker, queue: str) -> None:
    """Wait until the message of a life that ended is back, or dead."""
    while await broker.depth(queue) + await broker.depth("vanthu.dead.submit") == 0:
        await asyncio.sleep(0.01)


# --- dead deliveries and receipts -------------------------------------------------------------------


async def test_an_expired_delivery_comes_back_as_undeliverable(broker: Broker) -> None:
    clerk = Clerk()
    soon = datetime.now(UTC) + timedelta(milliseconds=800)
    async with consuming(broker, clerk), handing_over(broker) as outlet:
        status = a_delivery(kind=Kind.STATUS, about=DocumentId("another"), expires_at=soon)
        assert (await outlet.hand_over(status)).handed is Handed.TAKEN
        await clerk.sees(lambda c: len(c.undelivered) == 1)
        await broker.becomes("vanthu.dead.deliver", 0)
    assert clerk.undelivered == [(DOCUMENT, A, status.id, "expired")]


async def test_a_delivery_that_is_rejected_or_never_settled_comes_back(broker: Broker) -> None:
    clerk = Clerk(failures=[Unavailable("store-away")])
    async with handing_over(broker) as outlet, consuming(broker, clerk):
        await outlet.hand_over(a_delivery(1))
        async with client(broker, "client-a") as own:
            message = await (await own.get_queue(named("deliver", A))).get(timeout=10)
            assert message is not None
            await message.reject(requeue=False)
        await clerk.sees(lambda c: len(c.undelivered) == 2)
        await outlet.hand_over(a_delivery(2))
        for _ in range(4):
            async with client(broker, "client-a") as own:
                queue = await own.get_queue(named("deliver", A))
                async with asyncio.timeout(20):
                    while (await queue.get(fail=False)) is None:
                        await asyncio.sleep(0.01)
        await clerk.sees(lambda c: len(c.undelivered) == 3)
        await broker.becomes("vanthu.dead.deliver", 0)
    assert clerk.undelivered == [
        *[(DOCUMENT, A, a_delivery(1).id, "rejected")] * 2,
        (DOCUMENT, A, a_delivery(2).id, "delivery_limit"),
    ]


async def test_a_dead_receipt_is_noted_and_gone(broker: Broker) -> None:
    async with handing_over(broker) as outlet, consuming(broker, Clerk()):
        await outlet.hand_over(a_receipt())
        async with client(broker, "client-a") as own:
            message = await (await own.get_queue(named("receipts", A))).get(timeout=10)
            assert message is not None
            await message.reject(requeue=False)
        await broker.becomes(named("receipts", A), 0)
        await broker.becomes("vanthu.dead.receipts", 0)
    assert await broker.depth("vanthu.dead.parked") == 0


async def test_malformed_dead_letters_are_parked(broker: Broker) -> None:
    clerk = Clerk()
    dead = await broker.hand.get_exchange("vanthu.dead")
    for key in ("submit.", "deliver.", f"deliver.{A}"):
        await dead.publish(aio_pika.Message(b"?", delivery_mode=2), routing_key=key)
    async with consuming(broker, clerk):
        await broker.becomes("vanthu.dead.parked", 3)
    assert (clerk.arrivals, clerk.undelivered) == ([], [])


async def test_full_dead_letter_queues_hold_nothing_up_for_ever(broker: Broker) -> None:
    """The dead-letter queue of this test holds 5; 20 deliveries die while nobody consumes it."""
    soon = datetime.now(UTC) + timedelta(milliseconds=500)
    async with handing_over(broker) as outlet:
        for number in range(20):
            result = await outlet.hand_over(a_delivery(number, expires_at=soon + timedelta(milliseconds=number)))
            assert result.handed is Handed.TAKEN
        clerk = Clerk()
        async with asyncio.timeout(20):
            while await broker.depth("vanthu.dead.deliver") < 5:
                await asyncio.sleep(0.05)
        async with consuming(broker, clerk):
            # RabbitMQ tries again what the full queue refused only after minutes; see the next test.
            await clerk.sees(lambda c: len({told[2] for told in c.undelivered}) == 20, within_s=60)
        assert (await outlet.hand_over(a_delivery(99))).handed is Handed.TAKEN
