"""Whose turn it is: round and round, never more than the share."""

from __future__ import annotations

import asyncio

import pytest

from adapters.inspection.processes.turns import Turns
from gateway.errors import Unavailable
from gateway.model.ids import PartyKey

A, B, C = PartyKey("a"), PartyKey("b"), PartyKey("c")


async def test_parties_take_turns_however_much_one_has_waiting() -> None:
    turns = Turns(["place"], share=1, queue=10)
    order: list[str] = []

    async def ask(party: PartyKey) -> None:
        place = await turns.take(party)
        order.append(party)
        await asyncio.sleep(0)
        turns.give_back(place, party)

    await asyncio.gather(*(ask(party) for party in (A, A, A, A, B, B, C)))
    assert order == ["a", "b", "c", "a", "b", "a", "a"]


async def test_a_party_holds_no_more_than_its_share_while_places_are_free() -> None:
    turns = Turns(["one", "two", "three"], share=2, queue=10)
    taken = [await turns.take(A), await turns.take(A)]
    third = asyncio.create_task(turns.take(A))
    await asyncio.sleep(0)  # so that it asks before B does
    async with asyncio.timeout(5):
        assert await turns.take(B) == "three"
    assert not third.done()
    turns.give_back(taken[0], A)
    assert await third == "one"


async def test_whoever_gives_up_waiting_costs_no_place() -> None:
    turns = Turns(["place"], share=1, queue=10)
    place = await turns.take(A)
    waiting = asyncio.create_task(turns.take(B))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    turns.give_back(place, A)
    assert await turns.take(C) == "place"


async def test_a_place_given_to_one_who_just_gave_up_comes_back() -> None:
    turns = Turns(["place"], share=1, queue=10)
    place = await turns.take(A)
    waiting = asyncio.create_task(turns.take(B))
    await asyncio.sleep(0)
    turns.give_back(place, A)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await turns.take(C) == "place"


async def test_a_line_that_is_too_long_is_put_off() -> None:
    turns = Turns(["place"], share=1, queue=1)
    await turns.take(A)
    waiting = asyncio.create_task(turns.take(A))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too-busy"):
        await turns.take(A)
    waiting.cancel()


async def test_closing_tells_whoever_waits() -> None:
    turns = Turns(["place"], share=1, queue=9)
    await turns.take(A)
    waiting = asyncio.create_task(turns.take(B))
    await asyncio.sleep(0)
    turns.close()
    with pytest.raises(Unavailable, match="draining"):
        await waiting
