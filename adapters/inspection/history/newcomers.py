"""What came into an array of annotations, fields or kids: nothing but the fields of new signatures may."""

from __future__ import annotations

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject, StreamObject

from adapters.inspection.history.revisions import Revisions
from adapters.inspection.history.weight import Level, Step, Unexplained
from adapters.inspection.objects import inherited, is_same, name_in, raw_items, rectangle
from adapters.pdf.reader import entry, resolved

_OF_BRANCHES = frozenset({"/T", "/Kids", "/Parent", "/TU", "/TM"})
_MAX_BRANCHES = 8
_OF_PAGES = frozenset({"/MediaBox", "/CropBox", "/Resources"})
# what makes an empty field show something
_LOOKS = frozenset({"/AP", "/MK", "/DA", "/BS", "/Border", "/C"})


class Newcomers:
    """Weighs what the revision after *revision* brought, into *found*; each method may raise ``Unexplained``."""

    def __init__(self, revisions: Revisions, revision: int, found: Step) -> None:
        self.revisions = revisions
        self.revision = revision
        self.found = found

    def grown_array(self, old: PdfObject | None, new: PdfObject | None, what: str) -> None:
        """All that was in *old* is in *new*, in the same order; what came are widgets of new signatures."""
        if old is None and new is None:
            return
        before = list(raw_items(old)) if isinstance(old, ArrayObject) else []
        if old is not None and not isinstance(old, ArrayObject | generic.NullObject):
            raise Unexplained(f"{what}: no array")
        if not isinstance(new, ArrayObject):
            raise Unexplained(f"{what}: no array any more")
        rest = iter(raw_items(new))
        for wanted in before:
            for candidate in rest:
                if is_same(wanted, candidate):
                    break
                self._came(candidate, what)
            else:
                raise Unexplained(f"{what}: something was taken away")
        for candidate in rest:
            self._came(candidate, what)

    def _came(self, candidate: PdfObject, what: str, depth: int = 0) -> None:
        if isinstance(candidate, IndirectObject) and self.revisions.is_known(candidate.idnum, self.revision):
            self._unless_unsigned(candidate, what)
        widget = resolved(candidate)
        if not isinstance(widget, DictionaryObject) or isinstance(widget, StreamObject):
            raise Unexplained(f"{what}: something came that is no signature")
        if {"/T", "/Kids"} <= set(widget) <= _OF_BRANCHES and inherited(widget, "/FT") is None:
            self._branch_came(widget, what, depth)
            return
        is_annotation = name_in(widget, "/Type") in ("", "/Annot")
        if (
            str(inherited(widget, "/FT")) != "/Sig"
            or not is_annotation
            or "/AA" in widget
            or "/A" in widget
            or name_in(widget, "/Subtype") not in ("", "/Widget")
        ):
            if is_annotation and "/Subtype" in widget and "/Rect" in widget:
                self.found.raise_to(Level.ANNOTATIONS)
                return
            raise Unexplained(f"{what}: something came that is no signature")
        if "/Kids" in widget and not _has_plain_kids(widget):
            raise Unexplained(f"{what}: a branch of fields came")
        if _OF_PAGES & set(widget) or isinstance(entry(widget, "/Contents"), DictionaryObject | ArrayObject):
            raise Unexplained(f"{what}: something came that is a page besides")
        self.signed(widget, _key(candidate))

    def _branch_came(self, branch: DictionaryObject, what: str, depth: int) -> None:
        """A field with a dotted name brings the fields above it along; all that hangs there must be new."""
        kids = entry(branch, "/Kids")
        if not isinstance(kids, ArrayObject) or depth > _MAX_BRANCHES:
            raise Unexplained(f"{what}: a branch of fields came")
        for kid in raw_items(kids):
            if not isinstance(kid, IndirectObject) or self.revisions.is_known(kid.idnum, self.revision):
                raise Unexplained(f"{what}: a branch of fields came")
            self._came(kid, what, depth + 1)

    def _unless_unsigned(self, candidate: IndirectObject, what: str) -> None:
        """What was there before, shown nowhere or elsewhere, is put to a new use: only an empty field may be."""
        widget = self.revisions.object(candidate.idnum, self.revision, candidate.generation)
        is_field = isinstance(widget, DictionaryObject) and str(inherited(widget, "/FT")) == "/Sig"
        if not is_field or isinstance(inherited(widget, "/V"), DictionaryObject):
            raise Unexplained(f"{what}: something came that was there before")

    def signed(self, widget: DictionaryObject, number: int) -> None:
        """Weigh the field of a new signature, or one that is yet to be signed; *number* is that of its widget."""
        holder = _holder(widget, "/V")
        signature, field_number = entry(holder, "/V"), _field_number(widget, number)
        if not isinstance(signature, DictionaryObject):
            # an empty field is harmless as long as nothing of it can be seen, or it is signed in the end
            self.found.raise_to(Level.FORM_FILLING)
            if rectangle(widget) is not None and _LOOKS & set(widget):
                self.found.prepared.add(field_number)
            return
        # whoever merely says that a signature stands behind it is none: it must be new, and be judged itself
        if not self._is_new(holder) or not {"/ByteRange", "/Contents"} <= set(signature):
            raise Unexplained("something came that only calls itself a signature")
        if not self._is_in_form(holder):
            raise Unexplained("a signature field came that the form does not know")
        self.found.completed.add(field_number)
        if rectangle(widget) is not None:
            self.found.came.add(number)
        if name_in(signature, "/SubFilter") == "/ETSI.RFC3161" and rectangle(widget) is None:
            self.found.raise_to(Level.LTA)
        else:
            self.found.raise_to(Level.FORM_FILLING)

    def _is_new(self, holder: DictionaryObject | None) -> bool:
        """Whether the signature that *holder* leads to was not there before."""
        if holder is None:
            return False
        value = holder.raw_get("/V")
        if isinstance(value, IndirectObject):
            return not self.revisions.is_known(value.idnum, self.revision)
        return True

    def _is_in_form(self, holder: DictionaryObject | None) -> bool:
        """Whether *holder* is a field to which the newest form leads, so that its signature is judged itself."""
        value = holder.raw_get("/V") if holder is not None else None
        if not isinstance(value, IndirectObject):
            return True  # a direct one has no place of its own, and so no coverage
        return value.idnum in self.revisions.judged


def _holder(widget: DictionaryObject, key: str) -> DictionaryObject | None:
    """The field, or the one above it, that has *key*."""
    node: PdfObject | None = widget
    for _ in range(50):
        if not isinstance(node, DictionaryObject):
            return None
        if key in node:
            return node
        node = entry(node, "/Parent")
    return None


def _field_number(widget: DictionaryObject, number: int) -> int:
    """The number of the field that *widget*, itself *number*, belongs to: where its name stands."""
    node: PdfObject | None = widget
    for _ in range(50):
        if not isinstance(node, DictionaryObject) or "/T" in node or "/Parent" not in node:
            return number
        parent = node.raw_get("/Parent")
        if not isinstance(parent, IndirectObject):
            return number
        number, node = parent.idnum, resolved(parent)
    return number


def _key(candidate: PdfObject) -> int:
    return candidate.idnum if isinstance(candidate, IndirectObject) else 0


def _has_plain_kids(field_: DictionaryObject) -> bool:
    """Whether the kids of a new signature field are nothing but its widgets."""
    kids = entry(field_, "/Kids")
    if not isinstance(kids, ArrayObject) or len(kids) > 8:
        return False
    return all(
        isinstance(kid := resolved(raw), DictionaryObject)
        and name_in(kid, "/Subtype") == "/Widget"
        and not {"/T", "/FT", "/V", "/Kids", "/A", "/AA"} & set(kid)
        for raw in raw_items(kids)
    )


def field_name(field_: DictionaryObject) -> str:
    parts: list[str] = []
    node: PdfObject | None = field_
    for _ in range(50):
        if not isinstance(node, DictionaryObject):
            break
        if "/T" in node:
            parts.append(str(node["/T"]))
        node = entry(node, "/Parent")
    return ".".join(reversed(parts))
