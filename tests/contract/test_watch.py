"""The contract of ``Watch``: the twin and the store in SQL on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gateway.errors import Reason
from gateway.model.change import Change, Postponed
from gateway.model.ids import DocumentId, PartyKey
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.stuck import Page, Stray, Undone
from tests.builders import NOON, a_submission
from tests.contract.conftest import AnyStore
from tests.contract.entries import D1, D2, ME, YOU, a_copy, registered, some_work

D3 = DocumentId("0195d000-0000-7000-8000-000000000003")
HOUR = timedelta(hours=1)


async def test_the_held_are_all_that_an_owner_has_and_nothing_else(store: AnyStore) -> None:
    """ "The keys of the work that is leased to *owner*"."""
    work = [some_work(f"delivery:{n}", owner=owner) for n, owner in enumerate((ME, YOU, None, ME))]
    await store.ledger.commit(Change(work=tuple(work)))
    assert sorted(await store.watch.held(ME)) == ["delivery:0", "delivery:3"]


async def test_strays_are_undone_and_without_work(store: AnyStore) -> None:
    """ "What is undone without work that would do it"."""
    await store.ledger.commit(replace(registered(D1), work=(some_work(),)))
    await store.ledger.commit(registered(D2))
    await store.ledger.commit(registered(D3))
    states = (HandOverState.PENDING, HandOverState.PENDING, HandOverState.AVAILABLE, HandOverState.EXPIRED)
    copies = [a_copy(D3, f"r{n}", state=state) for n, state in enumerate(states)]
    decided = a_submission(document=D3, message_id=f"m-{D3}", state=SubmissionState.ACCEPTED, version=2)
    work = some_work(f"delivery:{copies[0].delivery}")
    await store.ledger.commit(Change(submission=decided, handovers=tuple(copies), work=(work,)))
    lost = (Stray(document=D2), Stray(document=D3, recipient=PartyKey("r1")))
    assert await store.watch.strays(DocumentId(""), 10) == Page(strays=lost)
    assert await store.watch.strays(D2, 10) == Page(strays=lost[1:])


async def test_strays_come_by_pages_of_documents(store: AnyStore) -> None:
    """ "among *limit* documents by id from behind *after* on"; ``last`` is ``None`` at the end."""
    for document in (D1, D2, D3):
        await store.ledger.commit(registered(document))
    first = await store.watch.strays(DocumentId(""), 2)
    assert first == Page(strays=(Stray(document=D1), Stray(document=D2)), last=D2)
    assert await store.watch.strays(D2, 2) == Page(strays=(Stray(document=D3),))
    assert await store.watch.strays(D3, 2) == Page()


async def test_the_undone_tells_since_when_and_why(store: AnyStore) -> None:
    """ "of documents received before *before*; of the oldest documents first"; deadlines apart."""
    young, old = some_work(f"document:{D1}"), some_work(f"document:{D2}", document=D2, attempts=3)
    deadline = some_work(f"deadline:{D2}", document=D2)
    await store.ledger.commit(replace(registered(D1, received_at=NOON), work=(young,)))
    await store.ledger.commit(replace(registered(D2, received_at=NOON - HOUR), work=(old, deadline)))
    put_off = Postponed(key=old.key, due_at=NOON, reason=Reason("judge-away"), is_sure=True)
    await store.ledger.commit(Change(postponed=(put_off,)))
    oldest = Undone(work=replace(old, due_at=NOON, sure=1), since=NOON - HOUR, reason=Reason("judge-away"))
    assert list(await store.watch.undone(NOON, 10)) == [oldest]
    assert list(await store.watch.undone(NOON + HOUR, 10)) == [oldest, Undone(work=young, since=NOON)]
    assert list(await store.watch.undone(NOON + HOUR, 1)) == [oldest]
