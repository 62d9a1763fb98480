"""What the bending begins with: files and values that lead into every part of the readers."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import sha1, sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from adapters.signing.pdf import Wish, prepare
from tests.fuzz import forge, tlv
from tests.fuzz.forge import hole, revision, sign
from tests.signing.pdfs import a_hybrid_pdf, a_pdf
from tests.vectors import make_pdfs as vectors
from tests.vectors.attacks import annotations, incremental, papers

FORM = b"/AcroForm << /Fields [20 0 R] /SigFlags 3 >>"
_NOWHERE = b"/Type /Annot /Subtype /Widget /Rect [0 0 0 0] /F 132"
FIELD = b"<< /FT /Sig /T (a) /V 21 0 R %s >>" % _NOWHERE


def ordinary() -> list[bytes]:
    """PDFs that nobody signed, such as offices send."""
    small = [
        maker() for name, maker in vectors.UNSIGNED.items() if "bomb" not in name and name != "encrypted"
    ]
    return [
        a_pdf(),
        a_pdf(filler=3000),
        a_pdf(eol_at_end=False),
        a_hybrid_pdf(),
        a_compressed_pdf(),
        vectors.revised(a_pdf(), {4: _stream(b"BT /F1 18 Tf 72 720 Td (Quyet dinh 518) Tj ET")}),
        a_pdf(catalog=b"/AcroForm 19 0 R", extra={19: b"<< /Fields [22 0 R] >>", 22: _text_field(b"x")}),
        vectors.deflate_bomb(1),
        vectors.deflate_bomb_in_hex(1),
        vectors.double_deflate_bomb(1),
        vectors.object_stream_bomb(1),
        vectors.nesting_bomb(300),
        vectors.nesting_bomb_in_the_form(300),
        *small,
    ]


def signed_ones() -> list[bytes]:
    """PDFs with signatures of every kind that the judge knows, and with what may follow them."""
    plain = {20: FIELD, 21: hole()}
    once = sign(a_pdf(catalog=FORM, extra=plain))
    found = [
        once,
        sign(a_pdf(catalog=FORM, extra=plain, eol_at_end=False), forge.clerk()),
        sign(a_pdf(catalog=FORM, extra=plain), is_stamped=True),
        sign(a_pdf(catalog=FORM, extra=plain), forge.stranger()),
        *(
            sign(a_pdf(catalog=FORM, extra={20: FIELD, 21: hole(kind)}))
            for kind in (b"adbe.pkcs7.detached", b"adbe.pkcs7.sha1", b"ETSI.RFC3161", b"adbe.x509.rsa_sha1")
        ),
        *(_certified(level) for level in (1, 2, 3)),
        _locked(b"/Action /All"),
        _locked(b"/Action /Include /Fields [(t)]"),
        _with_kids(),
        a_compressed_pdf(signed=True),
        vectors.hole_filled(once, 99),
        vectors.annotation_added(once),
        vectors.page_replaced(once),
        vectors.objects_appended(once),
        vectors.objects_appended_with_an_end(once),
        vectors.blanks_appended(once),
        revision(once, {22: _text_field(b"new")}),
    ]
    # long-term validation: the document's security store, then a time-stamp over it
    twice = _second_signature(once)
    stored = with_store(
        twice, {b"Certs": [forge.root().der], b"CRLs": [crl()], b"OCSPs": [ocsp_answer(is_good=True)]}
    )
    found += [twice, stored, _stamped(stored), _form_filled()]
    return found


def attacked() -> list[bytes]:
    """A paper with everything that a page may have, signed, and what attackers do to it afterwards."""
    paper = papers.rich()
    wish = Wish(signed_at=forge.NOW, digest="sha256", reserved=forge.ROOM, seed=b"")
    draft = prepare(paper, wish)
    # the attacks look for a field of that name
    name = draft.field_name.encode()
    update = bytes(draft.update).replace(b"(%s)" % name, b"(Leader)".ljust(len(name) + 2))
    first, after = draft.hole
    whole = paper + update
    cms = forge.cms_over(sha256(whole[:first] + whole[after:]).digest(), forge.leader())
    digits = cms.hex().encode().ljust(after - first - 2, b"0")
    signed = whole[: first + 1] + digits + whole[after - 1 :]
    attacks = (annotations.LAID_OVER, annotations.SNEAKY, incremental.EVERYTHING)
    return [signed, *(attack(signed) for kind in attacks for attack in kind.values())]


def cms_values() -> list[bytes]:
    """A selector (which of ``CMS_KINDS``), then a CMS that fits the template of that kind."""
    found = []
    for number, kind in enumerate(CMS_KINDS):
        covered = covered_by(cms_template(number))
        digest = sha1(covered).digest() if kind == b"adbe.pkcs7.sha1" else sha256(covered).digest()
        for signer in (forge.leader(), forge.clerk()) if kind != b"ETSI.RFC3161" else (forge.clock(),):
            for is_stamped in (False, True):
                der = forge.cms_over(digest, signer, kind=kind, is_stamped=is_stamped)
                found += [bytes((number,)) + der, bytes((number | 16,)) + der]
    return found


CMS_KINDS = (b"ETSI.CAdES.detached", b"adbe.pkcs7.detached", b"adbe.pkcs7.sha1", b"ETSI.RFC3161")
_TEMPLATES: dict[int, tuple[bytes, int, int]] = {}


def cms_template(number: int) -> tuple[bytes, int, int]:
    """A signed PDF of that kind, and where its Contents begin and end."""
    if number not in _TEMPLATES:
        pdf = sign(a_pdf(catalog=FORM, extra={20: FIELD, 21: hole(CMS_KINDS[number])}))
        start = pdf.index(b"/Contents <") + len(b"/Contents ")
        _TEMPLATES[number] = pdf, start, pdf.index(b">", start) + 1
    return _TEMPLATES[number]


def covered_by(template: tuple[bytes, int, int]) -> bytes:
    """What the byte range of *template* covers."""
    pdf, start, end = template
    return pdf[:start] + pdf[end:]


CERTIFICATE_USES = ("leaf", "other", "crl", "ocsp", "root", "pem", "stamp")


def certificate_values() -> list[bytes]:
    """A selector (which of ``CERTIFICATE_USES``), then the bytes."""
    return [bytes((CERTIFICATE_USES.index(use),)) + value for use, value in _certificate_values()]


def _certificate_values() -> Iterator[tuple[str, bytes]]:
    for signer in forge.everybody():
        yield "leaf", signer.der
        yield "stamp", signer.der
        yield "root", signer.certificate.public_bytes(Encoding.PEM)
        yield "root", signer.der
        yield "pem", signer.pem()
    yield "other", forge.root().der
    for revoked in ((), (forge.clerk().certificate.serial_number,)):
        yield "crl", crl(revoked)
        yield "ocsp", ocsp_answer(is_good=not revoked)


def crl(revoked: tuple[int, ...] = ()) -> bytes:
    """The root's list of *revoked* serial numbers."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(forge.root().certificate.subject)
        .last_update(forge.NOW - timedelta(days=1))
        .next_update(forge.NOW + timedelta(days=1))
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    for serial in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(serial)
        builder = builder.add_revoked_certificate(one.revocation_date(forge.NOW - timedelta(days=9)).build())
    key = forge.root().key
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def ocsp_answer(*, is_good: bool) -> bytes:
    """The root's answer about the clerk; signed anew, since the builder's signatures differ each time."""
    root = forge.root()
    answer = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=forge.clerk().certificate,
            issuer=root.certificate,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.GOOD if is_good else ocsp.OCSPCertStatus.REVOKED,
            this_update=forge.NOW - timedelta(days=1),
            next_update=forge.NOW + timedelta(days=1),
            revocation_time=None if is_good else forge.NOW - timedelta(days=9),
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, root.certificate)
        .sign(root.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    top = tlv.Node.parse(answer)
    octets = top.kids[1].kids[0].kids[1]
    basic = tlv.Node.parse(octets.content)
    produced = next(node for node in basic.kids[0].kids if node.tag == 0x18)
    produced.content = b"20160304000000Z"
    basic.kids[2].content = b"\0" + root.sign(basic.kids[0].encoded())
    octets.content = basic.encoded()
    return top.encoded()


def answered(answer: bytes) -> bytes:
    """The part of an OCSP answer that is signed."""
    return tlv.Node.parse(tlv.Node.parse(answer).kids[1].kids[0].kids[1].content).kids[0].encoded()


def signed_with(signer: forge.Signer, *, certificate: bytes | None = None) -> bytes:
    """A PDF signed by *signer* (a time-stamp by the clock), whose CMS carries *certificate* instead of its own."""
    number = 3 if signer is forge.clock() else 0
    template = pdf, start, end = cms_template(number)
    digest = sha256(covered_by(template)).digest()
    cms = forge.cms_over(digest, signer, kind=CMS_KINDS[number], certificate=certificate)
    digits = cms.hex().encode()[: end - start - 2].ljust(end - start - 2, b"0")
    return pdf[: start + 1] + digits + pdf[end - 1 :]


def a_compressed_pdf(*, signed: bool = False) -> bytes:
    """A page whose objects are in an object stream, behind a cross-reference stream."""
    packed = {
        1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % (FORM if signed else b""),
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        20: FIELD,
    }
    numbers = sorted(packed)
    offsets, content = [], b""
    for number in numbers:
        offsets.append(len(content))
        content += packed[number] + b"\n"
    head = b" ".join(b"%d %d" % pair for pair in zip(numbers, offsets, strict=True)) + b" "
    unfolded = zlib.compress(head + content)
    loose = {
        4: _stream(b"BT /F1 18 Tf 72 720 Td (Quyet dinh 517) Tj ET"),
        6: _stream(
            unfolded, b"/Type /ObjStm /N %d /First %d /Filter /FlateDecode" % (len(numbers), len(head))
        ),
    }
    if signed:
        loose[21] = hole()
    body, rows = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"), {0: b"\0\0\0\0\0\xff"}
    for number, text in loose.items():
        rows[number] = b"\1" + len(body).to_bytes(4, "big") + b"\0"
        body += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    for index, number in enumerate(numbers):
        rows[number] = b"\2" + (6).to_bytes(4, "big") + bytes((index,))
    start = len(body)
    rows[30] = b"\1" + start.to_bytes(4, "big") + b"\0"
    table = b"".join(rows.get(number, b"\0\0\0\0\0\0") for number in range(31))
    entries = b"/Type /XRef /Size 31 /W [1 4 1] /Root 1 0 R"
    body += b"30 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (_stream(table, entries), start)
    return sign(bytes(body)) if signed else bytes(body)


def _certified(level: int) -> bytes:
    reference = (
        b"/Reference [<< /Type /SigRef /TransformMethod /DocMDP"
        b" /TransformParams << /Type /TransformParams /V /1.2 /P %d >> >>]" % level
    )
    catalog = FORM + b" /Perms << /DocMDP 21 0 R >>"
    once = sign(a_pdf(catalog=catalog, extra={20: FIELD, 21: hole(entries=reference)}))
    return once if level == 1 else _second_signature(once)


def _locked(what: bytes) -> bytes:
    reference = (
        b"/Reference [<< /Type /SigRef /TransformMethod /FieldMDP"
        b" /TransformParams << /Type /TransformParams /V /1.2 %s >> >>]" % what
    )
    form = b"/AcroForm << /Fields [20 0 R 22 0 R] /SigFlags 3 >>"
    lock = b"/Lock << /Type /SigFieldLock %s >>" % what
    field = b"<< /FT /Sig /T (a) /V 21 0 R %s %s >>" % (lock, _NOWHERE)
    extra = {20: field, 21: hole(entries=reference), 22: _text_field(b"old")}
    return revision(sign(a_pdf(catalog=form, extra=extra)), {22: _text_field(b"new")})


def _with_kids() -> bytes:
    extra = {
        20: b"<< /FT /Sig /T (a) /Kids [23 0 R 24 0 R] >>",
        23: b"<< /T (b) /Parent 20 0 R /V 21 0 R %s >>" % _NOWHERE,
        24: b"<< /T (c) /Parent 20 0 R /V 25 0 R %s >>" % _NOWHERE,
        21: hole(),
        25: hole(b"adbe.pkcs7.detached"),
    }
    return sign(a_pdf(catalog=FORM, extra=extra))


def _second_signature(once: bytes, kind: bytes = b"ETSI.CAdES.detached", number: int = 40) -> bytes:
    fields = b" ".join(b"%d 0 R" % n for n in (20, *range(40, number + 1, 2)))
    at = once.rindex(b"1 0 obj\n<< /Type /Catalog")
    catalogue = once[at + 8 : once.index(b"\nendobj", at)]
    start = catalogue.index(b"/Fields [")
    catalogue = catalogue[:start] + b"/Fields [%s" % fields + catalogue[catalogue.index(b"]", start) :]
    field = b"<< /FT /Sig /T (s%d) /V %d 0 R %s >>" % (number, number + 1, _NOWHERE)
    added = {1: catalogue, number: field, number + 1: hole(kind)}
    return sign(revision(once, added), forge.clerk(), only_open=True)


def with_store(pdf: bytes, values: Mapping[bytes, Sequence[bytes]]) -> bytes:
    """*pdf* with a security store that holds *values* by their keys (``Certs``, ``CRLs``, ``OCSPs``)."""
    at = pdf.rindex(b"1 0 obj\n<< /Type /Catalog")
    catalogue = pdf[at + 8 : pdf.index(b"\nendobj", at)]
    streams: dict[int, bytes] = {}
    store = b""
    for key, contents in values.items():
        first = 30 + len(streams)
        streams |= {first + place: _stream(content) for place, content in enumerate(contents)}
        references = b" ".join(b"%d 0 R" % number for number in range(first, 30 + len(streams)))
        store += b" /%s [%s]" % (key, references)
    return revision(pdf, {1: catalogue[:-2] + b"/DSS <<%s >> >>" % store} | streams)


def _stamped(pdf: bytes) -> bytes:
    return _second_signature(pdf, b"ETSI.RFC3161", 42)


def _form_filled() -> bytes:
    form = b"/AcroForm << /Fields [20 0 R 22 0 R] /SigFlags 3 >>"
    once = sign(a_pdf(catalog=form, extra={20: FIELD, 21: hole(), 22: _text_field(b"old")}))
    return revision(once, {22: _text_field(b"new")})


def _text_field(value: bytes) -> bytes:
    return b"<< /FT /Tx /T (t) /V (%s) %s >>" % (value, _NOWHERE)


def _stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)
