"""What a page draws, roughly, in the order in which it draws it: where text stands, and what hides it.

Strategy: read the operators of page contents, forms and appearances, keep the few parts of the graphics state
that say where something is and whether one can see through it, and give up on everything else.  A text is
two points (in its first letter, and where its last one would be if letters were narrow); a cover is the
bounding box of an opaque picture or filled path.  So a cover may be found a little too large and a text too
short, which suits a warning, not a verdict.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import pikepdf

from adapters.inspection.paper.leaves import HIDDEN, annotations_of, box_of, floats, inherited, looks_of
from adapters.inspection.paper.plane import (
    EVERYWHERE,
    SQUARE,
    UNIT,
    Box,
    Matrix,
    around,
    common,
    moved,
    point,
    times,
)

Instruction = pikepdf.ContentStreamInstruction | pikepdf.ContentStreamInlineImage

_MAX_DEPTH = 6
_MAX_CONTENT = 1 << 19
_MAX_FOLDED = 1 << 14
_MAX_LOOKS = 1 << 16
_ENDLESS = 1 << 40
_SHOWING = "Tj TJ ' \""
_BLANK = b" \x00\x03"
_NARROW = 0.4  # of the font's size: an i is narrower, but hardly a word
_FILLING = frozenset({"f", "F", "f*", "B", "B*", "b", "b*"})
_ENDING = _FILLING | {"S", "s", "n"}
_INVISIBLE = (3, 7)
_PAGE = -1
# spec: ISO 32000-1 §8, §9 - the operators that this reader follows
_OPERATORS = "q Q cm gs Do BI ID EI BT ET Tm Td TD T* TL Tf Tr Tj TJ ' \" re m l c v y h W W* n S s f F f* B B* b b* sh INLINE IMAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text that is shown, and the object whose content shows it."""

    first: tuple[float, float]
    last: tuple[float, float]
    by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """An opaque area, and the object that paints it (a picture paints itself)."""

    box: Box
    by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    ctm: Matrix = UNIT
    clip: Box = EVERYWHERE
    is_opaque: bool = True
    rendering: int = 0
    size: float = 1.0
    letter_bytes: int = 1
    leading: float = 0.0


@dataclass(slots=True, kw_only=True)
class Canvas:
    """What a page drew, and how many bytes of content may still be read."""

    left: int
    drawn: list[Text | Cover] = field(default_factory=list)

    def hidden_texts(self, page: pikepdf.Object) -> int:
        """How many texts of *page* lie wholly under something opaque that another object paints later.

        What a page's own content paints over its own text counts nothing: to take that away again means to
        replace the content.  Pages with nothing that could hide are not even read.
        """
        self.drawn.clear()
        self.draw(page)
        covers: list[Cover] = []
        hidden = 0
        for one in reversed(self.drawn):
            if isinstance(one, Cover):
                covers.append(one)
            elif any(cover.by != one.by and _hides(cover.box, one) for cover in covers):
                hidden += 1
        return hidden

    def hiding_signatures(self, page: pikepdf.Object, numbers: Collection[int]) -> list[int]:
        """Those of *numbers* that are signatures' widgets on *page* whose looks hide a text of its content."""
        widgets = [
            one for one in annotations_of(page) if one.objgen[0] in numbers and looks_of(one) is not None
        ]
        if not widgets:
            return []
        self.drawn.clear()
        self._draw_content(page, inherited(page, "/Resources"))
        texts = [one for one in self.drawn if isinstance(one, Text)]
        hiding = []
        for widget in widgets:
            self.drawn.clear()
            _appear(widget, self)
            covers = [one.box for one in self.drawn if isinstance(one, Cover)]
            if any(_hides(box, one) for one in texts for box in covers):
                hiding.append(widget.objgen[0])
        return hiding

    def draw(self, page: pikepdf.Object) -> None:
        """Texts and covers of *page* and of its visible annotations (signatures' own looks left out)."""
        resources = inherited(page, "/Resources")
        looks = [one for one in annotations_of(page) if _is_drawn(one)]
        if not looks and not _has_xobjects(resources):
            return
        self._draw_content(page, resources)
        for annotation in looks:
            _appear(annotation, self)

    def _draw_content(self, page: pikepdf.Object, resources: pikepdf.Object | None) -> None:
        contents = page.get("/Contents")
        state, stack = _State(), list[_State]()
        for one in list(contents) if isinstance(contents, pikepdf.Array) else [contents]:
            if isinstance(one, pikepdf.Stream):
                state = _follow(one, resources, state, stack, self, by=_PAGE, depth=0)


def _has_xobjects(resources: pikepdf.Object | None) -> bool:
    group = resources.get("/XObject") if isinstance(resources, pikepdf.Dictionary) else None
    return isinstance(group, pikepdf.Dictionary) and bool(len(group.keys()))


def _is_drawn(annotation: pikepdf.Object) -> bool:
    flags = annotation.get("/F", 0)
    is_hidden = isinstance(flags, int) and bool(flags & HIDDEN)
    return not is_hidden and str(inherited(annotation, "/FT")) != "/Sig" and looks_of(annotation) is not None


def texts_in(form: pikepdf.Object) -> bytes:
    """The bytes of all texts that a form or an appearance shows, in the codes of its fonts."""
    if _size(form) > _MAX_LOOKS:
        return b""
    return b"".join(_letters(list(one.operands)) for one in _operators(form, _SHOWING))


def _operators(content: pikepdf.Object, wanted: str) -> Sequence[Instruction]:
    try:
        found = pikepdf.parse_content_stream(content, wanted)
    except (pikepdf.PdfError, ValueError, TypeError):
        return ()  # a viewer shows what it understood; that is too little to go by
    return [one for one in found if not isinstance(one, tuple)]


def _size(content: pikepdf.Object) -> int:
    """How long *content* is when unfolded; as good as endless where to find out would cost too much."""
    filters = content.get("/Filter")
    if isinstance(filters, pikepdf.Array) and len(filters) == 1:
        filters = filters[0]
    try:
        raw = content.read_raw_bytes()
        if filters is None:
            return len(raw)
        if str(filters) == "/FlateDecode":
            return len(zlib.decompressobj().decompress(raw, _MAX_CONTENT))
        return len(content.read_bytes()) if len(raw) < _MAX_FOLDED else _ENDLESS
    except (pikepdf.PdfError, zlib.error):
        return _ENDLESS


def _appear(annotation: pikepdf.Object, canvas: Canvas) -> None:
    looks, rect = looks_of(annotation), box_of(annotation)
    if looks is None or rect is None:
        return
    inner = box_of(looks, "/BBox")
    if inner is None:
        return
    # spec: ISO 32000-1 §12.5.5 algorithm 8.1 - the appearance is fitted into the annotation's rectangle
    left, bottom, right, top = moved(inner, _matrix_of(looks))
    if right == left or top == bottom:
        return
    x, y = (rect[2] - rect[0]) / (right - left), (rect[3] - rect[1]) / (top - bottom)
    fitted: Matrix = (x, 0.0, 0.0, y, rect[0] - left * x, rect[1] - bottom * y)
    _draw_form(looks, _State(ctm=fitted), canvas, depth=0)


def _draw_form(form: pikepdf.Object, state: _State, canvas: Canvas, depth: int) -> None:
    ctm = times(_matrix_of(form), state.ctm)
    inner = box_of(form, "/BBox")
    clip = state.clip if inner is None else common(state.clip, moved(inner, ctm))
    within = replace(state, ctm=ctm, clip=clip)
    by = form.objgen[0]
    _follow(form, form.get("/Resources"), within, [], canvas, by=by, depth=depth + 1)


def _follow(
    stream: pikepdf.Object,
    resources: pikepdf.Object | None,
    state: _State,
    stack: list[_State],
    canvas: Canvas,
    *,
    by: int,
    depth: int,
) -> _State:
    if depth > _MAX_DEPTH:
        return state
    line = matrix = UNIT
    path: list[tuple[float, float]] = []
    is_clipping = False
    canvas.left -= _size(stream)
    if canvas.left < 0:
        return state
    for instruction in _operators(stream, _OPERATORS):
        name = str(instruction.operator)
        given: Sequence[object] = list(instruction.operands)
        try:
            match name:
                case "q":
                    stack.append(state)
                case "Q":
                    state = stack.pop() if stack else state
                case "cm":
                    state = replace(state, ctm=times(_numbers(given), state.ctm))
                case "gs":
                    state = replace(state, is_opaque=_is_opaque(resources, given, state.is_opaque))
                case "BT":
                    line = matrix = UNIT
                case "Tm":
                    line = matrix = _numbers(given)
                case "Td" | "TD":
                    x, y = floats(given)
                    if name == "TD":
                        state = replace(state, leading=-y)
                    line = matrix = times((1.0, 0.0, 0.0, 1.0, x, y), line)
                case "TL":
                    state = replace(state, leading=floats(given)[0])
                case "T*":
                    line = matrix = times((1.0, 0.0, 0.0, 1.0, 0.0, -state.leading), line)
                case "Tf":
                    state = replace(
                        state, size=abs(floats(given[1:])[0]), letter_bytes=_letter(resources, given)
                    )
                case "Tr":
                    state = replace(state, rendering=int(floats(given)[0]))
                case "Tj" | "TJ" | "'" | '"':
                    if name in ("'", '"'):
                        line = matrix = times((1.0, 0.0, 0.0, 1.0, 0.0, -state.leading), line)
                    letters = _letters(given)
                    if state.rendering not in _INVISIBLE and letters.strip(_BLANK):
                        _show(matrix, len(letters), state, canvas, by)
                case "re":
                    x, y, width, height = floats(given)
                    path += [(x, y), (x + width, y + height)]
                case "m" | "l":
                    x, y = floats(given)
                    path.append((x, y))
                case "c" | "v" | "y":
                    numbers = floats(given)
                    path += zip(numbers[::2], numbers[1::2], strict=True)
                case "W" | "W*":
                    is_clipping = True
                case "Do":
                    _do(_named(resources, "/XObject", given), state, canvas, depth)
                case "INLINE IMAGE":
                    _paint(moved(SQUARE, state.ctm), state, canvas, by)
                case _:
                    pass
        except (TypeError, ValueError, IndexError):
            continue  # a viewer passes over it as well
        if name in _ENDING:
            area = moved(around(path), state.ctm) if path else None
            if area is not None and name in _FILLING:
                _paint(area, state, canvas, by)
            if area is not None and is_clipping:
                state = replace(state, clip=common(state.clip, area))
            path, is_clipping = [], False
    return state


def _do(xobject: pikepdf.Object | None, state: _State, canvas: Canvas, depth: int) -> None:
    if not isinstance(xobject, pikepdf.Stream):
        return
    kind = str(xobject.get("/Subtype"))
    if kind == "/Form":
        _draw_form(xobject, state, canvas, depth)
    elif kind == "/Image" and not _is_seen_through(xobject):
        _paint(moved(SQUARE, state.ctm), state, canvas, xobject.objgen[0])


def _is_seen_through(image: pikepdf.Object) -> bool:
    return bool(image.get("/ImageMask", False)) or any(
        key in image for key in ("/SMask", "/Mask", "/SMaskInData")
    )


def _paint(area: Box, state: _State, canvas: Canvas, by: int) -> None:
    seen = common(area, state.clip)
    if state.is_opaque and seen[0] < seen[2] and seen[1] < seen[3]:
        canvas.drawn.append(Cover(box=seen, by=by))


def _show(matrix: Matrix, letters: int, state: _State, canvas: Canvas, by: int) -> None:
    whole = times(matrix, state.ctm)
    y = 0.3 * state.size
    width = _NARROW * state.size * letters / state.letter_bytes
    first, last = point(0.25 * state.size, y, whole), point(width, y, whole)
    canvas.drawn.append(Text(first=first, last=last, by=by))


def _letters(given: Sequence[object]) -> bytes:
    last = given[-1] if given else None
    parts = list(last) if isinstance(last, pikepdf.Array) else [last]
    return b"".join(bytes(part) for part in parts if isinstance(part, pikepdf.String))


def _letter(resources: pikepdf.Object | None, given: Sequence[object]) -> int:
    font = _named(resources, "/Font", given)
    return 2 if isinstance(font, pikepdf.Dictionary) and str(font.get("/Subtype")) == "/Type0" else 1


def _is_opaque(resources: pikepdf.Object | None, given: Sequence[object], before: bool) -> bool:
    graphics = _named(resources, "/ExtGState", given)
    if not isinstance(graphics, pikepdf.Dictionary):
        return before
    blend = graphics.get("/BM")
    if blend is not None and str(blend) not in ("/Normal", "/Compatible"):
        return False
    mask = graphics.get("/SMask")
    if mask is not None and str(mask) != "/None":
        return False
    alpha = graphics.get("/ca")
    if alpha is None:
        return before
    return float(alpha) > 0.95


def _named(resources: pikepdf.Object | None, kind: str, given: Sequence[object]) -> pikepdf.Object | None:
    group = resources.get(kind) if isinstance(resources, pikepdf.Dictionary) else None
    return group.get(str(given[0])) if isinstance(group, pikepdf.Dictionary) else None


def _matrix_of(form: pikepdf.Object) -> Matrix:
    value = form.get("/Matrix")
    try:
        return _numbers(list(value)) if isinstance(value, pikepdf.Array) else UNIT
    except (TypeError, ValueError):
        return UNIT


def _numbers(given: Sequence[object]) -> Matrix:
    a, b, c, d, e, f = floats(given)
    return a, b, c, d, e, f


def _hides(box: Box, text: Text) -> bool:
    left, bottom, right, top = box
    return all(left <= x <= right and bottom <= y <= top for x, y in (text.first, text.last))
