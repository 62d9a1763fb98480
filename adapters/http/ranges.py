"""Which of a payload's bytes a request wants: all, a part, or none because it has them.

Payloads never change under their address, so that a download that broke off goes on where it was:

    GET …   Range: bytes=52428800-   If-Range: "<sha256>"

spec: RFC 9110 §13, §14.  One range at a time; several, and units other than bytes, are answered with the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ONE = re.compile(r"bytes\s*=\s*(?:(\d{1,18})\s*-\s*(\d{1,18})?|-\s*(\d{1,18}))\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The bytes from ``start`` to before ``stop``."""

    start: int
    stop: int


class NoSuchPart(Exception):
    """Not one of the bytes that are asked for is there: 416."""


def tag_of(sha256: str) -> str:
    """The strong entity tag of a payload."""
    return f'"{sha256}"'


def has_it(headers: Mapping[str, str], sha256: str) -> bool:
    """Whether the client says that it has the payload already.  spec: RFC 9110 §13.1.2"""
    told = headers.get("If-None-Match", "")[:4000]
    if told.strip() == "*":
        return True
    return any(tag.strip().removeprefix("W/") == tag_of(sha256) for tag in told.split(","))


def wanted(headers: Mapping[str, str], sha256: str, size: int) -> Part | None:
    """The part of the payload of *size* bytes that is wanted; ``None`` for all of it.  Raises ``NoSuchPart``."""
    asked = _ONE.fullmatch(headers.get("Range", ""))
    if asked is None or headers.get("If-Range", tag_of(sha256)).strip() != tag_of(sha256):
        return None
    first, last, suffix = asked.groups()
    if suffix is not None:
        start, stop = max(0, size - int(suffix)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None  # spec: RFC 9110 §14.1.1 - such a range is invalid, and to be ignored
    if start >= stop:
        raise NoSuchPart
    return Part(start=start, stop=stop)
