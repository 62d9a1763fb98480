"""A commune fetches its copy over HTTP: peek, lock, acknowledge."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.memory import FixedClock
from gateway.errors import Refused
from gateway.model.handover import InboxItem
from gateway.model.ids import PartyKey
from gateway.model.journey import HandOverState
from gateway.model.submission import Ticket
from tests.builders import COMMUNE
from tests.journey.chain import check_letters
from tests.journey.town import LABOUR, Town, a_town

ME = PartyKey(COMMUNE)
MINUTE = timedelta(minutes=1)
MONTH = timedelta(days=30)


async def a_waiting_item() -> tuple[Town, Ticket, InboxItem]:
    """A document that waits in the commune's inbox."""
    town = await a_town()
    ticket = await town.send(town.edoc(COMMUNE))
    await town.settle()
    (item,) = await town.inbox()
    return town, ticket, item


async def test_what_waits_is_read_locked_and_acknowledged_and_the_sender_is_told():
    town, ticket, item = await a_waiting_item()
    desk = town.lives[0].desk
    assert town.events(ticket, COMMUNE) == ["ContentConsignment"]
    locked = await desk.lock(ME, item.id, MINUTE)
    _, ref = await desk.content(ME, item.id)
    assert (ref.sha256, len(await town.vault.read(ref))) == (item.sha256, item.size)
    await desk.acknowledge(ME, item.id, locked.lock)
    await town.settle()
    assert town.events(ticket, COMMUNE) == ["ContentConsignment", "ContentHandover"]
    assert (await town.copy(ticket, COMMUNE)).state is HandOverState.HANDED_OVER
    assert await town.inbox() == []
    check_letters(town.receipts(about=ticket))


async def test_a_peek_changes_nothing():
    town, _, item = await a_waiting_item()
    for _ in range(3):
        assert list(await town.inbox()) == [item]


async def test_a_second_lock_is_refused_while_the_first_holds():
    town, _, item = await a_waiting_item()
    desk = town.lives[0].desk
    await desk.lock(ME, item.id, MINUTE)
    with pytest.raises(Refused, match="item-locked"):
        await desk.lock(ME, item.id, MINUTE)
    await town.advance(MINUTE)
    await desk.lock(ME, item.id, MINUTE)


async def test_a_lock_is_lost_after_its_time():
    town, ticket, item = await a_waiting_item()
    desk = town.lives[0].desk
    locked = await desk.lock(ME, item.id, MINUTE)
    await town.advance(MINUTE)
    with pytest.raises(Refused, match="lock-lost"):
        await desk.acknowledge(ME, item.id, locked.lock)
    again = await desk.lock(ME, item.id, MINUTE)
    with pytest.raises(Refused, match="lock-lost"):
        await desk.acknowledge(ME, item.id, locked.lock)
    assert (await town.copy(ticket, COMMUNE)).state is HandOverState.AVAILABLE
    await desk.acknowledge(ME, item.id, again.lock)
    assert (await town.copy(ticket, COMMUNE)).state is HandOverState.HANDED_OVER


@pytest.mark.parametrize("minutes", [-90, 2, 90])
async def test_a_worker_whose_clock_is_not_the_stores_acknowledges_under_a_lock_that_holds(minutes):
    town, ticket, item = await a_waiting_item()
    desk = town.lives[0].desk
    desk._shelf = replace(desk._shelf, clock=FixedClock(town.clock.now() + minutes * MINUTE))
    locked = await desk.lock(ME, item.id, MINUTE)
    await desk.acknowledge(ME, item.id, locked.lock)
    assert (await town.copy(ticket, COMMUNE)).state is HandOverState.HANDED_OVER


@pytest.mark.parametrize("lock", ["", "wrong", "ổ khoá"])
async def test_without_the_right_lock_nothing_is_acknowledged(lock):
    town, ticket, item = await a_waiting_item()
    desk = town.lives[0].desk
    with pytest.raises(Refused, match="lock-lost"):
        await desk.acknowledge(ME, item.id, lock)
    await desk.lock(ME, item.id, MINUTE)
    with pytest.raises(Refused, match="lock-lost"):
        await desk.acknowledge(ME, item.id, lock)
    assert (await town.copy(ticket, COMMUNE)).state is HandOverState.AVAILABLE


async def test_a_second_acknowledgement_is_harmless():
    town, ticket, item = await a_waiting_item()
    desk = town.lives[0].desk
    locked = await desk.lock(ME, item.id, MINUTE)
    for _ in range(3):
        await desk.acknowledge(ME, item.id, locked.lock)
        await town.settle()
    assert town.events(ticket, COMMUNE) == ["ContentConsignment", "ContentHandover"]
    with pytest.raises(Refused, match="item-taken"):
        await desk.lock(ME, item.id, MINUTE)


async def test_nobody_touches_the_item_of_another():
    town, _, item = await a_waiting_item()
    desk, other = town.lives[0].desk, PartyKey(LABOUR)
    assert await desk.peek(other, 10) == []
    for call in (
        desk.lock(other, item.id, MINUTE),
        desk.content(other, item.id),
        desk.acknowledge(other, item.id, "x"),
    ):
        with pytest.raises(Refused, match="not-found"):
            await call


async def test_an_item_of_an_expired_document_can_neither_be_seen_nor_locked():
    town, ticket, item = await a_waiting_item()
    await town.pass_time(MONTH)
    assert await town.inbox() == []
    with pytest.raises(Refused, match="delivery-expired"):
        await town.lives[0].desk.lock(ME, item.id, MINUTE)
    assert (await town.copy(ticket, COMMUNE)).state is HandOverState.EXPIRED
    assert town.events(ticket, COMMUNE) == ["ContentConsignment", "ContentHandoverFailure"]


async def test_an_acknowledgement_after_the_sender_was_told_of_the_expiry_is_refused():
    town, ticket, item = await a_waiting_item()
    desk = town.lives[0].desk
    await town.advance(MONTH - MINUTE)
    locked = await desk.lock(ME, item.id, 10 * MINUTE)
    await town.pass_time(MINUTE)
    with pytest.raises(Refused, match="delivery-expired"):
        await desk.acknowledge(ME, item.id, locked.lock)
    assert town.events(ticket, COMMUNE) == ["ContentConsignment", "ContentHandoverFailure"]


async def test_an_acknowledgement_just_in_time_is_an_end_that_the_deadline_respects():
    town, ticket, item = await a_waiting_item()
    desk = town.lives[0].desk
    await town.advance(MONTH - MINUTE)
    locked = await desk.lock(ME, item.id, 10 * MINUTE)
    await desk.acknowledge(ME, item.id, locked.lock)
    await town.pass_time(MINUTE)
    copy = await town.copy(ticket, COMMUNE)
    assert copy.state is HandOverState.HANDED_OVER
    assert town.events(ticket, COMMUNE)[:2] == ["ContentConsignment", "ContentHandover"]
    check_letters(town.receipts(about=ticket))


async def test_urgent_items_are_shown_first():
    town = await a_town()
    await town.send(town.edoc(COMMUNE, priority=None))
    await town.send(town.edoc(COMMUNE, priority=None, number=518), is_urgent=True)
    await town.settle()
    assert [item.is_urgent for item in await town.inbox()] == [True, False]
