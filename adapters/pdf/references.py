"""Every reference (``12 0 R``) that is written in bytes, however blanks, zeros and comments stand in it.

Readers follow a reference whose parts are a thousand comments apart; whoever looks for references must find
it, too.  Strategy: backwards from each ``R``; a window of a few bytes settles nearly all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ECNEREFER = re.compile(rb"[\s\x00]+([0-9]+)[\s\x00]+([0-9]+)")
_BLANK = b" \t\r\n\x0c\x00\x0b"
_BLANKS = frozenset(bytes((b,)) for b in _BLANK)
_DIGITS = b"0123456789"
_BLANK_OR_DIGIT = _BLANK + _DIGITS
_ENDING = re.compile(rb"[0-9]$")
_WINDOW = 48
_MOST_STEPS = 1_000_000


class TooManySteps(Exception):
    """Somebody made it dear to say whether there are references."""


class _Steps:
    """How far we go, for all references of one file together."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS

    def count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooManySteps("references lie behind too many comments")


def references_in(data: bytes) -> Iterator[tuple[int, int]]:
    """Where an ``R`` ends a reference in *data*, and to which number.  Raises ``TooManySteps``."""
    steps = _Steps()
    at = data.find(b"R")
    while at >= 0:
        if data[at - 1 : at] in _BLANKS:
            start = max(0, at - _WINDOW)
            found = _ECNEREFER.match(data[start:at][::-1])
            if found is not None and found.end() < at - start:
                yield at, int(found[2][::-1])
            elif found is not None or _may_go_on(data, start, at):
                # blanks, zeros or comments without end: an attacker may hide a reference from us so
                for number in sorted(_before(data, at, steps)):
                    yield at, number
        at = data.find(b"R", at + 1)


def _may_go_on(data: bytes, start: int, at: int) -> bool:
    """Whether blanks and digits alone fill the window, or a comment may have ended before the R."""
    window = data[start:at]
    if not window.strip(_BLANK_OR_DIGIT):
        return True
    token = window.rstrip(_BLANK)
    last = token[max(token.rfind(b"\n"), token.rfind(b"\r")) + 1 :]
    return b"%" in last or (len(last) == len(token) and start > 0) or _ENDING.search(last) is not None


def _before(data: bytes, at: int, steps: _Steps) -> set[int]:
    """The numbers of the references that may end at *at*: what a comment is hangs on what stands before it."""
    found: set[int] = set()
    for end in _ends_of_tokens(data, at, steps):
        generation = _start_of_digits(data, end)
        if generation == end:
            continue
        for close in _ends_of_tokens(data, generation, steps):
            first = _start_of_digits(data, close)
            if first < close < generation:
                found.add(int(data[first:close][-20:]))
    return found


def _ends_of_tokens(data: bytes, at: int, steps: _Steps) -> Iterator[int]:
    """Where the token before *at* may end: before blanks, and before comments, if these are comments."""
    waiting = [at]
    while waiting:
        at = waiting.pop()
        steps.count()
        end = _before_blanks(data, at)
        yield end
        if data.find(b"\n", end, at) >= 0 or data.find(b"\r", end, at) >= 0:
            line = _start_of_line(data, end)
            # whichever % begins the comment, should one do so
            percent = data.find(b"%", line, end)
            while percent >= 0:
                waiting.append(percent)
                percent = data.find(b"%", percent + 1, end)


def _start_of_line(data: bytes, end: int) -> int:
    width = 128
    while end > width:
        start = end - width
        line = max(data.rfind(b"\n", start, end), data.rfind(b"\r", start, end))
        if line >= 0:
            return line + 1
        width *= 8
    return max(data.rfind(b"\n", 0, end), data.rfind(b"\r", 0, end)) + 1


def _before_blanks(data: bytes, at: int) -> int:
    while at:
        start = max(0, at - 4096)
        end = start + len(data[start:at].rstrip(_BLANK))
        if end > start:
            return end
        at = start
    return 0


def _start_of_digits(data: bytes, end: int) -> int:
    while end:
        start = max(0, end - 64)
        first = start + len(data[start:end].rstrip(_DIGITS))
        if first > start:
            return first
        end = start
    return 0
