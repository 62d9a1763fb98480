"""A document on paper as the law wants it: nine parts, each in its place.

spec: NĐ 30/2020 Annex I, Part I.  The numbers in the comments are its boxes ("ô số", IV.1).
Strategy: a pen goes down the page; each part is drawn where the pen is, and a part that must not be torn
(the closing) asks for its room first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from demo.pdf.fonts import Face, Fonts, composed
from demo.pdf.writer import A4, RED, Sheet, write

MM = 72 / 25.4
# spec: I.3 - margins: top and bottom 20-25 mm, left 30-35 mm, right 15-20 mm
TOP, BOTTOM = 20 * MM, A4[1] - 20 * MM
LEFT, RIGHT = 30 * MM, A4[0] - 15 * MM
WIDTH = RIGHT - LEFT
INDENT = 12.7 * MM  # spec: II.6.e - 1 cm or 1.27 cm
BODY = 14.0  # spec: II.6.e - 13 to 14
LEADING = 1.18  # between single and 1.5 lines
HAND = 62.0  # room for the signer's hand
GAP = 6.0  # spec: II.6.e - at least 6 pt between paragraphs
_LEFT_COLUMN = LEFT + 0.195 * WIDTH  # the middle of boxes 2 and 3
_RIGHT_COLUMN = RIGHT - 0.305 * WIDTH  # the middle of boxes 1 and 4

# spec: III.2.b - the frames of the marks of urgency, in millimetres
URGENCY_FRAMES = {"HỎA TỐC": 30.0, "THƯỢNG KHẨN": 40.0, "KHẨN": 20.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What stands on the paper.  In the texts ``**…**`` is bold.

    ``parent`` is the superior organ's name; ``kind`` is empty for a công văn, whose subject then stands
    under its number; ``addressees`` are those after "Kính gửi"; ``receivers`` those under "Nơi nhận".
    """

    organ: tuple[str, ...]
    code: str
    place: str
    dated: date
    subject: str
    body: tuple[str, ...]
    receivers: tuple[str, ...]
    position: str
    signer: str
    parent: str = ""
    kind: str = ""
    issuer: str = ""
    grounds: tuple[str, ...] = ()
    verdict: str = ""
    addressees: tuple[str, ...] = ()
    authority: str = ""
    urgency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle on a page (from 0), in PDF's own coordinates."""

    page: int
    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Typeset:
    """The PDF, and the place between position and name where the signer's hand goes (box 7c)."""

    pdf: bytes
    pages: int
    hand: Box


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text in one face."""

    text: str
    face: Face


def typeset(paper: Paper, fonts: Fonts) -> Typeset:
    """Lay *paper* out."""
    pen = _Pen(fonts)
    _opening(pen, paper)
    _title(pen, paper)
    for ground in paper.grounds:
        pen.paragraph([Run(composed(ground), Face.ITALIC)])
    if paper.verdict:
        pen.room(4 * BODY * LEADING)
        pen.skip(GAP)
        pen.centred(paper.verdict, Face.BOLD, BODY)
        pen.skip(GAP / 2)
    *others, last = [_runs(text) for text in paper.body]
    for runs in others:
        pen.paragraph(runs)
    # the signature never stands alone on a page: the last paragraph goes with it
    pen.room(pen.height(last) + _closing_height(paper))
    pen.paragraph(last)
    hand = _closing(pen, paper)
    pen.number_pages()
    author = f"{paper.parent} {' '.join(paper.organ)}".strip()
    made = datetime(paper.dated.year, paper.dated.month, paper.dated.day, 1, 0, tzinfo=UTC)
    title = f"{paper.kind or 'CÔNG VĂN'} {paper.code}: {paper.subject}"
    pdf = write(pen.sheets, fonts, title=title, author=author, at=made)
    return Typeset(pdf=pdf, pages=len(pen.sheets), hand=hand)


def dated(place: str, day: date) -> str:
    """Place and date in full.  spec: II.4.b - a nought before days under 10 and months 1 and 2."""
    month = f"{day.month:02}" if day.month < 3 else str(day.month)
    return f"{place}, ngày {day.day:02} tháng {month} năm {day.year}"


def _opening(pen: _Pen, paper: Paper) -> None:
    sheet, y = pen.sheet, TOP + 12
    # box 1: the state's name and motto, the motto underlined over its whole length
    pen.at(_RIGHT_COLUMN, y, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", Face.BOLD, 12)
    motto = "Độc lập - Tự do - Hạnh phúc"
    pen.at(_RIGHT_COLUMN, y + 15, motto, Face.BOLD, 13)
    half = pen.width(motto, Face.BOLD, 13) / 2
    sheet.line(_RIGHT_COLUMN - half, y + 20.5, _RIGHT_COLUMN + half)
    # box 2: the superior organ upright, the issuing organ bold with a line of 1/3 to 1/2 of its length
    row = y
    if paper.parent:
        pen.at(_LEFT_COLUMN, row, paper.parent, Face.REGULAR, 12)
        row += 15
    for name in paper.organ:
        pen.at(_LEFT_COLUMN, row, name, Face.BOLD, 12)
        row += 15
    half = pen.width(paper.organ[-1], Face.BOLD, 12) * 0.42 / 2
    sheet.line(_LEFT_COLUMN - half, row - 9.5, _LEFT_COLUMN + half)
    # boxes 3 and 4 on one line
    row = max(row + 9, y + 41)
    pen.at(_LEFT_COLUMN, row, f"Số: {paper.code}", Face.REGULAR, 13)
    pen.at(_RIGHT_COLUMN, row, dated(paper.place, paper.dated), Face.ITALIC, 13)
    row += 6
    if not paper.kind:  # box 5b: the subject of a công văn, 6 pt under its number
        subject = [Run(f"V/v {paper.subject}", Face.REGULAR)]
        for text in pen.balanced(subject, 12, 0.40 * WIDTH):
            row += 13.8
            pen.at(_LEFT_COLUMN, row, " ".join(w.text for w in text), Face.REGULAR, 12)
    if paper.urgency:  # box 10b
        width = URGENCY_FRAMES[paper.urgency] * MM
        row += 9
        sheet.frame(_LEFT_COLUMN - width / 2, row, width, 8 * MM, RED)
        half = pen.width(paper.urgency, Face.BOLD, 13) / 2
        sheet.text(_LEFT_COLUMN - half, row + 5.6 * MM, paper.urgency, Face.BOLD, 13, colour=RED)
        row += 8 * MM
    pen.y = row + 14


def _title(pen: _Pen, paper: Paper) -> None:
    if paper.kind:  # box 5a
        pen.skip(10)
        pen.centred(paper.kind, Face.BOLD, BODY)
        last = 0.0
        for words in pen.balanced([Run(composed(paper.subject), Face.BOLD)], BODY, 0.84 * WIDTH):
            text = " ".join(word.text for word in words)
            pen.centred(text, Face.BOLD, BODY)
            last = pen.width(text, Face.BOLD, BODY)
        middle, half = (LEFT + RIGHT) / 2, max(last * 0.4, 60) / 2
        pen.sheet.line(middle - half, pen.y + 6, middle + half)
        pen.skip(14)
    if paper.issuer:
        pen.skip(4)
        pen.centred(paper.issuer, Face.BOLD, BODY)
        pen.skip(GAP)
    if len(paper.addressees) == 1:  # box 9a
        pen.skip(8)
        pen.centred(f"Kính gửi: {paper.addressees[0]}", Face.REGULAR, BODY)
        pen.skip(10)
    elif paper.addressees:
        pen.skip(8)
        start = LEFT + 0.2 * WIDTH
        below = start + pen.width("Kính gửi", Face.REGULAR, BODY)
        pen.down(BODY)
        pen.sheet.text(start, pen.y, "Kính gửi:", Face.REGULAR, BODY)
        for index, name in enumerate(paper.addressees):
            pen.down(BODY)
            end = "." if index == len(paper.addressees) - 1 else ";"
            pen.sheet.text(below, pen.y, f"- {name}{end}", Face.REGULAR, BODY)
        pen.skip(10)


def _closing(pen: _Pen, paper: Paper) -> Box:
    titles = [line for line in (paper.authority, paper.position) if line]
    pen.room(_closing_height(paper))
    pen.skip(12)
    top, middle = pen.y + BODY, RIGHT - 0.26 * WIDTH
    # box 9b: level with the signer's title, at the left margin
    pen.sheet.text(LEFT, top, "Nơi nhận:", Face.BOLD_ITALIC, 12)
    row = top
    for index, name in enumerate(paper.receivers):
        row += 13
        end = "." if index == len(paper.receivers) - 1 else ";"
        pen.sheet.text(LEFT, row, f"- {name}{end}", Face.REGULAR, 11)
    # boxes 7a, 7c, 7b: title, room for the hand, name
    below = top
    for title in titles:
        pen.at(middle, below, title, Face.BOLD, BODY)
        below += BODY * LEADING
    below += HAND
    pen.at(middle, below, paper.signer, Face.BOLD, BODY)
    pen.y = max(row, below)
    bottom = A4[1] - (below - BODY)
    return Box(
        page=len(pen.sheets) - 1,
        x1=round(middle - 62),
        y1=round(bottom + 1),
        x2=round(middle + 62),
        y2=round(bottom + HAND - 4),
    )


def _closing_height(paper: Paper) -> float:
    signer = (bool(paper.authority) + bool(paper.position) + 1) * BODY * LEADING + HAND
    return max(signer, 14 + 13 * len(paper.receivers)) + 14


@dataclass(slots=True)
class _Pen:
    """Where drawing goes on: a sheet and a height; new sheets come when one is full."""

    fonts: Fonts
    sheets: list[Sheet] = field(default_factory=list)
    y: float = TOP

    def __post_init__(self) -> None:
        self.sheets.append(Sheet(self.fonts))

    @property
    def sheet(self) -> Sheet:
        return self.sheets[-1]

    def width(self, text: str, face: Face, size: float) -> float:
        return self.fonts.width(composed(text), face, size)

    def at(self, middle: float, y: float, text: str, face: Face, size: float) -> None:
        """Write *text* centred on *middle*."""
        self.sheet.text(middle - self.width(text, face, size) / 2, y, text, face, size)

    def skip(self, points: float) -> None:
        self.y += points

    def down(self, size: float) -> None:
        self.y += size * LEADING

    def room(self, points: float) -> None:
        """Turn the page where *points* are no longer free."""
        if self.y + points > BOTTOM:
            self.sheets.append(Sheet(self.fonts))
            self.y = TOP

    def centred(self, text: str, face: Face, size: float) -> None:
        self.room(size * LEADING)
        self.down(size)
        self.at((LEFT + RIGHT) / 2, self.y, text, face, size)

    def paragraph(self, runs: Sequence[Run]) -> None:
        """Write a justified paragraph with an indented first line.  spec: II.6.e"""
        lines = list(self.lines(runs, BODY, WIDTH, first=WIDTH - INDENT))
        self.skip(GAP)
        for index, words in enumerate(lines):
            is_last = index == len(lines) - 1
            # No single first line at the foot of a page, and no single last line at the head of one.
            alone = (index == 0 and not is_last) or index == len(lines) - 2
            self.room(BODY * LEADING * (2 if alone else 1))
            self.down(BODY)
            start = LEFT + (INDENT if index == 0 else 0)
            self._justify(words, start, None if is_last else RIGHT)

    def height(self, runs: Sequence[Run]) -> float:
        """How much of the page a paragraph takes."""
        return GAP + BODY * LEADING * len(list(self.lines(runs, BODY, WIDTH, first=WIDTH - INDENT)))

    def balanced(self, runs: Sequence[Run], size: float, width: float) -> list[list[Run]]:
        """Break *runs* into as few lines as fit *width*, all about equally long."""
        best = list(self.lines(runs, size, width))
        while (narrower := width - size / 2) > size:
            lines = list(self.lines(runs, size, narrower))
            if len(lines) > len(best):
                break
            best, width = lines, narrower
        return best

    def lines(
        self, runs: Sequence[Run], size: float, width: float, *, first: float | None = None
    ) -> Iterator[list[Run]]:
        """Break *runs* into lines of words that fit."""
        words = [Run(word, run.face) for run in runs for word in composed(run.text).split()]
        blank = self.width(" ", Face.REGULAR, size)
        line: list[Run] = []
        used, limit = 0.0, width if first is None else first
        for word in words:
            length = self.width(word.text, word.face, size)
            if line and used + blank + length > limit:
                yield line
                line, used, limit = [], 0.0, width
            used += length + (blank if line else 0)
            line.append(word)
        if line:
            yield line

    def _justify(self, words: Sequence[Run], x: float, right: float | None) -> None:
        blank = self.width(" ", Face.REGULAR, BODY)
        lengths = [self.width(word.text, word.face, BODY) for word in words]
        if right is not None and len(words) > 1:
            blank = (right - x - sum(lengths)) / (len(words) - 1)
        for word, length in zip(words, lengths, strict=True):
            self.sheet.text(x, self.y, word.text, word.face, BODY)
            x += length + blank

    def number_pages(self) -> None:
        """spec: I.7 - centred in the top margin, upright, size 13 to 14, none on the first page."""
        for number, sheet in enumerate(self.sheets[1:], start=2):
            text = str(number)
            half = self.width(text, Face.REGULAR, BODY) / 2
            sheet.text(A4[0] / 2 - half, 14 * MM, text, Face.REGULAR, BODY)


def _runs(text: str) -> list[Run]:
    parts = text.split("**")
    return [Run(part, Face.BOLD if i % 2 else Face.REGULAR) for i, part in enumerate(parts) if part]
