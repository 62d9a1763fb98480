"""Where a seal goes, as plain geometry."""

from __future__ import annotations

import pytest

from adapters.signing.visible import placement
from adapters.signing.visible.geometry import POINTS_PER_MM as MM
from adapters.signing.visible.geometry import Box, Size, View
from adapters.signing.visible.placement import Corner, Place

A4 = Size(width=595, height=842)
SEAL = Size(width=100, height=100)
PORTRAIT = Box(left=0, bottom=0, right=600, top=800)


def box(left: float, bottom: float, right: float, top: float) -> Box:
    return Box(left=left, bottom=bottom, right=right, top=top)


@pytest.mark.parametrize(
    ("view", "in_user_space", "seen"),
    [
        (View(shown=PORTRAIT), box(10, 20, 110, 70), box(10, 20, 110, 70)),
        (View(shown=PORTRAIT, turned=90), box(10, 20, 110, 70), box(20, 490, 70, 590)),
        (View(shown=PORTRAIT, turned=180), box(10, 20, 110, 70), box(490, 730, 590, 780)),
        (View(shown=PORTRAIT, turned=270), box(10, 20, 110, 70), box(730, 10, 780, 110)),
        (View(shown=box(-50, -60, 550, 740)), box(10, 20, 110, 70), box(60, 80, 160, 130)),
        (View(shown=PORTRAIT, unit=2.0), box(10, 20, 110, 70), box(20, 40, 220, 140)),
        (
            View(shown=box(100, 0, 400, 200), turned=90, unit=2.0),
            box(110, 20, 160, 70),
            box(40, 480, 140, 580),
        ),
    ],
    ids=["as it is", "90", "180", "270", "an origin elsewhere", "user unit", "all at once"],
)
def test_a_box_is_seen_where_the_page_is_turned_and_cropped_to(
    view: View, in_user_space: Box, seen: Box
) -> None:
    assert view.seen(in_user_space) == seen
    assert view.in_user_space(seen) == in_user_space


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_what_is_upright_points_up_and_to_the_right_for_those_who_look(turned: int) -> None:
    view = View(shown=PORTRAIT, turned=turned)
    a, b, c, d = view.upright
    origin = view.seen(box(300, 400, 300, 400))
    right, up = (
        view.seen(box(300 + a, 400 + b, 300 + a, 400 + b)),
        view.seen(box(300 + c, 400 + d, 300 + c, 400 + d)),
    )
    assert (right.left - origin.left, right.bottom - origin.bottom) == (1, 0)
    assert (up.left - origin.left, up.bottom - origin.bottom) == (0, 1)


@pytest.mark.parametrize("hand", [box(300, 200, 390, 260), box(300, 200, 330, 400), box(200, 0, 500, 50)])
def test_the_seal_covers_the_left_third_of_the_signers_picture_and_is_level_with_it(hand: Box) -> None:
    seal = placement.beside(hand, SEAL)
    assert (seal.right - hand.left) / hand.width == pytest.approx(1 / 3)
    assert (seal.bottom + seal.top) / 2 == pytest.approx((hand.bottom + hand.top) / 2)
    assert (seal.width, seal.height) == pytest.approx((100, 100))


@pytest.mark.parametrize(
    ("wanted", "moved"),
    [
        (box(10, 10, 110, 110), box(10, 10, 110, 110)),
        (box(-30, 10, 70, 110), box(0, 10, 100, 110)),
        (box(550, 800, 650, 900), box(495, 742, 595, 842)),
        (box(10, -99, 110, 1), box(10, 0, 110, 100)),
    ],
)
def test_a_seal_that_would_leave_the_page_is_moved_inside_and_never_shrunk(wanted: Box, moved: Box) -> None:
    assert placement.inside(wanted, A4) == moved


@pytest.mark.parametrize("page", [Size(width=99, height=842), Size(width=595, height=99)])
def test_a_page_that_is_smaller_than_the_seal_has_no_room(page: Size) -> None:
    assert placement.inside(box(0, 0, 100, 100), page) is None


@pytest.mark.parametrize(
    ("corner", "x", "y"),
    [
        (Corner.BOTTOM_LEFT, 20, 30),
        (Corner.BOTTOM_RIGHT, 190, 30),
        (Corner.TOP_LEFT, 20, 267),
        (Corner.TOP_RIGHT, 190, 267),
    ],
)
def test_a_configured_place_is_measured_from_its_corner_to_the_seals_middle(
    corner: Corner, x: float, y: float
) -> None:
    page = Size(width=210 * MM, height=297 * MM)
    seal = placement.at(Place(corner=corner, x_mm=20, y_mm=30), page, SEAL)
    assert ((seal.left + seal.right) / 2 / MM, (seal.bottom + seal.top) / 2 / MM) == pytest.approx((x, y))


def test_the_text_of_an_appendix_ends_at_the_right_margin_near_the_top() -> None:
    text = placement.at_top_right(A4, Size(width=120, height=24))
    assert (A4.width - text.right) / MM == pytest.approx(15)
    assert (A4.height - text.top) / MM == pytest.approx(8)
    assert (text.width, text.height) == pytest.approx((120, 24))
