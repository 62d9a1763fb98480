"""PDF itself: pages of text, lines and frames with embedded Unicode fonts, written as numbered objects.

spec: ISO 32000-1 - §9.7 composite fonts (Identity-H, glyph ids as character codes), §9.10.3 ToUnicode,
§7.5 file structure.  Places are in points from the top left corner, as people think of a page.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import datetime

from demo.pdf.fonts import Face, Fonts, Metrics, composed

A4 = (595.276, 841.89)
"""210 mm x 297 mm in points.  spec: NĐ 30/2020 Annex I, Part I, I.1"""

Colour = tuple[float, float, float]
BLACK: Colour = (0, 0, 0)
RED: Colour = (0.86, 0.0, 0.0)


@dataclass(slots=True)
class Sheet:
    """One A4 page being drawn."""

    fonts: Fonts
    marks: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, face: Face, size: float, *, colour: Colour = BLACK) -> None:
        """Write *text* with its left end at *x* and its base line at *y*."""
        glyphs = self.fonts.faces[face].glyphs
        codes = "".join(f"{glyphs[c]:04X}" for c in composed(text))
        self.marks.append(
            f"BT {_rgb(colour)} rg /{_alias(face)} {size:g} Tf {x:.2f} {A4[1] - y:.2f} Td <{codes}> Tj ET"
        )

    def line(self, x1: float, y: float, x2: float, *, width: float = 0.6) -> None:
        """Draw a horizontal line."""
        self.marks.append(
            f"{_rgb(BLACK)} RG {width:g} w {x1:.2f} {A4[1] - y:.2f} m {x2:.2f} {A4[1] - y:.2f} l S"
        )

    def frame(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Draw a frame whose top left corner is (*x*, *y*)."""
        self.marks.append(
            f"{_rgb(colour)} RG 1 w {x:.2f} {A4[1] - y - height:.2f} {width:.2f} {height:.2f} re S"
        )


def write(sheets: list[Sheet], fonts: Fonts, *, title: str, author: str, at: datetime) -> bytes:
    """The PDF of *sheets*; the same arguments give the same bytes."""
    out = _Objects()
    faces = [face for face in Face if any(f"/{_alias(face)} " in m for s in sheets for m in s.marks)]
    resources = " ".join(f"/{_alias(face)} {_font(out, fonts.faces[face])} 0 R" for face in faces)
    pages = out.reserve()
    kids = []
    for sheet in sheets:
        content = out.stream("\n".join(sheet.marks).encode("ascii"))
        kids.append(
            out.add(
                f"<< /Type /Page /Parent {pages} 0 R /MediaBox [0 0 {A4[0]} {A4[1]}] "
                f"/Resources << /Font << {resources} >> >> /Contents {content} 0 R >>"
            )
        )
    listed = " ".join(f"{kid} 0 R" for kid in kids)
    out.put(pages, f"<< /Type /Pages /Kids [{listed}] /Count {len(kids)} >>")
    root = out.add(f"<< /Type /Catalog /Pages {pages} 0 R /Lang (vi-VN) >>")
    info = out.add(
        f"<< /Title {_string(title)} /Author {_string(author)} /Producer (Vanthu demo) "
        f"/CreationDate (D:{at:%Y%m%d%H%M%S}Z) >>"
    )
    return out.file(root, info)


def _alias(face: Face) -> str:
    return f"F{list(Face).index(face)}"


def _rgb(colour: Colour) -> str:
    return " ".join(f"{part:g}" for part in colour)


def _string(text: str) -> str:
    return "<" + ("\ufeff" + text).encode("utf-16-be").hex().upper() + ">"


def _font(out: _Objects, face: Metrics) -> int:
    program = out.stream(face.program, extra=f"/Length1 {len(face.program)} ")
    flags = 4 | (64 if face.italic_angle else 0) | (1 << 18 if face.is_bold else 0) | 2
    descriptor = out.add(
        f"<< /Type /FontDescriptor /FontName /{face.name} /Flags {flags} "
        f"/FontBBox [{' '.join(map(str, face.box))}] /ItalicAngle {face.italic_angle:g} "
        f"/Ascent {face.ascent} /Descent {face.descent} /CapHeight {face.cap_height} "
        f"/StemV {140 if face.is_bold else 80} /FontFile2 {program} 0 R >>"
    )
    widths = " ".join(f"{glyph} [{width}]" for glyph, width in sorted(face.widths.items()))
    descendant = out.add(
        f"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{face.name} "
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
        f"/FontDescriptor {descriptor} 0 R /CIDToGIDMap /Identity /DW 500 /W [{widths}] >>"
    )
    unicode = out.stream(_to_unicode(face))
    return out.add(
        f"<< /Type /Font /Subtype /Type0 /BaseFont /{face.name} /Encoding /Identity-H "
        f"/DescendantFonts [{descendant} 0 R] /ToUnicode {unicode} 0 R >>"
    )


def _to_unicode(face: Metrics) -> bytes:
    # A glyph that serves several characters (blank and no-break blank) is read as the first of them.
    first: dict[int, str] = {}
    for character, glyph in sorted(face.glyphs.items()):
        first.setdefault(glyph, character)
    pairs = [f"<{g:04X}> <{c.encode('utf-16-be').hex().upper()}>" for g, c in sorted(first.items())]
    blocks = [pairs[i : i + 100] for i in range(0, len(pairs), 100)]
    body = "\n".join(f"{len(b)} beginbfchar\n" + "\n".join(b) + "\nendbfchar" for b in blocks)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
        "/CMapName /Adobe-Identity-UCS def /CMapType 2 def\n"
        "1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        f"{body}\nendcmap CMapName currentdict /CMap defineresource pop end end\n"
    ).encode("ascii")


class _Objects:
    """The numbered objects of one file."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = []

    def reserve(self) -> int:
        self._bodies.append(b"")
        return len(self._bodies)

    def put(self, number: int, body: str) -> None:
        self._bodies[number - 1] = body.encode("ascii")

    def add(self, body: str) -> int:
        number = self.reserve()
        self.put(number, body)
        return number

    def stream(self, data: bytes, *, extra: str = "") -> int:
        packed = zlib.compress(data)
        head = f"<< {extra}/Filter /FlateDecode /Length {len(packed)} >>".encode("ascii")
        self._bodies.append(head + b"\nstream\n" + packed + b"\nendstream")
        return len(self._bodies)

    def file(self, root: int, info: int) -> bytes:
        parts = [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"]
        offsets, place = [], len(parts[0])
        for number, body in enumerate(self._bodies, start=1):
            part = b"%d 0 obj\n%s\nendobj\n" % (number, body)
            offsets.append(place)
            parts.append(part)
            place += len(part)
        count = len(offsets) + 1
        table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % at for at in offsets)
        parts.append(
            b"xref\n0 %d\n%s" % (count, table)
            + b"trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
            % (count, root, info, place)
        )
        return b"".join(parts)
