"""How a copy ends without its recipient's word: full queues, dead letters, and the end of its time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.model.handover import Delivery
from gateway.model.journey import HandOverState
from gateway.model.submission import Ticket
from schemas import reasons
from tests.builders import COMMUNE, PROVINCE
from tests.journey.chain import check_letters, check_records, fields
from tests.journey.town import HEALTH, LABOUR, Town, a_town

HOUR = timedelta(hours=1)
MONTH = timedelta(days=30)
DELIVER = f"vanthu.deliver.{LABOUR}"


async def a_full_queue() -> tuple[Town, Ticket]:
    """A town in which the labour department's queue holds one document, and a second one does not fit."""
    town = await a_town(queue_room=1)
    await town.send(town.edoc(LABOUR, number=1))
    await town.settle()
    ticket = await town.send(
        town.edoc(LABOUR, HEALTH, number=2), expires=(town.clock.now() + 6 * HOUR).isoformat()
    )
    await town.settle()
    return town, ticket


async def test_a_full_queue_is_tried_again_with_back_off_until_it_takes():
    town, ticket = await a_full_queue()
    assert (await town.copy(ticket, HEALTH)).state is HandOverState.AVAILABLE, "nobody else waits for it"
    for _ in range(200):
        await town.pass_time(timedelta(seconds=10))
    tries = [p for p in town.outlet.handed if isinstance(p, Delivery) and p.document == ticket.document]
    labour = [p for p in tries if p.party == LABOUR]
    assert 100 < len(labour) <= 200, "a full queue is tried every few seconds, for its reader makes room"
    assert len({p.id for p in labour}) == 1
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.PENDING
    assert len(town.deliveries(LABOUR)) == 1
    await town.pass_time(timedelta(minutes=6))
    (_, letter) = town.deliveries(LABOUR)
    assert letter.headers["vanthu-attempt"] > 1
    assert town.events(ticket, LABOUR) == ["ContentConsignment"]


async def test_a_queue_that_stays_full_until_the_expiry_is_a_consignment_failure():
    town, ticket = await a_full_queue()
    await town.pass_time(6 * HOUR)
    assert town.events(ticket, LABOUR) == ["ContentConsignmentFailure"]
    copy = await town.copy(ticket, LABOUR)
    assert (copy.state, copy.reason) == (HandOverState.EXPIRED, "delivery-expired")
    town.deliveries(LABOUR)
    await town.pass_time(HOUR)
    assert len(town.deliveries(LABOUR)) == 1, "what is over is not tried again"
    assert await town.open_work() == 0
    check_records(ticket.document, await town.evidence(ticket))


@pytest.mark.parametrize("hours", [0, 6])
async def test_sender_and_recipient_are_told_the_same_expiry(hours):
    town = await a_town()
    until = town.clock.now() + (hours * HOUR if hours else MONTH)
    ticket = await town.send(town.edoc(LABOUR), expires=until.isoformat() if hours else "")
    await town.settle()
    (letter,) = town.deliveries(LABOUR)
    assert letter.expires_at == until
    told = [fields(receipt.body, "Expires") for receipt in town.receipts(about=ticket)]
    assert told == [[until.isoformat()]] * 2, "by the acceptance, and by the consignment"


async def test_the_end_of_its_time_is_told_in_both_languages():
    town, ticket = await a_full_queue()
    await town.pass_time(6 * HOUR)
    for receipt in town.receipts(about=ticket):
        if reason := receipt.headers.get("vanthu-reason"):
            entry = reasons()[str(reason)]
            assert fields(receipt.body, "Code") == [reason]
            assert fields(receipt.body, "Details") == [entry.vi, entry.en]


DEATHS = [
    ("rejected", HandOverState.FAILED, "delivery-rejected"),
    ("delivery_limit", HandOverState.FAILED, "delivery-poison"),
    ("expired", HandOverState.EXPIRED, "delivery-expired"),
    ("maxlen", HandOverState.FAILED, "queue-full"),
    ("something new", HandOverState.FAILED, "delivery-rejected"),
]


@pytest.mark.parametrize(("cause", "state", "reason"), DEATHS)
async def test_a_dead_letter_becomes_state_evidence_and_receipt(cause, state, reason):
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, HEALTH))
    await town.settle()
    town.broker.reject(DELIVER, cause=cause)
    assert await town.bring_dead_letters() == 1
    copy = await town.copy(ticket, LABOUR)
    assert (copy.state, copy.reason) == (state, reason)
    assert town.events(ticket, LABOUR) == ["ContentConsignment", "ContentHandoverFailure"]
    told = town.receipts(about=ticket)[-1]
    assert told.headers["vanthu-reason"] == reason
    assert (await town.copy(ticket, HEALTH)).state is HandOverState.AVAILABLE
    check_letters(town.receipts(about=ticket))


async def test_a_letter_that_expires_in_its_queue_comes_back():
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR), expires=(town.clock.now() + HOUR).isoformat())
    await town.settle()
    await town.advance(HOUR)
    town.broker.expire(town.clock.now())
    await town.bring_dead_letters()
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.EXPIRED
    assert town.events(ticket, LABOUR).count("ContentHandoverFailure") == 1
    check_letters(town.receipts(about=ticket))


@pytest.mark.parametrize("cause", ["expired", "rejected", "delivery_limit"])
async def test_a_dead_letter_after_01_changes_nothing(cause):
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    await town.report(LABOUR, "01")
    known, before = await town.copy(ticket, LABOUR), len(town.receipts())
    town.broker.reject(DELIVER, cause=cause)
    assert await town.bring_dead_letters() == 1
    assert await town.copy(ticket, LABOUR) == known
    assert len(town.receipts()) == before


async def test_a_doubled_dead_letter_changes_nothing_the_second_time():
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    copy = await town.copy(ticket, LABOUR)
    worker = town.lives[0].worker
    for _ in range(3):
        await worker.undeliverable(copy.document, copy.recipient, copy.delivery, "rejected")
        await town.settle()
    assert town.events(ticket, LABOUR) == ["ContentConsignment", "ContentHandoverFailure"]


async def test_a_dead_letter_of_another_generation_or_of_nobody_does_no_harm():
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    copy = await town.copy(ticket, LABOUR)
    worker = town.lives[0].worker
    await worker.undeliverable(copy.document, copy.recipient, "another", "rejected")
    await worker.undeliverable(copy.document, HEALTH, copy.delivery, "rejected")
    await worker.undeliverable("nothing", copy.recipient, copy.delivery, "rejected")
    await town.settle()
    assert await town.copy(ticket, LABOUR) == copy


async def test_a_dead_letter_that_overtakes_the_confirm_proves_that_the_copy_was_there():
    town = await a_town()
    town.outlet.after.close()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    town.broker.reject(DELIVER)
    await town.bring_dead_letters()
    town.outlet.after.lift()
    await town.settle()
    assert town.events(ticket, LABOUR) == ["ContentConsignment", "ContentHandoverFailure"]
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.FAILED
    assert await town.open_work() == 0
    check_letters(town.receipts(about=ticket))


@pytest.mark.parametrize(
    ("codes", "is_told"), [([], True), (["01"], True), (["03"], False), (["02"], False), (["06"], False)]
)
async def test_the_sender_learns_of_the_silence_where_neither_03_nor_02_came(codes, is_told):
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    town.deliveries(LABOUR)
    for code in codes:
        await town.report(LABOUR, code, description="Sai")
    state = (await town.copy(ticket, LABOUR)).state
    await town.pass_time(MONTH)
    assert ("AcceptanceRejectionExpiry" in town.events(ticket, LABOUR)) is is_told
    assert (await town.copy(ticket, LABOUR)).state is state, "silence is no end"
    await town.pass_time(MONTH)
    assert town.events(ticket, LABOUR).count("AcceptanceRejectionExpiry") == is_told
    check_letters(town.receipts(about=ticket))


async def test_a_deadline_whose_commit_fails_is_met_later():
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, COMMUNE))
    await town.settle()
    town.ledger.fails_next = 2
    await town.pass_time(MONTH)
    await town.pass_time(HOUR)
    assert town.events(ticket, LABOUR) == ["ContentConsignment", "AcceptanceRejectionExpiry"]
    assert town.events(ticket, COMMUNE) == ["ContentConsignment", "ContentHandoverFailure"]


async def test_a_full_receipts_queue_holds_up_no_delivery_and_loses_no_receipt():
    town = await a_town()
    town.broker._room[f"vanthu.receipts.{PROVINCE}"] = 1
    tickets = [await town.send(town.edoc(LABOUR, number=n)) for n in range(1, 6)]
    await town.settle()
    assert len(town.deliveries(LABOUR)) == 5
    for _ in range(60):
        town.receipts()
        await town.pass_time(timedelta(minutes=1))
    for ticket in tickets:
        check_letters(town.receipts(about=ticket))
        assert len(town.receipts(about=ticket)) == 2


async def test_every_piece_of_evidence_is_counted():
    town = await a_town()
    await town.send(town.edoc(LABOUR, "999.99.99.H53"))
    await town.settle()
    town.broker.reject(DELIVER)
    await town.bring_dead_letters()
    told = {event: n for (kind, event, *_), n in town.observer.told.items() if kind == "receipt"}
    assert told == {
        "SubmissionAcceptance": 1,
        "ContentConsignmentFailure": 1,
        "ContentConsignment": 1,
        "ContentHandoverFailure": 1,
    }
