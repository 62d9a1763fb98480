"""A town in virtual time: lives that come and go, the broker's consumers, agencies at both ends."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, deque
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from random import Random
from typing import Any

from adapters.memory import (
    CountingIds,
    DeadLetter,
    MemoryEnvelopes,
    MemoryInspector,
    MemoryOutlet,
    MemorySealer,
    MemoryUploads,
    MemoryVault,
)
from gateway.desk import InboxDesk, Shelf
from gateway.disposal import Disposer, Sweep
from gateway.errors import Refused, Unavailable
from gateway.metered import MeteredIntake
from gateway.model.change import Change, WorkKind
from gateway.model.ids import DocumentId, OrganCode, Owner, PartyKey, Realm
from gateway.model.journey import SubmissionState
from gateway.model.policy import Patience, Policy
from gateway.model.quota import Quota
from gateway.model.retention import DataClass
from gateway.model.submission import Arrival, Ticket
from gateway.pipeline import Pipeline
from gateway.quotas import Quotas
from gateway.quotas import Rhythm as QuotaRhythm
from gateway.register import Register
from gateway.rounds import Rounds
from gateway.sequencer import Rhythm, Sequencer
from gateway.worker import Pace, Worker
from gateway.world import Us, World
from tests.builders import COMMUNE, PROVINCE
from tests.journey.steps import Silence
from tests.journey.town import CLAIM_SECRET, Town, _directory
from tests.simulation.loop import LIFE, Mortal, VirtualLoop
from tests.simulation.watched import JumpyClock, WatchedBroker, WatchedStore
from tests.simulation.weather import Weather

POLICY = Policy(
    patience=Patience(
        longest=timedelta(seconds=60), crowded=timedelta(seconds=15), original=timedelta(minutes=4)
    )
)
PACE = Pace(tick=timedelta(seconds=2), lease=timedelta(seconds=10), grace=timedelta())
RHYTHM = Rhythm(tick=timedelta(seconds=4), head=timedelta(seconds=40), batch=20, page=20)
QUOTA_RHYTHM = QuotaRhythm(beat=timedelta(seconds=6))
URGENT = Quota(urgent_per_minute=120)
QUOTAS = (
    URGENT,
    URGENT,
    Quota(documents_per_minute=3, urgent_per_minute=1),
    Quota(bytes_per_day=20_000_000, documents_waiting=2, urgent_per_minute=2),
)
"""In every second seed somebody is held back at times."""
KEPT = {DataClass.CONTENT: timedelta(days=10), DataClass.METADATA: timedelta(days=20)}
SWEEP = Sweep(
    first=timedelta(seconds=5),
    every=timedelta(seconds=8),
    page=10,
    longest_rest=timedelta(seconds=0.2),
    settle=timedelta(seconds=15),
)
GIVES_UP_S = 30.0
"""After so long without an answer the broker takes a message to be unacknowledged."""


@dataclass(slots=True, eq=False)
class Life:
    """One worker process."""

    owner: Owner
    clock: JumpyClock
    mortal: Mortal = field(default_factory=Mortal)
    context: Context = field(default_factory=copy_context)
    waiting: list[asyncio.Future[Any]] = field(default_factory=list)
    is_worker: bool = True
    """Another takes its place when it ends."""
    worker: Worker = None  # type: ignore[assignment]
    intake: MeteredIntake = None  # type: ignore[assignment]
    desk: InboxDesk = None  # type: ignore[assignment]
    sequencer: Sequencer = None  # type: ignore[assignment]
    disposer: Disposer | None = None
    uploads: Any = None


def name_of(arrival: Arrival) -> str:
    """What makes a message the same one: its sender, its id, its bytes."""
    return f"{arrival.claimed} {arrival.message_id} {arrival.payload.sha256[:12]}"


class Lost(Exception):
    """The connection to a life broke before it answered."""


class Stamps:
    """A time-stamp authority whose tokens prove nothing."""

    async def stamp(self, body: bytes) -> bytes:
        """``Stamper.stamp``."""
        return b"token over " + sha256(body).digest()


class Uncounted:
    """Numbers of the rounds and of the quotas, which nobody reads."""

    def stuck(self, what: str) -> None:
        """``Numbers.stuck``."""

    def in_hand(self, count: int, oldest_s: float) -> None:
        """``Numbers.in_hand``."""

    def quota_waits(self, quota: str) -> None:
        """``Numbers.quota_waits``."""

    def quotas_in_force(self, parties: Mapping[str, int]) -> None:
        """``Numbers.quotas_in_force``."""


class Complaints:
    """Stands in for the worker's log: what it calls an exception is a bug of ours."""

    def __init__(self, town: SimTown) -> None:
        self._town = town

    def warning(self, event: str, **fields: Any) -> None:
        """Expected."""

    info = warning

    def exception(self, event: str, **fields: Any) -> None:
        """Never expected."""
        self._town.wrong(f"{event} {fields.get('work')}: {sys.exc_info()[1]!r}")


class SimTown(Town):
    """The gateway, its agencies and the weather of one seed."""

    def __init__(self, seed: int, *, is_doubtful: bool = False) -> None:
        self.random = Random(seed)
        self.loop = VirtualLoop(self.random.random)
        self.trace: deque[tuple[Any, ...]] = deque(maxlen=60)
        self.told: list[str] = []
        self.problems: list[str] = []
        self.directory = _directory(())
        self.store_clock = JumpyClock(self.loop)
        self.clock = self.store_clock  # type: ignore[assignment]
        self.lasts_long = self.random.random() < 0.3
        """Whether weeks pass in this seed, and what was kept long enough goes."""
        self.store = WatchedStore(self.store_clock, self.wrong, KEPT if self.lasts_long else {})
        room = self.random.choice((1, 3, 100, 100))
        self.broker = WatchedBroker(list(self.directory.parties()), self.store, self.wrong, deliveries=room)
        self.vault = MemoryVault(self.store_clock)
        self.uploads = MemoryUploads(self.store_clock, self.vault)
        self.ids = CountingIds(clock=self.store_clock)  # type: ignore[arg-type]
        self.outlet = MemoryOutlet(  # type: ignore[assignment]
            self.broker, self.vault, self.store_clock, claim_secret=CLAIM_SECRET, public_url="http://gateway"
        )
        self.weather = Weather(self.random, self, is_doubtful=is_doubtful)
        lacking = self.random.choice(((), (), (), (PartyKey(PROVINCE),)))
        self.sealer = MemorySealer(vault=self.vault, clock=self.store_clock, lacking=frozenset(lacking))
        self.alive: list[Life] = []
        self.buried: list[Life] = []
        self.inbound: list[Arrival] = []
        self.in_flight = 0
        self.tickets: dict[str, list[Ticket]] = {}
        self.births = 0
        self.wanted = self.random.choice((1, 1, 2, 3))
        # Of its own, so that what is drawn here changes nothing else in this seed.
        self.quota = Random(seed ^ 0x9007A).choice(QUOTAS)
        self.counts: Counter[str] = Counter()
        self.on_clearing: Callable[[Collection[str]], None] = lambda digests: None
        """Called when somebody is about to remove bytes of these digests."""

    # --- what is told -------------------------------------------------------------------------------

    def wrong(self, what: str) -> None:
        """A promise is broken."""
        if len(self.problems) < 20:
            self.problems.append(what)
        self.tell(f"WRONG: {what}")

    def tell(self, what: str) -> None:
        """A line for the trace of this seed."""
        self.told.append(f"{self.loop._moment:8.2f}  {what}")

    def describe(self, port: str, method: str, args: Any) -> tuple[str, str]:
        """In which state something was, and what was being done to it, when a life ended at a port call."""
        if method == "commit":
            return self._of_change(args[0])
        if method == "hand_over":
            parcel = args[0]
            copy = self.store.copy_of(parcel.document, parcel.party)
            kind = "deliver" if hasattr(parcel, "attempt") else "receipt"
            return (copy.state.value if copy and kind == "deliver" else "-"), kind
        if method in ("load", "evidence") and args:
            submission = self.store._submissions.get(args[0])
            return (submission.state.value if submission else "-"), "look"
        return "-", method

    def _of_change(self, change: Change) -> tuple[str, str]:
        if change.submission is not None:
            before = self.store._submissions.get(change.submission.document)
            if before is not None and before.payload is not None and change.submission.payload is None:
                return before.state.value, "let go"
            return (before.state.value if before else "-"), f"to {change.submission.state.value}"
        if change.handovers:
            after = change.handovers[-1]
            before_copy = self.store.copy_of(after.document, after.recipient)
            request = f" {after.request.value}" if after.request.value else ""
            return (before_copy.state.value if before_copy else "-"), f"to {after.state.value}{request}"
        if change.postponed:
            return "leased", "put off"
        return ("leased" if change.forgets else "-"), "forget" if change.forgets else "note"

    # --- lives --------------------------------------------------------------------------------------

    async def bear(self) -> Life:
        """Start one more worker."""
        self.births += 1
        owner = Owner(f"life-{self.births}")
        skew = 0.0 if self.weather.is_calm else self.random.choice((0.0, 0.0, -3.0, 5.0))
        life = Life(owner, JumpyClock(self.loop, self.store_clock.skew + skew))
        life.context.run(LIFE.set, life.mortal)
        us = Us(realm=Realm("H53"), organ=OrganCode("000.00.00.G00"), owner=owner)
        port = self.weather.port
        vault, store = self.vault, self.store
        ledger, lives = port(life, "ledger", store), port(life, "lives", store)
        records, notary = port(life, "records", store), self.weather.notary()
        envelopes = port(life, "envelopes", MemoryEnvelopes(vault))
        envelopes.peek = MemoryEnvelopes(vault).peek
        world = World(
            ledger=ledger,  # type: ignore[arg-type]
            lives=lives,  # type: ignore[arg-type]
            records=records,  # type: ignore[arg-type]
            vault=self.weather.vault(life, vault),  # type: ignore[arg-type]
            envelopes=envelopes,  # type: ignore[arg-type]
            inspector=port(life, "inspector", MemoryInspector(vault=vault)),  # type: ignore[arg-type]
            sealer=port(life, "sealer", self.sealer),  # type: ignore[arg-type]
            directory=self.directory,
            outlet=port(life, "outlet", self.outlet),  # type: ignore[arg-type]
            clock=life.clock,
            ids=self.ids,
            observer=Silence(),
        )
        rooms: list[Worker] = []
        register = Register(
            notary,
            self.directory,
            us,
            has_room=lambda sender, more: bool(rooms) and rooms[0].has_room(sender, more),
        )
        pipeline = Pipeline(world, register, POLICY, us)
        quotas = Quotas(
            port(life, "usage", store.usage),  # type: ignore[arg-type]
            self.directory,
            life.clock,
            Uncounted(),
            self.quota,
            QUOTA_RHYTHM,
        )
        life.worker = Worker(pipeline, ledger, lives, owner, PACE, quotas.may_hurry)  # type: ignore[arg-type]
        life.intake = MeteredIntake(life.worker, quotas, self.directory, life.clock)
        rooms.append(life.worker)
        rounds = Rounds(
            port(life, "watch", store),  # type: ignore[arg-type]
            ledger,  # type: ignore[arg-type]
            life.clock,
            owner=owner,
            hand=life.worker.hand,
            leads=lambda: life.sequencer.leads,
            numbers=Uncounted(),
        )
        shelf = Shelf(
            ledger=ledger,  # type: ignore[arg-type]
            inboxes=port(life, "inboxes", store),  # type: ignore[arg-type]
            records=records,  # type: ignore[arg-type]
            clock=life.clock,
        )
        life.desk = InboxDesk(shelf, register, life.worker.go_on)
        life.uploads = port(life, "uploads", self.uploads)
        life.sequencer = Sequencer(
            port(life, "log", store.log),  # type: ignore[arg-type]
            port(life, "log_records", store.log_records),  # type: ignore[arg-type]
            notary,
            life.clock,
            organ=us.organ,
            owner=owner,
            stamper=port(life, "stamper", Stamps()),  # type: ignore[arg-type]
            rhythm=RHYTHM,
        )
        try:
            await self.ask(life, life.worker.start())
            await self.ask(life, life.sequencer.start())
            await self.ask(life, rounds.start())
            await self.ask(life, quotas.start())
            if self.lasts_long:
                life.disposer = Disposer(
                    port(life, "disposal", store.disposal),  # type: ignore[arg-type]
                    self.weather.shelves(life, vault),  # type: ignore[arg-type]
                    ledger,  # type: ignore[arg-type]
                    shelf.inboxes,
                    records,  # type: ignore[arg-type]
                    life.clock,
                    owner=owner,
                    is_busy=lambda: bool(life.worker.in_hand),
                    sweep=SWEEP,
                )
                await self.ask(life, life.disposer.start())
        except (Lost, Unavailable):
            self.kill(life)
            return life
        if not life.mortal.is_dead:
            self.alive.append(life)
            self.tell(f"{owner} begins")
            self.look_for_inbound()
        return life

    def hire(self, owner: Owner) -> Life:
        """A process beside the workers: nobody takes its place."""
        life = Life(owner, JumpyClock(self.loop, self.store_clock.skew), is_worker=False)
        life.context.run(LIFE.set, life.mortal)
        return life

    def kill(self, life: Life) -> None:
        """From now on nothing of *life* acts any more; another worker begins some time later."""
        if life.mortal.is_dead:
            return
        life.mortal.is_dead = True
        self.buried.append(life)
        if life in self.alive:
            self.alive.remove(life)
        for future in life.waiting:
            if not future.done():
                future.set_exception(Lost())
        if not life.is_worker:
            return
        is_noticed = self.random.random() < 0.4
        context = Context()
        self.loop.call_later(
            self.random.random() * 15 + 0.5,
            lambda: self.loop.create_task(self._succeed(life, is_noticed)),
            context=context,
        )

    async def _succeed(self, life: Life, is_noticed: bool) -> None:
        if is_noticed:  # by the supervisor; else its lease must run out
            await self.store.bury(life.owner)
        await self.bear()

    def freeze(self, life: Life, lasting: float) -> None:
        """*life* stands still for a while, and then goes on as if nothing had been."""
        self.tell(f"{life.owner} is frozen for {lasting:.0f} s")
        life.mortal.is_frozen = True
        self.loop.call_later(lasting, self._thaw, life, context=Context())

    def _thaw(self, life: Life) -> None:
        if not life.mortal.is_dead:
            self.tell(f"{life.owner} goes on")
            self.loop.thaw(life.mortal)

    async def ask(self, life: Life, what: Coroutine[Any, Any, Any], patience: float = GIVES_UP_S) -> Any:
        """The answer of *life*; raises ``Lost`` where it dies first or takes too long."""
        answer: asyncio.Future[Any] = self.loop.create_future()
        task = self.loop.create_task(what, context=life.context)
        life.waiting.append(answer)

        def tell(done: asyncio.Task[Any]) -> None:
            error = None if done.cancelled() else done.exception()
            if not isinstance(error, Unavailable | Refused | ConnectionError | None):
                self.wrong(f"an answer was {error!r}")
            if not answer.done():
                answer.set_exception(error) if error else answer.set_result(done.result())

        task.add_done_callback(tell)
        timer = self.loop.call_later(patience, lambda: answer.done() or answer.set_exception(Lost()))
        try:
            return await answer
        finally:
            timer.cancel()
            life.waiting.remove(answer)

    # --- the broker's consumers ---------------------------------------------------------------------

    def bring(self, arrival: Arrival) -> None:
        """*arrival* lies in the queue of submissions."""
        self.inbound.append(arrival)
        self.look_for_inbound()

    def look_for_inbound(self) -> None:
        """Every message that lies there goes to a life, in more or less the order in which it came."""
        while self.inbound and self.alive:
            at = 0 if self.random.random() < 0.8 else self.random.randrange(len(self.inbound))
            arrival = self.inbound.pop(at)
            self.in_flight += 1
            self.loop.create_task(self._consume(self.random.choice(self.alive), arrival))

    async def _consume(self, life: Life, arrival: Arrival) -> None:
        known = self.tickets.setdefault(name_of(arrival), [])
        taken_in = [ticket.document for ticket in known if ticket.state is not SubmissionState.REFUSED]
        try:
            ticket = await self.ask(life, life.intake.submit(arrival))
        except (Lost, Unavailable) as gone:
            is_dead = arrival.is_dead_letter or self.random.random() < 0.3  # at the queue's delivery limit
            if isinstance(gone, Unavailable):
                await asyncio.sleep(1 + self.random.random() * 4)
                is_dead = False  # nothing died: what was waited out in hand is no dead letter
            self.inbound.append(replace(arrival, is_dead_letter=is_dead))
        else:
            if taken_in and self._first_try(ticket.document) not in map(self._first_try, taken_in):
                self.wrong(f"{arrival.message_id} came again and is another document: {ticket.reason}")
            known.append(ticket)
        finally:
            self.in_flight -= 1
        self.look_for_inbound()

    def _first_try(self, document: DocumentId | None) -> DocumentId | None:
        """Of what an operator had tried again, the document as it came."""
        while document in self.store._submissions:
            slot = self.store._submissions[document].slot
            if not slot.startswith("again:"):
                break
            document = DocumentId(slot.removeprefix("again:"))
        return document

    async def bury_letters(self) -> None:
        """Dead letters go to a life until one has settled them; some come twice, and late."""
        while (dead := self.broker.take_dead()) is not None:
            for _ in range(1 if self.weather.is_calm or self.random.random() < 0.9 else 2):
                self.in_flight += 1
                self.loop.create_task(self._bury(dead))

    async def _bury(self, dead: DeadLetter) -> None:
        while True:
            try:
                life = self.random.choice(self.alive)
                call = life.worker.undeliverable(dead.document, dead.recipient, dead.delivery, dead.cause)
                await self.ask(life, call)
                break
            except (IndexError, Lost, Unavailable):
                await asyncio.sleep(1 + self.random.random() * 4)
        self.in_flight -= 1

    async def watch_the_queues(self) -> None:
        """Whatever is not taken in its time comes back as a dead letter."""
        while True:
            await asyncio.sleep(5)
            self.broker.expire(self.store_clock.now())
            await self.bury_letters()

    # --- rest ---------------------------------------------------------------------------------------

    def is_at_rest(self) -> bool:
        """Whether there is nothing left to do but what has its deadline."""
        work = any(w.kind is not WorkKind.DEADLINE for w in self.store._work.values())
        busy = any(life.worker.in_hand for life in self.alive)
        queued = any(self.broker._queues.values())
        log = self.store.log
        numbered = (
            log._heads and not log._queue and next(reversed(log._heads.values())).size == log._tree.size
        )
        if not numbered:
            log._is_wanted = True
        waits = self.inbox_waits() or self.inbound or self.in_flight or self.broker.dead
        return bool(numbered) and not (work or busy or queued or waits)

    def inbox_waits(self) -> bool:
        """Whether there is something in the commune's inbox."""
        now = self.store_clock.now()
        inbox = self.store._items.get(PartyKey(COMMUNE), {}).values()
        return any(item.taken_at is None and item.expires_at > now for item in inbox)
