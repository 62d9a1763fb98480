"""The appearance of a seal as PDF objects: a form with the picture, or with lines of text.

Written as PDF by hand: pixels and font were compressed once and are only copied, and pyHanko's objects for the
rest would take longer than the signature.
"""

from __future__ import annotations

from pyhanko.pdf_utils.writer import BasePdfFileWriter

from adapters.signing.objects import Verbatim, added
from adapters.signing.visible.mark import LEADING, TEXT_SIZE, Spot
from adapters.signing.visible.picture import Picture
from adapters.signing.visible.typeface import Cut, Setting


def draw(spot: Spot, writer: BasePdfFileWriter) -> int:
    """Add to *writer* what is seen at *spot*; the answer is its object's number, for the annotation's /AP."""
    width, height = spot.size.width, spot.size.height
    match spot.figure:
        case Picture() as picture:
            content = b"q %.3f 0 0 %.3f 0 0 cm /Seal Do Q" % (width, height)
            resources = b"/XObject << /Seal %d 0 R >>" % _image(picture, writer)
        case Setting() as setting:
            content = _text(setting, width, height)
            resources = b"/Font << /F %d 0 R >>" % _font(setting.cut, writer)
    # spec: ISO 32000-2 §12.5.5 algorithm 8 - the box, turned by the matrix, is fitted into /Rect
    form = (
        b"/Type /XObject /Subtype /Form /BBox [0 0 %.3f %.3f] /Matrix [%d %d %d %d 0 0] /Resources << %s >>"
        % (
            width,
            height,
            *spot.page.view.upright,
            resources,
        )
    )
    return _stream(writer, content, form)


def _image(picture: Picture, writer: BasePdfFileWriter) -> int:
    pixels = b"/Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent 8 /Filter /FlateDecode"
    transparency = _stream(
        writer,
        picture.transparency,
        pixels % (picture.width, picture.height) + b" /ColorSpace /DeviceGray",
    )
    # spec: ISO 32000-2 §11.6.5.2 - a soft mask need not have as many pixels as its picture
    return _stream(
        writer,
        picture.colours,
        pixels % (picture.colours_width, picture.colours_height)
        + b" /ColorSpace /DeviceRGB /SMask %d 0 R" % transparency,
    )


def _text(setting: Setting, width: float, height: float) -> bytes:
    """The lines, each up to the right edge, in black."""
    shown = [b"BT 0 g /F %g Tf" % TEXT_SIZE]
    for place, line in enumerate(setting.lines):
        x = width - line.length * TEXT_SIZE / 1000
        y = height - LEADING * (place + 1) + 0.25 * TEXT_SIZE
        shown.append(b"1 0 0 1 %.3f %.3f Tm <%s> Tj" % (x, y, line.shown))
    shown.append(b"ET")
    return b"\n".join(shown)


def _font(cut: Cut, writer: BasePdfFileWriter) -> int:
    """spec: ISO 32000-2 §9.7 - a composite font whose codes are glyph numbers."""
    program = _stream(writer, cut.program, b"/Length1 %d /Filter /FlateDecode" % cut.program_size)
    descriptor = _object(
        writer,
        b"<< /Type /FontDescriptor /FontName /%s /Flags 4 /FontBBox [%d %d %d %d] /ItalicAngle 0 /Ascent %d"
        b" /Descent %d /CapHeight %d /StemV 80 /FontFile2 %d 0 R >>"
        % (cut.name, *cut.box, cut.ascent, cut.descent, cut.cap_height, program),
    )
    descendant = _object(
        writer,
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /%s /CIDSystemInfo << /Registry (Adobe)"
        b" /Ordering (Identity) /Supplement 0 >> /FontDescriptor %d 0 R /CIDToGIDMap /Identity /W [0 [%s]] >>"
        % (cut.name, descriptor, cut.written_widths),
    )
    to_unicode = _stream(writer, cut.to_unicode, b"/Filter /FlateDecode")
    return _object(
        writer,
        b"<< /Type /Font /Subtype /Type0 /BaseFont /%s /Encoding /Identity-H /DescendantFonts [%d 0 R]"
        b" /ToUnicode %d 0 R >>" % (cut.name, descendant, to_unicode),
    )


def _stream(writer: BasePdfFileWriter, encoded: bytes, entries: bytes) -> int:
    return _object(writer, b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(encoded), entries, encoded))


def _object(writer: BasePdfFileWriter, written: bytes) -> int:
    return added(writer, Verbatim(written)).idnum
