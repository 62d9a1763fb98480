"""Shadow attacks: a document is prepared so that, once signed, a small change brings another to light.

See "Shadow Attacks" (NDSS 2021): hide, replace, hide and replace.  ``PREPARED`` are signed by a victim and
not yet touched: intact, but to be warned of.  ``SPRUNG`` are the same files after the change: never valid.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import cache

from tests.inspection.files import leader, made
from tests.signing.pdfs import a_pdf, signed
from tests.vectors.attacks.incremental import with_table
from tests.vectors.attacks.revisions import changed, form_xobject, size_of, stream, text, updated

Maker = Callable[[], bytes]

_GOOD, _BAD = text(b"You get a reward"), text(b"You are dismissed")
_PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %s /Resources << /Font << /F1 5 0 R >> %s >> %s >>"
_WHITE = b"1 g 0 0 595 842 re f 0 g "
_WIDGET = b"/Type /Annot /Subtype /Widget /F 4 /DA (/F1 12 Tf) /P 3 0 R"


def _paper(objects: Mapping[int, bytes], *, catalog: bytes = b"", page: bytes = b"") -> bytes:
    extra = dict(objects)
    if page:
        extra[3] = page
    return a_pdf(catalog=catalog, extra=extra)


def _image(entries: bytes = b"") -> bytes:
    pixels = zlib.compress(b"\xff" * 60 * 84)
    return stream(
        pixels,
        b"/Type /XObject /Subtype /Image /Width 60 /Height 84 /ColorSpace /DeviceGray /BitsPerComponent 8"
        b" /Filter /FlateDecode %s" % entries,
    )


# --- hide -----------------------------------------------------------------------------------------------


def hidden_by_an_image() -> bytes:
    """The bad text lies under a picture of the good one; the picture will vanish."""
    return _paper(
        {4: stream(_BAD + b" q 595 0 0 842 0 0 cm /I1 Do Q"), 6: _image()},
        page=_PAGE % (b"4 0 R", b"/XObject << /I1 6 0 R >>", b""),
    )


def hidden_by_an_image_in_a_content_of_its_own() -> bytes:
    """The same, with two content streams."""
    return _paper(
        {4: stream(_BAD), 6: _image(), 7: stream(b"q 595 0 0 842 0 0 cm /I1 Do Q")},
        page=_PAGE % (b"[4 0 R 7 0 R]", b"/XObject << /I1 6 0 R >>", b""),
    )


def hidden_by_a_form() -> bytes:
    """The same with a form XObject that paints white and then the good text."""
    return _paper(
        {4: stream(_BAD + b" q /X1 Do Q"), 6: form_xobject(_WHITE + _GOOD)},
        page=_PAGE % (b"4 0 R", b"/XObject << /X1 6 0 R >>", b""),
    )


def hidden_line_by_an_image() -> bytes:
    """Only the line is covered."""
    return _paper(
        {4: stream(_BAD + b" q 400 0 0 30 60 712 cm /I1 Do Q"), 6: _image()},
        page=_PAGE % (b"4 0 R", b"/XObject << /I1 6 0 R >>", b""),
    )


def hidden_by_a_filled_box() -> bytes:
    """A second content stream paints a white box over the text."""
    return _paper(
        {4: stream(_BAD), 7: stream(b"1 g 60 700 400 60 re f 0 g " + text(b"You get a reward", y=600))},
        page=_PAGE % (b"[4 0 R 7 0 R]", b"", b""),
    )


def _field(rect: bytes, name: bytes, value: bytes, looks: int) -> bytes:
    return b"<< /FT /Tx /T (%s) /V (%s) /Rect %s /AP << /N %d 0 R >> /MK << /BG [1 1 1] >> %s >>" % (
        name,
        value,
        rect,
        looks,
        _WIDGET,
    )


def _opaque(words: bytes) -> bytes:
    return form_xobject(
        b"1 g 0 0 300 20 re f 0 g /Tx BMC " + text(words, x=2, y=5, size=12) + b" EMC", 300, 20
    )


def text_hidden_by_a_field() -> bytes:
    """A filled field with a background lies over another account number on the page."""
    return _paper(
        {
            4: stream(text(b"Account:", x=50) + b" " + text(b"666666", x=225, y=650, size=12)),
            6: _field(b"[220 645 520 665]", b"account", b"123456", 7),
            7: _opaque(b"123456"),
        },
        catalog=b"/AcroForm << /Fields [6 0 R] /DR << /Font << /F1 5 0 R >> >> >>",
        page=_PAGE % (b"4 0 R", b"", b"/Annots [6 0 R]"),
    )


def field_hidden_by_a_field() -> bytes:
    """Two fields at one place: the later one hides the other."""
    return _paper(
        {
            6: _field(b"[220 645 520 665]", b"one", b"666666", 7),
            7: _opaque(b"666666"),
            8: _field(b"[220 645 520 665]", b"two", b"123456", 9),
            9: _opaque(b"123456"),
        },
        catalog=b"/AcroForm << /Fields [6 0 R 8 0 R] /DR << /Font << /F1 5 0 R >> >> >>",
        page=_PAGE % (b"4 0 R", b"", b"/Annots [6 0 R 8 0 R]"),
    )


def text_hidden_by_a_note() -> bytes:
    """A stamp with a background lies over the text."""
    return _paper(
        {
            4: stream(_BAD),
            6: b"<< /Type /Annot /Subtype /Stamp /Rect [60 700 460 760] /F 4 /AP << /N 7 0 R >> >>",
            7: form_xobject(b"1 g 0 0 400 60 re f 0 g " + text(b"You get a reward", x=2, y=5), 400, 60),
        },
        page=_PAGE % (b"4 0 R", b"", b"/Annots [6 0 R]"),
    )


# --- replace --------------------------------------------------------------------------------------------


def field_that_looks_otherwise() -> bytes:
    """The field's value is bad, its looks are good; a reader that draws it anew shows the value."""
    return _paper(
        {6: _field(b"[220 645 520 665]", b"to", b"Attacker", 7), 7: _opaque(b"Red Cross")},
        catalog=b"/AcroForm << /Fields [6 0 R] /DR << /Font << /F1 5 0 R >> >> >>",
        page=_PAGE % (b"4 0 R", b"", b"/Annots [6 0 R]"),
    )


def field_to_be_drawn_anew() -> bytes:
    """The same, and the form asks readers to draw it."""
    return _paper(
        {6: _field(b"[220 645 520 665]", b"to", b"Attacker", 7), 7: _opaque(b"Red Cross")},
        catalog=b"/AcroForm << /Fields [6 0 R] /NeedAppearances true /DR << /Font << /F1 5 0 R >> >> >>",
        page=_PAGE % (b"4 0 R", b"", b"/Annots [6 0 R]"),
    )


def check_box_turned_over() -> bytes:
    """The box says yes and shows an empty square."""
    return _paper(
        {
            6: b"<< /FT /Btn /T (agreed) /V /Yes /AS /Off /Rect [220 645 240 665]"
            b" /AP << /N << /Yes 7 0 R /Off 8 0 R >> >> %s >>" % _WIDGET,
            7: form_xobject(b"0 0 m 20 20 l S", 20, 20),
            8: form_xobject(b"", 20, 20),
        },
        catalog=b"/AcroForm << /Fields [6 0 R] >>",
        page=_PAGE % (b"4 0 R", b"", b"/Annots [6 0 R]"),
    )


# --- hide and replace -----------------------------------------------------------------------------------


def _second_document(first: int) -> dict[int, bytes]:
    """A second catalogue, its pages, a page and its content."""
    return {
        first: b"<< /Type /Catalog /Pages %d 0 R >>" % (first + 1),
        first + 1: b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % (first + 2),
        first + 2: b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>" % (first + 1, first + 3),
        first + 3: stream(_BAD),
    }


def two_catalogues() -> bytes:
    """A whole second document that only the table knows."""
    return a_pdf(extra=_second_document(10))


def two_page_trees() -> bytes:
    """A second page tree; the catalogue is one."""
    return a_pdf(extra={n: body for n, body in _second_document(10).items() if n != 10})


def two_pages_one_in_use() -> bytes:
    """A second page that no tree has."""
    return a_pdf(
        extra={10: _PAGE % (b"11 0 R", b"", b""), 11: stream(_BAD)},
    )


def two_contents_one_in_use() -> bytes:
    """A second content that no page has."""
    return a_pdf(extra={10: stream(_BAD)})


def two_fonts_one_in_use() -> bytes:
    """A font program that shows other letters, which no font has."""
    return a_pdf(extra={10: b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"})


def two_images_one_in_use() -> bytes:
    """A picture that nothing draws."""
    return a_pdf(extra={10: _image()})


def a_form_that_nothing_draws() -> bytes:
    return a_pdf(extra={10: form_xobject(_WHITE + _BAD)})


def second_document_outside_the_table() -> bytes:
    """The second document's objects stand in the file, and no table knows them."""
    pdf = a_pdf()
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % pair for pair in _second_document(10).items())
    return _before_the_table(pdf, body)


def same_numbers_twice() -> bytes:
    """Page and content stand twice under their numbers; the table knows the good ones."""
    page = b"3 0 obj\n" + _PAGE % (b"4 0 R", b"", b"") + b"\nendobj\n4 0 obj\n" + stream(_BAD) + b"\nendobj\n"
    return _before_the_table(a_pdf(), page)


def an_older_revision_with_another_page() -> bytes:
    """Before it was signed the page was exchanged: the older revision still has the bad one."""
    return updated(a_pdf(extra={4: stream(_BAD)}), {4: stream(_GOOD)})


def widget_that_the_form_does_not_know() -> bytes:
    """A field's widget lies on the page and belongs to no form."""
    return _paper(
        {6: _field(b"[220 645 520 665]", b"to", b"Attacker", 7), 7: _opaque(b"Attacker")},
        page=_PAGE % (b"4 0 R", b"", b"/Annots [6 0 R]"),
    )


def annotation_on_no_page() -> bytes:
    """A widget with looks waits on no page."""
    return _paper(
        {6: _field(b"[220 645 520 665]", b"to", b"Attacker", 7), 7: _opaque(b"Attacker")},
        catalog=b"/AcroForm << /Fields [6 0 R] >>",
    )


def hidden_annotation() -> bytes:
    """A stamp is there and told not to show."""
    return _paper(
        {
            6: b"<< /Type /Annot /Subtype /Stamp /Rect [0 0 595 842] /F 2 /AP << /N 7 0 R >> >>",
            7: form_xobject(_WHITE + _BAD),
        },
        page=_PAGE % (b"4 0 R", b"", b"/Annots [6 0 R]"),
    )


def hidden_layer() -> bytes:
    """A layer with the bad text is switched off."""
    return _paper(
        {
            4: stream(_GOOD + b" /OC /L1 BDC " + _BAD + b" EMC"),
            6: b"<< /Type /OCG /Name (L) >>",
        },
        catalog=b"/OCProperties << /OCGs [6 0 R] /D << /OFF [6 0 R] >> >>",
        page=_PAGE % (b"4 0 R", b"/Properties << /L1 6 0 R >>", b""),
    )


def hidden_layers_by_default() -> bytes:
    """The same by /BaseState."""
    return _paper(
        {
            4: stream(_GOOD + b" /OC /L1 BDC " + _BAD + b" EMC"),
            6: b"<< /Type /OCG /Name (L) >>",
        },
        catalog=b"/OCProperties << /OCGs [6 0 R] /D << /BaseState /OFF >> >>",
        page=_PAGE % (b"4 0 R", b"/Properties << /L1 6 0 R >>", b""),
    )


def content_from_another_file() -> bytes:
    """The page's content is to be fetched from a file beside this one."""
    return a_pdf(extra={4: b"<< /Length 0 /F (other.txt) >>\nstream\n\nendstream"})


def page_from_another_file() -> bytes:
    """A form XObject by reference: its picture is a page of another file."""
    ref = b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Ref << /F (other.pdf) /Page 0 >>"
    return _paper(
        {4: stream(b"/X1 Do"), 6: stream(_GOOD, ref)},
        page=_PAGE % (b"4 0 R", b"/XObject << /X1 6 0 R >>", b""),
    )


def reference_to_nothing() -> bytes:
    """The page's contents have a reference to an object that does not exist yet."""
    return a_pdf(extra={3: _PAGE % (b"[4 0 R 99 0 R]", b"", b"")})


def xobject_to_come() -> bytes:
    """The page draws a form that does not exist yet."""
    return _paper({4: stream(_GOOD + b" /X1 Do")}, page=_PAGE % (b"4 0 R", b"/XObject << /X1 99 0 R >>", b""))


def annotation_to_come() -> bytes:
    return a_pdf(extra={3: _PAGE % (b"4 0 R", b"", b"/Annots [99 0 R]")})


def _before_the_table(pdf: bytes, smuggled: bytes) -> bytes:
    at = pdf.rindex(b"xref\n0 ")
    tail = pdf[at:].replace(b"startxref\n%d" % at, b"startxref\n%d" % (at + len(smuggled)))
    return pdf[:at] + smuggled + tail


# what nothing in the table leads to, is switched off, hidden, or about to come
_PREPARED: tuple[Maker, ...] = (
    hidden_by_an_image,
    hidden_by_an_image_in_a_content_of_its_own,
    hidden_by_a_form,
    hidden_line_by_an_image,
    text_hidden_by_a_field,
    field_hidden_by_a_field,
    text_hidden_by_a_note,
    field_that_looks_otherwise,
    field_to_be_drawn_anew,
    check_box_turned_over,
    two_catalogues,
    two_page_trees,
    two_pages_one_in_use,
    two_images_one_in_use,
    a_form_that_nothing_draws,
    widget_that_the_form_does_not_know,
    annotation_on_no_page,
    hidden_annotation,
    hidden_layer,
    hidden_layers_by_default,
    content_from_another_file,
    page_from_another_file,
    reference_to_nothing,
    xobject_to_come,
    annotation_to_come,
)
# Not warned of, since honest files are full of the like: a box painted over the page's own text, fonts and
# contents that an editor left behind, older revisions.  When they come to light, that is noticed: ``SPRUNG``.


@cache
def _victim(paper: Maker) -> bytes:
    return made(signed(paper(), leader()))


def _signed(paper: Maker) -> Maker:
    return lambda: _victim(paper)


WARNED: Mapping[str, Maker] = {paper.__name__.replace("_", " "): _signed(paper) for paper in _PREPARED}
"""Signed by a victim, untouched: to be warned of, if not worse."""

OUTSIDE: Mapping[str, Maker] = {
    paper.__name__.replace("_", " "): _signed(paper)
    for paper in (second_document_outside_the_table, same_numbers_twice)
}
"""The same; what waits is known to no table."""


def _then(paper: Maker, change: Callable[[bytes], bytes]) -> Maker:
    return lambda: change(_victim(paper))


def _freed(*numbers: int) -> Callable[[bytes], bytes]:
    return lambda pdf: updated(pdf, {}, free=numbers)


def _put(objects: Mapping[int, bytes]) -> Callable[[bytes], bytes]:
    return lambda pdf: updated(pdf, objects)


def _metadata_in_place_of(number: int) -> Callable[[bytes], bytes]:
    """Metadata come, and the table leads the picture's number to them, too."""

    def change(pdf: bytes) -> bytes:
        new = size_of(pdf)
        body = stream(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", b"/Type /Metadata /Subtype /XML")
        whole = changed(pdf, {1: {"/Metadata": b"%d 0 R" % new}}, {new: body})
        return with_table(whole, {number: whole.rindex(b"%d 0 obj" % new)})

    return change


def _old_bytes_of(number: int, mark: bytes) -> Callable[[bytes], bytes]:
    """A table leads *number* to where it already stood in the signed bytes, at *mark*."""
    return lambda pdf: with_table(pdf, {number: pdf.index(b"%d 0 obj" % number, pdf.index(mark))})


def _root_changed(number: int) -> Callable[[bytes], bytes]:
    def change(pdf: bytes) -> bytes:
        return updated(pdf, {}, root=b"%d 0 R" % number)

    return change


SPRUNG: Mapping[str, Maker] = {
    "image freed": _then(hidden_by_an_image, _freed(6)),
    "image emptied": _then(hidden_by_an_image, _put({6: b"<< >>"})),
    "image is metadata now": _then(hidden_by_an_image, _metadata_in_place_of(6)),
    "image made clear": _then(hidden_by_an_image, _put({6: _image(b"/ImageMask true")})),
    "image's content emptied": _then(hidden_by_an_image_in_a_content_of_its_own, _put({7: stream(b"")})),
    "image's content freed": _then(hidden_by_an_image_in_a_content_of_its_own, _freed(7)),
    "form emptied": _then(hidden_by_a_form, _put({6: form_xobject(b"")})),
    "line's image freed": _then(hidden_line_by_an_image, _freed(6)),
    "box freed": _then(hidden_by_a_filled_box, _freed(7)),
    "field over text emptied": _then(text_hidden_by_a_field, _put({6: b"<< >>"})),
    "field over text freed": _then(text_hidden_by_a_field, _freed(6)),
    "looks over text emptied": _then(text_hidden_by_a_field, _put({7: form_xobject(b"", 300, 20)})),
    "field over text hidden": _then(text_hidden_by_a_field, lambda pdf: changed(pdf, {6: {"/F": b"2"}})),
    "field over text loses its ground": _then(
        text_hidden_by_a_field, lambda pdf: changed(pdf, {6: {"/AP": None, "/MK": b"<< >>"}})
    ),
    "field over field emptied": _then(field_hidden_by_a_field, _put({8: b"<< >>"})),
    "fields change places": _then(
        field_hidden_by_a_field, lambda pdf: changed(pdf, {3: {"/Annots": b"[8 0 R 6 0 R]"}})
    ),
    "field drawn anew": _then(
        field_that_looks_otherwise,
        lambda pdf: changed(pdf, {6: {"/AP": b"<< /N 90 0 R >>"}}, {90: _opaque(b"Attacker")}),
    ),
    "field's looks taken away": _then(
        field_that_looks_otherwise, lambda pdf: changed(pdf, {6: {"/AP": None}})
    ),
    "field's looks replaced": _then(field_that_looks_otherwise, _put({7: _opaque(b"Attacker")})),
    "check box put right": _then(check_box_turned_over, lambda pdf: changed(pdf, {6: {"/AS": b"/Yes"}})),
    "other catalogue": _then(two_catalogues, _root_changed(10)),
    "other page tree": _then(two_page_trees, lambda pdf: changed(pdf, {1: {"/Pages": b"11 0 R"}})),
    "other page": _then(two_pages_one_in_use, lambda pdf: changed(pdf, {2: {"/Kids": b"[10 0 R]"}})),
    "other content": _then(two_contents_one_in_use, lambda pdf: changed(pdf, {3: {"/Contents": b"10 0 R"}})),
    "other font": _then(
        two_fonts_one_in_use,
        lambda pdf: changed(pdf, {3: {"/Resources": b"<< /Font << /F1 10 0 R >> >>"}}),
    ),
    "other catalogue by an old place": _then(
        second_document_outside_the_table,
        lambda pdf: with_table(pdf, {n: pdf.index(b"%d 0 obj" % n) for n in (10, 11, 12, 13)}),
    ),
    "page at its other place": _then(
        same_numbers_twice, lambda pdf: with_table(pdf, {4: pdf.rindex(b"4 0 obj", 0, pdf.index(b"xref"))})
    ),
    "page of the older revision": _then(
        an_older_revision_with_another_page, lambda pdf: with_table(pdf, {4: pdf.index(b"4 0 obj")})
    ),
    "widget of no form changes": _then(
        widget_that_the_form_does_not_know, lambda pdf: changed(pdf, {6: {"/V": b"(More)", "/AP": None}})
    ),
    "widget comes to its page": _then(
        annotation_on_no_page, lambda pdf: changed(pdf, {3: {"/Annots": b"[6 0 R]"}})
    ),
    "note shows": _then(hidden_annotation, lambda pdf: changed(pdf, {6: {"/F": b"4"}})),
    "layer switched on": _then(
        hidden_layer,
        lambda pdf: changed(pdf, {1: {"/OCProperties": b"<< /OCGs [6 0 R] /D << /ON [6 0 R] >> >>"}}),
    ),
    "content comes": _then(reference_to_nothing, _put({99: stream(_BAD)})),
    "form comes": _then(xobject_to_come, _put({99: form_xobject(_WHITE + _BAD)})),
    "note comes": _then(
        annotation_to_come,
        _put(
            {
                99: b"<< /Type /Annot /Subtype /Stamp /Rect [0 0 595 842] /F 4 /AP << /N 98 0 R >> >>",
                98: form_xobject(_BAD),
            }
        ),
    ),
}
"""The same after the change: never valid."""
