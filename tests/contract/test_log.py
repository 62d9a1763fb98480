"""The contract of ``Log`` and ``LogRecords``: the twin and the store in SQL on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import delete

from adapters.memory import MemoryStore
from adapters.store import tables
from gateway.model.change import Change, Committed
from gateway.model.evidence import EvidenceRecord
from gateway.model.ids import DocumentId, EvidenceId, Owner
from gateway.model.log import HeadRecord
from gateway.model.merkle import EMPTY, Frontier, is_consistent, is_included, leaf_hash
from tests.builders import COMMUNE, NOON
from tests.contract.conftest import AnyStore
from tests.contract.entries import D1, D2, some_evidence

FIRST, SECOND = Owner("first"), Owner("second")
LONG = timedelta(minutes=1)


def pieces(count: int, begin: int = 0) -> tuple[EvidenceRecord, ...]:
    """Evidence by number; ids do not sort as the numbers do."""
    made = []
    for n in range(begin, begin + count):
        body = f"<Evidence>{n}</Evidence>".encode()
        one = replace(some_evidence(), id=EvidenceId(f"{sha256(body).hexdigest()[:8]}-{n}"), sequence=n)
        made.append(replace(one, body=body, sha256=sha256(body).hexdigest()))
    return tuple(made)


async def issue(store: AnyStore, *evidence: EvidenceRecord) -> None:
    assert await store.ledger.commit(Change(evidence=evidence)) == Committed()


async def led(store: AnyStore, owner: Owner = FIRST) -> int:
    await store.lives.beat(owner, LONG)
    term = await store.log.lead(owner)
    assert term is not None
    return term


async def number_all(store: AnyStore, term: int, step: int = 1000) -> None:
    while batch := await store.log.waiting(step):
        assert await store.log.append(term, (await store.log_records.state()).size, batch)


async def a_head(store: AnyStore, name: str = "head") -> HeadRecord:
    state = await store.log_records.state()
    body = f"<{name} {state.size}>".encode()
    return HeadRecord(
        size=state.size, root=state.root, signed_at=NOON, sha256=sha256(body).hexdigest(), body=body
    )


async def test_an_empty_log_has_the_empty_root(store: AnyStore) -> None:
    state = await store.log_records.state()
    assert (state.size, state.root, state.waiting, state.oldest, state.head) == (
        0,
        EMPTY.hex(),
        0,
        None,
        None,
    )
    assert await store.log.waiting(10) == []


async def test_evidence_waits_in_the_order_in_which_it_was_issued(store: AnyStore) -> None:
    """ "Along every chain": by the commits, and within one as the change has it."""
    first, second = pieces(7), pieces(3, begin=7)
    await issue(store, *first)
    await issue(store, *second)
    waiting = await store.log.waiting(100)
    assert [one.evidence for one in waiting] == [e.id for e in (*first, *second)]
    assert [one.leaf for one in waiting] == [leaf_hash(e.body) for e in (*first, *second)]
    assert [one.evidence for one in await store.log.waiting(4)] == [e.id for e in first[:4]]
    state = await store.log_records.state()
    assert (state.waiting, state.oldest) == (10, first[0].issued_at)


async def test_one_owner_leads_while_it_lives(store: AnyStore) -> None:
    term = await led(store, FIRST)
    await store.lives.beat(SECOND, LONG)
    assert await store.log.lead(SECOND) is None
    assert await store.log.lead(FIRST) == term


async def test_of_two_who_ask_at_once_one_leads(store: AnyStore) -> None:
    for owner in (FIRST, SECOND):
        await store.lives.beat(owner, LONG)
    answers = await asyncio.gather(store.log.lead(FIRST), store.log.lead(SECOND))
    assert sorted(answer is None for answer in answers) == [False, True]


async def test_who_follows_a_dead_owner_gets_a_later_term(store: AnyStore) -> None:
    term = await led(store, FIRST)
    await store.lives.bury(FIRST)
    assert await led(store, SECOND) > term
    await store.lives.beat(FIRST, LONG)
    assert await store.log.lead(FIRST) is None


async def test_numbers_are_gap_free_and_never_change(store: AnyStore) -> None:
    """Also where a batch is written twice, with an old size, or by who leads no more."""
    term = await led(store)
    made = pieces(5)
    await issue(store, *made[:3])
    batch = await store.log.waiting(10)
    assert await store.log.append(term, 0, batch)
    assert not await store.log.append(term, 0, batch), "the log has another size"
    await issue(store, *made[3:])
    late = await store.log.waiting(10)
    await store.lives.bury(FIRST)
    successor = await led(store, SECOND)
    assert not await store.log.append(term, 3, late), "the term is over"
    assert await store.log.append(successor, 3, late)
    entries = await store.log_records.entries(0, 100)
    assert [leaf.number for leaf, _ in entries] == [0, 1, 2, 3, 4]
    assert [leaf.evidence for leaf, _ in entries] == [e.id for e in made]
    assert [e for _, e in entries] == list(made)
    assert await store.log.waiting(10) == []


@pytest.mark.parametrize("step", [1, 3, 300, 1000])
async def test_the_tree_is_that_of_the_bodies_however_it_grew(store: AnyStore, step: int) -> None:
    """Over the edge of a kept block of 256, too."""
    count = 7 if step < 100 else 700
    term = await led(store)
    made = pieces(count)
    await issue(store, *made)
    await number_all(store, term, step)
    frontier, _ = Frontier().add_all(leaf_hash(e.body) for e in made)
    assert (await store.log_records.state()).root == frontier.root.hex()


async def test_every_leaf_and_every_earlier_size_can_be_proved(store: AnyStore) -> None:
    term = await led(store)
    made = pieces(600)
    await issue(store, *made)
    await number_all(store, term)
    frontier, roots = Frontier(), [EMPTY]
    for piece in made:
        frontier, _ = frontier.add(leaf_hash(piece.body))
        roots.append(frontier.root)
    records = store.log_records
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 600):
        numbers = sorted({0, size // 2, size - 1})
        for number, proof in (await records.inclusion(numbers, size)).items():
            assert is_included(leaf_hash(made[number].body), number, size, proof, roots[size])
        proof = await records.consistency(size, 600)
        assert is_consistent(size, 600, proof, roots[size], roots[600])
    with pytest.raises(ValueError, match="not in a tree"):
        await records.inclusion([600], 600)


async def test_places_are_told_of_what_has_one(store: AnyStore) -> None:
    term = await led(store)
    made = pieces(3)
    await issue(store, *made[:2])
    await number_all(store, term)
    await issue(store, made[2])
    places = await store.log_records.places([e.id for e in made])
    assert {it: leaf.number for it, leaf in places.items()} == {made[0].id: 0, made[1].id: 1}


async def test_what_waits_nowhere_is_adopted_once(store: AnyStore) -> None:
    """An older version of us wrote it, which knew no queue."""
    term = await led(store)
    made = pieces(5)
    await issue(store, *made[:2])
    await number_all(store, term)
    await issue(store, *made[2:4])
    await without_queue(store)
    await issue(store, made[4])
    for _ in range(2):
        after: EvidenceId | None = EvidenceId("")
        pages = 0
        while after is not None:
            after = await store.log.adopt(after, 2)
            pages += 1
        assert pages == 4
        assert {one.evidence for one in await store.log.waiting(9)} == {e.id for e in made[2:]}
    await number_all(store, term)
    assert (await store.log_records.state()).size == 5


async def without_queue(store: AnyStore) -> None:
    """Nothing waits, as where an older version wrote."""
    if isinstance(store, MemoryStore):
        store.log._queue.clear()
    else:
        await store._writer.call(lambda connection: connection.execute(delete(tables.unnumbered)).rowcount)


async def test_documents_with_evidence_are_told_by_id_a_page_at_a_time(store: AnyStore) -> None:
    await issue(store, some_evidence(D2), some_evidence(D1), some_evidence(D1, COMMUNE, 1))
    assert await store.log_records.documents(DocumentId(""), 10) == [D1, D2]
    assert await store.log_records.documents(D1, 10) == [D2]
    assert await store.log_records.documents(DocumentId(""), 1) == [D1]


async def test_heads_are_kept_and_told_in_their_order(store: AnyStore) -> None:
    term = await led(store)
    kept = []
    for number in range(3):
        await issue(store, *pieces(1, begin=number))
        await number_all(store, term)
        kept.append(await a_head(store))
        assert await store.log.publish(term, kept[-1])
    told = await store.log_records.heads(0, 10)
    assert [head for _, head in told] == kept
    assert [head for _, head in await store.log_records.heads(told[0][0], 1)] == [kept[1]]
    assert (await store.log_records.state()).head == kept[-1]


async def test_a_head_of_another_size_or_term_is_not_kept(store: AnyStore) -> None:
    term = await led(store)
    await issue(store, *pieces(2))
    early = await a_head(store)
    await number_all(store, term)
    assert not await store.log.publish(term, early)
    await store.lives.bury(FIRST)
    await led(store, SECOND)
    assert not await store.log.publish(term, await a_head(store))
    assert await store.log_records.heads(0, 10) == []


async def test_of_heads_over_one_size_the_first_stays(store: AnyStore) -> None:
    """An idle log signs a head every minute and grows by one; one that somebody had stamped stays, too."""
    term = await led(store)
    heads = [await a_head(store, f"head-{n}") for n in range(5)]
    for n, head in enumerate(heads):
        assert await store.log.publish(term, head)
        if n == 2:
            await store.log.stamp(head, b"token")
    kept = [head.sha256 for _, head in await store.log_records.heads(0, 10)]
    assert kept == [heads[n].sha256 for n in (0, 2, 4)]
    assert await store.log.unstamped() == heads[0]
    await issue(store, *pieces(1))
    await number_all(store, term)
    grown = await a_head(store)
    assert await store.log.publish(term, grown)
    kept = [head.sha256 for _, head in await store.log_records.heads(0, 10)]
    assert kept == [heads[0].sha256, heads[2].sha256, grown.sha256]


async def test_the_newest_head_is_stamped_first_and_the_first_stamp_stays(store: AnyStore) -> None:
    term = await led(store)
    heads = []
    for number in range(2):
        await issue(store, *pieces(1, begin=number))
        await number_all(store, term)
        heads.append(await a_head(store))
        await store.log.publish(term, heads[-1])
    assert await store.log.unstamped() == heads[1]
    await store.log.stamp(heads[1], b"token")
    await store.log.stamp(heads[1], b"another")
    assert await store.log.unstamped() == heads[0]
    assert (await store.log_records.state()).head == replace(heads[1], stamp=b"token")
    await store.log.stamp(replace(heads[0], sha256="0" * 64), b"token")
    assert await store.log.unstamped() == heads[0]


async def test_the_head_to_prove_with_is_the_first_that_is_stamped_or_the_first(store: AnyStore) -> None:
    term = await led(store)
    heads = []
    for number in range(4):
        await issue(store, *pieces(1, begin=number))
        await number_all(store, term)
        heads.append(await a_head(store))
        await store.log.publish(term, heads[-1])
    records = store.log_records
    assert [await records.head_over(size) for size in (1, 2, 4, 5)] == [*heads[:2], heads[3], None]
    await store.log.stamp(heads[2], b"token")
    stamped = replace(heads[2], stamp=b"token")
    assert [await records.head_over(size) for size in (1, 2, 3, 4)] == [stamped, stamped, stamped, heads[3]]


async def test_a_wish_for_a_head_lasts_until_one_is_kept(store: AnyStore) -> None:
    term = await led(store)
    assert not (await store.log_records.state()).is_wanted
    await store.log_records.want()
    assert (await store.log_records.state()).is_wanted
    await store.log.publish(term, await a_head(store))
    assert not (await store.log_records.state()).is_wanted
