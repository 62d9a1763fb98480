"""What each stage of one document costs: milliseconds of CPU on a quiet worker.

    python -m benchmarks.stages --documents 100

The pipeline with its real adapters in one process, one document at a time, over a broker of its own; the
clients are another process.  Counted is the CPU of every thread of this process (loop, store's writer, vault,
sealing) and of the judging processes, between the beginning and the end of a stage.  ``consume`` is what it
takes to bring the message from the broker to the intake; ``idle`` what the process needs between documents.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from adapters.broker.connection import Connection
from adapters.broker.connection import Options as ConnectionOptions
from adapters.broker.consumer import Consumer
from adapters.broker.consumer import Options as ConsumerOptions
from adapters.broker.definitions import Site
from adapters.broker.management import Management
from adapters.broker.management import Options as ManagementOptions
from adapters.broker.node import Options as NodeOptions
from adapters.broker.node import PrivateNode
from adapters.broker.outlet import AmqpOutlet
from adapters.broker.outlet import Options as OutletOptions
from adapters.broker.topology import plan
from adapters.clock import SystemClock, SystemIds
from adapters.directory import write_access
from adapters.envelope.edxml import EdxmlEnvelopes
from adapters.envelope.edxml import Options as EnvelopeOptions
from adapters.inspection.processes.inspector import Options as InspectorOptions
from adapters.inspection.processes.inspector import ProcessInspector
from adapters.signing.keyring import KeyRing
from adapters.signing.keyring import Options as KeyOptions
from adapters.signing.notary import XadesNotary
from adapters.signing.sealer import PadesSealer
from adapters.store import FileVault, VaultOptions
from benchmarks import papers
from benchmarks.clients import Exchange, accesses, offices
from benchmarks.processes import account, accounts_ms
from demo.pki import LeaderAuthority
from gateway.config import load
from gateway.model.change import WorkKind
from gateway.model.evidence import EventName
from gateway.model.ids import DocumentId, OrganCode, Owner, PartyKey, Realm
from gateway.model.submission import Arrival, Ticket
from gateway.pipeline import Pipeline
from gateway.register import Register
from gateway.wiring.ground import lay, open_the_store
from gateway.wiring.logs import set_up
from gateway.world import Us, World

STAGES = (
    "consume",
    "receive",
    "validate",
    "sign",
    "route",
    "transform",
    "dispatch",
    "deliver",
    "receipt",
)
NAMES = {"receive": "receive (T1)", "dispatch": "dispatch (T2)", "deliver": "deliver (T3)"}
ORGANS = 3
KINDS = ("unsigned", "signed")
START_WITHIN_S = 60.0
FOLDERS_WARM = 1500


@dataclass(slots=True)
class Meter:
    """Implements ``gateway.ports.Observer``: adds up CPU by stage, in milliseconds."""

    judges: Sequence[int] = ()
    """Open files that tell the scheduler's account of each judging process."""
    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    took: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def read(self) -> tuple[float, float]:
        """CPU of this process's threads and of the judges so far."""
        judges = accounts_ms(self.judges)
        return time.process_time() * 1000, judges

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """What happens within is this stage's."""
        began, own = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.spent[stage] += (time.process_time() - own) * 1000
            self.took[stage] += (time.perf_counter() - began) * 1000

    @contextmanager
    def stage(self, stage: str, document: DocumentId) -> Iterator[None]:
        """``Observer.stage``; those that end outside are measured where they are called."""
        if stage in ("deliver", "receipt"):
            yield
            return
        with self.of(stage):
            yield

    def document(self, outcome: str, document: DocumentId | None, reason: str = "") -> None:
        """``Observer.document``."""
        if outcome not in ("received", "accepted"):
            raise SystemExit(f"a document was {outcome}: {reason}")

    def hand_over(self, document: DocumentId, link: str, outcome: str, reason: str = "") -> None:
        """``Observer.hand_over``."""
        if outcome != "taken":
            raise SystemExit(f"a copy was {outcome}: {reason}")

    def receipt(self, event: EventName) -> None:
        """``Observer.receipt``."""


class Clerk:
    """The intake: takes one document all the way, alone, and measures."""

    def __init__(self, pipeline: Pipeline, meter: Meter) -> None:
        self._pipeline = pipeline
        self._meter = meter
        self.arrived: asyncio.Future[tuple[float, float]] | None = None
        self.done: asyncio.Future[None] | None = None

    async def submit(self, arrival: Arrival) -> Ticket:
        """``Intake.submit``, with everything that follows."""
        assert self.arrived is not None
        assert self.done is not None
        self.arrived.set_result(self._meter.read())
        try:
            return await self._carry(arrival)
        except BaseException as error:
            self.done.set_exception(SystemExit(f"{type(error).__name__}: {error}"))
            raise
        finally:
            if not self.done.done():
                self.done.set_result(None)

    async def _carry(self, arrival: Arrival) -> Ticket:
        of = self._meter.of
        with of("receive"):
            ticket, errands = await self._pipeline.receive(arrival)
        todo = list(errands)
        while todo:
            errand = todo.pop(0)
            if errand.work.kind is WorkKind.DOCUMENT:
                todo += await self._pipeline.run(errand)
                continue
            with of("deliver" if errand.work.kind is WorkKind.DELIVERY else "receipt"):
                todo += await self._pipeline.run(errand)
        return ticket

    def screen(self, head: bytes) -> None:
        """``Intake.screen``."""

    async def undeliverable(
        self, document: DocumentId, recipient: PartyKey, delivery: str, cause: str
    ) -> None:
        """``Intake.undeliverable``."""
        raise SystemExit(f"a copy came back: {cause}")


@dataclass(slots=True, kw_only=True)
class Desk:
    """What is measured."""

    clerk: Clerk
    meter: Meter
    access_file: Path


@asynccontextmanager
async def a_worker(var: Path, trusted: bytes) -> AsyncIterator[Desk]:
    """A worker's parts over a broker of its own, with the configuration of ``vanthu serve``."""
    (var / "organs.csv").write_text(
        "organ_id,name\n" + "".join(f'"000.00.0{n}.H53","Cơ quan {n}"\n' for n in range(1, ORGANS + 1)),
        encoding="utf-8",
    )
    (var / "gateway.toml").write_text('[directory]\norgans = "organs.csv"\n', encoding="utf-8")
    config = load(var / "gateway.toml", var=var)
    set_up(config.sections.log, var / "log" / "worker.log")
    ground = lay(config)
    assert ground.secrets is not None
    ground.trust.mkdir(parents=True, exist_ok=True)
    (ground.trust / "leaders.pem").write_bytes(trusted)
    clock = SystemClock()
    us = Us(
        realm=Realm(config.sections.gateway.realm),
        organ=OrganCode(config.sections.gateway.organ),
        owner=Owner("bench"),
    )
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(PrivateNode(NodeOptions(folder=var / "broker")))
        topology = plan(ground.directory.parties(), ground.directory.clients())
        site = Site(vhost=node.vhost, gateway_user=node.user)
        management = ManagementOptions(url=node.management_url, user=node.user, password=node.password)
        async with Management(management, site) as api:
            await api.ensure(
                topology, {str(key): word for key, word in ground.secrets.broker_passwords.items()}
            )
        access_file = var / "access.json"
        public = "http://127.0.0.1:9"
        address = node.amqp_url.replace(f"{node.user}:{node.password}@", "")
        write_access(
            access_file, ground.directory.parties(), ground.secrets, amqp_url=address, http_url=public
        )
        store = await open_the_store(config)
        stack.push_async_callback(store.close)
        vault = FileVault(VaultOptions(folder=ground.vault))
        for _ in range(FOLDERS_WARM):  # a vault that has been in use for an hour has its folders
            await vault.put(os.urandom(16))
        ring = KeyRing(
            KeyOptions(
                keys=ground.keys,
                organ=us.organ,
                name=config.sections.gateway.name,
                trust=ground.trust,
                development=True,
            ),
            directory=ground.directory,
            clock=clock,
        )
        inspection = InspectorOptions(workers=config.sections.inspection.processes, trust=ground.trust)
        inspector = await stack.enter_async_context(ProcessInspector(vault, inspection))
        link = ConnectionOptions(url=node.amqp_url)
        publishing = Connection(link, "outlet")
        await publishing.start()
        stack.push_async_callback(publishing.stop)
        secret = ground.secrets.claim_secret
        meter = Meter()
        world = World(
            ledger=store.ledger,
            lives=store.lives,
            records=store.records,
            vault=vault,
            envelopes=EdxmlEnvelopes(EnvelopeOptions(), vault),
            inspector=inspector,
            sealer=PadesSealer(ring, vault=vault, clock=clock),
            directory=ground.directory,
            outlet=AmqpOutlet(OutletOptions(public_url=public), publishing, vault, clock, secret),
            clock=clock,
            ids=SystemIds(),
            observer=meter,
        )
        pipeline = Pipeline(world, Register(XadesNotary(ring), ground.directory, us), config.policy, us)
        clerk = Clerk(pipeline, meter)
        consumer = Consumer(ConsumerOptions(), link, clerk, topology.parties, secret)
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        async with asyncio.timeout(20):
            while consumer.state != "ok":  # noqa: ASYNC110 - it tells its state, not its changes
                await asyncio.sleep(0.05)
        await publishing.opened()
        meter.judges = await asyncio.to_thread(_judges)
        yield Desk(clerk=clerk, meter=meter, access_file=access_file)


def _judges() -> Sequence[int]:
    found = subprocess.run(
        ["pgrep", "-f", "adapters.inspection.processes.nursery"], capture_output=True, check=False
    )
    mine = {multiprocessing.current_process().pid}
    pids = []
    for pid in sorted(int(line) for line in found.stdout.split()):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if int(fields[1]) in mine:
            mine.add(pid)
            pids.append(pid)
    return [account(pid) for pid in pids]


# --- the clients' process -----------------------------------------------------------------------------


def _clients(pipe: Pipe, access_file: Path, supply: Mapping[str, Sequence[papers.Paper]]) -> None:
    uvloop.run(_serve(pipe, access_file, supply))


async def _serve(pipe: Pipe, access_file: Path, supply: Mapping[str, Sequence[papers.Paper]]) -> None:
    found = await offices(accesses(access_file), ORGANS, Exchange())
    pipe.send("ready")
    while (order := await asyncio.to_thread(pipe.recv)) is not None:
        number, kind = order
        sender, recipient = found[0], found[1 + number % 2]
        body = supply[kind][number % len(supply[kind])].edoc(number, sender.organ, recipient.organ)
        await sender.send(body, f"bench-{number}")
    await asyncio.gather(*(office.close() for office in found))


# --- measuring ----------------------------------------------------------------------------------------


async def measure(var: Path, documents: int, profile: Path | None) -> dict[str, Any]:
    """The median of every stage over *documents* of each kind, which take turns."""
    authority = LeaderAuthority.make()
    supply = {
        kind: (await asyncio.to_thread(papers.make, authority, is_signed=kind == "signed", pool=8))[0]
        for kind in KINDS
    }
    async with a_worker(var, authority.pem) as desk:
        ours, theirs = multiprocessing.Pipe()
        clients = multiprocessing.get_context("spawn").Process(
            target=_clients, args=(theirs, desk.access_file, supply), daemon=True
        )
        clients.start()
        theirs.close()
        try:
            if not await asyncio.to_thread(ours.poll, START_WITHIN_S):
                raise SystemExit("the clients did not come up")
            ours.recv()
            gc.collect()
            gc.freeze()  # as `vanthu work` does
            rows: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
            waits: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
            profiler = cProfile.Profile() if profile else None
            for number in range(2 * documents + 10):
                kind = KINDS[number % 2]
                if number == 10 and profiler:
                    profiler.enable()
                spent, took = await _one(desk, ours, number, kind)
                if number >= 10:  # keys are made, caches warm
                    rows[kind].append(spent)
                    waits[kind].append(took)
            if profiler and profile:
                profiler.disable()
                profiler.dump_stats(profile)
            idle = await _idle(desk.meter)
        finally:
            ours.send(None)
            clients.join(10)
            clients.kill()
    return {
        "documents": documents,
        "idle_ms_per_s": idle,
        "cpu_ms": {kind: _medians(rows[kind]) for kind in KINDS},
        "wall_ms": {kind: _medians(waits[kind]) for kind in KINDS},
    }


async def _one(desk: Desk, pipe: Pipe, number: int, kind: str) -> tuple[dict[str, float], dict[str, float]]:
    loop, meter, clerk = asyncio.get_running_loop(), desk.meter, desk.clerk
    meter.spent.clear()
    meter.took.clear()
    clerk.arrived, clerk.done = loop.create_future(), loop.create_future()
    own, judges = meter.read()
    pipe.send((number, kind))
    async with asyncio.timeout(30):
        own_arrived, _ = await clerk.arrived
        await clerk.done
    meter.spent["consume"] = own_arrived - own
    own_done, judges_done = meter.read()
    meter.spent["judges"] = judges_done - judges
    meter.spent["total"] = own_done - own + judges_done - judges
    await asyncio.sleep(0.005)  # the acknowledgement is written, the client has its receipts
    return dict(meter.spent), dict(meter.took)


async def _idle(meter: Meter) -> float:
    before = sum(meter.read())
    await asyncio.sleep(2)
    return (sum(meter.read()) - before) / 2


def _medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {
        name: statistics.median(row.get(name, 0.0) for row in rows) for name in (*STAGES, "judges", "total")
    }


def show(report: Mapping[str, Any], console: Console) -> None:
    """The report for people."""
    table = Table(title=f"CPU per stage, ms (medians of {report['documents']} documents each)")
    for title in ("stage", "unsigned", "signed", "wall unsigned", "wall signed"):
        table.add_column(title, justify="left" if title == "stage" else "right")
    cpu, wall = report["cpu_ms"], report["wall_ms"]
    for stage in (*STAGES, "judges", "total"):
        table.add_row(
            {"judges": "judging processes (validate)"}.get(stage, NAMES.get(stage, stage)),
            *(f"{cpu[kind][stage]:.2f}" for kind in KINDS),
            *(f"{wall[kind].get(stage, 0):.1f}" if wall[kind].get(stage) else "" for kind in KINDS),
            style="bold" if stage == "total" else None,
        )
    console.print(table)
    console.print(f"between documents: {report['idle_ms_per_s']:.1f} ms of CPU per second")


def main() -> None:
    """The command."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--var", type=Path, default=Path("var/bench"))
    words.add_argument("--documents", type=int, default=100, help="of each kind")
    words.add_argument("--profile", type=Path, help="write a cProfile of the loop's thread here")
    given = words.parse_args()
    shutil.rmtree(given.var / "stages", ignore_errors=True)
    (given.var / "stages").mkdir(parents=True)
    report = uvloop.run(measure(given.var / "stages", given.documents, given.profile))
    (given.var / "stages.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    show(report, Console(width=None if sys.stdout.isatty() else 120))


if __name__ == "__main__":
    main()
