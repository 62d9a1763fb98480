"""Where the words of a document say that its signer signs (ô 7a to 7c of the Annex's layout).

    written = Wording(("TM.", "KT.", "Nơi nhận")).find(root)

spec: NĐ 30/2020 Annex I, Part I, II.7, 9 - the signer's authority and position in capitals (7a), right of
the middle and level with "Nơi nhận" (9b); below it the signature (7c), then the signer's name (7b).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from pyhanko.pdf_utils import generic

from adapters.signing.visible import pages, placement
from adapters.signing.visible.content import Budget, OverBudget, words
from adapters.signing.visible.geometry import POINTS_PER_MM, Box
from adapters.signing.visible.pages import Page

_MOST_PAGES = 40
"""Pages that are read, from the last: annexes in the same file may follow the signature."""
_MOST_ANCHORED = 20
"""Lines beside which a title is looked for."""
_COLUMN_GAP = 1.6
"""Blanks that are wider than this many letters' heights divide columns."""
_NEXT_LINE = 1.6
"""The next line of a title begins within this many letters' heights."""
_LOWEST_NAME = 70 * POINTS_PER_MM
"""How far below the title a name is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The page with the words, and where on it the signer's picture belongs, as it is seen."""

    page: Page
    hand: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Words of one line that stand close together."""

    text: str
    box: Box

    @property
    def middle(self) -> float:
        return (self.box.left + self.box.right) / 2

    @property
    def is_capitals(self) -> bool:
        return any(letter.isalpha() for letter in self.text) and self.text == self.text.upper()


class Wording:
    """Looks for lines that begin with one of the anchors.

    An anchor in the right half of a page is the signer's title itself (``KT. CHỦ TỊCH``); one in the left
    half (``Nơi nhận``) stands level with it.
    """

    def __init__(self, anchors: Sequence[str]) -> None:
        self._anchors = _beginnings(tuple(anchors))

    def find(self, root: generic.DictionaryObject) -> Written | None:
        """The place that the last page with an anchor tells; ``None`` where none does, or it takes too long."""
        if not self._anchors:
            return None
        budget = Budget()
        for page in islice(pages.from_last(root), _MOST_PAGES):
            try:
                found = [(word.text, page.view.seen(word.box)) for word in words(page, budget)]
            except OverBudget:
                return None
            hand = self.hand(list(pieces(found)), page.view.size.width)
            if hand is not None:
                return Written(page=page, hand=hand)
        return None

    def hand(self, on_page: Sequence[Piece], page_width: float) -> Box | None:
        """Where the signer's picture belongs on a page with these pieces of text."""
        title = self._title(on_page, page_width)
        if title is None:
            return None
        column = [
            piece
            for piece in on_page
            if abs(piece.middle - title.middle) < page_width / 6 and piece.box.top < title.box.top
        ]
        column.sort(key=lambda piece: -piece.box.top)
        last = title
        while column and column[0].is_capitals and _gap(last, column[0]) < _NEXT_LINE * last.box.height:
            last = column.pop(0)
        name = column[0].box if column and _gap(last, column[0]) < _LOWEST_NAME else None
        return placement.hand_between(
            Box(left=title.box.left, bottom=last.box.bottom, right=title.box.right, top=title.box.top), name
        )

    def _title(self, on_page: Sequence[Piece], page_width: float) -> Piece | None:
        anchored = [piece for piece in on_page if _plain(piece.text).startswith(self._anchors)]
        anchored.sort(key=lambda piece: piece.box.bottom)
        right = [piece for piece in anchored if piece.middle > page_width / 2]
        if right:
            # of a block (TM. …, KT. …) the lowest; the block's end is found from there
            return right[0]
        for anchor in anchored[:_MOST_ANCHORED]:
            level = [
                piece
                for piece in on_page
                if piece.middle > page_width / 2
                and abs(piece.box.bottom - anchor.box.bottom) < anchor.box.height
                and piece.is_capitals
            ]
            if level:
                return min(level, key=lambda piece: abs(piece.box.bottom - anchor.box.bottom))
        return None


def pieces(on_page: Sequence[tuple[str, Box]]) -> Iterator[Piece]:
    """Words with their boxes, put together to the pieces of lines that they are."""
    rest = sorted(on_page, key=lambda word: (-word[1].bottom, word[1].left))
    line: list[tuple[str, Box]] = []
    for word in rest:
        if line and abs(word[1].bottom - line[0][1].bottom) > 0.3 * max(line[0][1].height, 1):
            yield from _columns(line)
            line = []
        line.append(word)
    yield from _columns(line)


def _columns(line: list[tuple[str, Box]]) -> Iterator[Piece]:
    piece: list[tuple[str, Box]] = []
    for word in sorted(line, key=lambda word: word[1].left):
        if piece and word[1].left - piece[-1][1].right > _COLUMN_GAP * word[1].height:
            yield _joined(piece)
            piece = []
        piece.append(word)
    if piece:
        yield _joined(piece)


def _joined(words: Sequence[tuple[str, Box]]) -> Piece:
    boxes = [box for _, box in words]
    return Piece(
        text=unicodedata.normalize("NFC", " ".join(text for text, _ in words)),
        box=Box(
            left=min(box.left for box in boxes),
            bottom=min(box.bottom for box in boxes),
            right=max(box.right for box in boxes),
            top=max(box.top for box in boxes),
        ),
    )


def _gap(upper: Piece, lower: Piece) -> float:
    return upper.box.bottom - lower.box.top


@lru_cache(maxsize=8)
def _beginnings(anchors: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(plain for anchor in anchors if (plain := _plain(anchor)))


def _plain(text: str) -> str:
    """*text* without blanks: producers cut words where they like."""
    return "".join(unicodedata.normalize("NFC", text).split())
