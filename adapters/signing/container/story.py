"""What happened to a document, told from its evidence: who sent what to whom, and how far it came with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.signing.evidence_reading import Said, SaidParty


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
