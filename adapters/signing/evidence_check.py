"""Evidence, verified from its bytes alone: who signed it, whether it still says what was signed, what it says.

    check = verify_evidence(xml, roots)
    check.standing, check.reason, check.event

Written against the standards, not against our own writer: lxml canonicalises what the writer claims to be
canonical.  Only the one shape that we issue is accepted; there is no general XML signature here, and
elements are found by their place, never by an id that a forger could repeat.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from adapters.signing.evidence_xml import DIGEST_URI, NAMESPACE
from adapters.signing.keys import Mechanism, PublicKey, Scheme
from adapters.signing.notary import (
    DS,
    ENVELOPED,
    EXCLUSIVE,
    SIGNATURE_METHODS,
    SIGNED_PROPERTIES_TYPE,
    XADES,
)

_NAMES = {"e": NAMESPACE, "ds": DS, "xades": XADES}
_SCHEMES = {
    uri: Scheme(mechanism=mechanism, digest=digest) for (mechanism, digest), uri in SIGNATURE_METHODS.items()
}
_LONGEST_CHAIN = 8


class Standing(StrEnum):
    """What the check came to; ``UNKNOWN`` means intact, but by nobody whom we know."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceCheck:
    """The outcome, and what the evidence says of itself (empty where it could not be read).

    ``reason`` is a sentence in English, empty where the check passed.  ``sha256`` is that of the bytes:
    the next piece of the chain must name it as ``previous``.
    """

    standing: Standing
    reason: str
    sha256: str
    evidence: str = ""
    event: str = ""
    document: str = ""
    recipient: str = ""
    sequence: int = -1
    previous: str = ""
    signer: str = ""
    signed_at: datetime | None = None


class _Broken(Exception):
    """The signature does not hold; the text says why."""


def verify_evidence(xml: bytes, roots: Sequence[x509.Certificate]) -> EvidenceCheck:
    """Verify one piece of evidence against the trusted *roots*.  Raises nothing, whatever *xml* is."""
    digest = sha256(xml).hexdigest()
    try:
        root = _parse(xml)
        fields = _said(root)
    except (_Broken, etree.LxmlError, ValueError) as exc:
        return EvidenceCheck(standing=Standing.FAILED, reason=_sentence(exc), sha256=digest)
    event, document, recipient, evidence, sequence, previous = fields

    def outcome(
        standing: Standing, reason: str, signer: str = "", signed_at: datetime | None = None
    ) -> EvidenceCheck:
        return EvidenceCheck(
            standing=standing,
            reason=reason,
            sha256=digest,
            evidence=evidence,
            event=event,
            document=document,
            recipient=recipient,
            sequence=sequence,
            previous=previous,
            signer=signer,
            signed_at=signed_at,
        )

    try:
        certificates, signed_at = _verify_signature(root)
    except (_Broken, etree.LxmlError, ValueError, UnsupportedAlgorithm) as exc:
        return outcome(Standing.FAILED, _sentence(exc))
    signer = certificates[0].subject.rfc4514_string()
    if not _leads_to_root(certificates, roots, signed_at):
        return outcome(
            Standing.UNKNOWN, "The signer's certificate leads to no trusted root.", signer, signed_at
        )
    return outcome(Standing.PASSED, "", signer, signed_at)


def load_roots(folder: Path) -> tuple[x509.Certificate, ...]:
    """The certificates in all ``.pem`` and ``.crt`` files of *folder*; what can't be read is left out."""
    roots: list[x509.Certificate] = []
    for path in sorted((*folder.glob("*.pem"), *folder.glob("*.crt"))):
        try:
            roots += x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError):
            continue
    return tuple(roots)


def broken_link(checks: Sequence[EvidenceCheck]) -> int | None:
    """The index of the first piece of a chain, oldest first, that does not name the one before it."""
    for index in range(1, len(checks)):
        if not hmac.compare_digest(checks[index].previous, checks[index - 1].sha256):
            return index
    return None


def _parse(xml: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    root = etree.fromstring(xml, parser)
    if root.getroottree().docinfo.internalDTD is not None:
        raise _Broken("It has a document type.")
    # A comment is not signed, yet it would cut the text that we read from an element in two.
    if any(not isinstance(node.tag, str) for node in root.iter()):
        raise _Broken("It has comments or processing instructions.")
    if root.tag != f"{{{NAMESPACE}}}Evidence":
        raise _Broken("It is no evidence of ours.")
    return root


def _said(root: etree._Element) -> tuple[str, str, str, str, int, str]:
    return (
        _text(root, "e:ERDSEventId").rpartition("/")[2],
        _text(root, "e:Extensions/e:DocumentIdentifier"),
        _text(root, "e:EvidenceRefersToRecipient", optional=True),
        _text(root, "e:EvidenceIdentifier"),
        int(_text(root, "e:TransactionLogInformation/e:Sequence")),
        _text(root, "e:TransactionLogInformation/e:Previous", optional=True),
    )


def _verify_signature(root: etree._Element) -> tuple[list[x509.Certificate], datetime]:
    """The certificates, the signer's first, and the signing time.  Raises ``_Broken``."""
    # 1. The signature is the root's last child and there is no other.
    signatures = list(root.iter(f"{{{DS}}}Signature"))
    if len(signatures) != 1 or signatures[0].getparent() is not root or root[-1] is not signatures[0]:
        raise _Broken("It does not carry exactly one signature in its place.")
    signature = signatures[0]
    info = _one(signature, "ds:SignedInfo")
    properties = _one(signature, "ds:Object/xades:QualifyingProperties/xades:SignedProperties")

    # 2. It covers the whole document and its own properties, by the transforms that we use and no others.
    if _algorithm(info, "ds:CanonicalizationMethod") != EXCLUSIVE:
        raise _Broken("SignedInfo is canonicalised in another way.")
    references = info.findall("ds:Reference", _NAMES)
    if len(references) != 2:
        raise _Broken("It does not sign exactly two things.")
    over_document, over_properties = references
    if over_document.get("URI") != "" or _transforms(over_document) != [ENVELOPED, EXCLUSIVE]:
        raise _Broken("It does not sign the whole document.")
    if (
        over_properties.get("Type") != SIGNED_PROPERTIES_TYPE
        or over_properties.get("URI") != f"#{properties.get('Id')}"
        or _transforms(over_properties) != [EXCLUSIVE]
    ):
        raise _Broken("It does not sign its properties.")

    # 3. Both digests hold.
    document = deepcopy(root)
    document.remove(document[-1])
    _compare_digest(over_document, _canonical(document))
    _compare_digest(over_properties, _canonical(properties))

    # 4. The signing certificate is the one that the signed properties name.
    data = _one(signature, "ds:KeyInfo/ds:X509Data")
    certificates = [
        x509.load_der_x509_certificate(b64decode(element.text or "", validate=True))
        for element in data.findall("ds:X509Certificate", _NAMES)[:_LONGEST_CHAIN]
    ]
    if not certificates:
        raise _Broken("It carries no certificate.")
    named = _one(
        properties, "xades:SignedSignatureProperties/xades:SigningCertificateV2/xades:Cert/xades:CertDigest"
    )
    _compare_digest(named, certificates[0].public_bytes(Encoding.DER))

    # 5. The signature value is that certificate's.
    scheme = _SCHEMES.get(_algorithm(info, "ds:SignatureMethod"))
    public = certificates[0].public_key()
    if scheme is None or not isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _Broken("It is signed by a method that we do not know.")
    if isinstance(public, ec.EllipticCurvePublicKey) != (scheme.mechanism is Mechanism.ECDSA):
        raise _Broken("Its method and its certificate do not go together.")
    value = b64decode(_text(signature, "ds:SignatureValue"), validate=True)
    if not scheme.verifies(public, _as_der(public, value), _canonical(info)):
        raise _Broken("The signature value is wrong.")
    signed_at = datetime.fromisoformat(_text(properties, "xades:SignedSignatureProperties/xades:SigningTime"))
    if signed_at.tzinfo is None:
        raise _Broken("The signing time has no time zone.")
    return certificates, signed_at


def _leads_to_root(
    certificates: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime
) -> bool:
    """Whether the first certificate leads to one of *roots*, every one on the way valid at *at*."""
    here = certificates[0]
    for depth in range(_LONGEST_CHAIN):
        if not here.not_valid_before_utc <= at <= here.not_valid_after_utc:
            return False
        if here in roots:
            return True
        above = next((c for c in (*roots, *certificates[1:]) if c != here and _issued(c, here, depth)), None)
        if above is None:
            return False
        here = above
    return False


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
        raise _Broken("A digest is of a kind that we do not use.")
    stated = b64decode(_text(holder, "ds:DigestValue"), validate=True)
    if not hmac.compare_digest(stated, sha256(data).digest()):
        raise _Broken("It was changed after it was signed.")


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _transforms(reference: etree._Element) -> list[str | None]:
    return [t.get("Algorithm") for t in reference.findall("ds:Transforms/ds:Transform", _NAMES)]


def _algorithm(parent: etree._Element, path: str) -> str:
    return _one(parent, path).get("Algorithm") or ""


def _text(parent: etree._Element, path: str, *, optional: bool = False) -> str:
    if optional and parent.find(path, _NAMES) is None:
        return ""
    return _one(parent, path).text or ""


def _one(parent: etree._Element, path: str) -> etree._Element:
    found = parent.findall(path, _NAMES)
    if len(found) != 1:
        raise _Broken(f"It has {len(found)} {path.rpartition(':')[2]}.")
    return found[0]


def _as_der(public: PublicKey, value: bytes) -> bytes:
    if not isinstance(public, ec.EllipticCurvePublicKey):
        return value
    half = len(value) // 2
    return encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))


def _sentence(exc: Exception) -> str:
    return str(exc) if isinstance(exc, _Broken) else f"It cannot be read ({type(exc).__name__})."
