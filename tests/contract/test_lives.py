"""The contract of ``Lives``: the twin and the store in SQL on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from adapters.memory import FixedClock
from gateway.model.change import Change, Fence, Stale
from tests.contract.conftest import AnyStore
from tests.contract.entries import ME, YOU, an_event, some_work

MINUTE = timedelta(minutes=1)


async def test_a_beat_keeps_what_was_leased(store: AnyStore, clock: FixedClock) -> None:
    """ "*owner* lives for *lasting* from now on; what it leased stays its own for as long"."""
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work(owner=ME),)))
    for _ in range(3):
        clock.advance(MINUTE - timedelta(microseconds=1))
        assert await store.ledger.lease(YOU, 10) == []
        await store.lives.beat(ME, MINUTE)
    clock.advance(MINUTE)
    assert len(await store.ledger.lease(YOU, 10)) == 1


async def test_a_beat_may_shorten_a_life(store: AnyStore, clock: FixedClock) -> None:
    """ "from now on": the last beat counts."""
    await store.lives.beat(ME, 10 * MINUTE)
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work(owner=ME),)))
    clock.advance(MINUTE)
    assert len(await store.ledger.lease(YOU, 10)) == 1


async def test_a_beat_after_death_begins_a_new_life(store: AnyStore, clock: FixedClock) -> None:
    """What was leased in the life that ended is free, even if nobody has taken it yet."""
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work(owner=ME),)))
    clock.advance(2 * MINUTE)
    await store.lives.beat(ME, MINUTE)
    fence = Fence(key=some_work().key, owner=ME)
    assert await store.ledger.commit(Change(fence=fence, events=(an_event(),))) == Stale()
    assert [w.owner for w in await store.ledger.lease(ME, 10)] == [ME]


async def test_the_work_of_the_buried_is_free_at_once(store: AnyStore) -> None:
    """ "*owner* is dead: what it leased is free at once"."""
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work(owner=ME),)))
    await store.lives.bury(ME)
    fence = Fence(key=some_work().key, owner=ME)
    assert await store.ledger.commit(Change(fence=fence, forgets=(fence.key,))) == Stale()
    assert len(await store.ledger.lease(YOU, 10)) == 1


async def test_what_the_buried_still_writes_is_found(store: AnyStore, clock: FixedClock) -> None:
    """A change that was on its way when its owner was buried leaves nothing behind that nobody leases."""
    await store.lives.beat(ME, MINUTE)
    await store.lives.bury(ME)
    await store.ledger.commit(Change(work=(some_work(owner=ME),)))
    clock.advance(MINUTE)
    assert len(await store.ledger.lease(YOU, 10)) == 1


async def test_the_long_dead_are_forgotten_with_nothing_left(store: AnyStore, clock: FixedClock) -> None:
    """However long an owner is dead, its work is found."""
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work(owner=ME),)))
    clock.advance(timedelta(days=400))
    assert len(await store.ledger.lease(YOU, 10)) == 1


async def test_burying_an_unknown_owner_is_no_error(store: AnyStore) -> None:
    """ "Unknown owners are no error"; nor is a second burial."""
    await store.lives.bury(ME)
    await store.lives.bury(ME)


async def test_the_buried_may_live_again(store: AnyStore) -> None:
    """A beat is a beat."""
    await store.lives.bury(ME)
    await store.lives.beat(ME, MINUTE)
    await store.ledger.commit(Change(work=(some_work(owner=ME),)))
    assert await store.ledger.lease(YOU, 10) == []


async def test_deaths_are_counted_by_key(store: AnyStore) -> None:
    """ "Count one more death under *key* and answer how many there are now"."""
    assert [await store.lives.died("a") for _ in range(3)] == [1, 2, 3]
    assert await store.lives.died("b") == 1


async def test_a_count_of_deaths_begins_where_it_is_told_to(store: AnyStore) -> None:
    """ "The count begins at *first*": what is there already counts on."""
    assert [await store.lives.died("a", first=n) for n in (3, 9)] == [3, 4]


async def test_no_death_is_lost_when_many_are_counted_at_once(store: AnyStore) -> None:
    """Each answer is the count at its moment."""
    counts = await asyncio.gather(*(store.lives.died("a") for _ in range(30)))
    assert sorted(counts) == list(range(1, 31))
