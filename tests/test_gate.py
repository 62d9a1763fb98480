"""Who is let in: a bound, a share for each party, the urgent first, and parties by turns."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.gate import Gate

A, B, C = "a", "b", "c"


async def entered(gate: Gate, *parties: str, priority: int = 0) -> list[asyncio.Task[None]]:
    """Everybody has knocked."""
    tasks = [asyncio.create_task(gate.enter(party, priority)) for party in parties]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_a_party_has_its_share_of_the_places_and_the_others_have_the_rest() -> None:
    gate = Gate(4, share=2)
    greedy = await entered(gate, A, A, A, A)
    assert [task.done() for task in greedy] == [True, True, False, False]
    others = await entered(gate, B, C)
    assert all(task.done() for task in others)
    gate.leave(B)
    assert (gate.free, greedy[2].done()) == (1, False), "what others leave is not for who has his share"
    gate.leave(A)
    await greedy[2]
    assert not greedy[3].done()
    greedy[3].cancel()


async def test_who_waits_enters_party_by_party_however_many_one_sends() -> None:
    gate = Gate(1)
    await gate.enter("first")
    order: list[str] = []

    async def pass_through(party: str) -> None:
        async with gate.place(party):
            order.append(party)

    tasks = [asyncio.create_task(pass_through(party)) for party in (A, A, A, A, B, B, C)]
    await asyncio.sleep(0)
    gate.leave("first")
    await asyncio.gather(*tasks)
    assert order == [A, B, C, A, B, A, A]


async def test_the_urgent_enter_first_and_one_of_a_party_beside_its_share() -> None:
    gate = Gate(3, share=1)
    ordinary = await entered(gate, A, A)
    urgent = await entered(gate, A, A, priority=2)
    assert [task.done() for task in (*ordinary, *urgent)] == [True, False, True, False]
    gate.leave(A)
    await asyncio.wait_for(urgent[1], 1)
    assert not ordinary[1].done()
    ordinary[1].cancel()


async def test_who_needs_all_places_gets_them_one_by_one_before_all_others() -> None:
    gate = Gate(3, share=1)
    await entered(gate, A, B, C)

    async def alone() -> None:
        async with gate.alone():
            assert gate.free == 0

    task = asyncio.create_task(alone())
    waiting = await entered(gate, "d")
    gate.leave(A)
    await asyncio.sleep(0)
    assert not task.done()
    gate.leave(B)
    await asyncio.wait_for(task, 1)
    await asyncio.wait_for(waiting[0], 1)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sampled_from([A, B, C]), st.integers(0, 2)),
        st.tuples(st.just("leave"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(0, 9), st.just(0)),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(places=st.integers(1, 5), share=st.integers(1, 3), plan=steps)
def test_no_place_is_lost_none_is_given_twice_and_none_stays_empty_that_somebody_may_have(
    places: int, share: int, plan: list[tuple[str, str | int, int]]
) -> None:
    asyncio.run(lived(Gate(places, share), places, share, plan))


async def lived(gate: Gate, places: int, share: int, plan: list[tuple[str, str | int, int]]) -> None:
    inside: list[str] = []
    waiting: list[tuple[str, int, asyncio.Task[None]]] = []
    for what, whom, priority in plan:
        if what == "enter":
            waiting.append((str(whom), priority, asyncio.create_task(gate.enter(str(whom), priority))))
        elif what == "leave" and inside:
            gate.leave(inside.pop(int(whom) % len(inside)))
        elif what == "cancel" and waiting:
            waiting.pop(int(whom) % len(waiting))[2].cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        inside += [party for party, _, task in waiting if task.done()]
        waiting = [w for w in waiting if not w[2].done()]
        held = Counter(inside)
        assert len(inside) + gate.free == places
        assert all(count <= share + 1 for count in held.values())
        assert not gate.free or all(held[p] >= share + (urgency > 0) for p, urgency, _ in waiting)
    for _, _, task in waiting:
        task.cancel()
