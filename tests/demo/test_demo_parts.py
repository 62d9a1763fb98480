"""The demo's own parts: its papers look as the law says, and its accounts notice what is wrong."""

from __future__ import annotations

import io
import re
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree

import pikepdf
import pytest

from demo import papers
from demo.books import Books, Line, Receipt, Taken
from demo.day import PRODUCERS, Sent, follows
from demo.drafts import Secretariat, letter, spreadsheet
from demo.edxml import Letter, Organ, Producer, Reference, read_edoc, read_status, write_edoc, write_status
from demo.hostile import encrypted, scripted, tampered
from demo.judges import Archive
from demo.pdf import Fonts, Typeset, typeset
from demo.pdf.fonts import Face
from demo.pdf.layout import MM, dated
from demo.pki import LeaderAuthority
from demo.stack import StackFailed, fresh_folder

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
PROVINCE = Organ(code="000.00.00.H53", name="UBND Tỉnh Tây Ninh")
FINANCE = Organ(code="000.00.11.H53", name="Sở Tài chính")


@pytest.fixture(scope="module")
def fonts() -> Fonts:
    return Fonts.load()


@pytest.fixture(scope="module")
def decision(fonts: Fonts) -> Typeset:
    return typeset(papers.DECISION, fonts)


@pytest.fixture(scope="module")
def secretariat(fonts: Fonts) -> Secretariat:
    return Secretariat(fonts, LeaderAuthority.make())


def words_of(pdf: bytes, folder: Path) -> list[tuple[int, str, float, float, float, float]]:
    """(page, word, left, top, right, bottom) of every word, in points from the top left corner."""
    path = folder / "paper.pdf"
    path.write_bytes(pdf)
    out = subprocess.run(
        ["pdftotext", "-bbox", str(path), "-"], capture_output=True, check=True, timeout=60
    ).stdout
    found = []
    pages = ElementTree.fromstring(out).iter("{http://www.w3.org/1999/xhtml}page")
    for number, page in enumerate(pages, start=1):
        for word in page.iter("{http://www.w3.org/1999/xhtml}word"):
            left, top, right, bottom = (float(word.attrib[a]) for a in ("xMin", "yMin", "xMax", "yMax"))
            found.append((number, word.text or "", left, top, right, bottom))
    return found


@pytest.fixture(scope="module")
def express(secretariat: Secretariat) -> Letter:
    return letter(secretariat.sign(papers.EXPRESS), PROVINCE, [FINANCE])


# --- the paper --------------------------------------------------------------------------------------


def test_the_decision_carries_every_part_that_the_law_names(decision: Typeset, tmp_path: Path) -> None:
    path = tmp_path / "decision.pdf"
    path.write_bytes(decision.pdf)
    text = subprocess.run(
        ["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True, timeout=60
    ).stdout.decode()
    flat = re.sub(r"\s+", " ", text)
    for part in (
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "Độc lập - Tự do - Hạnh phúc",
        "ỦY BAN NHÂN DÂN",
        "Số: 517/QĐ-UBND",
        "Tây Ninh, ngày 04 tháng 3 năm 2016",
        "QUYẾT ĐỊNH",
        "Căn cứ Luật Tổ chức chính quyền địa phương ngày 19 tháng 6 năm 2015;",
        "Điều 1.",
        "Điều 4.",
        "Nơi nhận:",
        "TM. ỦY BAN NHÂN DÂN",
        "CHỦ TỊCH",
    ):
        assert part in flat


def test_all_text_keeps_within_the_margins_of_the_law(decision: Typeset, tmp_path: Path) -> None:
    # spec: NĐ 30/2020 Annex I, Part I, I.3 - 20-25 mm above and below, 30-35 mm left, 15-20 mm right
    words = words_of(decision.pdf, tmp_path)
    inner = [w for w in words if not (w[0] > 1 and w[1] == str(w[0]) and w[3] < 20 * MM)]
    assert min(w[2] for w in inner) >= 30 * MM - 0.5
    assert max(w[4] for w in inner) <= 210 * MM - 15 * MM + 0.5
    assert min(w[3] for w in inner) >= 20 * MM - 5
    assert max(w[5] for w in inner) <= 297 * MM - 20 * MM + 5


def test_the_page_number_stands_centred_in_the_top_margin_from_page_two(
    decision: Typeset, tmp_path: Path
) -> None:
    above = [w for w in words_of(decision.pdf, tmp_path) if w[3] < 15 * MM]
    assert [(w[0], w[1]) for w in above] == [(2, "2")]
    assert (above[0][2] + above[0][4]) / 2 == pytest.approx(105 * MM, abs=1)


def test_body_lines_are_justified_to_both_margins(decision: Typeset, tmp_path: Path) -> None:
    words = words_of(decision.pdf, tmp_path)
    lines: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for page, _, left, top, right, _ in words:
        lines.setdefault((page, round(top)), []).append((left, right))
    full = [line for line in lines.values() if min(a for a, _ in line) < 30 * MM + 1 and len(line) > 8]
    assert len(full) >= 8
    ends = [max(b for _, b in line) for line in full]
    assert sum(abs(end - 195 * MM) < 1 for end in ends) >= len(full) * 0.6


def test_the_paper_is_a4_and_every_font_is_embedded(decision: Typeset) -> None:
    with pikepdf.open(io.BytesIO(decision.pdf)) as pdf:
        for page in pdf.pages:
            assert [float(edge) for edge in page.mediabox] == pytest.approx([0, 0, 595.276, 841.89])
            for font in dict(page.Resources.Font).values():
                descriptor = font.DescendantFonts[0].FontDescriptor
                assert len(descriptor.FontFile2.read_bytes()) > 10_000
                assert str(descriptor.FontName).startswith("/VANTHU+LiberationSerif")


def test_the_same_paper_gives_the_same_bytes(fonts: Fonts, decision: Typeset) -> None:
    assert typeset(papers.DECISION, fonts).pdf == decision.pdf


def test_the_signature_never_stands_alone_on_a_page(fonts: Fonts) -> None:
    for paragraphs in range(1, 24):
        paper = replace(papers.DECISION, body=papers.DECISION.body[1:2] * paragraphs)
        laid_out = typeset(paper, fonts)
        with pikepdf.open(io.BytesIO(laid_out.pdf)) as pdf:
            texts = pdf.pages[-1].Contents.read_bytes().count(b" Tj")
        words_of_closing = 2 + len(paper.receivers) + 3 + 1
        assert texts > words_of_closing + 5, f"{paragraphs} paragraphs"


def test_short_days_and_the_first_two_months_are_written_with_a_nought() -> None:
    assert dated("Tây Ninh", date(2016, 3, 4)) == "Tây Ninh, ngày 04 tháng 3 năm 2016"
    assert dated("Hà Nội", date(2020, 1, 5)) == "Hà Nội, ngày 05 tháng 01 năm 2020"
    assert dated("Hà Nội", date(2020, 12, 25)) == "Hà Nội, ngày 25 tháng 12 năm 2020"


def test_the_font_has_every_vietnamese_letter_in_every_face(fonts: Fonts) -> None:
    letters = "ĂÂĐÊÔƠƯăâđêôơư" + "".join(map(chr, range(0x1EA0, 0x1EFA)))
    for face in Face:
        assert all(fonts.faces[face].glyphs.get(letter) for letter in letters)


# --- the leader ---------------------------------------------------------------------------------------


def test_the_leader_signs_the_whole_file_and_changes_no_byte_of_it(secretariat: Secretariat) -> None:
    signed = secretariat.sign(papers.EXPRESS)
    with pikepdf.open(io.BytesIO(signed.pdf)) as pdf:
        (field,) = pdf.Root.AcroForm.Fields
        start, length, second, rest = (int(number) for number in field.V.ByteRange)
        assert str(field.V.SubFilter) == "/ETSI.CAdES.detached"
    assert start == 0
    assert second + rest == len(signed.pdf)
    assert length < second


def test_an_independent_judge_sees_the_tampering(secretariat: Secretariat, tmp_path: Path) -> None:
    signed = secretariat.sign(papers.EXPRESS).pdf
    for name, body, word in (
        ("good", signed, "Signature is Valid."),
        ("bad", tampered(signed), "Digest Mismatch."),
    ):
        path = tmp_path / f"{name}.pdf"
        path.write_bytes(body)
        out = subprocess.run(["pdfsig", "-nocert", str(path)], capture_output=True, timeout=60).stdout
        assert word in out.decode()


def test_the_spoiled_pdfs_are_what_they_are_called(decision: Typeset) -> None:
    with pytest.raises(pikepdf.PasswordError):
        pikepdf.open(io.BytesIO(encrypted(decision.pdf)))
    with pikepdf.open(io.BytesIO(scripted(decision.pdf))) as pdf:
        assert str(pdf.Root.OpenAction.S) == "/JavaScript"


# --- edXML --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("producer", PRODUCERS)
def test_what_any_producer_writes_is_read_alike(producer: Producer, secretariat: Secretariat) -> None:
    table = spreadsheet("Bảng kê.xlsx", [("a", "b & c")])
    sent = letter(secretariat.sign(papers.EXPRESS), PROVINCE, [FINANCE], more=[table])
    came = read_edoc(write_edoc(sent, producer, NOW))
    assert (came.sender, came.recipients, came.hops) == (PROVINCE.code, (FINANCE.code,), (PROVINCE.code,))
    assert (came.code, came.subject, came.priority) == (sent.code, sent.subject, 3)
    assert came.reference == sent.reference
    assert [(f.name, f.body) for f in came.files] == [(f.name, f.body) for f in sent.files]


def test_a_status_is_read_as_it_was_written() -> None:
    about = Reference(organ=PROVINCE.code, code="517/QĐ-UBND", dated=date(2016, 3, 4), document_id="x,y,z")
    body = write_status(FINANCE, about, "02", "Gửi nhầm", Producer(), NOW)
    status = read_status(body)
    assert (status.reporter, status.code, status.description) == (FINANCE.code, "02", "Gửi nhầm")
    assert status.about == about


# --- the accounts -------------------------------------------------------------------------------------


def a_line(what: str = "edoc", **more: str) -> Line:
    return Line(**{"what": what, "party": FINANCE.code, "message": "m", **more})


def acceptance(document: str = "d", message: str = "m") -> Receipt:
    return Receipt(
        evidence=f"e-{document}",
        party=PROVINCE.code,
        message=message,
        event="SubmissionAcceptance",
        document=document,
    )


def a_delivery(
    delivery: str = "1", *, party: str = FINANCE.code, document: str = "d", attempt: int = 1
) -> Taken:
    return Taken(delivery=delivery, party=party, what="edoc", document=document, attempt=attempt)


def books_expecting(*lines: Line) -> Books:
    books = Books(lost_after_s=0.05)
    books.expect(*lines, a_line("receipt", party=PROVINCE.code, word="SubmissionAcceptance"))
    return books


async def test_what_comes_as_expected_balances_the_books_in_any_order() -> None:
    for first_receipt in (True, False):
        books = books_expecting(a_line())
        if first_receipt:
            books.got(acceptance())
        books.took(a_delivery())
        if not first_receipt:
            books.got(acceptance())
        assert await books.all_struck()
        assert (books.lost, books.doubled, books.unexpected) == ([], [], [])


async def test_a_lost_delivery_is_noticed_and_named() -> None:
    books = books_expecting(a_line())
    books.got(acceptance())
    assert not await books.all_struck()
    assert books.lost == [f"edoc m → {FINANCE.code}"]


def test_a_second_delivery_id_is_a_double_and_the_same_id_again_only_a_repeat() -> None:
    books = books_expecting(a_line())
    books.got(acceptance())
    assert books.took(a_delivery("1"))
    assert not books.took(a_delivery("1", attempt=2))
    assert (books.repeats, books.doubled) == (1, [])
    books.took(a_delivery("2"))
    assert books.doubled == [f"edoc m → {FINANCE.code}"]


def test_a_delivery_to_somebody_else_is_unexpected() -> None:
    books = books_expecting(a_line())
    books.got(acceptance())
    books.took(a_delivery(party="000.00.12.H53"))
    assert books.unexpected == ["edoc m → 000.00.12.H53"]


def test_a_delivery_of_a_document_that_nobody_sent_is_unexpected() -> None:
    books = books_expecting()
    books.got(acceptance())
    books.took(a_delivery(document="unknown"))
    assert len(books.unexpected) == 1


def test_a_refusal_for_another_reason_is_both_lost_and_unexpected() -> None:
    books = Books()
    books.expect(a_line("receipt", word="SubmissionRejection:xml-malformed"))
    books.got(
        Receipt(
            evidence="e",
            party=FINANCE.code,
            message="m",
            event="SubmissionRejection",
            document="d",
            reason="rule-broken",
        )
    )
    assert len(books.lost) == len(books.unexpected) == 1
    assert books.refused == {"rule-broken": 1}


def test_the_same_evidence_again_counts_once() -> None:
    books = books_expecting()
    assert books.got(acceptance())
    assert not books.got(acceptance())
    assert (len(books.receipts), books.times_seen("e-d"), books.doubled) == (1, 2, [])


def test_an_accepted_document_leaves_four_lines_a_copy_and_one_for_itself(express: Letter) -> None:
    lines = follows(Sent(message="m", letter=express, group=""), {FINANCE.code})
    words = sorted(f"{line.what} {line.word}".strip() for line in lines)
    assert words == [
        "edoc",
        "receipt ConsignmentAcceptance",
        "receipt ContentConsignment",
        "receipt ContentHandover",
        "receipt SubmissionAcceptance",
        "status 01",
        "status 03",
    ]


async def test_a_copy_without_seal_or_with_other_signed_bytes_is_noticed(
    express: Letter, tmp_path: Path
) -> None:
    item = express
    archive = Archive(folder=tmp_path)
    archive.announce(item)
    came = read_edoc(write_edoc(item, Producer(), NOW))
    hopped = replace(came, hops=(PROVINCE.code, "00.53.W00"))
    assert await archive.keep("d1", hopped) == [f"d1: {item.files[0].name} carries no seal"]
    sealed = replace(came.files[0], body=came.files[0].body + b"% seal")
    assert await archive.keep("d2", replace(hopped, files=(sealed,))) == []
    other = replace(sealed, body=sealed.body + b"!")
    assert await archive.keep("d2", replace(hopped, files=(other,))) == [
        f"d2: two recipients hold different bytes of {item.files[0].name}"
    ]
    broken = replace(sealed, body=tampered(sealed.body))
    assert "verbatim" in (await archive.keep("d3", replace(hopped, files=(broken,))))[0]
    assert "TraceHeader" in (await archive.keep("d2", replace(came, files=(sealed,))))[0]


# --- the folder ---------------------------------------------------------------------------------------


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    precious = tmp_path / "demo" / "precious.txt"
    precious.write_text("x")
    with pytest.raises(StackFailed, match="not ours"), fresh_folder(tmp_path / "demo"):
        pass
    assert precious.exists()


def test_our_own_folder_of_yesterday_is_emptied(tmp_path: Path) -> None:
    var = tmp_path / "demo"
    with fresh_folder(var):
        (var / "old").write_text("x")
    with fresh_folder(var):
        assert not (var / "old").exists()


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    var = tmp_path / "demo"
    with fresh_folder(var), pytest.raises(StackFailed, match="another demo"), fresh_folder(var):
        pass
