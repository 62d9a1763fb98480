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
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject
from pyhanko.pdf_utils.misc import PdfReadError

from adapters.inspection import cms
from adapters.inspection.conclusions import Judged, Known, Setting, conclude_all
from adapters.inspection.history import permissions
from adapters.inspection.history.changes import Changes, Difference, Level
from adapters.inspection.history.leftovers import is_end_accounted, stray_objects
from adapters.inspection.history.overlaps import Hiding, of_later_signatures
from adapters.inspection.history.revisions import Revisions, signature_place
from adapters.inspection.paper.structure import TooCostly
from adapters.pdf.reader import QuickReader, entry, resolved, unhex
from gateway.model.finding import Severity
from gateway.model.signature import Indication, SignatureReport

_SIGNATURES = frozenset({"/ETSI.CAdES.detached", "/adbe.pkcs7.detached", "/adbe.pkcs7.sha1", "/PBAD.PAdES"})
_STAMPS = frozenset({"/ETSI.RFC3161"})
_MAX_FIELDS = 20_000
_MAX_SIGNATURES = 100
"""Each is judged on its own and has its place in the answer, which the gateway's loop must decode."""
_MAX_REVISIONS = 500
"""To look something up as it was in a revision takes pyHanko a step for each before it."""
_LONGEST_NAME = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What all signatures of one file share."""

    reader: QuickReader
    revisions: Revisions
    changes: Changes
    hiding: Hiding
    digests: dict[tuple[str, tuple[int, ...]], bytes]

    def digest(self, span: list[int], algorithm: str) -> bytes:
        """The digest of the bytes in *span*; many fields may name the same."""
        key = algorithm, tuple(span)
        if key not in self.digests:
            self.digests[key] = _digest(self.reader.data, span, algorithm)
        return self.digests[key]


def judge_all(reader: QuickReader, setting: Callable[[], Setting]) -> list[Judged]:
    """Every filled signature field of the file, in the order of the fields; *setting* is asked for where there is one."""
    judged: list[Judged] = []
    known: list[tuple[int, Known]] = []
    fields = list(islice(signature_fields(reader), _MAX_SIGNATURES + 1))
    if not fields:
        return judged
    if len(fields) > _MAX_SIGNATURES:
        raise TooCostly(f"more than {_MAX_SIGNATURES} signatures")
    if reader.xrefs.total_revisions > _MAX_REVISIONS:
        raise TooCostly(f"more than {_MAX_REVISIONS} revisions")
    is_end_sound, strays = is_end_accounted(reader), stray_objects(reader)
    revisions = Revisions(reader, judged=[value.idnum for value in _values(fields)])
    case = _File(
        reader=reader, revisions=revisions, changes=Changes(revisions), hiding=Hiding(reader.data), digests={}
    )
    for name, _, signature in fields:
        sub_filter = _text(signature, "/SubFilter")
        place = len(judged)
        try:
            one = _know(case, name, signature, sub_filter)
            _account(one, strays, is_end_sound=is_end_sound)
            known.append((place, one))
            judged.append(Judged(report=_blank(name, sub_filter)))  # filled in below
        except (cms.Unsupported, cms.Undecodable) as exc:
            judged.append(
                Judged(
                    report=_blank(name, sub_filter, Indication.INDETERMINATE, exc.sub_indication),
                    findings=[(exc.finding, Severity.WARNING, f"{name}: {exc}")],
                )
            )
        except RecursionError:
            judged.append(_broken(name, sub_filter, "nested too deeply"))
        except MemoryError:
            raise
        except Exception as exc:  # real files make the parsers raise anything at all
            judged.append(_broken(name, sub_filter, f"it cannot be followed ({type(exc).__name__})"))
    concluded = conclude_all(reader, [one for _, one in known], setting())
    for (place, _), conclusion in zip(known, concluded, strict=True):
        judged[place] = conclusion
    return judged


def _account(one: Known, strays: Mapping[int, int], *, is_end_sound: bool) -> None:
    """Hold against a signature what no cross-reference accounts for."""
    if not is_end_sound and one.coverage != "whole-file":
        one.difference = Difference(level=Level.OTHER, detail="bytes after the last accounted revision")
    elif any(at >= one.signed_end for at in strays):
        one.difference = Difference(level=Level.OTHER, detail="objects came outside every cross-reference")
    one.strays = tuple(number for at, number in strays.items() if at < one.signed_end)


def signature_fields(reader: QuickReader) -> Iterator[tuple[str, DictionaryObject, DictionaryObject]]:
    """Name, field and signature dictionary of every signature field that has one; raises ``TooCostly``."""
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
        name = (f"{prefix}.{own}" if prefix and own else prefix or own)[:_LONGEST_NAME]
        kind = entry(raw, "/FT") or kind
        kids = entry(raw, "/Kids")
        if isinstance(kids, ArrayObject):
            waiting.extend((kids.raw_get(i), name, kind) for i in reversed(range(len(kids))))
        signature = entry(raw, "/V")
        if kind == "/Sig" and isinstance(signature, DictionaryObject):
            yield name, raw, signature
    if waiting:
        # behind so many fields a broken signature could hide
        raise TooCostly(f"more than {_MAX_FIELDS} fields")


def _values(fields: list[tuple[str, DictionaryObject, DictionaryObject]]) -> Iterator[IndirectObject]:
    for _, widget, _ in fields:
        value = widget.raw_get("/V")
        if isinstance(value, IndirectObject):
            yield value


def _know(case: _File, name: str, signature: DictionaryObject, sub_filter: str) -> Known:
    if sub_filter not in _SIGNATURES | _STAMPS:
        raise cms.Unsupported(f"signatures of the kind {sub_filter[:60] or '(none)'}")
    contents = signature.raw_get("/Contents") if "/Contents" in signature else None
    if not isinstance(contents, generic.ByteStringObject | generic.TextStringObject):
        raise cms.Undecodable("it has no contents")
    signed = cms.load(contents.original_bytes)
    if (sub_filter in _STAMPS) != (signed["encap_content_info"]["content_type"].native == "tst_info"):
        raise cms.Undecodable("its kind and its contents contradict each other")
    is_sha1_content = sub_filter == "/adbe.pkcs7.sha1"
    algorithm = "sha1" if is_sha1_content else cms.digest_name(signed)

    span = _byte_range(signature)
    digest = case.digest(span, algorithm)
    end = span[-2] + span[-1]
    revision = case.revisions.seen_by(end)
    coverage = _coverage(case, signature, span, revision)
    proof = cms.prove(signed, digest, is_sha1_content=is_sha1_content)
    difference = Difference()
    if revision is None or coverage not in ("whole-file", "whole-revision"):
        difference = Difference(level=Level.OTHER, detail="it does not cover a whole revision")
    else:
        difference = case.changes.after(
            revision, end, permission=permissions.document(signature), is_locked=permissions.locks(signature)
        )
    return Known(
        name=name,
        sub_filter=sub_filter,
        revision=case.revisions.last if revision is None else revision,
        coverage=coverage,
        proof=proof,
        difference=difference,
        declared_time=_declared_time(signature),
        signed_end=end,
        overlaps=of_later_signatures(case.revisions, revision or 0, difference.came, case.hiding),
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


def _coverage(case: _File, signature: DictionaryObject, span: list[int], revision: int | None) -> str:
    """How much of the file the ranges cover; only the first two answers of four are good enough."""
    data = case.reader.data
    # spec: ISO 32000-2 §12.8.1 - two ranges that leave out the value of /Contents, and nothing else
    if len(span) != 4 or span[0] != 0:
        return "unclear"
    _, length, start, rest = span
    gap, end = data[length:start], start + rest
    if end > len(data) or gap[:1] != b"<" or gap[-1:] != b">":
        return "unclear"
    contents = signature.raw_get("/Contents").original_bytes
    try:
        if unhex(gap[1:-1]) != contents or len(gap) != 2 * len(contents) + 2:
            return "unclear"
    except ValueError:
        return "unclear"
    if revision is None:
        return "partial"
    # the gap must be that of this very dictionary, not of a copy of it
    place = signature_place(case.reader, signature, revision)
    if place is None or not place < length or data.find(b"endobj", place, length) >= 0:
        return "unclear"
    if end == len(data):
        return "whole-file"
    return "whole-revision" if case.revisions.is_whole(end) else "partial"


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
