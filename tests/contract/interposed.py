"""Somebody puts bytes at each instant at which somebody else removes them, down to every call of the system.

    python -m tests.contract.interposed FOLDER

A process of its own, because what hears the system's calls (``sys.addaudithook``) can't be taken off again.  For each
call that a removal makes, another thread has put the same bytes just before it; and for each call that a put makes,
the removal has come as far as it can just before.  Whoever opens the bytes is
either told that they are gone or keeps them.  Prints how many instants were tried; fails where a put that was
answered left nothing to read.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.store import FileShelves, FileVault, VaultOptions
from gateway.errors import Unavailable
from gateway.model.payload import PayloadRef

BODY = b"the same bytes"
REF = PayloadRef.of(BODY).bare()
CALLS = ("open", "os.utime", "os.rename", "os.link", "os.remove", "os.scandir", "os.mkdir")
NOW = datetime.now(UTC)

_hook: Callable[[], None] | None = None


def _hear(event: str, _arguments: Any) -> None:
    global _hook
    if event in CALLS and _hook is not None:
        heard, _hook = _hook, None  # what it does makes such calls, too
        following = heard()
        if _hook is None:
            _hook = following


def at_call(number: int, something: Callable[[], None]) -> Callable[[], Any]:
    """Does *something* before the call *number* from now on."""
    left = [number]

    def heard() -> Any:
        left[0] -= 1
        if left[0] == 0:
            something()
            return None
        return heard

    return heard


async def main(folder: Path) -> None:
    """Try every instant of both."""
    vault = FileVault(VaultOptions(folder=folder, threads=1))
    shelves = FileShelves(vault)
    shelf = int(REF.sha256[:3], 16)

    def put() -> None:
        vault._put_whole(BODY)

    def remove() -> None:
        for one in shelves._look(shelf, NOW):
            if one.is_aside or shelves._set_aside(one):
                shelves._destroy(one)

    def open_() -> None:
        was_open.append(_is_there(vault))

    def start(is_aside: bool) -> None:
        put()
        old = (NOW - timedelta(days=9)).timestamp()
        os.utime(vault.path_of(REF), (old, old))
        if is_aside:
            (lying,) = shelves._look(shelf, NOW)
            assert shelves._set_aside(lying)

    tried, was_open = 0, list[bool]()
    sys.addaudithook(_hear)
    for first, second in ((put, remove), (remove, put)):
        for is_aside in (False, True):
            tried += await _try_each(vault, lambda: start(is_aside), first, second)  # noqa: B023 - used at once
    for is_aside in (False, True):
        was_open.append(True)
        tried += await _try_each(vault, lambda: start(is_aside), remove, open_, was_open)  # noqa: B023
    await vault.close()
    print(tried)


def _is_there(vault: FileVault) -> bool:
    try:
        vault._open(REF, 0).close()
    except Unavailable:
        return False
    return True


async def _try_each(
    vault: FileVault,
    start: Callable[[], None],
    first: Callable[[], None],
    second: Callable[[], None],
    was_open: Sequence[bool] = (True,),
) -> int:
    global _hook
    number = 0
    while True:
        number += 1
        start()
        was_reached: list[bool] = []

        def interrupt(was_reached: list[bool] = was_reached) -> None:
            was_reached.append(True)
            second()

        _hook = at_call(number, interrupt)
        first()
        _hook = None
        if not was_reached:
            return number - 1
        if not was_open[-1]:
            continue  # who opened it was told that it is gone
        # Put was answered, whoever was first: whatever comes after, its bytes are there.
        assert await vault.read(REF) == BODY, (first, number)
        shelves = FileShelves(vault)
        assert not [one for one in await shelves.look(int(REF.sha256[:3], 16), NOW) if one.is_aside]
        assert vault.path_of(REF).exists(), (first, number)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
