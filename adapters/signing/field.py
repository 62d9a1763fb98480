"""A signature field in a form, and its annotation on a page, as changes to a PDF that somebody else wrote.

Form, fields and annotations may stand where they are used or elsewhere, or not be there at all; what has the
wrong type is replaced.  Whatever changes is marked for the update; nothing else is.
"""

from __future__ import annotations

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from adapters.signing.objects import Verbatim, added, dictionary, entry, number
from adapters.signing.objects import name as pdf_name
from adapters.signing.visible.geometry import Box
from adapters.signing.visible.pages import Page

_NOWHERE = Box(left=0, bottom=0, right=0, top=0)
_PRINTED_AND_LOCKED = 0b10000100
"""spec: ISO 32000-2 §12.5.3 - bits 3 and 8 of an annotation's flags."""
_SIGNED_APPEND_ONLY = 3
"""spec: ISO 32000-2 §12.7.3 - SigFlags."""


def add_field(
    writer: IncrementalPdfFileWriter,
    *,
    name: str,
    value: generic.PdfObject,
    page: Page,
    rectangle: Box | None,
    appearance: int | None,
) -> None:
    """Add the field *name* (of plain letters) with the signature *value*.

    It is seen on *page* in the *rectangle*, as the object *appearance* shows it, if these are given.
    """
    box = rectangle or _NOWHERE
    field = added(
        writer,
        Verbatim(
            b"<< /FT /Sig /T (%s) /Type /Annot /Subtype /Widget /F %d /Rect [%.4f %.4f %.4f %.4f]"
            b" /P %d %d R /V %d 0 R%s >>"
            % (
                name.encode("ascii"),
                _PRINTED_AND_LOCKED,
                *(box.left, box.bottom, box.right, box.top),
                *(page.ref.idnum, page.ref.generation),
                added(writer, value).idnum,
                b"" if appearance is None else b" /AP << /N %d 0 R >>" % appearance,
            )
        ),
    )
    _into_form(writer, field)
    _onto_page(writer, page, field)


def _into_form(writer: IncrementalPdfFileWriter, field: generic.IndirectObject) -> None:
    root = writer.root
    form = entry(root, "/AcroForm")
    if not isinstance(form, generic.DictionaryObject):
        form = dictionary()
        root[pdf_name("AcroForm")] = added(writer, form)
        writer.update_root()  # type: ignore[no-untyped-call]  # pyHanko's
    fields = entry(form, "/Fields")
    if isinstance(fields, generic.ArrayObject):
        fields.append(field)
        writer.update_container(fields)
    else:
        form[pdf_name("Fields")] = generic.ArrayObject([field])
        writer.update_container(form)
    # a viewer that makes appearances anew would show other ones than were signed
    stale = form.pop("/NeedAppearances", None) is not None
    if stale or form.get("/SigFlags") != _SIGNED_APPEND_ONLY:
        form[pdf_name("SigFlags")] = number(_SIGNED_APPEND_ONLY)
        writer.update_container(form)


def _onto_page(writer: IncrementalPdfFileWriter, page: Page, annotation: generic.IndirectObject) -> None:
    annotations = entry(page.entries, "/Annots")
    # an empty array is often one for all pages, and then all of them would show what is added to it
    if isinstance(annotations, generic.ArrayObject) and annotations:
        annotations.append(annotation)
        # the array's own object where it has one, else the page
        writer.update_container(annotations)
    else:
        page.entries[pdf_name("Annots")] = generic.ArrayObject([annotation])
        writer.mark_update(page.ref)
