"""Twin of the broker: queues per party in memory, bounded like the real ones, and an outlet that fills them.

broker = MemoryBroker(parties)
outlet = MemoryOutlet(broker, vault, clock, claim_secret=b"…", public_url="http://gateway")
letter = broker.take("vanthu.deliver.000.00.01.H53")
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.errors import Reason, Unavailable
from gateway.model.claim import CLAIM_TYPE, path_of
from gateway.model.handover import Delivery, Handed, HandOverResult, Parcel, Receipt
from gateway.model.ids import DocumentId, PartyKey
from gateway.model.party import Link, Party
from gateway.ports import Clock, Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as a client takes it: body, properties and headers of the AMQP contract."""

    body: bytes
    content_type: str
    type: str
    message_id: str
    correlation_id: str
    timestamp: datetime
    headers: Mapping[str, str | int]
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A delivery that its recipient did not take: what ``Intake.undeliverable`` is told."""

    document: DocumentId
    recipient: PartyKey
    delivery: str
    cause: str


class MemoryBroker:
    """The queues of all parties whose link is AMQP.

    ``is_away`` makes it answer nothing.  Letters are taken in the order in which they came.
    """

    def __init__(self, parties: Iterable[Party], *, deliveries: int = 100, receipts: int = 10_000) -> None:
        self.is_away = False
        self._queues: dict[str, deque[Letter]] = {}
        self._room: dict[str, int] = {}
        self._dead: deque[DeadLetter] = deque()
        for party in parties:
            if party.link is Link.AMQP:
                self._room[f"vanthu.deliver.{party.key}"] = deliveries
                self._room[f"vanthu.receipts.{party.key}"] = receipts
        for queue in self._room:
            self._queues[queue] = deque()

    def put(self, queue: str, letter: Letter) -> str | None:
        """Put *letter* into *queue*; answers the reason where it is not taken."""
        if self.is_away:
            return "broker-away"
        if queue not in self._queues:
            return "queue-missing"
        if len(self._queues[queue]) >= self._room[queue]:
            return "queue-full"
        self._queues[queue].append(letter)
        return None

    def take(self, queue: str) -> Letter | None:
        """Take the first letter of *queue* and acknowledge it; ``None`` where it is empty."""
        letters = self._queues[queue]
        return letters.popleft() if letters else None

    def widen(self, deliveries: int) -> None:
        """From now on each deliver queue holds so many letters."""
        for queue in self._room:
            if queue.startswith("vanthu.deliver."):
                self._room[queue] = deliveries

    def depth(self, queue: str) -> int:
        """How many letters are in *queue*."""
        return len(self._queues[queue])

    def remove(self, queue: str) -> None:
        """*queue* is gone, with all that was in it."""
        self._queues.pop(queue, None)

    def reject(self, queue: str, *, cause: str = "rejected") -> None:
        """Take the first letter of *queue* and give it back for good."""
        letter = self.take(queue)
        if letter is not None:
            self._bury(queue, letter, cause)

    def expire(self, now: datetime) -> None:
        """Whatever has expired at *now* becomes a dead letter."""
        for queue, letters in self._queues.items():
            alive = [a for a in letters if a.expires_at is None or a.expires_at > now]
            for letter in letters:
                if letter not in alive:
                    self._bury(queue, letter, "expired")
            self._queues[queue] = deque(alive)

    def take_dead(self) -> DeadLetter | None:
        """The next dead delivery; ``None`` where there is none.  Dead receipts are dropped, as by the gateway."""
        return self._dead.popleft() if self._dead else None

    def _bury(self, queue: str, letter: Letter, cause: str) -> None:
        prefix = "vanthu.deliver."
        if queue.startswith(prefix):
            dead = DeadLetter(
                document=DocumentId(str(letter.headers["vanthu-document"])),
                recipient=PartyKey(queue.removeprefix(prefix)),
                delivery=letter.message_id,
                cause=cause,
            )
            self._dead.append(dead)


class MemoryOutlet:
    """``gateway.ports.Outlet`` into a ``MemoryBroker``."""

    def __init__(
        self,
        broker: MemoryBroker,
        vault: Vault,
        clock: Clock,
        *,
        claim_secret: bytes,
        public_url: str,
        message_bytes: int = 1024 * 1024,
    ) -> None:
        self._broker = broker
        self._vault = vault
        self._clock = clock
        self._secret = claim_secret
        self._public_url = public_url
        self._message_bytes = message_bytes

    async def hand_over(self, parcel: Parcel) -> HandOverResult:
        """Put *parcel* into its party's queue."""
        now = self._clock.now()
        try:
            if isinstance(parcel, Receipt):
                reason = self._broker.put(f"vanthu.receipts.{parcel.party}", _receipt(parcel, now))
            elif parcel.expires_at <= now:
                return HandOverResult(handed=Handed.NEVER, reason=Reason("delivery-expired"))
            else:
                letter = await self._delivery(parcel, now)
                reason = self._broker.put(f"vanthu.deliver.{parcel.party}", letter)
        except Unavailable as away:
            reason = away.reason
        if reason is None:
            return HandOverResult(handed=Handed.TAKEN)
        return HandOverResult(handed=Handed.NOT_NOW, reason=Reason(reason), is_sure=True)

    async def _delivery(self, delivery: Delivery, now: datetime) -> Letter:
        payload = delivery.payload
        if delivery.as_claim or payload.size > self._message_bytes:
            href = self._public_url + path_of(self._secret, delivery.party, payload)
            claim = {"href": href, "sha256": payload.sha256, "size": payload.size}
            body, content_type = json.dumps(claim).encode(), CLAIM_TYPE
        else:
            body = payload.body if payload.body is not None else await self._vault.read(payload)
            content_type = "application/xml"
        headers: dict[str, str | int] = {
            "vanthu-sender": delivery.sender,
            "vanthu-sha256": payload.sha256,
            "vanthu-document": delivery.document,
            "vanthu-version": "1",
        }
        if delivery.addressed_as:
            headers["vanthu-recipient"] = delivery.addressed_as
        if delivery.due is not None:
            headers["vanthu-due"] = str(delivery.due)
        if delivery.attempt > 1:
            headers["vanthu-attempt"] = delivery.attempt
        return Letter(
            body=body,
            content_type=content_type,
            type=delivery.kind.value,
            message_id=delivery.id,
            correlation_id=delivery.about,
            timestamp=now,
            headers=headers,
            expires_at=delivery.expires_at,
        )


def _receipt(receipt: Receipt, now: datetime) -> Letter:
    headers: dict[str, str | int] = {
        "vanthu-event": receipt.event.value,
        "vanthu-document": receipt.document,
        "vanthu-sequence": receipt.sequence,
        "vanthu-version": "1",
    }
    if receipt.recipient is not None:
        headers["vanthu-recipient"] = receipt.recipient
    if receipt.reason is not None:
        headers["vanthu-reason"] = receipt.reason
    return Letter(
        body=receipt.body,
        content_type="application/xml",
        type="receipt",
        message_id=receipt.id,
        correlation_id=receipt.correlation,
        timestamp=now,
        headers=headers,
    )
