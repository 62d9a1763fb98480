"""pyHanko as its documentation shows it: ``SimpleSigner`` from PKCS#12, ``sign_pdf``; and files with its signatures to judge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO

from cryptography import x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from benchmarks.papers import PDF_BYTES, page
from benchmarks.sign.materials import Materials
from benchmarks.sign.pki import PASSPHRASE, Authority, Holder, as_asn1


def signing(materials: Materials) -> Callable[[], object]:
    """One signature of stock pyHanko over the 234 KB, key loaded as ``SimpleSigner`` loads it."""
    signer = signers.SimpleSigner.load_pkcs12(  # type: ignore[no-untyped-call]  # pyHanko's
        str(materials.key_file), passphrase=PASSPHRASE.encode()
    )
    if signer is None:
        raise ValueError(f"pyHanko cannot open {materials.key_file}")
    meta = signers.PdfSignatureMetadata(
        field_name="Signature1", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
    )

    def sign() -> bytes:
        writer = IncrementalPdfFileWriter(BytesIO(materials.pdf))
        signed = signers.sign_pdf(writer, meta, signer=signer)
        return bytes(signed.getbuffer())

    return sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Files to judge: *copies* that differ, of each kind."""

    one: tuple[bytes, ...] = field(repr=False)
    three: tuple[bytes, ...] = field(repr=False)
    b_lta: tuple[bytes, ...] = field(repr=False)


def papers(authority: Authority, copies: int = 4) -> Signed:
    """Signed files of 234 KB: one B-B signature; three of three signers; one B-LTA with its revocation lists."""
    signers_ = [authority.seal(f"Bench signer {number}") for number in range(3)]
    listed = authority.seal("Bench signer on a list", names_its_list=True)
    stamper = authority.time_stamping()
    bare = [page(100 + number, PDF_BYTES).pdf for number in range(copies)]
    three = bare
    for number, holder in enumerate(signers_):
        three = [asyncio.run(_signed(pdf, holder, f"Signer{number}")) for pdf in three]
    return Signed(
        one=tuple(asyncio.run(_signed(pdf, signers_[0], "Signer0")) for pdf in bare),
        three=tuple(three),
        b_lta=tuple(asyncio.run(_archived(pdf, listed, stamper, authority)) for pdf in bare),
    )


async def _signed(pdf: bytes, holder: Holder, field_name: str) -> bytes:
    meta = signers.PdfSignatureMetadata(
        field_name=field_name, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
    )
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    signed = await signers.async_sign_pdf(writer, meta, signer=_signer(holder), bytes_reserved=16384)
    return bytes(signed.getbuffer())


async def _archived(pdf: bytes, holder: Holder, stamper: Holder, authority: Authority) -> bytes:
    context = ValidationContext(
        trust_roots=[authority.root.asn1()],
        other_certs=[authority.issuing.asn1()],
        crls=authority.crls(),
        allow_fetching=False,
    )
    meta = signers.PdfSignatureMetadata(
        field_name="Signer0",
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        embed_validation_info=True,
        use_pades_lta=True,
        validation_context=context,
    )
    time_stamper = DummyTimeStamper(
        tsa_cert=stamper.asn1(),
        tsa_key=stamper.asn1_key(),
        certs_to_embed=_store(authority.issuing.certificate),
    )
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    signed = await signers.async_sign_pdf(writer, meta, signer=_signer(holder), timestamper=time_stamper)
    return bytes(signed.getbuffer())


def _signer(holder: Holder) -> signers.SimpleSigner:
    return signers.SimpleSigner(
        signing_cert=holder.asn1(), signing_key=holder.asn1_key(), cert_registry=_store(*holder.above)
    )


def _store(*certificates: x509.Certificate) -> SimpleCertificateStore:
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # pyHanko's
    store.register_multiple([as_asn1(one) for one in certificates])
    return store
