"""A leader signs: PAdES B-B with a visible hand, before any seal.

spec: NĐ 30/2020 Annex I, Part I, II.7.d - a picture of the hand's signature, blue, transparent, between
position and full name.  The key stays loaded: pyHanko's own signer checks it anew at every signature (40 ms).
"""

from __future__ import annotations

import asyncio
import io
import math
import zlib

from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # it has no types
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, Signer
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from demo.pdf import Box, Typeset
from demo.pki import Certified

_RESERVED = 12288  # bytes for the signature: no dry run is needed to learn its size


class Leader:
    """A person who signs documents of an agency."""

    def __init__(self, certified: Certified, name: str) -> None:
        self._signer = _KeptKey(certified)
        self._name = name

    def sign(self, paper: Typeset) -> bytes:
        """The signed PDF (about 15 ms).  Must not be called on an event loop."""
        return asyncio.run(self._sign(paper))

    async def _sign(self, paper: Typeset) -> bytes:
        writer = IncrementalPdfFileWriter(io.BytesIO(paper.pdf))
        box = paper.hand
        signer = PdfSigner(
            PdfSignatureMetadata(
                field_name="ChuKyLanhDao",
                md_algorithm="sha256",
                subfilter=SigSeedSubFilter.PADES,
                name=self._name,
            ),
            signer=self._signer,
            stamp_style=StaticStampStyle(
                border_width=0, background=_hand(self._name, box), background_opacity=1.0
            ),
            new_field_spec=SigFieldSpec(
                "ChuKyLanhDao", on_page=box.page, box=(box.x1, box.y1, box.x2, box.y2)
            ),
        )
        signed = await signer.async_sign_pdf(writer, bytes_reserved=_RESERVED)
        return bytes(signed.getbuffer())


class _KeptKey(Signer):
    """An RSA key that stays loaded."""

    def __init__(self, certified: Certified) -> None:
        certificate = asn1_x509.Certificate.load(certified.certificate.public_bytes(Encoding.DER))
        registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # pyHanko's
        super().__init__(signing_cert=certificate, cert_registry=registry)
        self._key = certified.key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        if dry_run:
            return bytes(self._key.key_size // 8)
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _hand(name: str, box: Box) -> RawContent:
    """Strokes of a pen in blue, different for each name and the same for the same name."""
    width, height = box.x2 - box.x1, box.y2 - box.y1
    seed = zlib.crc32(name.encode())
    loops = 4 + seed % 3
    strokes = [f"0.05 0.15 0.62 RG 1.5 w 1 J 1 j {0.1 * width:.1f} {0.35 * height:.1f} m"]
    x, step = 0.1 * width, 0.62 * width / loops
    for index in range(loops):
        lift = height * (0.25 + 0.6 * abs(math.sin(seed % 97 + index * 1.7)))
        sink = height * (0.25 - 0.2 * abs(math.cos(seed % 89 + index * 2.3)))
        strokes.append(
            f"{x + 0.9 * step:.1f} {lift:.1f} {x - 0.35 * step:.1f} {lift:.1f} {x + 0.4 * step:.1f} {sink:.1f} c "
            f"{x + 0.7 * step:.1f} {sink:.1f} {x + step:.1f} {0.3 * height:.1f} {x + step:.1f} {0.4 * height:.1f} c"
        )
        x += step
    strokes.append(
        f"{x + 8:.1f} {0.5 * height:.1f} {0.9 * width:.1f} {0.62 * height:.1f} {0.97 * width:.1f} {0.55 * height:.1f} c"
    )
    strokes.append(
        f"S 1 w {0.18 * width:.1f} {0.14 * height:.1f} m {0.4 * width:.1f} {0.05 * height:.1f} "
        f"{0.7 * width:.1f} {0.1 * height:.1f} {0.92 * width:.1f} {0.24 * height:.1f} c S"
    )
    return RawContent("\n".join(strokes).encode("ascii"), box=BoxConstraints(width=width, height=height))
