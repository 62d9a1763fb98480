"""Promise 1 where no crash test can look: what is answered is on the disk, not merely on its way there.

A killed process loses nothing that the kernel has; a machine that loses power does.  So these tests watch the
order of the calls that make things durable.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from adapters.store import FileVault, Retention, VaultOptions
from adapters.store.changes import Changes
from adapters.store.engine import open_writer, parse, store_clock
from adapters.store.leases import Leases
from adapters.store.migrate import migrate
from adapters.store.writer import MOST_PATIENT, Writer
from gateway.model.change import Change, Committed
from tests.contract.entries import registered


class Disk:
    """Notes what is synced and renamed, by path, while it happens as ever."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.notes: list[tuple[str, Path]] = []
        fsync, fdatasync, replace = os.fsync, os.fdatasync, os.replace

        def noting_fsync(descriptor: int) -> None:
            self.notes.append(("fsync", Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
            fsync(descriptor)

        def noting_fdatasync(descriptor: int) -> None:
            self.notes.append(("fdatasync", Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
            fdatasync(descriptor)

        def noting_replace(source: Any, target: Any, **more: Any) -> None:
            self.notes.append(("rename", Path(target)))
            replace(source, target, **more)

        patch.setattr(os, "fsync", noting_fsync)
        patch.setattr(os, "fdatasync", noting_fdatasync)
        patch.setattr(os, "replace", noting_replace)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def in_pieces() -> AsyncIterator[bytes]:
    yield b"o"
    yield b"ne"


@pytest.mark.parametrize("puts", [lambda: b"one", in_pieces], ids=["whole", "in-pieces"])
async def test_a_payload_is_synced_before_it_gets_its_name_and_its_folder_before_the_answer(
    tmp_path: Path, disk: Disk, puts: Callable[[], bytes | AsyncIterator[bytes]]
) -> None:
    """Temporary file, fdatasync, rename, fsync of the folder: in this order."""
    vault = FileVault(VaultOptions(folder=tmp_path))
    ref = await vault.put(puts())
    path = tmp_path / ref.sha256[:2] / ref.sha256[2:3] / ref.sha256
    synced, renamed, named = disk.notes[-3:]
    assert (synced[0], synced[1].parent) == ("fdatasync", tmp_path / "tmp")
    assert (renamed, named) == (("rename", path), ("fsync", path.parent))
    assert path.read_bytes() == b"one"
    await vault.close()


async def test_new_folders_of_the_vault_are_durable_as_well(tmp_path: Path, disk: Disk) -> None:
    vault = FileVault(VaultOptions(folder=tmp_path))
    ref = await vault.put(b"one")
    synced = [path for call, path in disk.notes if call == "fsync"]
    assert {tmp_path, tmp_path / ref.sha256[:2]} <= set(synced)
    await vault.close()


async def test_a_payload_that_is_here_already_is_synced_again(tmp_path: Path, disk: Disk) -> None:
    """Another writer may have given the name and not yet synced it."""
    vault = FileVault(VaultOptions(folder=tmp_path))
    ref = await vault.put(b"one")
    disk.notes.clear()
    await vault.put(b"one")
    assert ("fsync", tmp_path / ref.sha256[:2] / ref.sha256[2:3]) in disk.notes
    await vault.close()


def test_sqlite_waits_for_the_disk_with_each_commit(tmp_path: Path) -> None:
    """spec: SQLite, PRAGMA synchronous - 2 is FULL: with a write-ahead log, NORMAL loses the last commits."""
    engine = open_writer(parse(f"sqlite:///{tmp_path / 'ledger.sqlite'}"))
    with engine.connect() as connection:
        level = connection.exec_driver_sql("PRAGMA synchronous").scalar()
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    engine.dispose()
    assert (level, journal) == (2, "wal")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An empty database, to write to."""
    url = parse(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    await asyncio.to_thread(migrate, url)
    engine = open_writer(url)
    yield engine
    engine.dispose()


def a_writer(engine: Engine, **more: Any) -> Writer:
    changes = Changes(engine.dialect, "H53", Retention(), Leases(engine.dialect, store_clock))
    return Writer(engine, changes, asyncio.get_running_loop(), **more)


@pytest.mark.parametrize("count", [1, MOST_PATIENT])
async def test_what_only_tidies_up_goes_with_the_next_group(engine: Engine, count: int) -> None:
    """Nobody's document waits for it: a commit of its own would be for nothing."""
    commits: list[Any] = []
    event.listen(engine, "commit", commits.append)
    writer = a_writer(engine, patience_s=3600)
    for n in range(10):
        changes = [Change(forgets=(f"receipt:{n}-{k}",)) for k in range(count)]
        tidying = [asyncio.create_task(writer.commit(change)) for change in changes]
        await asyncio.sleep(0)  # each is in the writer's hands
        if count < MOST_PATIENT:
            assert await writer.commit(registered(f"d{n}")) == Committed()
        assert await asyncio.gather(*tidying) == [Committed()] * count
    assert len(commits) == 10
    await writer.close()


async def test_in_a_crowd_changes_wait_to_be_written_together(engine: Engine) -> None:
    """And not once there is none: then each has a commit of its own at once."""
    commits: list[Any] = []
    event.listen(engine, "commit", commits.append)
    writer = a_writer(engine, patience_s=3600)
    writer.is_crowded = lambda: True
    waiting = [asyncio.create_task(writer.commit(registered(f"d{n}"))) for n in range(MOST_PATIENT - 1)]
    await asyncio.sleep(0)  # each is in the writer's hands
    writer.is_crowded = lambda: False
    assert await writer.commit(registered("last")) == Committed()
    assert await asyncio.gather(*waiting) == [Committed()] * len(waiting)
    assert len(commits) == 1
    assert await writer.commit(registered("alone")) == Committed()
    assert len(commits) == 2
    await writer.close()


async def test_a_crowd_waits_no_longer_than_its_patience(engine: Engine) -> None:
    writer = a_writer(engine, patience_s=0.001)
    writer.is_crowded = lambda: True
    assert await asyncio.wait_for(writer.commit(registered()), 10) == Committed()
    await writer.close()


async def test_what_only_tidies_up_is_not_forgotten(engine: Engine) -> None:
    """Alone it is written when its patience is over; at the end at once."""
    writer = a_writer(engine, patience_s=0)
    assert await writer.commit(Change(forgets=("receipt:1",))) == Committed()
    await writer.close()
    writer = a_writer(engine, patience_s=3600)
    tidying = asyncio.create_task(writer.commit(Change(forgets=("receipt:2",))))
    await asyncio.sleep(0)
    await writer.close()
    assert await tidying == Committed()


async def test_nobody_is_answered_before_the_commit_has_come_back(engine: Engine) -> None:
    """The commit is held while we look: whoever asked still waits."""
    begun, released = threading.Event(), threading.Event()

    def hold(_connection: Any) -> None:
        begun.set()
        released.wait(10)

    event.listen(engine, "commit", hold)
    writer = a_writer(engine)
    asked = asyncio.create_task(writer.commit(registered()))
    assert await asyncio.to_thread(begun.wait, 10)
    for _ in range(5):
        await asyncio.sleep(0)  # whatever the thread has left for the loop is done by now
    was_answered = asked.done()
    released.set()
    assert await asked == Committed()
    assert not was_answered
    await writer.close()


async def test_a_payload_gives_back_its_memory_once_it_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole or in pieces; a file system that takes no such advice is none the worse."""
    told: list[str] = []
    fdatasync = os.fdatasync

    def synced(file: int) -> None:
        told.append("synced")
        fdatasync(file)

    def advised(file: int, start: int, size: int, advice: int) -> None:
        assert (start, size, advice) == (0, 0, os.POSIX_FADV_DONTNEED)
        told.append("given back")
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    async def pieces() -> AsyncIterator[bytes]:
        yield b"in "
        yield b"pieces"

    monkeypatch.setattr(os, "fdatasync", synced)
    monkeypatch.setattr(os, "posix_fadvise", advised)
    vault = FileVault(VaultOptions(folder=tmp_path))
    try:
        for payload in (b"whole", pieces()):
            ref = await vault.put(payload)
            assert await vault.read(replace(ref, body=None)) in (b"whole", b"in pieces")
    finally:
        await vault.close()
    assert told == ["synced", "given back"] * 2
