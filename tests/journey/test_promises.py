"""What the README promises, seen in the order of the steps: what is durable before what, and what a crash leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from gateway.errors import Refused, Unavailable
from gateway.model.change import WorkKind
from gateway.model.document import Dossier
from gateway.model.ids import ClientId, PartyKey
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.payload import PayloadRef
from gateway.model.policy import Policy
from gateway.model.submission import Door, Ticket
from tests import builders as b
from tests.journey.steps import House, other_bytes, previous

DAY = timedelta(days=1)


@pytest.fixture
def house() -> House:
    return House()


async def dossier_of(house: House, ticket: Ticket) -> Dossier:
    assert ticket.document is not None
    dossier = await house.store.load(ticket.document)
    assert dossier is not None
    return dossier


# --- 1: nothing is acknowledged before it is durable ------------------------------------------------


async def test_the_bytes_are_in_the_vault_before_the_submission_is_registered(house: House) -> None:
    await house.pipeline.receive(house.arrival())
    assert house.diary == ["put", "T1"]


@pytest.mark.parametrize("port", ["ledger", "vault"])
async def test_there_is_no_ticket_where_nothing_could_be_stored(house: House, port: str) -> None:
    house.away.add(port)
    with pytest.raises(Unavailable):
        await house.pipeline.receive(house.arrival())


async def test_what_a_dead_life_had_received_the_next_one_finishes(house: House) -> None:
    ticket, _ = await house.pipeline.receive(house.arrival())
    await house.die()
    await house.work()
    (letter,) = house.deliveries()
    assert (letter.correlation_id, ticket.door) == (ticket.document, Door.ACCEPTED)


async def test_a_copy_that_is_sent_again_after_a_crash_carries_its_id_and_its_attempt(house: House) -> None:
    _, errands = await house.pipeline.receive(house.arrival())
    after = await house.pipeline.run(errands[0])
    (delivery,) = [e for e in after if e.work.kind is WorkKind.DELIVERY]
    house.away.add("ledger")
    with pytest.raises(Unavailable):
        await house.pipeline.run(delivery)  # published, but T3 is lost with the life
    house.away.clear()
    await house.die()
    await house.work()
    first, second = house.deliveries()
    assert (first.message_id, first.body) == (second.message_id, second.body)
    assert (first.headers.get("vanthu-attempt"), second.headers.get("vanthu-attempt")) == (None, 2)


# --- 2: one end, with evidence ----------------------------------------------------------------------


async def test_every_chain_of_evidence_leads_link_by_link_to_the_acceptance(house: House) -> None:
    ticket, errands = await house.pipeline.receive(house.arrival(b.DEPARTMENT, b.COMMUNE))
    await house.finish(errands)
    house.broker.reject(f"vanthu.deliver.{b.DEPARTMENT}")
    dead = house.broker.take_dead()
    assert dead is not None
    await house.finish(
        await house.pipeline.undeliverable(dead.document, dead.recipient, dead.delivery, dead.cause)
    )
    assert ticket.document is not None
    root, *links = await house.store.evidence(ticket.document)
    ends = {PartyKey(b.DEPARTMENT): root.sha256, PartyKey(b.COMMUNE): root.sha256}
    for link in links:
        assert link.recipient is not None
        assert previous(link.body) == ends[link.recipient]
        ends[link.recipient] = sha256(link.body).hexdigest()
    assert [(e.recipient, e.event.value) for e in links] == [
        (b.DEPARTMENT, "ContentConsignment"),
        (b.DEPARTMENT, "ContentHandoverFailure"),
        (b.COMMUNE, "ContentConsignment"),
    ]


async def test_a_copy_that_nobody_fetched_ends_with_evidence_when_its_time_is_over(house: House) -> None:
    ticket, errands = await house.pipeline.receive(house.arrival(b.COMMUNE))
    await house.finish(errands)
    house.clock.advance(31 * DAY)
    await house.work()
    (copy,) = (await dossier_of(house, ticket)).handovers
    assert ticket.document is not None
    told = [e.event.value for e in await house.store.evidence(ticket.document)]
    assert (copy.state, told[-1]) == (HandOverState.EXPIRED, "ContentHandoverFailure")


# --- 3: the same id again ---------------------------------------------------------------------------


async def test_the_same_bytes_again_get_the_same_receipts_and_are_delivered_once(house: House) -> None:
    ticket, errands = await house.pipeline.receive(house.arrival())
    await house.finish(errands)
    first = house.receipts()
    again, errands = await house.pipeline.receive(house.arrival())
    await house.finish(errands)
    assert (again.door, again.document) == (Door.REPEATED, ticket.document)
    assert {r.message_id: r.body for r in house.receipts()} == {r.message_id: r.body for r in first}
    assert len(house.deliveries()) == 1


async def test_other_bytes_under_the_same_id_are_refused_and_leave_the_first_document_alone(
    house: House,
) -> None:
    ticket, errands = await house.pipeline.receive(house.arrival())
    await house.finish(errands)
    before = await dossier_of(house, ticket)
    second, errands = await house.pipeline.receive(other_bytes(house.arrival()))
    await house.finish(errands)
    assert (second.door, second.reason) == (Door.REFUSED, "message-id-reused")
    assert second.document != ticket.document
    assert await dossier_of(house, ticket) == before
    assert len(house.deliveries()) == 1


# --- 4: bytes travel verbatim -----------------------------------------------------------------------


async def test_the_file_that_arrives_is_the_sealed_one_and_the_others_are_as_they_were(house: House) -> None:
    table = bytes(range(256)) + b"\r\n\r\n"
    files = (b.an_attachment("so-lieu.bin", table), b.an_attachment())
    _, errands = await house.pipeline.receive(house.arrival(attachments=files))
    await house.finish(errands)
    (letter,) = house.deliveries()
    edoc, _ = await house.envelopes.read(PayloadRef.of(letter.body))
    other, main = (a.payload.body for a in edoc.attachments)  # type: ignore[union-attr]
    assert main is not None
    assert main.startswith(b.PDF + b"\n%VANTHU-SEAL ")
    assert other == table


# --- 5: permanent and temporary ---------------------------------------------------------------------


async def test_what_is_temporary_is_tried_again_until_it_is_over(house: House) -> None:
    ticket, errands = await house.pipeline.receive(house.arrival())
    house.broker.is_away = True
    await house.finish(errands)
    (copy,) = (await dossier_of(house, ticket)).handovers
    assert copy.state is HandOverState.PENDING
    house.broker.is_away = False
    house.clock.advance(timedelta(minutes=1))
    await house.work()
    assert [letter.message_id for letter in house.deliveries()] == [copy.delivery]


async def test_a_party_without_a_key_waits_visibly_until_it_has_one() -> None:
    house = House(lacking=frozenset({PartyKey(b.PROVINCE)}))
    ticket, errands = await house.pipeline.receive(house.arrival())
    await house.finish(errands)
    waiting = (await dossier_of(house, ticket)).submission
    assert (waiting.state, waiting.reason) == (SubmissionState.WAITING, "seal-key-missing")
    assert not house.receipts()
    house.lacking = frozenset()
    house.another_life()
    house.clock.advance(timedelta(minutes=1))
    await house.work()
    assert (await dossier_of(house, ticket)).submission.state is SubmissionState.ACCEPTED
    assert len(house.deliveries()) == 1


async def test_a_document_that_waited_for_its_whole_time_is_refused_with_evidence() -> None:
    house = House(lacking=frozenset({PartyKey(b.PROVINCE)}))
    ticket, errands = await house.pipeline.receive(house.arrival())
    await house.finish(errands)
    house.clock.advance(31 * DAY)
    await house.work()
    assert (await dossier_of(house, ticket)).submission.state is SubmissionState.REFUSED
    (receipt,) = house.receipts()
    assert receipt.headers["vanthu-reason"] == "seal-key-missing"


async def test_what_is_refused_for_good_is_not_tried_again(house: House) -> None:
    ticket, errands = await house.pipeline.receive(
        house.arrival(attachments=(b.an_attachment(body=b"%PDF-1.7 /JavaScript"),))
    )
    await house.finish(errands)
    assert (await dossier_of(house, ticket)).submission.state is SubmissionState.REFUSED
    assert ticket.document is not None
    house.clock.advance(DAY)
    await house.store.beat(house.owner, DAY)  # only who lives is given work
    assert not await house.store.lease(house.owner, 10, frozenset({WorkKind.DOCUMENT}))


# --- 7: no delivery before the evidence -------------------------------------------------------------


async def test_nothing_is_published_before_the_decision_and_its_evidence_are_durable(house: House) -> None:
    _, errands = await house.pipeline.receive(house.arrival())
    await house.finish(errands)
    assert house.diary[:4] == ["put", "T1", "put", "T2"]
    assert "publish edoc" in house.diary[4:]
    (decided,) = [c for c in house.changes if c.header is not None]
    assert [e.event.value for e in decided.evidence] == ["SubmissionAcceptance"]
    assert [h.recipient for h in decided.handovers] == [b.DEPARTMENT]


async def test_a_life_that_lost_its_work_publishes_nothing(house: House) -> None:
    _, errands = await house.pipeline.receive(house.arrival())
    late, before = house.pipeline, list(errands)
    await house.die()
    await house.work()
    house.deliveries()
    house.receipts()
    assert not await late.run(before[0]), "somebody else has decided"
    assert not house.deliveries()


async def test_a_copy_in_an_inbox_comes_with_its_evidence_or_not_at_all(house: House) -> None:
    _, errands = await house.pipeline.receive(house.arrival(b.COMMUNE))
    await house.finish(errands)
    (filled,) = [c for c in house.changes if any(i.party == b.COMMUNE for i in c.items)]
    assert [e.event.value for e in filled.evidence] == ["SubmissionAcceptance", "ContentConsignment"]


# --- 8: only for one's own party --------------------------------------------------------------------


async def test_who_speaks_for_another_leaves_no_trace_in_vault_or_store(house: House) -> None:
    ticket, errands = await house.pipeline.receive(replace(house.arrival(), client=ClientId(b.DEPARTMENT)))
    assert (ticket.door, ticket.reason, ticket.document) == (Door.REFUSED, "not-authorised", None)
    assert (house.diary, errands) == ([], ())


# --- 9: nobody is slowed down by another ------------------------------------------------------------


async def test_an_unknown_recipient_next_to_a_known_one_disturbs_it_not(house: House) -> None:
    _, errands = await house.pipeline.receive(house.arrival("000.99.99.H53", b.DEPARTMENT))
    await house.finish(errands)
    assert len(house.deliveries()) == 1
    told = {(r.headers["vanthu-event"], r.headers.get("vanthu-reason")) for r in house.receipts()}
    assert ("ContentConsignmentFailure", "recipient-unknown") in told


async def test_a_full_queue_of_one_recipient_holds_up_no_other(house: House) -> None:
    house.broker.remove(f"vanthu.deliver.{b.DEPARTMENT}")
    _, errands = await house.pipeline.receive(house.arrival(b.DEPARTMENT, b.PROVINCE))
    await house.finish(errands)
    assert len(house.deliveries(b.PROVINCE)) == 1


# --- 10: state secrets ------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["type_name", "sphere", "subject"])
async def test_a_state_secret_is_refused_before_anything_of_it_is_stored(house: House, field: str) -> None:
    ticket, errands = await house.pipeline.receive(house.arrival(**{field: "Tối mật"}))
    await house.finish(errands)
    assert (ticket.door, ticket.reason) == (Door.REFUSED, "state-secret")
    assert "put" not in house.diary
    assert (await dossier_of(house, ticket)).submission.payload is None


async def test_without_a_whole_header_within_its_bound_nothing_is_stored(house: House) -> None:
    bound = Policy().limits.header_bytes
    ticket, _ = await house.pipeline.receive(house.arrival(subject="x" * bound))
    assert (ticket.door, ticket.reason) == (Door.REFUSED, "header-incomplete")
    assert "put" not in house.diary


async def test_an_upload_with_a_secrecy_mark_is_refused_on_its_head(house: House) -> None:
    body = house.arrival(subject="Công văn (MẬT)").payload.body
    assert body is not None
    with pytest.raises(Refused, match="state-secret"):
        house.pipeline.screen(body)
