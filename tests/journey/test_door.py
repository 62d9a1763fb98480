"""What is refused and why, what is known already, and what has to wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import Unavailable
from gateway.model.envelope import Business, DocumentReference, Organ
from gateway.model.ids import ClientId, MessageId, OrganCode, PartyKey
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.payload import PayloadRef
from gateway.model.submission import Door
from schemas import reasons
from tests.builders import COMMUNE, PDF, PROVINCE, a_status
from tests.journey.chain import check_records, field, fields
from tests.journey.town import HEALTH, LABOUR, Town, a_town

SECRET_WORD = "rất bí ẩn"


def an_organ(code: str) -> Organ:
    """The organ *code* as a sender."""
    return Organ(code=OrganCode(code), name=f"Cơ quan {code}")


def about_of(sender: str) -> DocumentReference:
    """517/QĐ-UBND, had *sender* issued it."""
    return replace(a_status().about, organ=OrganCode(sender))


async def refusal_of(town: Town, sender: str = PROVINCE) -> tuple[str, list[str]]:
    """The reason of the only receipt, and all that its evidence says."""
    (receipt,) = town.receipts(sender)
    assert receipt.headers["vanthu-event"] == "SubmissionRejection"
    return str(receipt.headers["vanthu-reason"]), fields(receipt.body, "Details")


# --- the same id again ------------------------------------------------------------------------------


async def test_the_same_id_with_the_same_bytes_gets_the_same_receipts_and_no_second_delivery():
    town = await a_town()
    body = town.edoc(LABOUR, HEALTH)
    first = await town.send(body, message_id=MessageId("once"))
    await town.settle()
    before = town.receipts()
    again = await town.send(body, message_id=MessageId("once"))
    await town.settle()
    assert (again.door, again.document) == (Door.REPEATED, first.document)
    after = town.receipts()[len(before) :]
    assert sorted((r.message_id, r.body) for r in after) == sorted((r.message_id, r.body) for r in before)
    assert len(town.deliveries(LABOUR)) == len(town.deliveries(HEALTH)) == 1


async def test_the_same_id_while_the_first_is_still_in_hand_is_the_same_document():
    town = await a_town()
    body = town.edoc(LABOUR)
    first = await town.send(body, message_id=MessageId("once"))
    again = await town.send(body, message_id=MessageId("once"))
    await town.settle()
    assert again.document == first.document
    assert len(town.deliveries(LABOUR)) == 1
    assert town.events(first) == ["SubmissionAcceptance"]


@pytest.mark.parametrize("fault", [{}, {"content_type": "text/plain"}, {"is_urgent": True}])
async def test_a_doubled_message_that_comes_after_its_own_expiry_gets_the_same_receipts(fault):
    town = await a_town()
    body, until = town.edoc(LABOUR), (town.clock.now() + timedelta(hours=1)).isoformat()
    first = await town.send(body, message_id=MessageId("once"), expires=until)
    await town.settle()
    before = town.receipts()
    await town.advance(timedelta(hours=2))
    again = await town.send(body, message_id=MessageId("once"), expires=until, **fault)
    await town.settle()
    assert (again.door, again.document) == (Door.REPEATED, first.document)
    after = town.receipts()[len(before) :]
    assert {(r.message_id, r.body) for r in after} >= {(r.message_id, r.body) for r in before}
    assert len(town.deliveries(LABOUR)) == 1


@pytest.mark.parametrize("other", [{"number": 518}, {}])
async def test_what_expired_before_it_came_is_no_repeat_of_other_bytes_nor_of_a_refused_message(other):
    town = await a_town()
    until = (town.clock.now() + timedelta(hours=1)).isoformat()
    if other:
        await town.send(town.edoc(LABOUR), message_id=MessageId("once"), expires=until)
    await town.advance(timedelta(hours=2))
    late = await town.send(town.edoc(LABOUR, **other), message_id=MessageId("once"), expires=until)
    await town.settle()
    assert (late.door, late.reason) == (Door.REFUSED, "expires-invalid")


async def test_the_same_id_with_other_bytes_is_refused_and_leaves_the_first_alone():
    town = await a_town()
    first = await town.send(town.edoc(LABOUR), message_id=MessageId("once"))
    await town.settle()
    other = await town.send(town.edoc(LABOUR, number=518), message_id=MessageId("once"))
    await town.settle()
    assert (other.door, other.reason) == (Door.REFUSED, "message-id-reused")
    assert other.document != first.document
    assert len(town.deliveries(LABOUR)) == 1
    assert town.events(other) == ["SubmissionRejection"]
    repeated = await town.send(town.edoc(LABOUR, number=518), message_id=MessageId("once"))
    await town.settle()
    assert (repeated.document, repeated.reason) == (other.document, "message-id-reused")
    assert len({r.message_id for r in town.receipts(about=other)}) == 1


async def test_two_senders_may_use_the_same_id():
    town = await a_town()
    await town.send(town.edoc(LABOUR), message_id=MessageId("once"))
    body = town.edoc(PROVINCE, sender=an_organ(HEALTH))
    await town.send(body, HEALTH, message_id=MessageId("once"))
    await town.settle()
    assert len(town.deliveries(LABOUR)) == len(town.deliveries(PROVINCE)) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"client": None}, "user-id-missing"),
        ({"content_type": "text/plain"}, "content-type-unsupported"),
        ({"expires": "tomorrow"}, "expires-invalid"),
    ],
)
async def test_a_message_that_was_refused_for_its_form_is_accepted_when_mended_under_the_same_id(
    fault, reason
):
    town = await a_town()
    body = town.edoc(LABOUR)
    refused = await town.send(body, message_id=MessageId("once"), **fault)
    await town.settle()
    assert (refused.door, refused.reason) == (Door.REFUSED, reason)
    assert (await refusal_of(town))[0] == reason
    mended = await town.send(body, message_id=MessageId("once"))
    await town.settle()
    assert mended.door is Door.ACCEPTED
    assert town.events(mended) == ["SubmissionAcceptance"]
    assert len(town.deliveries(LABOUR)) == 1


async def test_a_message_without_an_id_is_refused_under_its_digest():
    town = await a_town()
    body = town.edoc(LABOUR)
    for _ in range(2):
        await town.send(body, message_id=None)
        await town.settle()
    first, second = town.receipts()
    assert first.message_id == second.message_id
    assert first.headers["vanthu-reason"] == "message-id-missing"
    assert first.correlation_id.startswith("sha256:")


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ({"client": ClientId(LABOUR)}, "not-authorised"),
        ({"client": ClientId("nobody")}, "not-authorised"),
        ({"claimed": OrganCode("999.99.99.H53")}, "party-unknown"),
    ],
)
async def test_where_nobody_is_known_nothing_is_registered(who, reason):
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR), **who)
    await town.settle()
    assert (ticket.document, ticket.reason) == (None, reason)
    assert town.ledger.changes == []
    assert town.receipts() == []


async def test_an_envelope_in_another_name_is_refused_and_told_to_who_sent_it():
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR), HEALTH)
    await town.settle()
    assert ticket.reason == "sender-mismatch"
    assert (await refusal_of(town, HEALTH))[0] == "sender-mismatch"
    assert town.receipts() == []


# --- secrecy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field_name", ["type_name", "sphere", "subject"])
async def test_of_a_document_marked_secret_nothing_is_kept(field_name):
    town = await a_town()
    marked = {field_name: f"(MẬT) {SECRET_WORD}" if field_name == "subject" else "Mật"}
    body = town.edoc(LABOUR, **({"subject": SECRET_WORD} | marked))
    ticket = await town.send(body)
    await town.settle()
    assert ticket.reason == "state-secret"
    dossier = await town.dossier(ticket)
    assert (dossier.header, dossier.submission.payload, dossier.handovers) == (None, None, ())
    with pytest.raises(Unavailable):
        await town.vault.read(replace(PayloadRef.of(body), body=None))
    rows = repr(town.ledger.changes) + repr(await town.store.timeline(ticket.document))
    assert SECRET_WORD not in rows
    assert SECRET_WORD.encode() not in b"".join(e.body for e in await town.evidence(ticket))
    assert (await refusal_of(town))[0] == "state-secret"


async def test_an_upload_with_a_secrecy_mark_is_refused_on_its_first_bytes():
    town = await a_town()
    with pytest.raises(Exception, match="state-secret"):
        town.lives[0].worker.screen(town.edoc(LABOUR, type_name="Tuyệt mật"))
    town.lives[0].worker.screen(town.edoc(LABOUR))


# --- what is in the document ------------------------------------------------------------------------

TAMPERED = PDF + f"\n%VANTHU-SEAL {HEALTH} main 2016-03-04T01:00:00+00:00 {'0' * 64}\n".encode()
BAD_PDFS = [
    (PDF + b"<< /Encrypt 1 0 R >>", "pdf-encrypted"),
    (TAMPERED, "signature-broken"),
    (b"MZ no PDF at all", "pdf-unreadable"),
    (PDF + b"<< /JavaScript (x) >>", "pdf-active-content"),
    (PDF + b"<< /XFA 1 0 R >>", "pdf-xfa"),
    (PDF + b"%VANTHU-COSTLY", "pdf-too-costly"),
    (PDF + b"<< /DocMDP << /P 1 >> >>", "seal-forbidden"),
]


@pytest.mark.parametrize(("pdf", "reason"), BAD_PDFS)
async def test_a_bad_pdf_is_refused_in_both_languages(pdf, reason):
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, pdfs=[pdf]))
    await town.settle()
    assert ticket.door is Door.ACCEPTED
    assert (await town.dossier(ticket)).submission.state is SubmissionState.REFUSED
    told, sentences = await refusal_of(town)
    assert told == reason
    entry = reasons()[reason]
    assert entry.vi in sentences
    assert entry.en in sentences
    assert town.deliveries(LABOUR) == []
    assert await town.open_work() == 0


async def test_every_bad_pdf_of_a_document_is_told_at_once():
    town = await a_town()
    await town.send(town.edoc(LABOUR, pdfs=[pdf for pdf, _ in BAD_PDFS[:4]]))
    await town.settle()
    (receipt,) = town.receipts()
    assert {reason for _, reason in BAD_PDFS[:4]} <= set(fields(receipt.body, "Code"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no envelope", "xml-malformed"),
        (b'{"kind": "edoc", "!DOCTYPE": 1}', "xml-forbidden"),
        (b'{"kind": "invoice"}', "kind-unknown"),
        (b"", "body-empty"),
    ],
)
async def test_bytes_that_are_no_envelope_are_refused_at_the_door(body, reason):
    town = await a_town()
    ticket = await town.send(body)
    await town.settle()
    assert ticket.reason == reason
    assert (await refusal_of(town))[0] == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"subject": ""}, "rule-broken"), ({"business": Business.RECALL}, "original-unknown")],
)
async def test_an_envelope_that_breaks_a_rule_is_refused_with_evidence(changes, reason):
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, **changes))
    await town.settle()
    assert (await refusal_of(town))[0] == reason
    check_records(ticket.document, await town.evidence(ticket))


async def test_a_refused_document_gets_its_refusal_again_under_its_id():
    town = await a_town()
    body = town.edoc(LABOUR, pdfs=[BAD_PDFS[0][0]])
    for _ in range(2):
        ticket = await town.send(body, message_id=MessageId("once"))
        await town.settle()
    assert (ticket.door, ticket.reason) == (Door.REFUSED, "pdf-encrypted")
    first, second = town.receipts()
    assert (first.message_id, first.body) == (second.message_id, second.body)


async def test_a_submission_that_died_with_the_consumer_three_times_is_poison():
    town = await a_town()
    body = town.edoc(LABOUR)
    town.ledger.is_away = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await town.send(body, message_id=MessageId("once"), is_dead_letter=True)
    town.ledger.is_away = False
    ticket = await town.send(body, message_id=MessageId("once"), is_dead_letter=True)
    await town.settle()
    assert (ticket.door, ticket.reason) == (Door.REFUSED, "poison")
    assert (await refusal_of(town))[0] == "poison"


async def test_a_dead_letter_of_what_was_taken_in_already_is_no_second_document():
    town = await a_town()
    body = town.edoc(LABOUR)
    first = await town.send(body, message_id=MessageId("once"))
    await town.settle()
    for _ in range(4):
        again = await town.send(body, message_id=MessageId("once"), is_dead_letter=True)
        await town.settle()
        assert again.document == first.document
    assert len(town.deliveries(LABOUR)) == 1
    assert set(town.events(first)) == {"SubmissionAcceptance"}


# --- waiting ----------------------------------------------------------------------------------------


async def a_keyless_town() -> Town:
    town = await a_town()
    (lonely,) = town.lives
    await town.end_life(lonely)
    town.give_keys(to_all_but=[PROVINCE])
    await town.begin_life("keyless")
    return town


async def hand_in_the_key(town: Town) -> None:
    (keyless,) = town.lives
    await town.end_life(keyless)
    town.give_keys()
    await town.begin_life("with key")


async def test_a_document_waits_visibly_for_the_seal_and_goes_on_when_the_key_is_there():
    town = await a_keyless_town()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    for _ in range(12):
        await town.pass_time(timedelta(minutes=6))
    submission = (await town.dossier(ticket)).submission
    assert (submission.state, submission.reason) == (SubmissionState.WAITING, "seal-key-missing")
    assert (await town.store.waiting())["waiting"] == 1
    waits = [e for e in await town.store.timeline(ticket.document) if e.event == "waiting"]
    assert [w.reason for w in waits] == ["seal-key-missing"]
    assert town.receipts() == []
    received_at = submission.received_at

    await hand_in_the_key(town)
    await town.pass_time(timedelta(minutes=6))
    (letter,) = town.deliveries(LABOUR)
    assert "vanthu-attempt" not in letter.headers
    assert town.events(ticket) == ["SubmissionAcceptance"]
    assert field(town.receipts()[0].body, "Submitted") == received_at.isoformat()


async def test_a_document_without_a_pdf_needs_no_key():
    town = await a_keyless_town()
    body = town.edoc(LABOUR, pdfs=[b"text"]).replace(b"517-0.pdf", b"517-0.txt")
    await town.send(body)
    await town.settle()
    assert len(town.deliveries(LABOUR)) == 1


async def test_what_waits_until_it_expires_is_refused_with_the_reason_of_its_wait():
    town = await a_keyless_town()
    expires = town.clock.now() + timedelta(hours=1)
    ticket = await town.send(town.edoc(LABOUR), expires=expires.isoformat())
    await town.settle()
    await town.pass_time(timedelta(minutes=50))
    assert (await town.dossier(ticket)).submission.state is SubmissionState.WAITING
    await town.pass_time(timedelta(minutes=10))
    assert (await town.dossier(ticket)).submission.state is SubmissionState.REFUSED
    assert (await refusal_of(town))[0] == "seal-key-missing"
    assert await town.open_work() == 0


async def test_a_sender_who_was_struck_from_the_directory_while_waiting_is_refused_not_forgotten():
    town = await a_keyless_town()
    body = town.edoc(PROVINCE, sender=an_organ(HEALTH))
    town.give_keys(to_all_but=[HEALTH])
    (old,) = town.lives
    await town.end_life(old)
    await town.begin_life("no key for health")
    ticket = await town.send(body, HEALTH)
    await town.settle()
    town.directory.strike(PartyKey(HEALTH))
    await town.pass_time(timedelta(minutes=1))
    submission = (await town.dossier(ticket)).submission
    assert (submission.state, submission.reason) == (SubmissionState.REFUSED, "party-unknown")
    check_records(ticket.document, await town.evidence(ticket))


# --- a sender over HTTP -----------------------------------------------------------------------------


async def test_a_commune_sends_over_http_and_finds_its_receipts_in_its_inbox():
    town = await a_town()
    body = town.edoc(PROVINCE, sender=an_organ(COMMUNE))
    ticket = await town.send(body, COMMUNE)
    await town.settle()
    await town.report(PROVINCE, "01", about=about_of(COMMUNE))
    (letter,) = town.deliveries(PROVINCE)
    assert letter.headers["vanthu-sender"] == COMMUNE
    items = await town.inbox()
    told = {dict(i.headers)["vanthu-event"] for i in items if i.type == "receipt"}
    assert told == {"SubmissionAcceptance", "ContentConsignment", "ContentHandover"}
    status = next(i for i in items if i.type == "status")
    assert status.correlation == ticket.document
    assert (await town.copy(ticket, PROVINCE)).state is HandOverState.HANDED_OVER


async def test_a_refused_document_is_found_by_its_number():
    town = await a_town()
    ticket = await town.send(town.edoc(LABOUR, pdfs=[b"no pdf"]))
    await town.settle()
    assert list(await town.store.records.search("517/QĐ-UBND")) == [ticket.document]
