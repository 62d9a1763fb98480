"""Everything that runs: broker, store, wires, disks, the gateway as its operator starts it, and the agencies."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import aiohttp
import psycopg
from sqlalchemy import make_url

from adapters.broker.node import Options, PrivateNode
from demo.access import read_access
from demo.stack import Stack, StackFailed
from tests.chaos import store
from tests.chaos.agencies import Agency, agency
from tests.chaos.disk import CannotMount, Disk
from tests.chaos.plan import Plan
from tests.chaos.processes import workers_of
from tests.chaos.seen import Seen
from tests.chaos.stamps import StampAuthority
from tests.chaos.wire import Wire
from tests.services import Cluster, postgres_folder

DISK_MB = 2048
_AGAIN_S = 0.5
_MOST_STARTS = 60

Tell = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Town:
    """What faults strike.  ``serve`` is the process id of the running supervisor."""

    plan: Plan
    seen: Seen
    var: Path
    config: Path
    workers: int
    node: PrivateNode
    to_broker: Wire
    stamps: StampAuthority
    store_url: str
    """Directly; the gateway's own way leads over a wire."""
    http_port: int = 0
    cluster: Cluster | None = None
    to_store: Wire | None = None
    disk: Disk | None = None
    store_disk: Disk | None = None
    agencies: dict[str, Agency] = field(default_factory=dict)
    killed: set[int] = field(default_factory=set)
    stack: Stack | None = None
    serve: int = 0

    async def living(self, *, born: bool = True) -> list[int]:
        """The workers that live; with *born*, that have begun to work, as far as the store tells, and
        then it waits for one."""
        while True:
            found = [pid for pid in workers_of(self.serve) if pid not in self.killed]
            if born:
                with suppress(sqlite3.Error, psycopg.Error):
                    known = await asyncio.to_thread(store.born, self.store_url)
                    found = [pid for pid in found if pid in known]
            if found or not born:
                return found
            await asyncio.sleep(0.05)

    async def serve_again(self) -> None:
        """Start the gateway, and again until it stays up, as a service manager does; raises where it never does."""
        for attempt in range(_MOST_STARTS):
            self.stack = Stack(self.var, workers=self.workers, config=self.config)
            try:
                ready = await self.stack.start()
            except StackFailed:
                if attempt == _MOST_STARTS - 1:
                    raise
                await asyncio.sleep(_AGAIN_S)
                continue
            words = dict(word.partition("=")[::2] for word in ready.split() if "=" in word)
            self.serve = int(words["pid"])
            self.http_port = urlsplit(words["http"]).port or 0
            return

    async def depths(self) -> dict[str, int]:
        """How many messages lie in each queue of ours, and among the dead."""
        names = [
            f"vanthu.{kind}.{organ}{lane}"
            for organ in self.plan.queues
            for kind, lane in (("submit", ""), ("submit", ".urgent"), ("deliver", ""), ("receipts", ""))
        ]
        names += [f"vanthu.dead.{kind}" for kind in ("submit", "deliver", "receipts", "parked")]
        found = {}
        async with await aio_pika.connect(self.node.amqp_url, timeout=30) as connection:
            channel = await connection.channel()
            for name in names:
                queue = await channel.declare_queue(name, passive=True)
                found[name] = queue.declaration_result.message_count or 0
        return found


@asynccontextmanager
async def a_town(
    folder: Path,
    plan: Plan,
    *,
    kind: str,
    workers: int,
    settings: str = "",
    node: PrivateNode | None = None,
    may_mount: bool = True,
    tell: Tell = print,
) -> AsyncIterator[Town]:
    """A gateway with everything around it, in *folder*; its own broker unless *node* is given."""
    async with AsyncExitStack() as stack:
        var = folder / "var"
        disk = _mounted(Disk(var, DISK_MB), tell) if may_mount else None
        if disk is not None:
            stack.callback(disk.unmount)
        var.mkdir(parents=True, exist_ok=True)
        stack.callback(_keep_logs, var, folder)
        if node is None:
            node = PrivateNode(Options(folder=folder / "broker"))
            await node.start()
            stack.push_async_callback(node.kill)
        to_broker = await _wired(stack, urlsplit(node.amqp_url).port or 0)
        stamps = StampAuthority()
        await stamps.start()
        stack.push_async_callback(stamps.stop)
        cluster = to_store = store_disk = None
        store_url = seen_by_gateway = f"sqlite:///{var / 'store' / 'ledger.sqlite'}"
        if kind == "postgresql":
            home = stack.enter_context(postgres_folder())
            cluster = Cluster(home)
            if may_mount and disk is not None:
                store_disk = _mounted(Disk(home / "data", DISK_MB, owner=cluster.owner), tell)
            if store_disk is not None:
                stack.callback(store_disk.unmount)
            await asyncio.to_thread(cluster.make)
            await asyncio.to_thread(cluster.start)
            stack.callback(cluster.stop)
            to_store = await _wired(stack, cluster.postgres.port)
            store_url = cluster.postgres.new_database()
            seen_by_gateway = (
                make_url(store_url).set(port=to_store.port).render_as_string(hide_password=False)
            )
        else:
            (var / "store").mkdir(exist_ok=True)
        town = Town(
            plan=plan,
            seen=Seen(),
            var=var,
            config=folder / "gateway.toml",
            workers=workers,
            node=node,
            to_broker=to_broker,
            stamps=stamps,
            store_url=store_url,
            cluster=cluster,
            to_store=to_store,
            disk=disk,
            store_disk=store_disk,
        )
        _configure(town, seen_by_gateway, settings)
        await town.serve_again()
        stack.push_async_callback(_stopped, town)
        await _open_agencies(town, stack)
        yield town


async def _wired(stack: AsyncExitStack, port: int) -> Wire:
    wire = Wire(port)
    await wire.start()
    stack.push_async_callback(wire.stop)
    return wire


def _mounted(disk: Disk, tell: Tell) -> Disk | None:
    try:
        disk.mount()
    except CannotMount as why:
        tell(str(why))
        return None
    return disk


def _configure(town: Town, store_url: str, settings: str) -> None:
    folder = town.config.parent
    organs = "".join(f'"{code}","Cơ quan {code}"\n' for code in town.plan.organs)
    (folder / "organs.csv").write_text("organ_id,name\n" + organs, encoding="utf-8")
    queues = "|".join(town.plan.queues).replace(".", r"\.")
    broker = urlsplit(town.node.amqp_url)
    via = f"amqp://{broker.username}:{broker.password}@127.0.0.1:{town.to_broker.port}{broker.path}"
    town.config.write_text(
        f"""
[directory]
organs = "{folder / "organs.csv"}"
queues = '{queues}'
[store]
url = "{store_url}"
[broker]
url = "{via}"
management_url = "{town.node.management_url}"
client_url = "amqp://127.0.0.1:{broker.port}{broker.path}"
[evidence]
head_s = 2.0
authority = "{town.stamps.url}"
authority_wait_s = 5.0
{settings}
""",
        encoding="utf-8",
    )
    trust = town.var / "dev" / "trust"
    trust.mkdir(parents=True, exist_ok=True)
    (trust / "stamps.pem").write_bytes(town.stamps.root)


async def _open_agencies(town: Town, stack: AsyncExitStack) -> None:
    access = read_access(town.var / "dev" / "access.json")
    http = await stack.enter_async_context(
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0), trust_env=False)
    )
    for organ in town.plan.organs:
        one = town.agencies[organ] = agency(organ, access[organ], town.plan, town.seen, http)
        stack.push_async_callback(one.close)
    await asyncio.gather(*(one.open() for one in town.agencies.values()))


async def _stopped(town: Town) -> None:
    if town.stack is not None:
        with suppress(TimeoutError):
            await town.stack.stop()


def _keep_logs(var: Path, folder: Path) -> None:
    """What the gateway logged outlives the disk that it lay on."""
    logs = folder / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    with suppress(OSError):
        shutil.copytree(var / "log", logs)
        shutil.copy(var / "gateway.log", logs)
