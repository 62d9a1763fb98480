"""A recipient's queue that fails again and again, or does not answer, is left alone for a while; nobody else is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from gateway.breakers import SLOW_S, GuardedOutlet, GuardedService
from gateway.errors import Reason, Unavailable
from gateway.model.breaker import Temper
from gateway.model.envelope import Kind, Priority
from gateway.model.handover import Delivery, Handed
from gateway.model.ids import DeliveryId, DocumentId, OrganCode, PartyKey
from gateway.model.payload import PayloadRef
from tests.builders import NOON, PROVINCE
from tests.journey.town import HEALTH, LABOUR, Town, a_town
from tests.simulation.loop import VirtualLoop

TEMPER = Temper(failures=3, first_s=2.0, longest_s=8.0, probe_s=10.0)


class Counted:
    """Remembers what was told last."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()

    def circuits(self, what: str, opened: int) -> None:
        self.open[what] = opened


def in_virtual_time(story: Callable[[], Awaitable[None]]) -> None:
    loop = VirtualLoop(Random(0).random)
    loop.run_until_complete(story())
    loop.close()


def a_delivery(number: int, recipient: str, **changes: object) -> Delivery:
    document = DocumentId(f"0190a000-0000-7000-8000-{number:012}")
    delivery = Delivery(
        id=DeliveryId(f"d-{number}-{recipient}"),
        document=document,
        about=document,
        party=PartyKey(recipient),
        sender=OrganCode(PROVINCE),
        kind=Kind.EDOC,
        payload=PayloadRef.of(b"<edXML/>"),
        expires_at=NOON + timedelta(days=30),
    )
    return replace(delivery, **changes)


async def a_guarded_town(share: int = 4) -> tuple[Town, GuardedOutlet, Counted]:
    town = await a_town(queue_room=1)
    counted = Counted()
    return town, GuardedOutlet(town.outlet, lambda: 0.999, counted, TEMPER, share), counted


async def brought(outlet: GuardedOutlet, numbers: range, recipient: str, **changes: object) -> list[str]:
    """What became of parcels brought one after the other."""
    results = [await outlet.hand_over(a_delivery(n, recipient, **changes)) for n in numbers]
    return [str(r.reason or r.handed) for r in results]


def test_a_full_queue_is_left_alone_but_for_one_who_goes_to_see_and_others_notice_nothing():
    async def story() -> None:
        town, outlet, counted = await a_guarded_town()
        assert await brought(outlet, range(10), LABOUR) == ["taken"] + ["queue-full"] * 9
        assert len(town.outlet.handed) == 4, "three have tried in vain, the others were put off at once"
        assert await brought(outlet, range(10, 11), HEALTH) == ["taken"]
        assert outlet.state == f"ok, RESTING: 1 queues: {LABOUR} (queue-full)"
        assert counted.open == {"queue": 1}
        await asyncio.sleep(2)
        await brought(outlet, range(20, 30), LABOUR)
        assert len(town.outlet.handed) == 6, "one went to see"
        assert len(town.deliveries(LABOUR)) == 1, "its reader makes room"
        await asyncio.sleep(4)
        assert await brought(outlet, range(30, 31), LABOUR) == ["taken"]
        assert (outlet.state, counted.open["queue"]) == ("ok", 0)

    in_virtual_time(story)


def test_an_urgent_parcel_asks_a_resting_queue_all_the_same():
    async def story() -> None:
        town, outlet, _ = await a_guarded_town()
        await brought(outlet, range(5), LABOUR)
        town.deliveries(LABOUR)
        assert await brought(outlet, range(5, 6), LABOUR) == ["queue-full"]
        assert await brought(outlet, range(6, 7), LABOUR, priority=Priority.EXPRESS) == ["taken"]

    in_virtual_time(story)


def test_a_queue_that_does_not_answer_gets_no_more_than_its_share_of_places():
    async def story() -> None:
        town, outlet, _ = await a_guarded_town()
        town.outlet.before.close()
        flying = [asyncio.create_task(outlet.hand_over(a_delivery(n, LABOUR))) for n in range(4)]
        await asyncio.sleep(SLOW_S + 1)
        town.outlet.before.let_others_by()
        assert await brought(outlet, range(4, 8), LABOUR) == ["queue-slow"] * 4
        assert await brought(outlet, range(8, 9), HEALTH) == ["taken"]
        town.outlet.before.lift()
        assert Handed.TAKEN in {result.handed for result in await asyncio.gather(*flying)}

    in_virtual_time(story)


def test_what_is_not_the_recipients_fault_opens_no_circuit():
    async def story() -> None:
        town, outlet, _ = await a_guarded_town()
        town.broker.is_away = True
        assert await brought(outlet, range(9), LABOUR) == ["broker-away"] * 9
        assert (outlet.state, len(town.outlet.handed)) == ("ok", 9)

    in_virtual_time(story)


def test_a_service_that_does_not_answer_is_asked_again_only_after_a_pause():
    async def story() -> None:
        counted = Counted()
        service = GuardedService(
            "management", Reason("broker-away"), lambda: 0.999, counted, replace(TEMPER, failures=2)
        )
        asked = 0

        async def hang() -> None:
            nonlocal asked
            asked += 1
            await asyncio.sleep(3600)

        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await service.ask(hang)
        for _ in range(5):
            with pytest.raises(Unavailable, match="asked again in 2 s"):
                await service.ask(hang)
        assert (asked, counted.open["management"]) == (2, 1)
        await asyncio.sleep(2)
        assert await service.ask(lambda: asyncio.sleep(0, "here again")) == "here again"
        assert counted.open["management"] == 0

    in_virtual_time(story)
