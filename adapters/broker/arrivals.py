"""What a message from a submit queue says, as an ``Arrival``; claims are resolved on the way.

Reads aiormq's raw message: aio-pika's own class raises on properties that a careless publisher may set
(a ``delivery_mode`` of 7).  Nothing here raises, whatever the message holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiormq.abc import DeliveredMessage

from adapters.broker.topology import Bounds
from gateway.errors import Refused
from gateway.model.claim import CLAIM_TYPE, resolve
from gateway.model.envelope import Kind
from gateway.model.ids import ClientId, MessageId, OrganCode, PartyKey
from gateway.model.party import Link
from gateway.model.payload import PayloadRef
from gateway.model.submission import Arrival

_LARGEST_CLAIM = 8 * 1024
_LONGEST_TEXT = 1000

LAST_CHANCE = Bounds().submit.deliveries - 2
"""A message that was given back so often is near the limit of its queue: it does not wait for a quota any more, and
what it takes beyond is paid for by what comes after it."""


def arrival_of(
    message: DeliveredMessage,
    party: PartyKey,
    routing_key: str,
    *,
    urgent: bool,
    dead: bool,
    claim_secret: bytes,
) -> Arrival:
    """The submission in *message*, which came through a queue of *party* under *routing_key*.

    A claim that is not ours, not this party's, or contradicts itself stays a claim (with its own bytes as
    payload): the intake refuses it as ``claim-invalid``.
    """
    properties = message.header.properties
    content_type = properties.content_type or ""
    payload = None
    if content_type.partition(";")[0].strip().lower() == CLAIM_TYPE:
        payload = _claimed(message.body, party, claim_secret)
        if payload is not None:
            content_type = "application/xml"
    headers = headers_of(message)
    return Arrival(
        client=ClientId(properties.user_id) if properties.user_id else None,
        claimed=OrganCode(str(party)),
        message_id=MessageId(properties.message_id) if properties.message_id else None,
        payload=payload or PayloadRef.of(message.body),
        link=Link.AMQP,
        routed_as=kind_of(routing_key, party),
        is_urgent=urgent,
        is_dead_letter=dead,
        is_owed=dead or _returns(message, headers) >= LAST_CHANCE,
        content_type=content_type,
        expires=text_of(headers.get("vanthu-expires")),
        traceparent=text_of(headers.get("traceparent")),
    )


def _returns(message: DeliveredMessage, headers: Mapping[str, Any]) -> int:
    """How often the message was given back, as its queue counts.  Of one that comes for the first time a sender might
    say so himself."""
    count = headers.get("x-delivery-count", 0) if message.redelivered else 0
    return count if isinstance(count, int) else 0


def kind_of(routing_key: str, party: PartyKey) -> Kind | None:
    """The kind that a submit routing key of *party* names; ``None`` for any other key."""
    if routing_key in (f"{party}.edoc", f"{party}.edoc.urgent"):
        return Kind.EDOC
    return Kind.STATUS if routing_key == f"{party}.status" else None


def headers_of(message: DeliveredMessage) -> Mapping[str, Any]:
    """The header table, empty where there is none."""
    headers = message.header.properties.headers
    return headers if isinstance(headers, dict) else {}


def text_of(value: object) -> str:
    """A header's value as text: empty where absent, an AMQP timestamp in RFC 3339."""
    match value:
        case None:
            return ""
        case str():
            return value[:_LONGEST_TEXT]
        case datetime():
            return value.isoformat()
        case bytes() | bytearray():
            return bytes(value[:_LONGEST_TEXT]).decode("utf-8", "replace")
    return str(value)[:_LONGEST_TEXT]


def _claimed(body: bytes, party: PartyKey, secret: bytes) -> PayloadRef | None:
    if len(body) > _LARGEST_CLAIM:
        return None
    try:
        claim = json.loads(body)
        holder, payload = resolve(secret, claim["href"])
        agrees = (holder, payload.sha256, payload.size) == (party, claim["sha256"], claim["size"])
    except (Refused, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return payload if agrees else None
