"""Something laid over the page after it was signed: notes, stamps, and signatures that are none.

See "Breaking the Specification: PDF Certification" (S&P 2021): the Evil Annotation Attack uses notes where a
certification permits them, the Sneaky Signature Attack uses the looks of a field that says it is a signature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.vectors.attacks import papers as p
from tests.vectors.attacks.revisions import (
    Style,
    form_xobject,
    number_of_field,
    number_of_signature,
    opening,
    prepared,
    signed_by_hand,
    size_of,
    stream,
    text,
    updated,
    with_keys,
)

Attack = Callable[[bytes], bytes]

WHOLE_PAGE = b"[0 0 595 842]"
LOOKS = form_xobject(b"1 g 0 0 595 842 re f 0 g " + text(b"Something else"))
_FAKE = b"/Type /Annot /Subtype /Widget /FT /Sig /F 4 /P 3 0 R"


def laid_over(
    annotation: bytes, *, in_form: bool = False, objects: tuple[bytes, ...] = (), style: Style = Style.TABLE
) -> Attack:
    """*annotation* comes on the first page (and into the form); ``LOOKS`` in it is an appearance.

    ``SIGNATURE`` is the leader's signature dictionary, ``FIELD`` the leader's field, ``NEW1`` … the *objects*.
    """

    def attack(signed: bytes) -> bytes:
        new = size_of(signed)
        names = {
            b"LOOKS": new + 1,
            b"SIGNATURE": number_of_signature(signed, "Leader"),
            b"FIELD": number_of_field(signed, "Leader"),
            **{b"NEW%d" % (at + 1): new + 2 + at for at in range(len(objects))},
        }

        def named(body: bytes) -> bytes:
            for name, number in names.items():
                body = body.replace(name, b"%d 0 R" % number)
            return body

        changes = {new: named(annotation), new + 1: LOOKS}
        changes |= {new + 2 + at: named(body) for at, body in enumerate(objects)}
        changes |= _joined(signed, p.ANNOTS, new)
        if in_form:
            changes |= _joined(signed, p.FIELDS, new)
        return updated(signed, changes, style=style)

    return attack


def _joined(signed: bytes, array: int, new: int) -> dict[int, bytes]:
    with opening(signed) as opened:
        refs = [one.unparse() for one in opened.get_object(array, 0)]
    return {array: b"[%s %d 0 R]" % (b" ".join(refs), new)}


def direct_in_the_array(signed: bytes) -> bytes:
    """The note is written into the array itself."""
    new = size_of(signed)
    with opening(signed) as opened:
        refs = b" ".join(one.unparse() for one in opened.get_object(p.ANNOTS, 0))
    note = b"<< /Type /Annot /Subtype /Stamp /Rect %s /F 4 /AP << /N %d 0 R >> >>" % (WHOLE_PAGE, new)
    return updated(signed, {p.ANNOTS: b"[%s %s]" % (refs, note), new: LOOKS})


def note_first(signed: bytes) -> bytes:
    """The array has the new note in front, so that it is drawn first."""
    new = size_of(signed)
    with opening(signed) as opened:
        refs = b" ".join(one.unparse() for one in opened.get_object(p.ANNOTS, 0))
    note = b"<< /Type /Annot /Subtype /Stamp /Rect %s /F 4 /AP << /N %d 0 R >> >>" % (WHOLE_PAGE, new + 1)
    return updated(signed, {p.ANNOTS: b"[%d 0 R %s]" % (new, refs), new: note, new + 1: LOOKS})


def on_the_page_without_notes(signed: bytes) -> bytes:
    new = size_of(signed)
    note = b"<< /Type /Annot /Subtype /Stamp /Rect %s /F 4 /AP << /N %d 0 R >> >>" % (WHOLE_PAGE, new + 1)
    page = with_keys(signed, p.SECOND_PAGE, {"/Annots": b"[%d 0 R]" % new})
    return updated(signed, {p.SECOND_PAGE: page, new: note, new + 1: LOOKS})


def field_in_the_form_alone(signed: bytes) -> bytes:
    """A text field comes into the form and onto no page."""
    new = size_of(signed)
    field = b"<< /FT /Tx /T (more) /V (999) /Type /Annot /Subtype /Widget /Rect %s /P 3 0 R >>" % WHOLE_PAGE
    return updated(signed, {new: field} | _joined(signed, p.FIELDS, new))


def kid_of_the_signature(signed: bytes) -> bytes:
    """The leader's field gets a second widget, on the other page."""
    field, new = number_of_field(signed, "Leader"), size_of(signed)
    kid = b"<< /Type /Annot /Subtype /Widget /Parent %d 0 R /Rect %s /F 4 /P 10 0 R /AP << /N %d 0 R >> >>"
    return updated(
        signed,
        {
            field: with_keys(signed, field, {"/Kids": b"[%d 0 R]" % new}),
            p.SECOND_PAGE: with_keys(signed, p.SECOND_PAGE, {"/Annots": b"[%d 0 R]" % new}),
            new: kid % (field, WHOLE_PAGE, new + 1),
            new + 1: LOOKS,
        },
    )


def _note(kind: bytes, more: bytes = b"") -> Attack:
    entries = b"<< /Type /Annot /Subtype /%s /Rect %s /F 4 /Contents (Void) %s /AP << /N LOOKS >> >>"
    return laid_over(entries % (kind, WHOLE_PAGE, more))


LAID_OVER: Mapping[str, Attack] = {
    **{
        f"a {kind}": _note(kind.encode())
        for kind in (
            "FreeText",
            "Stamp",
            "Redact",
            "Popup",
            "Ink",
            "Link",
            "Text",
            "Line",
            "Square",
            "Circle",
            "Polygon",
            "PolyLine",
            "Highlight",
            "Underline",
            "StrikeOut",
            "Squiggly",
            "Caret",
            "Watermark",
            "PrinterMark",
            "TrapNet",
            "Screen",
            "Unheardof",
        )
    },
    "a note without a kind": laid_over(b"<< /Type /Annot /Rect [0 0 595 842] /F 4 /AP << /N LOOKS >> >>"),
    "a note without looks": laid_over(
        b"<< /Type /Annot /Subtype /FreeText /Rect [0 0 595 842] /F 4 /Contents (Void) /DA (/F1 90 Tf) >>"
    ),
    "a note that cannot be seen yet": _note(b"Stamp", b"/F 2"),
    "a note that prints only": _note(b"Stamp", b"/F 36"),
    "a note on a layer": _note(b"Stamp", b"/OC 30 0 R"),
    "an answer with a state": laid_over(
        b"<< /Type /Annot /Subtype /Text /Rect [0 0 9 9] /IRT 40 0 R /State (Accepted) /StateModel (Review) >>"
    ),
    "a note in an object stream": laid_over(
        b"<< /Type /Annot /Subtype /Stamp /Rect [0 0 595 842] /F 4 /AP << /N LOOKS >> >>", style=Style.PACKED
    ),
    "a note within the array": direct_in_the_array,
    "a note in front": note_first,
    "a note on a page without any": on_the_page_without_notes,
    "a text field": laid_over(
        b"<< /FT /Tx /T (more) /V (999) /Type /Annot /Subtype /Widget /Rect [0 0 595 842] /F 4 /AP << /N LOOKS >> >>",
        in_form=True,
    ),
    "a text field that the form does not know": laid_over(
        b"<< /FT /Tx /T (more) /V (999) /Type /Annot /Subtype /Widget /Rect [0 0 595 842] /F 4 /AP << /N LOOKS >> >>"
    ),
    "a text field on no page": field_in_the_form_alone,
    "a button": laid_over(
        b"<< /FT /Btn /Ff 65536 /T (more) /Type /Annot /Subtype /Widget /Rect [0 0 595 842] /F 4"
        b" /MK << /I LOOKS >> /AP << /N LOOKS >> >>",
        in_form=True,
    ),
    # signatures that are none
    "an empty signature field with looks": laid_over(
        b"<< %s /T (more) /Rect [0 0 595 842] /AP << /N LOOKS >> >>" % _FAKE, in_form=True
    ),
    "an empty signature field with a caption": laid_over(
        b"<< %s /T (more) /Rect [0 0 595 842] /MK << /BG [1 1 1] /CA (Void) >> /DA (/F1 90 Tf) >>" % _FAKE,
        in_form=True,
    ),
    "a signature field that the form does not know": laid_over(
        b"<< %s /T (more) /Rect [0 0 595 842] /V << >> /AP << /N LOOKS >> >>" % _FAKE
    ),
    "a signature field with an empty signature": laid_over(
        b"<< %s /T (more) /Rect [0 0 595 842] /V << /Type /Sig >> /AP << /N LOOKS >> >>" % _FAKE, in_form=True
    ),
    "a field that shows the leader's signature": laid_over(
        b"<< %s /T (more) /Rect [0 0 595 842] /V SIGNATURE /AP << /N LOOKS >> >>" % _FAKE
    ),
    "a widget that calls the leader's field its parent": laid_over(
        b"<< /Type /Annot /Subtype /Widget /Parent FIELD /Rect [0 0 595 842] /F 4 /P 3 0 R /AP << /N LOOKS >> >>"
    ),
    "a second widget of the leader's field": kid_of_the_signature,
    "a time-stamp field that the form does not know": laid_over(
        b"<< %s /T (more) /Rect [0 0 595 842] /AP << /N LOOKS >> /V << /Type /DocTimeStamp /SubFilter /ETSI.RFC3161 >> >>"
        % _FAKE
    ),
    "a stamp that calls itself a signature": laid_over(
        b"<< /Type /Annot /Subtype /Stamp /FT /Sig /V SIGNATURE /Rect [0 0 595 842] /F 4 /AP << /N LOOKS >> >>"
    ),
    "a note whose parent is a signature": laid_over(
        b"<< /Type /Annot /Subtype /FreeText /Parent NEW1 /Rect [0 0 595 842] /F 4 /AP << /N LOOKS >> >>",
        objects=(b"<< /FT /Sig /V SIGNATURE >>",),
    ),
}
"""From a signed file to one with something laid over it: never valid, whatever the signature permitted."""


def sneaky(rect: bytes, looks: bytes = LOOKS) -> Attack:
    """A true second signature, with the attacker's own key, whose looks lie at *rect* over the page.

    ``WIDE`` in *rect* is a reference to the number 595.
    """

    def attack(signed: bytes) -> bytes:
        new = size_of(signed) + 2
        place = rect.replace(b"WIDE", b"%d 0 R" % (new + 1))
        widget = b"/Rect %s /F 4 /AP << /N %d 0 R >>" % (place, new)
        objects = {new: looks} | ({new + 1: b"595"} if b"WIDE" in rect else {})
        return signed_by_hand(prepared(signed, field="Sneaky", widget=widget, more=objects), p.agency())

    return attack


SNEAKY: Mapping[str, Attack] = {
    "covers the whole page": sneaky(WHOLE_PAGE),
    "covers the line": sneaky(b"[60 700 400 760]", form_xobject(b"1 g 0 0 340 60 re f", 340, 60)),
    "covers the whole page by a reference": sneaky(b"[0 0 WIDE 842]"),
    "covers the whole page by five numbers": sneaky(b"[0 0 595 842 0]"),
    "covers the whole page by a word": sneaky(b"[0 0 595 842 /Wide]"),
    "covers the whole page from the other corner": sneaky(b"[595 842 0 0]"),
    "covers the amount": sneaky(b"[300 700 400 720]", form_xobject(text(b"999", x=2, y=4), 100, 20)),
}
"""A second signature, true in itself, whose looks hide what the first signer saw: never valid."""

OVER_TEXT: Mapping[str, Attack] = {
    "covers the line of a page": sneaky(b"[60 700 400 760]", form_xobject(b"1 g 0 0 340 60 re f", 340, 60)),
    "covers the line by a picture": sneaky(
        b"[60 700 400 760]",
        stream(
            b"q 340 0 0 60 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \xff EI Q",
            b"/Type /XObject /Subtype /Form /BBox [0 0 340 60]",
        ),
    ),
}
"""The same over nothing but the text of a page with one line: to be seen by who looks at what pages draw."""
