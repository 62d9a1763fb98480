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
from datetime import datetime

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from adapters.inspection import cms
from adapters.inspection.changes import Difference, Level, changes_after
from adapters.inspection.conclusions import Judged, Known, Setting, conclude
from adapters.inspection.leftovers import is_end_accounted, stray_objects
from adapters.inspection.reader import QuickReader, entry, resolved, unhex
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


def judge_all(reader: QuickReader, setting: Setting) -> list[Judged]:
    """Every filled signature field of the file, in the order of the fields."""
    judged: list[Judged] = []
    known: list[tuple[int, Known]] = []
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
        judged[place] = conclude(reader, one, [other for _, other in known], setting)
    return judged


def _account(one: Known, strays: Mapping[int, int], *, is_end_sound: bool) -> None:
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
) -> Known:
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
    return Known(
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


def _declared_time(signature: DictionaryObject) -> datetime | None:
    declared = _text(signature, "/M")
    if not declared:
        return None
    try:
        return generic.parse_pdf_date(declared, strict=False)
    except (ValueError, TypeError, OverflowError, PdfReadError):
        return None
