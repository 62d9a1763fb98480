"""Boxes on a page, and the page as people see it: what part is shown, which way up, and how large.

Two systems of coordinates: *user space* is the PDF's own; *seen* is in points (1/72 inch on paper) from the
lower left corner of the page as a person looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass

POINTS_PER_MM = 72 / 25.4

Matrix = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A width and a height, in points."""

    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An upright rectangle: ``left`` ≤ ``right``, ``bottom`` ≤ ``top``."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def between(cls, x1: float, y1: float, x2: float, y2: float) -> Box:
        """The box with these two opposite corners, whichever they are."""
        return cls(left=min(x1, x2), bottom=min(y1, y2), right=max(x1, x2), top=max(y1, y2))

    @classmethod
    def around(cls, x: float, y: float, size: Size) -> Box:
        """The box of *size* whose middle is at (*x*, *y*)."""
        half_width, half_height = size.width / 2, size.height / 2
        return cls(left=x - half_width, bottom=y - half_height, right=x + half_width, top=y + half_height)

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.top - self.bottom

    def common(self, other: Box) -> Box | None:
        """What this box and *other* share; ``None`` where that is no area."""
        left, right = max(self.left, other.left), min(self.right, other.right)
        bottom, top = max(self.bottom, other.bottom), min(self.top, other.top)
        if left >= right or bottom >= top:
            return None
        return Box(left=left, bottom=bottom, right=right, top=top)

    def moved(self, x: float, y: float) -> Box:
        """This box, *x* to the right and *y* up."""
        return Box(left=self.left + x, bottom=self.bottom + y, right=self.right + x, top=self.top + y)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a page is looked at.

    ``shown``: the part of user space that is seen.  ``turned``: by how many degrees clockwise, one of 0, 90,
    180, 270.  ``unit``: how many points one unit of user space is.
    spec: ISO 32000-2 §7.7.3.3 - CropBox, Rotate, UserUnit
    """

    shown: Box
    turned: int = 0
    unit: float = 1.0

    @property
    def size(self) -> Size:
        """The page as it lies before us, in points."""
        width, height = self.shown.width * self.unit, self.shown.height * self.unit
        return (
            Size(width=height, height=width) if self.turned in (90, 270) else Size(width=width, height=height)
        )

    def seen(self, box: Box) -> Box:
        """Where a *box* of user space is seen."""
        return Box.between(*self._seen(box.left, box.bottom), *self._seen(box.right, box.top))

    def in_user_space(self, box: Box) -> Box:
        """Which box of user space is seen at *box*."""
        return Box.between(*self._unseen(box.left, box.bottom), *self._unseen(box.right, box.top))

    @property
    def upright(self) -> Matrix:
        """What turns an appearance so that it is upright to those who look at the page (a, b, c, d)."""
        match self.turned:
            case 90:
                return (0, 1, -1, 0)
            case 180:
                return (-1, 0, 0, -1)
            case 270:
                return (0, -1, 1, 0)
            case _:
                return (1, 0, 0, 1)

    def _seen(self, x: float, y: float) -> tuple[float, float]:
        from_left, from_bottom = (x - self.shown.left) * self.unit, (y - self.shown.bottom) * self.unit
        width, height = self.shown.width * self.unit, self.shown.height * self.unit
        match self.turned:
            case 90:
                return from_bottom, width - from_left
            case 180:
                return width - from_left, height - from_bottom
            case 270:
                return height - from_bottom, from_left
            case _:
                return from_left, from_bottom

    def _unseen(self, x: float, y: float) -> tuple[float, float]:
        x, y = x / self.unit, y / self.unit
        width, height = self.shown.width, self.shown.height
        match self.turned:
            case 90:
                from_left, from_bottom = width - y, x
            case 180:
                from_left, from_bottom = width - x, height - y
            case 270:
                from_left, from_bottom = y, height - x
            case _:
                from_left, from_bottom = x, y
        return self.shown.left + from_left, self.shown.bottom + from_bottom
