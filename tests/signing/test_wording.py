"""The words that tell where a signer signs: as tables of lines, and in documents as they are laid out."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from adapters.signing.visible.content import Budget, OverBudget, words
from adapters.signing.visible.geometry import Box
from adapters.signing.visible.looks import ANCHORS
from adapters.signing.visible.pages import first
from adapters.signing.visible.placement import Corner, Place
from adapters.signing.visible.wording import Piece, Wording
from demo.papers import ANSWER, DECISION
from demo.pdf import Fonts, Typeset, typeset
from tests.signing.looks import RED, look
from tests.signing.pdfs import a_pdf
from tests.signing.test_looks import MM, a_sealer, sealed_by

WIDTH = 595.0


def line(text: str, x: float, y: float, size: float = 14) -> Piece:
    """A piece of text whose middle is at *x* and whose baseline is at *y*."""
    half = len(text) * size * 0.25
    return Piece(text=text, box=Box(left=x - half, bottom=y, right=x + half, top=y + size))


BODY = line("Căn cứ Luật Tổ chức chính quyền địa phương; KT. là gì", 300, 700)
RECEIVERS = line("Nơi nhận:", 110, 300, 12)


@pytest.mark.parametrize(
    ("lines", "bottom", "top", "middle"),
    [
        (
            [BODY, line("TM. ỦY BAN NHÂN DÂN", 420, 300), line("CHỦ TỊCH", 420, 284), line("Nguyễn Văn A", 420, 200)],
            214, 284, 420,
        ),
        (
            [line("TM. ỦY BAN", 420, 300), line("KT. CHỦ TỊCH", 420, 284), line("PHÓ CHỦ TỊCH", 420, 268),
             line("Trần B", 420, 190)],
            204, 268, 420,
        ),
        ([BODY, RECEIVERS, line("GIÁM ĐỐC", 430, 299), line("Lê C", 430, 215)], 229, 299, 430),
        ([RECEIVERS, line("GIÁM ĐỐC", 430, 299), line("- Như trên;", 110, 285, 11)], 299 - 24 / MM, 299, 430),
    ],
    ids=["on behalf of all", "three lines of title", "level with the receivers", "no name below"],
)  # fmt: skip
def test_the_signers_picture_belongs_between_title_and_name(
    lines: Sequence[Piece], bottom: float, top: float, middle: float
) -> None:
    hand = Wording(ANCHORS).hand(lines, WIDTH)
    assert hand is not None
    assert (hand.bottom, hand.top) == pytest.approx((bottom, top))
    assert (hand.left + hand.right) / 2 == pytest.approx(middle)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [BODY],
        [RECEIVERS],
        [RECEIVERS, line("văn bản này được", 430, 300)],
        [line("TM. ỦY BAN NHÂN DÂN", 100, 300)],
    ],
    ids=[
        "nothing",
        "an anchor within a line",
        "nothing beside the receivers",
        "no capitals",
        "in the left half",
    ],
)
def test_what_is_no_signers_title_leads_nowhere(lines: Sequence[Piece]) -> None:
    assert Wording(ANCHORS).hand(lines, WIDTH) is None


def test_without_anchors_nothing_is_looked_for() -> None:
    lines = [line("TM. ỦY BAN NHÂN DÂN", 420, 300)]
    assert Wording(("",)).hand(lines, WIDTH) is None


@pytest.fixture(scope="module")
def fonts() -> Fonts:
    return Fonts.load()


PAPERS = {
    "TM.": DECISION,
    "a director himself": ANSWER,
    "KT.": replace(ANSWER, authority="KT. GIÁM ĐỐC", position="PHÓ GIÁM ĐỐC"),
    "a chairman himself": replace(DECISION, authority=""),
}


@pytest.fixture(params=PAPERS.values(), ids=PAPERS.keys())
def laid(request: pytest.FixtureRequest, fonts: Fonts) -> Typeset:
    """A document as the demo's secretariat lays it out."""
    return typeset(request.param, fonts)


async def test_an_unsigned_document_is_sealed_where_its_signers_picture_would_be(
    laid: Typeset, tmp_path: Path
) -> None:
    seen = await look(await sealed_by(a_sealer(tmp_path), laid.pdf), tmp_path, page=laid.hand.page + 1)
    seal = seen.patch(RED)
    assert seal is not None
    third = laid.hand.x1 + (laid.hand.x2 - laid.hand.x1) / 3
    assert seal.right == pytest.approx(third * MM, abs=4)
    assert seal.middle[1] == pytest.approx((842 - (laid.hand.y1 + laid.hand.y2) / 2) * MM, abs=4)


# --- content of every kind --------------------------------------------------------------------------


def a_page(
    content: bytes, *, stream: bytes = b"", page: bytes = b"", extra: dict[int, bytes] | None = None
) -> bytes:
    """A page with *content* and the font /F1 (Helvetica, every letter half as wide as high)."""
    widths = b" ".join([b"500"] * 224)
    objects = {
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> /XObject << /X 6 0 R >> >> %s >>" % page,
        4: b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), stream, content),
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /FirstChar 32 /Widths [%s]"
        b" /Encoding << /Differences [200 /Dcroat /uni1EE6] >> >>" % widths,
    }
    return a_pdf(extra=objects | (extra or {}))


def read(pdf: bytes, budget: Budget | None = None) -> list[tuple[str, float, float]]:
    """The words of the first page, each with the left and the baseline of its box."""
    page = first(PdfFileReader(BytesIO(pdf), strict=False).root)
    assert page is not None
    return [
        (word.text, round(word.box.left, 1), round(word.box.bottom, 1))
        for word in words(page, budget or Budget())
    ]


_IN_FORM = b"BT /F1 10 Tf 1 0 0 1 5 102 Tm (KT.) Tj ET"
FORM = (
    b"<< /Type /XObject /Subtype /Form /BBox [0 0 999 999] /Matrix [1 0 0 1 30 0] /Length %d >>\n"
    b"stream\n%s\nendstream" % (len(_IN_FORM), _IN_FORM)
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"BT /F1 10 Tf 50 102 Td (KT. X) Tj ET", [("KT.", 50, 100), ("X", 70, 100)]),
        (b"BT /F1 10 Tf 50 102 Td [(K) -1000 (T) 20 (.)] TJ ET", [("KT.", 50, 100)]),
        (b"BT /F1 10 Tf 50 102 Td <4B54 2E> Tj ET", [("KT.", 50, 100)]),
        (b"BT /F1 10 Tf 50 102 Td (K\\124\\.) Tj ET", [("KT.", 50, 100)]),
        (b"BT /F1 10 Tf 50 102 Td (a\\(b(c)\\)) Tj ET", [("a(b(c))", 50, 100)]),
        (b"BT /F1 10 Tf 50 102 Td (\\310\\311) Tj ET", [("ĐỦ", 50, 100)]),
        (b"q 2 0 0 2 0 0 cm BT /F1 5 Tf 25 51 Td (KT.) Tj ET Q", [("KT.", 50, 100)]),
        (b"BT /F1 10 Tf 12 TL 50 114 Td (a) Tj T* (b) Tj (c) ' ET", [("a", 50, 112), ("b", 50, 100), ("c", 50, 88)]),
        (b"BT /F1 10 Tf 50 114 Td 0 -12 TD (a) Tj 3 1 (b) \" ET", [("a", 50, 100), ("b", 50, 88)]),
        (b"BT /F1 10 Tf 200 Tz 5 Tc 50 102 Td (ab cd) Tj ET", [("ab", 50, 100), ("cd", 110, 100)]),
        (b"q 1 0 0 1 15 0 cm /X Do Q", [("KT.", 50, 100)]),
        (b"BI /W 1 /H 1 ID (KT.) Tj\n\xff EI BT /F1 10 Tf 50 102 Td (a) Tj ET", [("a", 50, 100)]),
        (b"% (no) Tj\nBT /F1 10 Tf 50 102 Td (a) Tj ET", [("a", 50, 100)]),
        (b"/P <</MCID 0 /E (x)>> BDC BT /F1 10 Tf 50 102 Td (a) Tj ET EMC", [("a", 50, 100)]),
        (b"BT (no font) Tj /F9 10 Tf (nor here) Tj ET", []),
        (b"BT /F1 10 Tf 50 102 Td (never ends", []),
        (b"Q Q Q ) ] >> } \xff\x00 Tj TJ Tf Td Tm cm Do ' \"", []),
    ],
)  # fmt: skip
def test_text_is_read_where_its_operators_put_it(
    content: bytes, expected: list[tuple[str, float, float]]
) -> None:
    assert read(a_page(content, extra={6: FORM})) == expected


def test_a_form_that_shows_itself_ends() -> None:
    itself = (
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Length 57 >>\nstream\n"
        b"BT /F1 10 Tf 50 102 Td (a) Tj ET /X Do /X Do /X Do /X Do \nendstream"
    )
    assert {word for word, _, _ in read(a_page(b"/X Do", extra={6: itself}))} == {"a"}


ENDLESS = {
    "a bomb": a_page(zlib.compress(bytes(50_000_000)), stream=b"/Filter /FlateDecode"),
    "operators": a_page(b"q " * 300_000),
    "operands": a_page(b"1 " * 200_000),
    "words": a_page(b"BT /F1 1 Tf " + b"(a b c d e f g h i j)Tj " * 20_000),
}


@pytest.mark.parametrize("pdf", ENDLESS.values(), ids=ENDLESS.keys())
def test_content_without_end_is_read_to_the_budget_only(pdf: bytes) -> None:
    with pytest.raises(OverBudget):
        read(pdf)


@pytest.mark.parametrize("pdf", ENDLESS.values(), ids=ENDLESS.keys())
async def test_content_without_end_leaves_the_seal_to_its_configured_place(
    pdf: bytes, tmp_path: Path
) -> None:
    sealer = a_sealer(tmp_path, place=Place(corner=Corner.TOP_LEFT, x_mm=40, y_mm=50))
    seal = (await look(await sealed_by(sealer, pdf), tmp_path)).patch(RED)
    assert seal is not None
    assert seal.middle == pytest.approx((40, 50), abs=1)


@pytest.mark.parametrize(
    "cmap",
    [
        b"1 beginbfchar <01> <004B> endbfchar 1 beginbfrange <02> <03> <0054> endbfrange",
        b"2 beginbfrange <01> <01> [<004B>] <02> <03> [<0054> <0055>] endbfrange",
        b"beginbfchar <01> <004B> <02> <0054> <03> <0055> endbfchar" + b"beginbfchar" * 10_000,
        b"beginbfrange\n<01> <01> <004B>\n<02> <ffffffff> <0054>\nendbfrange",
    ],
    ids=["chars and ranges", "lists", "sections without an end", "a range without end"],
)
def test_codes_of_composite_fonts_are_read_by_their_table(cmap: bytes) -> None:
    pdf = a_page(
        b"BT /F1 10 Tf 50 102 Td <0001 0002 0003> Tj ET",
        extra={
            5: b"<< /Type /Font /Subtype /Type0 /Encoding /Identity-H /ToUnicode 6 0 R /DescendantFonts [7 0 R] >>",
            6: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(cmap), cmap),
            7: b"<< /Type /Font /Subtype /CIDFontType2 /DW 600 /W [1 [500 500] 3 9 700] >>",
        },
    )
    assert read(pdf) == [("KTU", 50, 100)]
