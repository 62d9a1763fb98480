"""Message properties from hostile or careless publishers, decoded so that they can't end our connection.

Strategy: the frames of one connection carry the messages of all agencies.  pamqp raises on a timestamp
beyond the year 9999 (milliseconds, or a date before 1970 written by Java), on text that is not UTF-8, and on tables nested a
thousand times; aiormq then drops the connection, the message comes back, and so on (aiormq issue #186):
one message of one agency would stop everybody.  And its tables are decoded by slicing, so a header of
128 KiB holds the loop for seconds.  ``install`` puts bounded, linear decoders in pamqp's tables of
decoders, which affect the whole process and only add leniency.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

from pamqp import decode

_DEEPEST = 16
_MOST_FIELDS = 1000
_FIXED = {
    **{"t": 1, "b": 1, "B": 1, "s": 2, "u": 2, "I": 4, "i": 4, "l": 8, "L": 8},
    **{"f": 4, "d": 8, "D": 5, "T": 8, "V": 0, "\x00": 0},
}
_SIZES = {ord(kind): size for kind, size in _FIXED.items()}


class _BudgetError(Exception):
    """The table is deeper or longer than anything of ours."""


def install() -> None:
    """Make this process decode leniently.  May be called twice."""
    decode.METHODS.update({"shortstr": short_text, "table": table, "timestamp": timestamp})
    decode.TABLE_MAPPING.update({b"T": timestamp, b"F": table, b"A": array})


def timestamp(value: bytes) -> tuple[int, datetime]:
    """Seconds since 1970; what no ``datetime`` can hold becomes 1970 (nobody decides by it)."""
    try:
        (seconds,) = struct.unpack_from(">Q", value)
        return 8, datetime.fromtimestamp(seconds, tz=UTC)
    except (struct.error, ValueError, OverflowError, OSError):
        return 8, datetime.fromtimestamp(0, tz=UTC)


def short_text(value: bytes) -> tuple[int, str]:
    """A short string; bytes that are no UTF-8 become U+FFFD, which no identifier of ours contains."""
    length = value[0] if value else 0
    return length + 1, bytes(value[1 : length + 1]).decode("utf-8", "replace")


def table(value: bytes) -> tuple[int, dict[str, Any]]:
    """A field table.  One that is malformed, or beyond the bounds, is skipped and empty."""
    if len(value) < 4:
        return len(value), {}
    (length,) = struct.unpack_from(">I", value)
    try:
        found = _table(value, 4, 4 + length, 1, [_MOST_FIELDS])
    except (_BudgetError, struct.error, IndexError, ValueError, ArithmeticError):
        found = {}
    return 4 + length, found


def array(value: bytes) -> tuple[int, list[Any]]:
    """A field array, by the same rules."""
    if len(value) < 4:
        return len(value), []
    (length,) = struct.unpack_from(">I", value)
    try:
        found = _array(value, 4, 4 + length, 1, [_MOST_FIELDS])
    except (_BudgetError, struct.error, IndexError, ValueError, ArithmeticError):
        found = []
    return 4 + length, found


def _table(value: bytes, at: int, end: int, depth: int, left: list[int]) -> dict[str, Any]:
    found = {}
    while at < end:
        length = value[at]
        key = bytes(value[at + 1 : at + 1 + length]).decode("utf-8", "replace")
        at, found[key] = _field(value, at + 1 + length, end, depth, left)
    return found


def _array(value: bytes, at: int, end: int, depth: int, left: list[int]) -> list[Any]:
    found = []
    while at < end:
        at, one = _field(value, at, end, depth, left)
        found.append(one)
    return found


def _field(value: bytes, at: int, end: int, depth: int, left: list[int]) -> tuple[int, Any]:
    left[0] -= 1
    if left[0] < 0 or depth > _DEEPEST:
        raise _BudgetError
    kind = value[at]
    at += 1
    if (size := _SIZES.get(kind)) is not None:
        _, one = decode.TABLE_MAPPING[bytes((kind,))](value[at : at + size])
        return at + size, one
    (length,) = struct.unpack_from(">I", value, at)
    at += 4
    after = at + length
    if after > end:
        raise _BudgetError
    match chr(kind):
        case "S":
            raw = bytes(value[at:after])
            try:
                return after, raw.decode()
            except UnicodeDecodeError:
                return after, raw
        case "F":
            return after, _table(value, at, after, depth + 1, left)
        case "A":
            return after, _array(value, at, after, depth + 1, left)
        case "x":
            return after, bytes(value[at:after])
    raise _BudgetError
