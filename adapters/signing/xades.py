"""XAdES-B-B signatures, written at once in canonical form: within a document, or over files beside it.

    pen = Pen(ring.gateway())
    xml = pen.sign(unsigned, "</Evidence>", at)         # an enveloped signature before the closing tag
    xml = pen.sign_files(files, at)                     # ASiC: META-INF/signatures.xml

The document, ``SignedProperties`` and ``SignedInfo`` are written as their canonical forms, so signing is
three hashes and one P-256 signature: some 0.1 ms.  The signature is deterministic (RFC 6979) and its time is
given: the same input gives the same bytes, however often the step runs.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from adapters.signing.evidence_xml import DIGEST_URI, instant, text
from adapters.signing.keys import Digest, LoadedKey, Mechanism
from gateway.errors import ConfigError

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
ASIC = "http://uri.etsi.org/02918/v1.2.1#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SIGNED_PROPERTIES_TYPE = "http://uri.etsi.org/01903#SignedProperties"

# spec: RFC 9231 §2.3 - the names of the signature methods
SIGNATURE_METHODS = {
    (Mechanism.ECDSA, Digest.SHA256): "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    (Mechanism.ECDSA, Digest.SHA384): "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    (Mechanism.ECDSA, Digest.SHA512): "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
    (Mechanism.PKCS1, Digest.SHA256): "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    (Mechanism.PKCS1, Digest.SHA384): "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    (Mechanism.PKCS1, Digest.SHA512): "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
}


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A file beside a signature: its path as a URI reference, its SHA-256 (raw), its media type."""

    uri: str
    sha256: bytes
    media_type: str


class Pen:
    """Signs with one key, which stays loaded.

    Raises ``ConfigError`` for a key whose mechanism XML signatures have no common name for (RSA-PSS).
    """

    def __init__(self, key: LoadedKey) -> None:
        self._key = key
        identity = key.identity
        method = SIGNATURE_METHODS.get((identity.scheme.mechanism, identity.scheme.digest))
        if method is None:
            raise ConfigError("evidence cannot be signed with RSA-PSS")
        # Everything that the certificate fixes, with gaps for what differs from one piece to the next.
        self._method = method
        self._certificate_sha256 = sha256(identity.der).digest()
        self._key_info = key_info((identity.der, *identity.chain))
        self._info = _info_parts(method)
        self._properties = _properties_parts(self._certificate_sha256)

    def sign(self, unsigned: str, closing: str, at: datetime) -> bytes:
        """*unsigned*, which is canonical and ends with the tag *closing*, with a signature before that tag."""
        before, after = self._properties
        properties = f"{before}{instant(at)}{after}"
        head, middle, foot = self._info
        info = f"{head}{_digest(unsigned)}{middle}{_digest(properties)}{foot}"
        signature = _signature(info, self._value(info), self._key_info, properties)
        return f"{unsigned[: -len(closing)]}{signature}{closing}".encode()

    def sign_files(self, files: Sequence[SignedFile], at: datetime) -> bytes:
        """A signature over *files*, in their order, as ASiC wants it.  spec: ETSI EN 319 162-1 §4.4.3.2"""
        properties = files_properties(files, self._certificate_sha256, instant(at))
        info = files_info(self._method, files, properties)
        return files_signature(info, self._value(info), self._key_info, properties)

    def _value(self, info: str) -> bytes:
        signature = self._key.sign_now(info.encode())
        public = self._key.identity.public
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return signature
        # spec: XML Signature 1.1 §6.4.3 - r and s in full width, one after the other
        width = (public.curve.key_size + 7) // 8
        r, s = decode_dss_signature(signature)
        return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def key_info(certificates: Sequence[bytes]) -> str:
    """``KeyInfo`` with *certificates* (DER), the signer's first."""
    written = "".join(
        f"<ds:X509Certificate>{b64encode(der).decode()}</ds:X509Certificate>" for der in certificates
    )
    return f"<ds:KeyInfo><ds:X509Data>{written}</ds:X509Data></ds:KeyInfo>"


def files_info(method: str, files: Sequence[SignedFile], properties: str) -> str:
    """``SignedInfo`` over *files* and the *properties*."""
    references = "".join(
        f'<ds:Reference Id="file-{n}" URI="{_attribute(file.uri)}">{_DIGEST_METHOD}<ds:DigestValue>'
        f"{b64encode(file.sha256).decode()}</ds:DigestValue></ds:Reference>"
        for n, file in enumerate(files, 1)
    )
    return (
        f"{_info_head(method)}{references}{_PROPERTIES_REFERENCE}{_digest(properties)}"
        "</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )


def files_properties(files: Sequence[SignedFile], certificate_sha256: bytes, at: str) -> str:
    """``SignedProperties`` with the signing time and the media type of every one of *files*."""
    formats = "".join(
        f'<xades:DataObjectFormat ObjectReference="#file-{n}"><xades:MimeType>{text(file.media_type)}'
        "</xades:MimeType></xades:DataObjectFormat>"
        for n, file in enumerate(files, 1)
    )
    return _properties_head(certificate_sha256).replace(_AT, at, 1) + _properties_foot(formats)


def files_signature(info: str, value: bytes, key_info: str, properties: str) -> bytes:
    """The whole of ``META-INF/signatures.xml``."""
    signature = _signature(info, value, key_info, properties)
    return f'<asic:XAdESSignatures xmlns:asic="{ASIC}">{signature}</asic:XAdESSignatures>'.encode()


_AT = "\0"
_DIGEST_METHOD = f'<ds:DigestMethod Algorithm="{DIGEST_URI}"></ds:DigestMethod>'
_EXCLUSIVE_TRANSFORM = f'<ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms>'
_PROPERTIES_REFERENCE = (
    f'<ds:Reference Type="{SIGNED_PROPERTIES_TYPE}" URI="#signed-properties"><ds:Transforms>'
    f"{_EXCLUSIVE_TRANSFORM}{_DIGEST_METHOD}<ds:DigestValue>"
)


def _signature(info: str, value: bytes, key_info: str, properties: str) -> str:
    return (
        f'<ds:Signature xmlns:ds="{DS}" Id="signature">{info}'
        f"<ds:SignatureValue>{b64encode(value).decode()}</ds:SignatureValue>{key_info}"
        f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES}" Target="#signature">{properties}'
        "</xades:QualifyingProperties></ds:Object></ds:Signature>"
    )


def _info_head(method: str) -> str:
    return (
        f'<ds:SignedInfo xmlns:ds="{DS}">'
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>'
    )


def _info_parts(method: str) -> tuple[str, str, str]:
    return (
        f'{_info_head(method)}<ds:Reference Id="evidence" URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform>'
        f"{_EXCLUSIVE_TRANSFORM}{_DIGEST_METHOD}<ds:DigestValue>",
        f"</ds:DigestValue></ds:Reference>{_PROPERTIES_REFERENCE}",
        "</ds:DigestValue></ds:Reference></ds:SignedInfo>",
    )


def _properties_parts(certificate_sha256: bytes) -> tuple[str, str]:
    before, _, after = _properties_head(certificate_sha256).partition(_AT)
    format_ = (
        '<xades:DataObjectFormat ObjectReference="#evidence">'
        "<xades:MimeType>application/xml</xades:MimeType></xades:DataObjectFormat>"
    )
    return before, after + _properties_foot(format_)


def _properties_head(certificate_sha256: bytes) -> str:
    # The prefix ds is declared where it is used, as exclusive canonicalisation renders it.
    return (
        f'<xades:SignedProperties xmlns:xades="{XADES}" Id="signed-properties">'
        f"<xades:SignedSignatureProperties><xades:SigningTime>{_AT}"
        "</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
        f'<ds:DigestMethod xmlns:ds="{DS}" Algorithm="{DIGEST_URI}"></ds:DigestMethod>'
        f'<ds:DigestValue xmlns:ds="{DS}">{b64encode(certificate_sha256).decode()}</ds:DigestValue>'
        "</xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties>"
    )


def _properties_foot(formats: str) -> str:
    return (
        f"<xades:SignedDataObjectProperties>{formats}</xades:SignedDataObjectProperties>"
        "</xades:SignedProperties>"
    )


def _digest(canonical: str) -> str:
    return b64encode(sha256(canonical.encode()).digest()).decode()


def _attribute(value: str) -> str:
    # spec: Canonical XML 1.0 §2.3 - in attributes the quotation mark, too, and no > ; URIs hold no blanks
    return text(value).replace("&gt;", ">").replace('"', "&quot;")
