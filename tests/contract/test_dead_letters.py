"""The contract of ``DeadLetters``: the twin and the store in SQL on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from gateway.errors import Reason
from gateway.model.change import AuditEntry, Change
from gateway.model.dead import DeadLetter, Place, Wanted
from gateway.model.ids import DocumentId, OrganCode, PartyKey
from gateway.model.journey import HandOverState, SubmissionState
from tests.builders import COMMUNE, DEPARTMENT, NOON, PROVINCE
from tests.contract.conftest import AnyStore
from tests.contract.entries import D1, D2, a_copy, accepted, an_event, registered

MINUTE = timedelta(minutes=1)
POISON = Reason("poison")
REFUSALS = frozenset({POISON, Reason("internal")})
D3 = DocumentId("0195d000-0000-7000-8000-000000000003")


async def the_dead(store: AnyStore, **wanted: Any) -> list[DeadLetter]:
    return [*await store.dead.dead_copies(Wanted(**wanted), None, 100)]


async def a_failed_copy(store: AnyStore) -> DeadLetter:
    """D1 whose copy for the department failed a minute after noon; the commune has its own."""
    copy = a_copy(state=HandOverState.FAILED, reason=Reason("delivery-rejected"), generation=2)
    fine = a_copy(recipient=COMMUNE, state=HandOverState.AVAILABLE)
    change = replace(accepted(), handovers=(copy, fine))
    late = an_event("ContentHandoverFailure", at=NOON + MINUTE, recipient=PartyKey(DEPARTMENT))
    await store.ledger.commit(replace(change, events=(late, an_event("later", at=NOON + 2 * MINUTE))))
    dossier = await store.ledger.load(D1)
    assert dossier is not None
    return DeadLetter(
        submission=dossier.submission,
        header=dossier.header,
        copy=dossier.of(PartyKey(DEPARTMENT)),
        died_at=NOON + MINUTE,
        times=2,
    )


async def test_a_copy_that_ended_without_success_is_a_dead_letter(store: AnyStore) -> None:
    """ "Copies that failed or expired, each with its document; times are the generations that have ended so"."""
    letter = await a_failed_copy(store)
    for state in set(HandOverState) - {HandOverState.FAILED, HandOverState.EXPIRED}:
        await store.ledger.commit(accepted(f"0195d000-0000-7000-8000-0000000001{ord(state[0])}", state=state))
    assert await the_dead(store) == [letter]


async def test_dead_letters_are_narrowed_by_everything_that_is_wanted(store: AnyStore) -> None:
    """ "All of which every part that is given holds"."""
    letter = await a_failed_copy(store)
    code = OrganCode("000.11.11.H53")
    renamed = a_copy(D2, state=HandOverState.EXPIRED, reason=Reason("delivery-expired"))
    renamed = replace(renamed, addressed_as=code)
    await store.ledger.commit(replace(accepted(D2), handovers=(renamed,)))
    (other,) = await the_dead(store, recipients=(code,))
    assert (other.copy, other.died_at) == (renamed, other.submission.received_at)
    for wanted in (
        {"document": D1},
        {"reason": "delivery-rejected"},
        {"since": NOON + MINUTE, "sender": PartyKey(PROVINCE)},
        {"until": NOON + 2 * MINUTE, "since": NOON + timedelta(seconds=1)},
    ):
        assert await the_dead(store, **wanted) == [letter], wanted
    for wanted in (
        {"document": D3},
        {"sender": PartyKey(COMMUNE)},
        {"reason": "queue-full"},
        {"recipients": (COMMUNE,)},
        {"since": NOON + 2 * MINUTE},
        {"document": D1, "until": NOON + MINUTE},
    ):
        assert await the_dead(store, **wanted) == [], wanted


async def test_a_list_goes_on_behind_its_last_line_in_both_directions(store: AnyStore) -> None:
    """ "By document and recipient, from behind *after* on"."""
    expected: list[tuple[str, str]] = []
    for document in (D2, D1):
        copies = [a_copy(document, r, state=HandOverState.FAILED) for r in (DEPARTMENT, COMMUNE)]
        await store.ledger.commit(replace(accepted(document), handovers=tuple(copies)))
        expected += [(document, c.recipient) for c in copies]
    for newest_first in (False, True):
        seen: list[tuple[str, str]] = []
        after: Place | None = None
        while page := await store.dead.dead_copies(Wanted(), after, 3, newest_first):
            seen += [(x.submission.document, x.copy.recipient) for x in page if x.copy]
            last = page[-1].copy
            assert last is not None
            after = Place(document=last.document, recipient=last.recipient)
        assert seen == sorted(expected, reverse=newest_first)


async def test_a_refused_submission_is_a_dead_letter_where_its_reason_is_wanted(store: AnyStore) -> None:
    """ "Submissions refused for one of ``wanted.refusals``; times are the deaths counted under their work"."""
    for document, reason in ((D1, "poison"), (D2, "internal"), (D3, "xml-malformed")):
        refused = registered(document, state=SubmissionState.REFUSED, reason=Reason(reason))
        told = an_event("refused", document, at=NOON + MINUTE)
        await store.ledger.commit(replace(refused, events=(told,)))
    for _ in range(3):
        await store.lives.died(f"document:{D1}")

    async def ask(
        after: Place | None = None, newest_first: bool = False, **wanted: Any
    ) -> Sequence[tuple[str, int]]:
        given = Wanted(**({"refusals": REFUSALS} | wanted))
        found = await store.dead.dead_submissions(given, after, 10, newest_first)
        assert all(x.died_at == NOON + MINUTE and x.copy is None for x in found)
        return [(x.submission.document, x.times) for x in found]

    assert await ask() == [(D1, 3), (D2, 0)]
    assert await ask(newest_first=True) == [(D2, 0), (D1, 3)]
    assert await ask(Place(document=D1)) == [(D2, 0)]
    assert await ask(reason=POISON, sender=PartyKey(PROVINCE), since=NOON + MINUTE) == [(D1, 3)]
    assert await ask(document=D2) == [(D2, 0)]
    assert await ask(recipients=(COMMUNE,)) == await ask(refusals=frozenset()) == []


async def test_whose_action_a_change_is_stands_in_its_commit(store: AnyStore) -> None:
    """ "``audit`` puts on record whose action this is": with the change, or not at all."""
    entry = AuditEntry(at=NOON, actor="lan", verb="replay", object=D1, outcome="generation 2")
    await store.ledger.commit(replace(registered(), audit=(entry,)))
    assert await store.records.notes() == [entry]
    stale = replace(registered(D2).submission, version=7)  # type: ignore[type-var]  # it is there
    await store.ledger.commit(Change(submission=stale, audit=(entry, entry)))
    assert await store.records.notes() == [entry]


async def test_a_replayed_copy_keeps_its_own_expiry(store: AnyStore) -> None:
    """ "``expires_at`` is then the copy's own"; ``None``: the document's."""
    await store.ledger.commit(accepted())
    later = replace(a_copy(), expires_at=NOON + MINUTE, generation=2, version=2)
    await store.ledger.commit(Change(handovers=(later,)))
    dossier = await store.ledger.load(D1)
    assert dossier is not None
    assert dossier.of(PartyKey(DEPARTMENT)) == later
