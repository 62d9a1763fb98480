"""Whose turn it is: the most urgent first, round and round, never more than the share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.inspection.processes.turns import Turns
from gateway.errors import Unavailable
from gateway.model.envelope import Priority
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
        others = await turns.take(B)
    assert {*taken, others} == {"one", "two", "three"}
    assert not third.done()
    turns.give_back(taken[0], A)
    assert await third == taken[0]


async def test_the_place_that_was_used_last_is_taken_first() -> None:
    """Its process has what it needs at hand; the others may sleep."""
    turns = Turns(["one", "two", "three"], share=1, queue=10)
    first, second = await turns.take(A), await turns.take(B)
    turns.give_back(second, B)
    turns.give_back(first, A)
    assert [await turns.take(C), await turns.take(B)] == [first, second]


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


@pytest.mark.parametrize(
    ("asked", "order"),
    [
        (["a0", "b0", "a4"], ["a4", "b0", "a0"]),
        (["a0", "a1", "b2", "c3", "c4"], ["c4", "c3", "b2", "a1", "a0"]),
        (["a0", "b0", "a2", "b2", "a2"], ["a2", "b2", "a2", "b0", "a0"]),
        (["a1", "b1", "b1", "c1"], ["a1", "b1", "c1", "b1"]),
    ],
)
async def test_the_most_urgent_are_judged_first_and_parties_take_turns_within_a_degree(
    asked: Sequence[str], order: Sequence[str]
) -> None:
    turns = Turns(["place"], share=1, queue=10)
    place = await turns.take(PartyKey("z"))
    seen: list[str] = []

    async def ask(whom: str) -> None:
        async with turns.place(PartyKey(whom[0]), Priority(int(whom[1]))):
            seen.append(whom)

    tasks = [asyncio.create_task(ask(whom)) for whom in asked]
    await asyncio.sleep(0)
    turns.give_back(place, PartyKey("z"))
    await asyncio.gather(*tasks)
    assert seen == order


async def test_its_own_files_do_not_hold_up_an_agencys_express() -> None:
    turns = Turns(["one", "two", "three"], share=1, queue=10)
    await turns.take(A)
    ordinary = asyncio.create_task(turns.take(A))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await turns.take(A, max(Priority)) == "two"
    second = asyncio.create_task(turns.take(A, max(Priority)))
    await asyncio.sleep(0)
    assert turns.has_free
    assert [ordinary.done(), second.done()] == [False, False], "one beside the share, not more"
    for task in (ordinary, second):
        task.cancel()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from([A, B, C]), st.sampled_from(Priority)),
        st.tuples(st.just("give back"), st.integers(0, 9), st.just(Priority.ORDINARY)),
        st.tuples(st.just("cancel"), st.integers(0, 9), st.just(Priority.ORDINARY)),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(places=st.integers(1, 4), share=st.integers(1, 3), plan=steps)
def test_no_place_is_lost_none_is_given_twice_and_none_stays_empty_that_somebody_may_have(
    places: int, share: int, plan: list[tuple[str, PartyKey | int, Priority]]
) -> None:
    asyncio.run(_lived(places, share, plan))


async def _lived(places: int, share: int, plan: list[tuple[str, PartyKey | int, Priority]]) -> None:
    turns = Turns(list(range(places)), share=share, queue=1000)
    inside: list[tuple[int, PartyKey]] = []
    waiting: list[tuple[PartyKey, Priority, asyncio.Task[int]]] = []
    for what, whom, priority in plan:
        if what == "take":
            party = PartyKey(str(whom))
            waiting.append((party, priority, asyncio.create_task(turns.take(party, priority))))
        elif what == "give back" and inside:
            turns.give_back(*inside.pop(int(whom) % len(inside)))
        elif what == "cancel" and waiting:
            waiting.pop(int(whom) % len(waiting))[2].cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        inside += [(task.result(), party) for party, _, task in waiting if task.done()]
        waiting = [one for one in waiting if not one[2].done()]
        held = Counter(party for _, party in inside)
        assert len({place for place, _ in inside}) == len(inside) <= places
        assert all(count <= share + 1 for count in held.values())
        assert turns.has_free == (len(inside) < places)
        assert not turns.has_free or all(held[p] >= share + degree.is_urgent for p, degree, _ in waiting)
    for _, _, task in waiting:
        task.cancel()
