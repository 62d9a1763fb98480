"""The contract of ``Usage``: the twin and the store in SQL on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.memory import FixedClock
from gateway.model.change import Change, WorkKind
from gateway.model.ids import PartyKey
from gateway.model.quota import Quota, Used
from tests.contract.conftest import AnyStore
from tests.contract.entries import some_work

A, B = PartyKey("000.00.01.H53"), PartyKey("000.00.02.H53")
QUOTA = Quota(bytes_per_day=86_400, documents_per_minute=60, urgent_per_minute=6)


async def test_who_has_drawn_nothing_has_used_nothing(store: AnyStore) -> None:
    assert await store.usage.look({A: QUOTA}) == {A: Used()}
    assert await store.usage.look({}) == {}
    assert await store.usage.draw({}) == {}


async def test_what_is_drawn_adds_up_for_each_party_alone(store: AnyStore) -> None:
    first = Used(bytes=100, documents=2, urgent=1)
    assert await store.usage.draw({A: (first, QUOTA), B: (Used(documents=5), QUOTA)}) == {
        A: first,
        B: Used(documents=5),
    }
    assert await store.usage.draw({A: (Used(bytes=1, documents=1), QUOTA)}) == {
        A: Used(bytes=101, documents=3, urgent=1)
    }
    assert await store.usage.look({B: QUOTA, A: QUOTA}) == {
        A: Used(bytes=101, documents=3, urgent=1),
        B: Used(documents=5),
    }


async def test_it_drains_a_whole_quota_in_its_period(store: AnyStore, clock: FixedClock) -> None:
    """ "drained until now at the pace of its quota": a day for bytes, a minute for the others."""
    await store.usage.draw({A: (Used(bytes=1000, documents=50, urgent=6), QUOTA)})
    clock.advance(timedelta(seconds=10))
    assert await store.usage.look({A: QUOTA}) == {A: Used(bytes=990, documents=40, urgent=5)}
    assert await store.usage.look({A: QUOTA}) == {A: Used(bytes=990, documents=40, urgent=5)}
    clock.advance(timedelta(seconds=50))
    assert await store.usage.draw({A: (Used(bytes=1), QUOTA)}) == {A: Used(bytes=941)}
    clock.advance(timedelta(days=1))
    assert await store.usage.look({A: QUOTA}) == {A: Used()}


async def test_what_no_quota_bounds_is_not_kept(store: AnyStore) -> None:
    await store.usage.draw({A: (Used(bytes=1000, documents=50), QUOTA)})
    assert await store.usage.look({A: Quota(documents_per_minute=60)}) == {A: Used(documents=50)}


async def test_a_clock_that_goes_back_drains_nothing_and_stops_nothing(
    store: AnyStore, clock: FixedClock
) -> None:
    await store.usage.draw({A: (Used(documents=50), QUOTA)})
    clock.advance(-timedelta(days=300))
    assert await store.usage.look({A: QUOTA}) == {A: Used(documents=50)}
    await store.usage.draw({A: (Used(documents=1), QUOTA)})
    clock.advance(timedelta(seconds=20))
    assert await store.usage.look({A: QUOTA}) == {A: Used(documents=31)}


async def test_what_is_given_back_is_no_credit(store: AnyStore) -> None:
    """ "Nothing sinks below 0"."""
    await store.usage.draw({A: (Used(bytes=10, documents=2, urgent=1), QUOTA)})
    back = Used(bytes=-11, documents=-1, urgent=-2)
    assert await store.usage.draw({A: (back, QUOTA)}) == {A: Used(documents=1)}


async def test_who_draws_nothing_changes_nothing_however_often(store: AnyStore, clock: FixedClock) -> None:
    quota = Quota(documents_per_minute=1)
    await store.usage.draw({A: (Used(documents=1), quota)})
    for _ in range(300):
        clock.advance(timedelta(milliseconds=100))
        used = await store.usage.draw({A: (Used(), quota)})
    assert used[A].documents == pytest.approx(0.5, abs=0.001)


async def test_all_who_draw_at_once_are_counted(store: AnyStore) -> None:
    quota = Quota(documents_per_minute=1_000)
    parties = [PartyKey(f"000.00.{n:02}.H53") for n in range(10)]
    draws = [
        store.usage.draw(
            {party: (Used(documents=1), quota) for party in (parties if n % 2 else parties[::-1])}
        )
        for n in range(20)
    ]
    await asyncio.gather(*draws)
    assert await store.usage.look(dict.fromkeys(parties, quota)) == dict.fromkeys(parties, Used(documents=20))


@pytest.mark.parametrize(("bound", "told"), [(5, 3), (None, 0)])
async def test_documents_that_are_not_decided_are_counted_where_a_quota_bounds_them(
    store: AnyStore, bound: int | None, told: int
) -> None:
    """ "``waiting`` is counted where a quota bounds it": documents alone, and its own."""
    work = [
        *(some_work(f"document:{n}", kind=WorkKind.DOCUMENT, line=A) for n in range(3)),
        some_work("document:other", kind=WorkKind.DOCUMENT, line=B),
        some_work("delivery:own", kind=WorkKind.DELIVERY, line=A),
    ]
    await store.ledger.commit(Change(work=tuple(work)))
    quota = Quota(documents_waiting=bound)
    assert await store.usage.look({A: quota}) == {A: Used(waiting=told)}
    assert await store.usage.draw({A: (Used(documents=1, waiting=7), quota)}) == {
        A: Used(documents=1, waiting=told)
    }
