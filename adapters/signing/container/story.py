"""What happened to a document, told from its evidence: who sent what to whom, and how far it came with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.signing.evidence_reading import Said, SaidParty

EVENTS = {
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
"""Every event that we know in both languages; others are told by their name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """How far the document came with one recipient; ``pieces`` in the order of the chain."""

    recipient: SaidParty
    pieces: tuple[Said, ...]
    available_at: datetime | None = None
    handed_over_at: datetime | None = None
    accepted_at: datetime | None = None
    rejected_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The whole of it.  ``about`` is the evidence about the document itself."""

    document: str
    message_id: str
    sender: SaidParty
    submitted_at: datetime
    about: Said
    copies: tuple[Copy, ...]


def tell(pieces: Sequence[Said]) -> Story | None:
    """The story that *pieces* tell; ``None`` where none of them is about the document as a whole."""
    about = next((p for p in pieces if not p.recipient), None)
    if about is None:
        return None
    recipients = {p.code: p for piece in pieces for p in piece.recipients}
    ordered = sorted((p for p in pieces if p.recipient), key=lambda p: p.sequence)
    return Story(
        document=about.document,
        message_id=about.message_id,
        sender=about.sender,
        submitted_at=about.submitted_at,
        about=about,
        copies=tuple(
            _copy(party, tuple(p for p in ordered if p.recipient == code))
            for code, party in sorted(recipients.items())
        ),
    )


def event_in_words(event: str) -> tuple[str, str]:
    """*event* in Vietnamese and in English."""
    return EVENTS.get(event, (event, event))


def _copy(recipient: SaidParty, pieces: tuple[Said, ...]) -> Copy:
    def first(event: str) -> datetime | None:
        return next((p.at for p in pieces if p.event == event), None)

    return Copy(
        recipient=recipient,
        pieces=pieces,
        available_at=next((p.available_at for p in reversed(pieces) if p.available_at), None),
        handed_over_at=next((p.handed_over_at for p in reversed(pieces) if p.handed_over_at), None),
        accepted_at=first("ConsignmentAcceptance"),
        rejected_at=first("ConsignmentRejection"),
    )
