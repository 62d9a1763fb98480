"""Numbering beside the exchange: one leads, crashes leave nothing to be mended, heads come every minute."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.memory import MemoryVault
from adapters.signing import Standing, verify_head
from gateway.errors import Unavailable
from gateway.model.ids import Owner
from gateway.model.log import HeadRecord, TreeHead
from gateway.model.merkle import Frontier, leaf_hash
from gateway.sequencer import Rhythm, Sequencer
from tests.contract.conftest import AnyStore, clock, store, store_database, store_file  # noqa: F401 - fixtures
from tests.contract.test_log import without_queue
from tests.evidence.desk import LIFE, Desk, a_notary
from tests.pki import pki

OTHER = Owner("life-2")
MINUTE, LONG = timedelta(minutes=1), timedelta(hours=9)


@pytest.fixture
async def desk(store: AnyStore, tmp_path: Path) -> Desk:  # noqa: F811 - fixture
    """A document of two recipients, seven pieces of evidence; two lives."""
    made = Desk(store, MemoryVault(), a_notary(tmp_path / "keys"))
    await made.document()
    for life in (LIFE, OTHER):
        await store.lives.beat(life, LONG)
    return made


async def numbers_of(desk: Desk) -> list[int]:
    return [leaf.number for leaf, _ in await desk.store.log_records.entries(0, 1000)]


async def test_evidence_gets_its_number_and_the_head_commits_to_it(desk: Desk) -> None:
    await desk.number()
    entries = await desk.store.log_records.entries(0, 100)
    assert [leaf.number for leaf, _ in entries] == list(range(7))
    frontier, _ = Frontier().add_all(leaf_hash(piece.body) for _, piece in entries if piece)
    head = (await desk.store.log_records.state()).head
    assert head is not None
    check = verify_head(head.body, [pki().root])
    assert (check.standing, check.size, check.root) == (Standing.PASSED, 7, frontier.root.hex())
    assert check.log == "00.53.W00"


async def test_a_link_of_a_chain_comes_after_the_one_before_it(desk: Desk) -> None:
    await desk.number()
    seen: dict[str, int] = {}
    for _, piece in await desk.store.log_records.entries(0, 100):
        assert piece is not None
        key = piece.recipient or ""
        assert piece.sequence == seen.get(key, 0) + (1 if key else 0)
        seen[key] = piece.sequence


async def test_a_head_is_signed_every_minute_and_at_once_when_it_is_wanted(desk: Desk) -> None:
    records = desk.store.log_records
    await desk.number()
    await desk.document(2)
    await desk.sequencer.turn()
    state = await records.state()
    assert (state.size, state.head.size if state.head else 0) == (14, 7), "numbered at once, its head later"
    desk.clock.advance(MINUTE)
    await desk.sequencer.turn()
    assert [head.size for _, head in await records.heads(0, 9)] == [7, 14]
    await desk.document(3)
    await records.want()
    await desk.sequencer.turn()
    assert [head.size for _, head in await records.heads(0, 9)] == [7, 14, 21]


async def test_a_clock_that_was_set_back_does_not_stop_the_heads(desk: Desk) -> None:
    await desk.number()
    await desk.document(2)
    desk.clock.advance(-timedelta(days=1))
    await desk.sequencer.turn()
    assert [head.size for _, head in await desk.store.log_records.heads(0, 9)] == [7, 14]


async def test_only_one_life_numbers_at_a_time(desk: Desk) -> None:
    other = desk.another_life(OTHER)
    assert await desk.sequencer.turn()
    assert not await other.turn()
    await desk.document(2)
    assert not await other.turn()
    assert len(await numbers_of(desk)) == 7


async def test_two_that_begin_at_once_make_one_tree(desk: Desk) -> None:
    """Each believes for a moment that it is alone: the fence decides, no number is given twice."""
    lives = [desk.sequencer, desk.another_life(OTHER)]
    for number in range(2, 6):
        await desk.document(number)
        await asyncio.gather(*(life.turn() for life in lives for _ in range(2)))
    assert await numbers_of(desk) == list(range(35))
    entries = await desk.store.log_records.entries(0, 100)
    frontier, _ = Frontier().add_all(leaf_hash(piece.body) for _, piece in entries if piece)
    assert (await desk.store.log_records.state()).root == frontier.root.hex()


async def test_a_life_that_ends_between_numbers_and_head_is_followed_by_another(desk: Desk) -> None:
    """Kill -9 after the commit of the numbers: the next life signs the head over them."""
    term = await desk.store.log.lead(LIFE)
    assert term is not None
    assert await desk.store.log.append(term, 0, await desk.store.log.waiting(4))
    await desk.store.lives.bury(LIFE)

    assert await desk.another_life(OTHER).turn()

    assert await numbers_of(desk) == list(range(7))
    head = (await desk.store.log_records.state()).head
    assert head is not None
    assert head.size == 7


async def test_what_a_dead_life_still_writes_is_left_out(desk: Desk) -> None:
    """It was held up between reading and writing, and another took over meanwhile."""
    term = await desk.store.log.lead(LIFE)
    assert term is not None
    batch = await desk.store.log.waiting(100)
    await desk.store.lives.bury(LIFE)
    await desk.another_life(OTHER).turn()

    assert not await desk.store.log.append(term, 0, batch)
    late = TreeHead(log=desk.sequencer._organ, size=7, root="0" * 64, at=desk.clock.now())
    body = desk.notary.vouch(late)
    record = HeadRecord(size=7, root=late.root, signed_at=late.at, sha256="0" * 64, body=body)
    assert not await desk.store.log.publish(term, record)
    assert await numbers_of(desk) == list(range(7))
    assert [head.size for _, head in await desk.store.log_records.heads(0, 9)] == [7]


async def test_who_stops_signs_what_came_since_the_last_head(desk: Desk) -> None:
    rhythm = Rhythm(tick=timedelta(hours=1))  # its loop does not look while this test does
    life = Sequencer(
        desk.store.log,
        desk.store.log_records,
        desk.notary,
        desk.clock,
        organ=desk.sequencer._organ,
        owner=LIFE,
        rhythm=rhythm,
    )
    await desk.number()
    await life.start()
    assert await life.turn()
    await desk.document(2)
    await desk.store.lives.bury(LIFE)  # the worker has stopped before
    await life.stop()
    await life.stop()
    assert [head.size for _, head in await desk.store.log_records.heads(0, 9)] == [7, 14]


async def test_a_new_leader_looks_for_what_waits_nowhere(desk: Desk) -> None:
    await without_queue(desk.store)
    await desk.document(2)
    assert await desk.sequencer.turn()
    await desk.sequencer.turn()
    assert (await desk.store.log_records.state()).size == 14


class Authority:
    """A time-stamp authority that has its days."""

    def __init__(self) -> None:
        self.is_away = False
        self.asked: list[bytes] = []

    async def stamp(self, body: bytes) -> bytes:
        if self.is_away:
            raise Unavailable("stamp-unavailable", "away")
        self.asked.append(body)
        return b"token over " + body[:20]


async def test_an_authority_that_is_away_holds_nothing_up_and_is_asked_again(desk: Desk) -> None:
    authority = Authority()
    authority.is_away = True
    await desk.number()
    with pytest.raises(Unavailable):
        await desk.sequencer.stamp_one(authority)
    await desk.document(2)
    await desk.number()
    authority.is_away = False
    assert await desk.sequencer.stamp_one(authority)
    assert await desk.sequencer.stamp_one(authority)
    assert not await desk.sequencer.stamp_one(authority)
    heads = [head for _, head in await desk.store.log_records.heads(0, 9)]
    assert authority.asked == [heads[1].body, heads[0].body], "the newest first"
    assert all(head.stamp for head in heads)
