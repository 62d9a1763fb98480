"""Bug 13, but for PKCS#11: files above 100,000,000 bytes, and a CMS that is larger than the room left for it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from adapters.signing.pdf import Wish, prepare
from tests.authority import Authority
from tests.pki import NOW, Credential
from tests.signing.pdfs import a_pdf, judgements
from tests.signing.test_seals import a_sealer, sealed_by

HUGE = 100_000_000


@pytest.mark.heavy_body("seals and judges 100 MB")
async def test_13_a_pdf_above_a_hundred_million_bytes_keeps_a_valid_signature__pyhanko_336(tmp_path: Path):
    pdf = pikepdf.Pdf.new()
    pdf.add_blank_page()
    pdf.Root.Attic = pdf.make_stream(bytes(HUGE))
    pdf.save(
        tmp_path / "huge.pdf", compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.none
    )
    original = (tmp_path / "huge.pdf").read_bytes()
    assert len(original) > HUGE, "the second range begins at a number of nine digits"
    sealed = await sealed_by(a_sealer(tmp_path / "keys"), original)
    assert sealed.startswith(original)
    (status,) = (await judgements(sealed)).values()
    assert status.bottom_line
    assert status.intact
    assert status.coverage.name == "ENTIRE_FILE"


def a_long_chain() -> Credential:
    """An agency under authorities whose certificates are larger than all that a seal takes besides."""
    above = Authority.root("The first of many")
    for number in range(8):
        more = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), bytes(3000))
        above = above.authority(f"Authority {number}", more=[(more, False)])
    return above.issue("An agency far below")


@pytest.mark.heavy_body("makes a chain of authorities")
async def test_13_a_cms_with_a_long_chain_has_room__pyhanko_515(tmp_path: Path):
    credential = a_long_chain()
    sealed = await sealed_by(a_sealer(tmp_path / "keys", credential), a_pdf())
    (signature,) = PdfFileReader(BytesIO(sealed)).embedded_regular_signatures
    assert len(signature.pkcs7_content) > 8 * 3000
    status = await async_validate_pdf_signature(
        signature,
        ValidationContext(trust_roots=[asn1_x509.Certificate.load(root_of(credential))], moment=NOW),
    )
    assert (status.intact, status.valid, status.trusted) == (True, True, True)


def root_of(credential: Credential) -> bytes:
    return credential.above[-1].public_bytes(Encoding.DER)


def test_13_a_cms_larger_than_the_room_reserved_spoils_no_file__pyhanko_515():
    wish = Wish(signed_at=NOW, digest="sha256", reserved=64, seed=b"seed", mark=None)
    draft = prepare(a_pdf(), wish)
    start, end = draft.hole
    assert draft.fill(bytes(64))[start:end] == b"<" + b"0" * 128 + b">"
    with pytest.raises(ValueError, match="digits for a hole"):
        draft.fill(bytes(65))
