"""Files as honest producers write them, of which an over-careful judge would make attacks: valid and clean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from io import BytesIO

import pikepdf
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from tests.inspection.files import leader, made
from tests.pki import FIRST, LAST, NOW, rsa_key
from tests.signing.pdfs import a_pdf, signed
from tests.vectors.attacks import papers as p
from tests.vectors.attacks.revisions import (
    Style,
    changed,
    form_xobject,
    prepared,
    signed_by_hand,
    size_of,
    stream,
    text,
    updated,
    with_keys,
)

Maker = Callable[[], bytes]


@cache
def _clock() -> DummyTimeStamper:
    """A time-stamping authority that certifies itself."""
    key = rsa_key("time")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test time")])
    usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.TIME_STAMPING])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(FIRST)
        .not_valid_after(LAST)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return DummyTimeStamper(
        tsa_cert=asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)),
        tsa_key=asn1_keys.PrivateKeyInfo.load(
            key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        ),
        certs_to_embed=SimpleCertificateStore(),
        fixed_dt=NOW + timedelta(minutes=1),
    )


def stamped(pdf: bytes) -> bytes:
    """*pdf* with a document time-stamp, as pyHanko makes it."""
    return made(_stamp(pdf, _clock()))


async def _stamp(pdf: bytes, clock: DummyTimeStamper) -> bytes:
    stamper = signers.PdfTimeStamper(clock)
    output = await stamper.async_timestamp_pdf(IncrementalPdfFileWriter(BytesIO(pdf)), "sha256")
    return bytes(output.getbuffer())


def with_validation_data(
    pdf: bytes,
    *,
    style: Style = Style.TABLE,
    is_direct: bool = False,
    more: Mapping[str, bytes] | None = None,
) -> bytes:
    """*pdf* with certificates for later, and what the catalogue gets besides (*more*)."""
    new = size_of(pdf)
    certificates = [one.public_bytes(Encoding.DER) for one in leader().above]
    streams = {new + 1 + at: stream(one) for at, one in enumerate(certificates)}
    refs = b" ".join(b"%d 0 R" % number for number in streams)
    vri = b"/VRI << /%s << /Cert [%s] >> >>" % (b"A" * 40, refs)
    store = b"<< /Type /DSS /Certs [%s] %s >>" % (refs, vri)
    entry = store if is_direct else b"%d 0 R" % new
    with pikepdf.open(BytesIO(pdf)) as opened:
        root = opened.Root.objgen[0]
    objects = streams if is_direct else {new: store, **streams}
    return changed(pdf, {root: {"/DSS": entry, **(more or {})}}, objects, style=style)


def store_grows(style: Style) -> Maker:
    """The store of validation data is written anew with one more certificate, between two time-stamps."""

    def make() -> bytes:
        pdf = stamped(with_validation_data(p.approved(), style=style))
        number = int(_dss_of(pdf))
        new = size_of(pdf)
        body = with_keys(pdf, number, {})
        grown = body.replace(b"/Certs [", b"/Certs [%d 0 R " % new)
        assert grown != body
        certificate = p.agency().certificate.public_bytes(Encoding.DER)
        return stamped(updated(pdf, {number: grown, new: stream(certificate)}, style=style))

    return make


def _dss_of(pdf: bytes) -> int:
    with pikepdf.open(BytesIO(pdf)) as opened:
        return int(opened.Root["/DSS"].objgen[0])


def information_rewritten() -> bytes:
    """The title and the metadata are written anew, and the file gets another identifier."""
    pdf = updated(
        p.approved(),
        {
            p.INFO: b"<< /Title (Quyet dinh) /ModDate (D:20160304080000+07'00') /Producer (Another) >>",
            p.METADATA: stream(p.XMP.replace(b"/>", b"/> "), b"/Type /Metadata /Subtype /XML"),
        },
        trailer=b"/ID [<00112233445566778899aabbccddeeff> <ffeeddccbbaa99887766554433221100>]",
    )
    return signed_later(pdf)


def signed_later(pdf: bytes, field: str = "Seal") -> bytes:
    """*pdf* with one more signature by stock pyHanko."""
    return made(signed(pdf, p.agency(), field=field))


def empty_field_signed_later() -> bytes:
    """The leader signs a form in which the agency's field waits, visible on the page and empty."""
    field = (
        b"<< /FT /Sig /T (Seal) /Type /Annot /Subtype /Widget /Rect [300 100 450 180] /F 4 /P 3 0 R"
        b" /MK << /BC [1 0 0] >> >>"
    )
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Annots [6 0 R]"
        b" /Resources << /Font << /F1 5 0 R >> >> >>"
    )
    pdf = a_pdf(catalog=b"/AcroForm << /Fields [6 0 R] /SigFlags 1 >> ", extra={3: page, 6: field})
    return signed_later(made(signed(pdf, leader())))


def _seen(rect: tuple[int, int, int, int], field: str, pdf: bytes) -> bytes:
    """A signature with a picture at *rect*, by hand."""
    left, bottom, right, top = rect
    looks = form_xobject(text(field.encode(), x=4, y=4, size=9), right - left, top - bottom)
    number = size_of(pdf) + 2
    widget = b"/Rect [%d %d %d %d] /F 4 /AP << /N %d 0 R >>" % (*rect, number)
    return signed_by_hand(prepared(pdf, field=field, widget=widget, more={number: looks}), p.agency())


def picture_over_a_picture() -> bytes:
    """A seal lies over a third of the leader's picture, as the law wants it."""
    return _seen((260, 90, 350, 180), "Seal", _seen((320, 100, 450, 160), "Leader", a_pdf()))


def _saved(pdf: bytes, **how: object) -> bytes:
    with pikepdf.open(BytesIO(pdf)) as opened:
        out = BytesIO()
        opened.save(out, **how)  # type: ignore[arg-type]  # its options
        return out.getvalue()


def _signed_twice(pdf: bytes) -> bytes:
    return signed_later(made(signed(pdf, leader())))


def linearised() -> bytes:
    return _signed_twice(_saved(p.rich(), linearize=True))


def linearised_with_streams() -> bytes:
    how = {"linearize": True, "object_stream_mode": pikepdf.ObjectStreamMode.generate}
    return _signed_twice(_saved(p.rich(), **how))


def in_object_streams() -> bytes:
    return _signed_twice(_saved(p.rich(), object_stream_mode=pikepdf.ObjectStreamMode.generate))


def of_version_two() -> bytes:
    return _signed_twice(a_pdf().replace(b"%PDF-1.7", b"%PDF-2.0"))


def field_of_a_branch() -> bytes:
    """The second signature's field is called Agency.Seal: a branch of fields comes with it."""
    return signed_later(p.approved(), field="Agency.Seal")


def certified_and_approved(permission: MDPPerm) -> Maker:
    return lambda: signed_later(p.certified(permission))


def approved_and_certified_by_stamp() -> bytes:
    """Certified without permission for changes; validation data and a time-stamp come all the same."""
    return stamped(with_validation_data(p.certified(MDPPerm.NO_CHANGES)))


CLEAN: Mapping[str, Maker] = {
    "signed twice": p.approved_twice,
    "signed by hand": lambda: signed_by_hand(prepared(p.rich()), leader()),
    "signed twice by hand": lambda: signed_by_hand(prepared(p.approved()), p.agency()),
    "stamped": lambda: stamped(p.approved()),
    "stamped twice": lambda: stamped(stamped(p.approved())),
    "validation data, direct": lambda: stamped(with_validation_data(p.approved(), is_direct=True)),
    "validation data, in a table": lambda: stamped(with_validation_data(p.approved())),
    "validation data, in a stream": lambda: stamped(with_validation_data(p.approved(), style=Style.STREAM)),
    "validation data, packed": lambda: stamped(with_validation_data(p.approved(), style=Style.PACKED)),
    "validation data and no time-stamp": lambda: with_validation_data(p.approved()),
    "validation data grow, in a table": store_grows(Style.TABLE),
    "validation data grow, packed": store_grows(Style.PACKED),
    "extensions come": lambda: stamped(
        with_validation_data(
            p.approved(), more={"/Extensions": b"<< /ESIC << /BaseVersion /1.7 /ExtensionLevel 2 >> >>"}
        )
    ),
    "version raised": lambda: stamped(with_validation_data(p.approved(), more={"/Version": b"/2.0"})),
    "stamped, then signed": lambda: signed_later(stamped(with_validation_data(p.approved()))),
    "validation data between signatures": lambda: stamped(
        with_validation_data(signed_later(with_validation_data(p.approved())))
    ),
    "information rewritten": information_rewritten,
    "empty field signed later": empty_field_signed_later,
    "picture over a picture": picture_over_a_picture,
    "linearised": linearised,
    "linearised with streams": linearised_with_streams,
    "in object streams": in_object_streams,
    "of version two": of_version_two,
    "field of a branch": field_of_a_branch,
    "certified for forms, then approved": certified_and_approved(MDPPerm.FILL_FORMS),
    "certified for notes, then approved": certified_and_approved(MDPPerm.ANNOTATE),
    "certified for nothing, then stamped": approved_and_certified_by_stamp,
    "blanks behind the end": lambda: p.approved_twice() + b"\r\n \t\x00\n",
    "no line end before signing": lambda: _signed_twice(a_pdf(eol_at_end=False)),
    "ends of lines as on old systems": lambda: _signed_twice(a_pdf().replace(b"%%EOF\n", b"%%EOF\r")),
    "ends of lines as on others": lambda: _signed_twice(a_pdf().replace(b"%%EOF\n", b"%%EOF\r\n")),
    "edited before signing": lambda: made(signed(updated(a_pdf(), {4: stream(text(b"Better"))}), leader())),
}
"""Valid, and no warning."""
