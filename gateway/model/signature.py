"""What is known of the signatures in a PDF, and what we order when one is to be added.

The words for a signature's outcome are those of ETSI EN 319 102-1: an indication and, where it is
not ``TOTAL-PASSED``, a sub-indication.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.model.finding import Finding
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef


class Verdict(StrEnum):
    """What we say of a whole file."""

    VALID = "valid"
    INDETERMINATE = "indeterminate"
    INVALID = "invalid"
    UNSIGNED = "unsigned"
    REFUSED = "refused"


class Indication(StrEnum):
    """spec: EN 319 102-1 §5.1.3 - the outcome of validating one signature."""

    PASSED = "TOTAL-PASSED"
    FAILED = "TOTAL-FAILED"
    INDETERMINATE = "INDETERMINATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReport:
    """One signature (or document time-stamp) of a file, judged on its own.

    ``coverage`` is ``whole-file``, ``whole-revision``, ``partial`` or ``unclear``; ``changes`` says
    what came after it: ``none``, ``lta``, ``form-filling``, ``annotations``, ``other`` or ``""``.
    ``certificate_sha256`` is lower-case hex, empty where no certificate was found.  ``chain`` are the names
    from the signer to the trusted root, empty where none was found or asked for.
    """

    field: str
    signer: str
    sub_filter: str
    level: str
    indication: Indication
    sub_indication: str
    coverage: str
    changes: str
    signed_at: datetime | None
    certificate_sha256: str = ""
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the inspector found in one attachment.  ``findings`` carry reason codes."""

    verdict: Verdict
    signatures: tuple[SignatureReport, ...] = ()
    findings: tuple[Finding, ...] = ()
    pages: int = 0
    elapsed_ms: float = 0.0


class SealKind(StrEnum):
    """Which appearance the law asks for.  spec: NĐ 30/2020 Annex I, Part I, II.8"""

    MAIN = "main"
    APPENDIX = "appendix"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealOrder:
    """An order to put the seal of *party* on a PDF.

    ``signed_at`` is the instant of T1, so that a repeat gives the same bytes where the algorithm
    allows; ``code`` is the document's full number and notation, shown on appendices.
    """

    party: PartyKey
    kind: SealKind
    signed_at: datetime
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A certificate with which a party seals, and its validity."""

    party: PartyKey
    subject: str
    certificate_sha256: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A sealed PDF and the seal that is on it.

    ``was_odd``: only a tolerant reader could read the original, so the whole judge has to look at the output.
    """

    payload: PayloadRef
    seal: Seal
    was_odd: bool = False
