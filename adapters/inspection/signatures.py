"""Every signature and document time-stamp of a PDF, each judged on its own.

1. enumerate the fields ourselves (pyHanko gives up on the whole file where one field is odd);
2. read the one CMS object and compare the byte range with it (``cms``);
3. see how much of the file it covers and what came later (``changes``);
4. ask whether the signer is believed (``trust``), at the time that a believed time-stamp proves;
5. put it into the words of ETSI EN 319 102-1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asn1crypto import crl, ocsp, x509  # type: ignore[import-untyped]  # it has no stubs
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from adapters.inspection import cms
from adapters.inspection.changes import Difference, Level, changes_after
from adapters.inspection.leftovers import is_end_accounted, stray_objects
from adapters.inspection.reader import QuickReader, entry, resolved, unhex
from adapters.inspection.trust import Anchors, Purpose, Standing
from gateway.model.finding import Severity
from gateway.model.signature import Indication, SignatureReport

_SIGNATURES = frozenset({"/ETSI.CAdES.detached", "/adbe.pkcs7.detached", "/adbe.pkcs7.sha1", "/PBAD.PAdES"})
_STAMPS = frozenset({"/ETSI.RFC3161"})
_COVERAGE = {
    SignatureCoverageLevel.ENTIRE_FILE: "whole-file",
    SignatureCoverageLevel.ENTIRE_REVISION: "whole-revision",
    SignatureCoverageLevel.CONTIGUOUS_BLOCK_FROM_START: "partial",
    SignatureCoverageLevel.UNCLEAR: "unclear",
}
_MAX_FIELDS = 20_000
_MAX_VALIDATION_DATA = 500


@dataclass(slots=True, kw_only=True)
class Judged:
    """One signature as we came to see it: its report, and the findings it gives cause for."""

    report: SignatureReport
    findings: list[tuple[str, Severity, str]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Known:
    """What is known of one signature before anybody is asked about trust."""

    name: str
    sub_filter: str
    revision: int
    coverage: str
    proof: cms.Proof
    difference: Difference
    declared_time: datetime | None
    signed_end: int
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


def judge_all(reader: QuickReader, setting: Setting) -> list[Judged]:
    """Every filled signature field of the file, in the order of the fields."""
    judged: list[Judged] = []
    known: list[tuple[int, _Known]] = []
    fields = list(signature_fields(reader))
    if not fields:
        return judged
    is_end_sound, strays = is_end_accounted(reader), stray_objects(reader)
    for name, widget, signature in fields:
        sub_filter = _text(signature, "/SubFilter")
        place = len(judged)
        try:
            one = _know(reader, name, widget, signature, sub_filter)
            _account(one, strays, is_end_sound=is_end_sound)
            known.append((place, one))
            judged.append(Judged(report=_blank(name, sub_filter)))  # filled in below
        except (cms.Unsupported, cms.Undecodable) as exc:
            sub_indication = "GENERIC" if isinstance(exc, cms.Unsupported) else "FORMAT_FAILURE"
            judged.append(
                Judged(
                    report=_blank(name, sub_filter, Indication.INDETERMINATE, sub_indication),
                    findings=[("signature-unsupported", Severity.WARNING, f"{name}: {exc}")],
                )
            )
        except RecursionError:
            judged.append(_broken(name, sub_filter, "nested too deeply"))
        except MemoryError:
            raise
        except Exception as exc:  # real files make the parsers raise anything at all
            judged.append(_broken(name, sub_filter, f"it cannot be followed ({type(exc).__name__})"))
    for place, one in known:
        judged[place] = _conclude(reader, one, [other for _, other in known], setting)
    return judged


def _account(one: _Known, strays: Mapping[int, int], *, is_end_sound: bool) -> None:
    """Hold against a signature what no cross-reference accounts for."""
    if not is_end_sound and one.coverage != "whole-file":
        one.difference = Difference(level=Level.OTHER, detail="bytes after the last accounted revision")
    elif any(at >= one.signed_end for at in strays):
        one.difference = Difference(level=Level.OTHER, detail="objects came outside every cross-reference")
    one.strays = tuple(number for at, number in strays.items() if at < one.signed_end)


def signature_fields(reader: QuickReader) -> Iterator[tuple[str, DictionaryObject, DictionaryObject]]:
    """Name, field and signature dictionary of every signature field that has one."""
    form = entry(reader.root, "/AcroForm")
    fields = entry(form, "/Fields") if isinstance(form, DictionaryObject) else None
    if not isinstance(fields, ArrayObject):
        return
    waiting: list[tuple[object, str, object]] = [
        (fields.raw_get(i), "", None) for i in reversed(range(len(fields)))
    ]
    seen: set[int] = set()
    for _ in range(_MAX_FIELDS):
        if not waiting:
            return
        raw, prefix, kind = waiting.pop()
        if isinstance(raw, IndirectObject):
            if raw.idnum in seen:
                continue
            seen.add(raw.idnum)
            raw = resolved(raw)
        if not isinstance(raw, DictionaryObject):
            continue
        own = _text(raw, "/T")
        name = f"{prefix}.{own}" if prefix and own else prefix or own
        kind = entry(raw, "/FT") or kind
        kids = entry(raw, "/Kids")
        if isinstance(kids, ArrayObject):
            waiting.extend((kids.raw_get(i), name, kind) for i in reversed(range(len(kids))))
        signature = entry(raw, "/V")
        if kind == "/Sig" and isinstance(signature, DictionaryObject):
            yield name, raw, signature


def _know(
    reader: QuickReader, name: str, widget: DictionaryObject, signature: DictionaryObject, sub_filter: str
) -> _Known:
    if sub_filter not in _SIGNATURES | _STAMPS:
        raise cms.Unsupported(f"signatures of the kind {sub_filter[:60] or '(none)'}")
    contents = signature.raw_get("/Contents")
    if not isinstance(contents, generic.ByteStringObject | generic.TextStringObject):
        raise cms.Undecodable("it has no contents")
    signed = cms.load(contents.original_bytes)
    is_sha1_content = sub_filter == "/adbe.pkcs7.sha1"
    algorithm = "sha1" if is_sha1_content else cms.digest_name(signed)
    try:
        embedded = EmbeddedPdfSignature(reader, widget, name)
    except (ValueError, KeyError, TypeError) as exc:
        raise cms.Undecodable(str(exc)[:120] or type(exc).__name__) from exc

    span = _byte_range(signature)
    digest = _digest(reader.data, span, algorithm)
    embedded.external_digests[embedded.external_md_algorithm] = digest
    coverage = _coverage(reader, embedded, span, contents.original_bytes)
    proof = cms.prove(signed, digest, is_sha1_content=is_sha1_content)
    difference = Difference()
    if coverage in ("whole-file", "whole-revision"):
        difference = _difference(reader, embedded, span)
    elif not proof.failure:
        difference = Difference(level=Level.OTHER, detail="it does not cover a whole revision")
    return _Known(
        name=name,
        sub_filter=sub_filter,
        revision=embedded.signed_revision,
        coverage=coverage,
        proof=proof,
        difference=difference,
        declared_time=_declared_time(signature),
        signed_end=span[-2] + span[-1],
    )


def _byte_range(signature: DictionaryObject) -> list[int]:
    value = entry(signature, "/ByteRange")
    if not isinstance(value, ArrayObject):
        raise cms.Undecodable("it has no byte range")
    span = [n for n in value if isinstance(n, int)]
    if len(span) != len(value) or len(span) % 2 or not span or min(span) < 0:
        raise cms.Undecodable("its byte range is none")
    return [int(n) for n in span]


def _digest(data: bytes, span: list[int], algorithm: str) -> bytes:
    counting = hashlib.new(algorithm)
    view = memoryview(data)
    if sum(span[1::2]) > len(data):
        raise cms.Undecodable("its byte range is longer than the file")
    for start, length in zip(span[::2], span[1::2], strict=True):
        counting.update(view[start : start + length])
    return counting.digest()


def _coverage(reader: QuickReader, embedded: EmbeddedPdfSignature, span: list[int], contents: bytes) -> str:
    # spec: ISO 32000-2 §12.8.1 - two ranges that leave out the value of /Contents, and nothing else
    if len(span) != 4 or span[0] != 0:
        return "unclear"
    _, length, start, rest = span
    gap = reader.data[length:start]
    if start + rest > len(reader.data) or gap[:1] != b"<" or gap[-1:] != b">":
        return "unclear"
    try:
        if unhex(gap[1:-1]) != contents or len(gap) != 2 * len(contents) + 2:
            return "unclear"
    except ValueError:
        return "unclear"
    return _COVERAGE.get(embedded.evaluate_signature_coverage(), "unclear")


def _difference(reader: QuickReader, embedded: EmbeddedPdfSignature, span: list[int]) -> Difference:
    locks = embedded.fieldmdp
    permission = embedded.docmdp_level
    is_locked: Callable[[str], bool] = locks.is_locked if locks is not None else lambda _: False
    try:
        return changes_after(
            reader,
            embedded.signed_revision,
            span[2] + span[3],
            permission=permission.value if permission is not None else None,
            is_locked=is_locked,
        )
    except MemoryError:
        raise
    except Exception as exc:  # what cannot be followed after signing cannot be excused
        return Difference(
            level=Level.OTHER, detail=f"later revisions cannot be followed ({type(exc).__name__})"
        )


# --- what to make of it ---------------------------------------------------------------------------------


def _conclude(reader: QuickReader, one: _Known, all_known: list[_Known], setting: Setting) -> Judged:
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
    one: _Known, standing: Standing, setting: Setting, findings: list[tuple[str, Severity, str]]
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


def _standing(reader: QuickReader, one: _Known, moment: datetime, setting: Setting) -> Standing:
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


def _proved_time(one: _Known, all_known: list[_Known], setting: Setting) -> datetime | None:
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


def _level(reader: QuickReader, one: _Known, all_known: list[_Known]) -> str:
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


# --- small things ---------------------------------------------------------------------------------------


def _blank(
    name: str, sub_filter: str, indication: Indication = Indication.INDETERMINATE, sub_indication: str = ""
) -> SignatureReport:
    return SignatureReport(
        field=name,
        signer="",
        sub_filter=sub_filter.lstrip("/"),
        level="",
        indication=indication,
        sub_indication=sub_indication,
        coverage="unclear",
        changes="",
        signed_at=None,
    )


def _broken(name: str, sub_filter: str, why: str) -> Judged:
    return Judged(
        report=_blank(name, sub_filter, Indication.FAILED, "FORMAT_FAILURE"),
        findings=[("signature-broken", Severity.ERROR, f"{name}: {why}")],
    )


def _text(holder: DictionaryObject, key: str) -> str:
    value = entry(holder, key)
    return str(value) if isinstance(value, str) else ""


def _common_name(certificate: x509.Certificate) -> str:
    try:
        name = certificate.subject.native.get("common_name", "")
        return str(name[-1] if isinstance(name, list) else name) or str(certificate.subject.human_friendly)
    except (ValueError, TypeError, KeyError):
        return ""


def _declared_time(signature: DictionaryObject) -> datetime | None:
    declared = _text(signature, "/M")
    if not declared:
        return None
    try:
        return generic.parse_pdf_date(declared, strict=False)
    except (ValueError, TypeError, OverflowError, PdfReadError):
        return None


def _utc(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        return None
