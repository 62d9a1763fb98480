"""What a seal shows, and where on the pages of a file that somebody else wrote it goes.

    spot = locate(mark, root, signatures)      # a Spot, or Hidden with the reason

A picture goes to the signer's picture; where no signer's picture is, to the place that the text shows; where
that tells nothing, to a configured place.  What has no room is hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from pyhanko.pdf_utils import generic

from adapters.signing.objects import entries, entry
from adapters.signing.visible import pages, placement
from adapters.signing.visible.geometry import Box, Size
from adapters.signing.visible.pages import Page
from adapters.signing.visible.picture import Picture
from adapters.signing.visible.placement import Leaf, Place
from adapters.signing.visible.typeface import Setting, Typeface
from adapters.signing.visible.wording import Wording

FIELD_PREFIX = "VanThu-"

TEXT_SIZE = 10.0
LEADING = 12.0
"""Points. spec: NĐ 30/2020 Annex I, Part I, II.8.b - the size of the letters; the law says nothing of lines."""

_MOST_PERSONS, _MOST_WIDGETS = 32, 4
"""The last signatures, and annotations of each, that are looked at."""

_HIDDEN = 0b100010
"""spec: ISO 32000-2 §12.5.3 - Hidden and NoView, bits 2 and 6 of an annotation's flags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureMark:
    """The agency's seal on a main document.  ``anchors``: how the lines begin that tell where it goes."""

    picture: Picture
    place: Place
    anchors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMark:
    """The lines at the top right of an appendix."""

    lines: tuple[str, ...]
    typeface: Typeface


Mark = PictureMark | TextMark


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place on a page.  ``box`` is in its user space; ``found`` says what led there."""

    page: Page
    box: Box
    size: Size
    figure: Picture | Setting
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Nothing is shown, and why: ``switched-off``, ``no-picture``, ``no-room``, ``no-page``, ``page-unreadable``
    or ``certified``.
    """

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that is in the file: its field's name, its dictionary and its field."""

    name: str
    value: Any
    field: generic.IndirectObject


def locate(mark: Mark, root: generic.DictionaryObject, signatures: Sequence[Signature]) -> Spot | Hidden:
    """Where *mark* goes.  May raise what the reader raises on a broken file."""
    match mark:
        case TextMark():
            return _locate_text(mark, root)
        case PictureMark():
            return _locate_picture(mark, root, signatures)


def without_wording(mark: Mark) -> Mark:
    """*mark* as it is placed where the text of a file cannot be read."""
    return replace(mark, anchors=()) if isinstance(mark, PictureMark) else mark


def _locate_text(mark: TextMark, root: generic.DictionaryObject) -> Spot | Hidden:
    page = pages.first(root)
    if page is None:
        return Hidden(why="no-page")
    size = page.view.size
    longest = max(0.0, size.width - 2 * placement.TEXT_FROM_RIGHT)
    setting = mark.typeface.set(mark.lines, longest=int(longest * 1000 / TEXT_SIZE))
    text = Size(
        width=max(line.length for line in setting.lines) * TEXT_SIZE / 1000,
        height=LEADING * len(setting.lines),
    )
    box = placement.inside(placement.at_top_right(size, text), size)
    return _spot(page, box, text, setting, "top-right")


def _locate_picture(
    mark: PictureMark, root: generic.DictionaryObject, signatures: Sequence[Signature]
) -> Spot | Hidden:
    seal = mark.picture.size
    signed = _signers_picture(root, signatures)
    if signed is not None:
        page, hand = signed
        box = placement.beside(page.view.seen(hand), seal)
        return _spot(page, placement.inside(box, page.view.size), seal, mark.picture, "signature")
    written = Wording(mark.anchors).find(root)
    if written is not None:
        box = placement.beside(written.hand, seal)
        inside = placement.inside(box, written.page.view.size)
        return _spot(written.page, inside, seal, mark.picture, "anchor")
    leaf = pages.first(root) if mark.place.leaf is Leaf.FIRST else next(pages.from_last(root), None)
    if leaf is None:
        return Hidden(why="no-page")
    size = leaf.view.size
    return _spot(
        leaf, placement.inside(placement.at(mark.place, size, seal), size), seal, mark.picture, "place"
    )


def _spot(page: Page, seen: Box | None, size: Size, figure: Picture | Setting, found: str) -> Spot | Hidden:
    if seen is None:
        return Hidden(why="no-room")
    return Spot(page=page, box=page.view.in_user_space(seen), size=size, figure=figure, found=found)


def _signers_picture(
    root: generic.DictionaryObject, signatures: Sequence[Signature]
) -> tuple[Page, Box] | None:
    """The picture of whoever signed last, agencies' seals apart, and its page.

    spec: NĐ 30/2020 Art. 12, 13 - the agency signs after the competent person
    """
    steps = pages.Steps()
    persons = [signature for signature in signatures if not signature.name.startswith(FIELD_PREFIX)]
    for signature in sorted(persons, key=_signed_at, reverse=True)[:_MOST_PERSONS]:
        for widget in _widgets(signature.field):
            flags = entry(widget, "/F")
            box = pages.box_of(entry(widget, "/Rect"))
            if box is None or (isinstance(flags, int) and flags & _HIDDEN):
                continue
            page = pages.showing(root, widget, steps)
            if page is None:
                continue
            if box.common(page.view.shown) is not None:
                return page, box
    return None


def _signed_at(signature: Signature) -> int:
    """Where in the file the signature's Contents begin: a later signature lies behind an earlier one."""
    ranges = entries(entry(signature.value, "/ByteRange"))
    return int(ranges[1]) if len(ranges) == 4 and isinstance(ranges[1], int) else 0


def _widgets(field: generic.IndirectObject) -> Iterator[generic.IndirectObject]:
    """The annotations of *field*: itself, or its kids."""
    kids = entry(field, "/Kids")
    if isinstance(kids, generic.ArrayObject):
        yield from (
            kid for kid in islice(iter(kids), _MOST_WIDGETS) if isinstance(kid, generic.IndirectObject)
        )
    else:
        yield field
