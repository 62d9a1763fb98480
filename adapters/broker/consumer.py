"""Takes submissions and dead letters from their queues to the intake; acknowledges what is durable.

Strategy:

* Every party has its own submit queues and every consumer takes one message at a time (prefetch 1), so a
  flood of one agency starves nobody.
* A message is settled in a task of ours, not of the channel: a lost connection cancels nothing that the
  intake has begun.  The broker brings the message again, and the intake knows its id.
* ``Unavailable`` is waited out with the message in hand (back-off, jitter): a redelivery would count
  against the queue's delivery limit.  After ``hold`` (RabbitMQ closes a channel whose message is not
  acknowledged within 30 minutes) it becomes a dead letter, which frees the party's queue; we consume the
  dead letters ourselves, and there it is tried on, again and again.
* Who has used a quota up waits in the lobby (``adapters.broker.lobby``): with the message in hand for a short time, for
  a long one with the queue left alone.  Prefetch 1 keeps the rest of the queue behind it.
* Neither reject with requeue nor redelivery serves as a bounded retry (RabbitMQ 4.3 does not count them):
  what fails by a bug goes to the dead letters, where the store counts its deaths before work.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage

from adapters.broker.admission import Gate, Hold
from adapters.broker.arrivals import arrival_of
from adapters.broker.connection import LOST, Connection
from adapters.broker.connection import Options as ConnectionOptions
from adapters.broker.dead_letters import delivery_of, receipt_of, submission_of
from adapters.broker.lobby import Lobby, Stay
from adapters.broker.subscriptions import Pace, Subscriptions
from adapters.broker.topology import DEAD_DELIVER, DEAD_RECEIPTS, DEAD_SUBMIT, submit_queue
from gateway.errors import QuotaExceeded, Unavailable
from gateway.model.ids import DocumentId, PartyKey
from gateway.model.submission import Arrival
from gateway.ports import Intake, Quotas

log = structlog.get_logger(__name__)

_MOST_BUGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is taken in at once, and how long we wait."""

    capacity: int = 32
    """Submissions at the intake at once; beyond it urgent ones go first."""
    bytes_held: int = 64 * 1024 * 1024
    """Bodies held and not settled, beyond which we read more slowly from the broker."""
    lobby_bytes: int = 16 * 1024 * 1024
    """Bodies of messages that wait for a quota of their party; beyond it they go back to their queues."""
    consumers_per_channel: int = 64
    dead_prefetch: int = 4
    """Dead letters of one kind in hand at once."""
    hold: timedelta = timedelta(minutes=10)
    """How long a message is tried while something is unavailable; well below RabbitMQ's 30 minutes."""
    first_wait: timedelta = timedelta(milliseconds=200)
    longest_wait: timedelta = timedelta(seconds=15)
    """Between tries; doubles from the first to the longest, with jitter."""
    answer_within: timedelta = timedelta(seconds=10)
    """For the broker's answer to one order (consume, cancel) and for writing an acknowledgement."""
    missing_wait: timedelta = timedelta(seconds=15)
    """How often we look whether a missing queue is there again."""


class Lane(Enum):
    """What a queue brings."""

    ORDINARY = "ordinary"
    URGENT = "urgent"
    DEAD_SUBMISSIONS = "dead submissions"
    DEAD_DELIVERIES = "dead deliveries"
    DEAD_RECEIPTS = "dead receipts"


class Verdict(Enum):
    """What becomes of a message at the broker."""

    ACKNOWLEDGE = "acknowledge"
    DEAD = "dead"
    """Given up: the broker moves it to the dead letters (a dead letter: to those that are parked)."""
    AGAIN = "again"
    """Back into its queue."""
    LATER = "later"
    """Back into its queue, which is consumed no more until its party has room."""
    LEAVE = "leave"
    """Nothing: we are stopping or its channel is gone, and the broker has it still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """One message in hand, whose lane and party its queue tells."""

    queue: str
    lane: Lane
    party: PartyKey
    raw: AbstractChannel
    message: DeliveredMessage


class Consumer:
    """Consumes the submit queues of *parties* and all dead letters, and calls the intake.

    Makes and owns its connection.  ``start`` may come before the broker does: consumers come, and come
    back, by themselves.
    """

    def __init__(
        self,
        options: Options,
        connection: ConnectionOptions,
        intake: Intake,
        parties: Iterable[PartyKey],
        claim_secret: bytes,
        quotas: Quotas,
    ) -> None:
        self._options = options
        self._intake = intake
        self._secret = claim_secret
        self._gate = Gate(options.capacity)
        self._hold = Hold(options.bytes_held)
        self._connection = Connection(connection, "consume", room=self._hold.room)
        pace = Pace(
            answer_within=options.answer_within,
            first_wait=options.first_wait,
            longest_wait=options.longest_wait,
            missing_wait=options.missing_wait,
        )
        self._subscriptions = Subscriptions(self._connection, self._take, pace)
        living = _origins(parties)
        dead = {
            DEAD_SUBMIT: (Lane.DEAD_SUBMISSIONS, PartyKey("")),
            DEAD_DELIVER: (Lane.DEAD_DELIVERIES, PartyKey("")),
            DEAD_RECEIPTS: (Lane.DEAD_RECEIPTS, PartyKey("")),
        }
        # Of queues that are consumed no more, too: what they brought may be in hand.
        self._origins: dict[str, tuple[Lane, PartyKey]] = living | dead
        self._living = frozenset(living)
        self._consume([*living])
        self._subscriptions.add([*dead], prefetch=options.dead_prefetch)
        self._running: set[asyncio.Task[None]] = set()
        self._is_started = False
        self._is_resting = False
        self._is_stopping = asyncio.Event()
        self._lobby = Lobby(quotas, options.lobby_bytes, self._is_stopping)

    # --- life ---------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """``ok``, or a sentence for health."""
        return self._connection.state if self._connection.state != "ok" else self._subscriptions.state

    @property
    def consumed(self) -> int:
        """How many queues are consumed now."""
        return self._subscriptions.consumed

    @property
    def in_hand(self) -> int:
        """How many messages are with us and not settled."""
        return len(self._running)

    async def start(self) -> None:
        """Begin to consume, now or when the broker comes.  May be called twice."""
        if not self._is_started:
            self._is_started = True
            await self._connection.start()
            self._subscriptions.start()

    async def follow(self, parties: Iterable[PartyKey]) -> bool:
        """Consume the submit queues of *parties* from now on, and no others; what is in hand goes on.

        Returns when the broker has agreed, or after a while: ``state`` tells what is missing then (``False``).
        """
        living = _origins(parties)
        gone, self._living = self._living - living.keys(), frozenset(living)
        self._origins |= living
        self._subscriptions.drop(gone)
        self._consume([queue for queue in living if not self._lobby.is_closed(queue)])
        return await self._subscriptions.settled()

    def _consume(self, queues: Sequence[str]) -> None:
        self._subscriptions.add(queues, prefetch=1, per_channel=self._options.consumers_per_channel)

    async def pause(self) -> None:
        """Take nothing more from the broker; what is in hand goes on.  May be called twice."""
        await self._subscriptions.pause()

    async def resume(self) -> None:
        """Consume again.  May be called twice."""
        self._is_stopping.clear()
        self._consume([queue for queue in self._living if not self._lobby.is_closed(queue)])
        self._subscriptions.resume()
        if self._is_resting:
            self._is_resting = False
            self._subscriptions.start()

    async def rest(self, grace: timedelta) -> int:
        """Drain, and keep no consumer and no channel: the broker has back what is not settled by then; answers how
        many messages those were.  ``resume`` ends it."""
        left = await self.drain(grace)
        self._is_resting = True
        await self._subscriptions.stop()
        return left

    async def drain(self, grace: timedelta) -> int:
        """Pause, and wait up to *grace* for what is in hand; answers how many are left."""
        self._is_stopping.set()  # who waits for better times is not waited for
        await self._subscriptions.pause(min(grace, self._options.answer_within))
        await self._lobby.stop()
        if self._running:
            await asyncio.wait(set(self._running), timeout=grace.total_seconds())
        return len(self._running)

    async def stop(self, grace: timedelta = timedelta(seconds=20)) -> None:
        """Drain, then cancel what is left and close: the broker keeps whatever was not acknowledged.
        May be called twice, early, or late."""
        try:
            if self._is_started:
                await self.drain(grace)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            await self._subscriptions.stop()
            await self._connection.stop()

    # --- messages -----------------------------------------------------------------------------------

    def _take(self, queue: str, raw: AbstractChannel, message: DeliveredMessage) -> None:
        lane, party = self._origins[queue]
        taken = _Taken(queue=queue, lane=lane, party=party, raw=raw, message=message)
        size = len(message.body)
        self._hold.take(size)
        task = asyncio.create_task(self._settle(taken), name=f"arrival:{queue}")
        self._running.add(task)

        def settled(_: asyncio.Task[None]) -> None:
            self._running.discard(task)
            self._hold.settle(size)

        task.add_done_callback(settled)

    async def _settle(self, taken: _Taken) -> None:
        try:
            verdict = await self._judge(taken)
        except Exception as bug:  # else the queue would stand still: its one message never settled
            _report(bug, "message failed", lane=taken.lane.value)
            verdict = Verdict.DEAD
        tag, raw = taken.message.delivery_tag, taken.raw
        if verdict is Verdict.LEAVE or tag is None or raw.is_closed:
            return
        if verdict is Verdict.LATER:
            await self._close(taken.queue, taken.party)
        # A lost channel is no error: the message comes again, and the intake knows it.
        with suppress(*LOST):
            async with asyncio.timeout(self._options.answer_within.total_seconds()):
                if verdict is Verdict.ACKNOWLEDGE:
                    await raw.basic_ack(tag, wait=False)
                else:
                    is_back = verdict in (Verdict.AGAIN, Verdict.LATER)
                    await raw.basic_reject(tag, requeue=is_back, wait=False)

    async def _judge(self, taken: _Taken) -> Verdict:
        match taken.lane:
            case Lane.ORDINARY | Lane.URGENT:
                return await self._bring_living(taken)
            case Lane.DEAD_SUBMISSIONS:
                return await self._bring_dead(taken)
            case Lane.DEAD_DELIVERIES:
                return await self._tell_undeliverable(taken)
            case Lane.DEAD_RECEIPTS:
                return await self._tell_untaken(taken)

    async def _close(self, queue: str, party: PartyKey) -> None:
        """Consume *queue* no more before *party* has room; else the message would come again at once."""
        self._subscriptions.drop([queue])
        await self._subscriptions.left(queue, self._options.answer_within)

        def reopen() -> None:
            if queue in self._living:
                self._consume([queue])

        self._lobby.close(queue, party, reopen)

    async def _bring_living(self, taken: _Taken) -> Verdict:
        arrival = arrival_of(
            taken.message,
            taken.party,
            taken.message.routing_key or "",
            urgent=taken.lane is Lane.URGENT,
            dead=False,
            claim_secret=self._secret,
        )
        return await self._bring(taken, arrival)

    async def _bring_dead(self, taken: _Taken) -> Verdict:
        dead = submission_of(taken.message)
        if dead is None:
            return _parked(taken.message)
        log.warning("submission died", party=dead.party, urgent=dead.is_urgent, cause=dead.cause)
        arrival = arrival_of(
            taken.message,
            dead.party,
            dead.routing_key,
            urgent=dead.is_urgent,
            dead=True,
            claim_secret=self._secret,
        )
        return await self._bring(taken, arrival)

    async def _bring(self, taken: _Taken, arrival: Arrival) -> Verdict:
        """Submit until the intake has answered, the hold is over, or it has failed too often."""
        is_living = not arrival.is_dead_letter
        patience = _Patience(self._options)
        bugs = 0
        while True:
            try:
                async with self._gate.place(urgent=arrival.is_urgent):
                    if taken.raw.is_closed:
                        return Verdict.LEAVE  # it will come again, or is with another already
                    await self._intake.submit(arrival)
                return Verdict.ACKNOWLEDGE
            except QuotaExceeded as over:
                verdict = await self._wait_for_room(taken, over, patience)
                if verdict is not None:
                    return verdict
                continue
            except Unavailable as away:
                log.warning("submission waits", party=arrival.claimed, reason=away.reason)
                # The next try is no new death: nothing died.
                arrival = replace(arrival, is_dead_letter=False)
            except Exception as bug:  # the intake answers with tickets: whatever it raises is our mistake
                bugs += 1
                _report(bug, "submission failed", party=arrival.claimed)
                # A living one is made a dead letter at once, so that the store counts its failures.
                if is_living or bugs >= _MOST_BUGS:
                    return Verdict.DEAD
            if patience.is_over:
                return Verdict.DEAD if is_living else Verdict.AGAIN
            if not await self._wait(patience):
                return Verdict.LEAVE

    async def _wait_for_room(self, taken: _Taken, over: QuotaExceeded, patience: _Patience) -> Verdict | None:
        """What becomes of *taken*, whose party has used a quota up; ``None`` where it is to be tried again."""
        size = len(taken.message.body)
        self._hold.settle(size)  # who waits for itself does not keep us from reading what others send
        try:
            stay = await self._lobby.in_hand(taken.party, over.room_in, size, patience.left)
        finally:
            self._hold.take(size)
        match stay:
            case Stay.ROOM:
                return None
            case Stay.TOO_LONG:
                return Verdict.LATER
            case Stay.STOPPING:
                return Verdict.LEAVE

    async def _tell_undeliverable(self, taken: _Taken) -> Verdict:
        dead = delivery_of(taken.message)
        if dead is None:
            return _parked(taken.message)

        async def tell() -> None:
            await self._intake.undeliverable(dead.document, dead.recipient, dead.delivery, dead.cause)

        return await self._tell(taken, dead.document, tell)

    async def _tell_untaken(self, taken: _Taken) -> Verdict:
        dead = receipt_of(taken.message)
        if dead is None:
            # Nothing is lost but the copy on its way: the evidence itself is in the store.
            log.warning("receipt not taken", origin=taken.message.routing_key)
            return Verdict.ACKNOWLEDGE

        async def tell() -> None:
            await self._intake.untaken(dead.document, dead.evidence, dead.cause)

        return await self._tell(taken, dead.document, tell)

    async def _tell(
        self, taken: _Taken, document: DocumentId, tell: Callable[[], Awaitable[None]]
    ) -> Verdict:
        """Tell the intake of a dead letter until it has heard, the hold is over, or it has failed too often."""
        patience = _Patience(self._options)
        bugs = 0
        while not taken.raw.is_closed:
            try:
                await tell()
                return Verdict.ACKNOWLEDGE
            except Unavailable as away:
                log.warning("dead letter waits", document=document, reason=away.reason)
            except Exception as bug:
                bugs += 1
                _report(bug, "dead letter failed", document=document)
                if bugs >= _MOST_BUGS:
                    return Verdict.DEAD
            if patience.is_over:
                return Verdict.AGAIN
            if not await self._wait(patience):
                break
        return Verdict.LEAVE

    async def _wait(self, patience: _Patience) -> bool:
        """Wait for the next try; ``False`` where we are stopping."""
        try:
            async with asyncio.timeout(patience.next_s()):
                await self._is_stopping.wait()
        except TimeoutError:
            return True
        return False


def _origins(parties: Iterable[PartyKey]) -> dict[str, tuple[Lane, PartyKey]]:
    """What the submit queues of *parties* bring.  Urgent ones first: they are back first after a restart."""
    keys = tuple(parties)
    urgent = {submit_queue(key, urgent=True): (Lane.URGENT, key) for key in keys}
    return urgent | {submit_queue(key): (Lane.ORDINARY, key) for key in keys}


class _Patience:
    """How long the next wait is, and whether the hold is over."""

    def __init__(self, options: Options) -> None:
        self._wait_s = options.first_wait.total_seconds()
        self._longest_s = options.longest_wait.total_seconds()
        self._until = asyncio.get_running_loop().time() + options.hold.total_seconds()

    @property
    def is_over(self) -> bool:
        return asyncio.get_running_loop().time() >= self._until

    @property
    def left(self) -> timedelta:
        """How much of the hold is left."""
        return timedelta(seconds=max(0.0, self._until - asyncio.get_running_loop().time()))

    def next_s(self) -> float:
        wait_s, self._wait_s = self._wait_s, min(self._wait_s * 2, self._longest_s)
        return wait_s * (0.5 + random.random())


def _parked(message: DeliveredMessage) -> Verdict:
    log.error("dead letter of unknown origin parked", origin=message.routing_key)
    return Verdict.DEAD


def _report(exc: Exception, what: str, **about: str) -> None:
    log.error(what, error=type(exc).__name__, reference=secrets.token_hex(6), exc_info=exc, **about)
