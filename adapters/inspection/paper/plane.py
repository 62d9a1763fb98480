"""Boxes and matrices as PDF has them: where something is on a page."""

from __future__ import annotations

from collections.abc import Sequence

Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""

UNIT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
SQUARE: Box = (0.0, 0.0, 1.0, 1.0)
"""Where a picture is drawn, before any matrix."""

EVERYWHERE: Box = (-1e9, -1e9, 1e9, 1e9)


def times(one: Matrix, other: Matrix) -> Matrix:
    """First *one*, then *other*."""
    a, b, c, d, e, f = one
    g, h, i, j, k, m = other
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m


def point(x: float, y: float, matrix: Matrix) -> tuple[float, float]:
    """Where *matrix* puts a point."""
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def moved(box: Box, matrix: Matrix) -> Box:
    """The box around *box* once *matrix* was applied."""
    left, bottom, right, top = box
    return around([point(x, y, matrix) for x in (left, right) for y in (bottom, top)])


def around(points: Sequence[tuple[float, float]]) -> Box:
    """The smallest box that holds all *points*."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def common(one: Box, other: Box) -> Box:
    """What two boxes share; turned inside out where they share nothing."""
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])
