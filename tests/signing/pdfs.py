"""PDFs made by hand, byte by byte, and signatures put on them by stock pyHanko."""

from __future__ import annotations

import zlib
from io import BytesIO

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, BoxConstraints, SimpleBoxLayoutRule
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from tests.pki import NOW, Credential, pki

Objects = dict[int, bytes]


def a_pdf(
    *, filler: int = 0, catalog: bytes = b"", extra: Objects | None = None, eol_at_end: bool = True
) -> bytes:
    """One page with a line of text; *filler* bytes of incompressible-looking stream besides."""
    objects = _page_objects(catalog) | (extra or {})
    if filler:
        noise = bytes(i * 2654435761 >> 11 & 0xFF for i in range(4096)) * (filler // 4096 + 1)
        objects[90] = _stream(noise[:filler])
    body, offsets = _body(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", objects)
    start = len(body)
    size = max(objects) + 1
    body += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        at = offsets.get(number)
        body += b"0000000000 00000 f \n" if at is None else b"%010d 00000 n \n" % at
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (size, start)
    return bytes(body) + (b"\n" if eol_at_end else b"")


def a_hybrid_pdf() -> bytes:
    """The page and its font are in an object stream that only ``/XRefStm`` leads to, as MS Word writes it."""
    objects = _page_objects(b"")
    hidden = {number: objects.pop(number) for number in (3, 5)}
    head, packed = b"", b""
    for number, content in hidden.items():
        head += b"%d %d " % (number, len(packed))
        packed += content + b" "
    objects[6] = _stream(
        zlib.compress(head + packed),
        b"/Type /ObjStm /N %d /First %d /Filter /FlateDecode" % (len(hidden), len(head)),
    )
    body, offsets = _body(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n", objects)
    # the cross-reference stream that knows the hidden objects
    stream_at = len(body)
    rows = b"".join(b"\x02" + (6).to_bytes(4, "big") + bytes((index,)) for index in range(len(hidden)))
    own = b"\x01" + stream_at.to_bytes(4, "big") + b"\x00"
    body += b"7 0 obj\n" + _stream(
        rows + own, b"/Type /XRef /Size 8 /W [1 4 1] /Index [3 1 5 1 7 1] /Root 1 0 R"
    )
    body += b"\nendobj\n"
    start = len(body)
    body += b"xref\n0 8\n0000000000 65535 f \n"
    for number in range(1, 8):
        at = stream_at if number == 7 else offsets.get(number)
        body += b"0000000000 65535 f \n" if at is None else b"%010d 00000 n \n" % at
    body += b"trailer\n<< /Size 8 /Root 1 0 R /XRefStm %d >>\nstartxref\n%d\n%%%%EOF\n" % (stream_at, start)
    return bytes(body)


async def signed(
    pdf: bytes,
    credential: Credential,
    *,
    field: str = "Leader",
    certify: fields.MDPPerm | None = None,
    lock: fields.FieldMDPSpec | None = None,
    box: tuple[float, float, float, float] | None = None,
    page: int = 0,
) -> bytes:
    """*pdf* with a signature by *credential*, as stock pyHanko makes it.

    *box*: where on *page*, in user space, the signer's picture is: a blue rectangle.
    """
    signer = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(credential.certificate.public_bytes(Encoding.DER)),
        signing_key=asn1_keys.PrivateKeyInfo.load(
            credential.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        ),
        cert_registry=SimpleCertificateStore.from_certs(
            [asn1_x509.Certificate.load(c.public_bytes(Encoding.DER)) for c in credential.above]
        ),
    )
    meta = signers.PdfSignatureMetadata(
        field_name=field,
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=certify is not None,
        docmdp_permissions=certify or fields.MDPPerm.FILL_FORMS,
    )
    spec = fields.SigFieldSpec(field, field_mdp_spec=lock, box=box, on_page=page)  # type: ignore[arg-type]  # floats will do
    style = None
    if box is not None:
        width, height = box[2] - box[0], box[3] - box[1]
        ink = RawContent(
            b"0 0 1 rg 0 0 %f %f re f" % (width, height), box=BoxConstraints(width=width, height=height)
        )
        whole = SimpleBoxLayoutRule(x_align=AxisAlignment.ALIGN_MID, y_align=AxisAlignment.ALIGN_MID)
        style = StaticStampStyle(
            border_width=0, background=ink, background_opacity=1.0, background_layout=whole
        )
    output = await signers.PdfSigner(meta, signer, new_field_spec=spec, stamp_style=style).async_sign_pdf(
        IncrementalPdfFileWriter(BytesIO(pdf)), bytes_reserved=16384
    )
    return bytes(output.getbuffer())


async def judgements(pdf: bytes) -> dict[str, PdfSignatureStatus]:
    """What pyHanko's validator says of each signature, with our test root trusted, at ``NOW``."""
    root = asn1_x509.Certificate.load(pki().root.public_bytes(Encoding.DER))
    reader = PdfFileReader(BytesIO(pdf), strict=False)
    found = {}
    for signature in reader.embedded_regular_signatures:
        context = ValidationContext(trust_roots=[root], moment=NOW, allow_fetching=False)
        found[signature.field_name] = await async_validate_pdf_signature(signature, context)
    return found


def _page_objects(catalog: bytes) -> Objects:
    text = b"BT /F1 18 Tf 72 720 Td (Quyet dinh 517) Tj ET"
    return {
        1: b"<< /Type /Catalog /Pages 2 0 R %s>>" % catalog,
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        4: _stream(text),
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }


def _stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)


def _body(header: bytes, objects: Objects) -> tuple[bytearray, dict[int, int]]:
    body, offsets = bytearray(header), {}
    for number, content in sorted(objects.items()):
        offsets[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    return body, offsets
