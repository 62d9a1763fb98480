"""One revision beside the one before it: everything that differs must be of a kind that we can name.

Strategy: only objects that the later revision redefines can differ, so only those are looked at; each must
be the same as before, or be one of a few things and differ only in what may differ there (a page in its
annotations, the form in its fields, the catalogue in a few entries).  Arrays may only grow, by widgets of
new signatures.  What the later revision adds must not fill a hole that the earlier one left open.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject, StreamObject

from adapters.inspection import structure_tree
from adapters.inspection.objects import (
    differing,
    inherited,
    is_alike,
    is_same,
    is_true,
    name_in,
    raw_children,
    raw_items,
    rectangle,
)
from adapters.inspection.revisions import Revisions, root_of
from adapters.pdf.reader import entry, resolved


class Level(IntEnum):
    """How far the file went from what was signed; the names are those of ``SignatureReport.changes``."""

    NONE = 0
    LTA = 1
    FORM_FILLING = 2
    ANNOTATIONS = 3
    OTHER = 4

    @property
    def label(self) -> str:
        """The word in a report."""
        return self.name.lower().replace("_", "-")


@dataclass(slots=True, kw_only=True)
class Step:
    """What one revision changed: the fields that it filled and signed by name, and why it is ``OTHER``.

    ``prepared`` are signature fields that got an appearance before their signature, ``completed`` those that
    got their signature, by the number of the field; ``came`` are the numbers of visible widgets of new signatures.
    """

    level: Level = Level.LTA
    filled: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    prepared: set[int] = field(default_factory=set)
    completed: set[int] = field(default_factory=set)
    came: set[int] = field(default_factory=set)
    detail: str = ""


# spec: ISO 32000-2 §12.7.5.5 - what signing an empty field may set; other fields: value and looks
_SIGNING = frozenset({"/V", "/AP", "/AS", "/MK", "/DA", "/DR", "/M", "/F", "/BS", "/Border", "/P"})
_FILLING = frozenset({"/V", "/AP", "/AS", "/M", "/RV", "/I", "/TI", "/MK", "/DA"})
_ANNOTATING = frozenset({"/Contents", "/AP", "/M", "/RC", "/C", "/Popup", "/Open", "/State", "/StateModel"})
# what a page may get besides annotations: the order of the tabulator, its place in the structure tree
_ARRANGING = frozenset({"/Tabs", "/StructParents"})
_INHERITED = frozenset({"/Resources", "/MediaBox", "/CropBox", "/Rotate"})
_OF_BRANCHES = frozenset({"/T", "/Kids", "/Parent", "/TU", "/TM"})
_MAX_BRANCHES = 8
_OF_PAGES = frozenset({"/MediaBox", "/CropBox", "/Resources"})
# what makes an empty field show something
_LOOKS = frozenset({"/AP", "/MK", "/DA", "/BS", "/Border", "/C"})
_NOTHING: DictionaryObject = DictionaryObject()  # type: ignore[no-untyped-call]  # pyHanko's
_MAX_STEPS = 400_000


class _Unexplained(Exception):
    pass


def compare(revisions: Revisions, revision: int) -> Step:
    """What the revision after *revision* changed.  Raises nothing for an attack: it is in ``detail``."""
    comparison = _Comparison(revisions, revision)
    try:
        comparison.run()
    except _Unexplained as why:
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
                raise _Unexplained(f"a later table leads object {number} into bytes that were there before")
            if not self.revisions.is_plain(number, self.revision + 1):
                raise _Unexplained(f"object {number} came in a form that readers read differently")
        for number in replaced:
            if not touched[number] & self.revisions.generations(number, self.revision):
                self._unless_unused([number], f"object {number} came back under another generation")
                self.settled.add(number)
        # 2. the catalogue and the form, entry by entry
        old_trailer, new_trailer = self.old.trailer_view, self.new.trailer_view
        self._catalogue(_dict(root_of(self.old)), _dict(root_of(self.new)))
        self._settle(old_trailer.raw_get("/Root"))
        # 3. every other object that was replaced
        info = _number(old_trailer.raw_get("/Info") if "/Info" in old_trailer else None)
        for number in replaced:
            if number not in self.settled:
                self._replaced(number, is_info=number == info)
        if any(key in new_trailer for key in ("/Encrypt", "/AuthCode")):
            raise _Unexplained("encryption was added")
        # 4. nothing that was added may fill a hole that was left open before
        self._unless_unused(added, "an object was added that the signed revision already referred to")

    # --- the parts of a document that may change, and in what -------------------------------------------

    def _catalogue(self, old: DictionaryObject, new: DictionaryObject) -> None:
        for key in differing(old, new):
            match key:
                case "/AcroForm" | "/StructTreeRoot":
                    pass  # below: the same entry may lead to an object that was replaced
                case "/DSS" | "/Extensions" | "/Version" | "/Metadata":
                    self._raise_level(Level.LTA)
                case "/Perms" if "/Perms" not in old and _is_certified_only(new):
                    self._raise_level(Level.FORM_FILLING)
                case "/MarkInfo" | "/Lang" if key not in old:
                    self._raise_level(Level.FORM_FILLING)
                case _:
                    raise _Unexplained(f"{key} of the catalogue changed")
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
            raise _Unexplained("the form was removed")
        new = _dict(new)
        before = _NOTHING if old is None else _dict(old)
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
                    raise _Unexplained(f"{key} of the form changed")
        self._grown_array(entry(before, "/Fields"), entry(new, "/Fields"), "the form's fields")
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
            raise _Unexplained("the structure tree was removed")
        if "/StructTreeRoot" not in differing(old_root, new_root) and not any(
            self._is_of_a_tree(number) for number in self.replaced
        ):
            return
        grown = structure_tree.growth(old, new, self.revisions.touched(self.revision + 1))
        if grown is None:
            raise _Unexplained("/StructTreeRoot of the catalogue changed")
        root = _number(old_root.raw_get("/StructTreeRoot")) if old is not None else None
        if root is not None and root in self.replaced:
            grown.add(root)
        if grown or old is None:
            self._raise_level(Level.FORM_FILLING)
        if grown and self._reached(grown, but="/StructTreeRoot") is not None:
            raise _Unexplained("a part of the structure tree serves something else, and changed")
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
        if number in self.validation_data and isinstance(old, DictionaryObject | ArrayObject):
            if self._reached([number], but="/DSS") is not None:
                raise _Unexplained(f"object {number} serves validation and something else, and changed")
            return
        if isinstance(old, StreamObject):
            self._stream(number, old, new)
        elif isinstance(old, ArrayObject):
            self._array(number, old, new)
        elif isinstance(old, DictionaryObject) and isinstance(new, DictionaryObject):
            if isinstance(new, StreamObject):
                raise _Unexplained(f"object {number} became a stream")
            if is_info and self._is_mere_information(number, new):
                return
            if name_in(old, "/Type") == "/Page":
                self._page(old, new)
            elif inherited(old, "/FT") is not None or name_in(old, "/Subtype") == "/Widget":
                self._field(number, old, new)
            elif not differing(old, new):
                return
            elif "/Subtype" in old and "/Rect" in old:
                self._within(old, new, _ANNOTATING, "an annotation")
                self._raise_level(Level.ANNOTATIONS)
            else:
                self._unless_unused([number], f"object {number} was replaced")
        else:
            self._unless_unused([number], f"object {number} was replaced")

    def _array(self, number: int, old: ArrayObject, new: PdfObject) -> None:
        """An array by itself: it may grow if it holds annotations, fields or kids of a field, and nothing else."""
        for holder, key in self._holders(number):
            is_annotations = key == "/Annots" and name_in(holder, "/Type") == "/Page"
            is_kids = key == "/Kids" and inherited(holder, "/FT") is not None
            is_fields = key == "/Fields" and "/FT" not in holder and "/T" not in holder
            if not (is_annotations or is_kids or is_fields):
                raise _Unexplained(f"array {number} changed")
        self._grown_array(old, new, f"array {number}")

    def _is_mere_information(self, number: int, new: DictionaryObject) -> bool:
        """Whether the dictionary that the trailer calls ``/Info`` is nothing else besides."""
        if any(isinstance(value, DictionaryObject | ArrayObject | IndirectObject) for value in new.values()):
            return False
        is_named_elsewhere = self.revisions.mentioned_but_as(b"/Info", number, self.revision)
        return not is_named_elsewhere or self._reached([number]) is None

    def _stream(self, number: int, old: StreamObject, new: PdfObject) -> None:
        kind = name_in(old, "/Type")
        if kind == "/ObjStm" and number in self.revisions.object_streams(self.revisions.last):
            raise _Unexplained(f"object stream {number} was replaced")
        if kind == "/Metadata" and isinstance(new, StreamObject) and name_in(new, "/Type") == "/Metadata":
            if self._reached([number], but="/Metadata") is not None:
                raise _Unexplained(f"metadata stream {number} serves something else, and changed")
            return
        self._unless_unused([number], f"stream {number} was replaced")

    def _page(self, old: DictionaryObject, new: DictionaryObject) -> None:
        for key in differing(old, new):
            if key == "/Annots" or (key in _ARRANGING and key not in old):
                continue
            # what was inherited may be written out, and the reverse
            if key in _INHERITED and is_alike(inherited(old, key), inherited(new, key)):
                continue
            raise _Unexplained(f"{key} of a page changed")
        self._grown_array(entry(old, "/Annots"), entry(new, "/Annots"), "a page's annotations")

    def _field(self, number: int, old: DictionaryObject, new: DictionaryObject) -> None:
        kind, name = str(inherited(old, "/FT") or ""), _field_name(old)
        if kind == "/Sig":
            if isinstance(inherited(old, "/V"), DictionaryObject):
                if differing(old, new):
                    raise _Unexplained("a signature was exchanged")
                return
            self._within(old, new, _SIGNING, "a signature field")
            if name_in(new, "/Subtype") not in ("", "/Widget"):
                raise _Unexplained("a field that is no widget was signed")
            self.found.signed.append(name)
            self._signed(new, number)
            return
        self._within(old, new, _FILLING | {"/Kids"}, "a form field")
        if "/Kids" in old or "/Kids" in new:
            self._grown_array(entry(old, "/Kids"), entry(new, "/Kids"), "a field's kids")
        if differing(old, new) - {"/Kids"}:
            self.found.filled.append(name)
            self._raise_level(Level.FORM_FILLING)

    # --- how things may change --------------------------------------------------------------------------

    def _grown_array(self, old: PdfObject | None, new: PdfObject | None, what: str) -> None:
        """All that was in *old* is in *new*, in the same order; what came are widgets of new signatures."""
        if old is None and new is None:
            return
        before = list(raw_items(old)) if isinstance(old, ArrayObject) else []
        if old is not None and not isinstance(old, ArrayObject | generic.NullObject):
            raise _Unexplained(f"{what}: no array")
        if not isinstance(new, ArrayObject):
            raise _Unexplained(f"{what}: no array any more")
        rest = iter(raw_items(new))
        for wanted in before:
            for candidate in rest:
                if is_same(wanted, candidate):
                    break
                self._came(candidate, what)
            else:
                raise _Unexplained(f"{what}: something was taken away")
        for candidate in rest:
            self._came(candidate, what)

    def _came(self, candidate: PdfObject, what: str, depth: int = 0) -> None:
        if isinstance(candidate, IndirectObject) and self.revisions.is_known(candidate.idnum, self.revision):
            self._unless_unsigned(candidate, what)
        widget = resolved(candidate)
        if not isinstance(widget, DictionaryObject) or isinstance(widget, StreamObject):
            raise _Unexplained(f"{what}: something came that is no signature")
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
                self._raise_level(Level.ANNOTATIONS)
                return
            raise _Unexplained(f"{what}: something came that is no signature")
        if "/Kids" in widget and not _has_plain_kids(widget):
            raise _Unexplained(f"{what}: a branch of fields came")
        if _OF_PAGES & set(widget) or isinstance(entry(widget, "/Contents"), DictionaryObject | ArrayObject):
            raise _Unexplained(f"{what}: something came that is a page besides")
        self._signed(widget, _key(candidate))

    def _branch_came(self, branch: DictionaryObject, what: str, depth: int) -> None:
        """A field with a dotted name brings the fields above it along; all that hangs there must be new."""
        kids = entry(branch, "/Kids")
        if not isinstance(kids, ArrayObject) or depth > _MAX_BRANCHES:
            raise _Unexplained(f"{what}: a branch of fields came")
        for kid in raw_items(kids):
            if not isinstance(kid, IndirectObject) or self.revisions.is_known(kid.idnum, self.revision):
                raise _Unexplained(f"{what}: a branch of fields came")
            self._came(kid, what, depth + 1)

    def _unless_unsigned(self, candidate: IndirectObject, what: str) -> None:
        """What was there before, shown nowhere or elsewhere, is put to a new use: only an empty field may be."""
        widget = self.revisions.object(candidate.idnum, self.revision, candidate.generation)
        is_field = isinstance(widget, DictionaryObject) and str(inherited(widget, "/FT")) == "/Sig"
        if not is_field or isinstance(inherited(widget, "/V"), DictionaryObject):
            raise _Unexplained(f"{what}: something came that was there before")

    def _signed(self, widget: DictionaryObject, number: int) -> None:
        """Weigh the field of a new signature, or one that is yet to be signed; *number* is that of its widget."""
        holder = _holder(widget, "/V")
        signature, field_number = entry(holder, "/V"), _field_number(widget, number)
        if not isinstance(signature, DictionaryObject):
            # an empty field is harmless as long as nothing of it can be seen, or it is signed in the end
            self._raise_level(Level.FORM_FILLING)
            if rectangle(widget) is not None and _LOOKS & set(widget):
                self.found.prepared.add(field_number)
            return
        # whoever merely says that a signature stands behind it is none: it must be new, and be judged itself
        if not self._is_new(holder) or not {"/ByteRange", "/Contents"} <= set(signature):
            raise _Unexplained("something came that only calls itself a signature")
        if not self._is_in_form(holder):
            raise _Unexplained("a signature field came that the form does not know")
        self.found.completed.add(field_number)
        if rectangle(widget) is not None:
            self.found.came.add(number)
        if name_in(signature, "/SubFilter") == "/ETSI.RFC3161" and rectangle(widget) is None:
            self._raise_level(Level.LTA)
        else:
            self._raise_level(Level.FORM_FILLING)

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

    def _within(self, old: DictionaryObject, new: DictionaryObject, keys: frozenset[str], what: str) -> None:
        for key in differing(old, new):
            if key not in keys:
                raise _Unexplained(f"{key} of {what} changed")

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

    def _raise_level(self, level: Level) -> None:
        self.found.level = max(self.found.level, level)

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
        number = _number(value)
        if number is None or number not in self.revisions.touched(self.revision + 1):
            return True
        return self._reached([number], but=key) is None

    def _reached_only_by(self, key: str, old_root: DictionaryObject) -> bool:
        number = _number(old_root.raw_get(key))
        return (
            number is not None
            and number in self.revisions.touched(self.revision + 1)
            and self._reached([number], but=key) is None
        )

    def _holders(self, number: int) -> list[tuple[DictionaryObject, str]]:
        """The dictionaries of the earlier revision that refer to *number*, each with the key under which it does."""
        found: list[tuple[DictionaryObject, str]] = []
        for node in self._everything():
            found.extend(_held_in(node, number))
        return found

    def _everything(self) -> Iterator[PdfObject]:
        """Every object to which the earlier catalogue leads, the catalogue first."""
        seen: set[int] = set()
        waiting: list[PdfObject] = [root_of(self.old)]
        for _ in range(_MAX_STEPS):
            if not waiting:
                return
            node = waiting.pop()
            yield node
            parts = [node]
            while parts:
                part = parts.pop()
                if isinstance(part, IndirectObject):
                    if part.idnum not in seen:
                        seen.add(part.idnum)
                        ref = generic.Reference(part.idnum, part.generation, self.old)
                        waiting.append(self.old.get_object(ref))
                else:
                    parts.extend(raw_children(part))
        raise _Unexplained("the earlier revision is too large to be followed")

    def _unless_unused(self, numbers: Iterable[int], why: str) -> None:
        """Raise unless the earlier revision leads to none of *numbers*."""
        wanted = set(numbers)
        if not wanted:
            return
        # the quick look: is any of them so much as mentioned?
        mentioned = self.revisions.mentioned(wanted, self.revision)
        # the slow one: from the catalogue, not from the trailer, where producers keep leftovers
        if mentioned and (reached := self._reached(mentioned)) is not None:
            raise _Unexplained(f"{why} ({reached})")

    def _reached(self, numbers: Collection[int], but: str = "") -> int | None:
        """The first of *numbers* to which the earlier catalogue leads, other than by its own entry *but*."""
        root = _dict(root_of(self.old))
        seen: set[int] = set()
        if (number := _number(self.old.trailer_view.raw_get("/Root"))) is not None:
            if number in numbers:
                return number
            seen.add(number)
        # an entry of that name elsewhere is another thing: names are the author's
        waiting: list[PdfObject] = [root.raw_get(key) for key in root if key != but]
        for _ in range(_MAX_STEPS):
            if not waiting:
                return None
            node = waiting.pop()
            if isinstance(node, IndirectObject):
                if node.idnum in numbers:
                    return int(node.idnum)
                if node.idnum in seen:
                    continue
                seen.add(node.idnum)
                node = self.old.get_object(generic.Reference(node.idnum, node.generation, self.old))
            if isinstance(node, DictionaryObject):
                waiting.extend(node.raw_get(key) for key in node)
            elif isinstance(node, ArrayObject):
                waiting.extend(raw_items(node))
        raise _Unexplained("the earlier revision is too large to be followed")


def _is_certified_only(root: DictionaryObject) -> bool:
    # spec: ISO 32000-2 §12.8.2.3 - usage rights change what a reader lets one do
    permissions = entry(root, "/Perms")
    return isinstance(permissions, DictionaryObject) and set(permissions) <= {"/DocMDP", "/Type"}


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


def _held_in(node: PdfObject, number: int) -> Iterator[tuple[DictionaryObject, str]]:
    """Where *node* itself, its direct parts included, refers to *number*."""
    waiting: list[tuple[PdfObject, DictionaryObject, str]] = [(node, _NOTHING, "")]
    while waiting:
        part, holder, key = waiting.pop()
        if isinstance(part, IndirectObject):
            if part.idnum == number:
                yield holder, key
        elif isinstance(part, DictionaryObject):
            waiting.extend((part.raw_get(name), part, str(name)) for name in part)
        elif isinstance(part, ArrayObject):
            waiting.extend((item, holder, key) for item in raw_items(part))


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


def _field_name(field_: DictionaryObject) -> str:
    parts: list[str] = []
    node: PdfObject | None = field_
    for _ in range(50):
        if not isinstance(node, DictionaryObject):
            break
        if "/T" in node:
            parts.append(str(node["/T"]))
        node = entry(node, "/Parent")
    return ".".join(reversed(parts))


def _number(value: PdfObject | None) -> int | None:
    return value.idnum if isinstance(value, IndirectObject) else None


def _dict(value: PdfObject) -> DictionaryObject:
    if isinstance(value, DictionaryObject):
        return value
    raise _Unexplained("a dictionary is missing")
