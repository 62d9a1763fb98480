"""Certificates, CRLs and OCSP answers that came with a document: in its DSS and VRI, and in its signatures.

Nothing of this is believed for being there.  What is noted besides is where each stands, because a later
time-stamp proves that it existed.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from asn1crypto import cms, core  # type: ignore[import-untyped]  # it has no stubs
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

from adapters.inspection.authority import certificates, revocation
from adapters.inspection.authority.certificates import Certificate
from adapters.inspection.authority.revocation import Records
from adapters.pdf.reader import QuickReader, entry, resolved

_MAX_OF_A_KIND = 500
_MAX_RECORDS_OF_SIGNATURE = 50
# what asn1crypto takes long to read is bounded by bytes, too; lists are only skimmed
_MAX_BYTES = {"cert": 2 * 1024 * 1024, "ocsp": 2 * 1024 * 1024, "crl": 128 * 1024 * 1024}
_MAX_VRI = 500
_ARCHIVAL = "1.2.840.113583.1.1.8"
_KINDS = {"/Certs": "cert", "/Cert": "cert", "/CRLs": "crl", "/CRL": "crl", "/OCSPs": "ocsp", "/OCSP": "ocsp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What one signature brought along, as DER.  ``is_signed``: its own signer signed it, too."""

    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    signed: frozenset[bytes] = frozenset()
    """The digests of those in a signed attribute."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Enclosed:
    """All that came with a document.  ``revisions``: in which revision each record stands, by digest."""

    certificates: tuple[Certificate, ...] = ()
    records: Records = field(default_factory=Records)
    revisions: dict[bytes, int] = field(default_factory=dict)


def brought_by(signed: cms.SignedData) -> Brought:
    """The records in a CMS object; odd ones are passed over."""
    crls: list[bytes] = []
    ocsps: list[bytes] = []
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        for choice in _some(signed["crls"], _MAX_RECORDS_OF_SIGNATURE):
            if choice.name == "crl":
                crls.append(choice.chosen.dump())
            # spec: RFC 5940 §2.1
            elif choice.chosen["other_rev_info_format"].native == "ocsp_response":
                ocsps.append(choice.chosen["other_rev_info"].dump())
    signed_digests: set[bytes] = set()
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        for attribute in _some(signed["signer_infos"][0]["signed_attrs"], _MAX_RECORDS_OF_SIGNATURE):
            # spec: ISO 32000-1 §12.8.3.3.2 - adbe-revocationInfoArchival
            if attribute["type"].dotted == _ARCHIVAL and len(attribute["values"]):
                archived = _Archival.load(attribute["values"][0].dump())
                found_crls = [one.dump() for one in _some(archived["crls"], _MAX_RECORDS_OF_SIGNATURE)]
                found_ocsps = [one.dump() for one in _some(archived["ocsps"], _MAX_RECORDS_OF_SIGNATURE)]
                crls += found_crls
                ocsps += found_ocsps
                signed_digests |= {hashlib.sha256(der).digest() for der in (*found_crls, *found_ocsps)}
    return Brought(crls=tuple(crls), ocsps=tuple(ocsps), signed=frozenset(signed_digests))


def collect(reader: QuickReader, signatures: Iterable[tuple[int, Brought]]) -> Enclosed:
    """What stands in the DSS of *reader*, and what *signatures* (revision and load) brought."""
    found: list[Certificate] = []
    lists: list[revocation.Crl] = []
    answers: list[revocation.OcspAnswer] = []
    revisions: dict[bytes, int] = {}

    def keep(kind: str, der: bytes, revision: int) -> None:
        if kind == "cert":
            if (certificate := certificates.read(der)) is not None:
                found.append(certificate)
            return
        one = revocation.read_crl(der) if kind == "crl" else revocation.read_ocsp(der)
        if one is not None:
            (lists if kind == "crl" else answers).append(one)  # type: ignore[arg-type]  # told by the kind
            revisions[one.sha256] = min(revision, revisions.get(one.sha256, revision))

    for kind, der, revision in _streams(reader):
        keep(kind, der, revision)
    for revision, brought in signatures:
        for der in brought.crls:
            keep("crl", der, revision)
        for der in brought.ocsps:
            keep("ocsp", der, revision)
    return Enclosed(certificates=tuple(found), records=Records.of(lists, answers), revisions=revisions)


def _streams(reader: QuickReader) -> Iterator[tuple[str, bytes, int]]:
    store = entry(reader.root, "/DSS")
    if not isinstance(store, DictionaryObject):
        return
    holders = [store]
    by_signature = entry(store, "/VRI")
    if isinstance(by_signature, DictionaryObject):
        for key in list(by_signature)[:_MAX_VRI]:
            holder = _quiet(by_signature, key)
            if isinstance(holder, DictionaryObject):
                holders.append(holder)
    seen: set[int] = set()
    counts = dict.fromkeys(_KINDS.values(), 0)
    left = dict(_MAX_BYTES)
    for holder in holders:
        for key, kind in _KINDS.items():
            array = _quiet(holder, key)
            for raw in _raw(array):
                if not isinstance(raw, IndirectObject) or raw.idnum in seen:
                    continue
                seen.add(raw.idnum)
                counts[kind] += 1
                if counts[kind] > _MAX_OF_A_KIND or left[kind] <= 0:
                    break
                try:
                    stream = resolved(raw)
                    if isinstance(stream, StreamObject):
                        der = stream.data
                        left[kind] -= len(der)
                        yield kind, der, reader.xrefs.get_last_change(raw.reference)
                except (ValueError, TypeError, LookupError):
                    continue


def _quiet(holder: DictionaryObject, key: str) -> object:
    try:
        return entry(holder, key)
    except (ValueError, TypeError, LookupError):
        return None


def _raw(array: object) -> Iterator[object]:
    if isinstance(array, ArrayObject):
        yield from (array.raw_get(index) for index in range(len(array)))


def _some(values: object, most: int) -> list:  # type: ignore[type-arg]  # asn1crypto is untyped
    return [] if isinstance(values, core.Void) else list(values)[:most]  # type: ignore[call-overload]


class _Anys(core.SequenceOf):  # type: ignore[misc]  # asn1crypto is untyped
    _child_spec = core.Any


class _Archival(core.Sequence):  # type: ignore[misc]
    _fields: tuple[object, ...] = (
        ("crls", _Anys, {"explicit": 0, "optional": True}),
        ("ocsps", _Anys, {"explicit": 1, "optional": True}),
        ("others", _Anys, {"explicit": 2, "optional": True}),
    )
