"""From what is known of a signature to what is said of it, in the words of ETSI EN 319 102-1.

Broken beats weak, weak beats unknown: only an intact signature is asked whose it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyhanko.pdf_utils.generic import DictionaryObject

from adapters.inspection import cms
from adapters.inspection.authority.certificates import display_name
from adapters.inspection.authority.enclosed import collect
from adapters.inspection.authority.existence import Existence, Existing, is_reliable
from adapters.inspection.authority.trust import Standing, Trust
from adapters.inspection.history.changes import Difference, Level
from adapters.inspection.history.overlaps import Overlaps
from adapters.pdf.reader import QuickReader, entry
from gateway.model.finding import Severity
from gateway.model.signature import Indication, SignatureReport

_UNKNOWN = Standing(sub_indication="NO_CERTIFICATE_CHAIN_FOUND", detail="no trusted roots are configured")


@dataclass(slots=True, kw_only=True)
class Judged:
    """One signature as we came to see it: its report, and the findings it gives cause for."""

    report: SignatureReport
    findings: list[tuple[str, Severity, str]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Known:
    """What is known of one signature before anybody is asked about trust."""

    name: str
    sub_filter: str
    revision: int
    coverage: str
    proof: cms.Proof
    difference: Difference
    declared_time: datetime | None
    signed_end: int
    overlaps: Overlaps = field(default_factory=Overlaps)
    strays: tuple[int, ...] = ()

    @property
    def is_stamp(self) -> bool:
        return self.proof.token_time is not None

    @property
    def failure(self) -> str:
        """The AdES failure of the file around it, else of the signature itself."""
        if self.proof.failure:
            return self.proof.failure
        if self.coverage not in ("whole-file", "whole-revision") or self.difference.level is Level.OTHER:
            return "FORMAT_FAILURE"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the judgement is made with.  ``accept_any_signer`` skips path, dates and revocation,
    never integrity or coverage."""

    trust: Trust
    moment: datetime
    accept_any_signer: bool = False


def conclude_all(reader: QuickReader, known: Sequence[Known], setting: Setting) -> list[Judged]:
    """The report on each of the *known* signatures of one document, and its findings."""
    existence = None
    if not setting.accept_any_signer and setting.trust.has_roots:
        enclosed = collect(reader, [(one.revision, one.proof.brought) for one in known])
        existence = Existence(known, enclosed, setting.trust, now=setting.moment)
    return [_conclude(reader, one, known, setting, existence) for one in known]


def _conclude(
    reader: QuickReader, one: Known, known: Sequence[Known], setting: Setting, existence: Existence | None
) -> Judged:
    proof = one.proof
    findings: list[tuple[str, Severity, str]] = []
    existing = existence.of(one) if existence is not None else Existing()
    standing = existence.stand(one) if existence is not None else _UNKNOWN
    is_weak = bool(proof.weakness) and not setting.accept_any_signer and not is_reliable(existing.since)
    if one.failure:
        indication, sub_indication = Indication.FAILED, one.failure
        why = one.difference.detail or one.failure
        findings.append(("signature-broken", Severity.ERROR, f"{one.name}: {why}"))
    elif proof.is_hopeless or is_weak:
        # spec: EN 319 102-1 §5.1.3 - NO_POE: it was good enough once, but was it there then?
        indication = Indication.INDETERMINATE
        sub_indication = "CRYPTO_CONSTRAINTS_FAILURE" + ("" if proof.is_hopeless else "_NO_POE")
        findings.append(("signature-unsupported", Severity.WARNING, f"{one.name}: {proof.weakness}"))
    else:
        indication, sub_indication = _trusted(one, standing, existing, setting, findings)
    if one.strays and not one.failure:
        # it was signed so; but what waits there may be brought to light by the smallest of changes
        numbers = ", ".join(str(number) for number in one.strays[:5])
        detail = f"{one.name}: objects stand outside every cross-reference ({numbers})"
        findings.append(("signature-changes", Severity.WARNING, detail))
    if one.overlaps.signatures and not one.failure:
        detail = f"{one.name}: {', '.join(one.overlaps.signatures[:5])}"
        findings.append(("signature-overlaps", Severity.INFO, detail))
    if one.overlaps.covered and not one.failure:
        detail = f"{one.name}: {', '.join(one.overlaps.covered[:5])}"
        findings.append(("signature-changes", Severity.WARNING, detail))
        if indication is Indication.PASSED:
            indication, sub_indication = Indication.INDETERMINATE, "GENERIC"
    if one.difference.filled and not one.failure:
        # a later hand filled the form: it may well be meant so, but what is shown is no longer what was signed
        names = ", ".join(one.difference.filled[:5])
        findings.append(
            ("signature-changes", Severity.WARNING, f"{one.name}: form fields changed later: {names}")
        )
        if indication is Indication.PASSED:
            indication, sub_indication = Indication.INDETERMINATE, "GENERIC"
    elif one.difference.level is Level.ANNOTATIONS and not one.failure:
        findings.append(("signature-changes", Severity.WARNING, f"{one.name}: annotations came later"))
        if indication is Indication.PASSED:
            indication, sub_indication = Indication.INDETERMINATE, "GENERIC"
    return Judged(
        report=SignatureReport(
            field=one.name,
            signer=display_name(proof.signer),
            sub_filter=one.sub_filter.lstrip("/"),
            level=_level(reader, one, known),
            indication=indication,
            sub_indication=sub_indication,
            coverage=one.coverage,
            changes=one.difference.level.label,
            signed_at=_utc(proof.token_time or existing.since or proof.claimed_time or one.declared_time),
            certificate_sha256=hashlib.sha256(proof.signer.dump()).hexdigest(),
            chain=standing.chain,
        ),
        findings=findings,
    )


def _trusted(
    one: Known,
    standing: Standing,
    existing: Existing,
    setting: Setting,
    findings: list[tuple[str, Severity, str]],
) -> tuple[Indication, str]:
    if setting.accept_any_signer:
        findings.append(("signature-untrusted", Severity.INFO, f"{one.name}: any signer is accepted here"))
        return Indication.PASSED, ""
    if standing.is_failure:
        why = f"{one.name}: {standing.sub_indication}: {standing.detail}"
        findings.append(("signature-broken", Severity.ERROR, why))
        return Indication.FAILED, standing.sub_indication
    if standing.revocation == "unknown":
        findings.append(("signature-revocation-unknown", Severity.WARNING, f"{one.name}: {standing.detail}"))
        return Indication.INDETERMINATE, standing.sub_indication
    if standing.sub_indication:
        why = f"{one.name}: {standing.sub_indication}: {standing.detail}"
        findings.append(("signature-untrusted", Severity.WARNING, why))
        return Indication.INDETERMINATE, standing.sub_indication
    if existing.is_disordered:
        why = f"{one.name}: its time-stamps contradict the order in which they came"
        findings.append(("signature-untrusted", Severity.WARNING, why))
        return Indication.INDETERMINATE, "TIMESTAMP_ORDER_FAILURE"
    if standing.revocation == "none":
        detail = f"{one.name}: the certificate names no place to ask"
        findings.append(("signature-revocation-unknown", Severity.INFO, detail))
    return Indication.PASSED, ""


def _level(reader: QuickReader, one: Known, known: Sequence[Known]) -> str:
    # spec: ETSI EN 319 142-1 §6 - each level is the one before and something more
    if one.is_stamp:
        return "timestamp"
    base = "B" if one.sub_filter == "/ETSI.CAdES.detached" and one.proof.has_signing_certificate else ""
    prefix = "B" if base else "PKCS7"
    later = [o for o in known if o.is_stamp and o.revision > one.revision and not o.proof.failure]
    has_stamp = bool(later) or any(stamp.is_intact for stamp in one.proof.stamps)
    if not has_stamp:
        return f"{prefix}-B"
    first = _first_validation_data(reader, one.revision)
    if first is None:
        return f"{prefix}-T"
    return f"{prefix}-LTA" if any(o.revision >= first for o in later) else f"{prefix}-LT"


def _first_validation_data(reader: QuickReader, since: int) -> int | None:
    """The first revision in which validation data stand beside the signature of revision *since*."""
    for revision in range(since, reader.xrefs.total_revisions):
        store = entry(reader.get_historical_root(revision), "/DSS")
        if isinstance(store, DictionaryObject) and (
            "/CRLs" in store or "/OCSPs" in store or "/Certs" in store
        ):
            return revision
    return None


def _utc(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        return None
