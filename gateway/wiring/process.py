"""One worker process: everything between the broker's queues and the store, composed and run until told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog

from adapters.broker.connection import Connection
from adapters.broker.connection import Options as ConnectionOptions
from adapters.broker.consumer import Consumer
from adapters.broker.consumer import Options as ConsumerOptions
from adapters.broker.definitions import Site
from adapters.broker.management import Management
from adapters.broker.management import Options as ManagementOptions
from adapters.broker.outlet import AmqpOutlet
from adapters.broker.outlet import Options as OutletOptions
from adapters.broker.topology import plan
from adapters.clock import SystemClock, SystemIds
from adapters.directory import LiveDirectory, OrganDirectory
from adapters.envelope.edxml import EdxmlEnvelopes
from adapters.http.metrics import Metrics
from adapters.http.options import Options as HttpOptions
from adapters.http.options import Ports as HttpPorts
from adapters.http.server import HttpServer
from adapters.inspection.processes.inspector import ProcessInspector
from adapters.signing.notary import XadesNotary
from adapters.store import FileShelves, FileUploads, FileVault, Store, UploadOptions, VaultOptions
from gateway.breakers import GuardedOutlet, GuardedService
from gateway.config import Config, load, secret
from gateway.desk import InboxDesk, Shelf
from gateway.disposal import Disposer
from gateway.errors import Reason, Unavailable
from gateway.metered import MeteredIntake
from gateway.model.breaker import Temper
from gateway.model.ids import OrganCode, Owner, PartyKey, Realm
from gateway.observer import LoggingObserver
from gateway.pipeline import Pipeline
from gateway.quotas import Quotas
from gateway.register import Register
from gateway.rounds import Rounds
from gateway.sequencer import Rhythm, Sequencer
from gateway.service import Named, Service
from gateway.valve import Valve
from gateway.wiring.ending import end_within
from gateway.wiring.envelopes import envelope_options
from gateway.wiring.evidence_log import log_lag, stamper_of
from gateway.wiring.following import Following
from gateway.wiring.gauges import disk_low, memory_low
from gateway.wiring.ground import address_of, open_the_store, stand
from gateway.wiring.interpreter import Labour, home_of, run_in_long_turns_while, spare_the_collector
from gateway.wiring.judging import bounds_of
from gateway.wiring.logs import hear_what_dies, set_up
from gateway.wiring.recovery import forget_life, note_life
from gateway.wiring.resting import Resting
from gateway.wiring.retention import sweep_of
from gateway.wiring.sealing import ring_of, sealer_over
from gateway.wiring.secrecy import keep_memory_private
from gateway.worker import Pace, Worker
from gateway.world import Us, World

log = structlog.get_logger("service")

OK = "ok"
MIB = 1024 * 1024
LAST_WORDS = timedelta(seconds=40)
"""What ends in order has ended that long after its grace, whatever is away: the limits of all parts together."""
READY_WITHIN_S = 15.0
FILES = 16_384
FULLEST_DISK = 95.0
"""Per cent of the disk in use at which readiness complains."""
BUSY = 0.2
"""Such a part of the time its loop runs: by reckoning a quarter at half load (33 documents/s of 8 ms), a tenth at a
quarter of the load."""
CROWD = 12
"""So many errands in the hand of who is busy, and a document's time is waiting for a processor."""
Wrap = Callable[[World], World]


async def work(facts: Mapping[str, Any], *, wrap: Wrap = lambda world: world) -> None:
    """Run one worker with the *facts* that its parent tells it, until SIGTERM or the parent's end.

    *wrap* may replace ports; the crash tests use it.
    """
    keep_memory_private()
    _allow_files()
    config = load(Path(facts["config"]) if facts["config"] else None, var=Path(facts["var"]))
    set_up(config.sections.log, config.var / "log" / f"worker-{facts['number']}.log")
    hear_what_dies()
    process = await compose(config, facts, wrap=wrap)
    spare_the_collector()
    service = process.service
    note_life(config, process.owner)
    loop = asyncio.get_running_loop()
    grace = timedelta(seconds=config.sections.pace.grace_s)

    def stop() -> None:
        service.request_stop()
        end_within(grace + LAST_WORDS)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    orphaned = asyncio.create_task(process.following.listen(stop), name="parent")
    home = home_of(facts["number"], workers=config.workers)
    turns = asyncio.create_task(run_in_long_turns_while(process.is_busy, home), name="turns")
    try:
        await service.start()
        await _all_there(process.listens)
        print(json.dumps({"ready": process.owner}), flush=True)
        await service.watch()
    finally:
        orphaned.cancel()
        turns.cancel()
        await service.stop()
        await process.store.close()
        forget_life(config, process.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A composed worker, not started yet."""

    service: Service
    store: Store
    worker: Worker
    owner: Owner
    listens: Callable[[], bool]
    following: Following
    is_busy: Callable[[], bool]


async def compose(config: Config, facts: Mapping[str, Any], *, wrap: Wrap) -> Process:
    """Put a worker together; nothing listens or consumes before ``Process.service`` is started."""
    ground = stand(config, Path(facts["directory"]))
    live = LiveDirectory(ground.directory)
    sections, policy = config.sections, config.policy
    clock = SystemClock()
    claim_secret = bytes.fromhex(facts["claim_secret"])
    us = Us(
        realm=Realm(sections.gateway.realm),
        organ=OrganCode(sections.gateway.organ),
        owner=Owner(f"{os.getpid()}-{uuid.uuid4().hex[:12]}"),
    )
    store = await open_the_store(config)
    shelves = VaultOptions(folder=ground.vault)
    vault = FileVault(shelves)
    await asyncio.to_thread(vault.lay_out)
    uploads = FileUploads(_uploads(config, ground.vault), vault, clock)
    ring = ring_of(config, directory=live, clock=clock)
    inspector = ProcessInspector(vault, bounds_of(config))
    ca_file = _optional(config, sections.broker.ca_file)
    link = ConnectionOptions(url=facts["amqp_url"], life=str(us.owner), ca_file=ca_file)
    publishing = Connection(link, "outlet")
    outlet = AmqpOutlet(_outlet(config, facts), publishing, vault, clock, claim_secret)
    metrics = Metrics()
    ids = SystemIds()
    guarded = GuardedOutlet(
        outlet, ids.jitter, metrics, _temper(config), share=max(1, sections.pace.parcels // 16)
    )
    management_guard = GuardedService(
        "management", Reason("broker-away"), ids.jitter, metrics, Temper(failures=2, first_s=5.0)
    )
    world = wrap(
        World(
            ledger=store.ledger,
            lives=store.lives,
            records=store.records,
            vault=vault,
            envelopes=EdxmlEnvelopes(
                envelope_options(config, vault.temporary, shelves.min_free_bytes), vault
            ),
            inspector=inspector,
            sealer=sealer_over(config, ring, vault=vault, clock=clock, folder=vault.temporary),
            directory=live,
            outlet=guarded,
            clock=clock,
            ids=ids,
            observer=LoggingObserver(metrics),
        )
    )
    room = _Room()
    notary = XadesNotary(ring, policy=sections.signing.policy_id)
    register = Register(
        notary,
        live,
        us,
        has_room=room.has_room,
    )
    pipeline = Pipeline(world, register, policy, us)
    quotas = Quotas(store.usage, live, clock, metrics, config.quota)
    worker = Worker(pipeline, world.ledger, world.lives, us.owner, _pace(config), quotas.may_hurry)
    room.worker = worker

    labour = Labour()

    def is_busy() -> bool:
        return labour.part >= BUSY

    def is_crowded() -> bool:
        return worker.in_hand >= CROWD and is_busy()

    store.group_while(is_crowded)
    stamper = stamper_of(config)
    sequencer = Sequencer(
        store.log,
        store.log_records,
        notary,
        clock,
        organ=us.organ,
        owner=us.owner,
        stamper=stamper,
        jitter=ids.jitter,
        rhythm=Rhythm(head=timedelta(seconds=sections.evidence.head_s)),
    )
    rounds = Rounds(
        store.watch,
        world.ledger,
        clock,
        owner=us.owner,
        hand=worker.hand,
        leads=lambda: sequencer.leads,
        numbers=metrics,
    )
    disposer = Disposer(
        store.disposal,
        FileShelves(vault),
        store.ledger,
        store.inboxes,
        store.records,
        clock,
        owner=us.owner,
        is_busy=lambda: worker.in_hand > 0,
        numbers=metrics,
        sweep=sweep_of(config),
    )
    desk = InboxDesk(
        Shelf(ledger=world.ledger, inboxes=store.inboxes, records=world.records, clock=clock),
        register,
        worker.go_on,
    )
    site = Site(vhost=address_of(facts["amqp_url"]).vhost, gateway_user=address_of(facts["amqp_url"]).user)
    topology = [plan(live.parties(), live.clients())]
    management = Management(ManagementOptions(**facts["management"], ca_file=ca_file), site)

    async def contract() -> str:
        if following.is_between:
            return f"{OK}, the directory is being exchanged"
        differences = await management_guard.ask(lambda: management.read_back(topology[0]))
        return OK if not differences else "; ".join(differences[:5])

    async def follow(fresh: OrganDirectory) -> str:
        topology[0] = plan(fresh.parties(), fresh.clients())
        await consumer.follow(topology[0].parties)
        return consumer.state

    async def rest(order: Mapping[str, Any]) -> dict[str, Any] | None:
        return await resting.obey(order)

    following = Following(
        config,
        live,
        follow,
        since=facts["directory_since"],
        refused=facts["directory_refused"],
        otherwise=rest,
    )
    health = Health(
        {
            "broker": _told(lambda: outlet.state if outlet.state != OK else consumer.state),
            "contract": contract,
            "directory": following.state,
            "store": store.check,
            "vault": vault.check,
            "signing": ring.check,
            "certificates": ring.certificates,
            "disk": _told(lambda: space(config.var)),
            "inspector": inspector.check,
            "log": lambda: log_lag(store.log_records, clock),
            **({"stamps": stamper.check} if stamper else {}),
            "stuck": rounds.state,
            "queues": _told(lambda: guarded.state),
        }
    )
    valve = Valve(
        worker,
        sections.pace.waiting,
        (
            memory_low(sections.pace.memory_mb * MIB),
            disk_low(ground.vault, 2 * shelves.min_free_bytes),
        ),
    )
    http = HttpServer(
        HttpOptions(
            host=facts["http"]["host"],
            port=facts["http"]["port"],
            public_url=facts["http"]["public_url"],
            secret=claim_secret,
            max_bytes=policy.limits.document_bytes,
            memory_bytes=policy.limits.message_bytes,
            header_bytes=policy.limits.header_bytes,
            reuse_port=True,
            certificate_file=_optional(config, sections.http.certificate_file),
            key_file=_optional(config, sections.http.key_file),
            grace=timedelta(seconds=sections.pace.grace_s),
            metrics_token_sha256=_digest(secret(sections.http.metrics_token, "http.metrics_token")),
        ),
        HttpPorts(
            intake=MeteredIntake(valve, quotas, live, clock),
            inlet=valve,
            quotas=quotas,
            desk=desk,
            ledger=world.ledger,
            records=world.records,
            log=store.log_records,
            vault=vault,
            uploads=uploads,
            directory=live,
            clock=clock,
            health=health.ask,
            days_left=ring.days_left,
            disposal=store.disposal,
        ),
        metrics,
    )
    consumer = Consumer(
        ConsumerOptions(),
        link,
        MeteredIntake(worker, quotas, live, clock),
        topology[0].parties,
        claim_secret,
        quotas,
    )
    resting = Resting(http, consumer, worker, outlet)
    service = Service(
        [
            Named("metrics", _Closed(_nothing, metrics.close)),
            Named("inspector", _Closed(inspector.start, inspector.close)),
            Named("management", _Closed(_nothing, management.close)),
            Named("publishing", publishing),
            # stopped after the worker, so that what that one still finishes comes under the last head
            Named("sequencer", sequencer),
            Named("worker", worker),
            Named("quotas", quotas),
            Named("rounds", rounds),
            Named("disposal", disposer),
            Named("uploads", uploads),
            Named("http", http),
            Named("consumer", consumer),
        ]
    )
    return Process(
        service=service,
        store=store,
        worker=worker,
        owner=us.owner,
        listens=lambda: consumer.state == OK,
        following=following,
        is_busy=is_busy,
    )


class Health:
    """Asks every part, side by side; a part that does not answer is a sentence, not an error."""

    def __init__(self, parts: Mapping[str, Callable[[], Awaitable[str]]]) -> None:
        self._parts = parts

    async def ask(self) -> Mapping[str, str]:
        """Each part by name with ``ok``, or one sentence that says what is wrong."""
        answers = await asyncio.gather(*(self._one(ask) for ask in self._parts.values()))
        return dict(zip(self._parts, answers, strict=True))

    @staticmethod
    async def _one(ask: Callable[[], Awaitable[str]]) -> str:
        try:
            async with asyncio.timeout(5):
                return await ask()
        except TimeoutError:
            return "no answer within 5 s"
        except Unavailable as away:
            return str(away)


class _Closed:
    """A part that is closed, not stopped."""

    def __init__(self, start: Callable[[], Awaitable[None]], close: Callable[[], Awaitable[None]]) -> None:
        self._start, self._close = start, close

    async def start(self) -> None:
        """Start it."""
        await self._start()

    async def stop(self) -> None:
        """Close it."""
        await self._close()


async def _nothing() -> None:
    """Nothing is to be started."""


class _Room:
    """Lets the register ask the worker, which is made after it."""

    worker: Worker | None = None

    def has_room(self, sender: PartyKey, more: int) -> bool:
        return self.worker is not None and self.worker.has_room(sender, more)


async def _all_there(listens: Callable[[], bool]) -> None:
    """Wait until every queue is consumed, but not for ever: a queue that is missing is readiness' matter."""
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while not listens():  # noqa: ASYNC110 - the consumer tells its state, not its changes
                await asyncio.sleep(0.05)
    except TimeoutError:
        log.warning("not every queue is consumed yet")


def _allow_files() -> None:
    """More descriptors than the customary 1,024, if the system grants them: connections and large files need some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _optional(config: Config, name: str) -> Path | None:
    return config.file(name, Path()) if name else None


def _outlet(config: Config, facts: Mapping[str, Any]) -> OutletOptions:
    return OutletOptions(
        public_url=facts["http"]["public_url"],
        message_bytes=config.policy.limits.message_bytes,
        deadline=timedelta(seconds=config.sections.broker.publish_deadline_s),
        bytes_in_flight=config.sections.broker.bytes_in_flight,
    )


def _temper(config: Config) -> Temper:
    """Of recipients' queues: shorter than the pauses of their parcels, so that those find out."""
    patience = config.policy.patience
    longest = patience.crowded.total_seconds() / 2
    return Temper(
        first_s=min(patience.first.total_seconds(), longest),
        longest_s=longest,
        probe_s=1.5 * config.sections.broker.publish_deadline_s,
    )


def _uploads(config: Config, vault: Path) -> UploadOptions:
    section = config.sections.uploads
    return UploadOptions(
        folder=vault / "uploads",  # on the vault's disk, so that what is complete is renamed and not copied
        per_party=section.per_party,
        bytes_per_party=section.bytes_per_party,
        keep=timedelta(hours=section.keep_hours),
    )


def _pace(config: Config) -> Pace:
    pace = config.sections.pace
    return Pace(
        documents=pace.documents,
        parcels=pace.parcels,
        backlog=pace.backlog,
        beside_others=pace.beside_others,
        tick=timedelta(milliseconds=pace.tick_ms),
        lease=timedelta(seconds=pace.lease_s),
        grace=timedelta(seconds=pace.grace_s),
    )


def _told(state: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    async def ask() -> str:
        return state()

    return ask


def space(folder: Path, usage_of: Callable[[Path], Any] = shutil.disk_usage) -> str:
    """``ok``, or that the disk under *folder* is nearly full."""
    usage = usage_of(folder)
    share = 100 * (usage.total - usage.free) / usage.total
    return OK if share < FULLEST_DISK else f"the disk is {share:.0f} % full"


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest() if token else ""
