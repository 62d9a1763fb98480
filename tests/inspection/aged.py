"""Signatures that live on: stamped, given validation data, stamped again; each at the instant that it is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from asn1crypto import cms, core
from asn1crypto import crl as asn1_crl
from asn1crypto import keys as asn1_keys
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import pdf as asn1_pdf
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator.registry import SimpleCertificateStore

from tests.inspection.files import made
from tests.pki import Credential
from tests.signing.pdfs import a_pdf


def sign(
    signer: Credential,
    *,
    stamp: tuple[Credential, datetime] | None = None,
    pdf: bytes | None = None,
    field: str = "Leader",
    archived: tuple[Sequence[bytes], Sequence[bytes]] | None = None,
    reserved: int = 32768,
) -> bytes:
    """*pdf* signed by *signer*, time-stamped by a stamper at an instant; *archived* CRLs and OCSP answers stand
    in a signed attribute; *reserved* hex digits are kept for it."""
    return made(_signed(signer, stamp, pdf or a_pdf(), field, archived, reserved))


def enclose(
    pdf: bytes,
    *,
    crls: Sequence[bytes] = (),
    ocsps: Sequence[bytes] = (),
    certificates: Sequence[Credential] = (),
) -> bytes:
    """*pdf* with a DSS in a revision of its own."""
    output = BytesIO(pdf)
    DocumentSecurityStore.add_dss(
        output,
        None,
        certs=[_asn1(one) for one in certificates],
        crls=[asn1_crl.CertificateList.load(der) for der in crls],
        ocsps=[asn1_ocsp.OCSPResponse.load(der) for der in ocsps],
        force_write=True,
    )
    return output.getvalue()


def stamp(pdf: bytes, stamper: Credential, at: datetime, *, field: str = "Stamp") -> bytes:
    """*pdf* with a document time-stamp."""
    return made(_stamped(pdf, _stamper(stamper, at), field))


def with_cms(pdf: bytes, change: Callable[[cms.SignedData], None]) -> bytes:
    """*pdf* with what is not signed in its last CMS object changed."""
    start = pdf.rindex(b"/Contents <") + len(b"/Contents <")
    end = pdf.index(b">", start)
    outer = cms.ContentInfo.load(bytes.fromhex(pdf[start:end].decode()))
    change(outer["content"])
    fresh = outer.dump(force=True).hex().encode()
    assert len(fresh) <= end - start
    return pdf[:start] + fresh.ljust(end - start, b"0") + pdf[end:]


def carry(crls: Sequence[bytes] = (), ocsps: Sequence[bytes] = ()) -> Callable[[cms.SignedData], None]:
    """Put CRLs and OCSP answers beside the certificates of a CMS object."""

    def change(signed: cms.SignedData) -> None:
        choices = [cms.RevocationInfoChoice("crl", asn1_crl.CertificateList.load(der)) for der in crls]
        choices += [
            cms.RevocationInfoChoice(
                "other",
                {
                    "other_rev_info_format": "ocsp_response",
                    "other_rev_info": core.Any(asn1_ocsp.OCSPResponse.load(der)),
                },
            )
            for der in ocsps
        ]
        signed["crls"] = choices

    return change


def exchange(new: Credential) -> Callable[[cms.SignedData], None]:
    """Put another certificate in the place of the signer's."""

    def change(signed: cms.SignedData) -> None:
        others = [
            one for one in signed["certificates"] if one.chosen.serial_number != _asn1(new).serial_number
        ]
        signed["certificates"] = [cms.CertificateChoices("certificate", _asn1(new)), *others]

    return change


class _Archiving(signers.SimpleSigner):
    """Puts revocation data into the signed attributes, as Adobe's programs do."""

    archived: tuple[Sequence[bytes], Sequence[bytes]] | None = None

    async def signed_attrs(self, *given: Any, **more: Any) -> cms.CMSAttributes:
        if self.archived is not None:
            crls, ocsps = self.archived
            archival = asn1_pdf.RevocationInfoArchival(
                {
                    "crl": [asn1_crl.CertificateList.load(der) for der in crls],
                    "ocsp": [asn1_ocsp.OCSPResponse.load(der) for der in ocsps],
                }
            )
            settings = dataclasses.replace(more["attr_settings"], adobe_revinfo_attr=archival)
            more = {**more, "attr_settings": settings}
        return await super().signed_attrs(*given, **more)


async def _signed(
    signer: Credential,
    stamp: tuple[Credential, datetime] | None,
    pdf: bytes,
    field: str,
    archived: tuple[Sequence[bytes], Sequence[bytes]] | None,
    reserved: int,
) -> bytes:
    simple = _Archiving(signing_cert=_asn1(signer), signing_key=_key(signer), cert_registry=_above(signer))
    simple.archived = archived
    meta = signers.PdfSignatureMetadata(
        field_name=field,
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES
        if archived is None
        else fields.SigSeedSubFilter.ADOBE_PKCS7_DETACHED,
    )
    output = await signers.PdfSigner(
        meta,
        simple,
        timestamper=_stamper(*stamp) if stamp else None,
        new_field_spec=fields.SigFieldSpec(field),
    ).async_sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf)), bytes_reserved=reserved)
    return bytes(output.getbuffer())


async def _stamped(pdf: bytes, stamper: DummyTimeStamper, field: str) -> bytes:
    output = await signers.PdfTimeStamper(stamper, field_name=field).async_timestamp_pdf(
        IncrementalPdfFileWriter(BytesIO(pdf)), "sha256", bytes_reserved=16384
    )
    return bytes(output.getbuffer())


def _stamper(credential: Credential, at: datetime) -> DummyTimeStamper:
    return DummyTimeStamper(
        tsa_cert=_asn1(credential),
        tsa_key=_key(credential),
        certs_to_embed=_above(credential),
        fixed_dt=at,
    )


def _asn1(credential: Credential) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(credential.certificate.public_bytes(Encoding.DER))


def _key(credential: Credential) -> asn1_keys.PrivateKeyInfo:
    return asn1_keys.PrivateKeyInfo.load(
        credential.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    )


def _above(credential: Credential) -> SimpleCertificateStore:
    return SimpleCertificateStore.from_certs(
        [asn1_x509.Certificate.load(c.public_bytes(Encoding.DER)) for c in credential.above]
    )
