"""A certificate authority for development: a root, an issuing authority, and keys made on first use.

Everything lies in one folder (files 0600, folder 0700).  What one process has made, the others use:
a file appears complete under its name or not at all, and whoever comes second takes the first one's.
The root certificate goes to the trust folder, so that our own judge trusts what was sealed with it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from adapters.signing.keys import PrivateKey

ORGANISATION = "Vanthu: for development only"
"""The organisation in the subject of the development authority, and so the issuer of its certificates."""

_AUTHORITY_YEARS = 20
_LEAF_YEARS = 5
_RSA_BITS = 2048


class DevelopmentAuthority:
    """Issues certificates that nobody outside should trust."""

    def __init__(self, folder: Path, *, trust: Path | None, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._trust = trust
        self._now = now

    def make_rsa(self, path: Path, *, name: str, code: str) -> None:
        """See that there is an RSA-2048 key with a certificate for the organ *name* in *path*."""
        self._make(path, name, code, lambda: rsa.generate_private_key(65537, _RSA_BITS))

    def make_p256(self, path: Path, *, name: str, code: str) -> None:
        """See that there is a P-256 key with a certificate for the organ *name* in *path*."""
        self._make(path, name, code, lambda: ec.generate_private_key(ec.SECP256R1()))

    def publish(self) -> None:
        """See that the root is in the trust folder (and so that there is one)."""
        self._authority()

    def _make(self, path: Path, name: str, code: str, generate: Callable[[], PrivateKey]) -> None:
        if path.exists():
            return
        issuing_key, issuing, root = self._authority()
        key = generate()
        certificate = _certificate(
            subject=_organ(name, code),
            public_key=key.public_key(),
            issuer=issuing.subject,
            issuer_key=issuing_key,
            start=self._now() - timedelta(days=1),
            years=_LEAF_YEARS,
            authority_depth=None,
        )
        appear(path, _pem(key, certificate, issuing, root))

    def _authority(self) -> tuple[rsa.RSAPrivateKey, x509.Certificate, x509.Certificate]:
        """The issuing key and certificate, and the root; made once."""
        path = self._folder / "authority.pem"
        if not path.exists():
            appear(path, self._new_authority())
        data = path.read_bytes()
        key = load_pem_private_key(data, None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, rsa.RSAPrivateKey)
        issuing, root = x509.load_pem_x509_certificates(data)
        if self._trust is not None:
            appear(
                self._trust / f"vanthu-development-{_short(root)}.pem",
                root.public_bytes(Encoding.PEM),
                mode=0o644,
            )
        return key, issuing, root

    def _new_authority(self) -> bytes:
        """A root whose private key is forgotten at once, and the issuing authority below it."""
        start = self._now() - timedelta(days=1)
        root_key = rsa.generate_private_key(65537, _RSA_BITS)
        issuing_key = rsa.generate_private_key(65537, _RSA_BITS)
        mark = secrets.token_hex(4)
        root_name = _authority_name(f"Vanthu development root {mark}")
        issuing_name = _authority_name(f"Vanthu development issuing authority {mark}")
        root = _certificate(
            subject=root_name,
            public_key=root_key.public_key(),
            issuer=root_name,
            issuer_key=root_key,
            start=start,
            years=_AUTHORITY_YEARS,
            authority_depth=1,
        )
        issuing = _certificate(
            subject=issuing_name,
            public_key=issuing_key.public_key(),
            issuer=root_name,
            issuer_key=root_key,
            start=start,
            years=_AUTHORITY_YEARS,
            authority_depth=0,
        )
        return _pem(issuing_key, issuing, root)


def is_for_development(certificate: x509.Certificate) -> bool:
    """Whether a development authority issued *certificate*."""
    return any(
        attribute.value == ORGANISATION
        for attribute in certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    )


def _certificate(
    *,
    subject: x509.Name,
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    start: datetime,
    years: int,
    authority_depth: int | None,
) -> x509.Certificate:
    is_authority = authority_depth is not None
    start = start.replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * years))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=authority_depth), critical=True)
        .add_extension(
            # spec: EN 319 412-2 §4.3.2 - a certificate for signatures: digitalSignature, nonRepudiation
            x509.KeyUsage(
                digital_signature=not is_authority,
                content_commitment=not is_authority,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    return builder.sign(issuer_key, hashes.SHA256())


def _organ(name: str, code: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name or code),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, code),
            x509.NameAttribute(NameOID.COMMON_NAME, _at_most_64(name or code)),
        ]
    )


def _authority_name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _at_most_64(text: str) -> str:
    # spec: X.520 ub-common-name is 64; the library counts bytes of UTF-8.  The full name is in the organisation.
    return text.encode()[:64].decode(errors="ignore")


def _short(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()[:8]


def _pem(key: PrivateKey, *certificates: x509.Certificate) -> bytes:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def appear(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put *data* under *path*, complete and durable, unless somebody was quicker."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # a link, not a rename: it fails where the name is taken, and the first one's key stays
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
