"""A drain: nothing new is begun, what is in hand is finished or given back, and the store shows that nobody has any."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.errors import Unavailable
from gateway.model.handover import Delivery
from gateway.model.journey import HandOverState, SubmissionState
from tests.builders import COMMUNE
from tests.journey.town import HEALTH, LABOUR, Town, a_town

NO_TIME = timedelta()
LONG = timedelta(minutes=1)


async def test_a_drained_worker_finishes_what_is_in_hand_and_holds_no_lease():
    town = await a_town()
    tickets = [await town.send(town.edoc(LABOUR, HEALTH, COMMUNE, number=n)) for n in range(5)]
    assert town.lives[0].worker.in_hand > 0
    assert await town.lives[0].worker.drain(LONG) == 0
    assert town.lives[0].worker.in_hand == 0
    assert await town.store.leased() == {}
    for ticket in tickets:
        assert (await town.dossier(ticket)).submission.state is SubmissionState.ACCEPTED, "finished"
    assert town.deliveries(LABOUR) == [], "what follows waits in the store"
    town.lives[0].worker.resume()
    await town.settle()
    assert len(town.deliveries(LABOUR)) == len(tickets)


async def test_what_can_not_be_finished_in_time_is_given_back_and_brought_once_under_its_id():
    town = await a_town()
    town.outlet.before.close()
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    assert await town.store.leased() != {}
    assert await town.lives[0].worker.drain(NO_TIME) > 0
    assert await town.store.leased() == {}
    town.outlet.before.lift()
    await town.settle()
    assert town.deliveries(LABOUR) == [], "a drained worker begins nothing"
    assert town.lives[0].worker.in_hand == 0
    town.lives[0].worker.resume()
    await town.settle()
    assert len(town.deliveries(LABOUR)) == 1
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.AVAILABLE
    assert await town.open_work() == 0


async def test_a_drained_worker_takes_nothing_in_until_it_resumes():
    town = await a_town()
    worker = town.lives[0].worker
    await worker.drain(NO_TIME)
    with pytest.raises(Unavailable, match="draining"):
        await town.send(town.edoc(LABOUR))
    assert await worker.tick() is False
    worker.resume()
    await town.send(town.edoc(LABOUR))
    await town.settle()
    assert len(town.deliveries(LABOUR)) == 1


async def test_what_was_being_leased_when_the_drain_began_is_not_left_in_hand():
    """The lease is on its way to the store when the word comes: what it brings is begun, or given back."""
    town = await a_town()
    town.outlet.before.close()
    await town.send(town.edoc(LABOUR, HEALTH))
    await town.settle()
    await town.lives[0].worker.drain(NO_TIME)
    town.outlet.before.lift()
    other = await town.begin_life("second")
    leasing = asyncio.create_task(other.worker.tick())
    await asyncio.sleep(0)
    await other.worker.drain(LONG)
    await leasing
    assert await town.store.leased() == {}
    assert other.worker.in_hand == 0
    for life in town.lives:
        life.worker.resume()
    await town.settle()
    handed = [p.id for p in town.outlet.handed if isinstance(p, Delivery)]
    assert len(set(handed)) == 2
    assert len(town.deliveries(LABOUR)) == len(town.deliveries(HEALTH)) == 1


async def test_who_goes_on_meanwhile_is_not_disturbed():
    """Of two workers one drains: the other takes over what was given back."""
    town: Town = await a_town()
    other = await town.begin_life("second")
    town.outlet.before.close()
    await town.send(town.edoc(LABOUR))
    await town.settle()
    town.outlet.before.let_others_by()
    await town.lives[0].worker.drain(NO_TIME)
    town.outlet.before.lift()
    await town.settle()
    assert len(town.deliveries(LABOUR)) == 1
    assert set(await town.store.leased()) <= {other.owner}
