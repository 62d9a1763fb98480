"""The authority that certifies leaders (in life: the Government Cipher Committee's), made anew each day.

authority = LeaderAuthority.make()
leader = authority.certify("Nguyễn Văn A", "Ủy ban nhân dân tỉnh Tây Ninh")
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A key and its certificate."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderAuthority:
    """A root that issues certificates to people."""

    root: Certified

    @classmethod
    def make(cls) -> LeaderAuthority:
        """A new root."""
        key = rsa.generate_private_key(65537, 2048)
        name = _name("CA lãnh đạo (trình diễn)", "Vanthu demo")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        built = _builder(name, name, key, years=10).add_extension(constraints, critical=True)
        built = built.add_extension(_usage(ca=True), critical=True)
        return cls(root=Certified(key=key, certificate=built.sign(key, hashes.SHA256())))

    @property
    def pem(self) -> bytes:
        """The root certificate, as a trust folder wants it."""
        return self.root.certificate.public_bytes(Encoding.PEM)

    def certify(self, person: str, organ: str) -> Certified:
        """A new key with a certificate for *person* of *organ*."""
        key = rsa.generate_private_key(65537, 2048)
        issuer = self.root.certificate.subject
        built = _builder(_name(person, organ), issuer, key, years=3)
        built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        built = built.add_extension(_usage(ca=False), critical=True)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root.key.public_key())
        built = built.add_extension(authority, critical=False)
        return Certified(key=key, certificate=built.sign(self.root.key, hashes.SHA256()))


def _name(common: str, organ: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organ),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, *, years: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * years))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=not ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
