"""The notary: evidence signed in the gateway's name, XAdES-B-B (``gateway.ports.Notary``).

    notary = XadesNotary(ring)
    xml = notary.attest(evidence)

The document, ``SignedProperties`` and ``SignedInfo`` are written as their canonical forms, so signing is
three hashes and one P-256 signature: some 0.1 ms.  The signature is deterministic (RFC 6979) and its time is
the event's: the same evidence gives the same bytes, however often the step runs.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from adapters.signing import evidence_xml
from adapters.signing.evidence_xml import CLOSING, DIGEST_URI, instant
from adapters.signing.keyring import KeyRing
from adapters.signing.keys import Digest, Identity, Mechanism
from gateway.errors import ConfigError
from gateway.model.evidence import Evidence

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SIGNED_PROPERTIES_TYPE = "http://uri.etsi.org/01903#SignedProperties"

POLICY = "urn:vanthu:evidence-policy:1"
"""What we promise by our evidence: ``docs`` describe when each event is attested."""

# spec: RFC 9231 §2.3 - the names of the signature methods
SIGNATURE_METHODS = {
    (Mechanism.ECDSA, Digest.SHA256): "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    (Mechanism.ECDSA, Digest.SHA384): "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    (Mechanism.ECDSA, Digest.SHA512): "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
    (Mechanism.PKCS1, Digest.SHA256): "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    (Mechanism.PKCS1, Digest.SHA384): "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    (Mechanism.PKCS1, Digest.SHA512): "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
}


class XadesNotary:
    """Attests with the gateway's own key, which is loaded (in development: made) at construction.

    Raises ``Unavailable`` like ``KeyRing.gateway`` where there is no usable key, and ``ConfigError`` for a
    key whose mechanism XML signatures have no common name for (RSA-PSS).
    """

    def __init__(self, ring: KeyRing, *, policy: str = POLICY) -> None:
        self._key = ring.gateway()
        identity = self._key.identity
        method = SIGNATURE_METHODS.get((identity.scheme.mechanism, identity.scheme.digest))
        if method is None:
            raise ConfigError(f"{ring.options.gateway_key}: evidence cannot be signed with RSA-PSS")
        self._issuer = evidence_xml.issuer(ring.options.organ, ring.options.name, policy)
        # Everything that the certificate fixes, with gaps for what differs from one piece to the next.
        self._info = _signed_info_parts(method)
        self._properties = _signed_properties_parts(identity)
        self._key_info = _key_info(identity)

    def attest(self, evidence: Evidence) -> bytes:
        """The evidence as signed XML.  No I/O; time grows with the recipients that it lists."""
        unsigned = evidence_xml.unsigned(evidence, self._issuer)
        before, after = self._properties
        properties = f"{before}{instant(evidence.event_time)}{after}"
        head, middle, foot = self._info
        info = f"{head}{_digest(unsigned)}{middle}{_digest(properties)}{foot}"
        value = b64encode(self._signature_value(info.encode())).decode()
        signature = (
            f'<ds:Signature xmlns:ds="{DS}" Id="signature">{info}'
            f"<ds:SignatureValue>{value}</ds:SignatureValue>{self._key_info}"
            f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES}" Target="#signature">{properties}'
            "</xades:QualifyingProperties></ds:Object></ds:Signature>"
        )
        return f"{unsigned[: -len(CLOSING)]}{signature}{CLOSING}".encode()

    def _signature_value(self, info: bytes) -> bytes:
        signature = self._key.sign_now(info)
        public = self._key.identity.public
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return signature
        # spec: XML Signature 1.1 §6.4.3 - r and s in full width, one after the other
        width = (public.curve.key_size + 7) // 8
        r, s = decode_dss_signature(signature)
        return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def _signed_info_parts(method: str) -> tuple[str, str, str]:
    digest = f'<ds:DigestMethod Algorithm="{DIGEST_URI}"></ds:DigestMethod><ds:DigestValue>'
    exclusive = f'<ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms>'
    return (
        f'<ds:SignedInfo xmlns:ds="{DS}">'
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>'
        f'<ds:Reference Id="evidence" URI=""><ds:Transforms><ds:Transform Algorithm="{ENVELOPED}"></ds:Transform>'
        f"{exclusive}{digest}",
        "</ds:DigestValue></ds:Reference>"
        f'<ds:Reference Type="{SIGNED_PROPERTIES_TYPE}" URI="#signed-properties"><ds:Transforms>{exclusive}{digest}',
        "</ds:DigestValue></ds:Reference></ds:SignedInfo>",
    )


def _signed_properties_parts(identity: Identity) -> tuple[str, str]:
    digest = b64encode(sha256(identity.der).digest()).decode()
    # The prefix ds is declared where it is used, as exclusive canonicalisation renders it.
    return (
        f'<xades:SignedProperties xmlns:xades="{XADES}" Id="signed-properties">'
        "<xades:SignedSignatureProperties><xades:SigningTime>",
        "</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
        f'<ds:DigestMethod xmlns:ds="{DS}" Algorithm="{DIGEST_URI}"></ds:DigestMethod>'
        f'<ds:DigestValue xmlns:ds="{DS}">{digest}</ds:DigestValue>'
        "</xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties>"
        '<xades:SignedDataObjectProperties><xades:DataObjectFormat ObjectReference="#evidence">'
        "<xades:MimeType>application/xml</xades:MimeType></xades:DataObjectFormat>"
        "</xades:SignedDataObjectProperties></xades:SignedProperties>",
    )


def _key_info(identity: Identity) -> str:
    certificates = "".join(
        f"<ds:X509Certificate>{b64encode(der).decode()}</ds:X509Certificate>"
        for der in (identity.der, *identity.chain)
    )
    return f"<ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo>"


def _digest(canonical: str) -> str:
    return b64encode(sha256(canonical.encode()).digest()).decode()
