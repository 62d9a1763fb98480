"""The CMS of a PAdES signature, assembled from parts that were encoded once per certificate.

    template = CmsTemplate(key.identity)
    attributes = template.attributes(digest_of_the_file)
    cms = template.assemble(attributes, await key.sign(attributes))

From one document to the next only the digest and the signature value differ; everything else is bytes
that stand ready.  Building the same structure with an ASN.1 library costs 10 ms each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec

from adapters.signing import der
from adapters.signing.keys import Digest, Identity, Mechanism, Scheme

_ID_DATA = der.oid("1.2.840.113549.1.7.1")
_ID_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")

_DIGEST_OIDS = {
    Digest.SHA256: der.oid("2.16.840.1.101.3.4.2.1"),
    Digest.SHA384: der.oid("2.16.840.1.101.3.4.2.2"),
    Digest.SHA512: der.oid("2.16.840.1.101.3.4.2.3"),
}
_DIGEST_SIZES = {Digest.SHA256: 32, Digest.SHA384: 48, Digest.SHA512: 64}
_PKCS1_OIDS = {
    Digest.SHA256: der.oid("1.2.840.113549.1.1.11"),
    Digest.SHA384: der.oid("1.2.840.113549.1.1.12"),
    Digest.SHA512: der.oid("1.2.840.113549.1.1.13"),
}
_ECDSA_OIDS = {
    Digest.SHA256: der.oid("1.2.840.10045.4.3.2"),
    Digest.SHA384: der.oid("1.2.840.10045.4.3.3"),
    Digest.SHA512: der.oid("1.2.840.10045.4.3.4"),
}
_PSS = der.oid("1.2.840.113549.1.1.10")
_MGF1 = der.oid("1.2.840.113549.1.1.8")

_SIGNED_ATTRIBUTES = 0xA0
_CERTIFICATES = 0xA0
_EXPLICIT_CONTENT = 0xA0
_VERSION_1 = der.integer(1)


class CmsTemplate:
    """Everything of the CMS that one certificate fixes."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        digest = identity.scheme.digest
        # spec: RFC 5754 §2 - the parameters of SHA-2 are left out
        self._digest_algorithm = der.sequence(_DIGEST_OIDS[digest])
        # spec: EN 319 142-1 §6.3 - no signing-time: the time stands in the signature dictionary's /M
        self._content_type = der.sequence(_CONTENT_TYPE, der.set_of(_ID_DATA))
        self._signing_certificate = _signing_certificate(identity)
        self._signer_head = _VERSION_1 + _issuer_and_serial(identity.der) + self._digest_algorithm
        self._signature_algorithm = _signature_algorithm(identity.scheme)
        # spec: RFC 5652 §5.1 - version 1: nothing but plain certificates, content of type data
        self._data_head = (
            _VERSION_1
            + der.set_of(self._digest_algorithm)
            + der.sequence(_ID_DATA)
            + der.encode(_CERTIFICATES, *sorted((identity.der, *identity.chain)))
        )
        longest = self.attributes(bytes(_DIGEST_SIZES[digest]))
        self.max_size = len(self.assemble(longest, bytes(_longest_signature(identity))))
        """No CMS of this template is longer."""

    def attributes(self, digest: bytes) -> bytes:
        """The signed attributes for content with that *digest*, as they are signed."""
        # spec: RFC 5652 §5.4 - signed as an explicit SET OF, whatever tag they carry in the structure
        return der.set_of(
            self._content_type,
            der.sequence(_MESSAGE_DIGEST, der.set_of(der.octets(digest))),
            self._signing_certificate,
        )

    def assemble(self, attributes: bytes, signature: bytes) -> bytes:
        """The complete ``ContentInfo``."""
        signer = der.sequence(
            self._signer_head,
            bytes((_SIGNED_ATTRIBUTES,)),
            attributes[1:],
            self._signature_algorithm,
            der.octets(signature),
        )
        signed_data = der.sequence(self._data_head, der.set_of(signer))
        return der.sequence(_ID_SIGNED_DATA, der.encode(_EXPLICIT_CONTENT, signed_data))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerParts:
    """What a CMS says that was signed, read back from its bytes alone."""

    attributes: bytes
    message_digest: bytes
    signature: bytes
    certificates: tuple[bytes, ...]


def read_back(cms: bytes) -> SignerParts:
    """The parts of *cms*, which ``assemble`` wrote.  Raises ``MalformedDer`` where it is anything else."""
    content_info = der.element_at(cms)
    kind, content = _exactly(content_info, 2)
    if kind.whole() != _ID_SIGNED_DATA:
        raise der.MalformedDer("no signed data")
    (signed_data,) = _exactly(content, 1)
    *_, certificates, signers = _exactly(signed_data, 5)
    (signer,) = _exactly(signers, 1)
    _, _, _, attributes, _, signature = _exactly(signer, 6)
    digest = None
    for attribute in attributes.fields():
        name, values = _exactly(attribute, 2)
        if name.whole() == _MESSAGE_DIGEST:
            (value,) = _exactly(values, 1)
            digest = value.value()
    if digest is None:
        raise der.MalformedDer("no message digest")
    return SignerParts(
        attributes=bytes((der.SET,)) + attributes.whole()[1:],
        message_digest=digest,
        signature=signature.value(),
        certificates=tuple(certificate.whole() for certificate in certificates.fields()),
    )


def _exactly(element: der.Element, count: int) -> list[der.Element]:
    found = list(element.fields())
    if len(found) != count:
        raise der.MalformedDer(f"{len(found)} elements instead of {count}")
    return found


def _signing_certificate(identity: Identity) -> bytes:
    # spec: RFC 5035 §4 - ESSCertIDv2 with its default hash SHA-256, which is left out
    ess_cert_id = der.sequence(der.octets(sha256(identity.der).digest()))
    return der.sequence(_SIGNING_CERTIFICATE_V2, der.set_of(der.sequence(der.sequence(ess_cert_id))))


def _issuer_and_serial(certificate: bytes) -> bytes:
    """spec: RFC 5652 §10.2.4 - byte for byte as the certificate has them."""
    tbs = next(der.element_at(certificate).fields())
    fields = list(tbs.fields())
    first = 1 if fields[0].tag == 0xA0 else 0  # the version is optional
    serial, _, issuer = fields[first : first + 3]
    return der.sequence(issuer.whole(), serial.whole())


def _signature_algorithm(scheme: Scheme) -> bytes:
    match scheme.mechanism:
        case Mechanism.PKCS1:
            # spec: RFC 5754 §3.2 - the parameter of RSA must be NULL
            return der.sequence(_PKCS1_OIDS[scheme.digest], der.NULL)
        case Mechanism.ECDSA:
            return der.sequence(_ECDSA_OIDS[scheme.digest])
        case Mechanism.PSS:
            hash_algorithm = der.sequence(_DIGEST_OIDS[scheme.digest])
            # spec: RFC 4055 §3.1 - hash [0], mask generation [1], salt length [2]
            parameters = der.sequence(
                der.encode(0xA0, hash_algorithm),
                der.encode(0xA1, der.sequence(_MGF1, hash_algorithm)),
                der.encode(0xA2, der.integer(_DIGEST_SIZES[scheme.digest])),
            )
            return der.sequence(_PSS, parameters)


def _longest_signature(identity: Identity) -> int:
    public = identity.public
    if isinstance(public, ec.EllipticCurvePublicKey):
        # SEQUENCE of two INTEGERs, each with a sign byte: an ECDSA signature's length varies
        width = (public.curve.key_size + 7) // 8 + 1
        return 2 * (width + 3) + 4
    return (public.key_size + 7) // 8
