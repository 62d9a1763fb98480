"""The contract of ``Shelves``: the twin and the file vault; below it what only files can do wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.memory import FixedClock, MemoryVault
from adapters.store import FileShelves, FileVault, VaultOptions
from gateway.errors import Unavailable
from gateway.model.payload import PayloadRef
from gateway.model.retention import Lying
from gateway.ports import Shelves, Vault
from tests.services import ROOT

BODY = b"Cong van 517"
REF = PayloadRef.of(BODY).bare()
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Store:
    """A vault, its shelves, and how to let time pass over what lies there."""

    vault: Vault
    shelves: Shelves
    now: Callable[[], datetime]
    age: Callable[[], None]

    async def lying(self, before: timedelta = timedelta()) -> list[Lying]:
        """What lies anywhere and was last put so long *before* now."""
        at = self.now() - before
        return [one for n in range(self.shelves.shelves) for one in await self.shelves.look(n, at)]

    async def is_here(self) -> bool:
        """Whether the bytes can be read."""
        try:
            return await self.vault.read(REF) == BODY
        except Unavailable:
            return False


@pytest.fixture(params=["memory", "file"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Bytes that were put nine days ago."""
    if request.param == "memory":
        clock = FixedClock()
        memory = MemoryVault(clock)
        soon = timedelta(seconds=1)
        store = Store(memory, memory, lambda: clock.now() + soon, lambda: clock.advance(9 * DAY))
        await memory.put(BODY)
        store.age()
        yield store
        return
    vault = FileVault(VaultOptions(folder=tmp_path / "vault"))

    def age() -> None:
        for path in (vault.path_of(REF), vault.aside_of(REF)):
            if path.exists():
                then = path.stat().st_mtime - 9 * DAY.total_seconds()
                os.utime(path, (then, then))

    await vault.put(BODY)
    age()
    yield Store(vault, FileShelves(vault), lambda: datetime.now(UTC) + timedelta(seconds=1), age)
    await vault.close()


# --- the port ---------------------------------------------------------------------------------------


async def test_old_bytes_are_seen_and_young_ones_are_not(kept: Store) -> None:
    """ "What was last put before *before*"."""
    (one,) = await kept.lying(7 * DAY)
    assert (one.ref, one.is_aside) == (REF, False)
    assert await kept.lying(10 * DAY) == []
    await kept.vault.put(BODY)
    assert await kept.lying(7 * DAY) == []


async def test_bytes_go_in_two_steps(kept: Store) -> None:
    """ "Set aside (whoever reads still finds them)", then "removed for good"."""
    (one,) = await kept.lying()
    assert await kept.shelves.set_aside(one)
    assert await kept.is_here()
    assert await kept.shelves.destroy(one)
    assert not await kept.is_here()
    assert await kept.lying() == []
    for step in (kept.shelves.set_aside, kept.shelves.destroy):
        assert not await step(one)
    await kept.shelves.put_back(one)
    assert not await kept.is_here()


async def test_bytes_are_put_back(kept: Store) -> None:
    """ "Undo ``set_aside``"; a second time is harmless."""
    (one,) = await kept.lying()
    await kept.shelves.set_aside(one)
    for _ in range(2):
        await kept.shelves.put_back(one)
        assert [found.is_aside for found in await kept.lying()] == [False]
    assert await kept.is_here()


async def test_bytes_that_were_put_again_are_not_set_aside(kept: Store) -> None:
    """ "``False`` where it was put again since"."""
    (one,) = await kept.lying()
    await kept.vault.put(BODY)
    assert not await kept.shelves.set_aside(one)
    assert await kept.is_here()


async def test_bytes_that_are_opened_while_they_are_aside_are_not_destroyed(kept: Store) -> None:
    """Whoever opens a claim may be about to name it; "``False``, and it is put back"."""
    (one,) = await kept.lying()
    await kept.shelves.set_aside(one)
    assert [chunk async for chunk in kept.vault.open(REF)] == [BODY]
    assert not await kept.shelves.destroy(one)
    assert await kept.is_here()
    assert await kept.lying(7 * DAY) == []


async def test_bytes_that_are_put_while_they_are_aside_survive(kept: Store) -> None:
    """They are written anew, whichever end the removal takes."""
    (one,) = await kept.lying()
    await kept.shelves.set_aside(one)
    await kept.vault.put(BODY)
    await kept.shelves.destroy(one)
    assert await kept.is_here()
    await kept.shelves.put_back(one)
    assert await kept.is_here()
    assert await kept.lying(7 * DAY) == []  # and they are young


async def test_what_a_dead_life_set_aside_is_seen_again(kept: Store) -> None:
    """ "Who dies between two steps leaves what the next look finds"."""
    (one,) = await kept.lying()
    await kept.shelves.set_aside(one)
    (again,) = await kept.lying()
    assert (again.ref, again.is_aside) == (REF, True)
    await kept.vault.put(BODY)
    assert await kept.lying(7 * DAY) == []
    assert [found.is_aside for found in await kept.lying()] == [False]


# --- files alone ------------------------------------------------------------------------------------


def test_whoever_puts_the_same_bytes_at_any_call_of_the_system_keeps_them(tmp_path: Path) -> None:
    """A removal that comes before each call of a put, and a put that comes before each call of a removal."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.interposed", tmp_path / "vault"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 10


async def test_a_temporary_that_a_dead_process_left_is_dropped(tmp_path: Path) -> None:
    """Also in a process that runs for months."""
    vault = FileVault(VaultOptions(folder=tmp_path / "vault"))
    left, fresh = vault.temporary / "left", vault.temporary / "fresh"
    for path in (left, fresh):
        path.write_bytes(b"half of something")
    os.utime(left, (0, 0))
    await FileShelves(vault).look(0, datetime.now(UTC))
    assert [path.name for path in vault.temporary.iterdir()] == ["fresh"]
    await vault.close()
