"""The AMQP contract on a real RabbitMQ: what clients may do, what they get, what comes to the intake."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aio_pika
import jsonschema
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, DeliveryError
from pamqp.common import FieldTable

from adapters.broker.topology import plan
from gateway.errors import Unavailable
from gateway.model.claim import CLAIM_TYPE, path_of
from gateway.model.envelope import Kind
from gateway.model.evidence import EventName
from gateway.model.handover import Delivery, Handed, Receipt
from gateway.model.ids import (
    ClientId,
    MessageId,
    OrganCode,
    PartyKey,
)
from gateway.model.party import Link
from gateway.model.payload import PayloadRef
from gateway.model.submission import Arrival
from tests.brokers import PASSWORD, api
from tests.service.exchange import (
    BOUNDS,
    CLIENTS,
    CONTRACT,
    DOCUMENT,
    EXCHANGE,
    PARTIES,
    SECRET,
    TOPOLOGY,
    VHOST,
    XML,
    A,
    B,
    Broker,
    C,
    Clerk,
    a_delivery,
    a_receipt,
    client,
    consuming,
    handing_over,
    named,
    submit,
)

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
async def test_the_broker_refuses_what_is_not_the_clients_own(broker: Broker, key: str, user_id: str) -> None:
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
        with pytest.raises((AMQPError, ConnectionError), match=r"(?i)access[_ ]refused|403") as refused:
            await do(deed, own)
    assert not isinstance(refused.value, DeliveryError), "refused, not merely unroutable"


async def do(deed: str, own: AbstractChannel) -> None:
    message = aio_pika.Message(b"<edXML/>", message_id="m-1")
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
    fits(
        {name: value for name, value in properties.items() if value is not None},
        published["x-amqp-properties"],
    )
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


async def test_of_what_is_refused_the_broker_keeps_no_copy(broker: Broker) -> None:
    clerk = Clerk(refuses=True)
    async with consuming(broker, clerk), client(broker, "client-a") as own:
        await submit(own, named("submit", A), b"<secret/>", user_id="client-a")
        await clerk.sees(lambda c: c.finished > 0)
        await submit(own, named("submitStatus", A), b"<s/>", user_id="client-a", message_id="m-2")
        await clerk.sees(lambda c: c.finished > 1)
        await broker.becomes(f"vanthu.submit.{A}", 0)
    assert [arrival.message_id for arrival in clerk.arrivals] == ["m-1", "m-2"], "nothing came back as dead"
    assert await broker.depth("vanthu.dead.submit") + await broker.depth("vanthu.dead.parked") == 0


async def test_a_claim_is_resolved_and_a_bad_one_is_handed_on_as_it_is(broker: Broker) -> None:
    ref = PayloadRef.of(bytes(2_000_000)).bare()
    good: dict[str, Any] = {"href": path_of(SECRET, A, ref), "sha256": ref.sha256, "size": ref.size}
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


# --- the topology is set and read back --------------------------------------------------------------


async def test_a_second_import_finds_nothing_to_do_and_the_broker_is_as_it_should_be(broker: Broker) -> None:
    again = await broker.management.ensure(TOPOLOGY, {client.id: PASSWORD for client in CLIENTS})
    assert (again.strangers, again.first, again.second) == ((), {}, {})
    assert await broker.management.read_back(TOPOLOGY) == [
        "user hand has a permission in broker-contract, but is no client"
    ]


async def test_each_way_in_which_the_broker_differs_is_told(broker: Broker) -> None:
    vhost, queue = VHOST, f"vanthu.receipts.{C}"
    grant = {"configure": "^$", "write": ".*", "read": "^$"}
    await api(broker.node, "PUT", f"/api/permissions/{vhost}/client-b", grant)
    topic = {"exchange": EXCHANGE, "write": ".*", "read": "^$"}
    await api(broker.node, "PUT", f"/api/topic-permissions/{vhost}/client-a", topic)
    wrong: FieldTable = {"x-queue-type": "quorum", "x-max-length": 7}
    await broker.hand.declare_queue(queue, durable=True, arguments=wrong)
    policy = {"pattern": "^vanthu", "definition": {"message-ttl": 5}, "apply-to": "queues"}
    try:
        await (await broker.hand.get_queue(queue)).bind(EXCHANGE, "#")
        await api(broker.node, "PUT", f"/api/policies/{vhost}/bend", policy)
        wider = plan([replace(p, link=Link.AMQP) for p in PARTIES], CLIENTS, BOUNDS)
        told = "\n".join(await broker.management.read_back(wider))
        assert f"3 queues are missing: vanthu.submit.{C}" in told
        assert f"queue {queue} has x-overflow = None instead of 'reject-publish'" in told
        assert f"queue {queue} has x-max-length = 7 instead of 10000" in told
        assert f"{EXCHANGE} also goes to {queue} under '#'" in told
        assert "the policy bend changes message-ttl of our queues" in told
        assert "user client-b may write '.*' instead of '^vanthu\\\\.submit$'" in told
        assert "2 users lack the right topic permission: client-a, client-b" in told
        assert "user hand has a permission" in told
    finally:
        await api(broker.node, "DELETE", f"/api/policies/{vhost}/bend")
        await broker.hand.queue_delete(queue)
    mended = await broker.management.ensure(TOPOLOGY, {})
    assert mended.first.keys() == {"topic_permissions"}
    assert mended.second.keys() == {"permissions"}


async def submit_for_ever(channel: AbstractChannel) -> None:
    async with asyncio.timeout(10):
        while True:
            await submit(channel, named("submit", B))


async def test_who_is_no_client_any_more_is_removed_and_thrown_out(broker: Broker) -> None:
    fewer = plan(PARTIES, CLIENTS[:1], BOUNDS)
    try:
        async with client(broker, "client-b") as other:
            assert (await broker.management.ensure(fewer, {})).strangers == ("client-b",)
            with pytest.raises((AMQPError, ConnectionError, RuntimeError)):
                await submit_for_ever(other)
        with pytest.raises((AMQPError, ConnectionError)):
            await aio_pika.connect(broker.url("client-b"))
    finally:
        await broker.management.ensure(TOPOLOGY, {client.id: PASSWORD for client in CLIENTS})


# --- the directory changes --------------------------------------------------------------------------


async def test_the_consumer_follows_the_directory_and_settles_what_it_has_in_hand(broker: Broker) -> None:
    clerk = Clerk()
    exchange = await broker.hand.get_exchange(EXCHANGE, ensure=False)

    async def send(party: str, message: str) -> None:
        body = aio_pika.Message(b"<edXML/>", message_id=message, content_type=XML)
        await exchange.publish(body, named("submit", party))

    async with consuming(broker, clerk) as consumer:
        clerk.door_is_open.clear()
        await send(A, "in hand")
        await clerk.sees(lambda c: len(c.arrivals) == 1)
        assert await consumer.follow([B])
        assert (consumer.state, consumer.consumed) == ("ok", 2 + 3)
        clerk.door_is_open.set()
        await broker.becomes(f"vanthu.submit.{A}", 0)

        await send(A, "not ours")
        await send(B, "ours")
        await clerk.sees(lambda c: len(c.arrivals) == 2)
        assert [arrival.message_id for arrival in clerk.arrivals] == ["in hand", "ours"]
        assert await broker.depth(f"vanthu.submit.{A}") == 1

        assert await consumer.follow([A, B])
        await clerk.sees(lambda c: len(c.arrivals) == 3)
        assert clerk.arrivals[-1].message_id == "not ours"
        assert consumer.consumed == 4 + 3


async def test_a_party_whose_queue_is_not_there_yet_hinders_no_other(broker: Broker) -> None:
    clerk = Clerk()
    async with consuming(broker, clerk, answer_within=timedelta(seconds=1)) as consumer:
        assert not await consumer.follow([A, B, PartyKey("000.00.99.T01")])
        assert "missing" in consumer.state
        exchange = await broker.hand.get_exchange(EXCHANGE, ensure=False)
        body = aio_pika.Message(b"<edXML/>", message_id="m-1", content_type=XML)
        await exchange.publish(body, named("submit", A))
        await clerk.sees(lambda c: len(c.arrivals) == 1)
        assert await consumer.follow([A, B])
        assert consumer.state == "ok"
