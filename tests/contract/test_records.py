"""The contract of ``Records``: the twin and the store in SQL on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import Reason
from gateway.model.change import AuditEntry, Change, Relation
from gateway.model.envelope import Business
from gateway.model.evidence import EventName
from gateway.model.ids import DocumentId, EvidenceId, OfficialId, PartyKey
from gateway.model.journey import SubmissionState
from tests.builders import COMMUNE, DEPARTMENT, NOON
from tests.contract.conftest import AnyStore
from tests.contract.entries import (
    D1,
    D2,
    ME,
    YOU,
    a_header,
    accepted,
    an_event,
    registered,
    some_evidence,
    some_work,
)

MINUTE = timedelta(minutes=1)


async def test_a_timeline_is_told_oldest_first(store: AnyStore) -> None:
    """ "The events of *document*, oldest first"; of one instant, in the order of writing."""
    events = (
        an_event("b", at=NOON + MINUTE),
        an_event("c", at=NOON + MINUTE, recipient=PartyKey(COMMUNE), reason=Reason("poison"), detail="Đ"),
        an_event("a", at=NOON),
        an_event("theirs", document=D2),
    )
    await store.ledger.commit(Change(events=events))
    await store.ledger.commit(Change(events=(an_event("d", at=NOON + MINUTE),)))
    told = await store.records.timeline(D1)
    assert told == [events[2], events[0], events[1], an_event("d", at=NOON + MINUTE)]
    assert await store.records.timeline(PartyKey("nothing")) == []  # type: ignore[arg-type]  # any text


async def test_evidence_is_told_acceptance_first_then_by_recipient_and_sequence(store: AnyStore) -> None:
    """ "Every evidence of *document* as issued: the acceptance first, then by recipient and sequence"."""
    in_order = [
        some_evidence(),
        *(some_evidence(recipient=r, sequence=n) for r in ("B", "a", "é") for n in (1, 2, 10)),
    ]
    await store.ledger.commit(Change(evidence=tuple(reversed(in_order))))
    await store.ledger.commit(Change(evidence=(some_evidence(D2),)))
    assert await store.records.evidence(D1) == in_order


async def test_evidence_comes_back_byte_by_byte(store: AnyStore) -> None:
    """ "One evidence as issued"; ``None`` where there is none."""
    body = bytes(range(256)) * 40
    record = some_evidence(
        body=body, event=EventName.SUBMISSION_REJECTION, reason=Reason("xml-malformed"), issued_at=NOON
    )
    await store.ledger.commit(Change(evidence=(record,)))
    assert await store.records.one_evidence(record.id) == record
    assert await store.records.one_evidence(EvidenceId("unknown")) is None


@pytest.mark.parametrize("text", [D1, f"m-{D1}", "517-2016", "517/QĐ-UBND", " 517/Q\u00d0-UBND "])
async def test_a_document_is_searched_by_any_of_its_names(store: AnyStore, text: str) -> None:
    """ "Documents whose id, message id, official id or full code is *text*"; as people write it."""
    await store.ledger.commit(accepted(D1))
    await store.ledger.commit(accepted(D2, official_id=OfficialId("x"), code="1/X"))
    assert await store.records.search(text) == [D1]


@pytest.mark.parametrize("text", ["", " ", "517", "%", "unknown", "a\0b"])
async def test_what_names_nothing_finds_nothing(store: AnyStore, text: str) -> None:
    """ "is *text*": whole, not a part of it."""
    await store.ledger.commit(accepted(D1, official_id=OfficialId("")))
    assert list(await store.records.search(text)) == []


async def test_several_documents_are_found_newest_first(store: AnyStore) -> None:
    """ "newest first", at most *limit*; each once, though it be found under two names."""
    for n, document in enumerate((D2, D1)):
        change = accepted(document, official_id=OfficialId("same"), code="same")
        assert change.submission is not None
        at = NOON + n * MINUTE
        await store.ledger.commit(replace(change, submission=replace(change.submission, received_at=at)))
    assert await store.records.search("same") == [D1, D2]
    assert await store.records.search("same", 1) == [D1]


async def test_what_is_undone_is_counted_by_kind(store: AnyStore) -> None:
    """ "How much work is undone, by kind; and ``waiting`` documents as ``waiting``"."""
    assert set((await store.records.waiting()).values()) == {0}
    await store.ledger.commit(Change(work=(some_work("delivery:x"), some_work("delivery:y"), some_work())))
    await store.ledger.commit(registered(D1, state=SubmissionState.WAITING))
    await store.ledger.commit(registered(D2))
    assert await store.records.waiting() == {
        "document": 1,
        "delivery": 2,
        "receipt": 0,
        "deadline": 0,
        "waiting": 1,
    }


async def test_actions_are_on_record_newest_first(store: AnyStore) -> None:
    """ "Put an operator's action on record"; "The latest actions on record, newest first"."""
    entries = [
        AuditEntry(at=NOON, actor="an", verb="drain", object=str(n), outcome="ok", detail="Đ")
        for n in range(5)
    ]
    for entry in entries:
        await store.records.note(entry)
    assert await store.records.notes() == entries[::-1]
    assert await store.records.notes(2) == entries[:-3:-1]


async def test_the_copies_of_a_party_are_told_newest_first(store: AnyStore) -> None:
    """``copies`` (beside the port): each with its document and header."""
    await store.ledger.commit(accepted(D1))
    await store.ledger.commit(accepted(D2))
    await store.ledger.commit(accepted("0195d000-0000-7000-8000-000000000003", COMMUNE))
    told = await store.records.copies(PartyKey(DEPARTMENT))
    assert [copy.document for _, copy in told] == [D2, D1]
    assert told[0][0].header == a_header(D2)
    assert [copy.document for _, copy in await store.records.copies(PartyKey(DEPARTMENT), 1)] == [D2]


async def test_relations_are_told_from_both_ends_and_written_once(store: AnyStore) -> None:
    """ "What *document* recalls, updates or replaces, and what does so to it: per recipient, oldest first"."""
    recipients = (PartyKey(COMMUNE), PartyKey(DEPARTMENT))
    third = DocumentId("0195d000-0000-7000-8000-000000000003")
    in_order = [
        *(
            Relation(document=D2, recipient=r, business=Business.REPLACE, other=D1)
            for r in sorted(recipients)
        ),
        Relation(document=third, recipient=recipients[0], business=Business.RECALL, other=D2),
    ]
    for _ in range(2):
        await store.ledger.commit(Change(relations=tuple(reversed(in_order))))
    assert list(await store.records.relations(D2)) == in_order
    assert list(await store.records.relations(D1)) == in_order[:2]
    assert list(await store.records.relations(third)) == in_order[2:]


async def test_who_has_how_much_in_hand_is_told(store: AnyStore) -> None:
    """ "How much work each owner has in hand; who has none is not named"."""
    assert await store.records.leased() == {}
    owners = (ME, ME, YOU, None)
    work = tuple(some_work(f"receipt:{n}", owner=owner) for n, owner in enumerate(owners))
    await store.ledger.commit(Change(work=work))
    assert await store.records.leased() == {ME: 2, YOU: 1}
    await store.lives.bury(ME)
    assert await store.records.leased() == {YOU: 1}
