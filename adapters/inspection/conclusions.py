"""From what is known of a signature to what is said of it, in the words of ETSI EN 319 102-1.

Broken beats weak, weak beats unknown: only an intact signature is asked whose it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asn1crypto import crl, ocsp, x509  # type: ignore[import-untyped]  # it has no stubs
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, StreamObject

from adapters.inspection import cms
from adapters.inspection.changes import Difference, Level
from adapters.inspection.overlaps import Overlaps
from adapters.inspection.reader import QuickReader, entry
from adapters.inspection.trust import Anchors, Purpose, Standing
from gateway.model.finding import Severity
from gateway.model.signature import Indication, SignatureReport

_MAX_VALIDATION_DATA = 500


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

    anchors: Anchors
    moment: datetime
    accept_any_signer: bool = False


def conclude(reader: QuickReader, one: Known, all_known: list[Known], setting: Setting) -> Judged:
    """The report on *one* of *all_known* signatures, and its findings."""
    proof = one.proof
    findings: list[tuple[str, Severity, str]] = []
    indication, sub_indication = Indication.PASSED, ""
    proved_time = _proved_time(one, all_known, setting)
    if one.failure:
        indication, sub_indication = Indication.FAILED, one.failure
        why = one.difference.detail or one.failure
        findings.append(("signature-broken", Severity.ERROR, f"{one.name}: {why}"))
    elif proof.weakness and (proof.is_hopeless or not setting.accept_any_signer):
        indication, sub_indication = Indication.INDETERMINATE, "CRYPTO_CONSTRAINTS_FAILURE"
        findings.append(("signature-unsupported", Severity.WARNING, f"{one.name}: {proof.weakness}"))
    else:
        standing = _standing(reader, one, proved_time or setting.moment, setting)
        indication, sub_indication = _trusted(one, standing, setting, findings)
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
            signer=_common_name(proof.signer),
            sub_filter=one.sub_filter.lstrip("/"),
            level=_level(reader, one, all_known),
            indication=indication,
            sub_indication=sub_indication,
            coverage=one.coverage,
            changes=one.difference.level.label,
            signed_at=_utc(proof.token_time or proved_time or proof.claimed_time or one.declared_time),
            certificate_sha256=hashlib.sha256(proof.signer.dump()).hexdigest(),
        ),
        findings=findings,
    )


def _trusted(
    one: Known, standing: Standing, setting: Setting, findings: list[tuple[str, Severity, str]]
) -> tuple[Indication, str]:
    if setting.accept_any_signer:
        findings.append(("signature-untrusted", Severity.INFO, f"{one.name}: any signer is accepted here"))
        return Indication.PASSED, ""
    if standing.revocation == "unknown":
        findings.append(("signature-revocation-unknown", Severity.WARNING, f"{one.name}: {standing.detail}"))
        return Indication.INDETERMINATE, "TRY_LATER"
    if standing.sub_indication:
        findings.append(("signature-untrusted", Severity.WARNING, f"{one.name}: {standing.sub_indication}"))
        return Indication.INDETERMINATE, standing.sub_indication
    if standing.revocation == "none":
        detail = f"{one.name}: the certificate names no place to ask"
        findings.append(("signature-revocation-unknown", Severity.INFO, detail))
    return Indication.PASSED, ""


def _standing(reader: QuickReader, one: Known, moment: datetime, setting: Setting) -> Standing:
    if setting.accept_any_signer or not setting.anchors.roots():
        return Standing(sub_indication="NO_CERTIFICATE_CHAIN_FOUND")
    certificates, crls, ocsps = _validation_data(reader)
    return setting.anchors.stand(
        one.proof.signer,
        (*one.proof.others, *certificates),
        moment=moment,
        purpose=Purpose.STAMPING if one.is_stamp else Purpose.SIGNING,
        crls=crls,
        ocsps=ocsps,
    )


def _proved_time(one: Known, all_known: list[Known], setting: Setting) -> datetime | None:
    """The earliest instant at which a believed time-stamp saw this signature."""
    stamps: list[cms.Proof] = [
        later.proof
        for later in all_known
        if later.is_stamp and later.revision > one.revision and not later.failure
    ]
    if one.proof.stamp is not None and one.proof.stamp.is_intact:
        stamps.append(one.proof.stamp)
    times = []
    for stamp in stamps:
        if stamp.token_time is None or stamp.is_hopeless:
            continue
        standing = setting.anchors.stand(
            stamp.signer, stamp.others, moment=stamp.token_time, purpose=Purpose.STAMPING
        )
        if not standing.sub_indication or standing.revocation == "unknown":
            times.append(stamp.token_time)
    return min(times, default=None)


def _level(reader: QuickReader, one: Known, all_known: list[Known]) -> str:
    # spec: ETSI EN 319 142-1 §6 - each level is the one before and something more
    if one.is_stamp:
        return "timestamp"
    base = "B" if one.sub_filter == "/ETSI.CAdES.detached" and one.proof.has_signing_certificate else ""
    prefix = "B" if base else "PKCS7"
    later = [o for o in all_known if o.is_stamp and o.revision > one.revision and not o.proof.failure]
    has_stamp = bool(later) or (one.proof.stamp is not None and one.proof.stamp.is_intact)
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


def _validation_data(
    reader: QuickReader,
) -> tuple[list[x509.Certificate], list[crl.CertificateList], list[ocsp.OCSPResponse]]:
    cached = reader.__dict__.get("_vanthu_validation_data")
    if cached is None:
        store = entry(reader.root, "/DSS")
        cached = (
            _streams(store, "/Certs", x509.Certificate),
            _streams(store, "/CRLs", crl.CertificateList),
            _streams(store, "/OCSPs", ocsp.OCSPResponse),
        )
        reader.__dict__["_vanthu_validation_data"] = cached
    certificates, crls, ocsps = cached
    return certificates, crls, ocsps


def _streams(store: object, key: str, kind: type) -> list:  # type: ignore[type-arg]  # asn1crypto is untyped
    array = entry(store, key) if isinstance(store, DictionaryObject) else None
    found = []
    if isinstance(array, ArrayObject):
        for index in range(min(len(array), _MAX_VALIDATION_DATA)):
            try:
                stream = array[index]
                if isinstance(stream, StreamObject):
                    one = kind.load(stream.data)  # type: ignore[attr-defined]  # asn1crypto is untyped
                    _ = one.native if kind is x509.Certificate else one.dump()
                    found.append(one)
            except (ValueError, TypeError, KeyError, LookupError):
                continue
    return found


def _common_name(certificate: x509.Certificate) -> str:
    try:
        name = certificate.subject.native.get("common_name", "")
        return str(name[-1] if isinstance(name, list) else name) or str(certificate.subject.human_friendly)
    except (ValueError, TypeError, KeyError):
        return ""


def _utc(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        return None
