"""From paper to letter: the secretariat typesets, the leader signs, the clerk wraps it as edXML.

Typesetting and signing take about 20 ms a paper and happen in a thread while the broker starts.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from demo import papers
from demo.edxml import File, Letter, Organ, Reference
from demo.leader import Leader
from demo.pdf import Fonts, Paper, typeset
from demo.pki import LeaderAuthority

PRIORITY = {"": 0, "KHẨN": 1, "THƯỢNG KHẨN": 2, "HỎA TỐC": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A paper that a leader has signed."""

    paper: Paper
    pdf: bytes = field(repr=False)
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """All papers of the day, signed."""

    decision: Signed
    answer: Signed
    express: Signed
    district: Signed
    report: Signed
    notice: Signed
    update: Signed
    replacement: Signed
    ordinary: tuple[Signed, ...]
    samples: tuple[Signed, ...]


class Secretariat:
    """Typesets papers and has them signed; every signer gets a certificate when first needed."""

    def __init__(self, fonts: Fonts, authority: LeaderAuthority) -> None:
        self._fonts = fonts
        self._authority = authority
        self._leaders: dict[str, Leader] = {}

    def sign(self, paper: Paper) -> Signed:
        """*paper* as its signer signed it."""
        leader = self._leaders.get(paper.signer)
        if leader is None:
            organ = " ".join(part.capitalize() for part in paper.organ)
            leader = Leader(self._authority.certify(paper.signer, organ), paper.signer)
            self._leaders[paper.signer] = leader
        laid_out = typeset(paper, self._fonts)
        return Signed(paper=paper, pdf=leader.sign(laid_out), pages=laid_out.pages)

    def all_of_the_day(self, ordinary: int, subjects: Sequence[str]) -> Drafts:
        """Everything that is sent today; *subjects* are those of the letters that turn out badly."""
        return Drafts(
            decision=self.sign(papers.DECISION),
            answer=self.sign(papers.ANSWER),
            express=self.sign(papers.EXPRESS),
            district=self.sign(papers.DISTRICT),
            report=self.sign(papers.REPORT),
            notice=self.sign(papers.notice("110/STTTT-CNTT", "ngày 15 tháng 3 năm 2016")),
            update=self.sign(papers.notice("110/STTTT-CNTT", "ngày 16 tháng 3 năm 2016")),
            replacement=self.sign(papers.notice("118/STTTT-CNTT", "ngày 22 và 23 tháng 3 năm 2016")),
            ordinary=tuple(self.sign(papers.ordinary(301 + i)) for i in range(ordinary)),
            samples=tuple(self.sign(papers.sample(701 + i, text)) for i, text in enumerate(subjects)),
        )


def letter(
    signed: Signed,
    sender: Organ,
    recipients: Sequence[Organ],
    *,
    more: Sequence[File] = (),
    responds_to: Sequence[Reference] = (),
) -> Letter:
    """The signed paper as a letter to *recipients*."""
    paper = signed.paper
    number, _, notation = paper.code.partition("/")
    name = f"{number}_{notation}.pdf".replace("Đ", "D")
    return Letter(
        sender=sender,
        recipients=tuple(recipients),
        number=number,
        notation=notation,
        place=paper.place,
        dated=paper.dated,
        type_id=1 if paper.kind == "QUYẾT ĐỊNH" else 2,
        type_name=paper.kind.capitalize() or "Công văn",
        subject=paper.subject if paper.kind else f"V/v {paper.subject}",
        competence=paper.authority.partition(" ")[0] if paper.authority else "",
        position=paper.position.capitalize(),
        signer=paper.signer,
        files=(File(name=name, body=signed.pdf), *more),
        priority=PRIORITY[paper.urgency],
        pages=signed.pages,
        responds_to=tuple(responds_to),
    )


def spreadsheet(name: str, rows: Sequence[Sequence[str]]) -> File:
    """An .xlsx with *rows*, stored without compression as some software does."""
    cells = "".join(
        f'<row r="{r}">'
        + "".join(f'<c t="inlineStr"><is><t>{_escaped(c)}</t></is></c>' for c in row)
        + "</row>"
        for r, row in enumerate(rows, start=1)
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Danh mục" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path, text in parts.items():
            head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
            archive.writestr(path, (head + text).encode())
    return File(name=name, body=out.getvalue(), media_type=f"{kind}.sheet")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
