"""The contract of ``Inboxes``: the twin and the store in SQL on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from adapters.memory import FixedClock
from gateway.model.change import Change, Committed, Stale
from gateway.model.envelope import Priority
from gateway.model.handover import InboxItem, ItemType
from gateway.model.ids import EvidenceId, PartyKey
from tests.builders import COMMUNE, DEPARTMENT, NOON
from tests.contract.conftest import AnyStore
from tests.contract.entries import an_item

MINUTE = timedelta(minutes=1)
BOX = PartyKey(COMMUNE)


async def put(store: AnyStore, *items: InboxItem) -> None:
    assert await store.ledger.commit(Change(items=items)) == Committed()


async def test_an_item_comes_back_as_it_was_put(store: AnyStore) -> None:
    """ "One item of *party*": every field, and the headers in their order."""
    item = an_item(
        type=ItemType.RECEIPT,
        headers=(("z", "Đã nhận"), ("a", "1"), ("z", "again")),
        payload=None,
        evidence=EvidenceId("e-1"),
        priority=Priority.URGENT,
        lock="token",
        locked_until=NOON + MINUTE,
        taken_at=NOON + timedelta(microseconds=7),
    )
    await put(store, item)
    assert await store.inboxes.item(BOX, item.id) == item


async def test_no_such_item_is_none(store: AnyStore) -> None:
    """ "``None`` where it has no such item": unknown, or another party's."""
    await put(store, an_item())
    assert await store.inboxes.item(BOX, "other") is None
    assert await store.inboxes.item(PartyKey(DEPARTMENT), "item-1") is None


async def test_two_parties_may_have_items_of_one_id(store: AnyStore) -> None:
    """An item belongs to its party."""
    await put(store, an_item(), an_item(party=PartyKey(DEPARTMENT), correlation="theirs"))
    mine = await store.inboxes.item(BOX, "item-1")
    assert mine == an_item()


async def test_a_peek_shows_urgent_items_first_then_the_oldest(store: AnyStore) -> None:
    """ "urgent first, then oldest"; at most *limit*."""
    await put(
        store,
        an_item("c", available_at=NOON - MINUTE),
        an_item("e", available_at=NOON),
        an_item("d", available_at=NOON),
        an_item("b", available_at=NOON, priority=Priority.URGENT),
        an_item("a", available_at=NOON - MINUTE, priority=Priority.URGENT),
        an_item("theirs", party=PartyKey(DEPARTMENT)),
    )
    assert [i.id for i in await store.inboxes.peek(BOX, 10)] == ["a", "b", "c", "d", "e"]
    assert [i.id for i in await store.inboxes.peek(BOX, 3)] == ["a", "b", "c"]
    assert await store.inboxes.peek(BOX, 0) == []


async def test_a_peek_shows_the_more_urgent_before_the_less(store: AnyStore) -> None:
    """ "the most urgent first"; and the degree comes back as it was put."""
    await put(store, *(an_item(str(p), available_at=NOON - (5 - p) * MINUTE, priority=p) for p in Priority))
    assert [i.priority for i in await store.inboxes.peek(BOX, 10)] == sorted(Priority, reverse=True)


async def test_a_peek_leaves_out_what_was_taken_or_has_expired(store: AnyStore, clock: FixedClock) -> None:
    """ "Items of *party* not yet taken nor expired"; they can still be asked for."""
    await put(store, an_item("taken"), an_item("short", expires_at=NOON + MINUTE), an_item("left"))
    await put(store, an_item("taken", taken_at=NOON, version=2))
    assert [i.id for i in await store.inboxes.peek(BOX, 10)] == ["left", "short"]
    clock.advance(MINUTE)
    assert [i.id for i in await store.inboxes.peek(BOX, 10)] == ["left"]
    for id in ("taken", "short"):
        assert await store.inboxes.item(BOX, id) is not None


async def test_a_peek_shows_locked_items_too(store: AnyStore) -> None:
    """ "locked ones too"; a peek touches nothing."""
    await put(store, an_item())
    held = await store.inboxes.lock(BOX, "item-1", "token", MINUTE)
    assert await store.inboxes.peek(BOX, 10) == [held]
    assert await store.inboxes.peek(BOX, 10) == [held]


async def test_a_lock_holds_for_its_time(store: AnyStore, clock: FixedClock) -> None:
    """ "Lock the item under the token *lock*; ``None`` where another lock still holds"."""
    await put(store, an_item())
    held = await store.inboxes.lock(BOX, "item-1", "first", MINUTE)
    assert held == an_item(lock="first", locked_until=NOON + MINUTE, version=2)
    assert await store.inboxes.item(BOX, "item-1") == held
    clock.advance(MINUTE - timedelta(microseconds=1))
    assert await store.inboxes.lock(BOX, "item-1", "second", MINUTE) is None
    clock.advance(timedelta(microseconds=1))
    again = await store.inboxes.lock(BOX, "item-1", "second", MINUTE)
    assert again == an_item(lock="second", locked_until=NOON + 2 * MINUTE, version=3)


async def test_of_a_lock_whose_time_is_over_nothing_is_told(store: AnyStore, clock: FixedClock) -> None:
    """ "``locked_until`` tells of a lock that holds, by the store's clock"."""
    await put(store, an_item())
    held = await store.inboxes.lock(BOX, "item-1", "first", MINUTE)
    assert held is not None
    clock.advance(MINUTE)
    assert await store.inboxes.item(BOX, "item-1") == replace(held, locked_until=None)


async def test_the_holder_may_lock_again_for_longer(store: AnyStore) -> None:
    """ "*another* lock": one's own does not stand in the way."""
    await put(store, an_item())
    await store.inboxes.lock(BOX, "item-1", "mine", MINUTE)
    longer = await store.inboxes.lock(BOX, "item-1", "mine", 5 * MINUTE)
    assert longer == an_item(lock="mine", locked_until=NOON + 5 * MINUTE, version=3)


async def test_what_is_taken_or_unknown_cannot_be_locked(store: AnyStore) -> None:
    """ "or it is taken"."""
    await put(store, an_item(taken_at=NOON))
    assert await store.inboxes.lock(BOX, "item-1", "token", MINUTE) is None
    assert await store.inboxes.lock(BOX, "unknown", "token", MINUTE) is None
    assert await store.inboxes.lock(PartyKey(DEPARTMENT), "item-1", "token", MINUTE) is None


async def test_of_many_who_lock_at_once_one_gets_the_lock(store: AnyStore) -> None:
    """Two fetches of one item never both hold it."""
    await put(store, an_item())
    locks = await asyncio.gather(*(store.inboxes.lock(BOX, "item-1", f"t{n}", MINUTE) for n in range(12)))
    assert len([held for held in locks if held]) == 1


async def test_an_acknowledgement_under_a_lost_lock_is_stale(store: AnyStore, clock: FixedClock) -> None:
    """Locking counts as a version, so that whoever read the item before can't acknowledge it any more."""
    await put(store, an_item())
    first = await store.inboxes.lock(BOX, "item-1", "first", MINUTE)
    assert first is not None
    clock.advance(MINUTE)
    second = await store.inboxes.lock(BOX, "item-1", "second", MINUTE)
    assert second is not None
    for held, outcome in ((first, Stale()), (second, Committed())):
        taken = replace(held, taken_at=clock.now(), version=held.version + 1)
        assert await store.ledger.commit(Change(items=(taken,))) == outcome
