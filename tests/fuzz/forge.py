"""Keys, certificates, signatures and signed PDFs that come out the same in every run.

    pdf = sign(a_pdf(catalog=FORM, extra={20: FIELD, 21: hole()}))      # every hole gets its signature

A saved input is worth something only if tomorrow's run knows whose signatures stand in it.  So the keys
are derived from fixed numbers; they protect nothing.  A *hole* is a signature dictionary with room for
ByteRange and Contents; ``sign`` fills all holes of a file, each over the revision that ends behind it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from hashlib import new as new_hash
from hashlib import sha1, sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.fuzz import tlv

NOW = datetime(2016, 3, 4, 1, 0, tzinfo=UTC)
ROOM = 2200
"""Bytes of CMS that a hole has room for."""

_FIRST, _LAST = datetime(2010, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
_BYTE_RANGE = re.compile(rb"/ByteRange ?\[ *(\d+) +(\d+) +(\d+) +(\d+) *\]")
_CONTENTS = re.compile(rb"/Contents ?(<[0-9A-Fa-f]{1024,}>)")
_END = re.compile(rb"%%EOF[\r\n]*")

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_SHA256 = tlv.oid("2.16.840.1.101.3.4.2.1")
_SHA1 = tlv.oid("1.3.14.3.2.26")
_DATA = tlv.oid("1.2.840.113549.1.7.1")
_SIGNED_DATA = tlv.oid("1.2.840.113549.1.7.2")
_TST_INFO = tlv.oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = tlv.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = tlv.oid("1.2.840.113549.1.9.4")
_SIGNING_TIME = tlv.oid("1.2.840.113549.1.9.5")
_CERTIFICATE_V2 = tlv.oid("1.2.840.113549.1.9.16.2.47")
_STAMP_TOKEN = tlv.oid("1.2.840.113549.1.9.16.2.14")
_ECDSA_SHA256 = tlv.oid("1.2.840.10045.4.3.2")
_RSA_SHA256 = tlv.oid("1.2.840.113549.1.1.11")
_POLICY = tlv.oid("1.3.6.1.4.1.99999.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key, its certificate, and the certificates above it."""

    key: PrivateKey
    certificate: x509.Certificate
    above: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        """The certificate as it is hashed and embedded."""
        return self.certificate.public_bytes(Encoding.DER)

    def sign(self, message: bytes) -> bytes:
        """A signature that is the same each time."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    def pem(self) -> bytes:
        """Key and certificates in one PEM file."""
        private = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = (self.certificate, *self.above)
        return private + b"".join(one.public_bytes(Encoding.PEM) for one in chain)


# --- who signs --------------------------------------------------------------------------------------------


@cache
def root() -> Signer:
    """The authority that everybody's certificate leads to."""
    return _issued("Fuzz root", _curve_key(1), None, serial=1, is_authority=True)


@cache
def leader() -> Signer:
    """A person's key on P-256."""
    return _issued("Leader", _curve_key(2), root(), serial=2)


@cache
def clerk() -> Signer:
    """A person's RSA key; its certificate names places to ask about revocation."""
    return _issued("Clerk", _rsa_key(3), root(), serial=3, asks=True)


@cache
def clock() -> Signer:
    """A time-stamping authority."""
    return _issued("Clock", _curve_key(4), root(), serial=4, stamps=True)


@cache
def stranger() -> Signer:
    """A key whose certificate signed itself."""
    return _issued("Stranger", _curve_key(5), None, serial=5)


def everybody() -> tuple[Signer, ...]:
    """All whose signatures can be in a file."""
    return root(), leader(), clerk(), clock(), stranger()


def _curve_key(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(
        int.from_bytes(sha256(b"fuzz %d" % number).digest(), "big") >> 1, ec.SECP256R1()
    )


def _rsa_key(number: int) -> rsa.RSAPrivateKey:
    chance = random.Random(number)
    p, q = _prime(chance), _prime(chance)
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=d % (p - 1),
        dmq1=d % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(e, p * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _prime(chance: random.Random) -> int:
    while True:
        candidate = chance.getrandbits(512) | 3 << 510 | 1
        if candidate % 65537 != 1 and all(
            pow(base, candidate - 1, candidate) == 1 for base in (2, 3, 5, 7, 11)
        ):
            return candidate


def _issued(
    name: str,
    key: PrivateKey,
    issuer: Signer | None,
    *,
    serial: int,
    is_authority: bool = False,
    asks: bool = False,
    stamps: bool = False,
) -> Signer:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(_FIRST)
        .not_valid_after(_LAST)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if asks:
        place = x509.UniformResourceIdentifier("http://localhost/fuzz.crl")
        point = x509.DistributionPoint([place], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if stamps:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    signing = issuer.key if issuer else key
    if isinstance(signing, rsa.RSAPrivateKey):
        certificate = builder.sign(signing, hashes.SHA256())
    else:
        certificate = builder.sign(signing, hashes.SHA256(), ecdsa_deterministic=True)
    above = (issuer.certificate, *issuer.above) if issuer else ()
    return Signer(key=key, certificate=certificate, above=above)


# --- what they sign ---------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def cms_over(
    digest: bytes,
    signer: Signer,
    *,
    kind: bytes = b"",
    is_stamped: bool = False,
    certificate: bytes | None = None,
) -> bytes:
    """A CMS signature over bytes with that SHA-256.

    *kind* is the SubFilter: a time-stamp carries its TSTInfo, ``adbe.pkcs7.sha1`` the SHA-1 (given as
    *digest*).  *is_stamped* adds a time-stamp over the signature value.  *certificate* stands in the place
    of the signer's.
    """
    certificate = signer.der if certificate is None else certificate
    content_type, content = _DATA, b""
    if kind == b"ETSI.RFC3161":
        content_type, content = _TST_INFO, _tst_info(digest)
        digest = sha256(content).digest()
    elif kind == b"adbe.pkcs7.sha1":
        content, digest = digest, sha256(digest).digest()
    ess = tlv.seq(tlv.octets(sha256(certificate).digest()))
    attributes = sorted(
        (
            tlv.seq(_CONTENT_TYPE, tlv.wrap(0x31, content_type)),
            tlv.seq(_MESSAGE_DIGEST, tlv.wrap(0x31, tlv.octets(digest))),
            tlv.seq(_SIGNING_TIME, tlv.wrap(0x31, tlv.wrap(0x17, b"160304010000Z"))),
            tlv.seq(_CERTIFICATE_V2, tlv.wrap(0x31, tlv.seq(tlv.seq(ess)))),
        )
    )
    value = signer.sign(tlv.wrap(0x31, *attributes))
    issuer = signer.certificate.issuer.public_bytes()
    is_rsa = isinstance(signer.key, rsa.RSAPrivateKey)
    unsigned = b""
    if is_stamped:
        token = cms_over(sha256(value).digest(), clock(), kind=b"ETSI.RFC3161")
        unsigned = tlv.wrap(0xA1, tlv.seq(_STAMP_TOKEN, tlv.wrap(0x31, token)))
    info = tlv.seq(
        tlv.integer(1),
        tlv.seq(issuer, tlv.integer(signer.certificate.serial_number)),
        tlv.seq(_SHA256),
        tlv.wrap(0xA0, *attributes),
        tlv.seq(_RSA_SHA256, b"\x05\x00") if is_rsa else tlv.seq(_ECDSA_SHA256),
        tlv.octets(value),
        unsigned,
    )
    return tlv.seq(
        _SIGNED_DATA,
        tlv.wrap(
            0xA0,
            tlv.seq(
                tlv.integer(3 if content else 1),
                tlv.wrap(0x31, tlv.seq(_SHA256)),
                tlv.seq(content_type, tlv.wrap(0xA0, tlv.octets(content)) if content else b""),
                tlv.wrap(0xA0, certificate),
                tlv.wrap(0x31, info),
            ),
        ),
    )


def _tst_info(digest: bytes) -> bytes:
    return tlv.seq(
        tlv.integer(1),
        _POLICY,
        tlv.seq(tlv.seq(_SHA256), tlv.octets(digest)),
        tlv.integer(7),
        tlv.wrap(0x18, b"20160304010000Z"),
    )


# --- where they sign --------------------------------------------------------------------------------------


def hole(kind: bytes = b"ETSI.CAdES.detached", entries: bytes = b"") -> bytes:
    """A signature dictionary that waits for ``sign``."""
    return (
        b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /%s /M (D:20160304080000+07'00') %s"
        b" /ByteRange [0 0000000000 0000000000 0000000000] /Contents <%s> >>" % (kind, entries, b"00" * ROOM)
    )


def sign(
    pdf: bytes, signer: Signer | None = None, *, is_stamped: bool = False, only_open: bool = False
) -> bytes:
    """*pdf* with every hole filled, in the order in which they stand; *only_open*: those not filled yet."""
    at = 0
    while (ranges := _BYTE_RANGE.search(pdf, at)) is not None:
        at = ranges.end()
        near = _CONTENTS.search(pdf, max(0, ranges.start() - 8), at + 200)
        contents = near or _CONTENTS.search(pdf, at - 1, at + 2 * ROOM + 1000)
        end = _END.search(pdf, at)
        if contents is None or end is None or contents.start() > end.start():
            continue
        if only_open and contents[1].strip(b"<0>"):
            continue
        first, after = contents.span(1)
        width = ranges.end() - ranges.start()
        text = b"/ByteRange [0 %d %d %d]" % (first, after, end.end() - after)
        if len(text) > width:
            continue
        pdf = pdf[: ranges.start()] + text.ljust(width) + pdf[ranges.end() :]
        kind = _kind_near(pdf, ranges.start(), first)
        covered = pdf[:first] + pdf[after : end.end()]
        digest = sha1(covered).digest() if kind == b"adbe.pkcs7.sha1" else sha256(covered).digest()
        who = clock() if kind == b"ETSI.RFC3161" else signer or leader()
        digits = cms_over(digest, who, kind=kind, is_stamped=is_stamped).hex().encode()
        if len(digits) <= after - first - 2:
            pdf = pdf[: first + 1] + digits.ljust(after - first - 2, b"0") + pdf[after - 1 :]
    return pdf


def _kind_near(pdf: bytes, byte_range: int, contents: int) -> bytes:
    start = pdf.rfind(b"obj", 0, min(byte_range, contents))
    found = re.compile(rb"/SubFilter ?/([\w.]+)").search(pdf, max(start, 0), contents + 4 * ROOM)
    return found[1] if found else b""


# --- whether they really did ------------------------------------------------------------------------------


def true_ends(pdf: bytes) -> list[int]:
    """Where the byte ranges end that one of our keys has really signed; found without any PDF reader."""
    ends = []
    for ranges in _BYTE_RANGE.finditer(pdf):
        start, length, after, rest = (int(number) for number in ranges.groups())
        if start or not length < after <= len(pdf) or after + rest > len(pdf) or rest <= 0:
            continue
        gap = pdf[length:after]
        if not re.fullmatch(rb"<[0-9A-Fa-f\s\0]*>", gap):
            continue
        digits = re.sub(rb"[^0-9A-Fa-f]", b"", gap)
        cms = bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())
        if is_ours(cms, pdf[:length] + pdf[after : after + rest]):
            ends.append(after + rest)
    return ends


def is_ours(cms: bytes, covered: bytes) -> bool:
    """Whether *cms* is one of our keys' signature over *covered*."""
    try:
        attributes, value, content = _parts(cms)
        wanted = _message_digest(attributes)
    except (tlv.NoTlv, IndexError):
        # readers pass over much that is no DER: then it is enough that our very bytes stand in it
        return any(made in cms for made in _ours_over(covered))
    digests = {name: new_hash(name, covered).digest() for name in ("sha256", "sha1")}
    if content:
        is_over = content == digests["sha1"] or digests["sha256"] in content
        is_over = is_over and wanted == sha256(content).digest()
    else:
        is_over = wanted == digests["sha256"]
    return is_over and any(_verifies(signer, value, b"\x31" + attributes[1:]) for signer in everybody())


def _ours_over(covered: bytes) -> Iterator[bytes]:
    for signer in everybody():
        for kind in (b"", b"ETSI.RFC3161", b"adbe.pkcs7.sha1"):
            digest = sha1(covered).digest() if kind == b"adbe.pkcs7.sha1" else sha256(covered).digest()
            yield _parts(cms_over(digest, signer, kind=kind))[0]


def _parts(cms: bytes) -> tuple[bytes, bytes, bytes]:
    signed_data = tlv.Node.parse(cms).kids[1].kids[0]
    encapsulated = signed_data.kids[2]
    content = encapsulated.kids[1].kids[0].content if len(encapsulated.kids) > 1 else b""
    fields = signed_data.kids[-1].kids[0].kids
    return fields[3].encoded(), fields[5].content, content


def _message_digest(attributes: bytes) -> bytes:
    for attribute in tlv.Node.parse(attributes).kids:
        if attribute.kids[0].encoded() == _MESSAGE_DIGEST:
            return attribute.kids[1].kids[0].content
    return b""


def _verifies(signer: Signer, value: bytes, message: bytes) -> bool:
    public = signer.key.public_key()
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(value, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            public.verify(value, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


# --- files around it --------------------------------------------------------------------------------------


def revision(pdf: bytes, objects: Mapping[int, bytes], *, trailer: bytes = b"") -> bytes:
    """*pdf* with one more revision; found by its bytes alone, so *pdf* may be anything."""
    start = int(pdf.rpartition(b"startxref")[2].split()[0])
    size = max([int(n) for n in re.findall(rb"/Size (\d{1,7})", pdf)] + [number + 1 for number in objects])
    at = re.findall(rb"/Root (\d+ \d+ R)", pdf)
    body = bytearray(pdf if pdf.endswith(b"\n") else pdf + b"\n")
    table = b""
    for number, content in sorted(objects.items()):
        table += b"%d 1\n%010d 00000 n \n" % (number, len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    xref = len(body)
    body += (
        b"xref\n"
        + table
        + b"trailer\n<< /Size %d /Root %s /Prev %d %s >>\n"
        % (
            size,
            at[-1] if at else b"1 0 R",
            start,
            trailer,
        )
    )
    body += b"startxref\n%d\n%%%%EOF\n" % xref
    return bytes(body)
