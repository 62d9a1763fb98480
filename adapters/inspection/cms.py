"""What one CMS object proves by itself: who signed, over which digest, when, and whether the sum is right.

Nothing here asks whom to trust; that is ``trust``.  pyHanko checks the arithmetic
(``validate_sig_integrity``); around it stand the kinds it leaves out: the encapsulated digest of
``adbe.pkcs7.sha1``, plain ECDSA, and the question which algorithms are too weak or do not fit together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import algos, cms, core, parser, tsp, x509  # type: ignore[import-untyped]  # it has no stubs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pyhanko.sign.ades.report import AdESIndeterminate
from pyhanko.sign.general import CMSExtractionError, extract_certificate_info, extract_signer_info
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import (
    extract_self_reported_ts,
    get_signing_cert_attr,
    validate_sig_integrity,
)
from pyhanko.sign.validation.utils import DEFAULT_ALGORITHM_USAGE_POLICY
from pyhanko_certvalidator.errors import AlgorithmNotSupported
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
)

from adapters.inspection.authority import prepared
from adapters.inspection.authority.enclosed import Brought, brought_by

prepared.remember()

# spec: BSI TR-03111 §5.2.1.1 - the signature value is r || s, without any DER around it
_PLAIN_ECDSA: dict[str, type[hashes.SHA1 | hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "0.4.0.127.0.7.1.1.4.1.1": hashes.SHA1,
    "0.4.0.127.0.7.1.1.4.1.2": hashes.SHA224,
    "0.4.0.127.0.7.1.1.4.1.3": hashes.SHA256,
    "0.4.0.127.0.7.1.1.4.1.4": hashes.SHA384,
    "0.4.0.127.0.7.1.1.4.1.5": hashes.SHA512,
}
_DIGESTS = frozenset(
    {"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"}
)
_BROKEN_DIGESTS = frozenset({"md2", "md5"})
_WEAK_DIGESTS = frozenset({"sha1"})
_MIN_RSA_BITS = 1024
_SIGNED_DATA = cms.ContentType("signed_data").dump()
_MAX_STAMPS = 8


class Unsupported(Exception):
    """The object is of a kind that we cannot judge; the message says which."""

    sub_indication = "GENERIC"
    finding = "signature-unsupported"


class Unidentified(Unsupported):
    """No certificate is the one that the signer named."""

    sub_indication = "NO_SIGNING_CERTIFICATE_FOUND"
    finding = "signature-untrusted"


class Undecodable(Exception):
    """The bytes are no CMS signature at all."""

    sub_indication = "FORMAT_FAILURE"
    finding = "signature-unsupported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was proved.  ``failure`` is an AdES sub-indication of TOTAL-FAILED, empty where all holds;
    ``weakness`` names an algorithm that proves little today; ``is_hopeless`` one that never did."""

    signer: x509.Certificate
    others: tuple[x509.Certificate, ...]
    failure: str = ""
    weakness: str = ""
    is_hopeless: bool = False
    claimed_time: datetime | None = None
    token_time: datetime | None = None
    has_signing_certificate: bool = False
    stamps: tuple[Proof, ...] = ()
    brought: Brought = Brought()

    @property
    def is_intact(self) -> bool:
        """Digest and signature value are right."""
        return not self.failure


def load(contents: bytes) -> cms.SignedData:
    """The SignedData in the first DER object of *contents*.

    Zeros may follow, and do; some signers leave other bytes there, which say nothing.  But another signature
    may not: no digest covers it, and a judge that reads from the other end would believe that one.
    """
    try:
        outer = cms.ContentInfo.load(contents)
        if _SIGNED_DATA in contents[parser.peek(contents) :]:
            raise Undecodable("another signature stands behind it")
        if outer["content_type"].native != "signed_data":
            raise Undecodable("no SignedData")
        signed: cms.SignedData = outer["content"]
        if len(signed["signer_infos"]) != 1:
            raise Unsupported(f"{len(signed['signer_infos'])} signers in one signature")
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as exc:
        raise Undecodable("the bytes are no CMS object") from exc
    return signed


def digest_name(signed: cms.SignedData) -> str:
    """The algorithm by which the document's bytes were digested; raises ``Unsupported``."""
    content = signed["encap_content_info"]
    if content["content_type"].native == "tst_info":
        imprint = content["content"].parsed["message_imprint"]
        name = imprint["hash_algorithm"]["algorithm"].native
    else:
        name = signed["signer_infos"][0]["digest_algorithm"]["algorithm"].native
    return _known_digest(name)


def prove(signed: cms.SignedData, digest: bytes, *, is_sha1_content: bool = False) -> Proof:
    """Check *signed* against *digest*, the digest of the document's bytes by ``digest_name``.

    *is_sha1_content*: the digest itself is what was signed (``adbe.pkcs7.sha1``).
    """
    signer_info = extract_signer_info(signed)
    try:
        certificates = extract_certificate_info(signed)
    except CMSExtractionError as exc:
        raise Unidentified("the signer's certificate is not in the signature") from exc
    signer, others = certificates.signer_cert, tuple(certificates.other_certs)

    content = signed["encap_content_info"]
    kind = content["content_type"].native
    token_time = None
    failure = ""
    if kind == "tst_info":
        info: tsp.TSTInfo = content["content"].parsed
        token_time = info["gen_time"].native
        if info["message_imprint"]["hashed_message"].native != digest:
            failure = "HASH_FAILURE"
        digest = _digest_of(signer_info, bytes(content["content"]))
    elif is_sha1_content:
        # spec: ISO 32000-1 §12.8.3.3.1 - the SHA-1 of the byte range is the encapsulated content
        if bytes(content["content"]) != digest:
            failure = "HASH_FAILURE"
        digest = _digest_of(signer_info, bytes(content["content"]))
    elif not isinstance(content["content"], core.Void):
        failure = "FORMAT_FAILURE"  # a detached signature carries nothing
    checker = _Checker()
    try:
        is_intact, is_valid = validate_sig_integrity(signer_info, signer, kind, digest, sig_validator=checker)
        if not is_intact:
            failure = failure or "HASH_FAILURE"
        if checker.unsupported:
            raise Unsupported(checker.unsupported)
        if not is_valid:
            failure = failure or "SIG_CRYPTO_FAILURE"
    except SignatureValidationError as exc:
        why = exc.failure_message or "the signed attributes do not fit"
        # spec: EN 319 102-1 §5.2.3.4 - the digest in the signed attribute decides which certificate it is
        if exc.ades_subindication is AdESIndeterminate.NO_SIGNING_CERTIFICATE_FOUND:
            raise Unidentified(why) from exc
        raise Unsupported(why) from exc
    weakness, is_hopeless = _weakness(signer_info, signer)
    if kind == "tst_info" and not weakness:
        weakness, is_hopeless = _weak_imprint(info)
    signed_attributes = signer_info["signed_attrs"]
    return Proof(
        signer=signer,
        others=others,
        failure=failure,
        weakness=weakness,
        is_hopeless=is_hopeless,
        claimed_time=extract_self_reported_ts(signer_info),
        token_time=token_time,
        has_signing_certificate=not isinstance(signed_attributes, core.Void)
        and get_signing_cert_attr(signed_attributes) is not None,
        stamps=_stamps(signer_info),
        brought=brought_by(signed),
    )


def _stamps(signer_info: cms.SignerInfo) -> tuple[Proof, ...]:
    """The time-stamps over the signature value that we can read."""
    unsigned = signer_info["unsigned_attrs"]
    found: list[Proof] = []
    if isinstance(unsigned, core.Void):
        return ()
    for attribute in unsigned:
        if attribute["type"].native != "signature_time_stamp_token":
            continue
        for value in list(attribute["values"])[: _MAX_STAMPS - len(found)]:
            try:
                token = load(value.dump())
                if token["encap_content_info"]["content_type"].native != "tst_info":
                    continue
                digest = hashlib.new(digest_name(token), signer_info["signature"].native).digest()
                found.append(prove(token, digest))
            except (Unsupported, Undecodable, ValueError, TypeError, KeyError, AttributeError):
                continue
    return tuple(found)


class _Checker(DefaultSignatureValidator):
    """pyHanko's, and plain ECDSA; remembers when a failure was only a lack of support."""

    def __init__(self) -> None:
        self.unsupported = ""

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: algos.PublicKeyInfo,
        signature_algorithm: algos.SignedDigestAlgorithm,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        """Raise ``InvalidSignature`` where the value is wrong."""
        oid = signature_algorithm["algorithm"].dotted
        try:
            if oid in _PLAIN_ECDSA:
                _check_plain_ecdsa(signature, signed_data, public_key_info, _PLAIN_ECDSA[oid]())
                return
            super().validate_signature(signature, signed_data, public_key_info, signature_algorithm, context)
        except AlgorithmNotSupported as exc:
            self.unsupported = str(exc) or "the algorithm is not supported"
            raise
        except InvalidSignature:
            raise
        except Exception as exc:  # whatever a library makes of a hostile key
            self.unsupported = f"the algorithm or key is not supported ({type(exc).__name__})"
            raise InvalidSignature from exc


def _check_plain_ecdsa(
    signature: bytes,
    signed_data: bytes,
    public_key_info: algos.PublicKeyInfo,
    algorithm: hashes.HashAlgorithm,
) -> None:
    key = serialization.load_der_public_key(public_key_info.dump())
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(signature) % 2:
        raise InvalidSignature
    half = len(signature) // 2
    der = encode_dss_signature(
        int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    )
    key.verify(der, signed_data, ec.ECDSA(algorithm))


def _weakness(signer_info: cms.SignerInfo, signer: x509.Certificate) -> tuple[str, bool]:
    digest = str(signer_info["digest_algorithm"]["algorithm"].native)
    if digest in _BROKEN_DIGESTS:
        return f"digest {digest}", True
    algorithm = signer_info["signature_algorithm"]
    if algorithm["algorithm"].dotted not in _PLAIN_ECDSA:
        # spec: RFC 8933 §3, RFC 8419 §3 - one digest for the message and for the signature
        fits = DEFAULT_ALGORITHM_USAGE_POLICY.digest_combination_allowed(
            algorithm, algos.DigestAlgorithm({"algorithm": digest}), moment=None
        )
        if not fits:
            return f"{algorithm['algorithm'].native} with {digest}", True
    if digest in _WEAK_DIGESTS:
        return f"digest {digest}", False
    key = signer.public_key
    if key.algorithm in ("rsa", "rsassa_pss") and key.bit_size < _MIN_RSA_BITS:
        return f"RSA with {key.bit_size} bits", True
    return "", False


def _weak_imprint(info: tsp.TSTInfo) -> tuple[str, bool]:
    """What was stamped may be exchanged for another thing where its digest is weak."""
    digest = str(info["message_imprint"]["hash_algorithm"]["algorithm"].native)
    is_weak = digest in _WEAK_DIGESTS | _BROKEN_DIGESTS
    return f"time-stamp over {digest}" if is_weak else "", digest in _BROKEN_DIGESTS


def _digest_of(signer_info: cms.SignerInfo, content: bytes) -> bytes:
    return hashlib.new(_known_digest(signer_info["digest_algorithm"]["algorithm"].native), content).digest()


def _known_digest(name: object) -> str:
    # some Hungarian and Polish signers write the signature's algorithm where the digest's belongs
    if str(name) not in _DIGESTS:
        raise Unsupported(f"digest algorithm {str(name)[:60]}")
    return str(name)
