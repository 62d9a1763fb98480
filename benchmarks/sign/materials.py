"""What everybody signs, and with what: the same files and the same key for all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks.papers import PDF_BYTES, page
from benchmarks.sign.pki import Authority, Holder

LARGE_BYTES = 6_400_000
HUGE_BYTES = 100_000_001
ORGAN = "000.00.13.H53"
PDF_NAME = "in.pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """The files of one run, in a folder and in memory."""

    folder: Path
    authority: Authority
    holder: Holder
    pdf: bytes = field(repr=False)
    pdf_6mb: bytes = field(repr=False)

    @property
    def pdf_file(self) -> Path:
        """The PDF of 234 KB."""
        return self.folder / PDF_NAME

    @property
    def key_file(self) -> Path:
        """The seal's key with its certificates, as PKCS#12 under ``pki.PASSPHRASE``."""
        return self.folder / "keys" / f"{ORGAN}.p12"

    @property
    def trust(self) -> Path:
        """The folder with the root."""
        return self.folder / "trust"


def make(folder: Path) -> Materials:
    """New keys, and files that nothing compresses, in *folder*."""
    authority = Authority.make()
    materials = Materials(
        folder=folder,
        authority=authority,
        holder=authority.seal(ORGAN),
        pdf=page(1, PDF_BYTES).pdf,
        pdf_6mb=page(2, LARGE_BYTES).pdf,
    )
    materials.trust.mkdir(parents=True)
    materials.key_file.parent.mkdir()
    materials.pdf_file.write_bytes(materials.pdf)
    materials.key_file.write_bytes(materials.holder.p12())
    root = authority.root.certificate.public_bytes(Encoding.PEM)
    (materials.trust / "root.pem").write_bytes(root)
    return materials
