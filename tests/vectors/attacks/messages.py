"""Signatures whose CMS message is odd: what it signs is not what it seems to.

Each is made from its parts and signed with a true key over the attributes as they stand, so that a judge who
only checks the signature value finds nothing.  They stand where the contents of a signature belong, in a
file whose byte range is in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha1, sha256

from asn1crypto import algos, cms, core, tsp, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding

from tests.inspection.files import leader
from tests.pki import Credential
from tests.signing.pdfs import a_pdf
from tests.vectors.attacks import papers
from tests.vectors.attacks.revisions import prepared, signed_by_hand

Attributes = dict[str, list[object]]
Message = Callable[[bytes], bytes]


def message(
    data: bytes,
    *,
    change: Callable[[Attributes], None] = lambda _: None,
    named: Credential | None = None,
    signer: Credential | None = None,
    digest: str = "sha256",
    content: bytes | None = None,
    kind: str = "data",
    holds: tuple[Credential, ...] | None = None,
) -> bytes:
    """A CMS message over *data*; *change* is made to its attributes before they are signed.

    *named* is who is said to have signed, *signer* whose key does; *holds* are whose certificates are in it.
    """
    named = named or leader()
    signer = signer or named
    certificate = _certificate(named)
    attributes: Attributes = {
        "content_type": [kind],
        "message_digest": [sha256(data).digest()],
        "signing_certificate_v2": [_names(certificate)],
    }
    change(attributes)
    signed = cms.CMSAttributes(
        [cms.CMSAttribute({"type": name, "values": values}) for name, values in attributes.items()]
    )
    value = signer.key.sign(signed.dump(), padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr,call-arg,arg-type]
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number",
                cms.IssuerAndSerialNumber(
                    {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
                ),
            ),
            "digest_algorithm": algos.DigestAlgorithm({"algorithm": digest}),
            "signed_attrs": signed,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"}),
            "signature": value,
        }
    )
    inside: dict[str, object] = {"content_type": kind}
    if content is not None:
        inside["content"] = core.OctetString(content)
    whole = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": digest})],
            "encap_content_info": inside,
            "certificates": [_certificate(one) for one in (holds if holds is not None else (named,))],
            "signer_infos": [info],
        }
    )
    dumped: bytes = cms.ContentInfo({"content_type": "signed_data", "content": whole}).dump()
    return dumped


def in_a_file(make: Message) -> Callable[[], bytes]:
    """A file that holds the message that *make* gives for its bytes."""
    return lambda: signed_by_hand(
        prepared(a_pdf(), entries=b"/SubFilter /ETSI.CAdES.detached"), leader(), cms=make
    )


def _certificate(credential: Credential) -> x509.Certificate:
    return x509.Certificate.load(credential.certificate.public_bytes(Encoding.DER))


def _names(certificate: x509.Certificate) -> tsp.SigningCertificateV2:
    return tsp.SigningCertificateV2(
        {"certs": [tsp.ESSCertIDv2({"cert_hash": sha256(certificate.dump()).digest()})]}
    )


def _without(name: str) -> Message:
    return lambda data: message(data, change=lambda attributes: attributes.pop(name) and None)


def _with(name: str, value: Callable[[bytes], list[object]]) -> Message:
    return lambda data: message(data, change=lambda attributes: attributes.update({name: value(data)}))


SOUND: Mapping[str, Callable[[], bytes]] = {"as it should be": in_a_file(message)}
"""What the others are compared with: valid."""

ODD: Mapping[str, Callable[[], bytes]] = {
    name: in_a_file(make)
    for name, make in {
        "no digest of the file": _without("message_digest"),
        "no kind of content": _without("content_type"),
        "a digest of nothing": _with("message_digest", lambda _: [sha256(b"").digest()]),
        "an empty digest": _with("message_digest", lambda _: [b""]),
        "no value for the digest": _with("message_digest", lambda _: []),
        "two digests, the true one first": _with(
            "message_digest", lambda data: [sha256(data).digest(), sha256(b"").digest()]
        ),
        "two digests, the true one last": _with(
            "message_digest", lambda data: [sha256(b"").digest(), sha256(data).digest()]
        ),
        "another kind of content": _with("content_type", lambda _: ["signed_data"]),
        "the kind of a time-stamp": lambda data: message(data, kind="tst_info"),
        "a shorter digest": _with("message_digest", lambda data: [sha1(data).digest()]),
        "a digest by another name": lambda data: message(data, digest="sha1"),
        "a digest by a broken name": lambda data: message(data, digest="md5"),
        "another's certificate is meant": _with(
            "signing_certificate_v2", lambda _: [_names(_certificate(papers.agency()))]
        ),
        "another signed": lambda data: message(data, signer=papers.agency()),
        "another's certificate is in it": lambda data: message(data, holds=(papers.agency(),)),
        "no certificate is in it": lambda data: message(data, holds=()),
        "it brings the content with it": lambda data: message(data, content=data),
        "it brings no content with it": lambda data: message(data, content=b""),
        "it brings another content": lambda data: message(data, content=b"%PDF-1.7"),
    }.items()
}
"""Never valid."""
