"""What happens in one seed: documents are sent, faults strike, everything comes to rest, and the books are audited."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from adapters.broker.node import PrivateNode
from adapters.signing.evidence_check import EvidenceCheck, load_roots, verify_evidence
from tests.chaos import store
from tests.chaos.auditor import Books, Flaw, Kind, audit
from tests.chaos.faults import WORKER_KILLED, Fault, faults
from tests.chaos.papers import Desk
from tests.chaos.plan import Plan, Step, draw
from tests.chaos.processes import megabytes, workers_of
from tests.chaos.seen import Sent
from tests.chaos.store import Row
from tests.chaos.stories import known_of
from tests.chaos.town import Town, a_town

IN_FLIGHT = 150
"""Documents on their way at once, as far as their senders know."""
NOT_WAITED_FOR_S = 60.0
"""After so long, times the order's scale, a document does not hold the next ones up any more."""
MOST_REST_S = 3600.0
"""After so long it is told what has not come to rest, even if something moves."""
MEMORY_MB = 250
"""What no worker may exceed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be lived through.

    Every fault strikes so ``often``, and ``kills`` workers die besides; with ``only``, those with this in their name;
    with ``strikes``, exactly these: pairs of a name and how often.  ``scale`` shortens what lasts.
    """

    seed: int
    documents: int
    store: str
    queues: int = 9
    inboxes: int = 3
    talk: float = 1.0
    workers: int = 2
    often: int = 2
    kills: int = 20
    only: str = ""
    strikes: tuple[tuple[str, int], ...] = ()
    scale: float = 1.0
    settle_s: float = 420.0
    """How long nothing may move before all is at rest: more than the longest pause between two tries."""
    settings: str = ""
    may_mount: bool = True


@dataclass(slots=True, kw_only=True)
class Struck:
    """One fault that struck.  Times are seconds since the first document."""

    fault: str
    detail: str
    at_s: float
    until_s: float = 0.0
    in_flight: frozenset[int] = frozenset()
    recovered_s: float = 0.0
    """From its end until the sender of the next document knew what became of it."""
    all_through_s: float = 0.0
    """From its end until that was known of all that were in flight."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one seed has shown."""

    order: Order
    struck: list[Struck] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    stories: list[Row] = field(default_factory=list)
    """What is known of each document with a flaw."""
    books: Books
    numbers: dict[str, set[int]] = field(default_factory=dict)
    """Our document id, to the steps that it came of."""
    elapsed_s: float = 0.0
    settled_s: float = 0.0
    memory_mb: float = 0.0
    judge: Callable[[bytes], EvidenceCheck] | None = None
    deliveries: int = 0


async def live(
    order: Order,
    folder: Path,
    *,
    node: PrivateNode | None = None,
    tag: str = "00.53.T53",
    tell: Callable[[str], None] = print,
) -> Outcome:
    """Live through *order* in *folder*."""
    codes = [f"{n:03}.{tag}" for n in range(1, order.queues + order.inboxes + 1)]
    plan = draw(order.seed, order.documents, codes[: order.queues], codes[order.queues :], order.talk)
    async with a_town(
        folder,
        plan,
        kind=order.store,
        workers=order.workers,
        settings=order.settings,
        node=node,
        may_mount=order.may_mount,
        tell=tell,
    ) as town:
        return await _Story(order, plan, town, tell).run()


class _Story:
    def __init__(self, order: Order, plan: Plan, town: Town, tell: Callable[[str], None]) -> None:
        self._order = order
        self._plan = plan
        self._town = town
        self._tell = tell
        self._desk = Desk(plan)
        self._began = time.monotonic()
        self._sent = 0
        self._progress = asyncio.Condition()
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._open: dict[int, Sent] = {}
        self._done_at: dict[int, float] = {}
        self._left: set[int] = set()
        self._struck: list[Struck] = []
        self._memory_mb = 0.0

    async def run(self) -> Outcome:
        town = self._town
        before = await town.depths()
        watching = [asyncio.create_task(self._watch()), asyncio.create_task(self._weigh())]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send_all())
                for task in self._schedule():
                    group.create_task(task)
            calm = self._now()
            self._tell(f"{calm:7.1f} s  everything is sent, the weather is calm")
            await self._settle()
            settled = self._now() - calm
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        left = await self._stop()
        depths = await town.depths()
        rows = await asyncio.to_thread(store.read, town.store_url)
        parked = "vanthu.dead.parked"  # others may have used this broker before
        depths[parked] -= before[parked]
        books = Books(seen=town.seen, rows=rows, queues=depths)
        judge = remembered(partial(verify_evidence, roots=load_roots(town.var / "dev" / "trust")))
        flaws = await asyncio.to_thread(audit, books, judge)
        stories = await asyncio.to_thread(known_of, {flaw.document for flaw in flaws}, books, town.store_url)
        flaws += [Flaw(Kind.STUCK, what) for what in left]
        if self._memory_mb > MEMORY_MB:
            flaws.append(Flaw(Kind.WRONG, f"a worker had {self._memory_mb:.0f} MB, more than {MEMORY_MB}"))
        for one in self._struck:
            ends = [self._done_at.get(number, settled + calm) - one.until_s for number in one.in_flight]
            one.all_through_s = max([0.0, *ends])
            after = [end - one.until_s for end in self._done_at.values() if end >= one.until_s]
            one.recovered_s = min(after, default=one.all_through_s)
        numbers: dict[str, set[int]] = {}
        of = {(sent.organ, sent.message, sent.sha256): sent.number for sent in town.seen.sent if sent.what}
        for row in rows.submissions:
            number = of.get((row["party"], row["message_id"], row["sha256"]))
            if number:
                numbers.setdefault(row["document"], set()).add(number)
        return Outcome(
            order=self._order,
            struck=self._struck,
            flaws=flaws,
            stories=stories,
            books=books,
            numbers=numbers,
            elapsed_s=self._now(),
            settled_s=settled,
            memory_mb=self._memory_mb,
            judge=judge,
            deliveries=len({taken.delivery for taken in town.seen.taken}),
        )

    def _now(self) -> float:
        return time.monotonic() - self._began

    # --- sending --------------------------------------------------------------------------------------

    async def _send_all(self) -> None:
        outboxes: dict[str, asyncio.Queue[Step | None]] = {
            organ: asyncio.Queue() for organ in self._plan.organs
        }
        for step in self._plan.steps:
            outboxes[step.sender].put_nowait(step)
        async with asyncio.TaskGroup() as group:
            for organ, outbox in outboxes.items():
                outbox.put_nowait(None)
                group.create_task(self._empty(organ, outbox))

    async def _empty(self, organ: str, outbox: asyncio.Queue[Step | None]) -> None:
        agency = self._town.agencies[organ]
        while (step := await outbox.get()) is not None:
            await self._places.acquire()
            asyncio.get_running_loop().call_later(
                NOT_WAITED_FOR_S * self._order.scale, self._leave, step.number
            )
            self._open[step.number] = Sent(
                organ=organ, message=step.message, what=step.what, sha256="", recipients=step.recipients
            )
            self._open[step.number] = await agency.send(step, self._desk.write(step))
            async with self._progress:
                self._sent += 1
                self._progress.notify_all()

    def _leave(self, number: int) -> None:
        """Give the place of a document back, once."""
        if number not in self._left:
            self._left.add(number)
            self._places.release()

    async def _watch(self) -> None:
        seen = self._town.seen
        while True:
            for number, sent in list(self._open.items()):
                if sent.sha256 and seen.is_done(sent):
                    del self._open[number]
                    self._done_at[number] = self._now()
                    self._leave(number)
            await asyncio.sleep(0.05)

    # --- faults ---------------------------------------------------------------------------------------

    def _schedule(self) -> Sequence[object]:
        r = random.Random(f"faults {self._order.seed}")
        order = self._order
        known = [fault for fault in faults(self._town) if order.only in fault.name]
        wanted = dict(order.strikes) or {fault.name: order.often for fault in known}
        if not order.strikes:
            wanted[WORKER_KILLED] = wanted.get(WORKER_KILLED, 0) + order.kills * (order.only in WORKER_KILLED)
        drawn = [fault for fault in known for _ in range(wanted.get(fault.name, 0))]
        r.shuffle(drawn)
        times = [r.uniform(0.03, 0.92) * order.documents for _ in drawn]
        targets = {fault.target: asyncio.Lock() for fault in known}
        weather = asyncio.Lock()
        return [
            self._strike(fault, int(at), random.Random(r.random()), targets[fault.target], weather)
            for at, fault in sorted(zip(times, drawn, strict=True), key=lambda pair: pair[0])
        ]

    async def _strike(
        self, fault: Fault, at: int, r: random.Random, target: asyncio.Lock, weather: asyncio.Lock
    ) -> None:
        lasts = r.uniform(*fault.lasts) * self._order.scale
        # Workers die in any weather; of the rest one fault in five strikes while another lasts.
        comes_alone = fault.target != "workers" and r.random() < 0.8
        async with self._progress:
            await self._progress.wait_for(lambda: self._sent >= at)
        async with weather if comes_alone else nullcontext(), target:
            struck = Struck(fault=fault.name, detail="", at_s=self._now(), in_flight=frozenset(self._open))
            async with fault.strike(self._town, r) as struck.detail:
                self._tell(
                    f"{struck.at_s:7.1f} s  {fault.name} {struck.detail} for {lasts:.1f} s: {len(self._open)} documents in flight"
                )
                await asyncio.sleep(lasts)
            # what came into its way while it lasted counts, too
            struck.in_flight |= frozenset(self._open)
            struck.until_s = self._now() if lasts else struck.at_s
            self._struck.append(struck)

    async def _weigh(self) -> None:
        """How much memory the largest worker ever had."""
        while True:
            for pid in workers_of(self._town.serve):
                self._memory_mb = max(self._memory_mb, megabytes(pid))
            await asyncio.sleep(1)

    # --- rest -----------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Wait until nothing is on its way, or nothing moves any more."""
        seen, known, since = self._town.seen, 0, self._now()
        with suppress(TimeoutError):
            async with asyncio.timeout(MOST_REST_S):
                while not await self._is_at_rest() and self._now() - since < self._order.settle_s:
                    moved = len(seen.sent) + len(seen.taken) + len(seen.told)
                    if moved != known:
                        known, since = moved, self._now()
                    await asyncio.sleep(0.25)

    async def _is_at_rest(self) -> bool:
        town = self._town
        if self._open or any(agency.owes for agency in town.agencies.values()):
            return False
        if await asyncio.to_thread(store.undone, town.store_url):
            return False
        queues = await town.depths()
        return not any(messages for name, messages in queues.items() if not name.endswith("parked"))

    async def _stop(self) -> list[str]:
        """Stop the gateway in order; what it leaves behind."""
        town = self._town
        workers = workers_of(town.serve)
        assert town.stack is not None
        code = await town.stack.stop()
        left = [f"the gateway ended with {code}"] if code else []
        left += [f"worker {pid} is still there" for pid in workers if megabytes(pid)]
        return left


def remembered(judge: Callable[[bytes], EvidenceCheck]) -> Callable[[bytes], EvidenceCheck]:
    """*judge*, who looks at the same bytes once."""
    known: dict[bytes, EvidenceCheck] = {}

    def again(body: bytes) -> EvidenceCheck:
        if body not in known:
            known[body] = judge(body)
        return known[body]

    return again
