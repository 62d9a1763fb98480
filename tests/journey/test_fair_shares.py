"""One agency that is greedy, slow or dead, and the others beside it: they do not wait for it (DESIGN §3, promise 9)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from adapters.memory import write_edoc
from gateway.model.change import Work, WorkKind
from gateway.model.envelope import Organ, Priority
from gateway.model.evidence import EventName
from gateway.model.handover import Delivery, Receipt
from gateway.model.ids import DocumentId, OrganCode
from gateway.worker import Pace
from gateway.world import Errand, by_turns
from tests.builders import COMMUNE, NOON, PDF, PROVINCE, an_attachment, an_edoc
from tests.journey.town import HEALTH, JUSTICE, LABOUR, Town, a_town

STUCK = PDF + b"%stuck\n"
"""A PDF that the judges of this town never come to the end of."""


def letter(sender: str, recipient: str, *, number: int = 1, pdf: bytes = PDF, urgent: bool = False) -> bytes:
    priority = Priority.URGENT if urgent else Priority.ORDINARY
    given = {"sender": Organ(code=OrganCode(sender), name=sender), "priority": priority}
    files = (an_attachment(f"{number}.pdf", pdf),)
    return write_edoc(an_edoc(recipient, subject=f"{number}", attachments=files, **given))


async def turns(count: int = 200) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_sends_nothing_but_files_that_take_for_ever_to_judge_holds_no_place_of_others() -> None:
    """Nor is its own urgent document behind them."""
    town = await a_town(pace=Pace(documents=8, grace=timedelta()))
    town.inspector.stops_at = STUCK
    floods = [
        asyncio.create_task(town.send(letter(PROVINCE, LABOUR, number=n, pdf=STUCK))) for n in range(20)
    ]
    await turns()
    assert sum(task.done() for task in floods) == 2, "a quarter of the places, and no more are let in"
    await town.send(letter(JUSTICE, HEALTH), JUSTICE)
    await town.send(letter(PROVINCE, HEALTH, urgent=True), is_urgent=True)
    await turns()
    assert [d.headers["vanthu-sender"] for d in town.deliveries(HEALTH)] == [JUSTICE, PROVINCE]
    for task in floods:
        task.cancel()
    await asyncio.gather(*floods, return_exceptions=True)


async def test_parcels_to_a_recipient_whose_queue_never_answers_hold_no_place_of_others() -> None:
    town = await a_town(pace=Pace(parcels=8, grace=timedelta()))
    town.outlet.before.close()
    for number in range(20):
        await town.send(letter(PROVINCE, LABOUR, number=number))
    await turns()
    assert town.outlet.before.waiting == 2
    town.outlet.before.let_others_by()
    await town.send(letter(PROVINCE, HEALTH))
    await turns()
    assert len(town.deliveries(HEALTH)) == 1


async def test_a_receipt_that_was_brought_holds_no_place_until_the_store_has_struck_it_off() -> None:
    """One place for what goes to the sender, and a store that is slow: the second receipt does not wait for it."""
    town = await a_town(pace=Pace(parcels=4, grace=timedelta()))
    await town.send(letter(PROVINCE, COMMUNE))
    while len(town.ledger.changes) < 2:  # T1, T2
        await asyncio.sleep(0)
    town.ledger.hold.close()
    await turns()
    assert [parcel.event for parcel in town.outlet.handed if isinstance(parcel, Receipt)] == [
        EventName.SUBMISSION_ACCEPTANCE,
        EventName.CONTENT_CONSIGNMENT,
    ]
    assert town.ledger.hold.waiting == 2
    town.ledger.hold.lift()
    await town.settle()
    assert await town.open_work() == 0


def test_the_copies_of_a_document_go_by_turns_with_its_receipts() -> None:
    """The broker has the bodies in hand while we make the letters; of each kind the order stays."""
    kinds = [WorkKind.DELIVERY] * 2 + [WorkKind.RECEIPT] * 6
    errands = [
        Errand(work=Work(key=f"{kind[0]}{n}", kind=kind, document=DocumentId("d"), due_at=NOON))
        for n, kind in enumerate(kinds)
    ]
    assert [errand.work.key for errand in by_turns(errands)] == [
        "r2", "r3", "d0", "r4", "r5", "r6", "d1", "r7",
    ]  # fmt: skip
    assert by_turns(()) == []


async def test_a_document_to_everybody_is_not_in_front_of_another_agencys_single_one() -> None:
    town = await a_town(pace=Pace(parcels=4, grace=timedelta()), departments=60)
    town.outlet.before.close()
    everybody = replace(an_edoc(*town.departments), attachments=())
    await town.send(write_edoc(everybody))
    await turns()
    await town.send(letter(JUSTICE, HEALTH), JUSTICE)
    await turns()
    town.outlet.before.lift()
    await town.settle()
    handed = [parcel.party for parcel in town.outlet.handed if isinstance(parcel, Delivery)]
    assert len(handed) == 61
    assert handed.index(HEALTH) < 8


async def test_a_backlog_of_one_agency_leaves_room_in_hand_for_the_others() -> None:
    """What is left in the store of it is leased by turns with what others have there."""
    town = await a_town(pace=Pace(backlog=16, parcels=4, grace=timedelta()), departments=60)
    town.outlet.before.close()
    await town.send(write_edoc(replace(an_edoc(*town.departments), attachments=())))
    await turns()
    (worker,) = [life.worker for life in town.lives]
    assert worker.in_hand <= 4
    assert not worker.has_room(PROVINCE, 2)
    assert worker.has_room(JUSTICE, 2)
    town.outlet.before.lift()
    await town.settle()
    assert await town.open_work() == 0


async def test_an_agency_that_takes_nothing_costs_few_attempts_however_much_waits_for_it() -> None:
    """And what waits goes as soon as there is room, urgent first."""
    town = await a_town(queue_room=1)
    await sent(town, 60)
    town.outlet.handed.clear()
    for _ in range(8):
        await town.advance(timedelta(seconds=15))
        (life,) = town.lives
        await life.worker.tick()
        await turns()
    assert len(town.outlet.handed) <= 2 * 8
    taken = 0
    for _ in range(400):
        taken += town.broker.take(f"vanthu.deliver.{LABOUR}") is not None
        await town.pass_time(timedelta(seconds=15))
    assert taken == 60


async def sent(town: Town, count: int) -> None:
    for number in range(count):
        await town.send(letter(PROVINCE, LABOUR, number=number))
    await town.settle()
