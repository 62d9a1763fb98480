"""The structure tree of a tagged PDF, which reading aids follow: what may come to it after a signature.

Producers enter the field of a new signature into the tree.  So elements may be added that stand for
nothing but such a field, and what was there must stay: an added word for existing content
(``/ActualText``) would be read out, and copied, in place of what was signed.
"""

from __future__ import annotations

from collections.abc import Container

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject, StreamObject

from adapters.inspection.objects import differing, is_alike, is_same, name_in, raw_items
from adapters.pdf.reader import entry, resolved

_MAX_NODES = 50_000


class _NoGrowth(Exception):
    pass


def growth(old: PdfObject | None, new: PdfObject, touched: Container[int]) -> set[int] | None:
    """The numbers of the tree's own objects that were replaced and only grew; ``None`` if more happened.

    *old* and *new* are the roots of the tree, each resolved in its own revision; *touched* are the numbers
    that the later revision defines: nothing else can differ.
    """
    walk = _Walk(touched)
    try:
        if old is None:
            walk.came(new)
        else:
            walk.compare_root(old, new)
    except _NoGrowth:
        return None
    return walk.found


class _Walk:
    def __init__(self, touched: Container[int]) -> None:
        self.touched = touched
        self.found: set[int] = set()
        self.seen: set[int] = set()
        self.left = _MAX_NODES

    def compare_root(self, old: PdfObject, new: PdfObject) -> None:
        if not isinstance(old, DictionaryObject) or not isinstance(new, DictionaryObject):
            raise _NoGrowth
        for key in differing(old, new):
            match key:
                case "/ParentTreeNextKey":
                    pass
                case "/K" | "/ParentTree" | "/RoleMap" | "/IDTree" | "/ClassMap" | "/Namespaces":
                    pass
                case _:
                    raise _NoGrowth
        self.compare_kids(old, new)
        for key in ("/ParentTree", "/IDTree"):
            self.compare_tree(raw(old, key), raw(new, key))
        for key in ("/RoleMap", "/ClassMap", "/Namespaces"):
            self.compare_map(raw(old, key), raw(new, key))

    # --- elements ----------------------------------------------------------------------------------------

    def compare_kids(self, old: DictionaryObject, new: DictionaryObject) -> None:
        before, after = self._kids(raw(old, "/K")), self._kids(raw(new, "/K"))
        rest = iter(after)
        for wanted in before:
            for candidate in rest:
                if is_same(wanted, candidate):
                    break
                self.came(candidate)
            else:
                raise _NoGrowth
            self.compare_element(wanted, candidate)
        for candidate in rest:
            self.came(candidate)

    def compare_element(self, old: PdfObject, new: PdfObject) -> None:
        """*old* and *new* are the same reference; what they lead to may have grown below."""
        if isinstance(old, IndirectObject):
            if old.idnum in self.seen:
                return
            self.seen.add(old.idnum)
            self._count()
        before, after = resolved(old), resolved(new)
        if not isinstance(before, DictionaryObject) or not isinstance(after, DictionaryObject):
            return
        if isinstance(old, IndirectObject) and old.idnum in self.touched:
            if differing(before, after) - {"/K"}:
                raise _NoGrowth
            self.found.add(old.idnum)
        self.compare_kids(before, after)

    def came(self, kid: PdfObject) -> None:
        """A new element may stand for annotations, not for content of a page."""
        self._count()
        element = resolved(kid)
        if not isinstance(element, DictionaryObject) or isinstance(element, StreamObject):
            raise _NoGrowth  # a number stands for marked content
        kind = name_in(element, "/Type")
        if kind == "/OBJR":
            return
        if kind == "/MCR":
            raise _NoGrowth
        for below in self._kids(raw(element, "/K")):
            self.came(below)

    # --- trees of numbers and names, and maps ---------------------------------------------------------------

    def compare_tree(self, old: PdfObject | None, new: PdfObject | None) -> None:
        if old is None or (is_alike(old, new) and not self._is_touched(old)):
            return
        before, after = self._leaves(old), self._leaves(new)
        for key, value in before.items():
            if key not in after or not self._has_grown(value, after[key]):
                raise _NoGrowth

    def compare_map(self, old: PdfObject | None, new: PdfObject | None) -> None:
        if old is None:
            return
        self._note(old)
        before, after = resolved(old), resolved(new) if new is not None else None
        if isinstance(before, ArrayObject) and isinstance(after, ArrayObject):
            if not all(is_alike(a, b) for a, b in zip(raw_items(before), raw_items(after), strict=False)):
                raise _NoGrowth
            return
        if not isinstance(before, DictionaryObject) or not isinstance(after, DictionaryObject):
            raise _NoGrowth
        if not all(key in after and is_alike(before.raw_get(key), after.raw_get(key)) for key in before):
            raise _NoGrowth

    def _leaves(self, node: PdfObject | None, depth: int = 0) -> dict[str, PdfObject]:
        self._count()
        if node is None or depth > 32:
            raise _NoGrowth
        self._note(node)
        holder = resolved(node)
        found: dict[str, PdfObject] = {}
        for key in ("/Nums", "/Names"):
            pairs = entry(holder, key)
            if isinstance(pairs, ArrayObject):
                self._note(raw(holder, key))
                items = list(raw_items(pairs))
                found.update((str(resolved(k)), v) for k, v in zip(items[::2], items[1::2], strict=False))
        kids = entry(holder, "/Kids")
        if isinstance(kids, ArrayObject):
            self._note(raw(holder, "/Kids"))
            for kid in raw_items(kids):
                found.update(self._leaves(kid, depth + 1))
        return found

    def _has_grown(self, old: PdfObject, new: PdfObject) -> bool:
        self._count()
        if is_same(old, new) and not self._is_touched(old):
            return True
        before, after = resolved(old), resolved(new)
        if isinstance(before, ArrayObject) and isinstance(after, ArrayObject):
            self._note(old)
            return len(before) <= len(after) and all(
                is_same(a, b) for a, b in zip(raw_items(before), raw_items(after), strict=False)
            )
        # the element itself was compared on the way down from the root
        return is_same(old, new)

    # --- looking things up ---------------------------------------------------------------------------------

    @staticmethod
    def _kids(value: PdfObject | None) -> list[PdfObject]:
        if value is None:
            return []
        array = resolved(value)
        return list(raw_items(array)) if isinstance(array, ArrayObject) else [value]

    def _is_touched(self, value: PdfObject) -> bool:
        return isinstance(value, IndirectObject) and value.idnum in self.touched

    def _note(self, value: PdfObject | None) -> None:
        if isinstance(value, IndirectObject) and value.idnum in self.touched:
            self.found.add(value.idnum)

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _NoGrowth


def raw(holder: PdfObject, key: str) -> PdfObject | None:
    """What is written under *key*, a reference as a reference."""
    if not isinstance(holder, DictionaryObject) or key not in holder:
        return None
    found: PdfObject = holder.raw_get(key)
    return found
