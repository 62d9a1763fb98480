"""One revision beside the one before it: everything that differs must be of a kind that we can name.

Strategy: only objects that the later revision redefines can differ, so only those are looked at; each must
be the same as before, or be one of a few things and differ only in what may differ there (a page in its
annotations, the form in its fields, the catalogue in a few entries).  Arrays may only grow, by widgets of
new signatures.  What the later revision adds must not fill a hole that the earlier one left open.
"""

from __future__ import annotations

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject, StreamObject

from adapters.inspection.history import structure_tree
from adapters.inspection.history.newcomers import Newcomers, field_name
from adapters.inspection.history.reach import Reach, as_dictionary, number_of
from adapters.inspection.history.revisions import Revisions, root_of
from adapters.inspection.history.weight import Level, Step, Unexplained
from adapters.inspection.objects import (
    differing,
    inherited,
    is_alike,
    is_same,
    is_true,
    name_in,
    raw_children,
    raw_items,
)
from adapters.pdf.reader import entry, resolved

# spec: ISO 32000-2 §12.7.5.5 - what signing an empty field may set; other fields: value and looks
_SIGNING = frozenset({"/V", "/AP", "/AS", "/MK", "/DA", "/DR", "/M", "/F", "/BS", "/Border", "/P"})
_FILLING = frozenset({"/V", "/AP", "/AS", "/M", "/RV", "/I", "/TI", "/MK", "/DA"})
_ANNOTATING = frozenset({"/Contents", "/AP", "/M", "/RC", "/C", "/Popup", "/Open", "/State", "/StateModel"})
# what a page may get besides annotations: the order of the tabulator, its place in the structure tree
_ARRANGING = frozenset({"/Tabs", "/StructParents"})
_INHERITED = frozenset({"/Resources", "/MediaBox", "/CropBox", "/Rotate"})
_NOTHING: DictionaryObject = DictionaryObject()  # type: ignore[no-untyped-call]  # pyHanko's
_MAX_STEPS = 400_000


def compare(revisions: Revisions, revision: int) -> Step:
    """What the revision after *revision* changed.  Raises nothing for an attack: it is in ``detail``."""
    comparison = _Comparison(revisions, revision)
    try:
        comparison.run()
    except Unexplained as why:
        comparison.found.level, comparison.found.detail = Level.OTHER, str(why)
    except MemoryError:
        raise
    except Exception as exc:  # what cannot be followed after signing cannot be excused
        comparison.found.level = Level.OTHER
        comparison.found.detail = f"later revisions cannot be followed ({type(exc).__name__})"
    return comparison.found


class _Comparison:
    def __init__(self, revisions: Revisions, revision: int) -> None:
        self.revisions = revisions
        self.reader = revisions.reader
        self.revision = revision
        self.old = revisions.at(revision)
        self.new = revisions.at(revision + 1)
        self.found = Step()
        self.reach = Reach(revisions, revision)
        self.newcomers = Newcomers(revisions, revision, self.found)
        self.replaced = sorted(n for n in revisions.touched(revision + 1) if revisions.is_known(n, revision))
        self.settled: set[int] = set()
        self.validation_data: set[int] = set()

    def run(self) -> None:
        # 1. which objects does the later revision touch?
        touched = self.revisions.touched(self.revision + 1)
        replaced = self.replaced
        added = sorted(n for n in touched if not self.revisions.is_known(n, self.revision))
        for number in touched:
            if self.revisions.leads_back(number, self.revision + 1):
                raise Unexplained(f"a later table leads object {number} into bytes that were there before")
            if not self.revisions.is_plain(number, self.revision + 1):
                raise Unexplained(f"object {number} came in a form that readers read differently")
        for number in replaced:
            if not touched[number] & self.revisions.generations(number, self.revision):
                self.reach.unless_unused([number], f"object {number} came back under another generation")
                self.settled.add(number)
        # 2. the catalogue and the form, entry by entry
        old_trailer, new_trailer = self.old.trailer_view, self.new.trailer_view
        self._catalogue(as_dictionary(root_of(self.old)), as_dictionary(root_of(self.new)))
        self._settle(old_trailer.raw_get("/Root"))
        # 3. every other object that was replaced
        info = number_of(old_trailer.raw_get("/Info") if "/Info" in old_trailer else None)
        for number in replaced:
            if number not in self.settled:
                self._replaced(number, is_info=number == info)
        if any(key in new_trailer for key in ("/Encrypt", "/AuthCode")):
            raise Unexplained("encryption was added")
        # 4. nothing that was added may fill a hole that was left open before
        self.reach.unless_unused(added, "an object was added that the signed revision already referred to")

    # --- the parts of a document that may change, and in what -------------------------------------------

    def _catalogue(self, old: DictionaryObject, new: DictionaryObject) -> None:
        for key in differing(old, new):
            match key:
                case "/AcroForm" | "/StructTreeRoot":
                    pass  # below: the same entry may lead to an object that was replaced
                case "/DSS" | "/Extensions" | "/Version" | "/Metadata":
                    self.found.raise_to(Level.LTA)
                case "/Perms" if "/Perms" not in old and _is_certified_only(new):
                    self.found.raise_to(Level.FORM_FILLING)
                case "/MarkInfo" | "/Lang" if key not in old:
                    self.found.raise_to(Level.FORM_FILLING)
                case _:
                    raise Unexplained(f"{key} of the catalogue changed")
        self._form(old, new)
        self._structure(old, new)
        if "/DSS" in old:
            self._collect_validation_data(old.raw_get("/DSS"))
        if "/Extensions" in old and self._reached_only_by("/Extensions", old):
            self._settle(old.raw_get("/Extensions"))

    def _form(self, old_root: DictionaryObject, new_root: DictionaryObject) -> None:
        old, new = entry(old_root, "/AcroForm"), entry(new_root, "/AcroForm")
        if old is None and new is None:
            return
        if new is None:
            raise Unexplained("the form was removed")
        new = as_dictionary(new)
        before = _NOTHING if old is None else as_dictionary(old)
        for key in differing(before, new):
            match key:
                case "/Fields":
                    pass  # below: the array may be an object of its own
                case "/SigFlags":
                    pass
                case "/DA" if key not in before:
                    pass
                case "/DR" if self._fonts_only_grew(before, new):
                    pass
                case "/NeedAppearances" if not is_true(entry(new, key)) and not _has_values(before):
                    pass  # nothing was drawn from values, so no looks take their place
                case _:
                    raise Unexplained(f"{key} of the form changed")
        self.newcomers.grown_array(entry(before, "/Fields"), entry(new, "/Fields"), "the form's fields")
        if old is not None:
            self._settle(old_root.raw_get("/AcroForm"))
            for key in ("/Fields", "/DR"):
                if key in before:
                    old_value = before.raw_get(key)
                    if key == "/Fields" or (
                        self._only_grew(entry(before, key), entry(new, key))
                        and self._reached_by_none_but("/AcroForm", old_value)
                    ):
                        self._settle(old_value)

    def _structure(self, old_root: DictionaryObject, new_root: DictionaryObject) -> None:
        """The tree that reading aids follow may grow by the fields of new signatures."""
        old, new = entry(old_root, "/StructTreeRoot"), entry(new_root, "/StructTreeRoot")
        if old is None and new is None:
            return
        if new is None:
            raise Unexplained("the structure tree was removed")
        if "/StructTreeRoot" not in differing(old_root, new_root) and not any(
            self._is_of_a_tree(number) for number in self.replaced
        ):
            return
        grown = structure_tree.growth(old, new, self.revisions.touched(self.revision + 1))
        if grown is None:
            raise Unexplained("/StructTreeRoot of the catalogue changed")
        root = number_of(old_root.raw_get("/StructTreeRoot")) if old is not None else None
        if root is not None and root in self.replaced:
            grown.add(root)
        if grown or old is None:
            self.found.raise_to(Level.FORM_FILLING)
        if grown and self.reach.reached(grown, but="/StructTreeRoot") is not None:
            raise Unexplained("a part of the structure tree serves something else, and changed")
        self.settled |= grown

    def _is_of_a_tree(self, number: int) -> bool:
        old, _ = self._versions(number)
        if isinstance(old, ArrayObject):
            return True
        return isinstance(old, DictionaryObject) and (
            name_in(old, "/Type") in ("/StructTreeRoot", "/StructElem")
            or bool({"/Nums", "/Names", "/Limits", "/ParentTree"} & set(old))
        )

    def _replaced(self, number: int, *, is_info: bool) -> None:
        old, new = self._versions(number)
        if is_same(old, new):
            return
        is_data = number in self.validation_data and isinstance(old, DictionaryObject | ArrayObject)
        # what serves something else besides is weighed as that
        if is_data and self.reach.reached([number], but="/DSS") is None:
            return
        if isinstance(old, StreamObject):
            self._stream(number, old, new)
        elif isinstance(old, ArrayObject):
            self._array(number, old, new)
        elif isinstance(old, DictionaryObject) and isinstance(new, DictionaryObject):
            if isinstance(new, StreamObject):
                raise Unexplained(f"object {number} became a stream")
            if is_info and self._is_mere_information(number, new):
                return
            if name_in(old, "/Type") == "/Page" or (_may_be_page(old) and number in self.reach.pages()):
                self._page(old, new)
            elif inherited(old, "/FT") is not None or name_in(old, "/Subtype") == "/Widget":
                self._field(number, old, new)
            elif not differing(old, new):
                return
            elif "/Subtype" in old and "/Rect" in old:
                self._within(old, new, _ANNOTATING, "an annotation")
                self.found.raise_to(Level.ANNOTATIONS)
            else:
                self.reach.unless_unused([number], f"object {number} was replaced")
        else:
            self.reach.unless_unused([number], f"object {number} was replaced")

    def _array(self, number: int, old: ArrayObject, new: PdfObject) -> None:
        """An array by itself: it may grow if it holds annotations, fields or kids of a field, and nothing else."""
        for holder, key in self.reach.holders(number):
            is_page = name_in(holder, "/Type") == "/Page" or any(
                holder is page for page in self.reach.pages().values()
            )
            is_annotations = key == "/Annots" and is_page
            is_kids = key == "/Kids" and inherited(holder, "/FT") is not None
            is_fields = key == "/Fields" and "/FT" not in holder and "/T" not in holder
            if not (is_annotations or is_kids or is_fields):
                raise Unexplained(f"array {number} changed")
        self.newcomers.grown_array(old, new, f"array {number}")

    def _is_mere_information(self, number: int, new: DictionaryObject) -> bool:
        """Whether the dictionary that the trailer calls ``/Info`` is nothing else besides."""
        if any(isinstance(value, DictionaryObject | ArrayObject | IndirectObject) for value in new.values()):
            return False
        is_named_elsewhere = self.revisions.is_mentioned_elsewhere(number, self.revision)
        return not is_named_elsewhere or self.reach.reached([number]) is None

    def _stream(self, number: int, old: StreamObject, new: PdfObject) -> None:
        kind = name_in(old, "/Type")
        if kind == "/ObjStm" and number in self.revisions.object_streams(self.revisions.last):
            raise Unexplained(f"object stream {number} was replaced")
        if kind == "/Metadata" and isinstance(new, StreamObject) and name_in(new, "/Type") == "/Metadata":
            root = number_of(self.old.trailer_view.raw_get("/Root"))
            is_named_elsewhere = self.revisions.is_mentioned_elsewhere(number, self.revision, holder=root)
            if is_named_elsewhere and self.reach.reached([number], but="/Metadata") is not None:
                raise Unexplained(f"metadata stream {number} serves something else, and changed")
            return
        self.reach.unless_unused([number], f"stream {number} was replaced")

    def _page(self, old: DictionaryObject, new: DictionaryObject) -> None:
        for key in differing(old, new):
            if key == "/Annots" or (key in _ARRANGING and key not in old):
                continue
            # what was inherited may be written out, and the reverse
            if key in _INHERITED and is_alike(inherited(old, key), inherited(new, key)):
                continue
            raise Unexplained(f"{key} of a page changed")
        self.newcomers.grown_array(entry(old, "/Annots"), entry(new, "/Annots"), "a page's annotations")

    def _field(self, number: int, old: DictionaryObject, new: DictionaryObject) -> None:
        kind, name = str(inherited(old, "/FT") or ""), field_name(old)
        if kind == "/Sig":
            if isinstance(inherited(old, "/V"), DictionaryObject):
                if differing(old, new):
                    raise Unexplained("a signature was exchanged")
                return
            self._within(old, new, _SIGNING, "a signature field")
            if name_in(new, "/Subtype") not in ("", "/Widget"):
                raise Unexplained("a field that is no widget was signed")
            self.found.signed.append(name)
            self.newcomers.signed(new, number)
            return
        self._within(old, new, _FILLING | {"/Kids"}, "a form field")
        if "/Kids" in old or "/Kids" in new:
            self.newcomers.grown_array(entry(old, "/Kids"), entry(new, "/Kids"), "a field's kids")
        if differing(old, new) - {"/Kids"}:
            self.found.filled.append(name)
            self.found.raise_to(Level.FORM_FILLING)

    # --- how things may change --------------------------------------------------------------------------

    def _within(self, old: DictionaryObject, new: DictionaryObject, keys: frozenset[str], what: str) -> None:
        for key in differing(old, new):
            if key not in keys:
                raise Unexplained(f"{key} of {what} changed")

    def _only_grew(self, old: PdfObject | None, new: PdfObject | None, depth: int = 0) -> bool:
        if old is None or is_alike(old, new):
            return True
        old, new = resolved(old), resolved(new) if new is not None else None
        if not isinstance(old, DictionaryObject) or not isinstance(new, DictionaryObject) or depth > 3:
            return False
        if isinstance(old, StreamObject) or isinstance(new, StreamObject):
            return False
        return all(
            key in new and self._only_grew(old.raw_get(key), new.raw_get(key), depth + 1) for key in old
        )

    def _fonts_only_grew(self, old_form: DictionaryObject, new_form: DictionaryObject) -> bool:
        # of the form's resources only the fonts can show, in fields without an appearance
        old, new = entry(old_form, "/DR"), entry(new_form, "/DR")
        if old is None:
            return True
        if not isinstance(old, DictionaryObject) or not isinstance(new, DictionaryObject):
            return False
        return self._only_grew(entry(old, "/Font"), entry(new, "/Font"))

    # --- looking things up ------------------------------------------------------------------------------

    def _versions(self, number: int) -> tuple[PdfObject, PdfObject]:
        generation = min(self.revisions.generations(number, self.revision))
        return (
            self.revisions.object(number, self.revision, generation),
            self.revisions.object(number, self.revision + 1, generation),
        )

    def _settle(self, value: PdfObject) -> None:
        if isinstance(value, IndirectObject):
            self.settled.add(value.idnum)

    def _collect_validation_data(self, value: PdfObject, depth: int = 0) -> None:
        if depth > 6:
            return
        if isinstance(value, IndirectObject):
            if value.idnum in self.validation_data:
                return
            self.validation_data.add(value.idnum)
            value = resolved(value)
        if isinstance(value, StreamObject):
            return
        for child in raw_children(value):
            self._collect_validation_data(child, depth + 1)

    def _reached_by_none_but(self, key: str, value: PdfObject) -> bool:
        number = number_of(value)
        if number is None or number not in self.revisions.touched(self.revision + 1):
            return True
        return self.reach.reached([number], but=key) is None

    def _reached_only_by(self, key: str, old_root: DictionaryObject) -> bool:
        number = number_of(old_root.raw_get(key))
        return (
            number is not None
            and number in self.revisions.touched(self.revision + 1)
            and self.reach.reached([number], but=key) is None
        )


def _may_be_page(found: DictionaryObject) -> bool:
    # some writers leave the type out, or put another
    return (
        "/Parent" in found
        and "/T" not in found
        and bool({"/Contents", "/MediaBox", "/Resources"} & set(found))
    )


def _is_certified_only(root: DictionaryObject) -> bool:
    # spec: ISO 32000-2 §12.8.2.3 - usage rights change what a reader lets one do
    permissions = entry(root, "/Perms")
    return isinstance(permissions, DictionaryObject) and set(permissions) <= {"/DocMDP", "/Type"}


def _has_values(form: DictionaryObject) -> bool:
    """Whether any field but a signature has a value."""
    waiting = [entry(form, "/Fields")]
    for _ in range(_MAX_STEPS):
        if not waiting:
            return False
        node = waiting.pop()
        if isinstance(node, ArrayObject):
            waiting.extend(resolved(one) for one in raw_items(node))
        elif isinstance(node, DictionaryObject):
            if "/V" in node and str(inherited(node, "/FT")) != "/Sig":
                return True
            waiting.append(entry(node, "/Kids"))
    return True
