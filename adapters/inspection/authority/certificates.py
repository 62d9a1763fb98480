"""Certificates as the judgement needs them: read once, remembered by digest, and never trusted for being read.

    certificate = read(der)          # None where the bytes are no certificate, or a monstrous one

asn1crypto parses late and slowly, and the same issuing certificates come with every document: so what
matters is taken out once and kept, whatever document brought it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from asn1crypto import x509  # type: ignore[import-untyped]  # it has no stubs

MAX_CERTIFICATE = 64 * 1024
"""No certificate of an honest authority is longer; in bytes."""

_VALIDITY_ASSURED = "0.4.0.194121.2.1"
_NO_REVOCATION_AVAILABLE = "2.5.29.56"
_KEPT_BYTES = 4 * 1024 * 1024  # some 3,000; as objects they take twenty times as much

Kept = TypeVar("Kept")


class Memory(Generic[Kept]):
    """The *size* bytes last read, by digest, as what they were read into (also ``None``: unreadable)."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._kept: OrderedDict[bytes, tuple[int, Kept | None]] = OrderedDict()

    def read(self, der: bytes, reading: Callable[[bytes, bytes], Kept]) -> Kept | None:
        """What *reading* makes of *der* and its SHA-256; ``None`` where it cannot."""
        digest = hashlib.sha256(der).digest()
        if (known := self._kept.get(digest)) is not None:
            self._kept.move_to_end(digest)
            return known[1]
        try:
            made: Kept | None = reading(der, digest)
        except MemoryError:
            raise
        except Exception:  # asn1crypto lets anything out of hostile bytes
            made = None
        self._kept[digest] = len(der), made
        self._used += len(der)
        while self._used > self._size and len(self._kept) > 1:
            _, (length, _) = self._kept.popitem(last=False)
            self._used -= length
        return made


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Certificate:
    """One certificate.  ``names_a_place``: it says where to ask about its revocation; we only note that.

    Names are DER; ``serial`` is the content of its DER integer; ``key`` the DER of the public key.
    ``usages`` is empty where the certificate does not restrict them, ``purposes`` likewise.
    """

    der: bytes
    sha256: bytes
    subject: bytes
    issuer: bytes
    name: str
    serial: bytes
    key: bytes
    key_bits: bytes
    key_id: bytes
    authority_key_id: bytes
    since: datetime
    until: datetime
    usages: frozenset[str]
    purposes: frozenset[str]
    is_purpose_critical: bool
    places: frozenset[bytes]
    names_a_place: bool
    needs_no_answer: bool
    digest: str
    rsa_bits: int
    asn1: Any

    @property
    def is_self_issued(self) -> bool:
        """Subject and issuer are the same name."""
        return self.subject == self.issuer


def read(der: bytes) -> Certificate | None:
    """The certificate in *der*; ``None`` where it is none, or longer than ``MAX_CERTIFICATE``."""
    return _memory.read(der, _read) if len(der) <= MAX_CERTIFICATE else None


def display_name(certificate: x509.Certificate) -> str:
    """The common name of the subject, else the whole subject."""
    try:
        name = certificate.subject.native.get("common_name", "")
        return str(name[-1] if isinstance(name, list) else name) or str(certificate.subject.human_friendly)
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""


def utc(at: datetime) -> datetime:
    """*at* in UTC; what has no zone is meant so."""
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


_memory: Memory[Certificate] = Memory(_KEPT_BYTES)


def _read(der: bytes, digest: bytes) -> Certificate:
    parsed = x509.Certificate.load(der, strict=True)
    body = parsed["tbs_certificate"]
    usage, purpose = parsed.key_usage_value, parsed.extended_key_usage_value
    places = parsed.crl_distribution_points
    key = parsed.public_key
    others = (
        {extension["extn_id"].dotted for extension in body["extensions"]} if body["extensions"] else set()
    )
    return Certificate(
        der=der,
        sha256=digest,
        subject=parsed.subject.dump(),
        issuer=parsed.issuer.dump(),
        name=display_name(parsed),
        serial=bytes(body["serial_number"].contents),
        key=key.dump(),
        key_bits=bytes(key["public_key"].contents)[1:],
        key_id=parsed.key_identifier or b"",
        authority_key_id=parsed.authority_key_identifier or b"",
        since=utc(body["validity"]["not_before"].native),
        until=utc(body["validity"]["not_after"].native),
        usages=frozenset(usage.native) if usage is not None else frozenset(),
        purposes=frozenset(purpose.native) if purpose is not None else frozenset(),
        is_purpose_critical="extended_key_usage" in parsed.critical_extensions,
        places=frozenset(
            one.dump()
            for place in places
            if place["distribution_point"] and place["distribution_point"].name == "full_name"
            for one in place["distribution_point"].chosen
        ),
        names_a_place=bool(places or parsed.ocsp_urls),
        needs_no_answer=parsed.ocsp_no_check_value is not None
        or bool(others & {_VALIDITY_ASSURED, _NO_REVOCATION_AVAILABLE}),
        digest=str(parsed["signature_algorithm"].hash_algo)
        if parsed["signature_algorithm"].signature_algo not in ("ed25519", "ed448")
        else "",
        rsa_bits=key.bit_size if key.algorithm in ("rsa", "rsassa_pss") else 0,
        asn1=parsed,
    )
