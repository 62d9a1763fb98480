"""The contract of ``Disposal``: the twin, SQLite and PostgreSQL; below it what only SQL can do wrong."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.memory import FixedClock, MemoryStore
from adapters.store import Options, Retention, Store
from gateway.model.change import Change, Committed
from gateway.model.ids import DocumentId, PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.retention import DataClass
from tests.builders import COMMUNE, NOON
from tests.contract.conftest import AnyStore, empty
from tests.contract.entries import D1, D2, ME, YOU, a_copy, accepted, an_item, registered, some_work
from tests.contract.test_store_sql import plan_of, statements, whole_table_scans

CONTENT, METADATA = DataClass.CONTENT, DataClass.METADATA
DAY = timedelta(days=1)
KEPT = {CONTENT: 90 * DAY, METADATA: 730 * DAY}


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which store."""
    return str(request.param)


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty one is; nowhere for the twin."""
    if kind == "memory":
        return ""
    if kind == "postgresql":
        found: str = request.getfixturevalue("store_database")
        empty(found)
        return found
    file = tmp_path / "ledger.sqlite"
    shutil.copy(request.getfixturevalue("store_file"), file)
    return f"sqlite:///{file}"


@pytest.fixture
async def store(url: str, clock: FixedClock) -> AsyncIterator[AnyStore]:
    """An empty store that keeps content for 90 days and metadata for two years."""
    if not url:
        yield MemoryStore(clock, KEPT)
        return
    kept = Retention(content=KEPT[CONTENT], metadata=KEPT[METADATA])
    opened = await Store.open(Options(url=url, realm="H53", retention=kept), now=clock.now)
    yield opened
    await opened.close()


async def due(
    store: AnyStore, part: DataClass, at: datetime, after: str | None = None, limit: int = 9
) -> list[str]:
    last = DocumentId(after) if after else None
    return [one.document for one in await store.disposal.due(part, at, last, limit)]


def an_id(number: int) -> str:
    return f"0195d000-0000-7000-8000-{number:012d}"


# --- what is due ------------------------------------------------------------------------------------


async def test_each_data_class_is_due_at_its_own_end(store: AnyStore) -> None:
    """ "Kept long enough at the instant *at*"."""
    await store.ledger.commit(accepted())
    assert await due(store, CONTENT, NOON + 89 * DAY) == []
    (one,) = await store.disposal.due(CONTENT, NOON + 90 * DAY, None, 9)
    assert (one.document, one.since) == (D1, NOON + 90 * DAY)
    assert await due(store, METADATA, NOON + 729 * DAY) == []
    assert await due(store, METADATA, NOON + 730 * DAY) == [D1]


async def test_what_is_gone_is_not_due_again(store: AnyStore) -> None:
    """ "Of which *part* is here"."""
    change = accepted()
    await store.ledger.commit(change)
    assert change.submission is not None
    assert (
        await store.ledger.commit(Change(submission=replace(change.submission, payload=None, version=2)))
        == Committed()
    )
    assert await due(store, CONTENT, NOON + 900 * DAY) == []
    assert await store.disposal.forget(D1, (), NOON + 900 * DAY)
    assert await due(store, METADATA, NOON + 900 * DAY) == []


async def test_due_documents_come_in_pages(store: AnyStore) -> None:
    """ "In an order that does not change, those behind *after*"."""
    for number in range(7):
        await store.ledger.commit(accepted(an_id(number)))
    for part in DataClass:
        found: list[str] = []
        while page := await due(store, part, NOON + 900 * DAY, found[-1] if found else None, 3):
            found += page
        assert sorted(found) == [an_id(number) for number in range(7)]


# --- what is in use ---------------------------------------------------------------------------------


async def test_undone_work_is_named(store: AnyStore) -> None:
    """ "Those of *keys* under which there is work"."""
    await store.ledger.commit(Change(work=(some_work(),)))
    assert set(await store.disposal.undone([some_work().key, "document:x"])) == {some_work().key}
    assert not await store.disposal.undone([])


async def test_whatever_refers_to_bytes_names_them(store: AnyStore) -> None:
    """ "To which a document or a copy refers"."""
    await store.ledger.commit(registered(payload=PayloadRef(sha256="11" * 32, size=1)))
    await store.ledger.commit(Change(handovers=(a_copy(D2, payload=PayloadRef(sha256="22" * 32, size=1)),)))
    asked = ["11" * 32, "22" * 32, "33" * 32]
    assert set(await store.disposal.named(asked)) == set(asked[:2])
    assert not await store.disposal.named([])


@pytest.mark.parametrize("number", [2_101, 32_768])
async def test_more_keys_than_a_statement_takes_are_asked_for(store: AnyStore, number: int) -> None:
    """PEERS, bug 8: limits of parameters are 2,100 in one database and 32,767 in others."""
    await store.ledger.commit(Change(work=(some_work("document:32767"), some_work("document:7"))))
    keys = [f"document:{n}" for n in range(number)]
    assert set(await store.disposal.undone(keys)) == {
        key for key in keys if key in ("document:7", "document:32767")
    }
    assert not await store.disposal.named([f"{n:064x}" for n in range(number)])


# --- forgetting metadata ----------------------------------------------------------------------------


async def test_the_header_goes_with_the_items_that_are_done_with(store: AnyStore) -> None:
    """ "Those of *items* that were taken, or expired, before *at*"."""
    at = NOON + 800 * DAY
    taken = an_item("taken", expires_at=at + DAY, taken_at=NOON)
    expired, waiting = an_item("expired"), an_item("waiting", expires_at=at + DAY)
    await store.ledger.commit(replace(accepted(), items=(taken, expired, waiting)))
    mine = [(PartyKey(COMMUNE), name) for name in ("taken", "expired", "waiting", "unknown")]
    assert await store.disposal.forget(D1, mine, at)
    dossier = await store.ledger.load(D1)
    assert dossier is not None
    assert dossier.header is None
    left = [name for _, name in mine if await store.inboxes.item(PartyKey(COMMUNE), name) is not None]
    assert left == ["waiting"]
    assert not await store.disposal.forget(D1, mine, at)


async def test_a_header_that_is_not_due_stays(store: AnyStore) -> None:
    """ "``False`` where it is not due at *at*"; then no item goes either."""
    await store.ledger.commit(replace(accepted(), items=(an_item(taken_at=NOON),)))
    assert not await store.disposal.forget(D1, [(PartyKey(COMMUNE), "item-1")], NOON + 700 * DAY)
    assert await store.inboxes.item(PartyKey(COMMUNE), "item-1") is not None


# --- who clears out ---------------------------------------------------------------------------------


async def test_one_life_leads_and_another_when_it_is_dead(store: AnyStore) -> None:
    """ "Nobody else is while it lives"."""
    for owner in (ME, YOU):
        await store.lives.beat(owner, timedelta(minutes=1))
    assert [await store.disposal.lead(owner) for owner in (ME, YOU, ME)] == [True, False, True]
    await store.lives.bury(ME)
    assert [await store.disposal.lead(owner) for owner in (YOU, ME)] == [True, False]


async def test_old_deaths_are_forgotten(store: AnyStore) -> None:
    """ "Whose last death was before *before*"."""
    assert [await store.lives.died("key") for _ in range(2)] == [1, 2]
    assert await store.disposal.sweep(datetime(2000, 1, 1, tzinfo=NOON.tzinfo)) == 0
    assert await store.disposal.sweep(datetime(2100, 1, 1, tzinfo=NOON.tzinfo)) == 1
    assert await store.lives.died("key") == 1


# --- SQL alone --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_what_is_kept_for_good_is_never_due(url: str, kind: str) -> None:
    """Without retention nobody has decided."""
    async with await Store.open(Options(url=url, realm="H53"), now=lambda: NOON) as opened:
        await opened.ledger.commit(accepted())
        assert not await due(opened, CONTENT, NOON + 9000 * DAY)
        assert not await due(opened, METADATA, NOON + 9000 * DAY)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_rows_of_an_older_release_are_due_by_todays_policy(
    url: str, kind: str, clock: FixedClock
) -> None:
    """They have no end of their own; those that have one keep it when the policy becomes shorter."""
    async with await Store.open(Options(url=url, realm="H53"), now=clock.now) as before:
        await before.ledger.commit(accepted())
    longer = Retention(content=900 * DAY, metadata=900 * DAY)
    async with await Store.open(Options(url=url, realm="H53", retention=longer), now=clock.now) as then:
        await then.ledger.commit(accepted(D2))
    shorter = Retention(content=90 * DAY, metadata=90 * DAY)
    async with await Store.open(Options(url=url, realm="H53", retention=shorter), now=clock.now) as now:
        for part in DataClass:
            assert await due(now, part, NOON + 100 * DAY) == [D1]
            assert await due(now, part, NOON + 900 * DAY) == [D1, D2]


@pytest.mark.heavy_body("explains every statement")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_clearing_out_reads_no_whole_table(url: str, kind: str, clock: FixedClock) -> None:
    """What it costs does not depend on how many documents are stored."""
    kept = Retention(content=90 * DAY, metadata=730 * DAY)
    async with await Store.open(Options(url=url, realm="H53", retention=kept), now=clock.now) as store:
        await store.lives.beat(ME, timedelta(minutes=1))
        await store.ledger.commit(replace(accepted(), items=(an_item(),)))
        with statements() as said:
            await store.disposal.lead(ME)
            for part in DataClass:
                await store.disposal.due(part, NOON + 900 * DAY, None, 50)
            await store.disposal.undone(["document:x", "document:y"])
            await store.disposal.named(["11" * 32, "22" * 32])
            await store.disposal.forget(D1, [(PartyKey(COMMUNE), "item-1")], NOON + 900 * DAY)
        asked = [(s, p) for s, p in said if s.startswith(("SELECT", "DELETE")) and " " in s]
        assert len({s for s, _ in asked}) >= 7
        plans = {statement: plan_of(url, statement, parameters) for statement, parameters in asked}
        assert {s: scans for s, plan in plans.items() if (scans := whole_table_scans(plan))} == {}
        if kind == "sqlite":
            used = " ".join(step for plan in plans.values() for step in plan)
            for index in ("submissions_with_content", "submissions_by_payload", "handovers_by_payload"):
                assert index in used
