"""Draws the pictures of docs/seal.md: documents of the demo, sealed, and rendered by poppler.

    .venv/bin/python -m tools.seal_pictures

The documents are laid out by ``demo.pdf`` and signed by a leader of the demo; page shapes that it does not make
(turned, cropped) are made from them with pikepdf, before anybody signs.  Needs pdftoppm.
"""

from __future__ import annotations

import asyncio
import io
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pikepdf
from PIL import Image, ImageOps

from adapters.memory import FixedClock, MemoryDirectory, MemoryVault
from adapters.signing import KeyRing, Options, PadesSealer
from demo.leader import Leader
from demo.papers import ANSWER, DECISION
from demo.pdf import Fonts, Typeset, typeset
from demo.pki import LeaderAuthority
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.party import CodeValidity, Party
from gateway.model.payload import PayloadRef
from gateway.model.signature import SealKind, SealOrder

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
NOW = datetime(2026, 1, 15, 1, 30, tzinfo=UTC)
PROVINCE = PartyKey("000.00.00.H53")
DPI = 60
DETAIL_DPI = 120

Crop = tuple[float, float, float, float]
CLOSING = (0.0, 0.0, 1.0, 0.38)
"""The part of a last page that has something on it."""
OPENING = (0.0, 0.0, 1.0, 0.36)
BLEED = 40
"""Points of paper around a page that was printed to be cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A picture: which document, how its pages are altered, whether a leader signs, and how it is sealed."""

    name: str
    alter: Callable[[Typeset], Typeset] = lambda laid: laid
    is_signed: bool = True
    kind: SealKind = SealKind.MAIN
    page: int = 2
    dpi: int = DPI
    part: Crop = (0, 0, 1, 1)
    """Left, top, right and bottom of what is kept, of 1."""


def turned(laid: Typeset) -> Typeset:
    """The same pages, stored on their side and turned upright by /Rotate, as scanners do."""

    def turn(page: pikepdf.Page, pdf: pikepdf.Pdf) -> None:
        _, _, width, height = (float(edge) for edge in page.mediabox)
        # spec: ISO 32000-2 §7.7.3.3 - /Rotate turns clockwise; so the content is laid to the left first
        page.contents_add(pikepdf.Stream(pdf, b"q 0 1 -1 0 %f 0 cm" % height), prepend=True)
        page.contents_add(pikepdf.Stream(pdf, b"Q"))
        page.mediabox = pikepdf.Array([0, 0, height, width])
        page.Rotate = 90

    return _altered(laid, turn)


def cropped(laid: Typeset) -> Typeset:
    """The same pages on larger sheets whose margin is not shown; the origin lies outside the sheet."""

    def crop(page: pikepdf.Page, pdf: pikepdf.Pdf) -> None:
        _, _, width, height = (float(edge) for edge in page.mediabox)
        frame = b"q 0.6 g %d %d %f %f re f 1 g 0 0 %f %f re f Q" % (
            *(-BLEED, -BLEED, width + 2 * BLEED, height + 2 * BLEED),
            *(width, height),
        )
        page.contents_add(pikepdf.Stream(pdf, frame), prepend=True)
        page.mediabox = pikepdf.Array([-BLEED, -BLEED, width + BLEED, height + BLEED])
        page.cropbox = pikepdf.Array([0, 0, width, height])

    return _altered(laid, crop)


def narrow(laid: Typeset) -> Typeset:
    """Pages that are cut just left of where the signer signs."""

    def cut(page: pikepdf.Page, pdf: pikepdf.Pdf) -> None:
        _, _, width, height = (float(edge) for edge in page.mediabox)
        page.cropbox = pikepdf.Array([laid.hand.x1 - 20, 0, width, height])

    return _altered(laid, cut)


SAMPLES = (
    Sample(name="seal-main", part=CLOSING),
    Sample(name="seal-detail", dpi=DETAIL_DPI, part=(0.48, 0.15, 0.98, 0.33)),
    Sample(name="seal-wording", is_signed=False, part=CLOSING),
    Sample(name="seal-appendix", is_signed=False, kind=SealKind.APPENDIX, page=1, part=OPENING),
    Sample(name="seal-turned", alter=turned, is_signed=False, part=CLOSING),
    Sample(name="seal-cropped", alter=cropped, part=CLOSING),
    Sample(name="seal-no-room", alter=narrow, part=CLOSING),
)


async def main() -> None:
    """Draw them all."""
    fonts = Fonts.load()
    paper = replace(DECISION, code="15/2026/QĐ-UBND")
    with tempfile.TemporaryDirectory() as folder:
        sealer = _sealer(Path(folder))
        leader = Leader(
            LeaderAuthority.make().certify(paper.signer, "Ủy ban nhân dân tỉnh Tây Ninh"), paper.signer
        )
        for sample in SAMPLES:
            laid = sample.alter(typeset(ANSWER if sample.kind is SealKind.APPENDIX else paper, fonts))
            pdf = await asyncio.to_thread(leader.sign, laid) if sample.is_signed else laid.pdf
            order = SealOrder(party=PROVINCE, kind=sample.kind, signed_at=NOW, code="15/2026/QĐ-UBND")
            sealed = (await sealer.seal(PayloadRef.of(pdf), order)).payload.body
            assert sealed is not None
            await asyncio.to_thread(_keep, sample, sealed, Path(folder))


def _sealer(folder: Path) -> PadesSealer:
    clock = FixedClock(NOW)
    code = CodeValidity(code=OrganCode(PROVINCE))
    province = Party(key=PROVINCE, name="Ủy ban nhân dân tỉnh Tây Ninh", codes=(code,))
    ring = KeyRing(
        Options(keys=folder, organ=OrganCode(PROVINCE), name=province.name, development=True),
        directory=MemoryDirectory([province]),
        clock=clock,
    )
    return PadesSealer(ring, vault=MemoryVault(), clock=clock)


def _altered(laid: Typeset, alter: Callable[[pikepdf.Page, pikepdf.Pdf], None]) -> Typeset:
    with pikepdf.open(io.BytesIO(laid.pdf)) as pdf:
        for page in pdf.pages:
            alter(page, pdf)
        out = io.BytesIO()
        pdf.save(out, deterministic_id=True)
    return replace(laid, pdf=out.getvalue())


def _keep(sample: Sample, pdf: bytes, folder: Path) -> None:
    """Render the sample's page, with a grey line where the paper ends."""
    (folder / "sealed.pdf").write_bytes(pdf)
    command = ["pdftoppm", "-cropbox", "-r", str(sample.dpi), "-f", str(sample.page), "-l", str(sample.page)]
    done = subprocess.run([*command, "sealed.pdf"], cwd=folder, capture_output=True, check=True)
    image = Image.open(io.BytesIO(done.stdout)).convert("RGB")
    left, top, right, bottom = sample.part
    image = image.crop(
        (
            round(left * image.width),
            round(top * image.height),
            round(right * image.width),
            round(bottom * image.height),
        )
    )
    framed = ImageOps.expand(image, border=1, fill=(150, 150, 150))
    FOLDER.mkdir(exist_ok=True)
    framed.quantize(64).save(FOLDER / f"{sample.name}.png", optimize=True)
    print(f"docs/pictures/{sample.name}.png")


if __name__ == "__main__":
    asyncio.run(main())
