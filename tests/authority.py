"""Authorities that do what authorities do: issue, revoke, answer and stamp; each at the instant that it is told.

    root = Authority.root()
    issuing = root.authority("Issuing")
    signer = issuing.issue("Nguyễn Văn A", crl="http://127.0.0.1:9/issuing.crl")
    issuing.crl(issued=MARCH, revoked={signer: MARCH})

Keys are shared by name, so that a run makes few of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from asn1crypto import algos
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.pki import FIRST, LAST, Credential, rsa_key

STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
ANSWERING = (ExtendedKeyUsageOID.OCSP_SIGNING,)

Extension = tuple[x509.ExtensionType, bool]


@dataclass(frozen=True, kw_only=True, eq=False)
class Authority:
    """Issues certificates in its name; the root's ``credential.above`` is empty."""

    credential: Credential

    @classmethod
    def root(cls, name: str = "The root", *, key: str = "authority-root") -> Authority:
        """One that certifies itself."""
        own = rsa_key(key)
        certificate = _built(_name(name), own, _name(name), own, extensions=_authority_extensions())
        return cls(credential=Credential(key=own, certificate=certificate, above=()))

    @property
    def certificate(self) -> x509.Certificate:
        """Its own."""
        return self.credential.certificate

    def authority(
        self,
        name: str,
        *,
        key: str = "authority-issuing",
        since: datetime = FIRST,
        until: datetime = LAST,
        crl: str = "",
        more: Sequence[Extension] = (),
    ) -> Authority:
        """An authority below this one."""
        extensions = [*_authority_extensions(), *more]
        return Authority(
            credential=self._issued(name, rsa_key(key), since, until, [*extensions, *_place(crl)])
        )

    def issue(
        self,
        name: str,
        *,
        key: str = "authority-signer",
        since: datetime = FIRST,
        until: datetime = LAST,
        crl: str = "",
        answers: str = "",
        purposes: Sequence[x509.ObjectIdentifier] = (),
        is_purpose_critical: bool = True,
        more: Sequence[Extension] = (),
        is_weak: bool = False,
        serial: int = 0,
    ) -> Credential:
        """A certificate that signs; *is_weak*: itself signed over SHA-1."""
        extensions: list[Extension] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs=True), True),
            *_place(crl),
            *more,
        ]
        if answers:
            place = x509.AccessDescription(
                x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(answers)
            )
            issuers = x509.AccessDescription(
                x509.AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier(answers + "/issuer.cer"),
            )
            extensions.append((x509.AuthorityInformationAccess([place, issuers]), False))
        if purposes:
            extensions.append((x509.ExtendedKeyUsage(purposes), is_purpose_critical))
        found = self._issued(name, rsa_key(key), since, until, extensions, serial=serial)
        return replace(found, certificate=self._weakened(found.certificate)) if is_weak else found

    def stamper(
        self,
        name: str = "Stamps",
        *,
        since: datetime = FIRST,
        until: datetime = LAST,
        crl: str = "",
        serial: int = 0,
    ) -> Credential:
        """A certificate for time-stamping alone."""
        return self.issue(
            name,
            key="authority-stamper",
            since=since,
            until=until,
            purposes=STAMPING,
            crl=crl,
            serial=serial,
        )

    def crl(
        self,
        *,
        issued: datetime,
        until: datetime | None = None,
        revoked: Mapping[Credential, datetime] | None = None,
        serials: Sequence[int] = (),
        reason: x509.ReasonFlags | None = None,
        more: Sequence[Extension] = (),
        key: str = "",
    ) -> bytes:
        """A list, DER.  It holds for a week unless *until* is given; *key* signs it instead of the right one."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(issued)
            .next_update(until or issued + timedelta(days=7))
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        entries = {one.certificate.serial_number: at for one, at in (revoked or {}).items()}
        for serial, at in (entries | dict.fromkeys(serials, issued)).items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        for extension, is_critical in more:
            builder = builder.add_extension(extension, critical=is_critical)
        signing = rsa_key(key) if key else self.credential.key
        return builder.sign(signing, hashes.SHA256()).public_bytes(Encoding.DER)

    def answer(
        self,
        about: Credential,
        *,
        issued: datetime,
        until: datetime | None = None,
        revoked: datetime | None = None,
        by: Credential | None = None,
        is_unknown: bool = False,
    ) -> bytes:
        """An OCSP answer, DER, by this authority itself or by a responder."""
        status = ocsp.OCSPCertStatus.GOOD if revoked is None else ocsp.OCSPCertStatus.REVOKED
        if is_unknown:
            status = ocsp.OCSPCertStatus.UNKNOWN
        responder = by or self.credential
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=about.certificate,
                issuer=self.certificate,
                algorithm=hashes.SHA1(),  # as every responder does it
                cert_status=status,
                this_update=issued,
                next_update=until or issued + timedelta(days=7),
                revocation_time=revoked,
                revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        )
        if by is not None:
            builder = builder.certificates([by.certificate])
        return builder.sign(responder.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def _issued(
        self,
        name: str,
        key: rsa.RSAPrivateKey,
        since: datetime,
        until: datetime,
        extensions: Sequence[Extension],
        *,
        serial: int = 0,
    ) -> Credential:
        own = self.credential
        assert isinstance(own.key, rsa.RSAPrivateKey)
        certificate = _built(
            _name(name),
            key,
            own.certificate.subject,
            own.key,
            since=since,
            until=until,
            extensions=extensions,
            serial=serial,
        )
        return Credential(key=key, certificate=certificate, above=(own.certificate, *own.above))

    def _weakened(self, certificate: x509.Certificate) -> x509.Certificate:
        # cryptography no longer signs certificates so
        own = self.credential.key
        assert isinstance(own, rsa.RSAPrivateKey)
        parsed = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
        algorithm = algos.SignedDigestAlgorithm({"algorithm": "sha1_rsa"})
        parsed["tbs_certificate"]["signature"] = parsed["signature_algorithm"] = algorithm
        body = parsed["tbs_certificate"].dump(force=True)
        parsed["signature_value"] = own.sign(body, padding.PKCS1v15(), hashes.SHA1())
        return x509.load_der_x509_certificate(parsed.dump(force=True))


def day(text: str) -> datetime:
    """Midnight of an ISO date, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _built(
    subject: x509.Name,
    key: rsa.RSAPrivateKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    *,
    extensions: Sequence[Extension],
    since: datetime = FIRST,
    until: datetime = LAST,
    serial: int = 0,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _place(url: str) -> list[Extension]:
    if not url:
        return []
    point = x509.DistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)], relative_name=None, reasons=None, crl_issuer=None
    )
    return [(x509.CRLDistributionPoints([point]), False)]


def _authority_extensions() -> list[Extension]:
    return [(x509.BasicConstraints(ca=True, path_length=None), True), (_usage(signs=False), True)]


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=signs,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
