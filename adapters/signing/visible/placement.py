"""Where the seal belongs on a page, as plain geometry: all boxes are *seen* ones, in points.

spec: NĐ 30/2020 Annex I, Part I, II.8 - the seal's picture at its real size covers about a third of the
signer's picture, on its left; on an appendix in a file of its own a text stands at the top right of page 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from adapters.signing.visible.geometry import POINTS_PER_MM, Box, Size

COVERED = 1 / 3
"""How much of the signer's picture the seal covers."""

HAND_WIDTH = 40 * POINTS_PER_MM
"""How wide a signer's picture is taken to be where there is none to measure."""

TEXT_FROM_RIGHT = 15 * POINTS_PER_MM
TEXT_FROM_TOP = 8 * POINTS_PER_MM
"""Where an appendix's text begins: within the margins that the law asks for (right 15-20 mm, top 20-25 mm)."""


class Corner(StrEnum):
    """A corner of the page, as it is seen."""

    TOP_LEFT = "top-left"
    TOP_RIGHT = "top-right"
    BOTTOM_LEFT = "bottom-left"
    BOTTOM_RIGHT = "bottom-right"


class Leaf(StrEnum):
    """Which page."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place on a page: the seal's middle lies ``x_mm`` and ``y_mm`` from a corner, towards the page's middle.

    The default is ô số 8 of a page of A4 laid out as the Annex's Part I, IV shows it.
    """

    leaf: Leaf = Leaf.LAST
    corner: Corner = Corner.BOTTOM_RIGHT
    x_mm: float = 85.0
    y_mm: float = 60.0


def beside(hand: Box, seal: Size) -> Box:
    """Where *seal* goes that belongs to the signer's picture *hand*."""
    right = hand.left + hand.width * COVERED
    return Box.around(right - seal.width / 2, (hand.bottom + hand.top) / 2, seal)


def hand_between(title: Box, name: Box | None) -> Box:
    """Where the signer's picture is to be looked for: centred below the *title* (ô 7a), above the *name* (7b).

    Without a name below, it is taken to be as high as three lines of the title's last line are apart.
    """
    centre = (title.left + title.right) / 2
    bottom = name.top if name is not None else title.bottom - 24 * POINTS_PER_MM
    return Box(left=centre - HAND_WIDTH / 2, bottom=bottom, right=centre + HAND_WIDTH / 2, top=title.bottom)


def at(place: Place, page: Size, seal: Size) -> Box:
    """Where *seal* goes on a *page* that shows nothing to go by."""
    x, y = place.x_mm * POINTS_PER_MM, place.y_mm * POINTS_PER_MM
    if place.corner in (Corner.TOP_RIGHT, Corner.BOTTOM_RIGHT):
        x = page.width - x
    if place.corner in (Corner.TOP_LEFT, Corner.TOP_RIGHT):
        y = page.height - y
    return Box.around(x, y, seal)


def at_top_right(page: Size, text: Size) -> Box:
    """Where a *text* of this size goes on the first *page* of an appendix."""
    right, top = page.width - TEXT_FROM_RIGHT, page.height - TEXT_FROM_TOP
    return Box(left=right - text.width, bottom=top - text.height, right=right, top=top)


def inside(box: Box, page: Size) -> Box | None:
    """*box*, moved as little as needed to lie on the *page*; ``None`` where the page is smaller.

    It is never shrunk: the law asks for the real size.
    """
    if box.width > page.width or box.height > page.height:
        return None
    x = max(0.0, -box.left) - max(0.0, box.right - page.width)
    y = max(0.0, -box.bottom) - max(0.0, box.top - page.height)
    return box.moved(x, y)
