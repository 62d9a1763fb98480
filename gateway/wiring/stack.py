"""The parent of ``serve``: broker, topology, store, access file, then the workers.  It holds no document."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import structlog

from adapters.broker.definitions import Site
from adapters.broker.management import Management
from adapters.broker.management import Options as ManagementOptions
from adapters.broker.node import Options as NodeOptions
from adapters.broker.node import PrivateNode
from adapters.broker.topology import SUBMITTED
from adapters.clock import SystemClock
from adapters.directory import write_access
from adapters.http import metrics
from adapters.store import Store
from gateway.config import Config, secret
from gateway.errors import ConfigError, Unavailable
from gateway.model.change import AuditEntry
from gateway.model.ids import Owner
from gateway.supervisor import Supervisor
from gateway.wiring.control import Presence, answer_drain, drain_wanted
from gateway.wiring.desk import access_file
from gateway.wiring.drain import Drained, Draining, stamped, told_drained, told_left
from gateway.wiring.ground import Ground, address_of, claim_secret, open_the_store
from gateway.wiring.logs import set_up
from gateway.wiring.recovery import recover, told_recovered
from gateway.wiring.renewal import Broker, Reloaded, Renewal, passwords
from gateway.wiring.secrecy import keep_memory_private

log = structlog.get_logger("stack")


class Stack:
    """Everything that ``serve`` runs.  ``stop`` may be called early, late and twice."""

    def __init__(
        self,
        config: Config,
        *,
        workers: int | None = None,
        actor: str,
        command: Sequence[str] = (sys.executable, "-m", "gateway.cli", "work"),
    ) -> None:
        self._config = config
        self._command = command
        self._workers = workers or config.workers
        self._actor = actor
        self._node: PrivateNode | None = None
        self._store: Store | None = None
        self._supervisor: Supervisor | None = None
        self._socket: socket.socket | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._presence = Presence(config)
        self._renewal = Renewal(config, self._tell_clients)
        self._at_broker: Broker | None = None
        self._draining: Draining | None = None
        self.recovered = ""
        self._clients_url = ""
        self._public = ""

    @property
    def worker_pids(self) -> Sequence[int]:
        """The process ids of the workers that live."""
        return self._supervisor.pids if self._supervisor else ()

    async def start(self) -> str:
        """Bring everything up; answers the line that begins with ``ready``."""
        keep_memory_private()
        config = self._config
        config.var.mkdir(parents=True, exist_ok=True)
        set_up(config.sections.log, config.var / "log" / "serve.log")
        self._presence.take()
        ground = await self._renewal.begin()
        for remark in ground.report.remarks:
            log.warning("directory", remark=str(remark))
        self._store = await open_the_store(config)
        await self._note("serve", "started")
        left = await recover(config, self._store, ground.vault / "uploads")
        amqp_url, management = await self._broker()
        address = address_of(amqp_url)
        site = Site(vhost=address.vhost, gateway_user=address.user)
        self._at_broker = Broker(options=management, site=site)
        async with Management(management, site) as api:
            await api.ensure(self._renewal.topology, passwords(ground))
            await api.unbind(self._renewal.topology)
            for queue, messages in (await api.left(self._renewal.topology)).items():
                if messages:
                    log.warning("messages wait for a party that left", queue=queue, messages=messages)
            self.recovered = told_recovered(replace(left, messages=await api.messages(SUBMITTED)))
        host, port = self._reserve()
        scheme = "https" if config.sections.http.certificate_file else "http"
        public = config.sections.http.public_url or f"{scheme}://{host}:{port}"
        facts = {
            "config": str(config.source) if config.source else None,
            "var": str(config.var),
            "amqp_url": amqp_url,
            "management": {"url": management.url, "user": management.user, "password": management.password},
            "http": {"host": host, "port": port, "public_url": public},
            "claim_secret": claim_secret(config, ground).hex(),
            "directory": str(self._renewal.folder),
            "directory_since": self._renewal.since,
            "directory_refused": "",
        }
        # Read by the workers when they are imported, and by ``metrics.forget``.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_emptied(config.var / "run" / "metrics"))
        self._supervisor = Supervisor(
            self._command,
            facts,
            self._workers,
            self._bury,
            grace_s=config.sections.pace.grace_s + 10,
            env=dict(os.environ),
        )
        await self._supervisor.start()
        self._draining = Draining(self._supervisor, self._store, self._at_broker)
        self._public = public
        told = secret(config.sections.broker.client_url, "broker.client_url")
        self._clients_url = told or address.without_user
        self._tell_clients(ground)
        return (
            f"ready http={public} amqp={self._clients_url} workers={self._workers} "
            f"access={access_file(config) if ground.secrets else '-'} pid={os.getpid()}"
        )

    async def reload(self) -> Reloaded:
        """Read the directory's files anew and put them in force everywhere, or leave everything as it was.

        For after ``start``.  What is wrong is in the answer, and in the log.
        """
        assert self._supervisor is not None
        assert self._at_broker is not None
        done = await self._renewal.again(self._supervisor, self._at_broker)
        outcome = f"refused: {done.problem}" if done.problem else f"{done.organs} organs"
        with suppress(Unavailable):
            await self._note("reload", outcome)
        return done

    async def drain(self, within_s: float, *, actor: str = "") -> Drained:
        """Take nothing in, bring what is in hand to an end within *within_s*, and say what store and broker know of it.

        For after ``start``.  It ends with ``resume``, or with this process.
        """
        assert self._draining is not None
        done = await self._draining.drain(within_s)
        outcome = "nothing in flight" if done.is_proved else f"in flight: {told_left(done)}"
        with suppress(Unavailable):
            await self._note("drain", outcome, actor)
        return done

    async def resume(self, *, actor: str = "") -> Mapping[int, bool]:
        """Take work in again, after ``drain``: each worker, and whether it obeyed."""
        assert self._draining is not None
        done = await self._draining.resume()
        with suppress(Unavailable):
            await self._note("drain --resume", f"{sum(done.values())} workers", actor)
        return done

    async def obey(self) -> str | None:
        """Do what the command line has asked for, if it was a drain; the line to print, ``None`` where it was not."""
        wanted = drain_wanted(self._config)
        if wanted is None:
            return None
        request, actor = str(wanted.get("request", "")), str(wanted.get("actor", ""))
        if wanted.get("resume"):
            obeyed = await self.resume(actor=actor)
            answer_drain(self._config, {"request": request, "resumed": sum(obeyed.values())})
            return "tiếp tục nhận văn bản · takes documents in again"
        done = await self.drain(float(wanted.get("within_s", 0)), actor=actor)
        answer_drain(self._config, stamped(done, request))
        return told_drained(done)

    def _tell_clients(self, ground: Ground) -> None:
        if ground.secrets is not None:
            write_access(
                access_file(self._config),
                ground.directory.parties(),
                ground.secrets,
                amqp_url=self._clients_url,
                http_url=self._public,
            )

    async def stop(self) -> None:
        """Workers first, each finishing what runs; then what they stand on."""
        if self._supervisor is not None:
            supervisor, self._supervisor = self._supervisor, None
            await supervisor.stop()
        if self._store is not None:
            with suppress(Unavailable):
                await self._note("serve", "stopped")
            store, self._store = self._store, None
            await store.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        if self._node is not None:
            node, self._node = self._node, None
            await node.stop()
        self._presence.leave()

    async def _broker(self) -> tuple[str, ManagementOptions]:
        broker = self._config.sections.broker
        url = os.environ.get("VANTHU_BROKER_URL") or secret(broker.url, "broker.url")
        if url:
            where = os.environ.get("VANTHU_BROKER_MANAGEMENT_URL") or secret(
                broker.management_url, "broker.management_url"
            )
            if not where:
                raise ConfigError("broker.management_url: needed together with broker.url")
            address = address_of(url)
            ca_file = self._config.file(broker.ca_file, Path()) if broker.ca_file else None
            return url, ManagementOptions(
                url=where.rstrip("/"), user=address.user, password=address.password, ca_file=ca_file
            )
        self._node = PrivateNode(
            NodeOptions(folder=self._config.var / "broker", queues=len(self._renewal.topology.queues))
        )
        await self._node.start()
        node = self._node
        self._keeper = asyncio.create_task(self._keep(node), name="keep-broker")
        return node.amqp_url, ManagementOptions(
            url=node.management_url, user=node.user, password=node.password
        )

    async def _keep(self, node: PrivateNode) -> None:
        """Start the private node again where it died by itself; the workers connect again as it comes back."""
        pause = 0.5
        while True:
            await node.wait()
            log.error("private broker died")
            try:
                await node.start()
                pause = 0.5
            except (ConfigError, Unavailable) as error:
                log.error("private broker not restarted", detail=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 30.0)

    def _reserve(self) -> tuple[str, int]:
        """A port that all workers share: bound here without listening, so that nobody else takes it."""
        http = self._config.sections.http
        memory = self._config.var / "run" / "http.port"
        memory.parent.mkdir(parents=True, exist_ok=True)
        wanted = [http.port] if http.port else [*_remembered(memory), 0]
        for port in wanted:
            held = socket.socket(socket.AF_INET6 if ":" in http.host else socket.AF_INET)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                held.bind((http.host, port))
            except OSError as error:
                held.close()
                if port == wanted[-1]:
                    raise ConfigError(
                        f"http.host, http.port: {http.host}:{port}: {error.strerror}"
                    ) from error
                continue
            self._socket = held
            number: int = held.getsockname()[1]
            memory.write_text(str(number))
            return http.host, number
        raise ConfigError("http.port: no port is free")

    async def _bury(self, owner: Owner) -> None:
        metrics.forget(int(owner.partition("-")[0]))
        if self._store is not None:
            try:
                await self._store.lives.bury(owner)
            except Unavailable as away:  # its lease will run out by itself
                log.warning("life not buried", reason=away.reason)

    async def _note(self, verb: str, outcome: str, actor: str = "") -> None:
        assert self._store is not None
        entry = AuditEntry(
            at=SystemClock().now(),
            actor=actor or self._actor,
            verb=verb,
            object=f"{self._workers} workers",
            outcome=outcome[:200],
        )
        await self._store.records.note(entry)


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _remembered(memory: Path) -> list[int]:
    try:
        return [int(memory.read_text())]
    except (OSError, ValueError):
        return []
