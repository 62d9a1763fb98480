"""What the store in SQL promises beyond its ports: its tables, its indexes, its health."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, make_url, text

from adapters.store import Options, Retention, Store
from adapters.store.engine import open_writer, parse
from adapters.store.migrate import migrate
from adapters.store.migrations import HEAD
from adapters.store.tables import metadata
from gateway.errors import ConfigError, Unavailable
from gateway.model.change import Change, Committed, Fence, WorkKind
from gateway.model.envelope import DocumentReference
from gateway.model.ids import EvidenceId, MessageId, OfficialId, OrganCode, PartyKey
from gateway.model.journey import HandOverState
from gateway.model.quota import Quota, Used
from tests.builders import COMMUNE, DEPARTMENT, NOON, PROVINCE
from tests.contract.conftest import empty
from tests.contract.entries import (
    D1,
    ME,
    YOU,
    a_copy,
    a_header,
    accepted,
    an_event,
    an_item,
    registered,
    some_evidence,
    some_work,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, store_file: Path, tmp_path: Path) -> str:
    """A database of each kind with our tables, empty."""
    if request.param == "postgresql":
        found: str = request.getfixturevalue("store_database")
        empty(found)
        return found
    file = tmp_path / "ledger.sqlite"
    file.write_bytes(store_file.read_bytes())
    return f"sqlite:///{file}"


# --- migrations -------------------------------------------------------------------------------------


def test_the_migrations_make_the_tables_that_the_code_means(url: str) -> None:
    """``tables`` is what the newest migration leaves."""
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_newest_migration_is_the_one_that_a_start_looks_for() -> None:
    """``HEAD`` spares a start the loading of Alembic; numbers sort as texts."""
    config = Config()
    config.set_main_option("script_location", "adapters.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == HEAD
    for script in scripts.walk_revisions():
        assert len(script.revision) == 4
        # a database at a greater number than HEAD would be taken for one that is ahead of us
        assert script.down_revision is None or script.down_revision < script.revision


async def test_a_database_that_is_ahead_is_left_as_it_is(url: str) -> None:
    """An older process works beside a newer one: expand, then contract."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("ALTER TABLE submissions ADD COLUMN from_the_future TEXT"))
    async with await Store.open(Options(url=url, realm="H53")) as store:
        assert await store.ledger.commit(accepted()) == Committed()
        dossier = await store.ledger.load(D1)
        assert dossier is not None
        assert dossier.submission == accepted().submission
    with engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
        connection.execute(text("ALTER TABLE submissions DROP COLUMN from_the_future"))
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))
    engine.dispose()


def test_a_second_migration_changes_nothing(url: str) -> None:
    """Every start runs it."""
    migrate(parse(url))
    migrate(parse(url))


# --- indexes ----------------------------------------------------------------------------------------


@pytest.mark.heavy_body("fills the tables")
async def test_no_question_of_the_hot_path_reads_a_whole_table(url: str) -> None:
    """So that it is as quick with a million documents as with none: each has its index."""
    party, document = PartyKey(COMMUNE), D1
    about = DocumentReference(organ=OrganCode(PROVINCE), code="517", dated=NOON.date())
    async with await Store.open(Options(url=url, realm="H53"), now=lambda: NOON) as store:
        with statements() as said:
            await store.lives.beat(ME, timedelta(minutes=1))
            change = replace(accepted(), items=(an_item(),), work=(some_work(owner=ME),))
            await store.ledger.commit(change)
            fence = Fence(key=some_work().key, owner=ME)
            copy = a_copy(state=HandOverState.AVAILABLE, version=2)
            await store.ledger.commit(
                Change(
                    fence=fence,
                    handovers=(copy,),
                    header=replace(a_header(), version=2),
                    items=(an_item(version=2),),
                    forgets=(fence.key,),
                )
            )
            await store.ledger.commit(Change(handovers=(copy,)))  # stale: looked up carefully
            await store.ledger.load(document)
            await store.ledger.load(document, party)
            await store.ledger.find(about, party)
            await store.ledger.originals(about, [PartyKey(PROVINCE), party])
            await store.ledger.namesakes(replace(about, official_id=OfficialId("x")))
            await store.ledger.commit(Change(work=(some_work("delivery:x"),)))
            await store.ledger.commit(Change(withdraws=("delivery:x",)))
            await store.ledger.lease(ME, 10)
            await store.lives.bury(ME)
            await store.lives.died("key")
            await store.usage.look({party: Quota(documents_waiting=1)})
            await store.usage.draw({party: (Used(documents=1), Quota(documents_waiting=1))})
            await store.inboxes.peek(party, 10)
            await store.inboxes.item(party, "item-1")
            await store.inboxes.lock(party, "item-1", "token", timedelta(minutes=1))
            await store.records.timeline(document)
            await store.records.evidence(document)
            await store.records.one_evidence(EvidenceId("e"))
            await store.records.relations(document)
            await store.records.search("517")
            await store.records.copies(party)
        asked = [(s, p) for s, p in said if s.startswith(("SELECT", "UPDATE", "DELETE", "WITH")) and " " in s]
        assert len({s for s, _ in asked}) > 20
        plans = {statement: plan_of(url, statement, parameters) for statement, parameters in asked}
        assert {s: scans for s, plan in plans.items() if (scans := whole_table_scans(plan))} == {}
        if url.startswith("postgresql"):
            return  # which index it prefers depends on what is in the tables
        # A recipient has ever more copies: only the question for its newest ones may start from there.
        (newest,) = (s for s, plan in plans.items() if "handovers_by_recipient" in " ".join(plan))
        assert "LIMIT" in newest
        assert "JOIN" not in newest


@pytest.mark.heavy_body("fills the tables")
async def test_a_lease_does_not_look_at_what_is_not_due(url: str) -> None:
    """Every document leaves a deadline, a month away: a lease goes by the index, and does not walk over them."""
    async with await Store.open(Options(url=url, realm="H53"), now=lambda: NOON) as store:
        await store.lives.beat(ME, timedelta(minutes=1))
        looked: list[int] = []
        for first in (0, 30):  # then a hundred times as many
            deadlines = tuple(
                replace(some_work(f"deadline:{n}"), kind=WorkKind.DEADLINE, due_at=NOON + timedelta(days=30))
                for n in range(first, first * 100 + 30)
            )
            await store.ledger.commit(Change(work=deadlines))
            count_anew(url)
            with statements() as said:
                assert await store.ledger.lease(ME, 10) == []
            queries = [(s, p) for s, p in said if s.startswith(("SELECT", "WITH"))]
            assert any("work" in statement for statement, _ in queries)
            looked.append(sum(effort(url, statement, parameters) for statement, parameters in queries))
    assert looked[1] <= looked[0] * 1.5


async def test_postgresql_compiles_nothing_that_a_lease_asks(store_database: str) -> None:
    """Where scans are forbidden it takes the few rows of ``lives`` for dear, and compiled for 16 ms and more each time."""
    empty(store_database)
    async with await Store.open(Options(url=store_database, realm="H53"), now=lambda: NOON) as store:
        await store.lives.beat(ME, timedelta(minutes=1))
        with statements() as said:
            await store.ledger.lease(ME, 10)
    engine = open_writer(parse(store_database))
    with engine.connect() as connection:
        cursor = psycopg.RawCursor(cast("psycopg.Connection", connection.connection.driver_connection))
        plans = [
            cursor.execute(f"EXPLAIN ANALYZE {statement}".encode(), parameters).fetchall()
            for statement, parameters in said
            if " lives" in statement
        ]
    engine.dispose()
    assert plans
    assert [plan for plan in plans if "JIT" in str(plan)] == []


async def test_two_workers_that_draw_from_the_same_quotas_at_once_lose_nothing(url: str) -> None:
    """Each writes with a connection of its own, and names the parties in another order."""
    quota, parties = Quota(documents_per_minute=10_000), [PartyKey(f"000.00.{n:02}.H53") for n in range(20)]
    options = Options(url=url, realm="H53")
    async with (
        await Store.open(options, now=lambda: NOON) as one,
        await Store.open(options, now=lambda: NOON) as other,
    ):
        there, back = ({key: (Used(documents=1), quota) for key in keys} for keys in (parties, parties[::-1]))
        await asyncio.gather(
            *(store.usage.draw(drawn) for _ in range(15) for store, drawn in ((one, there), (other, back)))
        )
        seen = await one.usage.look(dict.fromkeys(parties, quota))
    assert seen == dict.fromkeys(parties, Used(documents=30))


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What is said to any database meanwhile, each statement with (the first of) its parameters."""
    said: list[tuple[str, Any]] = []

    def hear(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, is_many: bool) -> None:
        said.append((statement, parameters[0] if is_many else parameters))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


def plan_of(url: str, statement: str, parameters: Any, how: str = "") -> list[str]:
    """The steps in which the database would do it."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(str(make_url(url).database))
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        connection.close()
        return plan
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as postgres:
        # Tables this small are scanned even where there is an index: unless that is forbidden.
        postgres.execute("SET enable_seqscan = off")
        # Our own are written as PostgreSQL writes parameters, SQLAlchemy's as the driver does.
        cursor = psycopg.RawCursor(postgres) if "$1" in statement else postgres.cursor()
        return [row[0] for row in cursor.execute(f"EXPLAIN {how} {statement}".encode(), parameters)]


def count_anew(url: str) -> None:
    """Have the database know how much is in its tables: PostgreSQL looks when it has time, and plans by what it saw last."""
    if not url.startswith("sqlite"):
        conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(conninfo, autocommit=True) as postgres:
            postgres.execute("ANALYZE")


def effort(url: str, statement: str, parameters: Any) -> int:
    """What it costs: SQLite's steps, or the rows that PostgreSQL looked at, kept or not, and one."""
    if url.startswith("sqlite"):
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        connection = sqlite3.connect(str(make_url(url).database))
        connection.set_progress_handler(step, 1)
        connection.execute(statement, parameters).fetchall()
        connection.close()
        return steps
    plan = " ".join(plan_of(url, statement, parameters, "(ANALYZE, COSTS OFF, TIMING OFF)"))
    return 1 + sum(map(int, re.findall(r"(?:actual rows=|Rows Removed by .*?: )(\d+)", plan)))


def whole_table_scans(plan: list[str]) -> list[str]:
    """Steps that read a table from end to end.  ``lives`` has a row per process, and ``named`` are the few
    documents that a search has found already, ``lines`` those of a lease; a constant row is none."""
    few = ("lives", "named", "lines", "CONSTANT")
    sqlite = [s for s in plan if s.startswith("SCAN ") and s.split()[1] not in few]
    return sqlite + [s for s in plan if "Seq Scan" in s and "on lives" not in s]


# --- options and health -----------------------------------------------------------------------------


async def test_a_healthy_store_says_ok(url: str) -> None:
    """The health check asks a reader and the writer."""
    async with await Store.open(Options(url=url, realm="H53")) as store:
        assert await store.check() == "ok"


async def test_a_disk_that_is_nearly_full_is_reported(tmp_path: Path) -> None:
    """For SQLite, whose disk is ours to watch."""
    options = Options(url=f"sqlite:///{tmp_path / 'a' / 'ledger.sqlite'}", min_free_bytes=2**80)
    async with await Store.open(options) as store:
        assert "MiB of disk are free for the store" in await store.check()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:"])
async def test_a_url_that_cannot_be_meant_is_a_configuration_error(url: str) -> None:
    """It names the key."""
    with pytest.raises(ConfigError, match=r"store\.url"):
        await Store.open(Options(url=url))


async def test_a_database_that_nobody_serves_is_unavailable(tmp_path: Path) -> None:
    """At the start, too, no library exception comes out."""
    (tmp_path / "file").write_bytes(b"")
    for url in (
        "postgresql://nobody:secret@127.0.0.1:1/none",
        f"sqlite:///{tmp_path / 'file' / 'ledger.sqlite'}",
    ):
        with pytest.raises(Unavailable):
            await Store.open(Options(url=url))


def test_a_password_is_not_shown() -> None:
    """Options may end up in a log."""
    assert "secret" not in repr(Options(url="postgresql://user:secret@host/db"))


async def test_each_data_class_has_its_own_end(url: str) -> None:
    """``delete_after`` by content, metadata and evidence; without retention it is left open."""
    days = [timedelta(days=n) for n in (1, 2, 3)]
    kept = Retention(content=days[0], metadata=days[1], evidence=days[2])
    async with await Store.open(Options(url=url, realm="H53", retention=kept)) as store:
        change = replace(accepted(), evidence=(some_evidence(),))
        await store.ledger.commit(change)
        assert change.submission is not None
        await store.ledger.commit(Change(submission=replace(change.submission, version=2)))
    async with await Store.open(Options(url=url, realm="H53")) as store:
        await store.ledger.commit(replace(registered("open"), evidence=(some_evidence("open"),)))
    engine = create_engine(url)
    with engine.connect() as connection:

        def of(table: str) -> list[int | None]:
            found = connection.execute(text(f"SELECT delete_after FROM {table} ORDER BY document"))
            return [row[0] for row in found]

        noon = int(NOON.timestamp()) * 1_000_000
        assert of("submissions") == [noon + days[0] // timedelta(microseconds=1), None]
        assert of("evidence") == [noon + days[2] // timedelta(microseconds=1), None]
        assert of("headers")[0] is not None
    engine.dispose()


async def test_another_realm_sees_another_inbox_and_other_actions(url: str) -> None:
    """A realm is part of the keys of what has no document of its own."""
    ours = await Store.open(Options(url=url, realm="H53"), now=lambda: NOON)
    theirs = await Store.open(Options(url=url, realm="H01"), now=lambda: NOON)
    await ours.ledger.commit(Change(items=(an_item(),)))
    assert await theirs.inboxes.peek(PartyKey(COMMUNE), 10) == []
    assert await theirs.inboxes.item(PartyKey(COMMUNE), "item-1") is None
    assert await theirs.inboxes.lock(PartyKey(COMMUNE), "item-1", "t", timedelta(minutes=1)) is None
    assert await theirs.ledger.commit(Change(items=(an_item(),))) == Committed()
    await ours.close()
    await theirs.close()


async def test_of_a_recall_and_a_worker_in_two_processes_one_gets_the_work(url: str) -> None:
    """What is called off was leased to nobody, and what is leased is not called off; nobody waits for the other."""
    ours = await Store.open(Options(url=url, realm="H53"), now=lambda: NOON)
    theirs = await Store.open(Options(url=url, realm="H53"), now=lambda: NOON)
    keys = [f"delivery:{n}" for n in range(60)]
    await ours.lives.beat(ME, timedelta(minutes=1))
    await theirs.lives.beat(YOU, timedelta(minutes=1))
    await ours.ledger.commit(Change(work=tuple(some_work(key) for key in keys)))
    leasing = [theirs.ledger.lease(YOU, 3) for _ in range(20)]
    calling = [
        ours.ledger.commit(Change(withdraws=(key,), handovers=(a_copy(recipient=key),))) for key in keys
    ]
    *leased, outcomes = await asyncio.gather(*leasing, asyncio.gather(*calling))
    taken = {work.key for some in leased for work in some}
    called_off = {key for key, outcome in zip(keys, outcomes, strict=True) if outcome == Committed()}
    assert not taken & called_off
    left = await theirs.ledger.lease(YOU, 100)
    assert {work.key for work in left} == set(keys) - taken - called_off
    await ours.close()
    await theirs.close()


async def test_the_loop_is_not_held_by_a_large_group(url: str) -> None:
    """The writer works in its thread: the loop goes on turning while a thousand rows are written."""
    async with await Store.open(Options(url=url, realm="H53")) as store:
        turns = 0
        recipients = [f"R.{n:04}" for n in range(1500)]
        change = replace(registered(), handovers=tuple(a_copy(recipient=r) for r in recipients))
        commit = asyncio.ensure_future(store.ledger.commit(change))
        while not commit.done():
            await asyncio.sleep(0)
            turns += 1
        assert await commit == Committed()
        assert turns > 20


async def test_a_message_id_may_be_long_and_strange(url: str) -> None:
    """Every character that the door lets in survives, and tells one submission from another."""
    strange = MessageId("'; DROP TABLE submissions; -- %s :x ? Đ 🖋" + "x" * 150)
    async with await Store.open(Options(url=url, realm="H53")) as store:
        await store.ledger.commit(registered(D1, message_id=strange, party=DEPARTMENT))
        await store.ledger.commit(Change(events=(an_event(strange),)))
        assert await store.records.search(strange) == [D1]
        dossier = await store.ledger.load(D1)
        assert dossier is not None
        assert dossier.submission.message_id == strange
        assert (await store.records.timeline(D1))[0].event == strange
