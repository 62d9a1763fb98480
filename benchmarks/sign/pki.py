"""An authority for one run: a seal with its chain, a time-stamping service, a revocation list.

authority = Authority.make()
seal = authority.seal("000.00.13.H53")
authority.crl()
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from asn1crypto import crl as asn1_crl  # type: ignore[import-untyped]  # it has no stubs
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PASSPHRASE = "bench-sign"
_REVOKED = 200
"""Certificates on the revocation list: what an issuer of seals for one province may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A key, its certificate, and those above it without the root."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...] = ()

    def p12(self) -> bytes:
        """As PKCS#12.  One round of key derivation: some peers open the file anew for each signature, and
        are not to pay for that."""
        encryption = (
            PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(1)
            .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
            .hmac_hash(hashes.SHA256())
            .build(PASSPHRASE.encode())
        )
        return pkcs12.serialize_key_and_certificates(
            b"seal", self.key, self.certificate, self.above, encryption
        )

    def asn1(self) -> asn1_x509.Certificate:
        """The certificate as pyHanko wants it."""
        return as_asn1(self.certificate)

    def asn1_key(self) -> asn1_keys.PrivateKeyInfo:
        """The key as pyHanko wants it."""
        return asn1_keys.PrivateKeyInfo.load(
            self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A root and an issuing authority under it."""

    root: Holder
    issuing: Holder

    @classmethod
    def make(cls) -> Authority:
        """New keys."""
        root_key, key = _key(), _key()
        name = _name("Bench root")
        root = Holder(key=root_key, certificate=_built(name, root_key, name, root_key, is_authority=True))
        certificate = _built(_name("Bench issuing authority"), key, name, root_key, is_authority=True)
        return cls(root=root, issuing=Holder(key=key, certificate=certificate))

    def seal(self, organ: str, *, names_its_list: bool = False) -> Holder:
        """An agency's seal, RSA-2048; *names_its_list* makes judges ask whether it was revoked."""
        return self._issue(_name(organ), names_its_list=names_its_list)

    def time_stamping(self) -> Holder:
        """A time-stamping service."""
        return self._issue(_name("Bench time-stamps"), purpose=ExtendedKeyUsageOID.TIME_STAMPING)

    def crls(self) -> list[asn1_crl.CertificateList]:
        """The revocation lists of both authorities, for the next day."""
        now = datetime.now(UTC)
        found = []
        for issuer, revoked in ((self.root, 0), (self.issuing, _REVOKED)):
            built = (
                x509.CertificateRevocationListBuilder()
                .issuer_name(issuer.certificate.subject)
                .last_update(now - timedelta(hours=1))
                .next_update(now + timedelta(days=1))
            )
            for serial in range(1, revoked + 1):
                entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
                built = built.add_revoked_certificate(entry.build())
            key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
            built = built.add_extension(key_id, critical=False)
            built = built.add_extension(x509.CRLNumber(1), critical=False)
            signed = built.sign(issuer.key, hashes.SHA256())
            found.append(asn1_crl.CertificateList.load(signed.public_bytes(Encoding.DER)))
        return found

    def _issue(
        self,
        subject: x509.Name,
        *,
        names_its_list: bool = False,
        purpose: x509.ObjectIdentifier | None = None,
    ) -> Holder:
        key, issuer = _key(), self.issuing
        certificate = _built(
            subject,
            key,
            issuer.certificate.subject,
            issuer.key,
            names_its_list=names_its_list,
            purpose=purpose,
        )
        return Holder(key=key, certificate=certificate, above=(issuer.certificate,))


def as_asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    """*certificate* as pyHanko wants it."""
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _built(
    subject: x509.Name,
    key: rsa.RSAPrivateKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    *,
    is_authority: bool = False,
    names_its_list: bool = False,
    purpose: x509.ObjectIdentifier | None = None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority and purpose is None,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if names_its_list:
        place = x509.DistributionPoint(
            full_name=[x509.UniformResourceIdentifier("http://crl.invalid/issuing.crl")],
            relative_name=None,
            reasons=None,
            crl_issuer=None,
        )
        built = built.add_extension(x509.CRLDistributionPoints([place]), critical=False)
    if purpose is not None:
        built = built.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
    return built.sign(issuer_key, hashes.SHA256())
