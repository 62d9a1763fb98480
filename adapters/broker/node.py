"""A RabbitMQ node of our own: on free loopback ports, up in seconds, gone with whoever started it.

    async with PrivateNode(Options(folder=Path("var/dev/broker"))) as node:
        connection = await aio_pika.connect_robust(node.amqp_url)

Data, ports and password live in the folder, so a node that is started again there is the same node:
nothing is lost and clients' addresses stay valid.  It never touches a broker that it did not start.
Works as root and as anybody, with RabbitMQ 3.10 to 4.x; Linux only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import structlog

from adapters.broker.guard import Guard, Part
from adapters.broker.node_folder import (
    LOOPBACK,
    NodeFolder,
    Options,
    farewell,
    find_epmd,
    find_server,
    is_free,
)
from gateway.errors import ConfigError, Unavailable

__all__ = ["Options", "PrivateNode"]

_log = structlog.get_logger(__name__)

_ATTEMPTS = 3
_POLL_S = 0.05


class PrivateNode:
    """One node; ``start`` and ``stop`` may be called again and again, and belong to no event loop."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._folder = NodeFolder(options)
        self._guard: Guard | None = None
        self._pids: Mapping[str, int] = {}
        self._ports: Mapping[str, int] = {}
        self._password = ""

    @property
    def user(self) -> str:
        """The gateway's own broker user, an administrator."""
        return self._options.user

    @property
    def password(self) -> str:
        """Its password; made at the first start and kept in the folder."""
        return self._password

    @property
    def vhost(self) -> str:
        """The only virtual host at the first start."""
        return self._options.vhost

    @property
    def amqp_url(self) -> str:
        """The AMQP address with the gateway's user and password."""
        return self.amqp_url_for(self.user, self._password)

    @property
    def management_url(self) -> str:
        """The management API's address, without credentials and without a slash at the end."""
        return f"http://{LOOPBACK}:{self._ports['management']}"

    @property
    def ports(self) -> Mapping[str, int]:
        """The loopback ports by name: ``amqp``, ``management``, ``distribution``, ``epmd``."""
        return self._ports

    @property
    def pids(self) -> Mapping[str, int]:
        """Our processes by name: ``guardian``, ``epmd``, ``node``; empty when stopped."""
        return self._pids

    @property
    def is_running(self) -> bool:
        """Whether the node is up, as far as its guardian knows."""
        return self._guard is not None and self._guard.is_running

    def amqp_url_for(self, user: str, password: str) -> str:
        """The AMQP address for another user of the same virtual host."""
        return f"amqp://{user}:{password}@{LOOPBACK}:{self._ports['amqp']}/{self._options.vhost}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the node and return when it takes AMQP connections and management requests.

        Does nothing when it runs already.  What an earlier owner that was killed left behind in this
        folder is ended first.  Raises ``ConfigError`` without RabbitMQ on this machine or where another
        living process uses the folder, and ``Unavailable`` with the end of the log where the node fails.
        """
        if self.is_running:
            return
        server = find_server(self._options.server)
        self._password = self._folder.prepare()
        began = time.monotonic()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._start_once(server)
                break
            except Unavailable:
                # Somebody may take a port between our look and the node's start: then new ports, and again.
                if attempt == _ATTEMPTS or all(is_free(port) for port in self._ports.values()):
                    raise
        _log.info(
            "private broker started",
            port=self._ports["amqp"],
            duration_ms=round((time.monotonic() - began) * 1000),
        )

    async def stop(self) -> None:
        """Stop the node and all that belongs to it; returns when nothing is left.  May be called twice."""
        guard = self._guard
        if guard is None:
            return
        guard.release()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience.total_seconds()):
                    await self.wait()
        finally:
            # Cancelled or out of patience: the guardian goes on stopping the node by itself.
            if not guard.is_running:
                guard.close()
                self._guard, self._pids = None, {}

    async def restart(self) -> None:
        """Stop and start with the same data, ports and users."""
        await self.stop()
        await self.start()

    async def kill(self) -> None:
        """Kill the node as a power cut would (SIGKILL), and wait until all of it is gone; ``start`` comes next."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pids["node"], signal.SIGKILL)
            await self.wait()
        await self.stop()

    async def wait(self) -> None:
        """Return when the node is gone, whoever ended it."""
        while self.is_running:  # noqa: ASYNC110 - a process that belongs to no event loop sets no event
            await asyncio.sleep(_POLL_S)

    @property
    def _patience(self) -> timedelta:
        """How long a node may take to be gone: its own grace, and some for the guardian."""
        return self._options.stop_within + timedelta(seconds=10)

    async def _start_once(self, server: Path) -> None:
        guard = self._guard = Guard(self._folder.path, wait=self._patience)
        try:
            if not await asyncio.to_thread(guard.has_folder):
                raise ConfigError(
                    f"the broker's folder {self._folder.path} is in use by another running process"
                )
            # Only now: a port that an earlier owner's node still held would be given up for a new one.
            self._ports = self._folder.choose_ports()
            self._folder.write_configuration(self._ports, self._password)
            pids = guard.run(self._parts(server))
            if not pids:
                raise self._failure("could not be started")
            self._pids = {"guardian": guard.pid, **pids}
            async with asyncio.timeout(self._options.start_within.total_seconds()):
                await self._wait_until_ready(guard)
        except TimeoutError:
            await self.stop()
            raise self._failure(f"was not ready within {self._options.start_within}") from None
        except BaseException:
            await self.stop()
            raise

    def _parts(self, server: Path) -> Sequence[Part]:
        folder = self._folder
        common: dict[str, Any] = {
            "env": folder.environment(self._ports),
            "cwd": folder.path,
            "output": folder.start_log,
        }
        mapper = [find_epmd(), "-address", LOOPBACK, "-port", str(self._ports["epmd"])]
        grace_s = self._options.stop_within.total_seconds()
        return (
            Part(name="epmd", argv=mapper, **common),
            Part(name="node", argv=[str(server)], farewell=farewell(), grace_s=grace_s, **common),
        )

    async def _wait_until_ready(self, guard: Guard) -> None:
        # Management comes up with the plugins, the AMQP listener at the very end: both must answer.
        headers = {"Authorization": aiohttp.encode_basic_auth(self.user, self._password)}
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
            while True:
                if not guard.is_running:
                    raise self._failure("ended while it was starting")
                if await self._speaks_amqp() and await self._answers(http):
                    return
                await asyncio.sleep(_POLL_S)

    async def _speaks_amqp(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, self._ports["amqp"])
        except OSError:
            return False
        try:
            # spec: AMQP 0-9-1 §4.2.2 - the protocol header; the answer is a method frame (type 1).
            writer.write(b"AMQP\x00\x00\x09\x01")
            async with asyncio.timeout(5):
                return await reader.read(1) == b"\x01"
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()

    async def _answers(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self.management_url}/api/vhosts/{self._options.vhost}") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _failure(self, what: str) -> Unavailable:
        tail = [_tail(self._folder.log / name) for name in ("start.log", "node.log")]
        return Unavailable(
            "broker-away",
            f"the private RabbitMQ node {what}; the end of its log:\n" + "\n".join(filter(None, tail)),
        )


def _tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
