"""Mergers: a document to an old code reaches whoever has its duties now, and everybody is told so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.model.envelope import Kind, Organ
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.party import Capabilities, CodeValidity
from gateway.model.policy import Policy
from gateway.model.submission import Ticket
from tests.builders import COMMUNE, PROVINCE, a_status
from tests.journey.town import HEALTH, JUSTICE, LABOUR, LOCKED, MERGED, Town, a_town

SUCCEEDED = "recipient-succeeded"


async def _sent(town: Town, *recipients: str) -> Ticket:
    ticket = await town.send(town.edoc(*recipients))
    await town.settle()
    return ticket


def _receipt(town: Town, ticket: Ticket, recipient: str, event: str) -> tuple[str | None, str]:
    """The reason in the header, and the body, of the one receipt of *event*."""
    (found,) = [
        r
        for r in town.receipts(about=ticket)
        if r.headers.get("vanthu-recipient") == recipient and r.headers["vanthu-event"] == event
    ]
    reason = found.headers.get("vanthu-reason")
    return (str(reason) if reason else None), found.body.decode()


async def test_a_document_to_a_merged_organ_reaches_its_successor_and_the_sender_is_told() -> None:
    town = await a_town()
    since = town.clock.now() - timedelta(days=30)
    town.directory.merge(PartyKey(MERGED), PartyKey(HEALTH), since)
    ticket = await _sent(town, MERGED, LABOUR)
    (letter,) = town.deliveries(HEALTH)
    assert letter.headers["vanthu-recipient"] == MERGED, (
        "the successor sees under which code it was addressed"
    )
    reason, body = _receipt(town, ticket, MERGED, "ContentConsignment")
    assert reason == SUCCEEDED
    assert f"{MERGED} → {HEALTH}, {since.date():%Y-%m-%d}" in body
    assert f"Mã {MERGED} không còn hiệu lực từ ngày {since.date():%d/%m/%Y}" in body
    copy = await town.copy(ticket, HEALTH)
    assert (copy.state, copy.reason, copy.addressed_as) == ("available", SUCCEEDED, MERGED)
    assert ticket.document is not None
    told = [e.detail for e in await town.store.timeline(ticket.document) if e.reason == SUCCEEDED]
    assert told == [f"{MERGED} → {HEALTH}, {since.date():%Y-%m-%d}"], "the timeline says it, too"
    assert _receipt(town, ticket, LABOUR, "ContentConsignment")[0] is None


async def test_an_inbox_of_a_successor_says_it_just_as_well() -> None:
    town = await a_town()
    town.directory.merge(PartyKey(MERGED), PartyKey(COMMUNE))
    ticket = await _sent(town, MERGED)
    (item,) = await town.inbox()
    assert dict(item.headers)["vanthu-recipient"] == MERGED
    assert _receipt(town, ticket, MERGED, "ContentConsignment")[0] == SUCCEEDED


async def test_mergers_in_a_row_are_told_with_every_code_on_the_way() -> None:
    town = await a_town()
    town.directory.merge(PartyKey(MERGED), PartyKey(JUSTICE), town.clock.now() - timedelta(days=700))
    town.directory.merge(PartyKey(JUSTICE), PartyKey(HEALTH), town.clock.now() - timedelta(days=30))
    ticket = await _sent(town, MERGED)
    assert len(town.deliveries(HEALTH)) == 1
    assert f"{MERGED} → {JUSTICE} → {HEALTH}, " in _receipt(town, ticket, MERGED, "ContentConsignment")[1]


async def test_a_merger_counts_from_its_day_on_and_not_before() -> None:
    town = await a_town()
    town.directory.merge(PartyKey(JUSTICE), PartyKey(HEALTH), town.clock.now() + timedelta(hours=1))
    before = await _sent(town, JUSTICE)
    await town.pass_time(timedelta(hours=1))
    after = await town.send(town.edoc(JUSTICE, number=518))
    await town.settle()
    assert [r.headers["vanthu-document"] for r in town.deliveries(JUSTICE)] == [before.document]
    assert [r.headers["vanthu-document"] for r in town.deliveries(HEALTH)] == [after.document]
    assert _receipt(town, before, JUSTICE, "ContentConsignment")[0] is None
    assert _receipt(town, after, JUSTICE, "ContentConsignment")[0] == SUCCEEDED


async def test_two_codes_that_lead_to_one_party_bring_one_copy_and_the_other_is_explained() -> None:
    town = await a_town()
    ticket = await _sent(town, MERGED, HEALTH)
    (letter,) = town.deliveries(HEALTH)
    assert letter.headers["vanthu-recipient"] == HEALTH, "its own code comes before one that it took over"
    reason, body = _receipt(town, ticket, MERGED, "ContentConsignmentFailure")
    assert reason == "recipient-doubled"
    assert f"{MERGED} → {HEALTH}" in body
    assert _receipt(town, ticket, HEALTH, "ContentConsignment")[0] is None


async def test_a_copy_that_no_successor_may_take_says_both_why_and_whose_it_was() -> None:
    town = await a_town()
    town.directory.merge(PartyKey(MERGED), PartyKey(LOCKED))
    ticket = await _sent(town, MERGED, LABOUR)
    reason, body = _receipt(town, ticket, MERGED, "ContentConsignmentFailure")
    assert reason == "recipient-locked"
    assert f"{MERGED} → {LOCKED}" in body
    assert len(town.deliveries(LABOUR)) == 1


async def test_the_successor_answers_under_its_own_code() -> None:
    town = await a_town()
    ticket = await _sent(town, MERGED)
    await town.report(HEALTH, "01")
    await town.report(HEALTH, "03")
    assert town.events(ticket, MERGED) == ["ContentConsignment", "ContentHandover", "ConsignmentAcceptance"]


async def test_an_envelope_that_is_too_large_for_one_recipient_goes_to_the_others() -> None:
    town = await a_town(policy=Policy())
    labour = town.directory.party(PartyKey(LABOUR))
    assert labour is not None
    town.directory.put(replace(labour, takes=Capabilities(max_bytes=10)))
    ticket = await _sent(town, LABOUR, HEALTH)
    assert not town.deliveries(LABOUR)
    assert len(town.deliveries(HEALTH)) == 1
    assert _receipt(town, ticket, LABOUR, "ContentConsignmentFailure")[0] == "recipient-too-large"


@pytest.mark.parametrize("takes_statuses", [True, False])
async def test_a_status_goes_back_to_those_who_can_take_one(takes_statuses: bool) -> None:
    town = await a_town()
    province = town.directory.party(PartyKey(PROVINCE))
    assert province is not None
    kinds = frozenset(Kind) if takes_statuses else frozenset({Kind.EDOC})
    town.directory.put(replace(province, takes=Capabilities(kinds=kinds)))
    ticket = await _sent(town, LABOUR)
    await town.report(LABOUR, "01")
    assert len(town.deliveries(PROVINCE)) == takes_statuses
    assert town.events(ticket, LABOUR) == ["ContentConsignment", "ContentHandover"]
    assert (await town.copy(ticket, LABOUR)).status == "01"


async def test_a_merged_organ_sends_no_more_and_is_told_who_does() -> None:
    town = await a_town()
    sender = Organ(code=OrganCode(JUSTICE), name="Sở Tư pháp")
    town.directory.merge(PartyKey(JUSTICE), PartyKey(HEALTH))
    ticket = await town.send(town.edoc(LABOUR, sender=sender), JUSTICE)
    await town.settle()
    assert ticket.reason == "party-ended"
    (told,) = town.receipts(JUSTICE)
    assert told.headers["vanthu-reason"] == "party-ended"
    assert f"{JUSTICE} → {HEALTH}" in told.body.decode()


async def test_a_merged_organ_may_still_report_on_what_it_had() -> None:
    town = await a_town()
    ticket = await _sent(town, JUSTICE)
    town.directory.merge(PartyKey(JUSTICE), PartyKey(HEALTH))
    assert (await town.report(JUSTICE, "03")).reason is None
    assert town.events(ticket, JUSTICE) == ["ContentConsignment", "ContentHandover", "ConsignmentAcceptance"]


async def test_the_successor_reports_on_what_the_merged_organ_had_and_it_is_said_who_reports() -> None:
    town = await a_town()
    ticket = await _sent(town, JUSTICE)
    town.directory.merge(PartyKey(JUSTICE), PartyKey(HEALTH))
    assert (await town.report(HEALTH, "03")).reason is None
    assert town.events(ticket, JUSTICE) == ["ContentConsignment", "ContentHandover", "ConsignmentAcceptance"]
    reason, body = _receipt(town, ticket, JUSTICE, "ConsignmentAcceptance")
    assert reason == SUCCEEDED
    assert f"{JUSTICE} → {HEALTH}" in body
    assert (await town.copy(ticket, JUSTICE)).status == "03"
    (back,) = town.deliveries(PROVINCE)
    assert back.headers["vanthu-sender"] == HEALTH


async def test_nobody_reports_for_an_organ_that_was_not_merged_into_it() -> None:
    town = await a_town()
    ticket = await _sent(town, JUSTICE)
    town.directory.merge(PartyKey(JUSTICE), PartyKey(LABOUR))
    await town.report(HEALTH, "03")
    assert (await town.copy(ticket, JUSTICE)).status == ""


async def test_what_the_successor_had_itself_comes_before_what_it_took_over() -> None:
    town = await a_town()
    ticket = await _sent(town, JUSTICE, HEALTH)
    town.directory.merge(PartyKey(JUSTICE), PartyKey(HEALTH))
    await town.report(HEALTH, "03")
    assert ((await town.copy(ticket, HEALTH)).status, (await town.copy(ticket, JUSTICE)).status) == ("03", "")


async def test_a_party_that_bears_another_code_goes_on_under_its_registered_one() -> None:
    town = await a_town()
    labour = town.directory.party(PartyKey(LABOUR))
    assert labour is not None
    now = town.clock.now()
    codes = (
        CodeValidity(code=OrganCode(LABOUR), until=now),
        CodeValidity(code=OrganCode("H53.11"), since=now),
    )
    town.directory.put(replace(labour, codes=codes))
    for code in (LABOUR, "H53.11"):
        sender = Organ(code=OrganCode(code), name="Sở Lao động")
        ticket = await town.send(town.edoc(HEALTH, sender=sender), LABOUR)
        assert ticket.reason is None
    await town.settle()
    assert len(town.deliveries(HEALTH)) == 2


@pytest.mark.parametrize("named", [PROVINCE, "H53"])
@pytest.mark.parametrize("written", [PROVINCE, "H53"])
async def test_a_status_finds_its_document_by_either_code_of_its_sender(named: str, written: str) -> None:
    town = await a_town()
    province = town.directory.party(PartyKey(PROVINCE))
    assert province is not None
    both = (*province.codes, CodeValidity(code=OrganCode("H53")))
    town.directory.put(replace(province, codes=both))
    ticket = await town.send(town.edoc(LABOUR, sender=Organ(code=OrganCode(written), name="UBND")))
    await town.settle()
    about = replace(a_status().about, code="517/QĐ-UBND", organ=OrganCode(named))
    assert (await town.report(LABOUR, "03", about=about)).reason is None
    assert (await town.copy(ticket, LABOUR)).status == "03"
