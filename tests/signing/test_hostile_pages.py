"""Pages that lie, loop or lack what a page has: they are sealed, with or without something to see, or refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields

from adapters.signing import PadesSealer
from adapters.signing.visible.looks import ANCHORS
from adapters.signing.visible.mark import PictureMark, Signature, Spot, locate
from adapters.signing.visible.picture import Picture, read_picture
from adapters.signing.visible.placement import Place
from gateway.errors import Refused
from gateway.model.signature import SealOrder
from tests.signing.looks import RED, a_seal, look
from tests.signing.pdfs import a_pdf, judgements
from tests.signing.test_looks import APPENDIX, MAIN, a_sealer, sealed_by, signed_by_leader

PAGE = b"/Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]"
FAR = b"9" * 400


@pytest.fixture
def sealer(tmp_path: Path) -> PadesSealer:
    return a_sealer(tmp_path)


def with_objects(**objects: bytes) -> bytes:
    """The usual page, some of its objects replaced: ``_3=b"<< … >>"``."""
    return a_pdf(extra={int(number[1:]): content for number, content in objects.items()})


SEALED = {
    "a box of words": with_objects(_3=b"<< /Type /Page /Parent 2 0 R /MediaBox [/a /b (c) null] >>"),
    "a box of 100,000 numbers": with_objects(
        _3=b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] >>" % (b"1 " * 100_000)
    ),
    "a box without end": with_objects(_3=b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %s 1] >>" % FAR),
    "a box without area": with_objects(_3=b"<< /Type /Page /Parent 2 0 R /MediaBox [5 5 5 5] >>"),
    "a crop box beside the media box": with_objects(_3=b"<< %s /CropBox [900 900 950 950] >>" % PAGE),
    "turned by 45": with_objects(_3=b"<< %s /Rotate 45 >>" % PAGE),
    "turned by a word": with_objects(_3=b"<< %s /Rotate /Right >>" % PAGE),
    "turned endlessly": with_objects(_3=b"<< %s /Rotate %s >>" % (PAGE, FAR)),
    "units of nothing": with_objects(_3=b"<< %s /UserUnit 0 >>" % PAGE),
    "units below nothing": with_objects(_3=b"<< %s /UserUnit -3 >>" % PAGE),
    "units without end": with_objects(_3=b"<< %s /UserUnit %s >>" % (PAGE, FAR)),
    "annotations that hold themselves": with_objects(_3=b"<< %s /Annots 6 0 R >>" % PAGE, _6=b"[6 0 R 6 0 R]"),
    "annotations that are a dictionary": with_objects(_3=b"<< %s /Annots << >> >>" % PAGE),
    "annotations that are null": with_objects(_3=b"<< %s /Annots 6 0 R >>" % PAGE, _6=b"null"),
    "annotations that are missing": with_objects(_3=b"<< %s /Annots 66 0 R >>" % PAGE),
    "a page tree that loops": with_objects(_2=b"<< /Type /Pages /Kids [2 0 R 3 0 R 2 0 R] /Count 3 >>"),
    "a count that lies": with_objects(_2=b"<< /Type /Pages /Kids [3 0 R] /Count -7 >>"),
    "kids that are no pages": with_objects(_2=b"<< /Type /Pages /Kids [4 (x) null 66 0 R 3 0 R] /Count 1 >>"),
    "a page without a parent": with_objects(_3=b"<< /Type /Page /MediaBox [0 0 595 842] >>"),
    "no contents": with_objects(_3=b"<< %s /Contents [4 0 R 4 0 R null (x)] >>" % PAGE),
    "fields that are a name": a_pdf(catalog=b"/AcroForm << /Fields /None >> "),
}  # fmt: skip


@pytest.mark.parametrize("order", [MAIN, APPENDIX], ids=["main", "appendix"])
@pytest.mark.parametrize("pdf", SEALED.values(), ids=SEALED.keys())
async def test_a_page_that_lies_is_sealed_within_its_limits(
    sealer: PadesSealer, pdf: bytes, order: SealOrder
) -> None:
    sealed = await sealed_by(sealer, pdf, order)
    assert (await judgements(sealed))["VanThu-1"].intact


@pytest.mark.parametrize(
    "pdf",
    [
        with_objects(_2=b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"),
        with_objects(_2=b"<< /Type /Pages /Kids [] /Count 0 >>"),
        with_objects(_2=b"null"),
        with_objects(_1=b"<< /Type /Catalog >>"),
        a_pdf(catalog=b"/AcroForm 7 "),
    ],
    ids=["a tree of itself", "no kids", "no tree", "no root of it", "a form that is a number"],
)
@pytest.mark.parametrize("order", [MAIN, APPENDIX], ids=["main", "appendix"])
async def test_a_document_without_pages_or_sense_is_refused(
    sealer: PadesSealer, pdf: bytes, order: SealOrder
) -> None:
    with pytest.raises(Refused) as caught:
        await sealed_by(sealer, pdf, order)
    assert caught.value.reason == "pdf-unreadable"


def deep(levels: int) -> bytes:
    """A page *levels* below the root."""
    nodes = {
        100 + level: b"<< /Type /Pages /Kids [%d 0 R] /Count 1 /Parent %d 0 R >>"
        % (101 + level if level < levels - 1 else 3, 99 + level if level else 2)
        for level in range(levels)
    }
    root = {2: b"<< /Type /Pages /Kids [100 0 R] /Count 1 /MediaBox [0 0 595 842] /Rotate 180 >>"}
    return a_pdf(extra=nodes | root | {3: b"<< /Type /Page /Parent %d 0 R >>" % (99 + levels)})


async def test_a_page_deep_in_the_tree_inherits_from_all_above(sealer: PadesSealer, tmp_path: Path) -> None:
    by_leader = await signed_by_leader(deep(20), box=(300, 600, 420, 660))
    seal = (await look(await sealed_by(sealer, by_leader), tmp_path)).patch(RED)
    assert seal is not None
    # turned by 180: the left third of the picture is at its right end
    assert seal.right == pytest.approx((595 - 420 + 40) * 25.4 / 72, abs=1)


async def test_a_page_deeper_than_any_document_is_refused(sealer: PadesSealer) -> None:
    with pytest.raises(Refused):
        await sealed_by(sealer, deep(500))


async def test_a_signers_page_that_no_reader_shows_is_not_where_the_seal_goes(
    sealer: PadesSealer, tmp_path: Path
) -> None:
    """The widget names page 3, which a later revision took out of the tree."""
    by_leader = await signed_by_leader(a_pdf(), box=(300, 200, 420, 260))
    number = len(by_leader)
    update = (
        b"2 0 obj\n<< /Type /Pages /Kids [60 0 R] /Count 1 >>\nendobj\n"
        b"60 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>\nendobj\n"
    )
    start = by_leader.rindex(b"startxref") + 10
    previous = int(by_leader[start : by_leader.index(b"\n", start)])
    xref = number + len(update)
    update += b"xref\n2 1\n%010d 00000 n \n60 1\n%010d 00000 n \n" % (
        number,
        number + update.index(b"60 0 obj"),
    )
    update += b"trailer\n<< /Size 100 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (previous, xref)

    seal = (await look(await sealed_by(sealer, by_leader + update), tmp_path)).patch(RED)

    assert seal is not None
    assert seal.middle == pytest.approx((595 * 25.4 / 72 - 85, 842 * 25.4 / 72 - 60), abs=1)


async def test_text_that_cannot_be_read_leaves_the_seal_to_its_configured_place(
    sealer: PadesSealer, tmp_path: Path
) -> None:
    broken = with_objects(_4=b"<< /Length 9999999 >>\nstream\nBT (no end")
    seal = (await look(await sealed_by(sealer, broken), tmp_path)).patch(RED)
    assert seal is not None
    assert seal.middle == pytest.approx((595 * 25.4 / 72 - 85, 842 * 25.4 / 72 - 60), abs=1)


async def test_a_last_page_that_cannot_be_read_is_no_reason_not_to_seal(sealer: PadesSealer) -> None:
    two = with_objects(
        _2=b"<< /Type /Pages /Kids [3 0 R 6 0 R] /Count 2 /MediaBox [0 0 595 842] >>",
        _6=b"<< /Type /Page /Parent 2 0 R /Annots [(no end",
    )
    sealed = await sealed_by(sealer, two)
    assert (await judgements(sealed))["VanThu-1"].intact
    assert b"/AP" not in sealed


async def test_an_empty_array_of_annotations_that_all_pages_share_is_left_alone(
    sealer: PadesSealer, tmp_path: Path
) -> None:
    shared = with_objects(
        _2=b"<< /Type /Pages /Kids [3 0 R 6 0 R] /Count 2 /MediaBox [0 0 595 842] >>",
        _3=b"<< /Type /Page /Parent 2 0 R /Annots 7 0 R >>",
        _6=b"<< /Type /Page /Parent 2 0 R /Annots 7 0 R >>",
        _7=b"[]",
    )
    sealed = await sealed_by(sealer, shared)
    seen = [(await look(sealed, tmp_path, page=page)).patch(RED) is not None for page in (1, 2)]
    assert seen == [False, True]


# --- files made to take long ------------------------------------------------------------------------


def shared_kids() -> bytes:
    """2,000 nodes of a page tree, each with the same 20,000 kids; pages are nowhere but at the end of it."""
    kids = b" ".join(b"%d 0 R" % (100 + number % 2_000) for number in range(20_000))
    nodes = {100 + n: b"<< /Type /Pages /Kids 20 0 R /Count 1 /Parent 2 0 R >>" for n in range(2_000)}
    root = {2: b"<< /Type /Pages /Kids [3 0 R 20 0 R] /Count 2 /MediaBox [0 0 595 842] >>"}
    return a_pdf(extra=root | nodes | {20: b"[%s]" % kids, 3: b"<< /Type /Page /Parent 2 0 R >>"})


def lost_signatures() -> bytes:
    """2,000 signatures whose pictures are on no page, and a page with 50,000 annotations."""
    fields = {
        100 + n: b"<< /FT /Sig /T (S%d) /Subtype /Widget /Rect [9 9 99 99] /V 50 0 R >>" % n
        for n in range(2_000)
    }
    form = b"<< /Fields [%s] >>" % b" ".join(b"%d 0 R" % number for number in fields)
    page = b"<< %s /Annots [%s] >>" % (PAGE, b"4 0 R " * 50_000)
    signature = b"<< /Type /Sig /ByteRange [0 1 2 3] /Contents <00> >>"
    return a_pdf(catalog=b"/AcroForm 51 0 R ", extra=fields | {3: page, 50: signature, 51: form})


def wide_font() -> bytes:
    """A font whose table of widths names the same 20,000 widths 5,000 times, and letters as often."""
    cmap = b"1 beginbfrange <0000> <ffff> <0041> endbfrange " * 2_500
    return a_pdf(
        extra={
            4: b"<< /Length 33 >>\nstream\nBT /F1 10 Tf 50 102 Td <0001> Tj\nendstream",
            5: b"<< /Type /Font /Subtype /Type0 /ToUnicode 6 0 R /DescendantFonts [7 0 R] >>",
            6: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(cmap), cmap),
            7: b"<< /Subtype /CIDFontType2 /W [%s] >>" % (b"0 8 0 R " * 5_000),
            8: b"[%s]" % (b"500 " * 20_000),
        }
    )


def many_anchors() -> bytes:
    """15,000 lines that begin like a title, where no title is."""
    lines = b"".join(b"1 0 0 1 %d %d Tm (KT.) Tj " % (n % 250, n % 800) for n in range(15_000))
    content = b"BT /F1 1 Tf " + lines
    return a_pdf(extra={4: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)})


@pytest.mark.parametrize("make", [shared_kids, lost_signatures, wide_font, many_anchors])
def test_a_file_made_to_take_long_is_placed_in_its_time(make: Callable[[], bytes], picture: Picture) -> None:
    root = PdfFileReader(BytesIO(make()), strict=False)
    signatures = [
        Signature(name=name, value=value, field=ref)
        for name, value, ref in enumerate_sig_fields(root, filled_status=True)
    ]
    mark = PictureMark(picture=picture, place=Place(), anchors=ANCHORS)
    began = time.thread_time()
    spot = locate(mark, root.root, signatures)
    assert isinstance(spot, Spot)
    assert spot.found == "place"
    # each takes 0.1 to 0.5 s; without a bound they take minutes
    assert time.thread_time() - began < 5


@pytest.fixture
def picture() -> Picture:
    return read_picture(a_seal(), diameter_mm=36)
