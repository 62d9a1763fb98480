"""What became of a PDF after one of its signatures: every change must be of a kind that we can name.

Strategy: compare the file as it was signed with the file as it is now.  Only objects that a later
revision redefines can differ, so only those are looked at; each must be the same as before, or be one
of a few things and differ only in the keys in which that thing may differ (a page in its annotations,
the form in its fields, the catalogue in a few entries).  Arrays may only grow, by widgets of new
signatures.  What a later revision adds must not fill a hole that the signed revision left open.

pyHanko's own policy walks the whole signed revision for every comparison, takes long-term-validation
updates of several producers for attacks, and takes a replaced appearance for form filling; this one
knows fewer kinds of change and is silent about none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject, StreamObject
from pyhanko.pdf_utils.reader import HistoricalResolver

from adapters.inspection.objects import (
    differing,
    inherited,
    is_same,
    is_true,
    name_in,
    raw_children,
    raw_items,
)
from adapters.inspection.reader import QuickReader, entry, references_in, resolved


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
class Difference:
    """The heaviest change after a signature, the forms fields that were filled, and why it is ``OTHER``."""

    level: Level = Level.NONE
    filled: list[str] = field(default_factory=list)
    detail: str = ""


class _Unexplained(Exception):
    pass


# spec: ISO 32000-2 §12.7.5.5 - what signing an empty field may set; other fields: value and looks
_SIGNING = frozenset({"/V", "/AP", "/AS", "/MK", "/DA", "/DR", "/M", "/F", "/BS", "/Border", "/P"})
_FILLING = frozenset({"/V", "/AP", "/AS", "/M", "/RV", "/I", "/TI", "/MK", "/DA"})
_ANNOTATING = frozenset({"/Contents", "/AP", "/M", "/RC", "/C", "/Popup", "/Open", "/State", "/StateModel"})
_NOTHING: DictionaryObject = DictionaryObject()  # type: ignore[no-untyped-call]  # pyHanko's
_MAX_STEPS = 400_000


def changes_after(
    reader: QuickReader,
    revision: int,
    signed_end: int,
    *,
    permission: int | None,
    is_locked: Callable[[str], bool],
) -> Difference:
    """Everything that happened after *revision*, whose bytes end at *signed_end*.

    *permission* is the signature's DocMDP level, *is_locked* its FieldMDP.  Nothing is raised for an
    attack, whatever it breaks: what cannot be followed is ``OTHER``.
    """
    if revision == reader.xrefs.total_revisions - 1:
        return Difference()
    comparison = _Comparison(reader, revision, signed_end, permission, is_locked)
    try:
        comparison.run()
    except _Unexplained as why:
        return Difference(level=Level.OTHER, filled=comparison.found.filled, detail=str(why))
    return comparison.found


class _Comparison:
    def __init__(
        self,
        reader: QuickReader,
        revision: int,
        signed_end: int,
        permission: int | None,
        is_locked: Callable[[str], bool],
    ) -> None:
        self.reader = reader
        self.revision = revision
        self.signed_end = signed_end
        self.permission = permission
        self.is_locked = is_locked
        self.old: HistoricalResolver = reader.get_historical_resolver(revision)
        self.found = Difference(level=Level.LTA)
        self.settled: set[int] = set()
        self.validation_data: set[int] = set()

    def run(self) -> None:
        # 1. which objects do the later revisions touch?
        touched: dict[int, set[int]] = {}
        for later in range(self.revision + 1, self.reader.xrefs.total_revisions):
            for ref in self.reader.xrefs.explicit_refs_in_revision(later):
                touched.setdefault(ref.idnum, set()).add(ref.generation)
            for ref in self.reader.xrefs.refs_freed_in_revision(later):
                touched.setdefault(ref.idnum, set()).add(ref.generation)
        known = _numbers_up_to(self.reader, self.revision)
        replaced = sorted(number for number in touched if number in known)
        added = sorted(number for number in touched if number not in known)
        for number in replaced:
            if touched[number] - known[number] and not touched[number] & known[number]:
                self._unless_unused([number], f"object {number} came back under another generation")
                self.settled.add(number)
        # 2. the catalogue and the form, entry by entry
        old_trailer, new_trailer = self.reader.trailer.flatten(self.revision), self.reader.trailer.flatten()
        self._catalogue(_dict(self.old.root), _dict(self.reader.root))
        self._settle(old_trailer.raw_get("/Root"))
        # 3. every other object that was replaced
        info = _number(old_trailer.raw_get("/Info") if "/Info" in old_trailer else None)
        for number in replaced:
            if number not in self.settled:
                self._replaced(number, is_info=number == info)
        if any(key in new_trailer for key in ("/Encrypt", "/AuthCode")):
            raise _Unexplained("encryption was added")
        # 4. nothing that was added may fill a hole that was left open when it was signed
        self._unless_unused(added, "an object was added that the signed revision already referred to")
        self._obey()

    def _obey(self) -> None:
        # spec: ISO 32000-2 §12.8.2.2 table 257 - 1: nothing, 2: form filling and signing, 3: annotations too
        allowed = {1: Level.LTA, 3: Level.ANNOTATIONS}.get(self.permission or 2, Level.FORM_FILLING)
        if self.found.level > allowed:
            raise _Unexplained(
                f"changes of the kind {self.found.level.label} are not permitted by this signature"
            )

    # --- the parts of a document that may change, and in what -------------------------------------------

    def _catalogue(self, old: DictionaryObject, new: DictionaryObject) -> None:
        for key in differing(old, new):
            match key:
                case "/AcroForm":
                    self._form(old, new)
                case "/DSS":
                    self._raise_level(Level.LTA)
                case "/Extensions" | "/Version" | "/Metadata":
                    self._raise_level(Level.LTA)
                case "/Perms" if "/Perms" not in old:
                    self._raise_level(Level.FORM_FILLING)
                case _:
                    raise _Unexplained(f"{key} of the catalogue changed")
        # the same entry may still lead to an object that was replaced
        self._form(old, new)
        if "/DSS" in old:
            self._collect_validation_data(old.raw_get("/DSS"))

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
                case "/NeedAppearances" if old is not None and not is_true(entry(new, key)):
                    pass
                case _:
                    raise _Unexplained(f"{key} of the form changed")
        self._grown_array(entry(before, "/Fields"), entry(new, "/Fields"), "the form's fields")
        if old is not None:
            self._settle(old_root.raw_get("/AcroForm"))
            for key in ("/Fields", "/DR"):
                if key in before:
                    old_value = before.raw_get(key)
                    if key == "/Fields" or self._only_grew(entry(before, key), entry(new, key)):
                        self._settle(old_value)

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
            self._grown_array(old, new, f"array {number}")
        elif isinstance(old, DictionaryObject) and isinstance(new, DictionaryObject):
            if isinstance(new, StreamObject):
                raise _Unexplained(f"object {number} became a stream")
            if is_info and not any(
                isinstance(v, DictionaryObject | ArrayObject | IndirectObject) for v in new.values()
            ):
                return
            if name_in(old, "/Type") == "/Page":
                self._page(old, new)
            elif self._field_type(number) or name_in(old, "/Subtype") == "/Widget":
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

    def _stream(self, number: int, old: StreamObject, new: PdfObject) -> None:
        kind = name_in(old, "/Type")
        if kind == "/ObjStm" and number in _object_streams(self.reader):
            raise _Unexplained(f"object stream {number} was replaced")
        if kind == "/Metadata" and isinstance(new, StreamObject) and name_in(new, "/Type") == "/Metadata":
            if self._reached([number], but="/Metadata") is not None:
                raise _Unexplained(f"metadata stream {number} serves something else, and changed")
            return
        self._unless_unused([number], f"stream {number} was replaced")

    def _page(self, old: DictionaryObject, new: DictionaryObject) -> None:
        self._within(old, new, frozenset({"/Annots"}), "a page")
        self._grown_array(entry(old, "/Annots"), entry(new, "/Annots"), "a page's annotations")

    def _field(self, number: int, old: DictionaryObject, new: DictionaryObject) -> None:
        kind, name = self._field_type(number), self._field_name(old)
        if kind == "/Sig":
            if isinstance(entry(old, "/V"), DictionaryObject):
                raise _Unexplained("a signature was exchanged")
            self._within(old, new, _SIGNING, "a signature field")
            if self.is_locked(name):
                raise _Unexplained("a locked field was signed")
            self._signed(new)
            return
        self._within(old, new, _FILLING | {"/Kids"}, "a form field")
        if "/Kids" in old or "/Kids" in new:
            self._grown_array(entry(old, "/Kids"), entry(new, "/Kids"), "a field's kids")
        if self.is_locked(name):
            raise _Unexplained("a locked field was changed")
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

    def _came(self, candidate: PdfObject, what: str) -> None:
        widget = resolved(candidate)
        if not isinstance(widget, DictionaryObject) or isinstance(widget, StreamObject):
            raise _Unexplained(f"{what}: something came that is no signature")
        if (
            str(inherited(widget, "/FT")) != "/Sig"
            or name_in(widget, "/Type") not in ("", "/Annot")
            or "/AA" in widget
            or "/A" in widget
        ):
            if name_in(widget, "/Type") in ("", "/Annot") and "/Subtype" in widget and "/Rect" in widget:
                self._raise_level(Level.ANNOTATIONS)
                return
            raise _Unexplained(f"{what}: something came that is no signature")
        if "/Kids" in widget:
            raise _Unexplained(f"{what}: a branch of fields came")
        self._signed(widget)

    def _signed(self, widget: DictionaryObject) -> None:
        signature = inherited(widget, "/V")
        if not isinstance(signature, DictionaryObject):
            # an empty field is harmless as long as nothing of it can be seen
            self._raise_level(Level.ANNOTATIONS if "/AP" in widget else Level.FORM_FILLING)
        elif name_in(signature, "/SubFilter") == "/ETSI.RFC3161" and not is_visible(widget):
            self._raise_level(Level.LTA)
        else:
            self._raise_level(Level.FORM_FILLING)

    def _within(self, old: DictionaryObject, new: DictionaryObject, keys: frozenset[str], what: str) -> None:
        for key in differing(old, new):
            if key not in keys:
                raise _Unexplained(f"{key} of {what} changed")

    def _only_grew(self, old: PdfObject | None, new: PdfObject | None, depth: int = 0) -> bool:
        old = resolved(old) if old is not None else None
        new = resolved(new) if new is not None else None
        if old is None or is_same(old, new):
            return True
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
        generation = min(_numbers_up_to(self.reader, self.revision)[number])
        old = self.old.get_object(generic.Reference(number, generation, self.old))
        new = self.reader.get_object(  # type: ignore[no-untyped-call]  # pyHanko's
            generic.Reference(number, generation, self.reader)
        )
        return old, new

    def _field_type(self, number: int) -> str:
        old, _ = self._versions(number)
        kind = inherited(old, "/FT") if isinstance(old, DictionaryObject) else None
        return str(kind) if kind is not None else ""

    def _field_name(self, old: DictionaryObject) -> str:
        parts: list[str] = []
        node: PdfObject | None = old
        for _ in range(50):
            if not isinstance(node, DictionaryObject):
                break
            if "/T" in node:
                parts.append(str(node["/T"]))
            node = entry(node, "/Parent")
        return ".".join(reversed(parts))

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

    def _unless_unused(self, numbers: Iterable[int], why: str) -> None:
        """Raise unless the signed document leads to none of *numbers*."""
        wanted = set(numbers)
        if not wanted:
            return
        # the quick look: is any of them so much as mentioned in the signed bytes?
        places, targets = self.reader.references()
        mentioned = wanted.intersection(targets[: bisect_left(places, self.signed_end)])
        for number in _object_streams(self.reader, self.revision):
            stream = self.old.get_object(generic.Reference(number, 0, self.old))
            if isinstance(stream, StreamObject):
                mentioned |= wanted.intersection(target for _, target in references_in(stream.data))
        # the slow one: from the catalogue, not from the trailer, where producers keep leftovers
        if mentioned and (reached := self._reached(mentioned)) is not None:
            raise _Unexplained(f"{why} ({reached})")

    def _reached(self, numbers: Collection[int], but: str = "") -> int | None:
        """The first of *numbers* to which the signed catalogue leads by a way that avoids the key *but*."""
        seen: set[int] = set()
        waiting: list[PdfObject] = [self.reader.trailer.flatten(self.revision).raw_get("/Root")]
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
                waiting.extend(node.raw_get(key) for key in node if key != but)
            elif isinstance(node, ArrayObject):
                waiting.extend(raw_items(node))
        raise _Unexplained("the signed revision is too large to be followed")


def is_visible(widget: DictionaryObject) -> bool:
    """Whether a widget takes up room on its page."""
    try:
        left, bottom, right, top = (float(n) for n in widget["/Rect"])
    except (KeyError, TypeError, ValueError):
        return False
    return left != right and bottom != top


def _numbers_up_to(reader: QuickReader, revision: int) -> Mapping[int, set[int]]:
    cache: dict[int, dict[int, set[int]]] = reader.__dict__.setdefault("_vanthu_numbers", {})
    if revision not in cache:
        numbers: dict[int, set[int]] = {}
        for earlier in range(revision + 1):
            for ref in reader.xrefs.explicit_refs_in_revision(earlier):
                numbers.setdefault(ref.idnum, set()).add(ref.generation)
        cache[revision] = numbers
    return cache[revision]


def _object_streams(reader: QuickReader, revision: int | None = None) -> set[int]:
    last = reader.xrefs.total_revisions - 1 if revision is None else revision
    return {
        ref.idnum
        for r in range(last + 1)
        for ref in reader.xrefs.object_streams_used_in(r)  # type: ignore[no-untyped-call]  # pyHanko's
    }


def _number(value: PdfObject | None) -> int | None:
    return value.idnum if isinstance(value, IndirectObject) else None


def _dict(value: PdfObject) -> DictionaryObject:
    if isinstance(value, DictionaryObject):
        return value
    raise _Unexplained("a dictionary is missing")
