"""Evidence, verified from its bytes alone: who signed it, whether it still says what was signed, what it says.

    check = verify_evidence(xml, roots)
    check.standing, check.reason, check.event

``xades_check`` has how; elements are found by their place.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from cryptography import x509
from lxml import etree

from adapters.signing.evidence_xml import NAMESPACE
from adapters.signing.xades_check import (
    NOT_OURS,
    leads_to_root,
    load_roots,
    parse,
    sentence,
    text_of,
    verify_enveloped,
)

__all__ = ["EvidenceCheck", "Standing", "broken_link", "load_roots", "verify_evidence"]

_NAMES = {"e": NAMESPACE}


class Standing(StrEnum):
    """What the check came to; ``UNKNOWN`` means intact, but by nobody whom we know."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceCheck:
    """The outcome, and what the evidence says of itself (empty where it could not be read).

    ``reason`` is a sentence in English, empty where the check passed.  ``sha256`` is that of the bytes:
    the next piece of the chain must name it as ``previous``.
    """

    standing: Standing
    reason: str
    sha256: str
    evidence: str = ""
    event: str = ""
    document: str = ""
    recipient: str = ""
    sequence: int = -1
    previous: str = ""
    signer: str = ""
    signed_at: datetime | None = None


def verify_evidence(xml: bytes, roots: Sequence[x509.Certificate]) -> EvidenceCheck:
    """Verify one piece of evidence against the trusted *roots*.  Raises nothing, whatever *xml* is."""
    digest = sha256(xml).hexdigest()
    try:
        root = parse(xml, f"{{{NAMESPACE}}}Evidence", "evidence")
        fields = _said(root)
    except NOT_OURS as exc:
        return EvidenceCheck(standing=Standing.FAILED, reason=sentence(exc), sha256=digest)
    event, document, recipient, evidence, sequence, previous = fields

    def outcome(
        standing: Standing, reason: str, signer: str = "", signed_at: datetime | None = None
    ) -> EvidenceCheck:
        return EvidenceCheck(
            standing=standing,
            reason=reason,
            sha256=digest,
            evidence=evidence,
            event=event,
            document=document,
            recipient=recipient,
            sequence=sequence,
            previous=previous,
            signer=signer,
            signed_at=signed_at,
        )

    try:
        signer = verify_enveloped(root)
    except NOT_OURS as exc:
        return outcome(Standing.FAILED, sentence(exc))
    if not leads_to_root(signer.certificates, roots, signer.signed_at):
        why = "The signer's certificate leads to no trusted root."
        return outcome(Standing.UNKNOWN, why, signer.name, signer.signed_at)
    return outcome(Standing.PASSED, "", signer.name, signer.signed_at)


def broken_link(checks: Sequence[EvidenceCheck]) -> int | None:
    """The index of the first piece of a chain, oldest first, that does not name the one before it."""
    for index in range(1, len(checks)):
        if not hmac.compare_digest(checks[index].previous, checks[index - 1].sha256):
            return index
    return None


def _said(root: etree._Element) -> tuple[str, str, str, str, int, str]:
    return (
        text_of(root, "e:ERDSEventId", _NAMES).rpartition("/")[2],
        text_of(root, "e:Extensions/e:DocumentIdentifier", _NAMES),
        _optional(root, "e:EvidenceRefersToRecipient"),
        text_of(root, "e:EvidenceIdentifier", _NAMES),
        int(text_of(root, "e:TransactionLogInformation/e:Sequence", _NAMES)),
        _optional(root, "e:TransactionLogInformation/e:Previous"),
    )


def _optional(root: etree._Element, path: str) -> str:
    return "" if root.find(path, _NAMES) is None else text_of(root, path, _NAMES)
