"""Hostile and greedy clients, pauses and ends, brokers that restart, freeze or are not there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiormq
import pytest
from aio_pika.exceptions import AMQPError
from aiormq import spec

from adapters.broker.connection import Connection
from adapters.broker.connection import Options as ConnectionOptions
from adapters.broker.node import PrivateNode
from gateway.errors import Unavailable
from gateway.model.handover import Handed, HandOverResult
from gateway.model.ids import OrganCode
from tests.brokers import address
from tests.service.exchange import (
    EXCHANGE,
    TOPOLOGY,
    VHOST,
    A,
    B,
    Broker,
    Clerk,
    a_delivery,
    client,
    consuming,
    handing_over,
    named,
    not_now,
    submit,
    until,
)

# --- hostile and greedy publishers ------------------------------------------------------------------


class Forged(spec.Basic.Properties):
    """Properties whose bytes are written by hand."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.raw = raw
        self.message_id = "forged"

    def marshal(self) -> bytes:
        return self.raw


def nested(depth: int) -> bytes:
    table = b""
    for _ in range(depth):
        inner = b"\x01kF" + struct.pack(">I", len(table)) + table
        table = inner
    return struct.pack(">I", len(table)) + table


def many(fields: int) -> bytes:
    table = b"\x01kV" * fields
    return struct.pack(">I", len(table)) + table


HOSTILE = {
    # spec: AMQP 0-9-1 §4.2.6.1 - one bit per property, the highest is content_type
    "a timestamp in microseconds": struct.pack(">HQ", 1 << 6, 1_700_000_000_000_000),
    "a timestamp before 1970": struct.pack(">HQ", 1 << 6, 2**64 - 1),
    "a message id that is no text": struct.pack(">HB", 1 << 7, 2) + b"\xff\xfe",
    "a content type that is no text": struct.pack(">HB", 1 << 15, 2) + b"\xff\xfe",
    "a header name that is no text": struct.pack(">H", 1 << 13) + struct.pack(">I", 3) + b"\x01\xffV",
    "a header in milliseconds": struct.pack(">HI", 1 << 13, 11) + b"\x01kT" + struct.pack(">Q", 2**62),
    "a delivery mode of seven": struct.pack(">HB", 1 << 12, 7),
    "tables in tables": struct.pack(">H", 1 << 13) + nested(5000),
    "very many headers": struct.pack(">H", 1 << 13) + many(40_000),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_message_disturbs_nobody_else(broker: Broker, what: str) -> None:
    clerk = Clerk()
    async with consuming(broker, clerk) as consumer:
        life = await aiormq.connect(broker.url("client-a"))
        channel = await life.channel()
        # The broker itself may refuse the worst of them: then nothing reaches us.
        with contextlib.suppress(AMQPError, ConnectionError):
            await channel.basic_publish(
                b"<edXML/>",
                exchange=EXCHANGE,
                routing_key=named("submit", A),
                properties=Forged(HOSTILE[what]),
            )
        with contextlib.suppress(AMQPError, ConnectionError):
            await life.close()
        before = time.thread_time()
        async with client(broker, "client-b") as other:
            await submit(other, named("submit", B), user_id="client-b")
        await clerk.sees(lambda c: any(a.claimed == OrganCode(B) for a in c.arrivals))
        await broker.becomes(f"vanthu.submit.{A}", 0)
        assert time.thread_time() - before < 1
        assert consumer.state == "ok"
    assert sum(arrival.claimed == OrganCode(B) for arrival in clerk.arrivals) == 1, "nothing came twice"
    assert sum(arrival.claimed == OrganCode(A) for arrival in clerk.arrivals) <= 1


async def test_a_flood_of_one_party_lets_the_others_through(broker: Broker) -> None:
    clerk = Clerk()
    async with client(broker, "client-a") as greedy, client(broker, "client-b") as other:
        await asyncio.gather(*(submit(greedy, named("submit", A), message_id=f"m-{n}") for n in range(300)))
        clerk.door_is_open.clear()
        async with consuming(broker, clerk, capacity=2):
            await clerk.sees(lambda c: len(c.arrivals) == 1)
            await submit(other, named("submit", B))
            await clerk.sees(lambda c: any(a.claimed == OrganCode(B) for a in c.arrivals))
            clerk.door_is_open.set()
    assert [a.claimed for a in clerk.arrivals[:2]] == [OrganCode(A), OrganCode(B)], (
        "one at a time for each party"
    )


async def test_urgent_ones_come_first_when_the_intake_is_full(broker: Broker) -> None:
    clerk = Clerk()
    clerk.door_is_open.clear()
    async with (
        client(broker, "client-a") as one,
        client(broker, "client-b") as other,
        consuming(broker, clerk, capacity=1) as consumer,
    ):
        await submit(one, named("submit", A))
        await clerk.sees(lambda c: len(c.arrivals) == 1)
        await submit(other, named("submit", B))
        await until(lambda: consumer.in_hand == 2)
        await submit(other, named("submitUrgent", B))
        await until(lambda: consumer.in_hand == 3)
        clerk.door_is_open.set()
        await clerk.sees(lambda c: len(c.arrivals) == 3)
    assert [arrival.is_urgent for arrival in clerk.arrivals] == [False, True, False]


# --- pauses, ends, and brokers that come and go -----------------------------------------------------


async def test_a_pause_takes_nothing_and_a_resume_goes_on(broker: Broker) -> None:
    clerk = Clerk()
    async with client(broker, "client-a") as own, consuming(broker, clerk) as consumer:
        await consumer.pause()
        assert consumer.consumed == 0
        assert consumer.state == "paused: nothing is taken in"
        await submit(own, named("submit", A))
        assert await broker.depth(f"vanthu.submit.{A}") == 1
        await consumer.resume()
        await clerk.sees(lambda c: len(c.arrivals) == 1)
        await until(lambda: consumer.state == "ok")


async def test_a_drain_lets_what_runs_finish_and_acknowledges_it(broker: Broker) -> None:
    clerk = Clerk()
    clerk.door_is_open.clear()
    async with client(broker, "client-a") as own, consuming(broker, clerk) as consumer:
        for number in range(2):
            await submit(own, named("submit", A), message_id=f"m-{number}")
        await clerk.sees(lambda c: len(c.arrivals) == 1)
        assert await consumer.drain(timedelta(milliseconds=50)) == 1
        clerk.door_is_open.set()
        assert await consumer.drain(timedelta(seconds=10)) == 0
    assert len(clerk.arrivals) == 1
    assert await broker.depth(f"vanthu.submit.{A}") == 1


async def test_a_consumer_that_stops_while_something_is_unavailable_stops_at_once(broker: Broker) -> None:
    clerk = Clerk(failures=[Unavailable("store-away")] * 1000)
    async with client(broker, "client-a") as own:
        await submit(own, named("submit", A))
        async with consuming(broker, clerk, first_wait=timedelta(minutes=1)) as consumer:
            await clerk.sees(lambda c: len(c.arrivals) == 1)
            began = time.monotonic()
            await consumer.stop(timedelta(seconds=20))
            assert time.monotonic() - began < 5
    await broker.becomes(f"vanthu.submit.{A}", 1)


async def test_a_missing_queue_harms_nobody_and_is_found_again(broker: Broker) -> None:
    clerk = Clerk()
    queue = f"vanthu.submit.{A}"
    async with consuming(broker, clerk) as consumer, client(broker, "client-b") as other:
        await broker.hand.queue_delete(queue)
        await until(lambda: queue in consumer.state)
        await submit(other, named("submit", B))
        await clerk.sees(lambda c: len(c.arrivals) == 1)
        assert (await broker.management.read_back(TOPOLOGY))[:2] == [
            f"1 queues are missing: {queue}",
            f"2 bindings are missing: {A}.edoc, {A}.status",
        ]
        await broker.management.ensure(TOPOLOGY, {})
        await until(lambda: consumer.state == "ok")
        async with client(broker, "client-a") as own:
            await submit(own, named("submit", A))
        await clerk.sees(lambda c: len(c.arrivals) == 2)


async def test_a_restart_of_the_broker_loses_nothing_and_everybody_comes_back(broker: Broker) -> None:
    clerk = Clerk()
    clerk.door_is_open.clear()
    async with consuming(broker, clerk) as consumer, handing_over(broker, deadline_s=5) as outlet:
        async with client(broker, "client-a") as own:
            await submit(own, named("submit", A), user_id="client-a")
        await clerk.sees(lambda c: len(c.arrivals) == 1)
        assert (await outlet.hand_over(a_delivery(1))).handed is Handed.TAKEN
        restart = asyncio.create_task(broker.node.restart())
        await until(lambda: consumer.state != "ok" and outlet.state != "ok")
        longest = 0.0
        while not restart.done():
            began = time.monotonic()
            result = await outlet.hand_over(a_delivery(2))
            longest = max(longest, time.monotonic() - began)
            assert replace(result, is_sure=False) in (
                not_now("broker-away"),
                HandOverResult(handed=Handed.TAKEN),
            )
            await asyncio.sleep(0.05)
        await restart
        assert longest < 6
        clerk.door_is_open.set()
        await until(lambda: consumer.state == "ok" and outlet.state == "ok")
        assert (await outlet.hand_over(a_delivery(3))).handed is Handed.TAKEN
        await clerk.sees(lambda c: len(c.arrivals) >= 2)
        async with client(broker, "client-a") as own:
            ids = []
            for _ in range(2):
                taken = await (await own.get_queue(named("deliver", A))).get(timeout=10)
                assert taken is not None
                ids.append(taken.message_id)
            assert ids[0] == a_delivery(1).id, "what was taken is durable"
    assert len(set(clerk.arrivals)) == 1, "the submission came again, the same"
    assert clerk.finished == len(clerk.arrivals), "a lost connection cancels nothing at the intake"


async def test_a_broker_that_is_stopped_costs_a_deadline_and_no_more(broker: Broker) -> None:
    async with handing_over(broker, deadline_s=2) as outlet:
        assert (await outlet.hand_over(a_delivery(1))).handed is Handed.TAKEN
        with stopped(broker.node):
            began = time.monotonic()
            results = await asyncio.gather(*(outlet.hand_over(a_delivery(n)) for n in range(2, 12)))
            assert time.monotonic() - began < 3
            assert set(results) == {not_now("broker-away")}, "nobody can be sure that they did not arrive"
            await until(lambda: outlet.state != "ok")
            began = time.monotonic()
            assert await outlet.hand_over(a_delivery(12)) == not_now("broker-away", is_sure=True)
            assert time.monotonic() - began < 0.5, "once it is known to be stuck, nobody waits for it"
        await until(lambda: outlet.state == "ok")
        assert (await outlet.hand_over(a_delivery(13))).handed is Handed.TAKEN


async def test_everything_stops_in_time_while_the_broker_is_stopped(broker: Broker) -> None:
    async with consuming(broker, Clerk()) as consumer, handing_over(broker) as outlet:
        with stopped(broker.node):
            began = time.monotonic()
            await asyncio.gather(consumer.stop(timedelta(seconds=1)), outlet._connection.stop())
            assert time.monotonic() - began < 20


async def test_nobody_there_is_told_in_a_sentence() -> None:
    options = ConnectionOptions(url="amqp://a:b@127.0.0.1:1/vanthu")
    async with Connection(options, "publish") as connection:
        assert connection.state.startswith("the broker is away")
        assert connection.live is None
    assert connection.state == "the connection to the broker is closed"


async def test_a_wrong_password_is_told_in_a_sentence(broker: Broker) -> None:
    options = ConnectionOptions(url=address(broker.node, VHOST, "client-a", "wrong"))
    async with Connection(options, "publish") as connection:
        assert connection.state == "the broker refused our user or password"


@contextlib.contextmanager
def stopped(node: PrivateNode) -> Any:
    pid = node.pids["node"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
