"""Evidence: one signed statement per event, chained per (document, recipient).

Names and fields are those of ETSI EN 319 522-3; three instants stand in every piece: when the
document was *submitted* (durably received), *available* (retrievable by the recipient's system) and
*handed over* (the recipient's own system took it).
"""

from __future__ import annotations

from collections.abc import Mapping
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


EVENTS_IN_WORDS: Mapping[str, tuple[str, str]] = {
    "SubmissionAcceptance": ("đã tiếp nhận để gửi", "accepted for sending"),
    "SubmissionRejection": ("từ chối tiếp nhận", "refused on submission"),
    "RelayAcceptance": ("trục khác đã nhận chuyển tiếp", "taken by another gateway"),
    "RelayRejection": ("trục khác từ chối chuyển tiếp", "refused by another gateway"),
    "RelayFailure": ("không chuyển tiếp được", "could not be relayed"),
    "ContentConsignment": ("sẵn sàng để nhận", "available to the recipient"),
    "ContentConsignmentFailure": ("không giao được", "could not be made available"),
    "ContentHandover": ("đã giao cho hệ thống của bên nhận", "handed over to the recipient's system"),
    "ContentHandoverFailure": ("bên nhận không lấy", "was not taken by the recipient"),
    "ConsignmentAcceptance": ("bên nhận đã vào sổ", "accepted into the recipient's register"),
    "ConsignmentRejection": ("bên nhận từ chối", "rejected by the recipient"),
    "AcceptanceRejectionExpiry": (
        "hết hạn mà bên nhận chưa vào sổ hay từ chối",
        "neither accepted nor rejected in time",
    ),
}
"""Each event in Vietnamese and English, also those that only others issue (EN 319 522-1)."""


def in_words(event: str) -> tuple[str, str]:
    """*event* in Vietnamese and in English; one that we do not know by its name."""
    return EVENTS_IN_WORDS.get(event, (event, event))


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
