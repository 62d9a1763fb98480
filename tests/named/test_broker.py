"""Bug 12, on a real broker, where no older test shows it: a body above 16 MiB, and a dead-letter queue that is gone."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

from aio_pika.exceptions import AMQPError

from adapters.broker.consumer import Options as ConsumerOptions
from adapters.broker.node import Options as NodeOptions
from gateway.model.handover import Handed
from tests.service.conftest import broker  # noqa: F401 - fixture
from tests.service.exchange import (
    TOPOLOGY,
    A,
    B,
    Broker,
    Clerk,
    a_delivery,
    client,
    consuming,
    handing_over,
    named,
    submit,
)

MIB = 1024 * 1024


async def test_12_a_body_above_the_brokers_16_mib_harms_nobody_but_its_sender__aio_pika_563(
    broker: Broker,  # noqa: F811 - fixture
):
    clerk = Clerk()
    async with consuming(broker, clerk) as consumer:
        with contextlib.suppress(AMQPError, ConnectionError):
            async with client(broker, "client-a") as greedy:
                await submit(greedy, named("submit", A), body=bytes(17 * MIB), user_id="client-a")
        async with client(broker, "client-b") as other:
            await submit(other, named("submit", B), user_id="client-b")
        await clerk.sees(lambda c: bool(c.arrivals))
        assert consumer.state == "ok"
        assert await broker.depth(f"vanthu.submit.{A}") == 0
    assert [arrival.claimed for arrival in clerk.arrivals] == [B]


async def test_12_a_missing_dead_letter_target_is_told_and_holds_up_no_delivery__aio_pika_563(
    broker: Broker,  # noqa: F811 - fixture
):
    await broker.hand.queue_delete("vanthu.dead.deliver")
    try:
        await _told(broker, is_missing=True)
        soon = datetime.now(UTC) + timedelta(milliseconds=200)
        async with handing_over(broker) as outlet, client(broker, "client-a") as own:
            for number in (1, 2):
                dying = a_delivery(number, expires_at=soon)
                assert (await outlet.hand_over(dying)).handed is Handed.TAKEN
            assert (await outlet.hand_over(a_delivery(3))).handed is Handed.TAKEN
            queue = await own.get_queue(named("deliver", A))
            seen: list[str | None] = []
            while a_delivery(3).id not in seen:
                message = await queue.get(timeout=20)
                assert message is not None
                seen.append(message.message_id)
                await message.ack()
    finally:
        await broker.management.ensure(TOPOLOGY, {})
    await _told(broker, is_missing=False)


async def _told(broker: Broker, *, is_missing: bool) -> None:  # noqa: F811 - fixture
    """Wait until readiness would tell of the queue, or would not: the broker's own lists lag behind."""
    async with asyncio.timeout(60):
        while (
            any("vanthu.dead" in line for line in await broker.management.read_back(TOPOLOGY)) != is_missing
        ):
            await asyncio.sleep(0.1)


def test_12_a_message_is_given_up_long_before_the_brokers_acknowledgement_time_out__aio_pika_563():
    assert 2 * ConsumerOptions().hold < NodeOptions.__dataclass_fields__["ack_timeout"].default
