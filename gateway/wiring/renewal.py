"""Reload without restart: the parent's side.

Strategy: all that can fail comes first, and whatever fails leaves the old directory in force everywhere.
1. The files are copied and read: a fault in them ends the reload.
2. Every worker reads the copies beside the directory that it has in force.
3. The broker gets what it lacks: queues, users, rights (topic permissions first, as always); who left loses them.
4. Every worker swaps, in one assignment each, and begins and ceases to consume.
5. Connections that may do less than before are closed; the queues of who left stay, and it is told what waits in them.
Workers that start later read the same copies, also after somebody has put a broken file in their place.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from adapters.broker.definitions import Site
from adapters.broker.management import Management
from adapters.broker.management import Options as ManagementOptions
from adapters.broker.topology import Topology, narrowed, plan
from adapters.clock import SystemClock
from adapters.directory import compare
from adapters.directory.development import write_private
from gateway.config import Config
from gateway.errors import ConfigError, GatewayError
from gateway.supervisor import Supervisor
from gateway.wiring.ground import Ground, take

log = structlog.get_logger("directory")

ANSWER_WITHIN_S = 60.0
"""A worker reads 12,000 organs in half a second; one that is busy may need longer, one that hangs is not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """How a reload ended.  ``request`` is whose it was, ``problem`` why the old directory stays in force.

    ``waiting`` are the queues of parties that left, with the messages in them.
    """

    request: str
    at: str
    problem: str = ""
    organs: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    renamed: int = 0
    workers: int = 0
    waiting: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where queues and rights are."""

    options: ManagementOptions
    site: Site


class Renewal:
    """Holds the directory of the whole stack, and exchanges it.  *tell_clients* writes what clients are told."""

    def __init__(self, config: Config, tell_clients: Callable[[Ground], None]) -> None:
        self._config = config
        self._tell_clients = tell_clients
        self._folders = config.var / "run" / "directory"
        self._number = 0
        self._ground: Ground | None = None
        self._topology: Topology | None = None
        self._one_at_a_time = asyncio.Lock()
        self.since = ""

    async def begin(self) -> Ground:
        """The first directory, for the start.  Raises ``ConfigError``."""
        shutil.rmtree(self._folders, ignore_errors=True)
        ground = await asyncio.to_thread(take, self._config, self._next())
        self._ground, self._topology, self.since = ground, _planned(ground), _now()
        return ground

    @property
    def folder(self) -> Path:
        """Where the files in force are."""
        return self._folders / str(self._number)

    @property
    def topology(self) -> Topology:
        """What the broker must have for the directory in force."""
        assert self._topology is not None
        return self._topology

    async def again(self, supervisor: Supervisor, broker: Broker) -> Reloaded:
        """Read the files anew and put what they say in force everywhere, or leave everything as it was."""
        async with self._one_at_a_time:
            request = _request(self._config)
            try:
                done = await self._exchange(supervisor, broker, request)
            except GatewayError as error:
                done = Reloaded(request=request, at=_now(), problem=str(error))
                log.error("directory not reloaded, the old one stays in force", problem=done.problem)
                told = {"refused": done.problem[:1000]}
                supervisor.remember(directory_refused=told["refused"])
                await supervisor.order(told, ANSWER_WITHIN_S)
            self._answer(done)
            return done

    async def _exchange(self, supervisor: Supervisor, broker: Broker, request: str) -> Reloaded:
        assert self._ground is not None
        in_force, before, old = self.folder, self.topology, self._ground
        number = self._number
        folder = self._next()
        try:
            # 1, 2. Whoever has to read the files has read them, before anything changes.
            fresh = await asyncio.to_thread(take, self._config, folder)
            topology = _planned(fresh)
            async with supervisor.quiet():
                await _prepared(supervisor, folder)
                # 3.
                async with Management(broker.options, broker.site) as api:
                    await api.ensure(topology, passwords(fresh))
                    await api.unbind(topology)
                    # 4.
                    since = _now()
                    supervisor.remember(directory=str(folder), directory_since=since, directory_refused="")
                    swapped = await supervisor.order({"swap": str(folder), "since": since}, ANSWER_WITHIN_S)
                    self._ground, self._topology, self.since = fresh, topology, since
                    # Whoever has not swapped would go on by the old directory: it starts anew by this one.
                    done = {number for number, answer in swapped.items() if "swapped" in answer}
                    supervisor.restart([n for n in supervisor.numbers if n not in done])
                    # 5.
                    waiting = await self._cut_off(api, topology, narrowed(before, topology))
        except BaseException:
            if self._ground is old:
                shutil.rmtree(folder, ignore_errors=True)
                self._number = number
            raise
        shutil.rmtree(in_force, ignore_errors=True)
        self._tell_clients(fresh)
        for remark in fresh.report.remarks:
            log.warning("directory", remark=str(remark))
        difference = compare(old.directory, fresh.directory)
        told = Reloaded(
            request=request,
            at=since,
            organs=len(fresh.directory.parties()),
            added=len(difference.added),
            removed=len(difference.removed),
            changed=len(difference.changed),
            renamed=len(difference.renamed),
            workers=len(done),
            waiting=waiting,
        )
        log.info("directory reloaded", **asdict(told))
        return told

    async def _cut_off(
        self, api: Management, topology: Topology, users: tuple[str, ...]
    ) -> Mapping[str, int]:
        try:
            await api.disconnect(users)
            waiting = await api.left(topology)
        except GatewayError as error:
            # The new directory is in force and refuses what comes; readiness tells what is left at the broker.
            log.error("what left is not cut off yet", problem=str(error))
            return {}
        for queue, messages in waiting.items():
            if messages:
                log.warning("messages wait for a party that left", queue=queue, messages=messages)
        return waiting

    def _next(self) -> Path:
        self._number += 1
        return self.folder

    def _answer(self, done: Reloaded) -> None:
        try:
            write_private(answer_file(self._config), json.dumps(asdict(done), ensure_ascii=False) + "\n")
        except ConfigError as error:
            log.error("nobody is told of the reload", problem=str(error))


def passwords(ground: Ground) -> dict[str, str]:
    """The passwords of the development clients at the broker; others are given by people."""
    if ground.secrets is None:
        return {}
    return {str(key): password for key, password in ground.secrets.broker_passwords.items()}


def request_file(config: Config) -> Path:
    """Where whoever asks for a reload says who it is."""
    return config.var / "run" / "reload.request"


def answer_file(config: Config) -> Path:
    """Where the parent says how the last reload ended."""
    return config.var / "run" / "reload.json"


def _planned(ground: Ground) -> Topology:
    return plan(ground.directory.parties(), ground.directory.clients())


async def _prepared(supervisor: Supervisor, folder: Path) -> None:
    answers = await supervisor.order({"prepare": str(folder)}, ANSWER_WITHIN_S)
    for number, answer in answers.items():
        if "prepared" not in answer:
            raise ConfigError(f"worker {number} can't take the directory over: {answer.get('failed')}")


def _request(config: Config) -> str:
    try:
        return request_file(config).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _now() -> str:
    return SystemClock().now().isoformat(timespec="seconds")
