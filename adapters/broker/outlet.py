"""Brings deliveries and receipts to the queues of their parties: persistent, mandatory, confirmed, in time.

Every failure is a result: a queue that is full or missing, a broker that is away, stopped, or blocked by
an alarm.  Calls run side by side on few channels; confirms are awaited together, never one by one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq.channel import Channel

from adapters.broker.admission import Flight
from adapters.broker.connection import LOST, Connection, real_cancellation_only, within
from adapters.broker.encoding import Properties
from adapters.broker.topology import deliver_queue, receipts_queue
from gateway.errors import Reason, Unavailable
from gateway.model.claim import CLAIM_TYPE, path_of
from gateway.model.handover import Delivery, Handed, HandOverResult, Parcel, Receipt
from gateway.ports import Clock, Vault

log = structlog.get_logger(__name__)

VERSION = "1"
XML_TYPE = "application/xml"
# spec: RabbitMQ, time-to-live - a message's expiration fits 32 bits of milliseconds
_LONGEST_TTL = timedelta(milliseconds=2**32 - 1)
_SHORTEST_TTL = timedelta(milliseconds=1)
_CLOSE_WITHIN = timedelta(seconds=2)
_TAKEN = HandOverResult(handed=Handed.TAKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How parcels are published."""

    public_url: str
    """Where clients reach our HTTP: claims begin with it; without a slash at the end."""
    message_bytes: int = 1024 * 1024
    """What is larger travels as a claim."""
    deadline: timedelta = timedelta(seconds=10)
    """For one parcel, from the call to the confirm."""
    bytes_in_flight: int = 32 * 1024 * 1024
    """Unconfirmed bodies held at once; further calls wait their turn within their deadline."""
    channels: int = 4
    """Channels to publish on; one writes one message at a time, confirms overlap."""


class AmqpOutlet:
    """Implements ``gateway.ports.Outlet`` for parties with queues.

    *connection* belongs to whoever made it; use one for publishing alone, so that a blocked publisher
    can't hold up consumers.
    """

    def __init__(
        self, options: Options, connection: Connection, vault: Vault, clock: Clock, claim_secret: bytes
    ) -> None:
        self._options = options
        self._connection = connection
        self._vault = vault
        self._clock = clock
        self._secret = claim_secret
        self._flight = Flight(options.bytes_in_flight)
        self._slots = [_Slot() for _ in range(options.channels)]
        self._turn = 0
        self._answered_at = 0.0
        self._is_blocked = False
        self._flying = 0

    @property
    def state(self) -> str:
        """``ok``, or a sentence for health."""
        if self._connection.state == "ok" and self._is_blocked:
            return "the broker takes nothing in: a memory or disk alarm"
        return self._connection.state

    async def hand_over(self, parcel: Parcel) -> HandOverResult:
        """Publish *parcel*; see ``gateway.ports.Outlet``."""
        self._flying += 1
        try:
            with real_cancellation_only():
                return await self._hand_over(parcel)
        except PublishError:
            self._answered()
            # An alarm: readiness will say which queues are missing.
            log.error("queue missing", party=parcel.party, document=parcel.document)
            return _not_now("queue-missing", is_sure=True)
        except DeliveryError:
            self._answered()
            return _not_now("queue-full", is_sure=True)
        except Unavailable as away:
            return _not_now(away.reason, is_sure=True)  # nothing was published yet
        except LOST as exc:
            log.warning("parcel not handed over", document=parcel.document, error=type(exc).__name__)
            return _not_now("broker-away")
        except Exception as bug:  # the port promises a result, whatever happens
            log.exception("parcel failed", document=parcel.document, error=type(bug).__name__)
            return _not_now("internal")
        finally:
            self._flying -= 1

    async def rest(self) -> int:
        """Close our channels, unless parcels still wait for the broker's word; answers how many do.  What comes
        later opens them again."""
        if not self._flying:
            await asyncio.gather(*(slot.close() for slot in self._slots))
        return self._flying

    async def _hand_over(self, parcel: Parcel) -> HandOverResult:
        now = self._clock.now()
        if isinstance(parcel, Delivery) and parcel.expires_at - now < _SHORTEST_TTL:
            return HandOverResult(handed=Handed.NEVER, reason=Reason("delivery-expired"))
        live = self._connection.live
        if live is None:
            return _not_now("broker-away", is_sure=True)
        began = asyncio.get_running_loop().time()
        is_clear = False
        try:
            async with asyncio.timeout(self._options.deadline.total_seconds()):
                async with self._flight.of(self._size(parcel)):
                    letter = await self._letter(parcel, now)
                    await _unblocked(live)
                    is_clear = True
                    channel = await self._channel(live)
                    await channel.basic_publish(
                        letter.body,
                        routing_key=queue_of(parcel),
                        properties=letter.properties,
                        mandatory=True,
                        wait=False,  # the bytes in flight are bounded by us, and the confirm is what counts
                    )
        except TimeoutError:
            self._is_blocked = not is_clear and self._answered_at < began
            if is_clear and self._answered_at < began:
                # Not one answer in all that time: the broker, or the way to it, is stuck.
                self._connection.suspect(live, "no confirm within the deadline")
            raise
        self._answered()
        return _TAKEN

    def _answered(self) -> None:
        self._answered_at = asyncio.get_running_loop().time()
        self._is_blocked = False

    def _size(self, parcel: Parcel) -> int:
        if isinstance(parcel, Receipt):
            return len(parcel.body)
        return 1024 if self._travels_as_claim(parcel) else parcel.payload.size

    def _travels_as_claim(self, delivery: Delivery) -> bool:
        return delivery.as_claim or delivery.payload.size > self._options.message_bytes

    async def _letter(self, parcel: Parcel, now: datetime) -> Letter:
        if isinstance(parcel, Receipt):
            return receipt_letter(parcel, now)
        if self._travels_as_claim(parcel):
            path = path_of(self._secret, parcel.party, parcel.payload)
            claim = {
                "href": self._options.public_url + path,
                "sha256": parcel.payload.sha256,
                "size": parcel.payload.size,
            }
            return delivery_letter(parcel, json.dumps(claim).encode(), CLAIM_TYPE, now)
        body = parcel.payload.body
        if body is None:
            body = await self._vault.read(parcel.payload)
        return delivery_letter(parcel, body, XML_TYPE, now)

    async def _channel(self, live: AbstractConnection) -> Channel:
        self._turn = (self._turn + 1) % len(self._slots)
        return await self._slots[self._turn].open_on(live)


class Letter(NamedTuple):
    """A parcel as AMQP carries it."""

    body: bytes
    properties: Properties


class _Slot:
    """One channel; opened again on the next use after the broker has closed it.

    We publish on aiormq's channel itself: aio-pika's messages and exchanges cost a quarter more for the same frames.
    """

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._of: AbstractConnection | None = None
        self._lock = asyncio.Lock()

    async def open_on(self, live: AbstractConnection) -> Channel:
        if (ready := self._ready(live)) is not None:
            return ready
        async with self._lock:
            if (ready := self._ready(live)) is not None:
                return ready
            # Without on_return_raises a message that no queue takes would count as taken.
            channel = live.channel(publisher_confirms=True, on_return_raises=True)
            await channel.initialize()
            raw = await channel.get_underlay_channel()
            assert isinstance(raw, Channel)
            self._channel, self._of = raw, live
            return raw

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await within(channel.close(), _CLOSE_WITHIN)

    def _ready(self, live: AbstractConnection) -> Channel | None:
        if self._of is live and self._channel is not None and not self._channel.is_closed:
            return self._channel
        return None


def queue_of(parcel: Parcel) -> str:
    """Where *parcel* goes."""
    return receipts_queue(parcel.party) if isinstance(parcel, Receipt) else deliver_queue(parcel.party)


def delivery_letter(delivery: Delivery, body: bytes, content_type: str, now: datetime) -> Letter:
    """A delivery as the contract says.  ``vanthu-document`` tells our own id where ``correlation_id`` names
    the document that a status reports on."""
    headers: dict[str, str | int] = {
        "vanthu-sender": delivery.sender,
        "vanthu-sha256": delivery.payload.sha256,
        "vanthu-document": delivery.document,
        "vanthu-version": VERSION,
    }
    if delivery.addressed_as:
        headers["vanthu-recipient"] = delivery.addressed_as
    if delivery.due is not None:
        headers["vanthu-due"] = str(delivery.due)
    if delivery.attempt > 1:
        headers["vanthu-attempt"] = delivery.attempt
    return _persistent(
        body,
        headers,
        content_type=content_type,
        message_id=delivery.id,
        correlation_id=delivery.about,
        kind=delivery.kind.value,
        now=now,
        expiration=min(delivery.expires_at - now, _LONGEST_TTL),
        # spec: RabbitMQ 4, quorum queues - above 4 is "high", two of which pass for one other; 3.x ignores it
        priority=4 + delivery.priority if delivery.priority.is_urgent else None,
    )


def receipt_letter(receipt: Receipt, now: datetime) -> Letter:
    """A receipt as the contract says."""
    headers: dict[str, str | int] = {
        "vanthu-event": receipt.event.value,
        "vanthu-document": receipt.document,
        "vanthu-sequence": receipt.sequence,
        "vanthu-version": VERSION,
    }
    if receipt.recipient is not None:
        headers["vanthu-recipient"] = receipt.recipient
    if receipt.reason is not None:
        headers["vanthu-reason"] = receipt.reason
    return _persistent(
        receipt.body,
        headers,
        content_type=XML_TYPE,
        message_id=receipt.id,
        correlation_id=receipt.correlation,
        kind="receipt",
        now=now,
        expiration=None,
    )


def _persistent(
    body: bytes,
    headers: Mapping[str, str | int],
    *,
    content_type: str,
    message_id: str,
    correlation_id: str,
    kind: str,
    now: datetime,
    expiration: timedelta | None,
    priority: int | None = None,
) -> Letter:
    properties = Properties(
        headers=headers,
        content_type=content_type,
        correlation_id=correlation_id,
        message_id=message_id,
        timestamp=now,
        kind=kind,
        expiration=None if expiration is None else expiration // timedelta(milliseconds=1),
        priority=priority,
    )
    return Letter(body, properties)


async def _unblocked(live: AbstractConnection) -> None:
    # Waits while the broker says "blocked" (an alarm); RabbitMQ reads nothing from us then.
    if live.transport is not None:
        await live.transport.ready()


def _not_now(reason: str, *, is_sure: bool = False) -> HandOverResult:
    return HandOverResult(handed=Handed.NOT_NOW, reason=Reason(reason), is_sure=is_sure)
