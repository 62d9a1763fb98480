"""Quotas from end to end: who is beyond its own waits and loses nothing, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import QuotaExceeded
from gateway.model.envelope import Organ, Priority
from gateway.model.ids import ClientId, MessageId, OrganCode, PartyKey
from gateway.model.journey import SubmissionState
from gateway.model.quota import NO_BOUND, UNSAID, Quota
from gateway.model.submission import Door, Ticket
from tests.builders import PDF, PROVINCE
from tests.journey.town import HEALTH, JUSTICE, LABOUR, LOCKED, Town, a_town


class Sender:
    """An agency with a queue of its own: one message after the other, each again until it is taken."""

    def __init__(self, town: Town, organ: str, bodies: Sequence[bytes]) -> None:
        self.town, self.organ = town, organ
        self.left = deque(enumerate(bodies))
        self.tickets: list[Ticket] = []

    async def go_on(self) -> timedelta | None:
        """Send until there is no room; after how long there is some, ``None`` where nothing is left."""
        while self.left:
            number, body = self.left[0]
            life = self.town.lives[number % len(self.town.lives)]
            try:
                ticket = await self.town.send(
                    body, self.organ, life=life, message_id=MessageId(f"{self.organ} {number}")
                )
            except QuotaExceeded as over:
                return over.room_in
            self.tickets.append(ticket)
            self.left.popleft()
        return None


def bodies_of(town: Town, organ: str, count: int) -> list[bytes]:
    sender = Organ(code=OrganCode(organ), name=organ)
    return [town.edoc(HEALTH, number=n, sender=sender, official_id="") for n in range(100, 100 + count)]


def change(town: Town, organ: str, quota: Quota) -> None:
    party = town.directory.party(PartyKey(organ))
    assert party is not None
    town.directory.put(replace(party, quota=quota))


async def test_who_is_beyond_its_quota_waits_and_nobody_else_and_all_arrives_in_the_end() -> None:
    """Two workers, one count."""
    town = await a_town(quota=Quota(documents_per_minute=6))
    await town.begin_life("second")
    change(town, LABOUR, Quota(documents_per_minute=NO_BOUND))
    greedy = Sender(town, PROVINCE, bodies_of(town, PROVINCE, 20))
    other = Sender(town, LABOUR, bodies_of(town, LABOUR, 20))
    wait = await greedy.go_on()
    assert len(greedy.tickets) in range(6, 9), "the quota, and what one worker had not heard of the other"
    assert await other.go_on() is None
    await town.settle()
    assert len(town.deliveries(HEALTH)) == len(greedy.tickets) + 20
    minutes = timedelta()
    while wait is not None:
        minutes += wait
        await town.pass_time(wait)
        wait = await greedy.go_on()
    await town.settle()
    assert len(town.deliveries(HEALTH)) == 40
    assert {ticket.door for ticket in greedy.tickets} == {Door.ACCEPTED}
    assert timedelta(minutes=2) < minutes < timedelta(minutes=3), "fourteen more, six a minute"
    assert town.numbers.waits["documents_per_minute"] < 20


async def test_a_quota_is_changed_without_a_restart() -> None:
    town = await a_town()
    sender = Sender(town, PROVINCE, bodies_of(town, PROVINCE, 30))
    change(town, PROVINCE, Quota(documents_per_minute=10))
    assert await sender.go_on() is not None
    assert len(sender.tickets) == 10
    change(town, PROVINCE, Quota(documents_per_minute=25))
    await town.advance(timedelta(seconds=1))
    assert await sender.go_on() is not None
    assert len(sender.tickets) == 25
    change(town, PROVINCE, UNSAID)
    assert await sender.go_on() is None


async def test_bytes_of_a_day_and_one_document_that_is_more_than_that() -> None:
    town = await a_town(quota=Quota(bytes_per_day=10_000))
    first, last = bodies_of(town, PROVINCE, 2)
    large = town.edoc(HEALTH, pdfs=(PDF + b" " * 15_000,))
    assert len(first) < 10_000 < len(large) < 25_000
    sender = Sender(town, PROVINCE, [first, large, last])
    wait = await sender.go_on()
    assert len(sender.tickets) == 2
    assert wait is not None
    assert timedelta(days=1) < wait < timedelta(days=3)
    await town.pass_time(wait)
    assert await sender.go_on() is None


async def test_what_waits_for_a_decision_bounds_what_comes_in() -> None:
    """No key to seal with: the first few wait for it, the others wait for those."""
    town = await a_town(quota=Quota(documents_waiting=3))
    await town.end_life(town.lives[0])
    town.give_keys(to_all_but=[PROVINCE])
    await town.begin_life("without a key")
    sender = Sender(town, PROVINCE, bodies_of(town, PROVINCE, 8))
    assert await sender.go_on() is not None
    await town.settle()
    assert len(sender.tickets) == 3
    await town.end_life(town.lives[0])
    town.give_keys()
    await town.begin_life("with a key")
    for _ in range(20):
        await town.pass_time(timedelta(minutes=10))
        if await sender.go_on() is None:
            break
    await town.settle()
    assert len(town.deliveries(HEALTH)) == 8


async def test_urgent_ones_are_counted_over_all_workers() -> None:
    town = await a_town(quota=Quota(urgent_per_minute=4))
    await town.begin_life("second")
    tickets = []
    for number in range(10):
        body = town.edoc(LABOUR, number=number, priority=Priority.EXPRESS)
        life = town.lives[number % 2]
        tickets.append(await town.send(body, is_urgent=number % 3 > 0, life=life))
    await town.settle()
    urgent = [(await town.dossier(ticket)).submission.is_urgent for ticket in tickets]
    assert urgent[:4] == [True] * 4
    assert 4 <= urgent.count(True) <= 6
    assert urgent[6:] == [False] * 4
    assert {(await town.dossier(t)).submission.state for t in tickets} == {SubmissionState.ACCEPTED}


@pytest.mark.parametrize(
    ("sender", "client"), [(PROVINCE, LABOUR), ("000.00.98.H53", PROVINCE), (LOCKED, HEALTH)]
)
async def test_nobody_uses_up_the_quota_of_another(sender: str, client: str) -> None:
    town = await a_town(quota=Quota(documents_per_minute=2))
    body = town.edoc(JUSTICE)
    for _ in range(5):
        ticket = await town.send(body, sender, client=ClientId(client))
        assert ticket.door is Door.REFUSED
    own = Sender(town, PROVINCE, bodies_of(town, PROVINCE, 2))
    assert await own.go_on() is None


async def test_a_flood_of_senders_at_once_gets_no_more_than_one_after_the_other() -> None:
    town = await a_town(quota=Quota(documents_per_minute=5))
    bodies = bodies_of(town, PROVINCE, 40)
    answers = await asyncio.gather(*(town.send(body) for body in bodies), return_exceptions=True)
    assert sum(isinstance(answer, Ticket) for answer in answers) == 5
    assert sum(isinstance(answer, QuotaExceeded) for answer in answers) == 35
