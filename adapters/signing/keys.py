"""A key that signs, and the certificate that goes with it, behind a seam that other kinds of key fit.

``Key`` is all that the sealer sees: who it is (``Identity``) and ``sign``, which may take its time, so
that a token or a remote service can stand behind it.  ``LoadedKey`` holds the key object in memory:
loading an RSA key checks it for some 40 ms, signing with it takes a quarter of a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12
from cryptography.x509.oid import PublicKeyAlgorithmOID

from gateway.errors import Refused, Unavailable

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class Digest(StrEnum):
    """The hash that goes with a signature."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"

    def algorithm(self) -> hashes.HashAlgorithm:
        """The same for ``cryptography``."""
        return _ALGORITHMS[self]


_ALGORITHMS: dict[Digest, hashes.HashAlgorithm] = {
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA384: hashes.SHA384(),
    Digest.SHA512: hashes.SHA512(),
}


class Mechanism(StrEnum):
    """How the signature value is made."""

    PKCS1 = "rsa-pkcs1v15"
    PSS = "rsa-pss"
    ECDSA = "ecdsa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A mechanism together with its hash."""

    mechanism: Mechanism
    digest: Digest = Digest.SHA256

    def verifies(self, public: PublicKey, signature: bytes, message: bytes) -> bool:
        """Whether *signature* (ECDSA: in DER) over *message* is *public*'s."""
        algorithm = self.digest.algorithm()
        try:
            if isinstance(public, ec.EllipticCurvePublicKey):
                public.verify(signature, message, ec.ECDSA(algorithm))
            else:
                public.verify(signature, message, _rsa_padding(self), algorithm)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate as the signing code needs it, taken apart once.

    ``chain`` are the intermediate certificates, nearest first, without the root.
    """

    certificate: x509.Certificate
    der: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    public: PublicKey = field(repr=False)
    scheme: Scheme
    sha256: str
    subject: str
    not_before: datetime
    not_after: datetime
    may_sign: bool

    def check(self, *instants: datetime) -> None:
        """What is looked at before each use: raises ``Refused("seal-certificate-expired")`` unless the
        certificate is valid at all *instants*, and ``Unavailable("seal-key-unusable")`` where its key usage
        allows no signatures.  That key and certificate match, reading back shows."""
        if not self.may_sign:
            raise Unavailable("seal-key-unusable", "the certificate's key usage does not allow signatures")
        for at in instants:
            if not self.not_before <= at <= self.not_after:
                raise Refused(
                    "seal-certificate-expired",
                    f"valid from {self.not_before:%Y-%m-%d} to {self.not_after:%Y-%m-%d}",
                )

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether *signature* over *message* was made with this certificate's key."""
        return self.scheme.verifies(self.public, signature, message)


class Key(Protocol):
    """A private key somewhere, and its certificate."""

    @property
    def identity(self) -> Identity:
        """Whose key it is."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """The signature over *message* by the identity's scheme (ECDSA: in DER).

        Raises ``Unavailable("seal-failed")`` where the key can't be used just now.
        """
        ...


class LoadedKey:
    """A key whose private part is held in memory."""

    def __init__(self, private: PrivateKey, identity: Identity) -> None:
        self._private = private
        self._identity = identity
        algorithm = identity.scheme.digest.algorithm()
        self._algorithm = algorithm
        # spec: RFC 6979 - the same message gives the same signature, so a step that runs twice writes the
        # same bytes
        self._ecdsa = ec.ECDSA(algorithm, deterministic_signing=True)
        self._padding = (
            None if identity.scheme.mechanism is Mechanism.ECDSA else _rsa_padding(identity.scheme)
        )

    @property
    def identity(self) -> Identity:
        """Whose key it is."""
        return self._identity

    def sign_now(self, message: bytes) -> bytes:
        """The signature over *message*, at once (RSA-2048: 0.25 ms; P-256: 0.02 ms)."""
        if isinstance(self._private, ec.EllipticCurvePrivateKey):
            return self._private.sign(message, self._ecdsa)
        assert self._padding is not None
        return self._private.sign(message, self._padding, self._algorithm)

    async def sign(self, message: bytes) -> bytes:
        """The same for callers that can wait."""
        return self.sign_now(message)


def load(
    path: Path,
    *,
    passphrase: bytes | None = None,
    digest: Digest = Digest.SHA256,
    prefer_pss: bool = False,
) -> LoadedKey:
    """The key and certificates in the PKCS#12 or PEM file *path*.

    A PEM file holds the private key, its certificate and intermediates, in any order.  Raises
    ``Unavailable("seal-key-unusable")`` where the file can't be read, key and certificate do not
    match, or the certificate is not for signing.
    """
    try:
        data = path.read_bytes()
        if path.suffix in (".p12", ".pfx"):
            private, certificates = _from_pkcs12(data, passphrase)
        else:
            private, certificates = _from_pem(data, passphrase)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as exc:
        # the library's own words may quote what is in the file
        raise _unusable(path, "it cannot be opened") from exc
    return assemble(private, certificates, name=path.name, digest=digest, prefer_pss=prefer_pss)


def assemble(
    private: object,
    certificates: list[x509.Certificate],
    *,
    name: str,
    digest: Digest = Digest.SHA256,
    prefer_pss: bool = False,
) -> LoadedKey:
    """A usable key from a private key and *certificates* in any order.  Raises as ``load`` does."""
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise _unusable(name, "neither RSA nor an elliptic curve")
    try:
        return _assembled(private, certificates, name=name, digest=digest, prefer_pss=prefer_pss)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as exc:
        # certificates are parsed late: any part of one may turn out to be broken
        raise _unusable(name, "a certificate cannot be read") from exc


def _assembled(
    private: PrivateKey, certificates: list[x509.Certificate], *, name: str, digest: Digest, prefer_pss: bool
) -> LoadedKey:
    public = private.public_key()
    own = next((c for c in certificates if _same_key(c, public)), None)
    if own is None:
        raise _unusable(name, "no certificate matches the key")
    if not _may_sign(own):
        raise _unusable(name, "the certificate's key usage does not allow signatures")
    if isinstance(private, ec.EllipticCurvePrivateKey):
        mechanism = Mechanism.ECDSA
    elif prefer_pss or own.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        mechanism = Mechanism.PSS
    else:
        mechanism = Mechanism.PKCS1
    der = own.public_bytes(Encoding.DER)
    identity = Identity(
        certificate=own,
        der=der,
        chain=tuple(c.public_bytes(Encoding.DER) for c in _intermediates(own, certificates)),
        public=public,
        scheme=Scheme(mechanism=mechanism, digest=digest),
        sha256=sha256(der).hexdigest(),
        subject=own.subject.rfc4514_string(),
        not_before=own.not_valid_before_utc,
        not_after=own.not_valid_after_utc,
        may_sign=_may_sign(own),
    )
    key = LoadedKey(private, identity)
    probe = b"vanthu: does this key belong to its certificate?"
    if not identity.verifies(key.sign_now(probe), probe):
        raise _unusable(name, "its signature does not verify")
    return key


def _from_pem(data: bytes, passphrase: bytes | None) -> tuple[object, list[x509.Certificate]]:
    certificates = x509.load_pem_x509_certificates(data)
    try:
        # The check that is skipped takes 40 ms per RSA key; ``assemble`` signs and verifies instead.
        private = load_pem_private_key(data, passphrase, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        # A passphrase was given for a key that has none: the folder may hold keys of both kinds.
        private = load_pem_private_key(data, None, unsafe_skip_rsa_key_validation=True)
    return private, certificates


def _from_pkcs12(data: bytes, passphrase: bytes | None) -> tuple[object, list[x509.Certificate]]:
    private, own, others = pkcs12.load_key_and_certificates(data, passphrase)
    return private, [*([own] if own is not None else []), *others]


def _same_key(certificate: x509.Certificate, public: PublicKey) -> bool:
    try:
        return certificate.public_key() == public
    except (ValueError, UnsupportedAlgorithm):
        return False


def _may_sign(certificate: x509.Certificate) -> bool:
    # spec: RFC 5280 §4.2.1.3 - without the extension every usage is allowed
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.digital_signature or usage.content_commitment


def _intermediates(own: x509.Certificate, certificates: list[x509.Certificate]) -> list[x509.Certificate]:
    """The way from *own* towards its root, as far as *certificates* go; the root itself stays at home."""
    way: list[x509.Certificate] = []
    at = own
    while at.issuer != at.subject:
        above = next((c for c in certificates if c.subject == at.issuer and c not in (own, *way)), None)
        if above is None or above.issuer == above.subject:
            break
        way.append(above)
        at = above
    return way


def _rsa_padding(scheme: Scheme) -> padding.PKCS1v15 | padding.PSS:
    if scheme.mechanism is Mechanism.PKCS1:
        return padding.PKCS1v15()
    # spec: RFC 4056 §2.2 - the salt is as long as the hash
    algorithm = scheme.digest.algorithm()
    return padding.PSS(mgf=padding.MGF1(algorithm), salt_length=algorithm.digest_size)


def _unusable(name: Path | str, why: str) -> Unavailable:
    return Unavailable("seal-key-unusable", f"{Path(name).name}: {why}")
