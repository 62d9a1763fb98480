"""``vanthu organs import``: a new list takes the place of the one in force, the former one is kept beside it.

What would be wrong, or lost, is said before anything is written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapters.directory import Difference, compare, load
from adapters.directory.cells import VIETNAM
from adapters.store import Store
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.model.ids import PartyKey
from gateway.wiring.audit import has_store
from gateway.wiring.ground import open_the_store
from gateway.wiring.organs import CheckedList, check_organs, clients_of, with_list
from gateway.wiring.parties import imported_list, registered


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """What a party that the new list does not have would leave behind."""

    party: PartyKey
    name: str
    open_copies: int
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What an import would do.  ``difference`` is ``None`` where the list can't be taken."""

    checked: CheckedList
    target: Path
    body: bytes
    difference: Difference | None

    @property
    def sha256(self) -> str:
        """Of the new list's bytes."""
        return hashlib.sha256(self.body).hexdigest()


def plan_import(config: Config, file: Path) -> ImportPlan:
    """Look at *file* and at what it would change; nothing is written.  Raises ``ConfigError``."""
    with tempfile.TemporaryDirectory() as folder:
        # What is looked at is what will be written, whatever becomes of the file meanwhile.
        copy = Path(folder) / "organs.csv"
        try:
            if not file.is_file():
                raise ConfigError(f"{file}: không có tệp này · no such file")
            copy.write_bytes(file.read_bytes())
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror or error}") from error
        checked = check_organs(config, copy)
        difference = None
        if not checked.listed.report.fatal and not checked.problem:
            difference = compare(registered(config), load(with_list(config, copy))[0])
        return ImportPlan(
            checked=checked,
            target=imported_list(config),
            body=copy.read_bytes(),
            difference=difference,
        )


async def concerns_of(config: Config, plan: ImportPlan) -> tuple[Concern, ...]:
    """What would be left behind by the organs that *plan* removes."""
    removed = plan.difference.removed if plan.difference is not None else ()
    if not removed:
        return ()
    counts = await _open_copies(config, frozenset(party.key for party in removed))
    clients = clients_of(config)
    concerns = []
    for party in removed:
        # the one that development makes for every party goes with it, and is nobody's loss
        own = tuple(
            client.id
            for client in clients
            if party.key in client.acts_for
            and (str(client.id) != party.key or client.acts_for != {party.key})
        )
        if own or counts.get(party.key):
            found = Concern(
                party=party.key, name=party.name, open_copies=counts.get(party.key, 0), clients=own
            )
            concerns.append(found)
    return tuple(concerns)


def write_import(plan: ImportPlan) -> Path | None:
    """Put the new list in its place, all at once; the former one's new name, ``None`` where there was none.

    Raises ``ConfigError``.
    """
    target = plan.target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        former = _kept(target) if target.exists() else None
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(plan.body)
                out.flush()
                os.fsync(out.fileno())
            os.chmod(temporary, target.stat().st_mode & 0o777 if former else 0o644)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise ConfigError(f"{target}: {error.strerror or error}") from error
    return former


def _kept(target: Path) -> Path:
    """A copy of the list in force, under the instant of its end."""
    now = datetime.now(VIETNAM)
    former = target.with_name(f"{target.stem}.{now:%Y%m%d-%H%M%S}{target.suffix}")
    number = 1
    while former.exists():
        number += 1
        former = target.with_name(f"{target.stem}.{now:%Y%m%d-%H%M%S}-{number}{target.suffix}")
    shutil.copy2(target, former)
    return former


async def _open_copies(config: Config, keys: frozenset[PartyKey]) -> dict[PartyKey, int]:
    if not has_store(config):
        return {}
    store: Store = await open_the_store(config)
    try:
        return dict(await store.records.open_copies(keys))
    finally:
        await store.close()
