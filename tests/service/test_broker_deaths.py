"""Dead letters on a real RabbitMQ: submissions come again, deliveries are told, nothing loops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import aiormq
import pytest

from gateway.errors import Unavailable
from gateway.model.envelope import Kind
from gateway.model.handover import Handed
from gateway.model.ids import (
    DocumentId,
)
from tests.service.exchange import (
    DOCUMENT,
    EVIDENCE,
    A,
    B,
    Broker,
    Clerk,
    a_delivery,
    a_receipt,
    client,
    consuming,
    handing_over,
    named,
    submit,
)


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
    assert dead == replace(living, is_dead_letter=True, is_owed=True)


async def test_a_dead_letter_that_waits_for_better_times_does_not_die_of_it(broker: Broker) -> None:
    clerk = Clerk(failures=[ZeroDivisionError(), *[Unavailable("disk-full")] * 4])
    async with consuming(broker, clerk), client(broker, "client-a") as own:
        await submit(own, named("submit", A))
        await clerk.sees(lambda c: len(c.arrivals) == 6)
        await broker.becomes("vanthu.dead.submit", 0)
    assert [a.is_dead_letter for a in clerk.arrivals] == [False, True, False, False, False, False]


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


def _into(
    future: asyncio.Future[aiormq.abc.DeliveredMessage],
) -> Callable[[aiormq.abc.DeliveredMessage], Any]:
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
    clerk = Clerk()
    async with handing_over(broker) as outlet, consuming(broker, clerk):
        await outlet.hand_over(a_receipt())
        async with client(broker, "client-a") as own:
            message = await (await own.get_queue(named("receipts", A))).get(timeout=10)
            assert message is not None
            await message.reject(requeue=False)
        await clerk.sees(lambda c: bool(c.returned))
        await broker.becomes(named("receipts", A), 0)
        await broker.becomes("vanthu.dead.receipts", 0)
    assert await broker.depth("vanthu.dead.parked") == 0
    assert clerk.returned == [(DOCUMENT, EVIDENCE, "rejected")]


async def test_malformed_dead_letters_are_parked(broker: Broker) -> None:
    clerk = Clerk()
    dead = await broker.hand.get_exchange("vanthu.dead")
    for key in ("submit.", "deliver.", f"deliver.{A}"):
        await dead.publish(aio_pika.Message(b"?", delivery_mode=2), routing_key=key)
    async with consuming(broker, clerk):
        await broker.becomes("vanthu.dead.parked", 3)
    assert (clerk.arrivals, clerk.undelivered) == ([], [])


async def test_a_full_dead_letter_queue_holds_up_no_delivery(broker: Broker) -> None:
    """The dead-letter queue of this test holds 5, and nobody consumes it while 20 deliveries die.

    What it refuses stays with its queue of origin and is offered again every three minutes (measured: all 20
    had come after 361 s; RabbitMQ's ``dead_letter_worker_publisher_confirm_timeout``): too long to wait here.
    """
    async with handing_over(broker) as outlet:
        for number in range(20):
            # counted from now, each: on a busy machine the last would else have expired before it goes out
            dying = a_delivery(number, expires_at=datetime.now(UTC) + timedelta(milliseconds=300))
            assert (await outlet.hand_over(dying)).handed is Handed.TAKEN
        await broker.becomes(named("deliver", A), 0)
        assert 5 <= await broker.depth("vanthu.dead.deliver") <= 20
        assert (await outlet.hand_over(a_delivery(99))).handed is Handed.TAKEN
        clerk = Clerk()
        async with consuming(broker, clerk):
            await clerk.sees(lambda c: len(c.undelivered) >= 5)
        assert await broker.depth(named("deliver", A)) == 1
