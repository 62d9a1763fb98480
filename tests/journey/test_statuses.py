"""What a recipient's clerk says: it moves its own copy, proves what it proves, and goes back to the sender."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.model.envelope import DocumentReference
from gateway.model.ids import OfficialId, OrganCode
from gateway.model.journey import HandOverState, Status, SubmissionState
from gateway.model.submission import Ticket
from tests.builders import COMMUNE, PROVINCE, a_status
from tests.journey.chain import check_letters, check_records, field, fields
from tests.journey.town import HEALTH, LABOUR, Town, a_town

CONSIGNED = "ContentConsignment"
HANDED = "ContentHandover"
ACCEPTED = "ConsignmentAcceptance"
REJECTED = "ConsignmentRejection"


async def delivered(*recipients: str) -> tuple[Town, Ticket]:
    """A town in which 517/QĐ-UBND lies in its recipients' queues, taken."""
    town = await a_town()
    ticket = await town.send(town.edoc(*(recipients or (LABOUR,))))
    await town.settle()
    for organ in recipients:
        if organ != COMMUNE:
            town.deliveries(organ)
    return town, ticket


async def refused_as(town: Town, ticket: Ticket) -> str | None:
    """Why the status was refused; ``None`` where it was accepted."""
    return (await town.dossier(ticket)).submission.reason


WALKS = [
    (["01"], [HANDED], "01"),
    (["01", "03"], [HANDED, ACCEPTED], "03"),
    (["03"], [HANDED, ACCEPTED], "03"),
    (["06"], [HANDED], "06"),
    (["01", "02"], [HANDED, REJECTED], "02"),
    (["02"], [HANDED, REJECTED], "02"),
    (["01", "01"], [HANDED], "01"),
    (["03", "01"], [HANDED, ACCEPTED], "03"),
    (["02", "01"], [HANDED, REJECTED], "02"),
    (["01", "03", "04", "05", "06", "03", "01"], [HANDED, ACCEPTED], "06"),
    (["03", "05", "04"], [HANDED, ACCEPTED], "05"),
]


@pytest.mark.parametrize(("codes", "proofs", "status"), WALKS)
async def test_statuses_prove_each_thing_once_and_never_go_backwards(codes, proofs, status):
    town, ticket = await delivered()
    for code in codes:
        report = await town.report(LABOUR, code, description="Sai thẩm quyền")
        assert (await town.dossier(report)).submission.state is SubmissionState.ACCEPTED
        assert await refused_as(town, report) is None
    assert town.events(ticket, LABOUR) == [CONSIGNED, *proofs]
    copy = await town.copy(ticket, LABOUR)
    assert (copy.state, copy.status) == (HandOverState.HANDED_OVER, Status(status))
    check_letters(town.receipts(about=ticket))


@pytest.mark.parametrize(("before", "after"), [("02", "03"), ("03", "02"), ("06", "02"), ("02", "05")])
async def test_a_status_that_contradicts_the_one_before_is_refused_and_changes_nothing(before, after):
    town, ticket = await delivered()
    await town.report(LABOUR, before, description="Sai")
    known = await town.copy(ticket, LABOUR)
    report = await town.report(LABOUR, after, description="Sai")
    assert await refused_as(town, report) == "status-impossible"
    assert await town.copy(ticket, LABOUR) == known
    events = [str(r.headers["vanthu-event"]) for r in town.receipts(LABOUR, about=report)]
    assert events == ["SubmissionRejection"]


async def test_a_refusal_tells_the_sender_why():
    town, ticket = await delivered()
    await town.report(LABOUR, "02", description="Sai thẩm quyền")
    (told,) = [r for r in town.receipts(about=ticket) if r.headers["vanthu-event"] == REJECTED]
    assert told.headers["vanthu-reason"] == "recipient-refused"
    assert field(told.body, "Code") == "recipient-refused"
    assert len(fields(told.body, "Details")) == 2
    (back,) = town.deliveries(PROVINCE)
    assert "Sai thẩm quyền" in back.body.decode()


async def test_a_status_goes_back_as_it_came_and_names_the_document_it_is_about():
    town, ticket = await delivered()
    body = town.status(LABOUR, "01")
    report = await town.send(body, LABOUR)
    await town.settle()
    (back,) = town.deliveries(PROVINCE)
    assert back.body == body
    assert (back.type, back.correlation_id) == ("status", ticket.document)
    assert back.headers["vanthu-document"] == report.document
    assert back.headers["vanthu-sender"] == LABOUR


async def test_receipts_do_not_breed_receipts():
    town, _ = await delivered()
    report = await town.report(LABOUR, "01")
    assert [str(r.headers["vanthu-event"]) for r in town.receipts(LABOUR)] == ["SubmissionAcceptance"]
    assert [e.sequence for e in await town.evidence(report)] == [0]
    town.broker.reject(f"vanthu.deliver.{PROVINCE}")
    await town.bring_dead_letters()
    assert [e.sequence for e in await town.evidence(report)] == [0]
    assert (await town.copy(report, PROVINCE)).state is HandOverState.FAILED


async def test_a_doubled_status_is_carried_back_once():
    town, ticket = await delivered()
    for _ in range(3):
        await town.report(LABOUR, "03")
    assert len(town.deliveries(PROVINCE)) == 1
    check_records(ticket.document, await town.evidence(ticket))


async def test_the_same_status_message_again_gets_the_same_receipt():
    town, _ = await delivered()
    body = town.status(LABOUR, "01")
    reports = [await town.send(body, LABOUR, message_id="s-1") for _ in range(2)]
    await town.settle()
    assert reports[0].document == reports[1].document
    assert len({r.message_id for r in town.receipts(LABOUR)}) == 1
    assert len(town.deliveries(PROVINCE)) == 1


STRANGE = [
    ("07", "", "status-unknown"),
    ("13", "", "status-reason-missing"),
    ("14", "", "status-unknown"),
    ("15", "", "status-impossible"),
    ("", "", "status-unknown"),
    ("02", " ", "status-reason-missing"),
]


@pytest.mark.parametrize(("code", "description", "reason"), STRANGE)
async def test_a_status_that_tells_nothing_we_know_is_refused(code, description, reason):
    town, ticket = await delivered()
    before = await town.copy(ticket, LABOUR)
    report = await town.report(LABOUR, code, description=description)
    assert await refused_as(town, report) == reason
    assert await town.copy(ticket, LABOUR) == before


async def test_a_status_by_somebody_who_never_had_the_document_is_refused():
    town, ticket = await delivered(LABOUR)
    report = await town.report(HEALTH, "01")
    assert await refused_as(town, report) == "document-unknown"
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.AVAILABLE
    assert town.deliveries(PROVINCE) == []


async def test_a_status_about_a_copy_that_failed_is_refused():
    town, ticket = await delivered()
    body = town.edoc(HEALTH, number=518)
    await town.send(body)
    await town.settle()
    town.broker.reject(f"vanthu.deliver.{HEALTH}")
    await town.bring_dead_letters()
    report = await town.report(HEALTH, "01", number=518)
    assert await refused_as(town, report) == "document-unknown"
    assert town.events(ticket, LABOUR) == [CONSIGNED]


async def test_a_reference_that_may_mean_two_documents_is_refused_and_the_official_id_decides():
    town = await a_town()
    tickets = []
    for year in ("a", "b"):
        tickets.append(await town.send(town.edoc(LABOUR, official_id=OfficialId(f"id-{year}"))))
        await town.settle()
    report = await town.report(LABOUR, "01")
    assert await refused_as(town, report) == "document-ambiguous"
    states = [(await town.copy(t, LABOUR)).state for t in tickets]
    assert states == [HandOverState.AVAILABLE] * 2
    exact = DocumentReference(organ=OrganCode(PROVINCE), official_id=OfficialId("id-b"))
    await town.report(LABOUR, "01", about=exact)
    states = [(await town.copy(t, LABOUR)).state for t in tickets]
    assert states == [HandOverState.AVAILABLE, HandOverState.HANDED_OVER]


async def test_the_two_ways_to_write_the_letter_d_mean_one_document():
    town, ticket = await delivered()
    about = replace(a_status().about, code="517/Q\u00d0-UBND")
    await town.report(LABOUR, "01", about=about)
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.HANDED_OVER


@pytest.mark.parametrize("code", ["01", "03", "02"])
async def test_a_status_that_overtakes_the_confirm_gives_one_end_and_everything_in_order(code):
    town = await a_town()
    town.outlet.after.close()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    assert len(town.deliveries(LABOUR)) == 1, "the recipient has it"
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.PENDING, "we do not know yet"
    # the status on its way back must not stand behind the hold
    await town.report(LABOUR, code, description="Sai")
    proofs = {"01": [], "03": [ACCEPTED], "02": [REJECTED]}[code]
    assert town.events(ticket, LABOUR) == [CONSIGNED, HANDED, *proofs]
    town.outlet.after.lift()
    await town.settle()
    assert town.events(ticket, LABOUR) == [CONSIGNED, HANDED, *proofs]
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.HANDED_OVER
    assert len(town.deliveries(LABOUR)) == 1
    assert await town.open_work() == 0
    check_letters(town.receipts(about=ticket))


async def test_a_confirm_and_a_status_at_the_same_moment_both_count():
    town = await a_town()
    town.outlet.after.close()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    town.outlet.after.lift()
    await town.report(LABOUR, "01")
    assert town.events(ticket, LABOUR) == [CONSIGNED, HANDED]
    check_letters(town.receipts(about=ticket))


async def test_a_commune_may_report_before_it_acknowledges():
    town, ticket = await delivered(COMMUNE)
    (item,) = await town.inbox()
    await town.report(COMMUNE, "01")
    desk = town.lives[0].desk
    locked = await desk.lock(item.party, item.id, timedelta(minutes=1))
    await desk.acknowledge(item.party, item.id, locked.lock)
    await town.settle()
    assert town.events(ticket, COMMUNE) == [CONSIGNED, HANDED]


async def test_a_late_status_after_the_silence_was_told_continues_the_chain():
    town, ticket = await delivered()
    await town.pass_time(timedelta(days=31))
    assert town.events(ticket, LABOUR)[-1] == "AcceptanceRejectionExpiry"
    await town.report(LABOUR, "03")
    assert town.events(ticket, LABOUR) == [CONSIGNED, "AcceptanceRejectionExpiry", HANDED, ACCEPTED]
    check_letters(town.receipts(about=ticket))
    assert all(fields(r.body, "Previous") or r.headers["vanthu-sequence"] == 0 for r in town.receipts())


@pytest.mark.parametrize("code", ["01", "03", "02"])
async def test_a_status_that_a_dead_letter_overtakes_proves_nothing(code):
    town, ticket = await delivered()
    report = await town.send(town.status(LABOUR, code, description="Sai"), LABOUR)
    town.ledger.hold.close()
    await town.settle()
    assert town.ledger.hold.waiting == 1
    town.ledger.hold.let_others_by()
    town.broker.reject(f"vanthu.deliver.{LABOUR}")
    await town.bring_dead_letters()
    town.ledger.hold.lift()
    await town.settle()
    assert await refused_as(town, report) == "document-unknown"
    assert town.events(ticket, LABOUR) == [CONSIGNED, "ContentHandoverFailure"]


async def test_a_confirm_that_a_status_overtakes_in_the_store_decides_anew():
    town = await a_town()
    town.outlet.after.close()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    town.ledger.hold.close()
    town.outlet.after.lift()
    await town.settle()
    assert town.ledger.hold.waiting == 1
    town.ledger.hold.let_others_by()
    await town.report(LABOUR, "01")
    town.ledger.hold.lift()
    await town.settle()
    assert town.events(ticket, LABOUR) == [CONSIGNED, HANDED]
    assert await town.open_work() == 0
    check_letters(town.receipts(about=ticket))


async def test_a_status_that_another_overtakes_decides_anew():
    town, ticket = await delivered()
    await town.send(town.status(LABOUR, "03"), LABOUR)
    town.ledger.hold.close()
    await town.settle()
    town.ledger.hold.let_others_by()
    await town.report(LABOUR, "01")
    assert town.events(ticket, LABOUR) == [CONSIGNED, HANDED]
    town.ledger.hold.lift()
    await town.settle()
    assert town.events(ticket, LABOUR) == [CONSIGNED, HANDED, ACCEPTED]
    check_letters(town.receipts(about=ticket))
