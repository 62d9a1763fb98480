"""Sealed pages, looked at: the seal where the law wants it, at its real size, upright, whatever the page's shape."""

from __future__ import annotations

import asyncio
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyhanko.sign.fields import MDPPerm

from adapters.inspection.judge import Options as JudgeOptions
from adapters.inspection.judge import judge
from adapters.memory import FixedClock, MemoryDirectory
from adapters.signing import KeyRing, LookOptions, Options, PadesSealer
from adapters.signing.visible.placement import Corner, Leaf, Place
from gateway.errors import Unavailable
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.signature import SealKind, SealOrder, Verdict
from tests.contract.test_sealer import Shelf
from tests.pki import NOW, ec_key, pki
from tests.signing.looks import BLUE, DPI, GREEN, RED, a_seal, an_empty_picture, look
from tests.signing.pdfs import a_pdf, judgements, signed

AGENCY = PartyKey("000.00.13.H53")
MAIN = SealOrder(party=AGENCY, kind=SealKind.MAIN, signed_at=NOW, code="15/2026/QĐ-UBND")
APPENDIX = SealOrder(party=AGENCY, kind=SealKind.APPENDIX, signed_at=NOW, code="15/2026/QĐ-UBND")
ACROSS_MM = 36.0
MM = 25.4 / 72


def a_sealer(folder: Path, *, png: bytes | None = None, **look_options: object) -> PadesSealer:
    """A sealer of an agency whose seal is *png* (by default red, 36 mm, with a green spot in its upper left)."""
    if not (folder / f"{AGENCY}.pem").exists():
        # P-256: an RSA key takes a tenth of a second to make
        agency = pki().agency(AGENCY, "Sở Thông tin và Truyền thông", key=ec_key("secp256r1"))
        agency.write_pem(folder / f"{AGENCY}.pem")
    (folder / f"{AGENCY}.seal.png").write_bytes(a_seal() if png is None else png)
    clock = FixedClock(NOW)
    options = Options(keys=folder, organ=OrganCode("000.00.00.H53"), name="Vanthu")
    ring = KeyRing(options, directory=MemoryDirectory(), clock=clock)
    return PadesSealer(ring, vault=Shelf(), clock=clock, look=LookOptions(**look_options))  # type: ignore[arg-type]


@pytest.fixture
def sealer(tmp_path: Path) -> PadesSealer:
    return a_sealer(tmp_path)


async def sealed_by(sealer: PadesSealer, pdf: bytes, order: SealOrder = MAIN) -> bytes:
    body = (await sealer.seal(PayloadRef.of(pdf), order)).payload.body
    assert body is not None
    return body


async def signed_by_leader(
    pdf: bytes,
    *,
    box: tuple[float, float, float, float],
    field: str = "Leader",
    certify: MDPPerm | None = None,
) -> bytes:
    """*pdf* with a leader's signature and its picture, a blue rectangle.  Beside the loop: it takes 0.1 s."""
    return await asyncio.to_thread(
        lambda: asyncio.run(signed(pdf, pki().leader(), box=box, field=field, certify=certify))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A page that is not like the others: entries of the page and of its parent, and a signer's place on it."""

    page: bytes = b"/MediaBox [0 0 595 842]"
    parent: bytes = b""
    hand: tuple[float, float, float, float] = (300, 200, 420, 260)
    width_mm: float | None = None

    def pdf(self) -> bytes:
        return a_pdf(
            extra={
                2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 %s >>" % self.parent,
                3: b"<< /Type /Page /Parent 2 0 R %s >>" % self.page,
            }
        )


SHAPES = {
    "A4": Shape(),
    "A4 turned by 90": Shape(page=b"/MediaBox [0 0 595 842] /Rotate 90", hand=(300, 400, 360, 520)),
    "A4 turned by 180": Shape(page=b"/MediaBox [0 0 595 842] /Rotate 180"),
    "A4 turned by 270": Shape(page=b"/MediaBox [0 0 595 842] /Rotate 270", hand=(300, 400, 360, 520)),
    "turned by -90": Shape(page=b"/MediaBox [0 0 595 842] /Rotate -90", hand=(300, 400, 360, 520)),
    "A5 across": Shape(page=b"/MediaBox [0 0 595 420]", hand=(300, 100, 420, 160)),
    "Letter": Shape(page=b"/MediaBox [0 0 612 792]"),
    "cropped": Shape(page=b"/MediaBox [0 0 700 900] /CropBox [50 60 645 842]"),
    "cropped beyond the paper": Shape(page=b"/MediaBox [0 0 595 842] /CropBox [-100 -100 800 900]"),
    "an origin in the middle": Shape(page=b"/MediaBox [-297 -421 298 421]", hand=(0, -200, 120, -140)),
    "corners the wrong way round": Shape(page=b"/MediaBox [595 842 0 0]"),
    "all inherited": Shape(
        page=b"",
        parent=b"/MediaBox [0 0 842 700] /CropBox [20 20 800 680] /Rotate 270",
        hand=(300, 300, 360, 420),
    ),
    "cropped, turned, off the origin": Shape(
        page=b"/MediaBox [-100 -200 600 800] /CropBox [-50 -150 545 692] /Rotate 90",
        hand=(200, 200, 260, 320),
    ),
    "units of two points": Shape(
        page=b"/MediaBox [0 0 297 421] /UserUnit 2", hand=(150, 100, 210, 130), width_mm=594 * MM
    ),
    "no MediaBox at all": Shape(page=b""),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_the_seal_is_upright_and_of_real_size_over_a_third_of_the_signers_picture_on_its_left(
    shape: Shape, sealer: PadesSealer, tmp_path: Path
) -> None:
    by_leader = await signed_by_leader(shape.pdf(), box=shape.hand)
    hand = (await look(by_leader, tmp_path, width_mm=shape.width_mm)).patch(BLUE)
    assert hand is not None

    sealed = await sealed_by(sealer, by_leader)

    seen = await look(sealed, tmp_path, width_mm=shape.width_mm)
    seal, spot = seen.patch(RED), seen.patch(GREEN)
    assert seal is not None
    assert spot is not None
    assert (seal.width, seal.height) == pytest.approx((ACROSS_MM, ACROSS_MM), abs=1)
    assert (seal.right - hand.left) / hand.width == pytest.approx(1 / 3, rel=0.1)
    assert seal.middle[1] == pytest.approx(hand.middle[1], abs=1)
    assert spot.middle[0] < seal.middle[0] - 3
    assert spot.middle[1] < seal.middle[1] - 3


async def test_the_signers_signature_stays_valid_under_the_seal(sealer: PadesSealer, tmp_path: Path) -> None:
    by_leader = await signed_by_leader(a_pdf(), box=(300, 200, 420, 260))

    sealed = await sealed_by(sealer, by_leader)

    assert all(found.bottom_line for found in (await judgements(sealed)).values())
    (tmp_path / "sealed.pdf").write_bytes(sealed)
    assert _told(tmp_path, "pdfsig", "sealed.pdf").count("Signature is Valid") == 2
    inspection = judge(sealed, JudgeOptions(trust=tmp_path, unsafe_accept_any_signer=True), name="sealed.pdf")
    assert inspection.verdict is Verdict.VALID, inspection.findings
    assert [str(found.severity) for found in inspection.findings] == ["info"] * len(inspection.findings)


@pytest.mark.parametrize("certify", [MDPPerm.FILL_FORMS, MDPPerm.ANNOTATE])
async def test_a_seal_on_a_certified_document_shows_nothing_and_the_certification_holds(
    sealer: PadesSealer, tmp_path: Path, certify: MDPPerm
) -> None:
    """Some judges, pyHanko among them, hold a new visible field against a certification."""
    certified = await signed_by_leader(a_pdf(), box=(300, 200, 420, 260), certify=certify)
    sealed = await sealed_by(sealer, certified)
    assert all(found.bottom_line for found in (await judgements(sealed)).values())
    assert (await look(sealed, tmp_path)).patch(RED) is None


async def test_of_several_signers_the_last_one_counts_and_seals_of_agencies_do_not(
    sealer: PadesSealer, tmp_path: Path
) -> None:
    pdf = await signed_by_leader(a_pdf(), field="Drafter", box=(100, 500, 160, 520))
    pdf = await signed_by_leader(pdf, field="Leader", box=(300, 200, 420, 260))
    once = await sealed_by(sealer, pdf)
    first = (await look(once, tmp_path)).patch(RED)

    twice = await sealed_by(sealer, once)

    assert first is not None
    assert first.right == pytest.approx(340 * MM, abs=1)
    assert (await look(twice, tmp_path)).patch(RED) == first


async def test_a_signers_picture_that_nobody_sees_leads_nowhere(sealer: PadesSealer, tmp_path: Path) -> None:
    """Outside the part of the page that is shown: the seal goes to its configured place."""
    shape = Shape(page=b"/MediaBox [0 0 1200 842] /CropBox [0 0 595 842]", hand=(700, 200, 820, 260))
    sealed = await sealed_by(sealer, await signed_by_leader(shape.pdf(), box=shape.hand))
    seal = (await look(sealed, tmp_path)).patch(RED)
    assert seal is not None
    assert seal.middle == pytest.approx((595 * MM - 85, 842 * MM - 60), abs=1)


async def test_a_seal_without_room_beside_the_picture_is_moved_inside_the_page(
    sealer: PadesSealer, tmp_path: Path
) -> None:
    sealed = await sealed_by(sealer, await signed_by_leader(a_pdf(), box=(20, 20, 80, 60)))
    seal = (await look(sealed, tmp_path)).patch(RED)
    assert seal is not None
    assert (seal.width, seal.height) == pytest.approx((ACROSS_MM, ACROSS_MM), abs=1)
    assert seal.left == pytest.approx(0, abs=0.5)
    assert seal.bottom == pytest.approx(842 * MM, abs=0.5)


@pytest.mark.parametrize("order", [MAIN, APPENDIX], ids=["main", "appendix"])
async def test_a_page_too_small_for_the_seal_is_sealed_all_the_same_and_shows_nothing(
    sealer: PadesSealer, tmp_path: Path, order: SealOrder
) -> None:
    small = Shape(page=b"/MediaBox [0 0 90 20]").pdf()
    before = (await look(small, tmp_path)).image
    sealed = await sealed_by(sealer, small, order)
    assert (await look(sealed, tmp_path)).image == before
    assert (await judgements(sealed))["VanThu-1"].bottom_line


@pytest.mark.parametrize(
    ("place", "page", "middle"),
    [
        (Place(), 2, (595 * MM - 85, 842 * MM - 60)),
        (Place(leaf=Leaf.FIRST, corner=Corner.TOP_LEFT, x_mm=40, y_mm=50), 1, (40, 50)),
        (Place(corner=Corner.TOP_RIGHT, x_mm=30, y_mm=30), 2, (595 * MM - 30, 30)),
    ],
    ids=["default", "first page", "top right"],
)
async def test_a_document_that_tells_nothing_is_sealed_at_the_configured_place(
    tmp_path: Path, place: Place, page: int, middle: tuple[float, float]
) -> None:
    two = a_pdf(
        extra={
            2: b"<< /Type /Pages /Kids [3 0 R 6 0 R] /Count 2 /MediaBox [0 0 595 842] >>",
            3: b"<< /Type /Page /Parent 2 0 R >>",
            6: b"<< /Type /Page /Parent 2 0 R >>",
        }
    )
    sealed = await sealed_by(a_sealer(tmp_path, place=place), two)
    seal = (await look(sealed, tmp_path, page=page)).patch(RED)
    assert seal is not None
    assert seal.middle == pytest.approx(middle, abs=1)
    assert (await look(sealed, tmp_path, page=3 - page)).patch(RED) is None


async def test_a_picture_says_its_size_by_its_resolution_else_the_configuration_does(tmp_path: Path) -> None:
    sizes = []
    for png in (a_seal(across_mm=30, dpi=300), a_seal(dpi=None), a_seal(margin=40)):
        sealed = await sealed_by(a_sealer(tmp_path, png=png, diameter_mm=42.0), a_pdf())
        seal = (await look(sealed, tmp_path)).patch(RED)
        assert seal is not None
        sizes.append(seal.width)
    # the ground around a seal is no part of it
    assert sizes == pytest.approx([30, 42, 36], abs=1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
async def test_every_way_in_which_a_png_is_transparent_is_understood(tmp_path: Path, mode: str) -> None:
    sealed = await sealed_by(
        a_sealer(tmp_path, png=a_seal(mode=mode)),
        await signed_by_leader(a_pdf(), box=(150, 150, 500, 300)),
    )
    # behind the transparent corner of the seal, the signer's picture is seen
    image = (await look(sealed, tmp_path)).image
    x, y = 155 / 72 * DPI, (842 - 295) / 72 * DPI
    assert image.getpixel((round(x), round(y))) == BLUE


@pytest.mark.parametrize(
    ("png", "told"),
    [
        (b"GIF89a", "no PNG"),
        (a_seal()[:-400], "a broken PNG"),
        (a_seal(mode="RGB"), "its ground is not transparent"),
        (an_empty_picture(), "nothing is on it"),
        (a_seal(across_mm=200, dpi=72), "no seal is of that size"),
        (b"\x89PNG" + bytes(4 * 1024 * 1024), "larger than"),
    ],
    ids=["no PNG", "cut", "opaque", "empty", "a poster", "too many bytes"],
)
async def test_a_picture_that_cannot_serve_is_told_and_the_document_waits(
    tmp_path: Path, png: bytes, told: str
) -> None:
    with pytest.raises(Unavailable) as caught:
        await sealed_by(a_sealer(tmp_path, png=png), a_pdf())
    assert caught.value.reason == "seal-picture-unusable"
    assert told in str(caught.value)
    assert f"{AGENCY}.seal.png" in str(caught.value)


async def test_a_picture_that_is_replaced_is_on_the_next_seal(sealer: PadesSealer, tmp_path: Path) -> None:
    await sealed_by(sealer, a_pdf())
    (tmp_path / f"{AGENCY}.seal.png").write_bytes(a_seal(across_mm=24))
    seal = (await look(await sealed_by(sealer, a_pdf()), tmp_path)).patch(RED)
    assert seal is not None
    assert seal.width == pytest.approx(24, abs=1)


async def test_a_party_without_a_picture_is_sealed_without(sealer: PadesSealer, tmp_path: Path) -> None:
    (tmp_path / f"{AGENCY}.seal.png").unlink()
    sealed = await sealed_by(sealer, a_pdf())
    assert (await look(sealed, tmp_path)).image == (await look(a_pdf(), tmp_path)).image
    assert (await judgements(sealed))["VanThu-1"].bottom_line


@pytest.mark.parametrize("order", [MAIN, APPENDIX], ids=["main", "appendix"])
async def test_seals_that_are_switched_off_show_nothing(tmp_path: Path, order: SealOrder) -> None:
    sealed = await sealed_by(a_sealer(tmp_path, visible=False), a_pdf(), order)
    assert (await look(sealed, tmp_path)).image == (await look(a_pdf(), tmp_path)).image


@pytest.mark.parametrize("order", [MAIN, APPENDIX], ids=["main", "appendix"])
async def test_what_is_shown_is_the_same_bytes_again_from_another_process_too(
    tmp_path: Path, order: SealOrder
) -> None:
    pdf = await signed_by_leader(a_pdf(), box=(300, 200, 420, 260))
    first = await sealed_by(a_sealer(tmp_path), pdf, order)
    assert await sealed_by(a_sealer(tmp_path), pdf, order) == first


# --- appendices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_an_appendix_shows_two_lines_at_the_top_right_and_no_picture(
    shape: Shape, sealer: PadesSealer, tmp_path: Path
) -> None:
    pdf = shape.pdf().replace(b"(Quyet dinh 517)", b"(               )")
    sealed = await sealed_by(sealer, pdf, APPENDIX)
    seen = await look(sealed, tmp_path, width_mm=shape.width_mm)
    ink = seen.patch((0, 0, 0))
    assert ink is not None
    assert seen.patch(RED) is None
    width_mm = seen.image.width * seen.mm
    assert width_mm - ink.right == pytest.approx(15, abs=1)
    assert 8 < ink.top < 11
    # two lines of 10 points: capitals of 6.6 points, 12 points from line to line
    assert ink.height == pytest.approx((12 + 7.5) * MM, abs=1)


async def test_the_text_of_an_appendix_is_the_number_and_vietnams_time_in_letters_that_can_be_searched(
    sealer: PadesSealer, tmp_path: Path
) -> None:
    (tmp_path / "a.pdf").write_bytes(await sealed_by(sealer, a_pdf(), APPENDIX))
    told = _told(tmp_path, "pdftotext", "-layout", "a.pdf", "-").split()
    assert "15/2026/QĐ-UBND" in told
    assert "2016-03-04T08:00:00+07:00" in told
    # spec: NĐ 30/2020 Annex I, Part I, II.8.b
    fonts = _told(tmp_path, "pdffonts", "a.pdf")
    assert re.search(r"VANTHU\+LiberationSerif +CID TrueType +Identity-H +yes yes yes", fonts), fonts


async def test_an_appendix_is_set_in_ten_points_with_the_measures_of_times_new_roman(
    sealer: PadesSealer, tmp_path: Path
) -> None:
    (tmp_path / "a.pdf").write_bytes(await sealed_by(sealer, a_pdf(), APPENDIX))
    boxes = _told(tmp_path, "pdftotext", "-bbox", "a.pdf", "-")
    found = re.search(r'xMin="([\d.]+)" yMin="[\d.]+" xMax="([\d.]+)" yMax="[\d.]+">15/2026/QĐ-UBND<', boxes)
    assert found is not None, boxes
    # Times New Roman: a digit is 0.5 em, / 0.278, - 0.333, Q Đ U N D 0.722, B 0.667
    expected = 10 * (6 * 0.5 + 2 * 0.278 + 0.333 + 5 * 0.722 + 0.667)
    assert float(found[2]) - float(found[1]) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("code", ["7/ỦBND-ấỡặ", "12/QĐ", "1/A–B №3", "漢/1"])
async def test_letters_beyond_the_common_ones_are_set_too(
    sealer: PadesSealer, tmp_path: Path, code: str
) -> None:
    order = SealOrder(party=AGENCY, kind=SealKind.APPENDIX, signed_at=NOW, code=code)
    (tmp_path / "a.pdf").write_bytes(await sealed_by(sealer, a_pdf(), order))
    told = _told(tmp_path, "pdftotext", "a.pdf", "-")
    assert code.lstrip("漢") in told


async def test_a_number_that_is_longer_than_the_page_is_wide_is_broken(
    sealer: PadesSealer, tmp_path: Path
) -> None:
    order = SealOrder(party=AGENCY, kind=SealKind.APPENDIX, signed_at=NOW, code="1/" + "QĐ-UBND" * 36)
    (tmp_path / "a.pdf").write_bytes(await sealed_by(sealer, a_pdf(), order))
    told = "".join(_told(tmp_path, "pdftotext", "-layout", "a.pdf", "-").split())
    assert order.code in told
    ink = (await look((tmp_path / "a.pdf").read_bytes(), tmp_path)).patch((0, 0, 0))
    assert ink is not None
    assert ink.left > 14


async def test_an_appendix_without_a_number_shows_the_time(sealer: PadesSealer, tmp_path: Path) -> None:
    order = SealOrder(party=AGENCY, kind=SealKind.APPENDIX, signed_at=NOW)
    (tmp_path / "a.pdf").write_bytes(await sealed_by(sealer, a_pdf(), order))
    assert "2016-03-04T08:00:00+07:00" in _told(tmp_path, "pdftotext", "a.pdf", "-")


def _told(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
