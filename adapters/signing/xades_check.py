"""XAdES signatures of the one shape that we write, verified from their bytes alone.

Written against the standards, not against our own writer: lxml canonicalises what the writer claims to be
canonical.  There is no general XML signature here, and elements are found by their place, never by an id that
a forger could repeat.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from adapters.signing.evidence_xml import DIGEST_URI
from adapters.signing.keys import Mechanism, PublicKey, Scheme
from adapters.signing.xades import (
    ASIC,
    DS,
    ENVELOPED,
    EXCLUSIVE,
    SIGNATURE_METHODS,
    SIGNED_PROPERTIES_TYPE,
    XADES,
    SignedFile,
    files_info,
    files_properties,
    files_signature,
    key_info,
)

_NAMES = {"ds": DS, "xades": XADES}
_METHODS = {
    uri: Scheme(mechanism=mechanism, digest=digest) for (mechanism, digest), uri in SIGNATURE_METHODS.items()
}
_LONGEST_CHAIN = 8


class Broken(Exception):
    """The signature does not hold; the text says why."""


NOT_OURS = (Broken, etree.LxmlError, ValueError, UnsupportedAlgorithm)
"""What these functions raise for bytes that are no good signature of ours."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed, by certificate (then those that came along), and when by the signer's own word."""

    certificates: tuple[x509.Certificate, ...]
    signed_at: datetime

    @property
    def name(self) -> str:
        """The subject of the certificate."""
        return self.certificates[0].subject.rfc4514_string()


@dataclass(frozen=True, slots=True)
class SignedFiles:
    """A good signature over files: what it says of them."""

    signer: Signer
    files: tuple[SignedFile, ...]


def parse(xml: bytes, tag: str, what: str) -> etree._Element:
    """The root of *xml*, which must be a *tag*.  Raises ``Broken`` and lxml's errors."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    root = etree.fromstring(xml, parser)
    if root.getroottree().docinfo.internalDTD is not None:
        raise Broken("It has a document type.")
    # A comment is not signed, yet it would cut the text that we read from an element in two.
    if any(not isinstance(node.tag, str) for node in root.iter()):
        raise Broken("It has comments or processing instructions.")
    if root.tag != tag:
        raise Broken(f"It is no {what} of ours.")
    return root


def verify_enveloped(root: etree._Element) -> Signer:
    """Who signed the document *root*.  Raises ``NOT_OURS``."""
    # 1. The signature is the root's last child and there is no other.
    signatures = list(root.iter(f"{{{DS}}}Signature"))
    if len(signatures) != 1 or signatures[0].getparent() is not root or root[-1] is not signatures[0]:
        raise Broken("It does not carry exactly one signature in its place.")
    signature = signatures[0]
    info, properties, references = _parts(signature)

    # 2. It covers the whole document and its own properties, by the transforms that we use and no others.
    if len(references) != 2:
        raise Broken("It does not sign exactly two things.")
    over_document, over_properties = references
    if over_document.get("URI") != "" or _transforms(over_document) != [ENVELOPED, EXCLUSIVE]:
        raise Broken("It does not sign the whole document.")
    _check_properties_reference(over_properties, properties)

    # 3. Both digests hold.
    document = deepcopy(root)
    document.remove(document[-1])
    _compare_digest(over_document, _canonical(document))
    _compare_digest(over_properties, _canonical(properties))
    return _signer(signature, info, properties)


def verify_files(xml: bytes) -> SignedFiles:
    """What ``META-INF/signatures.xml`` signs; the digests are for the caller to compare.  Raises ``NOT_OURS``.

    Not one byte of *xml* can be another: it must be what our writer makes of the values in it.
    """
    root = parse(xml, f"{{{ASIC}}}XAdESSignatures", "container's signature")
    if len(root) != 1 or root[0].tag != f"{{{DS}}}Signature":
        raise Broken("It does not carry exactly one signature in its place.")
    signature = root[0]
    info, properties, references = _parts(signature)
    *over_files, over_properties = references or [info]
    _check_properties_reference(over_properties, properties)
    _compare_digest(over_properties, _canonical(properties))
    if any(_algorithm(r, "ds:DigestMethod") != DIGEST_URI for r in over_files):
        raise Broken("A digest is of a kind that we do not use.")
    digests = [b64decode(text_of(r, "ds:DigestValue"), validate=True) for r in over_files]
    types = properties.findall(
        "xades:SignedDataObjectProperties/xades:DataObjectFormat/xades:MimeType", _NAMES
    )
    if not len(types) == len(over_files) == len(references) - 1:
        raise Broken("It does not name the type of every file.")
    files = tuple(
        SignedFile(r.get("URI") or "", digest, type_.text or "")
        for r, digest, type_ in zip(over_files, digests, types, strict=True)
    )
    signer = _signer(signature, info, properties)
    if xml != _written(signature, info, properties, files, signer):
        raise Broken("It is not in the one form in which it is written.")
    return SignedFiles(signer, files)


def leads_to_root(
    certificates: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime
) -> bool:
    """Whether the first certificate leads to one of *roots*, every one on the way valid at *at*."""
    return bool(path_to_root(certificates, roots, at))


def path_to_root(
    certificates: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime
) -> tuple[x509.Certificate, ...]:
    """The way from the first certificate to one of *roots*, both included; empty where there is none."""
    here, way = certificates[0], list[x509.Certificate]()
    for depth in range(_LONGEST_CHAIN):
        way.append(here)
        if not here.not_valid_before_utc <= at <= here.not_valid_after_utc:
            return ()
        if here in roots:
            return tuple(way)
        above = next((c for c in (*roots, *certificates[1:]) if c != here and _issued(c, here, depth)), None)
        if above is None:
            return ()
        here = above
    return ()


def load_roots(folder: Path) -> tuple[x509.Certificate, ...]:
    """The certificates in all ``.pem`` and ``.crt`` files of *folder*; what can't be read is left out."""
    roots: list[x509.Certificate] = []
    for path in sorted((*folder.glob("*.pem"), *folder.glob("*.crt"))):
        try:
            roots += x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError):
            continue
    return tuple(roots)


def text_of(parent: etree._Element, path: str, names: dict[str, str] | None = None) -> str:
    """The text of the one element at *path*.  Raises ``Broken``."""
    return _one(parent, path, names).text or ""


def sentence(exc: Exception) -> str:
    """Why, for people."""
    return str(exc) if isinstance(exc, Broken) else f"It cannot be read ({type(exc).__name__})."


def _parts(signature: etree._Element) -> tuple[etree._Element, etree._Element, list[etree._Element]]:
    info = _one(signature, "ds:SignedInfo")
    if _algorithm(info, "ds:CanonicalizationMethod") != EXCLUSIVE:
        raise Broken("SignedInfo is canonicalised in another way.")
    properties = _one(signature, "ds:Object/xades:QualifyingProperties/xades:SignedProperties")
    return info, properties, info.findall("ds:Reference", _NAMES)


def _check_properties_reference(reference: etree._Element, properties: etree._Element) -> None:
    if (
        reference.get("Type") != SIGNED_PROPERTIES_TYPE
        or reference.get("URI") != f"#{properties.get('Id')}"
        or _transforms(reference) != [EXCLUSIVE]
    ):
        raise Broken("It does not sign its properties.")


def _signer(signature: etree._Element, info: etree._Element, properties: etree._Element) -> Signer:
    # 4. The signing certificate is the one that the signed properties name.
    certificates = _certificates(signature)
    if not certificates:
        raise Broken("It carries no certificate.")
    named = _one(
        properties, "xades:SignedSignatureProperties/xades:SigningCertificateV2/xades:Cert/xades:CertDigest"
    )
    _compare_digest(named, certificates[0].public_bytes(Encoding.DER))

    # 5. The signature value is that certificate's.
    scheme = _METHODS.get(_algorithm(info, "ds:SignatureMethod"))
    public = certificates[0].public_key()
    if scheme is None or not isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise Broken("It is signed by a method that we do not know.")
    if isinstance(public, ec.EllipticCurvePublicKey) != (scheme.mechanism is Mechanism.ECDSA):
        raise Broken("Its method and its certificate do not go together.")
    value = b64decode(text_of(signature, "ds:SignatureValue"), validate=True)
    if not scheme.verifies(public, _as_der(public, value), _canonical(info)):
        raise Broken("The signature value is wrong.")
    signed_at = datetime.fromisoformat(
        text_of(properties, "xades:SignedSignatureProperties/xades:SigningTime")
    )
    if signed_at.tzinfo is None:
        raise Broken("The signing time has no time zone.")
    return Signer(certificates, signed_at)


def _certificates(signature: etree._Element) -> tuple[x509.Certificate, ...]:
    data = _one(signature, "ds:KeyInfo/ds:X509Data")
    return tuple(
        x509.load_der_x509_certificate(b64decode(element.text or "", validate=True))
        for element in data.findall("ds:X509Certificate", _NAMES)[:_LONGEST_CHAIN]
    )


def _written(
    signature: etree._Element,
    info: etree._Element,
    properties: etree._Element,
    files: Sequence[SignedFile],
    signer: Signer,
) -> bytes:
    """The file as our writer would write it with these values."""
    ders = [certificate.public_bytes(Encoding.DER) for certificate in signer.certificates]
    at = text_of(properties, "xades:SignedSignatureProperties/xades:SigningTime")
    own = files_properties(files, sha256(ders[0]).digest(), at)
    value = b64decode(text_of(signature, "ds:SignatureValue"), validate=True)
    method = _algorithm(info, "ds:SignatureMethod")
    return files_signature(files_info(method, files, own), value, key_info(ders), own)


@lru_cache(maxsize=1024)  # the same few certificates come with every piece of a log
def _issued(issuer: x509.Certificate, subject: x509.Certificate, below: int) -> bool:
    """Whether *issuer* is an authority that may stand above *below* others, and signed *subject*."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        subject.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return constraints.ca and (constraints.path_length is None or below <= constraints.path_length)


def _compare_digest(holder: etree._Element, data: bytes) -> None:
    if _algorithm(holder, "ds:DigestMethod") != DIGEST_URI:
        raise Broken("A digest is of a kind that we do not use.")
    stated = b64decode(text_of(holder, "ds:DigestValue"), validate=True)
    if not hmac.compare_digest(stated, sha256(data).digest()):
        raise Broken("It was changed after it was signed.")


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _transforms(reference: etree._Element) -> list[str | None]:
    return [t.get("Algorithm") for t in reference.findall("ds:Transforms/ds:Transform", _NAMES)]


def _algorithm(parent: etree._Element, path: str) -> str:
    return _one(parent, path).get("Algorithm") or ""


def _one(parent: etree._Element, path: str, names: dict[str, str] | None = None) -> etree._Element:
    found = parent.findall(path, names or _NAMES)
    if len(found) != 1:
        raise Broken(f"It has {len(found)} {path.rpartition(':')[2]}.")
    return found[0]


def _as_der(public: PublicKey, value: bytes) -> bytes:
    if not isinstance(public, ec.EllipticCurvePublicKey):
        return value
    half = len(value) // 2
    return encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))
