"""What arrives at the door, before anything is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.errors import Reason
from gateway.model.envelope import Kind
from gateway.model.ids import ClientId, DocumentId, MessageId, OrganCode
from gateway.model.journey import SubmissionState
from gateway.model.party import Link
from gateway.model.payload import PayloadRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A submission as the broker or HTTP brought it.

    ``client`` is who was authenticated (``None``: nobody); ``claimed`` is the organ it says it acts for
    (routing key, HTTP parameter), ``routed_as`` the kind that a routing key named.  ``payload`` rides along with its body, or is a claim already
    in the vault.  ``expires`` is the text of ``vanthu-expires``.  ``is_dead_letter`` says that the
    broker gave the message up at least once; ``is_owed`` that it stands among dead letters, where who waits would be
    in everybody's way: no quota holds it up.
    """

    client: ClientId | None
    claimed: OrganCode
    message_id: MessageId | None
    payload: PayloadRef
    link: Link
    routed_as: Kind | None = None
    is_urgent: bool = False
    is_dead_letter: bool = False
    is_owed: bool = False
    content_type: str = ""
    expires: str = ""
    traceparent: str = field(default="", repr=False)


class Door(StrEnum):
    """How the door answered."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The answer to an arrival, durable when given.  The broker's message may be acknowledged.

    ``document`` is ``None`` only where nothing could be registered, because nobody is known to whom
    the refusal could be told.  ``detail`` is what a refusal at the door found in the peer's own message.
    """

    door: Door
    document: DocumentId | None
    state: SubmissionState
    reason: Reason | None = None
    detail: str = ""
    received_at: datetime | None = None
