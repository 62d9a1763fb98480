"""Quotas on the real broker: what is beyond stays in the party's queue, and comes in when there is room."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.broker.arrivals import LAST_CHANCE
from adapters.broker.node import PrivateNode
from adapters.broker.topology import Bounds
from gateway.errors import QuotaExceeded
from gateway.model.ids import PartyKey
from gateway.model.submission import Arrival, Ticket
from tests.service.exchange import A, B, Broker, Clerk, client, consuming, named, submit, until
from tests.service.test_urgency import a_letter
from tests.service.town import Town, a_town

DELIVERIES = Bounds().submit.deliveries
FIRST, REST = 30, 8
"""What comes in at once, and what has to wait for room; one comes free every two seconds."""


class StrictClerk(Clerk):
    """A clerk who takes nothing of one party while it has no room."""

    has_room = False
    lacks = 0
    wait = timedelta(milliseconds=10)

    async def submit(self, arrival: Arrival) -> Ticket:
        """``Intake.submit``."""
        if arrival.claimed == A and not arrival.is_owed:
            self.look()
        return await super().submit(arrival)

    async def check(self, party: PartyKey) -> None:
        """``Quotas.check``."""
        if party == A:
            self.look()

    def look(self) -> None:
        if not self.has_room:
            self.lacks += 1
            raise QuotaExceeded("documents_per_minute", 1, 1, room_in=self.wait)


def brought(clerk: Clerk) -> list[str]:
    return sorted(str(arrival.message_id) for arrival in clerk.arrivals)


async def test_who_waits_a_short_time_for_its_quota_waits_in_hand(broker: Broker) -> None:
    """However often it is looked, the message comes once, and others are served meanwhile."""
    clerk = StrictClerk()
    async with (
        client(broker, "client-a") as own,
        client(broker, "client-b") as other,
        consuming(broker, clerk, capacity=1, bytes_held=1) as consumer,
    ):
        for number in range(3):
            await submit(own, named("submit", A), message_id=f"a-{number}")
        await until(lambda: clerk.lacks > 4 * DELIVERIES)
        for number in range(5):
            await submit(other, named("submit", B), message_id=f"b-{number}")
        await clerk.sees(lambda c: len(c.arrivals) == 5)
        await until(lambda: consumer.in_hand == 1)
        assert await broker.depth(f"vanthu.submit.{A}") == 2
        clerk.has_room = True
        await clerk.sees(lambda c: len(c.arrivals) == 8)
    assert brought(clerk) == ["a-0", "a-1", "a-2", *(f"b-{n}" for n in range(5))]
    assert not any(arrival.is_owed or arrival.is_dead_letter for arrival in clerk.arrivals)


@pytest.mark.parametrize("options", [{"hold": timedelta(milliseconds=1)}, {"lobby_bytes": 1}])
async def test_whose_wait_is_long_goes_back_once_and_its_queue_is_left_alone_until_there_is_room(
    broker: Broker, options: dict[str, Any]
) -> None:
    """Or whose bytes the lobby can't hold.  Queues of others, its urgent one too, are consumed as before."""
    clerk = StrictClerk()
    async with (
        client(broker, "client-a") as own,
        client(broker, "client-b") as other,
        consuming(broker, clerk, **options) as consumer,
    ):
        queues = consumer.consumed
        for number in range(3):
            await submit(own, named("submit", A), message_id=f"a-{number}")
        await broker.becomes(f"vanthu.submit.{A}", 3)
        await until(lambda: consumer.in_hand == 0)
        lacks = clerk.lacks
        await until(lambda: clerk.lacks > lacks + 4 * DELIVERIES)
        assert (consumer.consumed, consumer.in_hand, consumer.state) == (queues - 1, 0, "ok")
        assert await broker.depth(f"vanthu.submit.{A}") == 3
        await submit(other, named("submit", B), message_id="b")
        await clerk.sees(lambda c: len(c.arrivals) == 1)
        clerk.has_room = True
        await clerk.sees(lambda c: len(c.arrivals) == 4)
        assert consumer.consumed == queues
    assert brought(clerk) == ["a-0", "a-1", "a-2", "b"]
    assert not any(arrival.is_owed or arrival.is_dead_letter for arrival in clerk.arrivals)


async def test_who_would_go_back_too_often_comes_in_instead_of_dying(broker: Broker) -> None:
    """Others were quicker each time: before its queue gives it up it no longer waits, and counts as owed."""
    clerk = StrictClerk()

    async def check_for_show(party: PartyKey) -> None:
        """There is room, until one asks for it."""

    clerk.check = check_for_show  # type: ignore[method-assign]  # the other one is always quicker
    async with client(broker, "client-a") as own:
        await submit(own, named("submit", A), message_id="a", headers={"x-delivery-count": 99})
        async with consuming(broker, clerk, hold=timedelta(milliseconds=1)):
            await clerk.sees(lambda c: len(c.arrivals) == 1)
    (arrival,) = clerk.arrivals
    assert arrival.is_owed
    assert not arrival.is_dead_letter
    assert clerk.lacks == LAST_CHANCE, "nobody believes what a sender says of deliveries"


async def test_a_queue_that_was_left_alone_is_consumed_after_a_drain(broker: Broker) -> None:
    clerk = StrictClerk()
    clerk.wait = timedelta(hours=5)
    async with client(broker, "client-a") as own, consuming(broker, clerk) as consumer:
        await submit(own, named("submit", A))
        await until(lambda: clerk.lacks > 0)
        await until(lambda: consumer.in_hand == 0)
        assert await consumer.drain(timedelta(seconds=5)) == 0
        clerk.has_room = True
        await consumer.resume()
        await clerk.sees(lambda c: len(c.arrivals) == 1)


def bound(town: Town, quota: str, urgent: str) -> None:
    """The list of organs, with quotas of the first one."""
    rows = [f"{organ},Cơ quan {organ},," for organ in town.organs]
    rows[0] = f"{town.organs[0]},Cơ quan {town.organs[0]},{quota},{urgent}"
    (town.var.parent / "organs.csv").write_text(
        "\n".join(["organ_id,name,documents_per_minute,urgent_per_minute", *rows, ""]), "utf-8"
    )


async def metric(town: Town, name: str) -> float:
    """The sum of a metric over all workers."""
    url = town.access[town.organs[0]]["http_url"]
    async with aiohttp.ClientSession(url) as http, http.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


async def test_two_workers_count_together_and_who_is_beyond_waits_alone(
    tmp_path: Path, broker_node: PrivateNode
) -> None:
    async with a_town(tmp_path, broker_node, workers=2, organs=4) as town:
        bound(town, str(FIRST), "4")
        assert (await town.stack.reload()).problem == ""
        greedy, other, reader = (town.offices[organ] for organ in town.organs[:3])
        names = [f"g-{n}" for n in range(FIRST + REST)]
        bodies = [town.edoc(reader.organ, number=n) for n in range(len(names))]
        began = time.monotonic()
        await asyncio.gather(*map(greedy.publish, bodies, names))
        greedy_ones = set(names)

        def accepted(office: object = greedy) -> set[str]:
            receipts = office.receipts  # type: ignore[attr-defined]  # an office
            return {
                str(r.correlation_id) for r in receipts if r.headers["vanthu-event"] == "SubmissionAcceptance"
            }

        await greedy.until(lambda: len(accepted()) >= FIRST)
        first = len(accepted())
        assert first <= FIRST + 6, "the quota, and what two workers may not have told each other"
        for number in range(10):
            body = town.edoc(reader.organ, number=900 + number, sender=other.organ)
            await other.publish(body, f"o-{number}")
        await other.until(lambda: len(accepted(other)) == 10)
        assert len(accepted()) < len(names), "the other one was served while this one waits"
        await greedy.until(lambda: accepted() == greedy_ones)
        took = time.monotonic() - began
        # spec: adr/0023 - the quota, what drains, an allowance (1) and a document of each worker
        assert len(names) <= FIRST + took * FIRST / 60 + 2 * 2
        await reader.until(lambda: len(reader.deliveries) == len(names) + 10)
        assert all(len(copies) == 1 for copies in reader.deliveries.values())
        assert await metric(town, "vanthu_quota_waits_total") > 0
        assert await metric(town, 'vanthu_documents_total{outcome="refused"') == 0

        # Urgent ones: four of eight, whichever worker each comes to.
        bound(town, "none", "4")
        assert (await town.stack.reload()).problem == ""
        await asyncio.gather(
            *(greedy.publish(a_letter(town, n, 3), f"u-{n}", key="edoc.urgent") for n in range(12))
        )
        await greedy.until(lambda: len(accepted()) == len(names) + 12)
        warned = [
            r
            for r in greedy.receipts
            if str(r.correlation_id).startswith("u-") and b"urgent-over-quota" in r.body
        ]
        assert 12 - 4 - 4 <= len({r.correlation_id for r in warned}) <= 12 - 4
