"""Twins of ``Sealer`` and ``Notary``: a seal that is a line at the end of the file, evidence without a signature.

Both are deterministic and readable, so that a test can see at a glance who sealed what, and when.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from xml.sax.saxutils import escape

from gateway.errors import Refused, Unavailable
from gateway.model.evidence import EVENT_URI, Evidence
from gateway.model.ids import PartyKey
from gateway.model.log import TreeHead
from gateway.model.payload import PayloadRef
from gateway.model.signature import Seal, Sealed, SealOrder
from gateway.ports import Clock, Vault

ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

_NO_CHANGES = re.compile(rb"/DocMDP\b[^%]{0,200}?/P 1\b", re.DOTALL)


class MemorySealer:
    """Seals by appending ``%VANTHU-SEAL <party> <kind> <time> <digest>`` to the file.

    *lacking* names the parties without a key; all others have one, valid between the two instants of
    *validity* (or for ever).
    """

    def __init__(
        self,
        *,
        vault: Vault,
        clock: Clock,
        lacking: frozenset[PartyKey] = frozenset(),
        validity: Mapping[PartyKey, tuple[datetime, datetime]] | None = None,
    ) -> None:
        self._vault = vault
        self._clock = clock
        self._lacking = lacking
        self._validity = validity or {}

    async def seal(self, ref: PayloadRef, order: SealOrder) -> Sealed:
        """The file with its line; refuses what bears a certification that allows no changes."""
        seal = await self.find_seal(order.party)
        if seal is None:
            raise Unavailable("seal-key-missing", order.party)
        signed_at = max(order.signed_at, seal.not_before)
        if not all(seal.not_before <= at <= seal.not_after for at in (signed_at, self._clock.now())):
            raise Refused("seal-certificate-expired", order.party)
        pdf = await self._vault.read(ref)
        if not pdf.startswith(b"%PDF-"):
            raise Refused("pdf-unreadable")
        if _NO_CHANGES.search(pdf):
            raise Refused("seal-forbidden", "DocMDP")
        line = f"\n%VANTHU-SEAL {order.party} {order.kind} {signed_at.isoformat()} {ref.sha256}\n"
        return Sealed(payload=PayloadRef.of(pdf + line.encode()), seal=seal)

    async def find_seal(self, party: PartyKey) -> Seal | None:
        """A made-up certificate; ``None`` for those who lack a key."""
        if party in self._lacking:
            return None
        not_before, not_after = self._validity.get(party, ALWAYS)
        return Seal(
            party=party,
            subject=f"CN={party}",
            certificate_sha256=sha256(f"certificate of {party}".encode()).hexdigest(),
            not_before=not_before,
            not_after=not_after,
        )


class MemoryNotary:
    """Writes every field of the evidence in XML of the simplest kind, unsigned."""

    def attest(self, evidence: Evidence) -> bytes:
        """The evidence, one element per field."""
        fields: list[tuple[str, str]] = [
            ("EvidenceIdentifier", evidence.id),
            ("ERDSEventId", f"{EVENT_URI}{evidence.event.value}"),
            *(("Code", reason.code) for reason in evidence.reasons),
            *(("Details", reason.message_vi) for reason in evidence.reasons),
            *(("Details", reason.message_en) for reason in evidence.reasons),
            *(("Detail", reason.detail) for reason in evidence.reasons),
            ("EventTime", evidence.event_time.isoformat()),
            ("SenderDetails", f"{evidence.sender.code} {evidence.sender.name}"),
            *(("RecipientDetails", f"{party.code} {party.name}") for party in evidence.recipients),
            ("EvidenceRefersToRecipient", evidence.refers_to.code if evidence.refers_to else ""),
            ("SubmissionTime", evidence.submitted_at.isoformat()),
            ("MessageIdentifier", evidence.message_id),
            ("Digest", evidence.content_sha256),
            ("Size", str(evidence.content_size)),
            ("Sequence", str(evidence.sequence)),
            ("Previous", evidence.previous),
            ("DocumentIdentifier", evidence.document),
            ("Submitted", evidence.submitted_at.isoformat()),
            ("Available", evidence.available_at.isoformat() if evidence.available_at else ""),
            ("HandedOver", evidence.handed_over_at.isoformat() if evidence.handed_over_at else ""),
            ("Expires", evidence.expires_at.isoformat()),
        ]
        body = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields if value)
        return f"<Evidence>{body}</Evidence>".encode()

    def vouch(self, head: TreeHead) -> bytes:
        """The head, one element per field."""
        fields = {"Log": head.log, "Time": head.at.isoformat(), "Size": str(head.size), "Root": head.root}
        body = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
        return f"<TreeHead>{body}</TreeHead>".encode()
