"""A sender takes a document back: unseen where it can, else by asking each recipient, whose answer is proved."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.model.change import Change
from gateway.model.envelope import Amendment, DocumentReference, Kind, Organ
from gateway.model.ids import OfficialId, OrganCode, PartyKey
from gateway.model.journey import Answer, HandOverState, Request, SubmissionState
from gateway.model.submission import Ticket
from tests.builders import COMMUNE, PROVINCE, a_status
from tests.journey.chain import check_letters, check_records, field
from tests.journey.town import HEALTH, JUSTICE, LABOUR, MERGED, Town, a_town

ACCEPTED = "SubmissionAcceptance"
REJECTED = "SubmissionRejection"
CONSIGNED = "ContentConsignment"
NOT_CONSIGNED = "ContentConsignmentFailure"
HANDED = "ContentHandover"
AGREED = "ConsignmentAcceptance"
DECLINED = "ConsignmentRejection"

THREE = (LABOUR, HEALTH, COMMUNE)


async def delivered(*recipients: str) -> tuple[Town, Ticket]:
    """A town in which 517/QĐ-UBND lies in its recipients' queues and inboxes."""
    town = await a_town()
    ticket = await town.send(town.edoc(*(recipients or THREE)))
    await town.settle()
    return town, ticket


async def waiting_for_its_seal(*recipients: str) -> tuple[Town, Ticket]:
    """A town in which the province has no key, and 517/QĐ-UBND waits for one."""
    town = await a_town()
    town.give_keys(to_all_but=[PROVINCE])
    await town.end_life(town.lives[0])
    await town.begin_life("second")
    ticket = await town.send(town.edoc(*recipients))
    await town.settle()
    return town, ticket


async def sent(town: Town, body: bytes, sender: str = PROVINCE) -> Ticket:
    """*body* was sent, and everything that follows is done."""
    ticket = await town.send(body, sender)
    await town.settle()
    return ticket


async def ended_as(town: Town, ticket: Ticket) -> tuple[SubmissionState, str | None]:
    submission = (await town.dossier(ticket)).submission
    return submission.state, submission.reason


def reason(town: Town, ticket: Ticket, recipient: str) -> str:
    """The reason in the last receipt about *recipient*'s copy."""
    mine = [r for r in town.receipts(about=ticket) if r.headers.get("vanthu-recipient") == recipient]
    return str(mine[-1].headers.get("vanthu-reason", ""))


async def are_whole(town: Town, *tickets: Ticket) -> None:
    """All evidence of the documents stands in unbroken chains, and nothing is left to be done."""
    for ticket in tickets:
        check_letters(town.receipts(about=ticket))
        check_records(ticket.document, await town.evidence(ticket))
    assert await town.open_work() == 0


async def test_three_recipients_are_asked_to_give_a_document_back_and_answer_differently():
    town, ticket = await delivered()
    recall = await sent(town, town.recall(*THREE))
    for organ in THREE:
        assert (await town.copy(ticket, organ)).request is Request.RECALL_ASKED
    await town.report(LABOUR, "15", description="Đồng ý")
    await town.report(HEALTH, "16", description="Đã chuyển xử lý")
    requests = [(await town.copy(ticket, organ)).request for organ in THREE]
    assert requests == [Request.RECALL_AGREED, Request.RECALL_DECLINED, Request.RECALL_ASKED]
    assert town.events(recall, LABOUR) == [CONSIGNED, HANDED, AGREED]
    assert town.events(recall, HEALTH) == [CONSIGNED, HANDED, DECLINED]
    assert town.events(recall, COMMUNE) == [CONSIGNED]
    assert (reason(town, recall, LABOUR), reason(town, recall, HEALTH)) == (
        "recall-agreed",
        "recall-declined",
    )
    assert [d.type for d in town.deliveries(PROVINCE)] == ["status", "status"]
    await are_whole(town, ticket, recall)


async def test_a_recall_goes_on_as_it_came_with_our_trace_and_without_a_seal():
    town, ticket = await delivered(LABOUR)
    recall = await sent(town, town.recall(LABOUR))
    first, second = town.deliveries(LABOUR)
    assert first.correlation_id == ticket.document
    assert (second.type, second.correlation_id) == ("edoc", recall.document)
    assert b"SEALED" not in second.body
    assert b'"traces"' in second.body
    (acceptance,) = town.receipts(about=recall)[:1]
    assert field(acceptance.body, "Code") != "main-unsigned"


async def test_what_did_not_go_out_yet_is_withdrawn_and_nobody_sees_either():
    town = await a_town(queue_room=0)
    ticket = await sent(town, town.edoc(LABOUR))
    recall = await sent(town, town.recall(LABOUR))
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.WITHDRAWN
    assert (await town.copy(recall, LABOUR)).state is HandOverState.WITHDRAWN
    assert town.events(ticket, LABOUR) == [NOT_CONSIGNED]
    assert town.events(recall, LABOUR) == [NOT_CONSIGNED]
    assert reason(town, ticket, LABOUR) == "recalled"
    assert reason(town, recall, LABOUR) == "recalled-before-delivery"
    town.broker.widen(100)
    await town.pass_time(timedelta(hours=1))
    assert town.deliveries(LABOUR) == []
    await are_whole(town, ticket, recall)


@pytest.mark.parametrize("named", ["the recipient", "the sender"])
async def test_a_status_13_asks_one_recipient_or_all_byte_for_byte(named):
    town, ticket = await delivered(LABOUR, HEALTH)
    body = town.take_back(LABOUR if named == "the recipient" else PROVINCE)
    recall = await sent(town, body)
    asked = [LABOUR] if named == "the recipient" else [LABOUR, HEALTH]
    for organ in asked:
        last = town.deliveries(organ)[-1]
        assert (last.type, last.correlation_id, last.body) == ("status", ticket.document, body)
    assert len(town.deliveries(HEALTH)) == (1 if named == "the recipient" else 2)
    await town.report(LABOUR, "15")
    assert town.events(recall, LABOUR) == [CONSIGNED, HANDED, AGREED]
    await are_whole(town, ticket, recall)


async def test_a_recall_never_overtakes_what_is_on_its_way():
    town = await a_town()
    town.outlet.after.close()
    ticket = await sent(town, town.edoc(LABOUR))
    town.outlet.after.let_others_by()
    recall = await sent(town, town.recall(LABOUR))
    copy = await town.copy(recall, LABOUR)
    assert copy.state is HandOverState.PENDING
    assert [d.correlation_id for d in town.deliveries(LABOUR)] == [ticket.document]
    waits = [e for e in await town.store.timeline(recall.document) if e.event == "waiting"]
    assert [e.reason for e in waits] == ["original-in-flight"]
    town.outlet.after.lift()
    await town.pass_time(timedelta(seconds=30))
    assert [d.correlation_id for d in town.deliveries(LABOUR)] == [ticket.document, recall.document]
    await are_whole(town, ticket, recall)


async def test_a_recall_of_a_copy_of_which_nobody_knows_whether_it_went_out_waits():
    town = await a_town()
    town.outlet.after.close()
    ticket = await sent(town, town.edoc(LABOUR))
    await town.end_life(town.lives[0])
    town.outlet.before.close()
    await town.begin_life("second")
    recall = await sent(town, town.recall(LABOUR))
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.PENDING
    assert (await town.copy(recall, LABOUR)).state is HandOverState.PENDING
    town.outlet.after.lift()
    town.outlet.before.lift()
    await town.pass_time(timedelta(seconds=30))
    assert (await town.copy(ticket, LABOUR)).request is Request.RECALL_ASKED
    assert town.deliveries(LABOUR)[-1].correlation_id == recall.document
    await are_whole(town, ticket, recall)


async def test_a_recall_that_comes_first_waits_and_follows_its_document():
    town = await a_town()
    recall = await sent(town, town.recall(LABOUR))
    assert await ended_as(town, recall) == (SubmissionState.WAITING, "original-not-here")
    assert town.receipts(about=recall) == []
    ticket = await sent(town, town.edoc(LABOUR))
    await town.pass_time(timedelta(seconds=15))
    assert await ended_as(town, recall) == (SubmissionState.ACCEPTED, None)
    assert [d.correlation_id for d in town.deliveries(LABOUR)] == [ticket.document, recall.document]
    await are_whole(town, ticket, recall)


@pytest.mark.parametrize("as_status", [False, True])
async def test_a_recall_whose_document_never_comes_ends_with_evidence(as_status):
    town = await a_town()
    recall = await sent(town, town.take_back(LABOUR) if as_status else town.recall(LABOUR))
    for _ in range(4):
        await town.pass_time(timedelta(hours=6))
    assert await ended_as(town, recall) == (SubmissionState.REFUSED, "original-unknown")
    assert town.events(recall) == [REJECTED]
    (rejection,) = town.receipts(about=recall)
    assert "517/QĐ-UBND" in rejection.body.decode(), "it says what was waited for"
    await are_whole(town, recall)


@pytest.mark.parametrize("as_status", [False, True])
async def test_a_document_that_still_waits_for_its_seal_is_taken_back_whole(as_status):
    town, ticket = await waiting_for_its_seal(LABOUR, HEALTH)
    assert await ended_as(town, ticket) == (SubmissionState.WAITING, "seal-key-missing")
    body = town.take_back(PROVINCE) if as_status else town.recall(LABOUR, HEALTH)
    recall = await sent(town, body)
    assert await ended_as(town, ticket) == (SubmissionState.REFUSED, "recalled")
    assert await ended_as(town, recall) == (SubmissionState.ACCEPTED, None)
    assert town.events(ticket) == [REJECTED]
    if not as_status:
        assert town.events(recall, LABOUR) == [NOT_CONSIGNED]
        assert reason(town, recall, HEALTH) == "recalled-before-delivery"
    await town.pass_time(timedelta(hours=1))
    assert town.deliveries(LABOUR) == []
    await are_whole(town, ticket, recall)


async def test_what_was_refused_is_not_taken_back_again_under_any_of_its_names():
    town, ticket = await waiting_for_its_seal(LABOUR)
    await sent(town, town.recall(LABOUR))
    assert await ended_as(town, ticket) == (SubmissionState.REFUSED, "recalled")
    ours = DocumentReference(organ=OrganCode(PROVINCE), official_id=OfficialId(ticket.document))
    again = await sent(town, town.recall(LABOUR, amends=Amendment(originals=(ours,))))
    assert await ended_as(town, again) == (SubmissionState.WAITING, "original-not-here")
    for _ in range(5):
        await town.pass_time(timedelta(hours=6))
    assert await ended_as(town, again) == (SubmissionState.REFUSED, "original-unknown")
    await are_whole(town, ticket, again)


async def test_of_two_recalls_of_one_waiting_document_that_look_at_once_one_waits():
    town, ticket = await waiting_for_its_seal(LABOUR)
    find = town.store.originals

    async def found(*named):
        documents = await find(*named)
        town.store.originals = find
        await town.send(town.recall(LABOUR))  # the other comes between the look and the load
        while (await town.dossier(ticket)).submission.state is not SubmissionState.REFUSED:
            await asyncio.sleep(0)
        return documents

    town.store.originals = found
    late = await sent(town, town.recall(LABOUR))
    assert await ended_as(town, ticket) == (SubmissionState.REFUSED, "recalled")
    assert await ended_as(town, late) == (SubmissionState.WAITING, "original-not-here")


async def test_a_recall_that_comes_too_late_again_and_again_is_no_poison():
    """Its original moves between the look and the commit, six times: nobody has died."""
    town, ticket = await waiting_for_its_seal(LABOUR)
    commit, late = town.store.commit, 0

    async def committed(change):
        nonlocal late
        if change.original is not None and late < 6:
            late += 1
            waiting = (await town.dossier(ticket)).submission
            await commit(Change(submission=replace(waiting, version=waiting.version + 1)))
        return await commit(change)

    town.store.commit = committed
    recall = await sent(town, town.recall(LABOUR))
    for _ in range(12):
        await town.pass_time(timedelta(minutes=1))
    assert late == 6
    assert await ended_as(town, recall) == (SubmissionState.ACCEPTED, None)
    assert await ended_as(town, ticket) == (SubmissionState.REFUSED, "recalled")
    assert await town.store.died(f"document:{recall.document}") == 1
    await are_whole(town, ticket, recall)


async def test_a_recall_that_was_answered_does_not_ask_again_in_the_place_of_the_next():
    """Nobody heard that it went out; while another life looks at it, it is declined, and the sender asks once more."""
    town, ticket = await delivered(LABOUR)
    town.outlet.after.close()
    first = await sent(town, town.recall(LABOUR))
    await town.end_life(town.lives[0])
    town.outlet.after.lift()
    load, looks, later = town.store.load, 0, []

    async def is_asked(request):
        while (await town.copy(ticket, LABOUR)).request is not request:
            await asyncio.sleep(0)

    async def loaded(document, recipient=None):
        nonlocal looks
        found = await load(document, recipient)
        looks += (document, recipient) == (first.document, LABOUR)
        if looks == 2 and not later:  # the first look made the errand, the second is to decide
            later.append(await town.send(town.status(LABOUR, "16"), LABOUR, routed_as=Kind.STATUS))
            await is_asked(Request.RECALL_DECLINED)
            later.append(await town.send(town.recall(LABOUR)))
            await is_asked(Request.RECALL_ASKED)
        return found

    town.store.load = loaded
    await town.begin_life("second")
    await town.settle()
    await town.pass_time(timedelta(minutes=1))
    _, second = later
    copy = await town.copy(ticket, LABOUR)
    assert (copy.request, copy.asked_by) == (Request.RECALL_ASKED, second.document)
    assert (await town.copy(first, LABOUR)).answer is Answer.DECLINED
    await are_whole(town, ticket, first, second)


async def test_a_document_that_still_waits_is_not_taken_from_recipients_that_keep_it():
    town, ticket = await waiting_for_its_seal(LABOUR, HEALTH)
    recall = await sent(town, town.recall(LABOUR))
    assert await ended_as(town, ticket) == (SubmissionState.WAITING, "seal-key-missing")
    assert await ended_as(town, recall) == (SubmissionState.WAITING, "original-not-here")


async def test_only_the_sender_may_take_a_document_back():
    town, ticket = await delivered(LABOUR)
    name = DocumentReference(organ=OrganCode(PROVINCE), official_id=OfficialId(ticket.document))
    for body in (
        town.recall(
            LABOUR,
            sender=replace(a_status().reporter, code=OrganCode(HEALTH)),
            amends=Amendment(originals=(name,)),
        ),
        town.status(HEALTH, "13", about=replace(name, organ=OrganCode(LABOUR)), description="Lấy lại"),
    ):
        stranger = await sent(town, body, HEALTH)
        assert await ended_as(town, stranger) == (SubmissionState.WAITING, "original-not-here")
    assert (await town.copy(ticket, LABOUR)).request is Request.NONE
    assert len(town.deliveries(LABOUR)) == 1


async def test_a_recipient_that_never_had_the_document_costs_the_others_nothing():
    town, ticket = await delivered(LABOUR)
    recall = await sent(town, town.recall(LABOUR, JUSTICE))
    assert town.events(recall, JUSTICE) == [NOT_CONSIGNED]
    assert reason(town, recall, JUSTICE) == "nothing-to-recall"
    assert (await town.copy(ticket, LABOUR)).request is Request.RECALL_ASKED
    assert town.deliveries(JUSTICE) == []
    await are_whole(town, ticket, recall)


async def test_after_an_agreed_recall_later_statuses_are_no_news_and_no_second_recall_goes_out():
    town, ticket = await delivered(LABOUR)
    recall = await sent(town, town.recall(LABOUR))
    await town.report(LABOUR, "15")
    before = town.events(ticket, LABOUR)
    late = await town.report(LABOUR, "03")
    assert await ended_as(town, late) == (SubmissionState.ACCEPTED, None)
    assert town.events(ticket, LABOUR) == before
    again = await sent(town, town.recall(LABOUR))
    assert reason(town, again, LABOUR) == "already-recalled"
    assert len(town.deliveries(LABOUR)) == 2
    await are_whole(town, ticket, recall, again)


async def test_a_declined_recall_may_be_asked_again():
    town, ticket = await delivered(LABOUR)
    await sent(town, town.recall(LABOUR))
    await town.report(LABOUR, "16", description="Không")
    again = await sent(town, town.recall(LABOUR))
    assert (await town.copy(ticket, LABOUR)).request is Request.RECALL_ASKED
    await town.report(LABOUR, "15")
    assert town.events(again, LABOUR) == [CONSIGNED, HANDED, AGREED]


WRONG = [
    ([], "15", "status-impossible"),
    ([], "16", "status-impossible"),
    ([], "14", "status-unknown"),
    (["15"], "16", "status-impossible"),
    (["16"], "15", "status-impossible"),
    (["15"], "14", None),
    (["16"], "14", "status-unknown"),
    (["15"], "15", None),
    (["14"], "15", None),
]


@pytest.mark.parametrize(("before", "code", "why"), WRONG)
async def test_answers_that_nobody_asked_for_or_that_contradict_are_refused_with_evidence(before, code, why):
    town, ticket = await delivered(LABOUR)
    if before:
        await sent(town, town.recall(LABOUR))
    for earlier in before:
        await town.report(LABOUR, earlier)
    known = await town.copy(ticket, LABOUR)
    answer = await town.report(LABOUR, code)
    assert (await ended_as(town, answer))[1] == why
    assert await town.copy(ticket, LABOUR) == known
    (told,) = town.receipts(LABOUR, about=answer)
    assert told.headers["vanthu-event"] == (REJECTED if why else ACCEPTED)


async def test_status_14_is_read_as_15_with_a_warning():
    town, ticket = await delivered(LABOUR)
    recall = await sent(town, town.recall(LABOUR))
    answer = await town.report(LABOUR, "14")
    (told,) = town.receipts(LABOUR, about=answer)
    assert field(told.body, "Code") == "status-read-as-15"
    assert (await town.copy(recall, LABOUR)).answer is Answer.AGREED
    assert (await town.copy(ticket, LABOUR)).request is Request.RECALL_AGREED


async def test_silence_about_a_recall_is_told_when_its_time_is_over():
    town, ticket = await delivered(LABOUR, HEALTH)
    recall = await sent(town, town.recall(LABOUR, HEALTH))
    await town.report(LABOUR, "15")
    await town.pass_time(timedelta(days=31))
    assert town.events(recall, LABOUR)[-1] == AGREED
    assert town.events(recall, HEALTH)[-1] == "AcceptanceRejectionExpiry"
    await are_whole(town, ticket, recall)


async def test_the_successor_of_a_merged_sender_may_take_its_documents_back():
    town = await a_town()
    town.directory.merge(PartyKey(MERGED), PartyKey(HEALTH), town.clock.now() + timedelta(days=1))
    theirs = {"sender": Organ(code=OrganCode(MERGED)), "official_id": OfficialId(f"{MERGED},2016/03/04,1/X")}
    ticket = await sent(town, town.edoc(LABOUR, **theirs), MERGED)
    name = DocumentReference(organ=OrganCode(HEALTH), official_id=theirs["official_id"])
    await town.pass_time(timedelta(days=2))
    stranger = town.recall(
        LABOUR, sender=Organ(code=OrganCode(JUSTICE)), amends=Amendment(originals=(name,)), number=2
    )
    heir = town.recall(
        LABOUR, sender=Organ(code=OrganCode(HEALTH)), amends=Amendment(originals=(name,)), number=3
    )
    assert (await ended_as(town, await sent(town, stranger, JUSTICE)))[0] is SubmissionState.WAITING
    recall = await sent(town, heir, HEALTH)
    copy = await town.copy(ticket, LABOUR)
    assert (copy.request, copy.asked_by) == (Request.RECALL_ASKED, recall.document)
