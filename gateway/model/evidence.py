"""Evidence: one signed statement per event, chained per (document, recipient).

Names and fields are those of ETSI EN 319 522-3; three instants stand in every piece: when the
document was *submitted* (durably received), *available* (retrievable by the recipient's system) and
*handed over* (the recipient's own system took it).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.errors import Reason
from gateway.model.ids import DocumentId, EvidenceId, MessageId, OrganCode, PartyKey

EVENT_URI = "http://uri.etsi.org/19522/Event/"


class EventName(StrEnum):
    """spec: EN 319 522-1 - the events that we attest."""

    SUBMISSION_ACCEPTANCE = "SubmissionAcceptance"
    SUBMISSION_REJECTION = "SubmissionRejection"
    CONTENT_CONSIGNMENT = "ContentConsignment"
    CONTENT_CONSIGNMENT_FAILURE = "ContentConsignmentFailure"
    CONTENT_HANDOVER = "ContentHandover"
    CONTENT_HANDOVER_FAILURE = "ContentHandoverFailure"
    CONSIGNMENT_ACCEPTANCE = "ConsignmentAcceptance"
    CONSIGNMENT_REJECTION = "ConsignmentRejection"
    ACCEPTANCE_REJECTION_EXPIRY = "AcceptanceRejectionExpiry"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReason:
    """Why: a stable code, and the sentence for people in both languages."""

    code: Reason
    detail: str = ""
    message_vi: str = ""
    message_en: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceParty:
    """Sender or recipient as evidence names it."""

    key: PartyKey
    code: OrganCode
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a notary is asked to attest.

    ``previous`` is the SHA-256 (hex) of the bytes of the evidence before it in its chain; the first
    of each recipient names the acceptance, the acceptance names none.  ``sequence`` is 0 for what
    concerns the submission as a whole, and counts from 1 per recipient.
    """

    id: EvidenceId
    event: EventName
    event_time: datetime
    reasons: tuple[EventReason, ...]
    document: DocumentId
    message_id: MessageId
    sender: EvidenceParty
    recipients: tuple[EvidenceParty, ...]
    refers_to: EvidenceParty | None
    submitted_at: datetime
    available_at: datetime | None
    handed_over_at: datetime | None
    content_sha256: str
    content_size: int
    expires_at: datetime
    sequence: int
    previous: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRecord:
    """Evidence as issued.  ``body`` is stored and sent as it is, and never rendered again."""

    id: EvidenceId
    document: DocumentId
    recipient: PartyKey | None
    event: EventName
    sequence: int
    issued_at: datetime
    reason: Reason | None
    sha256: str
    body: bytes
