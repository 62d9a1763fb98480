"""What the earlier revision of two leads to, and by which ways."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject

from adapters.inspection.history.revisions import Revisions, root_of
from adapters.inspection.history.weight import Unexplained
from adapters.inspection.objects import raw_children, raw_items
from adapters.pdf.reader import entry, resolved

_MAX_STEPS = 400_000
_NOTHING: DictionaryObject = DictionaryObject()  # type: ignore[no-untyped-call]  # pyHanko's


class Reach:
    """The ways from the catalogue of *revision*.

    Each method raises ``Unexplained`` where the revision is too large to be followed.
    """

    def __init__(self, revisions: Revisions, revision: int) -> None:
        self.revisions = revisions
        self.revision = revision
        self.old = revisions.at(revision)
        self._pages: dict[int, PdfObject] | None = None

    def pages(self) -> Mapping[int, PdfObject]:
        """The leaves of the earlier page tree by number: a page is what stands there, whatever it calls itself."""
        if self._pages is None:
            self._pages = {}
            seen: set[int] = set()
            waiting = [entry(root_of(self.old), "/Pages")]
            while waiting and len(seen) < _MAX_STEPS:
                kids = entry(waiting.pop(), "/Kids")
                for kid in raw_items(kids) if isinstance(kids, ArrayObject) else ():
                    node = resolved(kid)
                    if not isinstance(kid, IndirectObject) or kid.idnum in seen:
                        continue
                    seen.add(kid.idnum)
                    if entry(node, "/Kids") is not None:
                        waiting.append(node)
                    else:
                        self._pages[kid.idnum] = node
        return self._pages

    def holders(self, number: int) -> list[tuple[DictionaryObject, str]]:
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
        raise Unexplained("the earlier revision is too large to be followed")

    def unless_unused(self, numbers: Iterable[int], why: str) -> None:
        """Raise unless the earlier revision leads to none of *numbers*."""
        wanted = set(numbers)
        if not wanted:
            return
        # the quick look: is any of them so much as mentioned?
        mentioned = self.revisions.mentioned(wanted, self.revision)
        # the slow one: from the catalogue, not from the trailer, where producers keep leftovers
        if mentioned and (reached := self.reached(mentioned)) is not None:
            raise Unexplained(f"{why} ({reached})")

    def reached(self, numbers: Collection[int], but: str = "") -> int | None:
        """The first of *numbers* to which the earlier catalogue leads, other than by its own entry *but*."""
        root = as_dictionary(root_of(self.old))
        seen: set[int] = set()
        if (number := number_of(self.old.trailer_view.raw_get("/Root"))) is not None:
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
        raise Unexplained("the earlier revision is too large to be followed")


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


def number_of(value: PdfObject | None) -> int | None:
    """The number of a reference; ``None`` for everything else."""
    return value.idnum if isinstance(value, IndirectObject) else None


def as_dictionary(value: PdfObject) -> DictionaryObject:
    """*value*.  Raises ``Unexplained`` where it is no dictionary."""
    if isinstance(value, DictionaryObject):
        return value
    raise Unexplained("a dictionary is missing")
