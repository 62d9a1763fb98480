"""A document from its sender to its recipients, and the receipts back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from adapters.memory import MemoryEnvelopes
from gateway.model.claim import CLAIM_TYPE, resolve
from gateway.model.envelope import DocumentCode, Edoc, Priority
from gateway.model.ids import OfficialId, PartyKey, delivery_id
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.payload import PayloadRef
from gateway.model.policy import Limits, Policy
from gateway.model.submission import Door
from tests.builders import COMMUNE, PDF, PROVINCE
from tests.journey.chain import check_letters, check_records, field, fields
from tests.journey.town import (
    CLAIM_SECRET,
    CLOSED,
    HEALTH,
    JUSTICE,
    LABOUR,
    LOCKED,
    MERGED,
    OLD_LABOUR,
    Town,
    a_town,
)


async def read(town: Town, body: bytes) -> Edoc:
    envelope, findings = await MemoryEnvelopes(town.vault).read(PayloadRef.of(body))
    assert not findings
    assert isinstance(envelope, Edoc)
    return envelope


async def test_a_document_is_sealed_and_reaches_three_recipients():
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, HEALTH, COMMUNE))
    assert (ticket.door, ticket.state) == (Door.ACCEPTED, SubmissionState.RECEIVED)
    await town.settle()

    assert (await town.dossier(ticket)).submission.state is SubmissionState.ACCEPTED
    bodies = set()
    for organ in (LABOUR, HEALTH):
        (letter,) = town.deliveries(organ)
        assert letter.message_id == delivery_id(ticket.document, PartyKey(organ), 1)
        assert (letter.correlation_id, letter.type) == (ticket.document, "edoc")
        assert letter.headers["vanthu-sender"] == PROVINCE
        assert letter.headers["vanthu-sha256"] == sha256(letter.body).hexdigest()
        assert "vanthu-attempt" not in letter.headers
        bodies.add(letter.body)
    (item,) = await town.inbox()
    bodies.add(await town.vault.read(item.payload))
    (body,) = bodies
    (attachment,) = (await read(town, body)).attachments
    sealed = attachment.payload.body
    assert sealed.startswith(PDF + f"\n%VANTHU-SEAL {PROVINCE} main ".encode())
    assert town.events(ticket) == ["SubmissionAcceptance"]
    for organ in (LABOUR, HEALTH, COMMUNE):
        assert town.events(ticket, organ) == ["ContentConsignment"]
    assert await town.open_work() == 0


async def test_evidence_is_chained_from_the_acceptance_on_without_gaps():
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, HEALTH, JUSTICE))
    await town.settle()
    for organ in (LABOUR, HEALTH):
        await town.report(organ, "01")
        await town.report(organ, "03")
    receipts = town.receipts(about=ticket)
    assert len(receipts) == 1 + 3 + 3 + 1
    check_letters(receipts)
    check_records(ticket.document, await town.evidence(ticket))


async def test_every_evidence_names_the_instants_that_had_come_by_then():
    town = await a_town()
    opened = town.clock.now()
    ticket = await town.send(town.edoc(LABOUR))
    await town.pass_time(timedelta(minutes=1))
    await town.pass_time(timedelta(minutes=1))
    await town.report(LABOUR, "01")
    bodies = {str(r.headers["vanthu-event"]): r.body for r in town.receipts(about=ticket)}
    submitted, available = opened.isoformat(), (opened + timedelta(minutes=1)).isoformat()
    handed = (opened + timedelta(minutes=2)).isoformat()
    seen = {
        event: tuple(field(body, name) for name in ("Submitted", "Available", "HandedOver"))
        for event, body in bodies.items()
    }
    assert seen == {
        "SubmissionAcceptance": (submitted, "", ""),
        "ContentConsignment": (submitted, available, ""),
        "ContentHandover": (submitted, available, handed),
    }


async def test_no_parcel_leaves_before_the_acceptance_is_durable():
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR))
    town.ledger.fails_next = 1
    await town.settle()
    assert town.outlet.handed == []
    assert await town.evidence(ticket) == []
    await town.pass_time(timedelta(seconds=2))
    assert len(town.deliveries(LABOUR)) == 1


UNSERVED = [
    ("999.99.99.H53", "recipient-unknown"),
    (LOCKED, "recipient-locked"),
    (CLOSED, "recipient-gone"),
    (OLD_LABOUR, "recipient-doubled"),
    (LABOUR, "recipient-doubled"),
]


@pytest.mark.parametrize(("code", "reason"), UNSERVED)
async def test_a_recipient_that_cannot_be_served_disturbs_no_other(code, reason):
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, code, HEALTH))
    await town.settle()
    assert len(town.deliveries(LABOUR)) == len(town.deliveries(HEALTH)) == 1
    (failed,) = [r for r in town.receipts() if r.headers["vanthu-event"] == "ContentConsignmentFailure"]
    assert failed.headers["vanthu-recipient"] == code
    assert failed.headers["vanthu-reason"] == reason
    assert field(failed.body, "Code") == reason
    assert len(fields(failed.body, "Details")) == 2
    row = f"{code}~" if code == LABOUR else code  # beside the copy that LABOUR has
    assert (await town.copy(ticket, row)).state is HandOverState.FAILED
    check_records(ticket.document, await town.evidence(ticket))


async def test_a_document_whose_recipients_are_all_unknown_is_accepted_and_fails_for_each():
    town = await a_town()
    ticket = await town.send(town.edoc("999.99.99.H53", "999.99.98.H53"))
    await town.settle()
    assert town.events(ticket) == ["SubmissionAcceptance"]
    assert [str(r.headers["vanthu-event"]) for r in town.receipts()][1:] == ["ContentConsignmentFailure"] * 2


async def test_a_former_code_leads_to_the_successor_under_the_code_that_the_sender_used():
    town = await a_town()
    ticket = await town.send(town.edoc(MERGED))
    await town.settle()
    assert town.deliveries(MERGED) == []
    assert len(town.deliveries(HEALTH)) == 1
    assert town.events(ticket, MERGED) == ["ContentConsignment"]
    await town.report(HEALTH, "01")
    assert town.events(ticket, MERGED) == ["ContentConsignment", "ContentHandover"]


async def test_an_old_code_of_a_party_names_the_same_party():
    town = await a_town()
    ticket = await town.send(town.edoc(OLD_LABOUR))
    await town.settle()
    assert len(town.deliveries(LABOUR)) == 1
    assert town.events(ticket, OLD_LABOUR) == ["ContentConsignment"]


async def test_appendices_are_sealed_and_other_files_travel_as_they_are():
    town = await a_town()
    table = b"PK\x03\x04 no PDF"
    edoc = town.edoc(LABOUR, pdfs=[PDF, PDF + b"\n", table])
    edoc = edoc.replace(b"517-2", b"table.xlsx?")
    await town.send(edoc.replace(b"table.xlsx?.pdf", b"table.xlsx"))
    (letter,) = [None] if await town.settle() else town.deliveries(LABOUR)
    files = (await read(town, letter.body)).attachments
    assert b" main " in files[0].payload.body
    assert b" appendix " in files[1].payload.body
    assert files[2].payload.body == table


async def test_what_carries_the_seal_already_is_not_sealed_again():
    town = await a_town()
    await town.send(town.edoc(LABOUR))
    await town.settle()
    (first,) = town.deliveries(LABOUR)
    (sealed,) = (await read(town, first.body)).attachments
    await town.send(town.edoc(LABOUR, pdfs=[sealed.payload.body], number=518))
    await town.settle()
    (_, second) = town.deliveries(LABOUR)
    (carried,) = (await read(town, second.body)).attachments
    assert carried.payload == sealed.payload


@pytest.mark.parametrize(("queues", "is_claim"), [(100, False), (101, True)])
async def test_many_queues_get_a_claim_instead_of_the_body(queues, is_claim):
    town = await a_town(departments=queues)
    await town.send(town.edoc(*town.departments, COMMUNE))
    await town.settle()
    letters = [letter for organ in town.departments for letter in town.deliveries(organ)]
    assert len(letters) == queues
    assert len({letter.message_id for letter in letters}) == queues
    assert {letter.content_type == CLAIM_TYPE for letter in letters} == {is_claim}
    for organ, letter in zip(town.departments, letters, strict=True):
        body = letter.body
        if is_claim:
            claim = json.loads(body)
            party, ref = resolve(CLAIM_SECRET, claim["href"])
            assert party == organ
            body = await town.vault.read(ref)
        assert sha256(body).hexdigest() == letter.headers["vanthu-sha256"]


async def test_a_claim_is_still_a_claim_when_it_is_brought_again():
    town = await a_town(departments=3, policy=Policy(limits=Limits(claim_fanout=2)))
    town.broker.is_away = True
    await town.send(town.edoc(*town.departments))
    await town.settle()
    town.broker.is_away = False
    await town.pass_time(timedelta(seconds=2))
    letters = [letter for organ in town.departments for letter in town.deliveries(organ)]
    assert [letter.content_type for letter in letters] == [CLAIM_TYPE] * 3
    assert [letter.headers["vanthu-attempt"] for letter in letters] == [2] * 3


async def test_a_fan_out_beyond_the_backlog_is_left_in_the_store_and_loses_nobody():
    town = await a_town(departments=30)
    town.pace = replace(town.pace, backlog=5, parcels=2)
    (idle,) = town.lives
    await town.end_life(idle)
    await town.begin_life("narrow")
    ticket = await town.send(town.edoc(*town.departments))
    await town.settle()
    assert all(len(town.deliveries(organ)) == 1 for organ in town.departments)
    assert len(town.receipts(about=ticket)) == 31
    assert "vanthu-attempt" not in town.deliveries(town.departments[-1])[0].headers
    check_letters(town.receipts(about=ticket))


@pytest.mark.parametrize(
    ("lane_is_urgent", "priority", "is_urgent", "warns"),
    [
        (True, Priority.EXPRESS, True, False),
        (True, Priority.ORDINARY, False, True),
        (False, Priority.EXPRESS, True, True),
        (True, None, True, False),
    ],
)
async def test_the_envelope_decides_on_urgency_and_the_difference_is_remarked(
    lane_is_urgent, priority, is_urgent, warns
):
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, priority=priority), is_urgent=lane_is_urgent)
    await town.settle()
    assert (await town.dossier(ticket)).submission.is_urgent is is_urgent
    (acceptance,) = [e for e in await town.evidence(ticket) if e.sequence == 0]
    assert ("priority-differs" in fields(acceptance.body, "Code")) is warns


@pytest.mark.parametrize(
    ("again", "codes"),
    [
        ({}, ["official-id-repeated", "code-repeated"]),
        ({"official_id": OfficialId("x")}, ["code-repeated"]),
        ({"code": DocumentCode(number="518", notation="QĐ-UBND")}, ["official-id-repeated"]),
        ({"number": 518}, []),
    ],
)
async def test_a_document_with_the_name_of_an_earlier_one_goes_on_with_a_warning(again, codes):
    town = await a_town()
    first = await town.send(town.edoc(LABOUR))
    await town.settle()
    second = await town.send(town.edoc(LABOUR, **again))
    await town.settle()
    (acceptance,) = [r for r in town.receipts(about=second) if not r.headers.get("vanthu-recipient")]
    assert [c for c in fields(acceptance.body, "Code") if c != "main-unsigned"] == codes
    assert (str(first.document) in acceptance.body.decode()) == bool(codes)
    assert len(town.deliveries(LABOUR)) == 2
