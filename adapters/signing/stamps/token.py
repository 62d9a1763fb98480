"""RFC 3161 requests, answers and tokens: what is asked, what is taken, and whether it holds."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1, sha256, sha384, sha512
from typing import Any

from asn1crypto import algos, cms, core, tsp  # type: ignore[import-untyped]  # it has no stubs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.signing.evidence_check import Standing
from adapters.signing.keys import Digest, Mechanism, Scheme
from adapters.signing.xades_check import path_to_root

LARGEST_TOKEN = 256 * 1024
_MOST_CERTIFICATES = 16
_HASHES = {"sha1": sha1, "sha256": sha256, "sha384": sha384, "sha512": sha512}
_SIGNED_WITH = {"sha256": Digest.SHA256, "sha384": Digest.SHA384, "sha512": Digest.SHA512}


class _Answer(core.Sequence):  # type: ignore[misc]  # asn1crypto is untyped
    """``TimeStampResp``: asn1crypto's own does not know that a refusal has no token."""

    _fields = [  # noqa: RUF012 - asn1crypto wants a list
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


class NotGranted(Exception):
    """The answer holds no token that can be kept; the text says why."""


def request(body: bytes, nonce: int) -> bytes:
    """A request for a token over the SHA-256 of *body*.  spec: RFC 3161 §2.4.1"""
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": sha256(body).digest()}
    asked = {"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True}
    return bytes(tsp.TimeStampReq(asked).dump())


def granted(answer: bytes, nonce: int) -> bytes:
    """The token in *answer*.  Raises ``NotGranted``.  spec: RFC 3161 §2.4.2"""
    if len(answer) > LARGEST_TOKEN:
        raise NotGranted("The answer is too large.")
    try:
        response = _Answer.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            raise NotGranted(f"The authority says: {status}.")
        token = response["time_stamp_token"]
        # spec: RFC 3161 §2.4.2 - the nonce must come back unchanged
        if _info(token)["nonce"].native != nonce:
            raise NotGranted("The nonce is another: this is the answer to somebody else.")
        return bytes(token.dump())
    except NotGranted:
        raise
    except Exception as exc:  # asn1crypto lets anything out of hostile bytes
        raise NotGranted(f"The answer cannot be read ({type(exc).__name__}).") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class StampCheck:
    """What a token is worth: ``at`` is the time that it proves, where it passed; ``UNKNOWN`` means that it holds,
    but by an authority (``signer``) whom nobody trusts here."""

    standing: Standing
    reason: str = ""
    at: datetime | None = None
    signer: str = ""


def check_token(body: bytes, token: bytes, roots: Sequence[x509.Certificate]) -> StampCheck:
    """Whether *token* proves the time of *body*.  Raises nothing, whatever it is."""
    if len(token) > LARGEST_TOKEN:
        return StampCheck(standing=Standing.FAILED, reason="The token is too large.")
    try:
        return _checked(body, token, roots)
    except NotGranted as exc:
        return StampCheck(standing=Standing.FAILED, reason=str(exc))
    except Exception as exc:  # asn1crypto lets anything out of hostile bytes
        why = f"The token cannot be read ({type(exc).__name__})."
        return StampCheck(standing=Standing.FAILED, reason=why)


def _checked(body: bytes, token: bytes, roots: Sequence[x509.Certificate]) -> StampCheck:
    content = cms.ContentInfo.load(token, strict=True)
    if content.dump(force=True) != token:
        raise NotGranted("The token is not written in the one way that DER allows.")
    # 1. It is over this body.
    info = _info(content)
    imprint = info["message_imprint"]
    if imprint["hash_algorithm"]["algorithm"].native != "sha256":
        raise NotGranted("The token is over another kind of digest.")
    if not hmac.compare_digest(imprint["hashed_message"].native, sha256(body).digest()):
        raise NotGranted("The token is over something else.")
    # 2. One signer signed just this content.
    data = content["content"]
    if len(data["signer_infos"]) != 1:
        raise NotGranted("The token has not exactly one signature.")
    signer = data["signer_infos"][0]
    attributes = {a["type"].native: a["values"] for a in signer["signed_attrs"]}
    named = signer["digest_algorithm"]["algorithm"].native
    digest = _HASHES[named](bytes(data["encap_content_info"]["content"])).digest()
    if named == "sha1" or attributes["content_type"][0].native != "tst_info":
        raise NotGranted("The token's signature is of a kind that we do not take.")
    if not hmac.compare_digest(attributes["message_digest"][0].native, digest):
        raise NotGranted("The token was changed after it was signed.")
    # 3. By the certificate that the signature itself names, which may do nothing but stamp.
    certificates = _certificates(data, signer)
    if not _is_named(certificates[0], attributes):
        raise NotGranted("The token was signed with another certificate than it names.")
    usage = certificates[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    # spec: RFC 3161 §2.3
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise NotGranted("The certificate is not one for time-stamps alone.")
    # spec: RFC 5652 §5.4 - what is signed are the attributes as a SET OF
    if not _verifies(certificates[0], signer, named):
        raise NotGranted("The token's signature value is wrong.")
    # 4. And that certificate leads to somebody whom we trust.
    at: datetime = info["gen_time"].native
    authority = certificates[0].subject.rfc4514_string()
    if not path_to_root(certificates, roots, at):
        why = "The authority's certificate leads to no trusted root."
        return StampCheck(standing=Standing.UNKNOWN, reason=why, signer=authority)
    return StampCheck(standing=Standing.PASSED, at=at, signer=authority)


def _info(content: Any) -> Any:
    data = content["content"]
    if content["content_type"].native != "signed_data":
        raise NotGranted("It is no token.")
    if data["encap_content_info"]["content_type"].native != "tst_info":
        raise NotGranted("It is no token.")
    return data["encap_content_info"]["content"].parsed


def _certificates(data: Any, signer: Any) -> list[x509.Certificate]:
    """The certificates of the token, the signer's first."""
    found = [c.chosen for c in data["certificates"]][:_MOST_CERTIFICATES]
    sid = signer["sid"].chosen
    own = [
        c
        for c in found
        if (
            (c.issuer, c.serial_number) == (sid["issuer"], sid["serial_number"].native)
            if isinstance(sid, cms.IssuerAndSerialNumber)
            else c.key_identifier == sid.native
        )
    ]
    if not own:
        raise NotGranted("The token does not carry its signer's certificate.")
    ordered = [own[0], *(c for c in found if c is not own[0])]
    return [x509.load_der_x509_certificate(c.dump()) for c in ordered]


def _is_named(certificate: x509.Certificate, attributes: dict[str, Any]) -> bool:
    der = certificate.public_bytes(Encoding.DER)
    if "signing_certificate_v2" in attributes:
        one = attributes["signing_certificate_v2"][0]["certs"][0]
        made = _HASHES[one["hash_algorithm"]["algorithm"].native](der).digest()
    elif "signing_certificate" in attributes:
        one, made = attributes["signing_certificate"][0]["certs"][0], sha1(der).digest()
    else:
        return False
    return hmac.compare_digest(one["cert_hash"].native, made)


def _verifies(certificate: x509.Certificate, signer: Any, digest: str) -> bool:
    public = certificate.public_key()
    algorithm: algos.SignedDigestAlgorithm = signer["signature_algorithm"]
    kind = algorithm.signature_algo
    if isinstance(public, rsa.RSAPublicKey) and kind == "rsassa_pkcs1v15":
        mechanism = Mechanism.PKCS1
    elif isinstance(public, rsa.RSAPublicKey) and kind == "rsassa_pss":
        mechanism = Mechanism.PSS
    elif isinstance(public, ec.EllipticCurvePublicKey) and kind == "ecdsa":
        mechanism = Mechanism.ECDSA
    else:
        raise NotGranted("The token's signature is of a kind that we do not take.")
    scheme = Scheme(mechanism=mechanism, digest=_SIGNED_WITH[digest])
    if algorithm["algorithm"].native not in ("rsassa_pkcs1v15", "rsaes_pkcs1v15") and (
        algorithm.hash_algo != digest
    ):
        raise NotGranted("The token's signature is of a kind that we do not take.")
    try:
        return scheme.verifies(public, signer["signature"].native, signer["signed_attrs"].untag().dump())
    except UnsupportedAlgorithm:
        return False
