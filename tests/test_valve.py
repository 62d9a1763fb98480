"""The valve of the HTTP door: so many wait, the others are told when to come again, by the pace that was measured."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import Reason, Unavailable
from gateway.model.ids import ClientId, MessageId, OrganCode
from gateway.model.journey import SubmissionState
from gateway.model.party import Link
from gateway.model.payload import PayloadRef
from gateway.model.submission import Arrival, Door, Ticket
from gateway.valve import Throughput, Valve
from gateway.wiring.gauges import disk_low, memory_low, resident

ARRIVAL = Arrival(
    client=ClientId("a"),
    claimed=OrganCode("A"),
    message_id=MessageId("m"),
    payload=PayloadRef.of(b"<edXML/>"),
    link=Link.HTTP,
)


class Doorkeeper:
    """An intake that answers when it is told to."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.came = 0

    async def submit(self, arrival: Arrival) -> Ticket:
        self.came += 1
        await self.open.wait()
        return Ticket(door=Door.ACCEPTED, document=None, state=SubmissionState.RECEIVED)

    def screen(self, head: bytes) -> None:
        raise AssertionError("nothing to screen")

    async def undeliverable(self, document: object, recipient: object, delivery: str, cause: str) -> None:
        raise AssertionError("nothing died")

    async def untaken(self, document: object, evidence: object, cause: str) -> None:
        raise AssertionError("nothing died")


def seconds(wait: timedelta) -> float:
    return wait.total_seconds()


def test_the_pace_is_the_mean_time_from_one_to_the_next():
    pace = Throughput()
    for _ in range(20):
        pace.entered(100.0)
    for number in range(10):
        pace.left(100.0 + (number + 1) * 0.5)
    assert seconds(pace.time_for(10, 105.0)) == pytest.approx(5.0)
    assert seconds(pace.time_for(1, 105.0)) == 1.0, "nobody comes every instant"
    assert seconds(pace.time_for(10_000, 105.0)) == 60.0, "nobody is forgotten"


def test_where_nobody_leaves_any_more_the_wait_grows():
    pace = Throughput()
    for _ in range(8):
        pace.entered(0.0)
    pace.left(0.1)
    assert seconds(pace.time_for(7, 0.1)) == 1.0
    assert seconds(pace.time_for(7, 4.1)) == pytest.approx(28.0)


def test_idle_hours_do_not_count_as_slow():
    pace = Throughput()
    for hour in range(3):
        pace.entered(hour * 3600.0)
        pace.left(hour * 3600.0 + 0.2)
    pace.entered(4 * 3600.0)
    assert seconds(pace.time_for(20, 4 * 3600.0)) == pytest.approx(4.0)


async def test_so_many_wait_and_more_are_told_when_to_come_again():
    door = Doorkeeper()
    valve = Valve(door, 3)
    inside = [asyncio.create_task(valve.submit(ARRIVAL)) for _ in range(3)]
    while door.came < 3:
        await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too-busy") as put_off:
        valve.check()
    assert put_off.value.retry_after is not None
    with pytest.raises(Unavailable, match="too-busy"):
        await valve.submit(ARRIVAL)
    assert door.came == 3
    door.open.set()
    await asyncio.gather(*inside)
    valve.check()
    await valve.submit(ARRIVAL)


async def test_a_gauge_closes_the_valve_for_as_long_as_it_says_so():
    said: list[Reason | None] = [Reason("memory-low")]
    valve = Valve(Doorkeeper(), 3, [lambda: said[0]])
    with pytest.raises(Unavailable, match="memory-low"):
        valve.check()
    said[0] = None
    valve.check()


def test_memory_and_disk_are_low_only_where_they_are(tmp_path: Path):
    assert resident() > 10 * 1024 * 1024
    assert memory_low(1)() == "memory-low"
    assert memory_low(1 << 50)() is None
    assert disk_low(tmp_path, 1 << 60)() == "disk-low"
    assert disk_low(tmp_path, 0)() is None
    assert disk_low(tmp_path / "gone", 1 << 60)() is None, "whoever writes there says what is wrong"
