"""Incremental saving attacks: something is added behind the signed revision, or written into its place.

See "1 Trillion Dollar Refund" (CCS 2019), class ISA, and "Breaking the Specification" (S&P 2021).  All of
them take a file that was made from ``papers.rich`` and signed; ``EVERYTHING`` that shows, or may show, is
exchanged here once, and every odd way of writing a revision is taken at least once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pikepdf

from tests.vectors.attacks import papers as p
from tests.vectors.attacks.revisions import (
    Style,
    changed,
    form_xobject,
    number_of_field,
    opening,
    size_of,
    start_of,
    stream,
    text,
    updated,
    value_of,
    with_keys,
)

Attack = Callable[[bytes], bytes]
OTHER = stream(text(b"Something else"))


def page_replaced(style: Style) -> Attack:
    """A proper revision, in one of the three ways to write it."""
    return lambda signed: updated(signed, {p.CONTENT: OTHER}, style=style)


def keys_changed(number: int, keys: Mapping[str, bytes | None], new: bytes = b"") -> Attack:
    """Some keys of an object are others; ``NEW`` in a value is the number of the *new* object."""

    def attack(signed: bytes) -> bytes:
        fresh = size_of(signed)
        values = {k: None if v is None else v.replace(b"NEW", b"%d" % fresh) for k, v in keys.items()}
        return changed(signed, {number: values}, {fresh: new} if new else {})

    return attack


def replaced(number: int, body: bytes) -> Attack:
    """An object is another."""
    return lambda signed: updated(signed, {number: body})


def freed(number: int) -> Attack:
    """An object is no more."""
    return lambda signed: updated(signed, {}, free=[number])


# --- odd ways to write a revision ---------------------------------------------------------------------------


def without_a_table(signed: bytes) -> bytes:
    return signed + b"4 0 obj\n%s\nendobj\n" % OTHER


def without_a_table_but_with_a_trailer(signed: bytes) -> bytes:
    root = updated(signed, {}).rpartition(b"/Root ")[2].split(b" ", 1)[0]
    return without_a_table(signed) + b"trailer\n<< /Size 99 /Root %s 0 R /Prev %d >>\n%%%%EOF\n" % (
        root,
        start_of(signed),
    )


def without_a_trailer(signed: bytes) -> bytes:
    whole = updated(signed, {p.CONTENT: OTHER})
    return whole[: whole.rindex(b"trailer")] + whole[whole.rindex(b"startxref") :]


def without_a_startxref(signed: bytes) -> bytes:
    whole = updated(signed, {p.CONTENT: OTHER})
    return whole[: whole.rindex(b"startxref")] + b"%%EOF\n"


def without_an_end(signed: bytes) -> bytes:
    whole = updated(signed, {p.CONTENT: OTHER})
    return whole[: whole.rindex(b"%%EOF")]


def trailer_alone(signed: bytes) -> bytes:
    """A trailer that leads to another catalogue, which stands there without a table."""
    return signed + b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"


def startxref_into_the_signed_revision(signed: bytes) -> bytes:
    whole = updated(signed, {p.CONTENT: OTHER})
    return whole[: whole.rindex(b"startxref")] + b"startxref\n%d\n%%%%EOF\n" % start_of(signed)


def startxref_into_the_first_revision(signed: bytes) -> bytes:
    """The signed revision is skipped altogether: the file is as before it was signed, and more."""
    first = start_of(signed[: signed.index(b"%%EOF") + 5])
    return signed + b"startxref\n%d\n%%%%EOF\n" % first


def startxref_twice(signed: bytes) -> bytes:
    whole = updated(signed, {p.CONTENT: OTHER})
    return whole + b"startxref\n%d\n%%%%EOF\n" % start_of(signed)


def startxref_of_the_attack_first(signed: bytes) -> bytes:
    whole = updated(signed, {p.CONTENT: OTHER})
    end = b"startxref\n%d\n%%%%EOF\n"
    return whole[: whole.rindex(b"startxref")] + end % start_of(whole) + end % start_of(signed)


def prev_skips_the_signed_revision(signed: bytes) -> bytes:
    """The new revision stands upon the one before the signature, and leads to all of it by itself."""
    first = start_of(signed[: signed.index(b"%%EOF") + 5])
    return updated(signed, {p.CONTENT: OTHER}, prev=first)


def prev_is_missing(signed: bytes) -> bytes:
    whole = updated(signed, {p.CONTENT: OTHER})
    at = whole.rindex(b"/Prev")
    return whole[:at] + b"/Perv" + whole[at + 5 :]


def prev_leads_to_itself(signed: bytes) -> bytes:
    whole = updated(signed, {p.CONTENT: OTHER}, prev=len(signed))
    return whole.replace(b"/Prev %d" % len(signed), b"/Prev %d" % start_of(whole))


def prev_of_the_future(signed: bytes) -> bytes:
    return updated(signed, {p.CONTENT: OTHER}, prev=10**9)


def table_lists_the_first_place(signed: bytes) -> bytes:
    """The table leads page contents back to where an older revision has something else."""
    return with_table(signed, {p.CONTENT: signed.index(b"11 0 obj")})


def table_leads_into_a_stream(signed: bytes) -> bytes:
    """The new object stands within a stream of the new revision."""
    inner = b"\n4 0 obj\n%s\nendobj\n" % OTHER
    whole = updated(signed, {size_of(signed): stream(inner)})
    return with_table(whole, {p.CONTENT: whole.rindex(b"4 0 obj")})


def table_leads_into_a_signed_stream(signed: bytes) -> bytes:
    """The object's number is found, by chance, where the signed bytes have it inside another."""
    return with_table(signed, {p.CONTENT: signed.index(b"3 0 obj")})


def with_table(signed: bytes, places: Mapping[int, int]) -> bytes:
    """One more revision that has nothing but a table."""
    with opening(signed) as opened:
        root, size = opened.Root.objgen[0], int(opened.trailer["/Size"])
    rows = b"".join(b"%d 1\n%010d 00000 n \n" % pair for pair in sorted(places.items()))
    body = signed if signed.endswith(b"\n") else signed + b"\n"
    end = b"trailer\n<< /Size %d /Root %d 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n"
    return body + b"xref\n" + rows + end % (size, root, start_of(signed), len(body))


def hybrid_that_differs(signed: bytes) -> bytes:
    """Readers of tables see nothing; readers of cross-reference streams see another page."""
    body = bytearray(signed if signed.endswith(b"\n") else signed + b"\n")
    with opening(signed) as opened:
        root, size = opened.Root.objgen[0], int(opened.trailer["/Size"])
    places = {p.CONTENT: len(body)}
    body += b"4 0 obj\n%s\nendobj\n" % OTHER
    places[size] = at = len(body)
    rows = b"".join(b"\x01" + places[n].to_bytes(4, "big") + b"\x00" for n in sorted(places))
    kind = b"/Type /XRef /Size %d /W [1 4 1] /Index [4 1 %d 1] /Root %d 0 R" % (size + 1, size, root)
    body += b"%d 0 obj\n%s\nendobj\n" % (size, stream(rows, kind))
    table = len(body)
    body += (
        b"xref\n0 0\ntrailer\n<< /Size %d /Root %d 0 R /Prev %d /XRefStm %d >>\nstartxref\n%d\n%%%%EOF\n"
        % (
            size + 1,
            root,
            start_of(signed),
            at,
            table,
        )
    )
    return bytes(body)


def generation_raised(signed: bytes) -> bytes:
    return updated(signed, {p.CONTENT: OTHER}, generations={p.CONTENT: 1})


def freed_and_back(signed: bytes) -> bytes:
    """An object is freed in one revision and another comes under its number in the next."""
    return updated(freed(p.CONTENT)(signed), {p.CONTENT: OTHER})


def freed_and_back_with_a_generation(signed: bytes) -> bytes:
    return updated(freed(p.CONTENT)(signed), {p.CONTENT: OTHER}, generations={p.CONTENT: 1})


def two_revisions_one_after_the_other(signed: bytes) -> bytes:
    """A harmless revision hides the one before it."""
    return updated(page_replaced(Style.TABLE)(signed), {size_of(signed) + 9: b"<< /A 1 >>"})


def put_right_again(signed: bytes) -> bytes:
    """The page is exchanged and put back, but two revisions further its font is gone."""
    with opening(signed) as opened:
        old = opened.get_object(p.CONTENT, 0)
        body = stream(old.read_raw_bytes())
    return freed(p.FONT)(updated(page_replaced(Style.TABLE)(signed), {p.CONTENT: body}))


def same_number_twice(signed: bytes) -> bytes:
    """One revision has two objects under one number; the table leads to the harmless one."""
    new = size_of(signed)
    whole = updated(signed, {new: b"<< /A 1 >>"})
    at = whole.rindex(b"xref\n", 0, whole.rindex(b"trailer"))
    smuggled = b"4 0 obj\n%s\nendobj\n" % OTHER
    tail = whole[at:].replace(b"startxref\n%d" % at, b"startxref\n%d" % (at + len(smuggled)))
    return whole[:at] + smuggled + tail


def before_the_signed_revision(signed: bytes) -> bytes:
    """Bytes are put in front, all places are then wrong, and readers that forgive find the first header."""
    return b"%PDF-1.7\n4 0 obj\n" + OTHER + b"\nendobj\n" + signed


def signature_object_copied(signed: bytes) -> bytes:
    """The signature dictionary is written again in the new revision, as the paper's third variant does."""
    number = int(value_of(signed, number_of_field(signed, "Leader"), "/V").split()[0])
    return updated(signed, {number: with_keys(signed, number, {}), p.CONTENT: OTHER})


def other_root(signed: bytes) -> bytes:
    """The trailer leads to another catalogue."""
    new = size_of(signed)
    form = value_of(signed, p.CATALOG, "/AcroForm")
    return updated(
        signed,
        {
            new: b"<< /Type /Catalog /Pages %d 0 R /AcroForm %s >>" % (new + 1, form),
            new + 1: b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % (new + 2),
            new + 2: b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>" % (new + 1, new + 3),
            new + 3: OTHER,
        },
        root=b"%d 0 R" % new,
    )


def other_root_with_the_same_pages(signed: bytes) -> bytes:
    """The trailer leads to a copy of the catalogue in which a layer is switched on."""
    new = size_of(signed)
    return updated(
        signed,
        {
            new: with_keys(
                signed, p.CATALOG, {"/OCProperties": b"<< /OCGs [30 0 R] /D << /OFF [30 0 R] >> >>"}
            )
        },
        root=b"%d 0 R" % new,
    )


def encryption_added(signed: bytes) -> bytes:
    return updated(signed, {}, trailer=b"/Encrypt << /Filter /Standard /V 1 /R 2 /O () /U () /P -4 >>")


# --- pages ----------------------------------------------------------------------------------------------


def page_added(signed: bytes) -> bytes:
    new = size_of(signed)
    page = b"<< /Type /Page /Parent 2 0 R /Contents 11 0 R >>"
    return changed(signed, {p.PAGES: {"/Kids": b"[3 0 R 10 0 R %d 0 R]" % new, "/Count": b"3"}}, {new: page})


def every_image_swapped(signed: bytes) -> bytes:
    other = b"/Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8"
    return updated(signed, {p.IMAGE: stream(b"\xff\x00\x00\xff", other)})


_OFF = b"<< /OCGs [30 0 R] /D << /OFF [30 0 R] /Order [30 0 R] >> >>"
_SCRIPT = b"<< /S /JavaScript /JS (1) >>"
_ALL_FIELDS = b"45 0 R"


def form_changed(**keys: bytes) -> Attack:
    """The form, written in the catalogue, has another value for some keys."""

    def attack(signed: bytes) -> bytes:
        with opening(signed) as opened:
            form = opened.Root["/AcroForm"]
            is_apart, number = form.is_indirect, form.objgen[0]
            parts = {k: form[k].unparse() for k in form.as_dict() if isinstance(form[k], pikepdf.Object)}
        parts |= {f"/{key}": value for key, value in keys.items()}
        body = b"<< /SigFlags 3 %s >>" % b" ".join(
            b"%s %s" % (k.encode(), v) for k, v in parts.items() if k != "/SigFlags"
        )
        return (
            updated(signed, {number: body}) if is_apart else changed(signed, {p.CATALOG: {"/AcroForm": body}})
        )

    return attack


def _signed_field(keys: Mapping[str, bytes | None], looks: bytes = b"") -> Attack:
    """The field of the leader's own signature is changed."""

    def attack(signed: bytes) -> bytes:
        new = size_of(signed)
        values = {k: None if v is None else v.replace(b"NEW", b"%d" % new) for k, v in keys.items()}
        return changed(signed, {number_of_field(signed, "Leader"): values}, {new: looks} if looks else {})

    return attack


def smuggled_by_validation_data(signed: bytes) -> bytes:
    """A stream of the DSS is page content as well: first it comes as harmless data, then it changes."""
    new = size_of(signed)
    store = changed(
        signed,
        {p.CATALOG: {"/DSS": b"<< /Type /DSS /Certs [%d 0 R] >>" % new}},
        {new: stream(text(b"Something else"))},
    )
    return changed(store, {p.PAGE: {"/Contents": b"[4 0 R %d 0 R]" % new}})


def metadata_as_content(signed: bytes) -> bytes:
    """The metadata stream is drawn."""
    return changed(
        signed,
        {p.PAGE: {"/Contents": b"[42 0 R]"}},
        {p.METADATA: stream(text(b"Something else"), b"/Type /Metadata /Subtype /XML")},
    )


EVERYTHING: Mapping[str, Attack] = {
    # ways to write it
    "page replaced, with a table": page_replaced(Style.TABLE),
    "page replaced, with a stream": page_replaced(Style.STREAM),
    "page tree replaced, in an object stream": lambda signed: changed(
        signed, {p.PAGES: {"/Kids": b"[10 0 R]", "/Count": b"1"}}, style=Style.PACKED
    ),
    "object stream under an old number": lambda signed: changed(
        signed, {p.PAGE: {"/Rotate": b"90"}}, {p.IMAGE: OTHER}, style=Style.PACKED
    ),
    **{
        attack.__name__.replace("_", " "): attack
        for attack in (
            without_a_table,
            without_a_table_but_with_a_trailer,
            without_a_trailer,
            without_a_startxref,
            without_an_end,
            trailer_alone,
            startxref_into_the_signed_revision,
            startxref_into_the_first_revision,
            startxref_twice,
            startxref_of_the_attack_first,
            prev_skips_the_signed_revision,
            prev_is_missing,
            prev_leads_to_itself,
            prev_of_the_future,
            table_lists_the_first_place,
            table_leads_into_a_stream,
            table_leads_into_a_signed_stream,
            hybrid_that_differs,
            generation_raised,
            freed_and_back,
            freed_and_back_with_a_generation,
            two_revisions_one_after_the_other,
            put_right_again,
            same_number_twice,
            before_the_signed_revision,
            signature_object_copied,
            other_root,
            other_root_with_the_same_pages,
            encryption_added,
            page_added,
            every_image_swapped,
            smuggled_by_validation_data,
            metadata_as_content,
        )
    },
    # pages and what they show
    "page removed": keys_changed(p.PAGES, {"/Kids": b"[3 0 R]", "/Count": b"1"}),
    "pages changed places": keys_changed(p.PAGES, {"/Kids": b"[10 0 R 3 0 R]"}),
    "page shown twice": keys_changed(p.PAGES, {"/Kids": b"[3 0 R 10 0 R 3 0 R]", "/Count": b"3"}),
    "page freed": freed(p.SECOND_PAGE),
    "content freed": freed(p.CONTENT),
    "content put before": keys_changed(p.PAGE, {"/Contents": b"[NEW 0 R 4 0 R]"}, OTHER),
    "content put after": keys_changed(p.PAGE, {"/Contents": b"[4 0 R NEW 0 R]"}, OTHER),
    "content taken away": keys_changed(p.PAGE, {"/Contents": b"[]"}),
    "content of the other page": keys_changed(p.PAGE, {"/Contents": b"11 0 R"}),
    "page has resources of its own": keys_changed(p.PAGE, {"/Resources": b"<< >>"}),
    "resources replaced": replaced(p.RESOURCES, b"<< /Font << /F1 5 0 R >> >>"),
    "font replaced": keys_changed(p.FONT, {"/BaseFont": b"/Symbol"}),
    "font embedded": keys_changed(
        p.FONT, {"/FontDescriptor": b"<< /Type /FontDescriptor /FontFile2 NEW 0 R >>"}, OTHER
    ),
    "encoding replaced": keys_changed(p.ENCODING, {"/Differences": b"[65 /Z /Y /X]"}),
    "encoding taken away": keys_changed(p.FONT, {"/Encoding": None}),
    "copied text replaced": replaced(p.TO_UNICODE, stream(b"other")),
    "graphics state replaced": keys_changed(p.GRAPHICS_STATE, {"/ca": b"0"}),
    "image freed": freed(p.IMAGE),
    "image emptied": replaced(p.IMAGE, b"<< >>"),
    "form xobject replaced": replaced(p.FORM_XOBJECT, form_xobject(text(b"Something else", x=0, y=0))),
    "image became a form": replaced(p.IMAGE, form_xobject(text(b"Something else", x=0, y=0))),
    "inherited box smaller": keys_changed(p.PAGES, {"/MediaBox": b"[0 0 595 500]"}),
    "page has a box of its own": keys_changed(p.PAGE, {"/CropBox": b"[0 0 595 500]"}),
    "page turned": keys_changed(p.SECOND_PAGE, {"/Rotate": b"180"}),
    "page turned by its parent": keys_changed(p.PAGES, {"/Rotate": b"90"}),
    "page in other units": keys_changed(p.PAGE, {"/UserUnit": b"3"}),
    "page turns by itself": keys_changed(p.PAGE, {"/Dur": b"1", "/Trans": b"<< /S /Blinds >>"}),
    "page has actions": keys_changed(p.PAGE, {"/AA": b"<< /O %s >>" % _SCRIPT}),
    "page has a transparency group": keys_changed(p.PAGE, {"/Group": b"<< /S /Transparency /K true >>"}),
    # the catalogue
    "destinations changed": keys_changed(p.DESTS, {"/Names": b"[(first) [10 0 R /Fit]]"}),
    "names added": keys_changed(p.NAMES, {"/JavaScript": b"<< /Names [] >>"}),
    "names taken away": keys_changed(p.CATALOG, {"/Names": None}),
    "outlines taken away": keys_changed(p.CATALOG, {"/Outlines": None}),
    "outline leads elsewhere": keys_changed(p.OUTLINE, {"/Dest": b"[10 0 R /Fit]"}),
    "outline renamed": keys_changed(p.OUTLINE, {"/Title": b"(Two)"}),
    "opens elsewhere": keys_changed(p.CATALOG, {"/OpenAction": b"[10 0 R /Fit]"}),
    "runs a script when opened": keys_changed(p.CATALOG, {"/OpenAction": _SCRIPT}),
    "layer switched off": keys_changed(p.CATALOG, {"/OCProperties": _OFF}),
    "layers taken away": keys_changed(p.CATALOG, {"/OCProperties": None}),
    "layer for print only": keys_changed(p.LAYER, {"/Usage": b"<< /View << /ViewState /OFF >> >>"}),
    "structure taken away": keys_changed(p.CATALOG, {"/StructTreeRoot": None}),
    "structure says another text": keys_changed(p.STRUCTURE_ELEMENT, {"/ActualText": b"(Something else)"}),
    "not marked any more": keys_changed(p.CATALOG, {"/MarkInfo": b"<< /Marked false >>"}),
    "another language": keys_changed(p.CATALOG, {"/Lang": b"(en)"}),
    "other page labels": keys_changed(p.LABELS, {"/Nums": b"[0 << /S /R >>]"}),
    "article threads": keys_changed(p.CATALOG, {"/Threads": b"[NEW 0 R]"}, b"<< /Type /Thread >>"),
    "another address base": keys_changed(p.CATALOG, {"/URI": b"<< /Base (http://example.com) >>"}),
    "shown otherwise": keys_changed(p.CATALOG, {"/ViewerPreferences": b"<< /Direction /R2L >>"}),
    "opens with layers": keys_changed(p.CATALOG, {"/PageMode": b"/UseOC"}),
    "needs a renderer": keys_changed(p.CATALOG, {"/NeedsRendering": b"true"}),
    "output intents": keys_changed(p.CATALOG, {"/OutputIntents": b"[NEW 0 R]"}, b"<< /Type /OutputIntent >>"),
    "a collection": keys_changed(p.CATALOG, {"/Collection": b"<< /View /T >>"}),
    "legal attestation": keys_changed(p.CATALOG, {"/Legal": b"<< /NonEmbeddedFonts 0 >>"}),
    "extension of somebody's own": keys_changed(p.CATALOG, {"/XYZ_Display": b"NEW 0 R"}, OTHER),
    "catalogue became a stream": lambda signed: updated(
        signed, {p.CATALOG: with_keys(signed, p.CATALOG, {"/Length": b"0"}) + b"\nstream\n\nendstream"}
    ),
    # the form
    "appearances needed": form_changed(NeedAppearances=b"true"),
    "default font replaced": form_changed(
        DR=b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Symbol >> >> >>"
    ),
    "default resources taken away": form_changed(DR=b"<< >>"),
    "default appearance changed": form_changed(DA=b"(/F1 0 Tf 1 g)"),
    "calculation order": form_changed(CO=b"[20 0 R]"),
    "form of another kind": form_changed(XFA=b"[(a) 42 0 R]"),
    "text field emptied of its looks": keys_changed(p.TEXT_FIELD, {"/AP": None}),
    "text field looks otherwise": replaced(p.TEXT_LOOKS, form_xobject(text(b"999", x=2, y=4), 100, 20)),
    "text field has other looks": keys_changed(
        p.TEXT_FIELD, {"/AP": b"<< /N NEW 0 R >>"}, form_xobject(text(b"999", x=2, y=4), 100, 20)
    ),
    "text field has another value": keys_changed(p.TEXT_FIELD, {"/V": b"(999)"}),
    "text field filled": keys_changed(
        p.TEXT_FIELD,
        {"/V": b"(999)", "/AP": b"<< /N NEW 0 R >>"},
        form_xobject(text(b"999", x=2, y=4), 100, 20),
    ),
    "text field moved": keys_changed(p.TEXT_FIELD, {"/Rect": b"[72 700 300 740]"}),
    "text field hidden": keys_changed(p.TEXT_FIELD, {"/F": b"2"}),
    "text field renamed": keys_changed(p.TEXT_FIELD, {"/T": b"(name)"}),
    "text field shown as a password": keys_changed(p.TEXT_FIELD, {"/Ff": b"8192"}),
    "text field became rich": keys_changed(p.TEXT_FIELD, {"/RV": b"(<body>999</body>)"}),
    "text field became a signature": keys_changed(p.TEXT_FIELD, {"/FT": b"/Sig"}),
    "text field's font changed": keys_changed(p.TEXT_FIELD, {"/DA": b"(/F1 40 Tf)"}),
    "text field's colours changed": keys_changed(p.TEXT_FIELD, {"/MK": b"<< /BG [0 0 0] >>"}),
    "text field on another layer": keys_changed(p.TEXT_FIELD, {"/OC": b"30 0 R"}),
    "text field got kids": keys_changed(
        p.TEXT_FIELD,
        {"/Kids": b"[NEW 0 R]"},
        b"<< /Parent 20 0 R /Type /Annot /Subtype /Widget /Rect [72 700 300 740] >>",
    ),
    "check box switched": keys_changed(p.CHECK_BOX, {"/V": b"/Off", "/AS": b"/Off"}),
    "check box looks switched": keys_changed(p.CHECK_BOX, {"/AS": b"/Off"}),
    "check box turned over": keys_changed(p.CHECK_BOX, {"/AP": b"<< /N << /Yes 24 0 R /Off 23 0 R >> >>"}),
    "choice made": keys_changed(p.CHOICE, {"/V": b"(two)", "/I": b"[1]"}),
    "choices changed": keys_changed(p.CHOICE, {"/Opt": b"[(ten) (two)]"}),
    "picture of a button": keys_changed(
        p.BUTTON, {"/MK": b"<< /I 12 0 R /TP 1 >>", "/AP": b"<< /N 12 0 R >>"}
    ),
    "field taken from the form": replaced(p.FIELDS, b"[22 0 R 25 0 R 26 0 R]"),
    "fields all taken from the form": form_changed(Fields=b"[]"),
    # the signature's own field
    "seal shows another text": _signed_field(
        {"/AP": b"<< /N NEW 0 R >>"}, form_xobject(text(b"Something else"))
    ),
    "seal moved": _signed_field({"/Rect": b"[0 0 595 842]"}),
    "seal hidden": _signed_field({"/F": b"2"}),
    "seal renamed": _signed_field({"/T": b"(Another)"}),
    "seal locks nothing any more": _signed_field({"/Lock": b"<< /Action /Include /Fields [] >>"}),
    "seal has actions": _signed_field({"/AA": b"<< /E %s >>" % _SCRIPT}),
    "seal with another caption": _signed_field({"/MK": b"<< /CA (Something else) >>"}),
    "seal emptied": _signed_field({"/V": None}),
    "seal with a new value": _signed_field({"/V": b"<< /Type /Sig >>"}),
    # notes
    "note changed": keys_changed(p.NOTE, {"/Contents": b"(another note)"}),
    "note looks otherwise": keys_changed(
        p.NOTE, {"/AP": b"<< /N NEW 0 R >>"}, form_xobject(text(b"Something else"))
    ),
    "note moved over the text": keys_changed(p.NOTE, {"/Rect": b"[72 700 300 740]"}),
    "note hidden": keys_changed(p.NOTE, {"/F": b"2"}),
    "note taken away": replaced(p.ANNOTS, b"[20 0 R 22 0 R 25 0 R 26 0 R 41 0 R]"),
    "link leads elsewhere": keys_changed(p.LINK, {"/Dest": b"[3 0 R /Fit]"}),
    "link leads out": keys_changed(p.LINK, {"/Dest": None, "/A": b"<< /S /URI /URI (http://example.com) >>"}),
    "annotations taken away": keys_changed(p.PAGE, {"/Annots": None}),
    # rights
    "permissions added": keys_changed(p.CATALOG, {"/Perms": b"<< /UR3 NEW 0 R >>"}, b"<< /Type /Sig >>"),
    "validation data as a script": keys_changed(
        p.CATALOG, {"/DSS": b"<< /Type /DSS /Certs [NEW 0 R] >>"}, b"<< /S /JavaScript /JS (1) >>"
    ),
}
"""From a signed file to one that must not be valid, whatever the signature permitted."""


def exchanged_one_by_one(signed: bytes, skipped: frozenset[tuple[int, str]]) -> Iterator[tuple[str, bytes]]:
    """Every key of every object is taken away, then put wrong: a name for it, and the file.

    *skipped* are the objects and keys that may change; an empty key stands for all of an object.
    """
    with opening(signed) as opened:
        held = {
            one.objgen[0]: list((one.stream_dict if isinstance(one, pikepdf.Stream) else one).keys())
            for one in opened.objects
            if isinstance(one, pikepdf.Dictionary | pikepdf.Stream)
        }
    for number, keys in held.items():
        if (number, "") in skipped:
            continue
        for key in keys:
            if key == "/Length" or (number, key) in skipped:
                continue
            yield f"{number} without {key}", changed(signed, {number: {key: None}})
            yield f"{number} with another {key}", changed(signed, {number: {key: b"/Else"}})
