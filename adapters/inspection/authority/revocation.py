"""What CRLs and OCSP answers say of a certificate, and whether they may be heard at all.

Strategy: a list is read once, whoever brings it, and kept by digest.  Its entries are never parsed one by
one: after its signature was found right (so no stranger can make us work), one walk over the bytes notes
where each serial number stands, and a question costs one look-up.

We are deaf to what we do not understand: delta and indirect lists, unknown critical extensions.  An answer
that is not heard is no answer; that the certificate is good follows from nothing but an answer.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asn1crypto import core, crl, ocsp  # type: ignore[import-untyped]  # it has no stubs
from pyhanko_certvalidator.sig_validate import DefaultSignatureValidator

from adapters.inspection.authority.certificates import Certificate, Memory, read, utc

MAX_LIST = 64 * 1024 * 1024
"""No CRL is longer; in bytes."""

MAX_ANSWER = 256 * 1024
"""No OCSP answer is longer; in bytes."""

_KEPT_BYTES = 32 * 1024 * 1024
_MAX_SINGLE_ANSWERS = 100
_MAX_RESPONDER_CERTIFICATES = 20
_SHORTEST_ENTRY = 18  # a serial number of one byte, and a time
_KNOWN_CRITICAL = frozenset({"issuing_distribution_point", "authority_key_identifier", "crl_number"})
_EXPIRED_CERTIFICATES_ON_CRL = "2.5.29.60"
_CHECKED = 4096
_GARBLED = (ValueError, TypeError, LookupError, OverflowError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one CRL or OCSP answer says of one certificate.

    ``remembers_since``: who issued it keeps certificates on record that ended after this instant;
    ``None``: what ended may have been forgotten.  ``issuer`` signed it; ``origin`` is the digest of the
    bytes it was read from.  ``is_partial``: it does not tell of all reasons, or is about other certificates;
    where it says revoked, that stands all the same.
    """

    this_update: datetime
    next_update: datetime | None
    revoked_at: datetime | None
    is_on_hold: bool
    remembers_since: datetime | None
    issuer: Certificate
    origin: bytes
    is_partial: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Crl:
    """A certificate revocation list; nothing of it is believed before ``ask`` has checked its signature."""

    der: bytes
    sha256: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime | None
    is_understood: bool
    names: frozenset[bytes]
    only: str
    is_partial: bool
    remembers_since: datetime | None
    asn1: Any
    _places: dict[bytes, int] | None = field(default=None)
    _listed: bytes = field(default=b"")

    def ask(self, certificate: Certificate, issuer: Certificate) -> Answer | None:
        """What the list, signed by *issuer*, says of *certificate* that *issuer* issued, too."""
        # spec: RFC 5280 §6.3.3 (b), (f), (g), (i)
        if self.issuer != issuer.subject or self.issuer != certificate.issuer or not self.is_understood:
            return None
        if issuer.usages and "crl_sign" not in issuer.usages:
            return None
        if not is_signed(self.sha256, self.asn1, "tbs_cert_list", "signature", issuer):
            return None
        kind = "ca" if "key_cert_sign" in certificate.usages else "user"
        is_in_scope = (not self.names or bool(self.names & certificate.places)) and self.only in ("", kind)
        revoked_at, is_on_hold = None, False
        try:
            entry = self._entry(certificate.serial)
            if entry is not None:
                revoked_at = utc(entry["revocation_date"].native)
                reason = entry.crl_reason_value
                is_on_hold = reason is not None and reason.native == "certificate_hold"
        except _GARBLED:
            return None
        return Answer(
            this_update=self.this_update,
            next_update=self.next_update,
            revoked_at=revoked_at,
            is_on_hold=is_on_hold,
            remembers_since=self.remembers_since,
            issuer=issuer,
            origin=self.sha256,
            is_partial=self.is_partial or not is_in_scope,
        )

    def _entry(self, serial: bytes) -> Any:
        if self._places is None:
            listed = self.asn1["tbs_cert_list"]["revoked_certificates"]
            self._listed = listed.contents if not isinstance(listed, core.Void) else b""
            self._places = _index(self._listed)
        at = self._places.get(serial)
        if at is None:
            return None
        return crl.RevokedCertificate.load(self._listed[at : at + 65536])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OcspAnswer:
    """An OCSP answer; nothing of it is believed before ``ask`` has checked its signature."""

    sha256: bytes
    answers: dict[bytes, Any]
    responders: tuple[Certificate, ...]
    is_understood: bool
    asn1: Any

    def ask(
        self, certificate: Certificate, issuer: Certificate, may_respond: Callable[[Certificate], bool]
    ) -> Answer | None:
        """What it says of *certificate*.  *may_respond* is asked about a responder whom *issuer* appointed."""
        try:
            return self._ask(certificate, issuer, may_respond)
        except _GARBLED:
            return None

    def _ask(
        self, certificate: Certificate, issuer: Certificate, may_respond: Callable[[Certificate], bool]
    ) -> Answer | None:
        single = self.answers.get(certificate.serial)
        if single is None or not self.is_understood or not _is_about(single["cert_id"], issuer):
            return None
        status = single["cert_status"]
        if status.name not in ("good", "revoked"):
            return None
        by = self._responder(issuer, may_respond)
        if by is None:
            return None
        revoked_at, is_on_hold = None, False
        if status.name == "revoked":
            revoked_at = utc(status.chosen["revocation_time"].native)
            is_on_hold = status.chosen["revocation_reason"].native == "certificate_hold"
        cutoff = single.archive_cutoff_value
        return Answer(
            this_update=utc(single["this_update"].native),
            next_update=_moment(single["next_update"]),
            revoked_at=revoked_at,
            is_on_hold=is_on_hold,
            remembers_since=utc(cutoff.native) if cutoff is not None else None,
            issuer=by,
            origin=self.sha256,
        )

    def _responder(
        self, issuer: Certificate, may_respond: Callable[[Certificate], bool]
    ) -> Certificate | None:
        # spec: RFC 6960 §4.2.2.2 - the issuer itself, or one whom it issued a certificate for this alone
        if is_signed(self.sha256, self.asn1, "tbs_response_data", "signature", issuer):
            return issuer
        for responder in self.responders:
            if (
                responder.issuer == issuer.subject
                and "ocsp_signing" in responder.purposes
                and is_signed(self.sha256, self.asn1, "tbs_response_data", "signature", responder)
                and is_issued(responder, issuer)
                and may_respond(responder)
            ):
                return responder
        return None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Records:
    """CRLs and OCSP answers, found by the name of the issuer and by the serial number they are about."""

    lists: dict[bytes, tuple[Crl, ...]] = field(default_factory=dict)
    answers: dict[bytes, tuple[OcspAnswer, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, lists: Iterable[Crl], answers: Iterable[OcspAnswer]) -> Records:
        """*lists* and *answers*, each once, the newest lists first."""
        by_issuer: dict[bytes, dict[bytes, Crl]] = {}
        for one in lists:
            by_issuer.setdefault(one.issuer, {})[one.sha256] = one
        by_serial: dict[bytes, dict[bytes, OcspAnswer]] = {}
        for answer in answers:
            for serial in answer.answers:
                by_serial.setdefault(serial, {})[answer.sha256] = answer
        return cls(
            lists={
                name: tuple(sorted(found.values(), key=lambda one: one.this_update, reverse=True))
                for name, found in by_issuer.items()
            },
            answers={serial: tuple(found.values()) for serial, found in by_serial.items()},
        )


def read_crl(der: bytes) -> Crl | None:
    """The list in *der*; ``None`` where it is none, or longer than ``MAX_LIST``."""
    return _crls.read(der, _read_crl) if len(der) <= MAX_LIST else None


def read_ocsp(der: bytes) -> OcspAnswer | None:
    """The answer in *der* (a whole response, or its basic part alone); ``None`` where it is none."""
    return _answers.read(der, _read_ocsp) if len(der) <= MAX_ANSWER else None


def is_issued(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether *issuer*'s key signed *certificate*; names and rights are not looked at."""
    return is_signed(certificate.sha256, certificate.asn1, "tbs_certificate", "signature_value", issuer)


def is_signed(origin: bytes, holder: Any, signed: str, value: str, by: Certificate) -> bool:
    """Whether the signature in the field *value* of *holder*, over its field *signed*, was made by the key in *by*.

    Remembered by the digests of what was signed (*origin*) and of the key.
    """
    key = (origin, hashlib.sha256(by.key).digest())
    known = _checked.get(key)
    if known is None:
        try:
            _validator.validate_signature(
                holder[value].native, holder[signed].dump(), by.asn1.public_key, holder["signature_algorithm"]
            )
            known = True
        except MemoryError:
            raise
        except Exception:  # a wrong signature, or whatever a library makes of a hostile key
            known = False
        _checked[key] = known
        while len(_checked) > _CHECKED:
            _checked.popitem(last=False)
    return known


_crls: Memory[Crl] = Memory(_KEPT_BYTES)
_answers: Memory[OcspAnswer] = Memory(_KEPT_BYTES // 16)
_checked: OrderedDict[tuple[bytes, bytes], bool] = OrderedDict()
_validator = DefaultSignatureValidator()


def _read_crl(der: bytes, digest: bytes) -> Crl:
    parsed = crl.CertificateList.load(der, strict=True)
    body = parsed["tbs_cert_list"]
    is_understood = parsed.delta_crl_indicator_value is None and parsed.critical_extensions <= _KNOWN_CRITICAL
    names: frozenset[bytes] = frozenset()
    only, is_partial = "", False
    if (place := parsed.issuing_distribution_point_value) is not None:
        is_understood = (
            is_understood
            and not place["indirect_crl"].native
            and not place["only_contains_attribute_certs"].native
        )
        is_partial = place["only_some_reasons"].native is not None
        only = "user" if place["only_contains_user_certs"].native else ""
        only = "ca" if place["only_contains_ca_certs"].native else only
        point = place["distribution_point"]
        if not isinstance(point, core.Void) and point.native is not None:
            is_understood = is_understood and point.name == "full_name"
            if point.name == "full_name":
                names = frozenset(one.dump() for one in point.chosen)
    return Crl(
        der=der,
        sha256=digest,
        issuer=parsed.issuer.dump(),
        this_update=utc(body["this_update"].native),
        next_update=_moment(body["next_update"]),
        is_understood=is_understood,
        names=names,
        only=only,
        is_partial=is_partial,
        remembers_since=_remembered(body["crl_extensions"]),
        asn1=parsed,
    )


def _remembered(extensions: Any) -> datetime | None:
    # spec: ITU-T X.509 §9.5.2.8 - expiredCertsOnCRL
    if isinstance(extensions, core.Void):
        return None
    for extension in extensions:
        if extension["extn_id"].dotted == _EXPIRED_CERTIFICATES_ON_CRL:
            return utc(core.GeneralizedTime.load(bytes(extension["extn_value"])).native)
    return None


def _index(listed: bytes) -> dict[bytes, int]:
    """Where the entry of each serial number begins in *listed*; raises ``ValueError`` where it is no such list."""
    places: dict[bytes, int] = {}
    at, end = 0, len(listed)
    while at < end:
        length = listed[at + 1] if at + _SHORTEST_ENTRY <= end else 255
        start = at + 2
        if length & 0x80:
            extra = length & 0x7F
            if extra > 3:
                raise ValueError("an entry of a revocation list is cut or too long")
            length = int.from_bytes(listed[start : start + extra], "big")
            start += extra
        size = listed[start + 1]
        if listed[at] != 0x30 or listed[start] != 0x02 or size & 0x80 or start + length > end:
            raise ValueError("an entry of a revocation list is none")
        places.setdefault(listed[start + 2 : start + 2 + size], at)
        at = start + length
    return places


def _read_ocsp(der: bytes, digest: bytes) -> OcspAnswer:
    response = ocsp.OCSPResponse.load(der, strict=True)
    try:
        is_whole = response["response_status"].native == "successful"
        basic = response.basic_ocsp_response if is_whole else None
    except (ValueError, TypeError):  # an old habit in signed attributes: the basic part alone
        basic = ocsp.BasicOCSPResponse.load(der, strict=True)
    if basic is None:
        raise ValueError("no answer")
    body = basic["tbs_response_data"]
    answers: dict[bytes, Any] = {}
    for single in list(body["responses"])[:_MAX_SINGLE_ANSWERS]:
        if single.critical_extensions:
            continue
        answers.setdefault(bytes(single["cert_id"]["serial_number"].contents), single)
    certificates = basic["certs"]
    responders: list[Certificate] = []
    if not isinstance(certificates, core.Void):
        read_ones = (read(one.dump()) for one in list(certificates)[:_MAX_RESPONDER_CERTIFICATES])
        responders += [one for one in read_ones if one is not None]
    extensions = body["response_extensions"]
    is_understood = isinstance(extensions, core.Void) or not any(
        one["critical"].native and one["extn_id"].native != "nonce" for one in extensions
    )
    return OcspAnswer(
        sha256=digest,
        answers=answers,
        responders=tuple(responders),
        is_understood=is_understood,
        asn1=basic,
    )


def _is_about(cert_id: Any, issuer: Certificate) -> bool:
    name = str(cert_id["hash_algorithm"]["algorithm"].native)
    if name not in ("sha1", "sha224", "sha256", "sha384", "sha512"):
        return False
    return bool(
        cert_id["issuer_name_hash"].native == hashlib.new(name, issuer.subject).digest()
        and cert_id["issuer_key_hash"].native == hashlib.new(name, issuer.key_bits).digest()
    )


def _moment(value: Any) -> datetime | None:
    return None if isinstance(value, core.Void) or value.native is None else utc(value.native)
