"""What earlier lives left behind, found at start: told on one line, and set free where its owner is surely gone.

Each worker leaves a file with its life's name as long as it lives.  One whose process is gone was killed, with
whatever it had in hand; its leases would else end only with its last beat.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from adapters.store import Store
from gateway.config import Config
from gateway.model.ids import Owner

log = structlog.get_logger("recovery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What was found: lives that did not end in order and the leases freed of them, leases that others hold or that end
    by themselves, undone work by kind, unfinished uploads, messages at the broker (``None``: it did not say)."""

    killed: int
    freed: int
    held: int
    work: Mapping[str, int]
    uploads: int
    messages: int | None = None


async def recover(config: Config, store: Store, uploads: Path) -> Left:
    """Bury the lives of this folder of data whose processes are gone, and count what there is to go on with."""
    gone = [owner for owner in _lives(config) if not _is_alive(owner)]
    leased = await store.records.leased()
    for owner in gone:
        await store.lives.bury(owner)
        forget_life(config, owner)
    freed = sum(leased.get(owner, 0) for owner in gone)
    left = Left(
        killed=len(gone),
        freed=freed,
        held=sum(leased.values()) - freed,
        work=await store.records.waiting(),
        uploads=await asyncio.to_thread(_unfinished, uploads),
    )
    log.info(
        "recovered", killed=left.killed, freed=left.freed, held=left.held, uploads=left.uploads, **left.work
    )
    return left


def told_recovered(left: Left) -> str:
    """One line for people."""
    names = {
        "document": "văn bản · documents",
        "delivery": "bản giao · deliveries",
        "receipt": "biên nhận · receipts",
    }
    parts = [f"{count} {name}" for kind, name in names.items() if (count := left.work.get(kind, 0))]
    if left.uploads:
        parts.append(f"{left.uploads} tệp tải dở · unfinished uploads")
    if left.messages:
        parts.append(f"{left.messages} thông điệp ở broker · messages at the broker")
    if left.killed:
        parts.append(
            f"{left.killed} tiến trình bị ngắt, trả lại {left.freed} việc · workers were killed, {left.freed} leases freed"
        )
    if left.held:
        parts.append(f"{left.held} việc còn được giữ · leases still held")
    if not parts:
        return "không có gì dở dang · nothing was left by earlier lives"
    return "tiếp tục việc dở dang · goes on with what earlier lives left: " + ", ".join(parts)


def note_life(config: Config, owner: Owner) -> None:
    """This process lives as *owner*."""
    folder = _folder(config)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / owner).touch()


def forget_life(config: Config, owner: Owner) -> None:
    """*owner* has ended in order, or was buried."""
    (_folder(config) / owner).unlink(missing_ok=True)


def _unfinished(uploads: Path) -> int:
    return sum(1 for _ in uploads.rglob("*.part"))


def _lives(config: Config) -> list[Owner]:
    folder = _folder(config)
    return [Owner(path.name) for path in sorted(folder.iterdir())] if folder.is_dir() else []


def _folder(config: Config) -> Path:
    return config.var / "run" / "lives"


def _is_alive(owner: Owner) -> bool:
    """Whether the process of *owner*, or another that has its number by now, is there."""
    pid = owner.partition("-")[0]
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
