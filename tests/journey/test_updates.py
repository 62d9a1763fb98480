"""A sender updates a document, its text or its recipients; or puts another in its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.model.change import Relation
from gateway.model.envelope import Amendment, Business, DocumentReference, Replaced
from gateway.model.ids import OfficialId, OrganCode, PartyKey
from gateway.model.journey import HandOverState, Request, Status, SubmissionState
from tests.builders import COMMUNE, PROVINCE, a_status, an_edoc
from tests.journey.chain import field, fields
from tests.journey.test_recalls import (
    AGREED,
    CONSIGNED,
    DECLINED,
    HANDED,
    NOT_CONSIGNED,
    REJECTED,
    THREE,
    are_whole,
    delivered,
    ended_as,
    reason,
    sent,
)
from tests.journey.town import HEALTH, JUSTICE, LABOUR, a_town

# --- update -----------------------------------------------------------------------------------------


async def test_three_recipients_get_an_update_and_answer_differently():
    town, ticket = await delivered()
    update = await sent(town, town.update(*THREE))
    assert [(await town.copy(ticket, organ)).request for organ in THREE] == [Request.UPDATE_ASKED] * 3
    await town.report(LABOUR, "15", description="Đã cập nhật")
    await town.report(HEALTH, "16", description="Đã ban hành văn bản theo bản cũ")
    assert [(await town.copy(ticket, organ)).request for organ in THREE] == [
        Request.UPDATE_AGREED,
        Request.UPDATE_DECLINED,
        Request.UPDATE_ASKED,
    ]
    assert town.events(update, LABOUR) == [CONSIGNED, HANDED, AGREED]
    assert town.events(update, HEALTH) == [CONSIGNED, HANDED, DECLINED]
    assert (reason(town, update, LABOUR), reason(town, update, HEALTH)) == (
        "update-agreed",
        "update-declined",
    )
    assert town.events(update, COMMUNE) == [CONSIGNED]
    await are_whole(town, ticket, update)


async def test_an_update_is_new_content_and_is_sealed():
    town, ticket = await delivered(LABOUR)
    update = await sent(town, town.update(LABOUR))
    _, second = town.deliveries(LABOUR)
    assert (second.type, second.correlation_id) == ("edoc", update.document)
    codes = [code for r in town.receipts(about=update)[:1] for code in fields(r.body, "Code")]
    assert codes == ["main-unsigned"]
    assert await town.store.relations(ticket.document) == [
        Relation(
            document=update.document,
            recipient=PartyKey(LABOUR),
            business=Business.UPDATE,
            other=ticket.document,
        )
    ]


async def test_a_removed_recipient_is_asked_to_give_the_document_back_and_the_others_keep_it():
    town, ticket = await delivered(LABOUR, HEALTH)
    update = await sent(town, town.update(LABOUR, removed=[HEALTH]))
    requests = [(await town.copy(ticket, organ)).request for organ in (LABOUR, HEALTH)]
    assert requests == [Request.UPDATE_ASKED, Request.RECALL_ASKED]
    assert town.deliveries(HEALTH)[-1].correlation_id == update.document
    await town.report(HEALTH, "15")
    assert reason(town, update, HEALTH) == "recall-agreed"
    await are_whole(town, ticket, update)


async def test_a_removed_recipient_that_has_nothing_yet_sees_neither():
    town = await a_town(queue_room=0)
    ticket = await sent(town, town.edoc(LABOUR, COMMUNE))
    update = await sent(town, town.update(COMMUNE, removed=[LABOUR]))
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.WITHDRAWN
    assert (await town.copy(update, LABOUR)).state is HandOverState.WITHDRAWN
    assert town.events(update, LABOUR) == [NOT_CONSIGNED]
    assert len(await town.inbox()) == 2
    await are_whole(town, ticket, update)


async def test_a_removed_recipient_that_never_had_it_is_a_remark_and_no_error():
    town, ticket = await delivered(LABOUR)
    update = await sent(town, town.update(LABOUR, removed=[JUSTICE]))
    (acceptance,) = [r for r in town.receipts(about=update) if not r.headers.get("vanthu-recipient")]
    assert "removed-unknown" in fields(acceptance.body, "Code")
    assert town.events(update, JUSTICE) == []
    assert town.deliveries(JUSTICE) == []
    await are_whole(town, ticket, update)


@pytest.mark.parametrize("organ", [JUSTICE, COMMUNE])
async def test_an_added_recipient_gets_the_document_itself_where_the_update_brings_none(organ):
    town, ticket = await delivered(LABOUR)
    update = await sent(town, town.update(LABOUR, added=[organ], attachments=()))
    for document in (ticket, update):
        assert town.events(document, organ) == [CONSIGNED]
    if organ == JUSTICE:
        first, second = sorted(town.deliveries(organ), key=lambda d: d.correlation_id or "")
        assert [first.correlation_id, second.correlation_id] == [ticket.document, update.document]
        assert first.body == town.deliveries(LABOUR)[0].body
    else:
        assert {item.document for item in await town.inbox()} == {ticket.document, update.document}
    assert (await town.copy(ticket, organ)).request is Request.NONE
    await are_whole(town, ticket, update)


async def test_an_added_recipient_gets_the_update_alone_where_it_brings_the_text():
    town, ticket = await delivered(LABOUR)
    update = await sent(town, town.update(LABOUR, added=[JUSTICE]))
    assert [d.correlation_id for d in town.deliveries(JUSTICE)] == [update.document]
    assert (await town.dossier(ticket)).of(PartyKey(JUSTICE)) is None
    await are_whole(town, ticket, update)


async def test_an_update_does_not_overtake_what_it_updates():
    town = await a_town(queue_room=0)
    ticket = await sent(town, town.edoc(LABOUR))
    update = await sent(town, town.update(LABOUR))
    await town.pass_time(timedelta(minutes=1))
    assert {(await town.copy(t, LABOUR)).state for t in (ticket, update)} == {HandOverState.PENDING}
    waits = [e.reason for e in await town.store.timeline(update.document) if e.event == "waiting"]
    assert waits == ["original-in-flight"]
    town.broker.widen(100)
    for _ in range(20):
        await town.pass_time(timedelta(seconds=15))
    assert [d.correlation_id for d in town.deliveries(LABOUR)] == [ticket.document, update.document]
    await are_whole(town, ticket, update)


async def test_a_status_with_the_number_of_both_counts_for_the_oldest_version_to_which_it_is_news():
    town, ticket = await delivered(LABOUR)
    await town.report(LABOUR, "03")
    update = await sent(town, town.update(LABOUR, number=517, official_id=OfficialId(""), code=_code(517)))
    for code in ("01", "01", "03", "04"):
        await town.report(LABOUR, code)
    copies = [await town.copy(t, LABOUR) for t in (ticket, update)]
    assert [copy.status for copy in copies] == [Status.ASSIGNED, Status.REGISTERED]
    assert town.events(update, LABOUR) == [CONSIGNED, HANDED, AGREED]
    await are_whole(town, ticket, update)


def _code(number):
    return replace(an_edoc().code, number=str(number))


async def test_a_recall_of_an_updated_document_asks_about_what_each_has():
    town, ticket = await delivered(LABOUR)
    same = {"official_id": OfficialId(f"{PROVINCE},2016/03/04,517/QĐ-UBND"), "code": _code(517)}
    update = await sent(town, town.update(LABOUR, added=[HEALTH], **same))
    recall = await sent(town, town.recall(LABOUR, HEALTH))
    assert (await town.copy(ticket, LABOUR)).request is Request.RECALL_ASKED
    assert (await town.copy(update, HEALTH)).request is Request.RECALL_ASKED
    await town.report(LABOUR, "15")
    await town.report(HEALTH, "16", description="Không")
    assert (reason(town, recall, LABOUR), reason(town, recall, HEALTH)) == (
        "recall-agreed",
        "recall-declined",
    )
    await are_whole(town, ticket, update, recall)


async def test_a_recall_takes_the_place_of_an_update_that_was_not_answered():
    town, ticket = await delivered(LABOUR)
    update = await sent(town, town.update(LABOUR))
    recall = await sent(town, town.recall(LABOUR))
    copy = await town.copy(ticket, LABOUR)
    assert (copy.request, copy.asked_by) == (Request.RECALL_ASKED, recall.document)
    about_update = DocumentReference(organ=OrganCode(PROVINCE), official_id=OfficialId(update.document))
    await town.report(LABOUR, "16", about=about_update, description="Không cập nhật")
    assert (await town.copy(ticket, LABOUR)).request is Request.RECALL_ASKED
    assert reason(town, update, LABOUR) == "update-declined"
    await town.report(LABOUR, "15")
    assert (await town.copy(ticket, LABOUR)).request is Request.RECALL_AGREED
    assert town.events(recall, LABOUR) == [CONSIGNED, HANDED, AGREED]
    await are_whole(town, ticket, update, recall)


async def test_an_answer_may_name_the_update_by_its_own_number():
    town, ticket = await delivered(LABOUR)
    update = await sent(town, town.update(LABOUR))
    about = replace(a_status().about, code="1517/QĐ-UBND")
    await town.report(LABOUR, "15", about=about)
    assert (await town.copy(ticket, LABOUR)).request is Request.UPDATE_AGREED
    assert town.events(update, LABOUR) == [CONSIGNED, HANDED, AGREED]


async def test_somebody_elses_document_is_not_updated():
    town, ticket = await delivered(LABOUR)
    body = town.update(LABOUR, sender=replace(a_status().reporter, code=OrganCode(HEALTH)))
    update = await sent(town, body, HEALTH)
    assert await ended_as(town, update) == (SubmissionState.WAITING, "original-not-here")
    assert (await town.copy(ticket, LABOUR)).request is Request.NONE


# --- replace ----------------------------------------------------------------------------------------


async def test_three_recipients_get_a_replacement_and_old_and_new_are_linked_both_ways():
    town, ticket = await delivered()
    new = await sent(town, town.replacement(*THREE))
    wanted = [
        Relation(
            document=new.document, recipient=PartyKey(organ), business=Business.REPLACE, other=ticket.document
        )
        for organ in sorted(THREE)
    ]
    assert await town.store.relations(ticket.document) == wanted
    assert await town.store.relations(new.document) == wanted
    await town.report(LABOUR, "03", number=900)
    await town.report(HEALTH, "02", number=900, description="Sai")
    assert town.events(new, LABOUR) == [CONSIGNED, HANDED, AGREED]
    assert town.events(new, HEALTH) == [CONSIGNED, HANDED, DECLINED]
    assert town.events(new, COMMUNE) == [CONSIGNED]
    assert (await town.copy(ticket, LABOUR)).request is Request.NONE
    await are_whole(town, ticket, new)


async def test_a_replacement_links_for_the_organs_alone_that_it_names():
    town, ticket = await delivered(LABOUR, HEALTH)
    name = DocumentReference(organ=OrganCode(PROVINCE), official_id=OfficialId(ticket.document))
    amends = Amendment(replaces=(Replaced(original=name, organs=(OrganCode(HEALTH), OrganCode(JUSTICE))),))
    new = await sent(town, town.replacement(LABOUR, HEALTH, amends=amends))
    (only,) = await town.store.relations(new.document)
    assert only.recipient == HEALTH


async def test_a_replacement_of_several_says_which_are_missing_and_waits_only_where_none_is_here():
    town, ticket = await delivered(LABOUR)
    new = await sent(town, town.replacement(LABOUR, of=(517, 518)))
    (acceptance,) = [r for r in town.receipts(about=new) if not r.headers.get("vanthu-recipient")]
    assert "replaced-unknown" in fields(acceptance.body, "Code")
    assert len(await town.store.relations(new.document)) == 1
    early = await sent(town, town.replacement(LABOUR, of=(600,), number=901))
    assert await ended_as(town, early) == (SubmissionState.WAITING, "original-not-here")
    await sent(town, town.edoc(LABOUR, number=600))
    await town.pass_time(timedelta(seconds=15))
    assert await ended_as(town, early) == (SubmissionState.ACCEPTED, None)
    await are_whole(town, ticket, new, early)


async def test_an_update_or_replacement_whose_document_never_comes_ends_with_evidence():
    town = await a_town()
    tickets = [await sent(town, town.update(LABOUR)), await sent(town, town.replacement(LABOUR))]
    for _ in range(4):
        await town.pass_time(timedelta(hours=6))
    for ticket in tickets:
        assert await ended_as(town, ticket) == (SubmissionState.REFUSED, "original-unknown")
        assert town.events(ticket) == [REJECTED]
        assert field(town.receipts(about=ticket)[0].body, "Code") == "original-unknown"
    await are_whole(town, *tickets)
