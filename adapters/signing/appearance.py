"""The appearance of a seal as PDF objects: a form with the picture, or with lines of text.

What is the same for every document (pixels, font) was compressed once and is written as it is.
"""

from __future__ import annotations

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.writer import BasePdfFileWriter

from adapters.signing.mark import LEADING, TEXT_SIZE, Spot
from adapters.signing.objects import added, dictionary, name, number, numbers, stream
from adapters.signing.picture import Picture
from adapters.signing.typeface import Cut, Setting


def draw(spot: Spot, writer: BasePdfFileWriter) -> generic.IndirectObject:
    """Add to *writer* what is seen at *spot*; the answer is for the annotation's /AP."""
    width, height = spot.size.width, spot.size.height
    match spot.figure:
        case Picture() as picture:
            content = b"q %.3f 0 0 %.3f 0 0 cm /Seal Do Q" % (width, height)
            resources = dictionary(XObject=dictionary(Seal=_image(picture, writer)))
        case Setting() as setting:
            content = _text(setting, width, height)
            resources = dictionary(Font=dictionary(F=_font(setting.cut, writer)))
    form = stream(
        content,
        Type=name("XObject"),
        Subtype=name("Form"),
        BBox=numbers(0, 0, width, height),
        # spec: ISO 32000-2 §12.5.5 algorithm 8 - the box, turned by the matrix, is fitted into /Rect
        Matrix=numbers(*spot.page.view.upright, 0, 0),
        Resources=resources,
    )
    return added(writer, form)


def rectangle(spot: Spot) -> generic.ArrayObject:
    """The /Rect of the annotation."""
    box = spot.box
    return numbers(box.left, box.bottom, box.right, box.top)


def _image(picture: Picture, writer: BasePdfFileWriter) -> generic.IndirectObject:
    transparency = _pixels(picture.transparency, picture.width, picture.height, "DeviceGray")
    colours = _pixels(picture.colours, picture.colours_width, picture.colours_height, "DeviceRGB")
    # spec: ISO 32000-2 §11.6.5.2 - a soft mask need not have as many pixels as its picture
    colours[name("SMask")] = added(writer, transparency)
    return added(writer, colours)


def _pixels(deflated: bytes, width: int, height: int, space: str) -> generic.StreamObject:
    return stream(
        deflated,
        Type=name("XObject"),
        Subtype=name("Image"),
        Width=number(width),
        Height=number(height),
        ColorSpace=name(space),
        BitsPerComponent=number(8),
        Filter=name("FlateDecode"),
    )


def _text(setting: Setting, width: float, height: float) -> bytes:
    """The lines, each up to the right edge, in black."""
    shown = [b"BT 0 g /F %g Tf" % TEXT_SIZE]
    for place, line in enumerate(setting.lines):
        x = width - line.length * TEXT_SIZE / 1000
        y = height - LEADING * (place + 1) + 0.25 * TEXT_SIZE
        shown.append(b"1 0 0 1 %.3f %.3f Tm <%s> Tj" % (x, y, line.shown.encode("ascii")))
    shown.append(b"ET")
    return b"\n".join(shown)


def _font(cut: Cut, writer: BasePdfFileWriter) -> generic.IndirectObject:
    """spec: ISO 32000-2 §9.7 - a composite font whose codes are glyph numbers."""
    program = stream(cut.program, Length1=number(cut.program_size), Filter=name("FlateDecode"))
    descriptor = dictionary(
        Type=name("FontDescriptor"),
        FontName=name(f"{cut.name}"),
        Flags=number(4),
        FontBBox=numbers(*cut.box),
        ItalicAngle=number(0),
        Ascent=number(cut.ascent),
        Descent=number(cut.descent),
        CapHeight=number(cut.cap_height),
        StemV=number(80),
        FontFile2=added(writer, program),
    )
    descendant = dictionary(
        Type=name("Font"),
        Subtype=name("CIDFontType2"),
        BaseFont=name(f"{cut.name}"),
        CIDSystemInfo=dictionary(
            Registry=generic.TextStringObject("Adobe"),
            Ordering=generic.TextStringObject("Identity"),
            Supplement=number(0),
        ),
        FontDescriptor=added(writer, descriptor),
        CIDToGIDMap=name("Identity"),
        W=generic.ArrayObject([number(0), numbers(*cut.widths)]),
    )
    to_unicode = stream(cut.to_unicode, Filter=name("FlateDecode"))
    return added(
        writer,
        dictionary(
            Type=name("Font"),
            Subtype=name("Type0"),
            BaseFont=name(f"{cut.name}"),
            Encoding=name("Identity-H"),
            DescendantFonts=generic.ArrayObject([added(writer, descendant)]),
            ToUnicode=added(writer, to_unicode),
        ),
    )
