"""Urgency from end to end: the lane, the gates, the store's order, the queue, the inbox, the receipts, the hour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from adapters.memory import write_edoc
from gateway.model.envelope import Due, Priority
from gateway.model.handover import Delivery, ItemType, Receipt
from gateway.model.ids import DocumentId, OrganCode
from gateway.model.journey import SubmissionState
from gateway.model.quota import Quota
from gateway.worker import Pace
from tests.builders import COMMUNE, an_edoc
from tests.journey.town import HEALTH, LABOUR, Town, a_town

KHAN, THUONG_KHAN, HOA_TOC, HEN_GIO = (Priority(n) for n in (1, 2, 3, 4))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def send_all(
    town: Town, *degrees: Priority, start: int = 600, recipient: str = LABOUR
) -> dict[str, Priority]:
    """One document of each degree; by its document id, which deliveries carry."""
    sent = {}
    for number, priority in enumerate(degrees, start):
        ticket = await town.send(
            town.edoc(recipient, number=number, priority=priority), is_urgent=priority.is_urgent
        )
        sent[str(ticket.document)] = priority
    await town.settle()
    return sent


async def test_what_is_urgent_overtakes_all_that_is_not_yet_in_the_queue_in_the_order_of_its_degree() -> None:
    town = await a_town(queue_room=2)
    ordinary = await send_all(town, *[Priority.ORDINARY] * 6)
    urgent = await send_all(town, KHAN, HOA_TOC, THUONG_KHAN, HEN_GIO, KHAN, start=700)
    degrees = ordinary | urgent
    taken = []
    for _ in range(100):
        letter = town.broker.take(f"vanthu.deliver.{LABOUR}")
        if letter is not None:
            taken.append(degrees[letter.headers["vanthu-document"]])
        await town.pass_time(timedelta(seconds=5))
    assert taken[:2] == [Priority.ORDINARY] * 2, "these were in the queue already"
    assert taken[2:7] == [HEN_GIO, HOA_TOC, THUONG_KHAN, KHAN, KHAN]
    assert taken[7:] == [Priority.ORDINARY] * 4


async def test_a_crowded_queue_of_one_agency_holds_nobody_elses_up() -> None:
    town = await a_town(queue_room=1)
    await send_all(town, Priority.ORDINARY, KHAN)
    await send_all(town, Priority.ORDINARY, start=700, recipient=HEALTH)
    assert len(town.deliveries(HEALTH)) == 1


async def test_the_inbox_shows_the_more_urgent_first() -> None:
    town = await a_town()
    await send_all(town, Priority.ORDINARY, KHAN, HOA_TOC, THUONG_KHAN, recipient=COMMUNE)
    assert [i.priority for i in await town.inbox()] == [HOA_TOC, THUONG_KHAN, KHAN, Priority.ORDINARY]


async def test_receipts_of_an_urgent_document_are_as_urgent_as_it_is() -> None:
    """Into the sender's queue, and into the inbox of a sender without one."""
    town = await a_town(pace=Pace(parcels=1, grace=timedelta()))
    town.outlet.before.close()
    tickets = []
    for number, priority in enumerate((Priority.ORDINARY, Priority.ORDINARY, HOA_TOC), 1):
        body = town.edoc(LABOUR, number=number, priority=priority)
        tickets.append(await town.send(body, is_urgent=priority.is_urgent))
        await until(lambda count=number: town.observer.told["document", "accepted", ""] == count)
    _, ordinary, express = (str(t.document) for t in tickets)
    town.outlet.before.lift()
    await town.settle()
    told = [p.document for p in town.outlet.handed if isinstance(p, Receipt)]
    assert told.index(DocumentId(express)) < told.index(DocumentId(ordinary))
    commune = replace(an_edoc(LABOUR).sender, code=OrganCode(COMMUNE))
    for number, priority in ((1, Priority.ORDINARY), (2, HOA_TOC)):
        body = write_edoc(an_edoc(LABOUR, sender=commune, priority=priority, subject=str(number)))
        await town.send(body, COMMUNE)
    await town.settle()
    waiting = [i for i in await town.inbox() if i.type is ItemType.RECEIPT]
    assert [i.priority for i in waiting] == sorted((i.priority for i in waiting), reverse=True)
    assert {i.priority for i in waiting} == {Priority.ORDINARY, HOA_TOC}


async def test_beyond_the_quota_an_urgent_document_counts_as_ordinary_and_its_sender_is_told() -> None:
    """DESIGN §4; whichever lane it took, for the envelope decides on that.  Others have quotas of their own."""
    town = await a_town(quota=Quota(urgent_per_minute=2))
    sent = await send_all(town, HOA_TOC, HOA_TOC, HOA_TOC, HEN_GIO)
    dossiers = [await town.store.load(document) for document in sent]  # type: ignore[arg-type]  # a DocumentId
    assert [d.submission.priority for d in dossiers if d] == [
        HOA_TOC,
        HOA_TOC,
        Priority.ORDINARY,
        Priority.ORDINARY,
    ]
    acceptances = [r for r in town.receipts() if r.headers["vanthu-event"] == "SubmissionAcceptance"]
    told = ["urgent-over-quota" in r.body.decode() for r in acceptances]
    assert told == [False, False, True, True]
    other = replace(an_edoc(HEALTH).sender, code=OrganCode(LABOUR))
    ticket = await town.send(write_edoc(an_edoc(HEALTH, sender=other, priority=KHAN)), LABOUR)
    assert (await town.dossier(ticket)).submission.is_urgent


@pytest.mark.parametrize(
    ("due", "told"),
    [
        (Due(date(2016, 3, 31)), "2016-03-31"),
        (Due(date(2016, 3, 4), time(16, 30)), "2016-03-04T16:30:00+07:00"),
        (None, None),
    ],
)
async def test_the_hour_is_told_with_each_delivery_also_after_another_life_took_over(due, told) -> None:
    town = await a_town()
    town.outlet.before.close()
    ticket = await town.send(town.edoc(LABOUR, COMMUNE, priority=HEN_GIO, due=due))
    await town.settle()
    await town.end_life(town.lives[0])
    await town.begin_life("another")
    town.outlet.before.lift()
    await town.pass_time(timedelta(minutes=1))
    (letter,) = town.deliveries(LABOUR)
    assert letter.headers.get("vanthu-due") == told
    (item,) = [i for i in await town.inbox() if i.type is ItemType.EDOC]
    assert dict(item.headers).get("vanthu-due") == told
    assert (await town.dossier(ticket)).submission.due == due


async def test_a_deadline_already_past_is_a_warning_and_stops_nothing() -> None:
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, due=Due(date(2016, 3, 3))))
    await town.settle()
    assert (await town.dossier(ticket)).submission.state is SubmissionState.ACCEPTED
    (acceptance, *_) = town.receipts(about=ticket)
    assert "deadline-past" in acceptance.body.decode()
    assert [p.party for p in town.outlet.handed if isinstance(p, Delivery)] == [LABOUR]
