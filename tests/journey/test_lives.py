"""Workers die, freeze, and meet what kills them; the store and the judges go away for a while.  Nothing is lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.errors import Unavailable
from gateway.model.handover import Delivery
from gateway.model.ids import MessageId, PartyKey, delivery_id
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.submission import Door, Ticket
from gateway.worker import Pace
from tests.builders import COMMUNE, PDF
from tests.journey.chain import check_letters, check_records
from tests.journey.town import HEALTH, JUSTICE, LABOUR, Life, Town, a_town
from tests.journey.weather import POISON

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
QUICK = timedelta()
KILLER = PDF + b"%killer"


async def until(condition) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("never came")


async def rest(town: Town) -> None:
    """Let a worker that may be caught by a killer do what it can."""
    for _ in range(300):
        await town.lives[0].worker.tick()
        await asyncio.sleep(0)


async def succeed(town: Town, name: str) -> None:
    """The first worker is killed, and another begins."""
    await town.end_life(town.lives[0])
    await town.begin_life(name)


async def is_whole(town: Town, ticket: Ticket, *recipients: str, receipts: int) -> None:
    """The document was accepted, each recipient has one copy under one id, the evidence is whole."""
    assert (await town.dossier(ticket)).submission.state is SubmissionState.ACCEPTED
    for organ in recipients:
        ids = {d.message_id for d in town.deliveries(organ) if d.correlation_id == ticket.document}
        assert ids == {delivery_id(ticket.document, PartyKey(organ), 1)}
    check_letters(town.receipts(about=ticket))
    assert len({r.message_id for r in town.receipts(about=ticket)}) == receipts
    check_records(ticket.document, await town.evidence(ticket))
    assert await town.open_work() == 0


# --- death ------------------------------------------------------------------------------------------


async def test_what_a_worker_had_in_hand_when_it_died_another_goes_on_with():
    town = await a_town()
    town.inspector.hold.close()
    ticket = await town.send(town.edoc(LABOUR, COMMUNE))
    await town.settle()
    await town.end_life(town.lives[0])
    town.inspector.hold.lift()
    await town.begin_life("second")
    await town.settle()
    await is_whole(town, ticket, LABOUR, receipts=3)
    assert len(town.deliveries(LABOUR)) == 1


async def test_a_worker_that_simply_stops_beating_is_followed_when_its_lease_is_over():
    town = await a_town()
    (first,) = town.lives
    town.inspector.hold.close()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    first.is_frozen = True
    town.inspector.hold.let_others_by()
    await town.begin_life("second")
    await town.pass_time(town.pace.lease - SECOND)
    assert town.deliveries(LABOUR) == [], "it may still live"
    await town.pass_time(SECOND)
    await is_whole(town, ticket, LABOUR, receipts=2)


async def test_a_worker_frozen_before_its_decision_comes_too_late_and_doubles_nothing():
    town, ticket, first = await a_frozen_judge()
    stale = town.ledger.stale
    town.inspector.hold.lift()
    first.is_frozen = False
    await town.settle()
    assert town.ledger.stale > stale
    assert len(town.deliveries(LABOUR)) == 1
    assert len(await town.inbox()) == 1
    assert town.events(ticket) == ["SubmissionAcceptance"]
    check_letters(town.receipts(about=ticket))


async def a_frozen_judge() -> tuple[Town, Ticket, Life]:
    """The first worker is frozen in the middle of judging; the second has finished the document."""
    town = await a_town()
    (first,) = town.lives
    town.inspector.hold.close()
    ticket = await town.send(town.edoc(LABOUR, COMMUNE))
    await town.settle()
    first.is_frozen = True
    town.inspector.hold.let_others_by()
    await town.begin_life("second")
    await town.pass_time(town.pace.lease)
    assert len(town.deliveries(LABOUR)) == 1
    return town, ticket, first


async def test_a_worker_frozen_before_its_confirm_repeats_one_letter_under_its_id_and_no_evidence():
    town = await a_town()
    (first,) = town.lives
    town.outlet.after.close()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    first.is_frozen = True
    town.outlet.after.let_others_by()
    await town.begin_life("second")
    await town.pass_time(town.pace.lease)
    town.outlet.after.lift()
    first.is_frozen = False
    await town.settle()
    once, again = town.deliveries(LABOUR)
    assert (once.message_id, once.body) == (again.message_id, again.body)
    assert ("vanthu-attempt" in once.headers, again.headers["vanthu-attempt"]) == (False, 2)
    assert town.events(ticket, LABOUR) == ["ContentConsignment"]
    await is_whole(town, ticket, LABOUR, receipts=2)


async def test_a_worker_that_dies_after_the_decision_leaves_its_parcels_to_others():
    town = await a_town()
    town.outlet.before.close()
    ticket = await town.send(town.edoc(LABOUR, HEALTH))
    await town.settle()
    await town.end_life(town.lives[0])
    town.outlet.before.lift()
    await town.begin_life("second")
    await town.settle()
    await is_whole(town, ticket, LABOUR, HEALTH, receipts=3)


async def test_two_workers_share_what_one_left_and_deliver_each_copy_once():
    town = await a_town()
    town.inspector.hold.close()
    tickets = [await town.send(town.edoc(LABOUR, number=n)) for n in range(10)]
    await town.settle()
    await town.end_life(town.lives[0])
    town.inspector.hold.lift()
    for name in ("second", "third"):
        await town.begin_life(name)
    await town.settle()
    assert len(town.deliveries(LABOUR)) == 10
    for ticket in tickets:
        await is_whole(town, ticket, LABOUR, receipts=2)


async def test_a_worker_that_drains_takes_nothing_in_and_may_be_stopped_twice():
    town = await a_town()
    (life,) = town.lives
    await life.worker.stop()
    await life.worker.stop()
    with pytest.raises(Unavailable, match="draining"):
        await town.send(town.edoc(LABOUR))


# --- poison -----------------------------------------------------------------------------------------


async def test_a_document_that_breaks_us_is_poison_after_three_tries_and_its_neighbours_are_not():
    town = await a_town()
    before = await town.send(town.edoc(LABOUR, number=1))
    poison = await town.send(town.edoc(LABOUR, number=2, pdfs=[POISON]))
    after = await town.send(town.edoc(LABOUR, number=3))
    await town.settle()
    for _ in range(20):
        await town.pass_time(MINUTE)
    assert town.inspector.broken == 3
    submission = (await town.dossier(poison)).submission
    assert (submission.state, submission.reason) == (SubmissionState.REFUSED, "poison")
    assert town.events(poison) == ["SubmissionRejection"]
    for innocent in (before, after):
        await is_whole(town, innocent, LABOUR, receipts=2)


async def test_a_document_that_ends_three_lives_of_its_own_is_poison_and_those_in_hand_with_it_are_not():
    town = await a_town(pace=Pace(grace=QUICK))
    town.inspector.hold.close()
    killer = await town.send(town.edoc(LABOUR, number=1, pdfs=[KILLER]))
    others = [await town.send(town.edoc(LABOUR, number=n)) for n in (2, 3)]
    await town.settle()
    town.inspector.stops_at = KILLER
    town.inspector.hold.let_others_by()
    for name in ("second", "third", "fourth", "fifth"):
        assert (await town.dossier(killer)).submission.state is not SubmissionState.REFUSED
        await succeed(town, name)
        await rest(town)
        await town.advance(MINUTE)
        await rest(town)
    submission = (await town.dossier(killer)).submission
    assert (submission.state, submission.reason) == (SubmissionState.REFUSED, "poison")
    for innocent in others:
        await is_whole(town, innocent, LABOUR, receipts=2)


async def test_kills_as_fast_as_lives_begin_make_nobody_poison():
    town = await a_town()
    town.inspector.hold.close()  # whoever is being judged dies with its worker
    tickets = [await town.send(town.edoc(LABOUR, number=n)) for n in range(4)]
    await town.settle()
    for number in range(12):
        await succeed(town, f"life {number}")
        await rest(town)
        assert town.inspector.hold.waiting <= 1, "one at a time, so that none takes others with it"
    town.inspector.hold.lift()
    assert {(await town.dossier(t)).submission.reason for t in tickets} == {"worker-died"}
    await town.pass_time(MINUTE)
    for ticket in tickets:
        await is_whole(town, ticket, LABOUR, receipts=2)


async def test_a_document_with_which_two_lives_have_ended_rests_visibly_and_longer_each_time():
    town = await a_town()
    town.inspector.hold.close()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    await succeed(town, "second")
    await rest(town)
    assert town.inspector.hold.waiting == 1, "after one death it is tried at once"
    for name, least, most in (("third", 2, 4), ("fourth", 8, 16)):
        await succeed(town, name)
        await rest(town)
        submission = (await town.dossier(ticket)).submission
        assert (submission.state, submission.reason) == (SubmissionState.WAITING, "worker-died")
        await town.advance(timedelta(seconds=least - 1))
        await rest(town)
        assert town.inspector.hold.waiting == 0
        await town.advance(timedelta(seconds=most - least + 1))
        await rest(town)
        assert town.inspector.hold.waiting == 1
    town.inspector.hold.lift()
    await town.settle()
    await is_whole(town, ticket, LABOUR, receipts=2)
    waits = [e for e in await town.store.timeline(ticket.document) if e.reason == "worker-died"]
    assert [e.event for e in waits] == ["waiting"]


async def test_what_has_died_twice_is_tried_with_no_other_document_in_hand():
    # with places for many, so that nobody waits for one
    town = await a_town(pace=Pace(documents=64, grace=QUICK))
    town.inspector.hold.close()
    suspect = await town.send(town.edoc(LABOUR, number=1))
    await town.settle()
    for name in ("second", "third"):
        await succeed(town, name)
        await rest(town)
    await town.advance(MINUTE)
    await rest(town)
    assert town.inspector.hold.waiting == 1
    other = asyncio.create_task(town.send(town.edoc(LABOUR, number=2)))
    await rest(town)
    assert town.inspector.hold.waiting == 1
    assert not other.done()
    town.inspector.hold.lift()
    tickets = suspect, await other
    await town.settle()
    for ticket in tickets:
        await is_whole(town, ticket, LABOUR, receipts=2)


async def test_a_leap_of_the_clock_with_three_lives_is_no_more_than_one_death():
    town = await a_town()
    town.inspector.hold.close()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    for name in ("second", "third"):
        await town.begin_life(name)
    town.clock.advance(10 * MINUTE)
    for _ in range(10):  # each looks for work before the next beat
        for life in town.lives:
            await life.worker.tick()
            await asyncio.sleep(0)
    assert town.store._deaths == {}
    town.inspector.hold.let_others_by()
    await town.settle()
    assert list(town.store._deaths.values()) == [1]
    town.inspector.hold.lift()
    await town.settle()
    await is_whole(town, ticket, LABOUR, receipts=2)


async def test_waiting_is_no_death_but_dying_after_a_wait_is():
    town = await a_town()
    town.inspector.is_away = True
    ticket = await town.send(town.edoc(LABOUR, pdfs=[POISON]))
    await town.settle()
    for _ in range(10):
        await town.pass_time(6 * MINUTE)
    submission = (await town.dossier(ticket)).submission
    assert (submission.state, submission.reason) == (SubmissionState.WAITING, "judge-away")
    town.inspector.is_away = False
    for _ in range(10):
        await town.pass_time(6 * MINUTE)
    assert town.inspector.broken == 3
    assert (await town.dossier(ticket)).submission.reason == "poison"


async def test_a_document_that_waited_often_is_no_poison():
    town = await a_town()
    town.inspector.is_away = True
    ticket = await town.send(town.edoc(LABOUR))
    for _ in range(10):
        await town.pass_time(6 * MINUTE)
    town.inspector.is_away = False
    await town.pass_time(6 * MINUTE)
    await is_whole(town, ticket, LABOUR, receipts=2)


# --- the store --------------------------------------------------------------------------------------


async def test_the_store_away_for_a_while_loses_nothing():
    town = await a_town()
    town.inspector.hold.close()
    judged = await town.send(town.edoc(LABOUR, HEALTH, number=1))
    await town.settle()
    town.outlet.after.close()
    town.inspector.hold.let_others_by()
    published = await town.send(town.edoc(JUSTICE, number=2))
    await town.settle()
    town.ledger.is_away = True
    town.inspector.hold.lift()
    town.outlet.after.lift()
    await town.settle()
    with pytest.raises(Unavailable, match="store-away"):
        await town.send(town.edoc(LABOUR, number=3), message_id=MessageId("later"))
    for _ in range(5):
        await town.pass_time(MINUTE)
    town.ledger.is_away = False
    late = await town.send(town.edoc(LABOUR, number=3), message_id=MessageId("later"))
    assert late.door is Door.ACCEPTED
    for _ in range(5):
        await town.pass_time(MINUTE)
    await is_whole(town, judged, LABOUR, HEALTH, receipts=3)
    await is_whole(town, published, JUSTICE, receipts=2)
    await is_whole(town, late, LABOUR, receipts=2)


async def test_a_store_that_comes_and_goes_makes_nobody_poison():
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR))
    for _ in range(8):
        town.ledger.fails_next = 2  # the decision, and the wait for it
        await town.pass_time(6 * MINUTE)
        submission = (await town.dossier(ticket)).submission
        assert (submission.state, submission.reason) == (SubmissionState.WAITING, "store-away")
    town.ledger.fails_next = 0
    await town.pass_time(6 * MINUTE)
    await is_whole(town, ticket, LABOUR, receipts=2)


@pytest.mark.parametrize("failures", range(1, 9))
async def test_however_many_commits_fail_in_a_row_nothing_is_lost_or_doubled(failures):
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, COMMUNE))
    town.ledger.fails_next = failures
    for _ in range(12):
        await town.pass_time(6 * MINUTE)
    await is_whole(town, ticket, LABOUR, receipts=3)
    assert len(await town.inbox()) == 1


async def test_a_hand_over_whose_evidence_cannot_be_written_is_repeated_under_its_id():
    town = await a_town()
    town.outlet.after.close()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    town.ledger.fails_next = 1
    town.outlet.after.lift()
    await town.settle()
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.PENDING
    await town.pass_time(timedelta(hours=1))
    first, again = town.deliveries(LABOUR)
    assert first.message_id == again.message_id
    assert again.headers["vanthu-attempt"] == 2
    assert town.events(ticket, LABOUR) == ["ContentConsignment"]


async def test_what_is_dropped_while_something_else_is_put_back_is_put_back_too():
    town = await a_town()
    worker = town.lives[0].worker
    town.outlet.after.close()
    one = await town.send(town.edoc(LABOUR, number=1))
    await town.settle()
    town.inspector.hold.close()
    other = await town.send(town.edoc(LABOUR, number=2))
    await town.settle()
    town.ledger.is_away = True
    town.outlet.after.lift()
    await until(lambda: worker.in_hand == 1)  # the confirm of one could not be stored
    town.ledger.is_away = False
    town.ledger.hold.close()
    putting_back = asyncio.create_task(worker.tick())
    await until(lambda: town.ledger.hold.waiting == 1)
    town.ledger.is_away = True
    town.inspector.hold.lift()
    await until(lambda: worker.in_hand == 0)  # nor the decision on the other
    town.ledger.is_away = False
    town.ledger.hold.lift()
    await putting_back
    await town.pass_time(MINUTE)
    await is_whole(town, one, LABOUR, receipts=2)
    await is_whole(town, other, LABOUR, receipts=2)


async def test_a_bug_in_the_store_while_work_is_resumed_is_not_the_end_of_it():
    town = await a_town()
    town.broker.is_away = True
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    town.broker.is_away = False
    town.ledger.breaks_next = 3
    for _ in range(5):
        await town.pass_time(6 * MINUTE)
    await is_whole(town, ticket, LABOUR, receipts=2)


async def test_a_bug_that_keeps_us_even_from_refusing_is_outlived():
    town = await a_town()
    town.notary.is_broken = True
    ticket = await town.send(town.edoc(LABOUR), expires=(town.clock.now() + MINUTE).isoformat())
    for _ in range(10):
        await town.pass_time(6 * MINUTE)
    assert await town.evidence(ticket) == []
    town.notary.is_broken = False
    await town.pass_time(6 * MINUTE)
    assert (await town.dossier(ticket)).submission.state is SubmissionState.REFUSED
    assert town.events(ticket) == ["SubmissionRejection"]


async def test_a_document_whose_time_ends_while_the_store_is_away_is_refused_and_its_sender_is_told():
    town = await a_town()
    town.inspector.hold.close()
    ticket = await town.send(town.edoc(LABOUR), expires=(town.clock.now() + MINUTE).isoformat())
    await town.settle()
    town.ledger.is_away = True
    town.inspector.hold.lift()
    await town.pass_time(2 * MINUTE)
    town.ledger.is_away = False
    await town.pass_time(MINUTE)
    assert (await town.dossier(ticket)).submission.state is SubmissionState.REFUSED
    assert town.events(ticket) == ["SubmissionRejection"]
    assert await town.open_work() == 0


async def test_the_broker_away_for_a_while_loses_nothing():
    town = await a_town()
    town.broker.is_away = True
    tickets = [await town.send(town.edoc(LABOUR, COMMUNE, number=n)) for n in range(5)]
    for _ in range(10):
        await town.pass_time(MINUTE)
    town.broker.is_away = False
    await town.pass_time(6 * MINUTE)
    for ticket in tickets:
        await is_whole(town, ticket, LABOUR, receipts=3)
    assert len(town.deliveries(LABOUR)) == 5


# --- the gates --------------------------------------------------------------------------------------


async def test_an_urgent_document_passes_the_gate_before_ordinary_ones_that_wait():
    town = await a_town(pace=Pace(documents=1, grace=QUICK))
    town.inspector.hold.close()
    sends = [asyncio.create_task(town.send(town.edoc(LABOUR, number=n, priority=None))) for n in (1, 2, 3)]
    await until(lambda: town.inspector.hold.waiting == 1)
    urgent = town.send(town.edoc(LABOUR, number=4, priority=None), is_urgent=True)
    sends.append(asyncio.create_task(urgent))
    await asyncio.sleep(0)
    town.inspector.hold.lift()
    await asyncio.gather(*sends)
    await town.settle()
    assert town.inspector.names == ["1-0.pdf", "4-0.pdf", "2-0.pdf", "3-0.pdf"]


async def test_an_urgent_parcel_passes_the_gate_before_ordinary_ones_that_wait():
    town = await a_town(pace=Pace(parcels=1, grace=QUICK))
    town.outlet.before.close()
    tickets = [await town.send(town.edoc(LABOUR, number=1, priority=None))]
    await until(lambda: town.outlet.before.waiting == 1)
    for number, is_urgent in ((2, False), (3, False), (4, True)):
        body = town.edoc(LABOUR, number=number, priority=None)
        tickets.append(await town.send(body, is_urgent=is_urgent))
    await until(lambda: town.observer.told["document", "accepted", ""] == 4)
    town.outlet.before.lift()
    await town.settle()
    order = [p.document for p in town.outlet.handed if isinstance(p, Delivery)]
    first, second, third, urgent = (t.document for t in tickets)
    assert order == [first, urgent, second, third]
