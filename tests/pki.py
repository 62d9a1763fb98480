"""Keys and certificates for tests, made on the spot, with a clock that stands still.

    from tests.pki import NOW, pki
    seal = pki().agency("000.00.13.H53", "Sở Thông tin và Truyền thông")
    seal.write_pem(folder / "000.00.13.H53.pem")

One root, one issuing authority; from it agencies' seals, leaders' signatures, and certificates with every
flaw that we refuse.  Valid ones hold from 2010 to 2046, so that judges that know only today's date
(``pdfsig``) agree with those that are told ``NOW``.  Keys are made once per run and per kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

NOW = datetime(2016, 3, 4, 1, 0, tzinfo=UTC)
"""08:00 on 4 March 2016 in Tây Ninh: what ``adapters.memory.FixedClock`` says, too."""

FIRST, LAST = datetime(2010, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A private key, its certificate, and the certificates above it, nearest first, the root last."""

    key: PrivateKey
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...]

    def pem(self, passphrase: bytes | None = None) -> bytes:
        """Key, certificate and those above in one PEM file."""
        private = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _locked(passphrase))
        chain = (self.certificate, *self.above)
        return private + b"".join(c.public_bytes(Encoding.PEM) for c in chain)

    def write_pem(self, path: Path, passphrase: bytes | None = None) -> Path:
        """``pem`` as a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.pem(passphrase))
        return path

    def write_p12(self, path: Path, passphrase: bytes | None = None) -> Path:
        """The same as PKCS#12."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"seal", self.key, self.certificate, list(self.above), _locked(passphrase)
            )
        )
        return path


class Pki:
    """The authorities, and what they issue."""

    def __init__(self) -> None:
        root_name = _authority("Test root")
        root_key = rsa_key("root")
        self.root = _certificate(root_name, root_key, root_name, root_key, path_length=1)
        self._issuing_key = rsa_key("issuing")
        issuing_name = _authority("Test issuing authority")
        self.issuing = _certificate(issuing_name, self._issuing_key, root_name, root_key, path_length=0)

    def agency(self, code: str, name: str, *, key: PrivateKey | None = None) -> Credential:
        """An agency's seal (RSA-2048 unless *key* is given)."""
        return self._issue(_organ(code, name), key or rsa_key("agency"))

    def leader(self, name: str = "Nguyễn Văn A", organ: str = "UBND tỉnh Tây Ninh") -> Credential:
        """A competent person's signature."""
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organ),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        return self._issue(subject, rsa_key("leader"))

    def expired(self, code: str) -> Credential:
        """A seal that ended the day before ``NOW``."""
        return self._issue(_organ(code, code), rsa_key("agency"), until=NOW - timedelta(days=1))

    def ending(self, code: str, *, days: int) -> Credential:
        """A seal that ends *days* after ``NOW``."""
        return self._issue(_organ(code, code), rsa_key("agency"), until=NOW + timedelta(days=days, hours=1))

    def not_yet_valid(self, code: str) -> Credential:
        """A seal that begins the day after ``NOW``."""
        return self._issue(_organ(code, code), rsa_key("agency"), since=NOW + timedelta(days=1))

    def for_encryption(self, code: str) -> Credential:
        """A certificate that may not sign."""
        return self._issue(_organ(code, code), rsa_key("agency"), may_sign=False)

    def stranger(self, code: str) -> Credential:
        """A seal that certifies itself and leads to nobody."""
        key, name = rsa_key("stranger"), _organ(code, code)
        certificate = _certificate(name, key, name, key, path_length=None)
        return Credential(key=key, certificate=certificate, above=())

    def _issue(
        self,
        subject: x509.Name,
        key: PrivateKey,
        *,
        since: datetime = FIRST,
        until: datetime = LAST,
        may_sign: bool = True,
    ) -> Credential:
        certificate = _certificate(
            subject,
            key,
            self.issuing.subject,
            self._issuing_key,
            path_length=None,
            since=since,
            until=until,
            may_sign=may_sign,
        )
        return Credential(key=key, certificate=certificate, above=(self.issuing, self.root))


@cache
def pki() -> Pki:
    """The one of this run."""
    return Pki()


@cache
def rsa_key(use: str) -> rsa.RSAPrivateKey:
    """The RSA-2048 key of this run for *use*."""
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key(curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    """The key of this run on *curve* (``secp256r1``, ``secp384r1``)."""
    curves = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1()}
    return ec.generate_private_key(curves[curve])


def _certificate(
    subject: x509.Name,
    key: PrivateKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    *,
    path_length: int | None,
    since: datetime = FIRST,
    until: datetime = LAST,
    may_sign: bool = True,
) -> x509.Certificate:
    is_authority = path_length is not None
    may_sign = may_sign and not is_authority
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=path_length), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=may_sign,
                content_commitment=may_sign,
                key_encipherment=not may_sign and not is_authority,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
        .sign(issuer_key, hashes.SHA256())
    )


def _organ(code: str, name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, code),
            x509.NameAttribute(NameOID.COMMON_NAME, name.encode()[:64].decode(errors="ignore")),
        ]
    )


def _authority(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _locked(passphrase: bytes | None) -> KeySerializationEncryption:
    return BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
