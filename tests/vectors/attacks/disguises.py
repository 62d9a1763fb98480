"""One object that is two things at once: what may change as the one, changes as the other.

A judge that permits some changes (metadata, validation data, the form, the field of a new signature) has to
know that the thing is nothing else besides.  The papers are prepared by the attacker and signed by a victim;
then comes a change of the permitted kind.  None of them may be valid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.inspection.files import leader, made
from tests.signing.pdfs import a_pdf, signed
from tests.vectors.attacks import papers
from tests.vectors.attacks.revisions import (
    form_xobject,
    prepared,
    signed_by_hand,
    size_of,
    start_of,
    stream,
    text,
    updated,
    with_keys,
)

Maker = Callable[[], bytes]

_PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] %s >>"
_GOOD, _BAD = text(b"You get a reward"), text(b"You are dismissed")
_COVER = b"1 g 0 0 595 842 re f 0 g "
_RESOURCES = b"/Contents 4 0 R /Resources << /Font << /F1 5 0 R >> %s >>"


def _victim(objects: Mapping[int, bytes], *, catalog: bytes = b"", trailer: bytes = b"") -> bytes:
    pdf = a_pdf(catalog=catalog, extra=dict(objects))
    if trailer:
        pdf = pdf.replace(b"/Root 1 0 R >>", b"/Root 1 0 R %s >>" % trailer)
    return made(signed(pdf, leader()))


# --- as information about the document ------------------------------------------------------------------


def font_is_information() -> bytes:
    """The page's font is the document's information as well: that may change."""
    victim = _victim({}, trailer=b"/Info 5 0 R")
    return updated(victim, {5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"})


def transparency_is_information() -> bytes:
    """The graphics state by which a text shows."""
    gs = b"<< /Type /ExtGState /ca 1 >>"
    page = _PAGE % (_RESOURCES % b"/ExtGState << /G1 6 0 R >>")
    victim = _victim({3: page, 4: stream(b"/G1 gs " + _GOOD), 6: gs}, trailer=b"/Info 6 0 R")
    return updated(victim, {6: gs.replace(b"/ca 1", b"/ca 0")})


def information_moves() -> bytes:
    """The trailer calls the font information only in the revision before the change."""
    victim = _victim({})
    moved = updated(victim, {}, trailer=b"/Info 5 0 R")
    return updated(moved, {5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"})


# --- under a name that means something elsewhere --------------------------------------------------------


def picture_named_metadata() -> bytes:
    """A form XObject that says it is metadata, and whose name in the resources is /Metadata."""
    page = _PAGE % (_RESOURCES % b"/XObject << /Metadata 6 0 R >>")
    kind = b"/Type /Metadata /Subtype /Form /BBox [0 0 595 842] /Resources << /Font << /F1 5 0 R >> >>"
    victim = _victim({3: page, 4: stream(b"/Metadata Do"), 6: stream(_GOOD, kind)})
    return updated(victim, {6: stream(_BAD, kind)})


def letter_named_metadata() -> bytes:
    """A letter of a font, drawn by a stream; the letter's name is Metadata."""
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1000 1000] /FontMatrix [.001 0 0 .001 0 0] /FirstChar 65"
        b" /LastChar 65 /Widths [1000] /Encoding << /Differences [65 /Metadata] >> /CharProcs << /Metadata 7 0 R >>"
        b" /Resources << >> >>"
    )
    kind = b"/Type /Metadata /Subtype /XML"
    victim = _victim({4: stream(text(b"AAAA")), 5: font, 7: stream(b"1000 0 d0 0 0 500 500 re f", kind)})
    return updated(victim, {7: stream(b"1000 0 d0 0 0 100 900 re f", kind)})


def font_named_dss() -> bytes:
    """The page's font is called /DSS, and the catalogue counts it among the validation data."""
    page = _PAGE % b"/Contents 4 0 R /Resources << /Font << /DSS 5 0 R >> >>"
    content = stream(_GOOD.replace(b"/F1", b"/DSS"))
    victim = _victim({3: page, 4: content}, catalog=b"/DSS << /Type /DSS /VRI << /X 5 0 R >> >> ")
    return updated(victim, {5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"})


def font_among_validation_data() -> bytes:
    """The same under its ordinary name."""
    victim = _victim({}, catalog=b"/DSS << /Type /DSS /VRI << /X 5 0 R >> >> ")
    return updated(victim, {5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"})


def font_named_extensions() -> bytes:
    """The page's font is called /Extensions, and the catalogue's extensions are that font."""
    page = _PAGE % b"/Contents 4 0 R /Resources << /Font << /Extensions 5 0 R >> >>"
    content = stream(_GOOD.replace(b"/F1", b"/Extensions"))
    victim = _victim({3: page, 4: content}, catalog=b"/Extensions 5 0 R ")
    return updated(victim, {5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"})


def font_named_structure() -> bytes:
    """The page's font is called /StructTreeRoot and is the root of the structure, too."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /K [] /RoleMap << >> >>"
    page = _PAGE % b"/Contents 4 0 R /Resources << /Font << /StructTreeRoot 5 0 R >> >>"
    content = stream(_GOOD.replace(b"/F1", b"/StructTreeRoot"))
    victim = _victim({3: page, 4: content, 5: font}, catalog=b"/StructTreeRoot 5 0 R ")
    return updated(
        victim, {5: font.replace(b"/K []", b"/K [] /ParentTreeNextKey 1 /Encoding /MacExpertEncoding")}
    )


# --- as a part of the form ------------------------------------------------------------------------------


def _shared_resources(content: bytes, grown: bytes, new: bytes) -> bytes:
    """The page's resources are the form's, too; they grow by what the page already asks for."""
    held = b"<< /Font << /F1 5 0 R >> %s >>"
    victim = _victim(
        {3: _PAGE % b"/Contents 4 0 R /Resources 6 0 R", 4: stream(content), 6: held % b""},
        catalog=b"/AcroForm << /Fields [] /DR 6 0 R >> ",
    )
    number = size_of(victim)
    return updated(victim, {6: held % (grown % number), number: new})


def form_resources_show_a_picture() -> bytes:
    return _shared_resources(_GOOD + b" /X9 Do", b"/XObject << /X9 %d 0 R >>", form_xobject(_COVER + _BAD))


def form_resources_hide_a_text() -> bytes:
    return _shared_resources(b"/G9 gs " + _GOOD, b"/ExtGState << /G9 %d 0 R >>", b"<< /ca 0 >>")


def form_resources_change_a_font() -> bytes:
    """A font that was not there when it was signed, so that another stood in for it."""
    held = b"<< /Font << /F1 5 0 R %s >> >>"
    content = _GOOD.replace(b"/F1", b"/F9")
    victim = _victim(
        {3: _PAGE % b"/Contents 4 0 R /Resources 6 0 R", 4: stream(content), 6: held % b""},
        catalog=b"/AcroForm << /Fields [] /DR 6 0 R >> ",
    )
    return updated(victim, {6: held % b"/F9 << /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"})


def form_is_drawn_no_more_anew() -> bytes:
    """Readers were asked to draw the fields anew, from their values; now they show the looks, which are other."""
    field = (
        b"<< /FT /Tx /T (to) /V (Red Cross) /Rect [220 645 520 665] /Type /Annot /Subtype /Widget /F 4 /P 3 0 R"
        b" /DA (/F1 12 Tf) /AP << /N 7 0 R >> >>"
    )
    form = b"<< /Fields [6 0 R] /DR << /Font << /F1 5 0 R >> >> %s >>"
    victim = _victim(
        {
            3: _PAGE % (_RESOURCES % b"" + b" /Annots [6 0 R]"),
            6: field,
            7: form_xobject(text(b"Attacker", x=2, y=5, size=12), 300, 20),
            8: form % b"/NeedAppearances true",
        },
        catalog=b"/AcroForm 8 0 R ",
    )
    return updated(victim, {8: with_keys(victim, 8, {"/NeedAppearances": b"false"})})


# --- as the field of a signature ------------------------------------------------------------------------


def page_that_is_a_signature() -> bytes:
    """The new signature's field is a page, too, and comes into the array of pages, which is an object of its own."""
    victim = _victim({2: b"<< /Type /Pages /Kids 6 0 R /Count 2 >>", 6: b"[3 0 R]"})
    new = size_of(victim)
    widget = b"/Rect [0 0 0 0] /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R" % (new + 2)
    widget += b" /Resources << /Font << /F1 5 0 R >> >>"
    pdf = prepared(
        victim, field="Page", widget=widget, more={new + 2: stream(_BAD), 6: b"[%d 0 R 3 0 R]" % new}
    )
    return signed_by_hand(pdf, papers.agency())


def _empty_field(rect: bytes, more: bytes = b"") -> bytes:
    return b"<< /FT /Sig /T (Later) /Rect %s /Type /Annot /Subtype /Widget /F 4 /P 3 0 R %s >>" % (rect, more)


def _with_field(rect: bytes, more: bytes = b"", *, is_on_page: bool = True) -> bytes:
    annots = b" /Annots [6 0 R]" if is_on_page else b""
    objects = {
        3: _PAGE % (_RESOURCES % b"" + annots),
        6: _empty_field(rect, more),
        7: form_xobject(_COVER + _BAD),
    }
    return _victim(objects, catalog=b"/AcroForm << /Fields [6 0 R] >> ")


def _signed_in(victim: bytes, field: int, keys: Mapping[str, bytes]) -> bytes:
    """The empty *field* is signed by the attacker; *keys* are written into it besides."""
    new = size_of(victim)
    body = with_keys(victim, field, {"/V": b"%d 0 R" % (new + 1), **keys})
    pdf = prepared(victim, field="Unused", more={field: body})
    # only the empty field gets the signature: the one that ``prepared`` makes is not needed
    pdf = pdf.replace(b"/T (Unused)", b"/T (Unuse1)")
    return signed_by_hand(pdf, papers.agency())


def field_over_the_page_is_signed() -> bytes:
    """An empty field over the whole page waited; the attacker signs it, and its looks hide all."""
    return _signed_in(_with_field(b"[0 0 595 842]"), 6, {"/AP": b"<< /N 7 0 R >>"})


def looks_without_a_signature_of_the_same_name() -> bytes:
    """An empty field gets looks and no signature; another of the same name gets one in its place."""
    victim = _with_field(b"[0 0 595 842]")
    body = with_keys(victim, 6, {"/AP": b"<< /N 7 0 R >>"})
    return signed_by_hand(prepared(victim, field="Later", more={6: body}), papers.agency())


def looks_without_a_signature_or_a_name() -> bytes:
    """The same, where neither has a name."""
    victim = _with_field(b"[60 700 460 760]").replace(b"/T (Later)", b"          ")
    victim = made(signed(victim[: victim.index(b"%%EOF") + 6], leader()))
    body = with_keys(victim, 6, {"/AP": b"<< /N 7 0 R >>"})
    pdf = prepared(victim, field="Later", more={6: body})
    return signed_by_hand(pdf.replace(b"/T (Later)", b"          "), papers.agency())


def waiting_looks_come_to_the_page() -> bytes:
    """An empty field with looks waited on no page; it comes to one beside a signature of the same name."""
    victim = _with_field(b"[60 700 460 760]", b"/AP << /N 7 0 R >>", is_on_page=False)
    pdf = prepared(victim, field="Later")
    page = with_keys(pdf, 3, {})
    return signed_by_hand(
        prepared(victim, field="Later", more={3: page.replace(b"/Annots [", b"/Annots [6 0 R ")}),
        papers.agency(),
    )


def stamp_that_is_a_field() -> bytes:
    """A stamp calls itself the empty field of a signature, and so gets other looks."""
    stamp = b"<< /Type /Annot /Subtype /Stamp /FT /Sig /T (Later) /Rect [60 700 460 760] /F 4 /AP << /N 8 0 R >> >>"
    victim = _victim(
        {
            3: _PAGE % (_RESOURCES % b"" + b" /Annots [6 0 R]"),
            6: stamp,
            7: form_xobject(_COVER + _BAD),
            8: form_xobject(b""),
        }
    )
    body = with_keys(victim, 6, {"/AP": b"<< /N 7 0 R >>"})
    return signed_by_hand(prepared(victim, field="Later", more={6: body}), papers.agency())


# --- written so that it is overlooked -------------------------------------------------------------------


def _hole(reference: bytes) -> Maker:
    """The second page's contents have a *reference* to object 99, which comes later."""

    def make() -> bytes:
        contents = b"/Contents [4 0 R %s] /Resources << /Font << /F1 5 0 R >> >>" % reference
        # not by pyHanko, whose own reader takes some of these for no references
        pages = {2: b"<< /Type /Pages /Kids [3 0 R 6 0 R] /Count 2 >>", 6: _PAGE % contents}
        victim = signed_by_hand(prepared(a_pdf(extra=pages)), leader())
        return updated(victim, {99: stream(_BAD)})

    return make


def _twice(key: bytes) -> Maker:
    """A later revision, that of a true signature, writes a page in which *key* stands twice."""

    def make() -> bytes:
        victim = _victim({})
        new = size_of(victim)
        annots = with_keys(prepared(victim), 3, {})
        body = annots.replace(b"/Contents 4 0 R", key.replace(b"NEW", b"%d" % (new + 2)))
        assert body != annots
        return signed_by_hand(prepared(victim, more={3: body, new + 2: stream(_BAD)}), papers.agency())

    return make


def _table_twice(*, is_first: bool) -> Maker:
    """One table has two rows for one object; the other one leads to what was never signed."""

    def make() -> bytes:
        victim = _victim({})
        whole = updated(victim, {4: stream(_BAD), 50: b"<< /A 1 >>"})
        at = start_of(whole)
        good = b"4 1\n%010d 00000 n \n" % victim.index(b"4 0 obj")
        row = whole.index(b"4 1\n", at)
        place = row if is_first else row + 24
        return whole[:place] + good + whole[place:]

    return make


SPRUNG: Mapping[str, Maker] = {
    **{
        maker.__name__.replace("_", " "): maker
        for maker in (
            font_is_information,
            transparency_is_information,
            information_moves,
            picture_named_metadata,
            letter_named_metadata,
            font_named_dss,
            font_among_validation_data,
            font_named_extensions,
            font_named_structure,
            form_resources_show_a_picture,
            form_resources_hide_a_text,
            form_resources_change_a_font,
            form_is_drawn_no_more_anew,
            page_that_is_a_signature,
            field_over_the_page_is_signed,
            looks_without_a_signature_of_the_same_name,
            looks_without_a_signature_or_a_name,
            waiting_looks_come_to_the_page,
            stamp_that_is_a_field,
        )
    },
    "hole behind a comment": _hole(b"99%x\n0%y\nR"),
    "hole behind many blanks": _hole(b"99" + b" " * 60 + b"0 R"),
    "hole behind blanks and more": _hole(b"99 0" + b" " * 5000 + b"R"),
    "hole with a long generation": _hole(b"99 0000000 R"),
    "hole with a long number": _hole(b"0000000000000000099 0 R"),
    "hole behind a long comment": _hole(b"99 %" + b"x" * 9000 + b"\n0 R"),
    "hole behind many comments": _hole(b"99 " + b"%x\n" * 3000 + b"0 R"),
    "contents twice, the old ones last": _twice(b"/Contents NEW 0 R /Contents 4 0 R"),
    "contents twice, the old ones first": _twice(b"/Contents 4 0 R /Contents NEW 0 R"),
    "contents twice, once in disguise": _twice(b"/Contents 4 0 R /#43ontents NEW 0 R"),
    "rows twice, the old one first": _table_twice(is_first=True),
    "rows twice, the old one last": _table_twice(is_first=False),
}
"""Never valid."""
