"""What has died is tried again at an operator's word: a new delivery, the same chain, and nothing that succeeded."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.model.change import Change
from gateway.model.dead import DeadLetter, NotReplayed, Replayed, Wanted
from gateway.model.envelope import Business
from gateway.model.ids import EvidenceId, PartyKey
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.submission import Door, Ticket
from gateway.replay import Ports, Replays, refusals
from gateway.stages import amend, dispose
from tests.builders import COMMUNE, PROVINCE
from tests.journey.chain import check_letters, check_records, field
from tests.journey.town import HEALTH, JUSTICE, LABOUR, Town, a_town
from tests.journey.weather import POISON

MONTH = timedelta(days=30)
DELIVER = f"vanthu.deliver.{LABOUR}"


def replays_of(town: Town, actor: str = "lan") -> Replays:
    """An operator at the keyboard, beside the workers."""
    return Replays(
        Ports(
            ledger=town.ledger,
            records=town.store,
            dead=town.store,
            vault=town.vault,
            directory=town.directory,
            clock=town.clock,
            ids=town.ids,
        ),
        actor,
    )


async def the_dead(town: Town, **wanted: Any) -> list[DeadLetter]:
    """All dead letters that *wanted* means."""
    asked = Wanted(refusals=refusals(), **wanted)
    return [letter async for letter in replays_of(town).letters(asked)]


async def a_rejected_copy() -> tuple[Town, Ticket]:
    """A document that the labour department's software has returned, and the health department has taken."""
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, HEALTH))
    await town.settle()
    town.deliveries(HEALTH)
    town.broker.reject(DELIVER)
    await town.bring_dead_letters()
    return town, ticket


async def an_expired_item() -> tuple[Town, Ticket]:
    """A document that the commune has not fetched in its time."""
    town = await a_town()
    ticket = await town.send(town.edoc(COMMUNE))
    await town.settle()
    await town.pass_time(MONTH)
    assert (await town.copy(ticket, COMMUNE)).state is HandOverState.EXPIRED
    return town, ticket


async def test_a_replay_brings_the_copy_again_under_a_new_delivery_id_in_the_same_chain():
    town, ticket = await a_rejected_copy()
    before = await town.copy(ticket, LABOUR)
    (letter,) = await the_dead(town)
    done = await replays_of(town).replay(letter)
    await town.settle()
    (delivery,) = town.deliveries(LABOUR)
    after = await town.copy(ticket, LABOUR)
    assert isinstance(done, Replayed)
    assert (after.generation, after.state) == (before.generation + 1, HandOverState.AVAILABLE)
    assert delivery.message_id == after.delivery == done.delivery != before.delivery
    assert "vanthu-attempt" not in delivery.headers, "it is the first attempt at this delivery"
    assert town.events(ticket, LABOUR) == [
        "ContentConsignment",
        "ContentHandoverFailure",
        "ContentConsignment",
    ]
    check_letters(town.receipts(about=ticket))
    check_records(ticket.document, await town.evidence(ticket))
    assert len(town.deliveries(HEALTH)) == 1, "who has it gets nothing twice"


async def test_a_replayed_copy_has_as_much_time_again_as_its_document_had():
    town, ticket = await an_expired_item()
    (letter,) = await the_dead(town)
    assert letter.copy is not None
    done = await replays_of(town).replay(letter)
    assert isinstance(done, Replayed)
    assert done.expires_at == town.clock.now() + MONTH
    await town.settle()
    (item,) = await town.inbox()
    assert (item.id, item.expires_at) == (done.delivery, done.expires_at)
    told = (await town.evidence(ticket))[-1]
    assert field(told.body, "Expires") == done.expires_at.isoformat()
    await town.pass_time(MONTH - timedelta(seconds=1))
    assert (await town.copy(ticket, COMMUNE)).state is HandOverState.AVAILABLE
    await town.pass_time(timedelta(seconds=1))
    assert (await town.copy(ticket, COMMUNE)).state is HandOverState.EXPIRED
    assert await town.open_work() == 0
    assert (await town.store.waiting())["deadline"] == 0
    check_records(ticket.document, await town.evidence(ticket))


async def test_the_documents_own_deadline_leaves_a_replayed_copy_alone():
    town, ticket = await a_rejected_copy()
    await town.pass_time(MONTH - timedelta(days=1))
    (letter,) = await the_dead(town)
    await replays_of(town).replay(letter)
    await town.settle()
    await town.pass_time(timedelta(days=2))
    assert town.events(ticket, HEALTH)[-1] == "AcceptanceRejectionExpiry"
    assert town.events(ticket, LABOUR)[-1] == "ContentConsignment"
    await town.pass_time(MONTH)
    assert town.events(ticket, LABOUR)[-1] == "AcceptanceRejectionExpiry"


async def test_an_old_item_is_not_acknowledged_for_the_replayed_copy():
    town, ticket = await an_expired_item()
    old = (await town.copy(ticket, COMMUNE)).delivery
    (letter,) = await the_dead(town)
    await replays_of(town).replay(letter)
    await town.settle()
    desk, me = town.lives[0].desk, PartyKey(COMMUNE)
    lock = await town.store.lock(me, old, "a lock from before", timedelta(hours=1))
    assert lock is not None
    with pytest.raises(Exception, match="delivery-expired"):
        await desk.acknowledge(me, old, "a lock from before")
    assert (await town.copy(ticket, COMMUNE)).state is HandOverState.AVAILABLE


async def test_a_late_confirm_of_the_first_delivery_says_nothing_of_the_second():
    """The letter came back before its confirm was heard: that may not count for what is yet to be brought."""
    town = await a_town()
    town.outlet.after.close()
    await town.send(town.edoc(LABOUR))
    await town.settle()
    town.broker.reject(DELIVER)
    await town.bring_dead_letters()
    (letter,) = await the_dead(town)
    done = await replays_of(town).replay(letter)
    assert isinstance(done, Replayed)
    town.outlet.after.lift()
    await town.settle()
    assert [it.message_id for it in town.deliveries(LABOUR)] == [done.delivery]


async def test_what_has_not_died_is_never_replayed():
    town, ticket = await a_rejected_copy()
    operator = replays_of(town)
    (letter,) = await the_dead(town)
    for recipient in (LABOUR, HEALTH):
        copy = await town.copy(ticket, recipient)
        for state in HandOverState:
            judged = await operator.judge(
                DeadLetter(
                    submission=letter.submission,
                    header=None,
                    copy=replace(copy, state=state),
                    died_at=town.clock.now(),
                    times=1,
                )
            )
            may_be = state in (HandOverState.FAILED, HandOverState.EXPIRED)
            assert (judged is None) == may_be, state
            assert judged is None or judged.reason == "replay-not-dead"


async def test_two_operators_at_once_make_one_delivery():
    town, ticket = await a_rejected_copy()
    (letter,) = await the_dead(town)
    first = await replays_of(town, "lan").replay(letter)
    second = await replays_of(town, "minh").replay(letter)
    assert isinstance(first, Replayed)
    assert second == NotReplayed(reason="replay-not-dead", detail="pending")
    await town.settle()
    assert len(town.deliveries(LABOUR)) == 1
    assert (await town.copy(ticket, LABOUR)).generation == 2


async def test_what_was_recalled_or_replaced_is_not_replayed():
    for take_back in (Business.RECALL, Business.UPDATE, Business.REPLACE):
        town, ticket = await a_rejected_copy()
        assert ticket.document is not None
        later = await town.send(town.edoc(JUSTICE, number=9))
        assert later.document is not None
        relation = amend.relation(later.document, PartyKey(LABOUR), take_back, ticket.document)
        await town.store.commit(Change(relations=(relation,)))
        (letter,) = await the_dead(town)
        done = await replays_of(town).replay(letter)
        assert done == NotReplayed(reason="replay-overtaken", detail=later.document)
        assert (await town.copy(ticket, LABOUR)).state is HandOverState.FAILED


async def test_a_recall_that_comes_between_the_word_and_the_delivery_stops_it():
    town, ticket = await a_rejected_copy()
    assert ticket.document is not None
    (letter,) = await the_dead(town)
    await replays_of(town).replay(letter)
    relation = amend.relation(ticket.document, PartyKey(LABOUR), Business.RECALL, ticket.document)
    await town.store.commit(Change(relations=(relation,)))
    await town.settle()
    copy = await town.copy(ticket, LABOUR)
    assert (copy.state, copy.reason) == (HandOverState.FAILED, "replay-overtaken")
    assert town.deliveries(LABOUR) == []
    check_letters(town.receipts(about=ticket))


async def test_what_has_no_bytes_any_more_is_not_replayed():
    town, _ = await a_rejected_copy()
    (letter,) = await the_dead(town)
    assert letter.copy is not None
    assert letter.copy.payload is not None
    town.vault._bodies.pop(letter.copy.payload.sha256)
    done = await replays_of(town).replay(letter)
    assert done == NotReplayed(reason="replay-bytes-gone", detail=letter.copy.payload.sha256)


async def test_what_was_purged_says_so_and_is_not_replayed():
    town, ticket = await a_rejected_copy()
    purge = dispose.without_content(await town.dossier(ticket), (), town.clock.now())
    await town.store.commit(purge)
    (letter,) = await the_dead(town)
    done = await replays_of(town).replay(letter)
    assert isinstance(done, NotReplayed)
    assert done.reason == "replay-bytes-gone"


async def test_a_recipient_that_was_never_served_has_nothing_to_replay():
    town = await a_town()
    await town.send(town.edoc(LABOUR, "000.99.99.H53"))
    await town.settle()
    (letter,) = await the_dead(town)
    done = await replays_of(town).replay(letter)
    assert done == NotReplayed(reason="replay-nothing-kept", detail="recipient-unknown")


async def test_every_replay_is_on_record_with_its_operator_in_the_same_commit():
    town, ticket = await a_rejected_copy()
    (letter,) = await the_dead(town)
    town.ledger.fails_next = 1
    with pytest.raises(Exception, match="store-away"):
        await replays_of(town).replay(letter)
    assert await town.store.notes() == []
    await replays_of(town).replay(letter)
    (entry,) = await town.store.notes()
    assert (entry.actor, entry.verb) == ("lan", "replay")
    assert str(ticket.document) in entry.object
    assert (await town.copy(ticket, LABOUR)).delivery in entry.outcome
    assert next(change for change in town.ledger.changes if change.audit).handovers


async def test_a_run_that_is_killed_in_the_middle_goes_on_with_the_rest():
    """Killed after any commit, and before it: run again, each copy has been brought again exactly once."""
    for killed_after in range(4):
        town = await a_town(departments=3)
        ticket = await town.send(town.edoc(*town.departments))
        await town.settle()
        for organ in town.departments:
            town.broker.reject(f"vanthu.deliver.{organ}")
        await town.bring_dead_letters()
        operator = replays_of(town)
        letters = [x async for x in operator.letters(Wanted(refusals=refusals()))]
        for letter in letters[:killed_after]:
            await operator.replay(letter)
        await town.settle()
        again = replays_of(town)
        async for letter in again.letters(Wanted(refusals=refusals())):
            assert isinstance(await again.replay(letter), Replayed)
        await town.settle()
        brought = Counter(x.message_id for organ in town.departments for x in town.deliveries(organ))
        assert set(brought.values()) == {1}
        assert len(brought) == 3
        assert {c.generation for c in (await town.dossier(ticket)).handovers} == {2}
        assert await town.open_work() == 0
        check_letters(town.receipts(about=ticket))


async def test_dead_letters_are_found_by_recipient_reason_sender_and_time():
    town, ticket = await a_rejected_copy()
    noon = town.clock.now()
    assert [x.copy.recipient for x in await the_dead(town) if x.copy] == [LABOUR]
    assert len(await the_dead(town, recipients=(LABOUR,), reason="delivery-rejected")) == 1
    assert len(await the_dead(town, sender=PartyKey(PROVINCE), document=ticket.document)) == 1
    assert await the_dead(town, recipients=(HEALTH,)) == []
    assert await the_dead(town, reason="delivery-expired") == []
    assert await the_dead(town, sender=PartyKey(HEALTH)) == []
    assert await the_dead(town, since=noon + timedelta(seconds=1)) == []
    assert await the_dead(town, until=noon) == []
    assert len(await the_dead(town, since=noon, until=noon + timedelta(seconds=1))) == 1


# --- submissions that were refused for a cause of ours ----------------------------------------------


async def a_poisoned_town() -> tuple[Town, Ticket, bytes]:
    """A document that broke its processing three times."""
    town = await a_town()
    body = town.edoc(LABOUR, pdfs=[POISON])
    ticket = await town.send(body, message_id="m-poison")
    for _ in range(8):
        await town.pass_time(timedelta(minutes=10))
    assert (await town.dossier(ticket)).submission.reason == "poison"
    return town, ticket, body


async def test_poison_may_be_tried_again_and_comes_in_as_a_document_of_its_own():
    town, ticket, body = await a_poisoned_town()
    town.inspector.is_mended = True
    (letter,) = await the_dead(town)
    assert (letter.copy, letter.reason) == (None, "poison")
    done = await replays_of(town).replay(letter)
    assert isinstance(done, Replayed)
    await town.settle()
    again = Ticket(door=Door.ACCEPTED, document=done.document, state=SubmissionState.RECEIVED)
    assert (await town.dossier(again)).submission.state is SubmissionState.ACCEPTED
    assert (await town.dossier(ticket)).submission.state is SubmissionState.REFUSED, "an end is an end"
    assert town.events(ticket) == ["SubmissionRejection"]
    assert town.events(again) == ["SubmissionAcceptance"]
    assert {r.correlation_id for r in town.receipts(about=again)} == {"m-poison"}
    assert len(town.deliveries(LABOUR)) == 1
    check_letters(town.receipts(about=again))
    # the sender, who repeats its message, is told what became of it
    repeated = await town.send(body, message_id="m-poison")
    assert (repeated.door, repeated.document) == (Door.REPEATED, done.document)
    assert len(town.deliveries(LABOUR)) == 1


async def test_poison_that_is_still_poison_dies_again_alone_and_may_be_tried_once_more():
    town, _, body = await a_poisoned_town()
    (letter,) = await the_dead(town)
    done = await replays_of(town).replay(letter)
    assert isinstance(done, Replayed)
    for _ in range(8):
        await town.pass_time(timedelta(minutes=10))
    refused = await town.store.load(done.document)
    assert refused is not None
    assert refused.submission.reason == "poison"
    assert await replays_of(town).replay(letter) == NotReplayed(reason="replay-done", detail=done.document)
    (repeat,) = [x for x in await the_dead(town) if x.submission.document == done.document]
    assert repeat.times >= 1
    assert isinstance(await replays_of(town).replay(repeat), Replayed)
    assert (await town.send(body, message_id="m-poison")).door is Door.REPEATED


# --- receipts ---------------------------------------------------------------------------------------


async def test_a_receipt_that_came_back_is_noted_and_all_are_sent_again_as_issued():
    town, ticket = await a_rejected_copy()
    assert ticket.document is not None
    before = town.receipts(about=ticket)
    lost = before[-1]
    await town.lives[0].worker.untaken(ticket.document, EvidenceId(lost.message_id), "rejected")
    await town.lives[0].worker.untaken(ticket.document, EvidenceId("unknown"), "rejected")
    noted = [e for e in await town.store.timeline(ticket.document) if e.reason == "receipt-returned"]
    assert [lost.message_id in event.detail for event in noted] == [True]
    assert await replays_of(town).send_receipts(ticket.document) == len(before)
    await town.settle()
    again = town.receipts(about=ticket)[len(before) :]
    assert {(r.message_id, r.body) for r in again} == {(r.message_id, r.body) for r in before}
    assert (await town.store.notes())[0].outcome == f"{len(before)} receipts again"
