"""The contract of ``Outlet``: the in-memory twin and RabbitMQ.

``Outlet``: "brings a parcel to where its party takes it", "``TAKEN`` means durably there", "Every failure
is a result, none an exception", "A repeat carries the same message id".
"""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from adapters.broker.connection import Connection
from adapters.broker.connection import Options as ConnectionOptions
from adapters.broker.definitions import Site
from adapters.broker.management import Management
from adapters.broker.management import Options as ManagementOptions
from adapters.broker.node import PrivateNode
from adapters.broker.outlet import AmqpOutlet
from adapters.broker.outlet import Options as OutletOptions
from adapters.broker.topology import plan
from adapters.clock import SystemClock
from adapters.memory import MemoryBroker, MemoryOutlet
from adapters.memory.vault import gathered
from gateway.errors import Reason, Unavailable
from gateway.model.claim import resolve
from gateway.model.envelope import Kind
from gateway.model.evidence import EventName
from gateway.model.handover import Delivery, Handed, HandOverResult, Receipt
from gateway.model.ids import DeliveryId, DocumentId, EvidenceId, MessageId, OrganCode, PartyKey
from gateway.model.party import Link, Party
from gateway.model.payload import PayloadRef
from gateway.ports import Outlet
from tests.brokers import address, let_in

SECRET = b"a secret of thirty-two bytes ...."
PUBLIC_URL = "http://gateway.example"
VHOST = "outlet-contract"
PARTY = PartyKey("OUTLET.01")
PARTIES = [Party(key=PARTY, name="one", codes=(), link=Link.AMQP)]
DELIVER, RECEIPTS = f"vanthu.deliver.{PARTY}", f"vanthu.receipts.{PARTY}"
DOCUMENT = DocumentId("0190a000-0000-7000-8000-000000000001")
REPORTED = DocumentId("0190a000-0000-7000-8000-000000000002")
BODY = "<edXML>Quyết định</edXML>".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a client sees of a message."""

    body: bytes
    properties: Mapping[str, Any]
    headers: Mapping[str, Any]


class OneVault:
    """Keeps what it was given; everything else is gone."""

    def __init__(self, *bodies: bytes) -> None:
        self._kept = {sha256(body).hexdigest(): body for body in bodies}

    async def put(self, chunks: AsyncIterator[bytes] | bytes | PayloadRef) -> PayloadRef:
        body = await gathered(chunks)
        self._kept[sha256(body).hexdigest()] = body
        return PayloadRef.of(body).bare()

    async def open(self, ref: PayloadRef, *, start: int = 0) -> AsyncIterator[bytes]:
        yield await self.read(ref)

    async def read(self, ref: PayloadRef) -> bytes:
        if ref.sha256 not in self._kept:
            raise Unavailable("payload-missing")
        return self._kept[ref.sha256]


class World:
    """An outlet, and the other end of its queues."""

    outlet: Outlet

    @abstractmethod
    async def take(self, queue: str) -> Taken | None: ...

    @abstractmethod
    async def remove(self, queue: str) -> None: ...

    @abstractmethod
    async def go_away(self) -> None: ...


class MemoryWorld(World):
    def __init__(self) -> None:
        self._broker = MemoryBroker(PARTIES)
        self.outlet = MemoryOutlet(
            self._broker,
            OneVault(BODY),
            SystemClock(),
            claim_secret=SECRET,
            public_url=PUBLIC_URL,
        )

    async def take(self, queue: str) -> Taken | None:
        letter = self._broker.take(queue)
        if letter is None:
            return None
        properties = {
            "content_type": letter.content_type,
            "type": letter.type,
            "message_id": letter.message_id,
            "correlation_id": letter.correlation_id,
            "timestamp": letter.timestamp,
        }
        return Taken(body=letter.body, properties=properties, headers=letter.headers)

    async def remove(self, queue: str) -> None:
        self._broker.remove(queue)

    async def go_away(self) -> None:
        self._broker.is_away = True


class AmqpWorld(World):
    def __init__(self, outlet: AmqpOutlet, connection: Connection, channel: AbstractChannel) -> None:
        self.outlet = outlet
        self._connection = connection
        self._channel = channel

    async def take(self, queue: str) -> Taken | None:
        message = await (await self._channel.get_queue(queue)).get(fail=False)
        if message is None:
            return None
        await message.ack()
        assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
        properties = {
            "content_type": message.content_type,
            "type": message.type,
            "message_id": message.message_id,
            "correlation_id": message.correlation_id,
            "timestamp": message.timestamp,
        }
        headers = {name: value for name, value in message.headers.items() if not name.startswith("x-")}
        return Taken(body=message.body, properties=properties, headers=headers)

    async def remove(self, queue: str) -> None:
        await self._channel.queue_delete(queue)

    async def go_away(self) -> None:
        await self._connection.stop()


@asynccontextmanager
async def amqp_world(node: PrivateNode) -> AsyncIterator[World]:
    site = Site(vhost=VHOST, gateway_user=node.user)
    access = ManagementOptions(url=node.management_url, user=node.user, password=node.password)
    async with Management(access, site) as management:
        await management.ensure(plan(PARTIES, []), {})
    await let_in(node, VHOST, "the-other-end")
    async with (
        Connection(ConnectionOptions(url=address(node, VHOST)), "publish") as connection,
        await aio_pika.connect(address(node, VHOST, "the-other-end")) as other_end,
        other_end.channel() as channel,
    ):
        for queue in (DELIVER, RECEIPTS):
            await (await channel.get_queue(queue)).purge()
        options = OutletOptions(public_url=PUBLIC_URL, deadline=timedelta(seconds=5))
        outlet = AmqpOutlet(options, connection, OneVault(BODY), SystemClock(), SECRET)
        yield AmqpWorld(outlet, connection, channel)


@pytest.fixture(params=["memory", "amqp"])
def node(request: pytest.FixtureRequest) -> PrivateNode | None:
    if request.param == "memory":
        return None
    found: PrivateNode = request.getfixturevalue("broker_node")
    return found


@pytest.fixture
async def world(node: PrivateNode | None) -> AsyncIterator[World]:
    if node is None:
        yield MemoryWorld()
        return
    async with amqp_world(node) as made:
        yield made


def a_delivery(number: int = 1, **other: Any) -> Delivery:
    plain = Delivery(
        id=DeliveryId(f"00000000-0000-5000-8000-{number:012}"),
        document=DOCUMENT,
        about=DOCUMENT,
        party=PARTY,
        sender=OrganCode("OUTLET.02"),
        kind=Kind.EDOC,
        payload=PayloadRef.of(BODY),
        expires_at=datetime.now(UTC) + timedelta(days=30),
    )
    return replace(plain, **other)


def a_receipt(**other: Any) -> Receipt:
    plain = Receipt(
        id=EvidenceId("00000000-0000-5000-8000-00000000000e"),
        document=DOCUMENT,
        party=PARTY,
        correlation=MessageId("của người gửi"),
        event=EventName.CONTENT_CONSIGNMENT,
        recipient=OrganCode("OUTLET.03"),
        reason=None,
        sequence=1,
        body=b"<evidence/>",
    )
    return replace(plain, **other)


def not_now(reason: str) -> HandOverResult:
    return HandOverResult(handed=Handed.NOT_NOW, reason=Reason(reason), is_sure=True)


async def test_a_delivery_comes_to_its_partys_queue_as_the_contract_says(world: World) -> None:
    """ "brings a parcel to where its party takes it", "TAKEN means durably there"."""
    assert await world.outlet.hand_over(a_delivery()) == HandOverResult(handed=Handed.TAKEN)
    taken = await world.take(DELIVER)
    assert taken is not None
    assert taken.body == BODY
    assert (taken.properties["content_type"], taken.properties["type"]) == ("application/xml", "edoc")
    assert taken.properties["message_id"] == a_delivery().id
    assert taken.properties["correlation_id"] == DOCUMENT
    assert abs(taken.properties["timestamp"] - datetime.now(UTC)) < timedelta(seconds=60)
    assert taken.headers == {
        "vanthu-sender": "OUTLET.02",
        "vanthu-sha256": sha256(BODY).hexdigest(),
        "vanthu-document": DOCUMENT,
        "vanthu-version": "1",
    }
    assert await world.take(DELIVER) is None


async def test_a_status_names_the_document_that_it_reports_on(world: World) -> None:
    """ "brings a parcel to where its party takes it": the status contract."""
    await world.outlet.hand_over(a_delivery(kind=Kind.STATUS, about=REPORTED))
    taken = await world.take(DELIVER)
    assert taken is not None
    assert (taken.properties["type"], taken.properties["correlation_id"]) == ("status", REPORTED)
    assert taken.headers["vanthu-document"] == DOCUMENT


async def test_a_repeat_carries_the_same_id_and_its_attempt(world: World) -> None:
    """ "A repeat carries the same message id"."""
    await world.outlet.hand_over(a_delivery())
    await world.outlet.hand_over(a_delivery(attempt=2))
    first, second = await world.take(DELIVER), await world.take(DELIVER)
    assert first is not None
    assert second is not None
    assert first.properties["message_id"] == second.properties["message_id"]
    assert "vanthu-attempt" not in first.headers
    assert second.headers["vanthu-attempt"] == 2


async def test_a_receipt_comes_to_the_senders_receipts(world: World) -> None:
    """ "brings a parcel to where its party takes it"."""
    refused = a_receipt(reason="queue-full", event=EventName.CONTENT_CONSIGNMENT_FAILURE)
    assert (await world.outlet.hand_over(refused)).handed is Handed.TAKEN
    taken = await world.take(RECEIPTS)
    assert taken is not None
    assert taken.body == b"<evidence/>"
    assert (taken.properties["type"], taken.properties["content_type"]) == ("receipt", "application/xml")
    assert taken.properties["message_id"] == refused.id
    assert taken.properties["correlation_id"] == "của người gửi"
    assert taken.headers == {
        "vanthu-event": "ContentConsignmentFailure",
        "vanthu-document": DOCUMENT,
        "vanthu-recipient": "OUTLET.03",
        "vanthu-reason": "queue-full",
        "vanthu-sequence": 1,
        "vanthu-version": "1",
    }


async def test_an_acceptance_has_sequence_nought_and_no_recipient(world: World) -> None:
    """ "brings a parcel to where its party takes it"."""
    accepted = a_receipt(event=EventName.SUBMISSION_ACCEPTANCE, recipient=None, sequence=0)
    await world.outlet.hand_over(accepted)
    taken = await world.take(RECEIPTS)
    assert taken is not None
    assert taken.headers["vanthu-sequence"] == 0
    assert not {"vanthu-recipient", "vanthu-reason"} & taken.headers.keys()


async def test_bytes_that_do_not_ride_along_come_from_the_vault(world: World) -> None:
    """ "brings a parcel to where its party takes it"."""
    await world.outlet.hand_over(a_delivery(payload=PayloadRef.of(BODY).bare()))
    taken = await world.take(DELIVER)
    assert taken is not None
    assert taken.body == BODY


@pytest.mark.parametrize("why", ["asked for", "too large"])
async def test_a_claim_travels_instead_of_many_bytes(world: World, why: str) -> None:
    """ "brings a parcel to where its party takes it": by reference, and only for this party."""
    body = BODY if why == "asked for" else bytes(1024 * 1024 + 1)
    ref = PayloadRef.of(body)
    result = await world.outlet.hand_over(a_delivery(payload=ref, as_claim=why == "asked for"))
    assert result.handed is Handed.TAKEN
    taken = await world.take(DELIVER)
    assert taken is not None
    assert taken.properties["content_type"] == "application/vnd.vanthu.claim+json"
    claim = json.loads(taken.body)
    assert claim.keys() == {"href", "sha256", "size"}
    assert claim["href"].startswith(f"{PUBLIC_URL}/v1/payloads/")
    assert resolve(SECRET, claim["href"]) == (PARTY, ref)
    assert (claim["sha256"], claim["size"]) == (ref.sha256, len(body))
    assert taken.headers["vanthu-sha256"] == ref.sha256


async def test_what_expired_before_is_never_delivered(world: World) -> None:
    """ "Every failure is a result": permanent ones are ``NEVER``."""
    result = await world.outlet.hand_over(a_delivery(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert result == HandOverResult(handed=Handed.NEVER, reason=Reason("delivery-expired"))
    assert await world.take(DELIVER) is None


async def test_a_full_queue_takes_no_more_for_now(world: World) -> None:
    """ "Every failure is a result": a full queue is ``NOT_NOW``, and nobody else's concern."""
    results = [await world.outlet.hand_over(a_delivery(number)) for number in range(110)]
    taken = [result for result in results if result.handed is Handed.TAKEN]
    assert 100 <= len(taken) <= 103, "quorum queues may take a few more than their bound"
    assert results[-1] == not_now("queue-full")
    assert (await world.outlet.hand_over(a_receipt())).handed is Handed.TAKEN
    # RabbitMQ takes in again below four fifths of the bound.
    for _ in range(25):
        assert await world.take(DELIVER) is not None
    async with asyncio.timeout(30):
        while (await world.outlet.hand_over(a_delivery(200))).handed is not Handed.TAKEN:
            pass


async def test_a_missing_queue_is_told_apart_from_a_full_one(world: World) -> None:
    """ "Every failure is a result": what no queue takes is not taken."""
    await world.remove(DELIVER)
    result = await world.outlet.hand_over(a_delivery())
    assert result == not_now("queue-missing")
    assert (await world.outlet.hand_over(a_receipt())).handed is Handed.TAKEN


async def test_missing_bytes_are_a_result_too(world: World) -> None:
    """ "Every failure is a result, none an exception"."""
    gone = PayloadRef.of(b"other bytes").bare()
    result = await world.outlet.hand_over(a_delivery(payload=gone))
    assert result == not_now("payload-missing")


async def test_a_broker_that_is_away_is_a_result(world: World) -> None:
    """ "Every failure is a result, none an exception"."""
    await world.go_away()
    for parcel in (a_delivery(), a_receipt()):
        result = await world.outlet.hand_over(parcel)
        assert result == not_now("broker-away")
