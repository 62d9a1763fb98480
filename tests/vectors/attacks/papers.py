"""The documents that are attacked: one page with a line, and one that has a bit of everything."""

from __future__ import annotations

from functools import cache

from pyhanko.sign.fields import FieldMDPSpec, MDPPerm

from tests.inspection.files import leader, made, signed_and_sealed, signed_by_leader
from tests.pki import Credential, pki
from tests.signing.pdfs import a_pdf, signed
from tests.vectors.attacks.revisions import form_xobject, stream, text

# where things stand in ``rich``
CATALOG, PAGES, PAGE, CONTENT, FONT = 1, 2, 3, 4, 5
SECOND_PAGE, SECOND_CONTENT, IMAGE, FORM_XOBJECT = 10, 11, 12, 13
TO_UNICODE, ENCODING, GRAPHICS_STATE, RESOURCES = 14, 15, 16, 17
TEXT_FIELD, TEXT_LOOKS, CHECK_BOX, CHECK_ON, CHECK_OFF, CHOICE, BUTTON, CHOICE_LOOKS = range(20, 28)
LAYER, OUTLINES, OUTLINE, STRUCTURE, STRUCTURE_ELEMENT, NAMES, DESTS = 30, 31, 32, 33, 34, 35, 36
NOTE, LINK, METADATA, INFO, LABELS, FIELDS, ANNOTS = 40, 41, 42, 43, 44, 45, 46

XMP = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    b"</rdf:RDF></x:xmpmeta>"
)
"""Metadata without anything in them."""
_CATALOG = (
    b"/AcroForm << /Fields 45 0 R /DA (/F1 9 Tf) /DR << /Font << /F1 5 0 R >> >> >>"
    b" /OCProperties << /OCGs [30 0 R] /D << /ON [30 0 R] /Order [30 0 R] >> >>"
    b" /Outlines 31 0 R /StructTreeRoot 33 0 R /MarkInfo << /Marked true >> /Lang (vi-VN)"
    b" /Names 35 0 R /PageLabels 44 0 R /Metadata 42 0 R /ViewerPreferences << /DisplayDocTitle true >>"
)


@cache
def rich() -> bytes:
    """Two pages, a form with fields of every kind, pictures, layers, outlines, structure, notes."""
    boxed = b"/BBox [0 0 20 20] /Type /XObject /Subtype /Form"
    widget = b"/Type /Annot /Subtype /Widget /F 4 /DA (/F1 9 Tf)"
    return a_pdf(
        catalog=_CATALOG,
        extra={
            PAGES: b"<< /Type /Pages /Kids [3 0 R 10 0 R] /Count 2 /MediaBox [0 0 595 842] /Resources 17 0 R >>",
            PAGE: b"<< /Type /Page /Parent 2 0 R /Contents [4 0 R] /Annots 46 0 R /StructParents 0 >>",
            CONTENT: stream(
                b"/P << /MCID 0 >> BDC "
                + text(b"Quyet dinh 517")
                + b" EMC q /G1 gs 50 0 0 50 72 500 cm /I1 Do Q"
                b" q 1 0 0 1 72 400 cm /X1 Do Q /OC /L1 BDC " + text(b"on a layer", y=300) + b" EMC"
            ),
            FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding 15 0 R /ToUnicode 14 0 R >>",
            SECOND_PAGE: b"<< /Type /Page /Parent 2 0 R /Contents 11 0 R /Rotate 0 >>",
            SECOND_CONTENT: stream(text(b"The second page")),
            IMAGE: stream(
                b"\x00\xff\xff\x00",
                b"/Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8",
            ),
            FORM_XOBJECT: form_xobject(text(b"in a form", x=0, y=0), 200, 40),
            TO_UNICODE: stream(b"/CIDInit /ProcSet findresource begin end"),
            ENCODING: b"<< /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [65 /A /B /C] >>",
            GRAPHICS_STATE: b"<< /Type /ExtGState /ca 1 /CA 1 >>",
            RESOURCES: b"<< /Font << /F1 5 0 R >> /XObject << /I1 12 0 R /X1 13 0 R >> /ExtGState << /G1 16 0 R >>"
            b" /Properties << /L1 30 0 R >> >>",
            TEXT_FIELD: b"<< /FT /Tx /T (amount) /V (100) /Rect [300 700 400 720] /P 3 0 R /AP << /N 21 0 R >> %s >>"
            % widget,
            TEXT_LOOKS: form_xobject(b"/Tx BMC " + text(b"100", x=2, y=4, size=9) + b" EMC", 100, 20),
            CHECK_BOX: b"<< /FT /Btn /T (agreed) /V /Yes /AS /Yes /Rect [300 660 320 680] /P 3 0 R"
            b" /AP << /N << /Yes 23 0 R /Off 24 0 R >> >> %s >>" % widget,
            CHECK_ON: stream(b"0 0 m 20 20 l S", boxed),
            CHECK_OFF: stream(b"", boxed),
            CHOICE: b"<< /FT /Ch /T (kind) /V (one) /Opt [(one) (two)] /I [0] /Ff 131072 /Rect [300 620 400 640]"
            b" /P 3 0 R /AP << /N 27 0 R >> %s >>" % widget,
            CHOICE_LOOKS: form_xobject(b"/Tx BMC " + text(b"one", x=2, y=4, size=9) + b" EMC", 100, 20),
            BUTTON: b"<< /FT /Btn /T (picture) /Ff 65536 /Rect [300 560 340 600] /P 3 0 R /MK << /I 13 0 R /TP 1 >>"
            b" /AP << /N 13 0 R >> %s >>" % widget,
            LAYER: b"<< /Type /OCG /Name (Layer) >>",
            OUTLINES: b"<< /Type /Outlines /First 32 0 R /Last 32 0 R /Count 1 >>",
            OUTLINE: b"<< /Title (One) /Parent 31 0 R /Dest [3 0 R /Fit] >>",
            STRUCTURE: b"<< /Type /StructTreeRoot /K 34 0 R /ParentTree << /Nums [0 [34 0 R]] >> >>",
            STRUCTURE_ELEMENT: b"<< /Type /StructElem /S /P /P 33 0 R /Pg 3 0 R /K 0 /ActualText (Quyet dinh 517) >>",
            NAMES: b"<< /Dests 36 0 R >>",
            DESTS: b"<< /Names [(first) [3 0 R /Fit]] >>",
            NOTE: b"<< /Type /Annot /Subtype /Text /Rect [500 700 520 720] /Contents (a note) /P 3 0 R /F 4"
            b" /AP << /N 13 0 R >> >>",
            LINK: b"<< /Type /Annot /Subtype /Link /Rect [72 700 200 740] /Border [0 0 0] /P 3 0 R"
            b" /Dest [10 0 R /Fit] >>",
            METADATA: stream(XMP, b"/Type /Metadata /Subtype /XML"),
            INFO: b"<< /Title (Quyet dinh) >>",
            LABELS: b"<< /Nums [0 << /S /D >>] >>",
            FIELDS: b"[20 0 R 22 0 R 25 0 R 26 0 R]",
            ANNOTS: b"[20 0 R 22 0 R 25 0 R 26 0 R 40 0 R 41 0 R]",
        },
    )


@cache
def agency() -> Credential:
    """One agency for the whole run."""
    return pki().agency("000.00.13.H53", "Sở Thông tin và Truyền thông")


@cache
def approved() -> bytes:
    """``rich``, signed by the leader."""
    return made(signed(rich(), leader()))


@cache
def approved_twice() -> bytes:
    """``rich``, signed by the leader and then by the agency."""
    return made(signed(approved(), agency(), field="Seal"))


def plain_once() -> bytes:
    """A page with a line of text, signed by a leader."""
    return signed_by_leader()


def plain_twice() -> bytes:
    """A page with a line of text, signed by a leader and then by an agency."""
    return signed_and_sealed()


@cache
def certified(permission: MDPPerm) -> bytes:
    """``rich``, certified by the leader with *permission* for later changes."""
    return made(signed(rich(), leader(), certify=permission))


@cache
def locked(lock: FieldMDPSpec | None = None) -> bytes:
    """``rich``, signed with *lock* over its fields."""
    return made(signed(rich(), leader(), lock=lock))
