"""What a dead letter tells: whose it was, how it was sent first, and why the broker gave it up.

The origin is the dead-letter routing key (``submit.<organ>``, ``deliver.<organ>`` …), which the queue's own
arguments fix; the ``x-death`` header is asked only for what that key can't tell, since publishers of
old brokers can write one themselves.

spec: RabbitMQ, dead letter exchanges - x-death is an array of tables, the latest first, with queue,
reason, count and routing-keys; 3.x and 4.x agree in these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiormq.abc import DeliveredMessage

from adapters.broker.arrivals import headers_of, text_of
from adapters.broker.topology import deliver_queue, receipts_queue, submit_queue
from gateway.model.ids import DocumentId, EvidenceId, PartyKey

_URGENT = ".urgent"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadSubmission:
    """A submission that nobody settled; ``routing_key`` is the sender's own, empty where unknown."""

    party: PartyKey
    is_urgent: bool
    routing_key: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadDelivery:
    """A delivery that its recipient did not take.  ``cause`` is the broker's word."""

    document: DocumentId
    recipient: PartyKey
    delivery: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadReceipt:
    """A receipt that its party did not take; the evidence itself stays in the store."""

    document: DocumentId
    evidence: EvidenceId
    cause: str


def receipt_of(message: DeliveredMessage) -> DeadReceipt | None:
    """The dead receipt in *message*; ``None`` where it is none of ours."""
    origin = _origin(message, "receipts.")
    document = text_of(headers_of(message).get("vanthu-document"))
    evidence = message.header.properties.message_id
    if not origin or not document or not evidence:
        return None
    cause, _ = _death(message, receipts_queue(PartyKey(origin)))
    return DeadReceipt(document=DocumentId(document), evidence=EvidenceId(evidence), cause=cause)


def submission_of(message: DeliveredMessage) -> DeadSubmission | None:
    """The dead submission in *message*; ``None`` where it is none."""
    origin = _origin(message, "submit.")
    if not origin:
        return None
    is_urgent = origin.endswith(_URGENT)
    party = PartyKey(origin.removesuffix(_URGENT))
    cause, routing_key = _death(message, submit_queue(party, urgent=is_urgent))
    return DeadSubmission(party=party, is_urgent=is_urgent, routing_key=routing_key, cause=cause)


def delivery_of(message: DeliveredMessage) -> DeadDelivery | None:
    """The dead delivery in *message*; ``None`` where it is none of ours."""
    origin = _origin(message, "deliver.")
    properties = message.header.properties
    document = text_of(headers_of(message).get("vanthu-document")) or properties.correlation_id
    if not origin or not document or not properties.message_id:
        return None
    recipient = PartyKey(origin)
    cause, _ = _death(message, deliver_queue(recipient))
    return DeadDelivery(
        document=DocumentId(document),
        recipient=recipient,
        delivery=properties.message_id,
        cause=cause,
    )


def _origin(message: DeliveredMessage, prefix: str) -> str:
    key = message.routing_key or ""
    return key.removeprefix(prefix) if key.startswith(prefix) else ""


def _death(message: DeliveredMessage, queue: str) -> tuple[str, str]:
    """Why and under which key the message died in *queue*."""
    headers = headers_of(message)
    for death in _deaths(headers):
        if text_of(death.get("queue")) == queue:
            keys = death.get("routing-keys")
            first = keys[0] if isinstance(keys, list) and keys else None
            return text_of(death.get("reason")), text_of(first)
    return text_of(headers.get("x-last-death-reason") or headers.get("x-first-death-reason")), ""


def _deaths(headers: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    deaths = headers.get("x-death")
    if isinstance(deaths, list):
        yield from (death for death in deaths if isinstance(death, dict))
