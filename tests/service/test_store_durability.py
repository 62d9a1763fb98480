"""The store under the worst: killed processes, several processes, a database that goes away."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from adapters.store import Options, Store
from gateway.errors import Unavailable
from gateway.model.change import Change, Committed
from gateway.model.ids import DocumentId, EvidenceId, Owner
from tests.contract.entries import D1, D2, accepted, an_event, registered, some_evidence, some_work

ROOT = Path(__file__).parent.parent.parent

COMMITS = """
import asyncio, sys
import uvloop
from adapters.store import Options, Store
from dataclasses import replace
from gateway.model.change import Committed
from tests.contract.entries import accepted, some_evidence

async def main():
    store = await Store.open(Options(url=sys.argv[1], realm="H53"))
    numbers = iter(range(1_000_000))
    async def one():
        for n in numbers:
            document = f"{sys.argv[2]}-{n:07}"
            change = replace(accepted(document), evidence=(some_evidence(document, body=bytes(3000)),))
            if await store.ledger.commit(change) == Committed():
                print(document, flush=True)
    await asyncio.gather(*(one() for _ in range(32)))

uvloop.run(main())
"""

LEASES = """
import asyncio, sys
from datetime import timedelta
from adapters.store import Options, Store
from gateway.model.ids import Owner

async def main():
    store = await Store.open(Options(url=sys.argv[1], realm="H53"))
    owner = Owner(sys.argv[2])
    await store.lives.beat(owner, timedelta(minutes=5))
    print("ready", flush=True)
    sys.stdin.readline()
    while leased := await store.ledger.lease(owner, 5):
        for work in leased:
            print(work.key, flush=True)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    found: str = request.getfixturevalue("postgres_database")
    return found


def begun(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("life", range(3))
async def test_what_was_answered_before_a_kill_is_there(url: str, life: int) -> None:
    """Kill -9 in the middle of a thousand commits: whole documents, and every one that was answered."""
    process = begun(COMMITS, url, f"life{life}")
    assert process.stdout is not None
    answered: list[str] = []
    while len(answered) < 150 * (life + 1):
        answered.append((await asyncio.to_thread(process.stdout.readline)).strip())
    process.send_signal(signal.SIGKILL)
    answered += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.wait()
    async with await Store.open(Options(url=url, realm="H53")) as store:
        for document in map(DocumentId, answered):
            dossier = await store.ledger.load(document)
            assert dossier is not None, document
            assert dossier.header is not None
            assert len(dossier.handovers) == 1
            assert len(await store.records.evidence(document)) == 1


async def test_two_processes_never_lease_the_same_work(url: str) -> None:
    """ "No work is leased to two living owners": nor by two processes at once; and nothing is left over."""
    keys = [f"delivery:{n:04}" for n in range(1000)]
    async with await Store.open(Options(url=url, realm="H53")) as store:
        await store.ledger.commit(Change(work=tuple(some_work(key) for key in keys)))
    processes = [begun(LEASES, url, f"process-{n}") for n in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = await asyncio.gather(*(asyncio.to_thread(process.communicate) for process in processes))
    leased = [out.split() for out, _ in told]
    assert sorted(key for one in leased for key in one) == keys
    assert all(one for one in leased), "one process got nothing: they did not run at once"


async def test_many_stores_race_for_the_same_rows(url: str) -> None:
    """Of several processes that register one message, or claim one version, one wins each time."""
    stores = [await Store.open(Options(url=url, realm="H53")) for _ in range(3)]
    for n in range(25):
        documents = [DocumentId(f"{store}-{n}") for store in range(3)]
        outcomes = await asyncio.gather(
            *(
                store.ledger.commit(registered(document, message_id=f"m-{n}"))
                for store, document in zip(stores, documents, strict=True)
            )
        )
        assert outcomes.count(Committed()) == 1
        winner = documents[outcomes.index(Committed())]
        claims = [
            Change(evidence=(some_evidence(winner),), events=(an_event(str(n), winner),)) for _ in stores
        ]
        claimed = await asyncio.gather(
            *(store.ledger.commit(claim) for store, claim in zip(stores, claims, strict=True))
        )
        assert claimed.count(Committed()) == 1
        assert len(await stores[0].records.timeline(winner)) == 1
    for store in stores:
        await store.close()


async def test_many_processes_may_start_at_once(url: str) -> None:
    """The tables are made once, whoever comes first."""
    stores = await asyncio.gather(*(Store.open(Options(url=url, realm="H53")) for _ in range(5)))
    for n, store in enumerate(stores):
        assert await store.ledger.commit(registered(DocumentId(f"d{n}"))) == Committed()
        await store.close()


async def test_closing_finishes_what_waits(url: str) -> None:
    """Nothing that was given before ``close`` is lost; what comes after is refused; closing twice is harmless."""
    store = await Store.open(Options(url=url, realm="H53"))
    waiting = [
        asyncio.ensure_future(store.ledger.commit(registered(DocumentId(f"d{n}")))) for n in range(200)
    ]
    await asyncio.sleep(0)  # every commit is in the queue
    await store.close()
    await store.close()
    assert await asyncio.gather(*waiting) == [Committed()] * 200
    with pytest.raises(Unavailable, match="store-away"):
        await store.ledger.commit(Change())
    with pytest.raises(Unavailable, match="store-away"):
        await store.ledger.load(D1)
    assert await store.check() == "the store's writer has ended"


async def test_a_change_that_cannot_be_written_does_not_poison_the_others(url: str) -> None:
    """It alone is answered with an error, whatever group it came in."""
    lone_surrogate = "\ud800"
    async with await Store.open(Options(url=url, realm="H53")) as store:
        changes = [registered(DocumentId(f"d{n:03}")) for n in range(100)]
        for n in (13, 77):
            changes[n] = Change(events=(an_event(lone_surrogate),))
        outcomes = await asyncio.gather(*map(store.ledger.commit, changes), return_exceptions=True)
        for n, outcome in enumerate(outcomes):
            if n in (13, 77):
                assert isinstance(outcome, Unavailable)
                assert outcome.reason == "internal"
            else:
                assert outcome == Committed()


async def test_a_writer_waits_for_the_one_before_it(tmp_path: Path) -> None:
    """SQLite knows one writer at a time: another process's transaction delays ours, and does not break it."""
    file = tmp_path / "ledger.sqlite"
    async with await Store.open(Options(url=f"sqlite:///{file}", realm="H53")) as store:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        commit = asyncio.ensure_future(store.ledger.commit(registered(D1)))
        assert await store.ledger.load(D1) is None  # who reads does not wait
        assert not commit.done()
        other.execute("COMMIT")
        assert await commit == Committed()
        other.close()


# --- PostgreSQL's own troubles ----------------------------------------------------------------------


async def test_connections_that_died_unnoticed_are_replaced(postgres_database: str) -> None:
    """A restarted server costs nobody an error."""
    store = await Store.open(Options(url=postgres_database, realm="H53"))
    assert await store.ledger.commit(registered(D1)) == Committed()
    assert await store.ledger.load(D1) is not None
    _end_all_connections(postgres_database)
    assert await store.ledger.commit(registered(D2)) == Committed()
    assert await store.ledger.load(D2) is not None
    await store.close()


async def test_a_server_that_is_away_is_unavailable(postgres_database: str) -> None:
    """No library exception comes out, and the next commit after it is back succeeds."""
    with _Wire(postgres_database) as wire:
        store = await Store.open(Options(url=wire.url, realm="H53"))
        wire.cut()
        for attempt in (
            store.ledger.commit(registered(D1)),
            store.ledger.load(D1),
            store.lives.beat(Owner("me"), timedelta(seconds=1)),
        ):
            with pytest.raises(Unavailable, match="store-away"):
                await attempt
        assert "does not answer" in await store.check()
        wire.mend()
        assert await store.ledger.commit(registered(D1)) == Committed()
        assert await store.check() == "ok"
        await store.close()


async def test_a_commit_whose_answer_is_lost_is_asked_for(postgres_database: str) -> None:
    """The connection breaks after the server has committed: the change is not written twice, nor called stale."""
    with _Wire(postgres_database) as wire:
        store = await Store.open(Options(url=wire.url, realm="H53"))
        wire.lose_answer_to(b"COMMIT")
        assert await store.ledger.commit(accepted(D1)) == Committed()
        assert wire.lost == 1
        assert await store.ledger.load(D1) is not None
        await store.close()


async def test_a_commit_that_never_arrived_is_made_again(postgres_database: str) -> None:
    """The connection breaks before the server hears of the commit: it is asked for, and then repeated."""
    with _Wire(postgres_database) as wire:
        store = await Store.open(Options(url=wire.url, realm="H53"))
        wire.swallow(b"COMMIT")
        assert await store.ledger.commit(accepted(D1)) == Committed()
        assert wire.lost == 1
        assert await store.records.one_evidence(EvidenceId("none")) is None
        assert await store.ledger.load(D1) is not None
        await store.close()


async def test_leases_go_by_the_servers_clock(postgres_database: str) -> None:
    """ "by the store's own clock": nothing of the machine's clock is in a lease."""
    async with await Store.open(Options(url=postgres_database, realm="H53")) as store:
        me = Owner("me")
        await store.lives.beat(me, timedelta(seconds=30))
        engine = create_engine(postgres_database)
        with engine.connect() as connection:
            left = connection.execute(
                text("SELECT alive_until - extract(epoch FROM clock_timestamp()) * 1000000 FROM lives")
            ).scalar_one()
        engine.dispose()
        assert 25_000_000 < left <= 30_000_000


def _end_all_connections(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()


class _Wire:
    """A wire to the server that can be cut at a chosen word."""

    def __init__(self, url: str) -> None:
        target = make_url(url)
        self._server = (str(target.host), int(target.port or 5432))
        self._listener = socket.create_server(("127.0.0.1", 0))
        here = target.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        self.url = here.render_as_string(hide_password=False)
        self.lost = 0
        self._word = b""
        self._forward = True
        self._is_cut = False
        self._open: list[socket.socket] = []

    def __enter__(self) -> _Wire:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._close_all()

    def cut(self) -> None:
        """Break every connection, and let no new one through."""
        self._is_cut = True
        self._close_all()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    def lose_answer_to(self, word: bytes) -> None:
        """Once: let *word* through, and break the connection instead of bringing the answer."""
        self._word, self._forward = word, True

    def swallow(self, word: bytes) -> None:
        """Once: break the connection instead of letting *word* through."""
        self._word, self._forward = word, False

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._is_cut:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                self._open += [client, server]
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        for data in _received(client):
            if self._word and self._word in data:
                self._word = b""
                self.lost += 1
                # Nobody hears the answer: the client's side is closed before the word goes on.
                _close(client)
                if self._forward:
                    server.sendall(data)
                    return
                break
            with contextlib.suppress(OSError):
                server.sendall(data)
        _close(client)
        _close(server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        for data in _received(server):
            with contextlib.suppress(OSError):
                client.sendall(data)
        _close(client)

    def _close_all(self) -> None:
        for end in self._open:
            _close(end)
        self._open.clear()


def _received(end: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while data := end.recv(65536):
            yield data


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
