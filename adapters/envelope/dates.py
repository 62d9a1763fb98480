"""The dates of edXML: ``yyyy/MM/dd`` by the standard, ``dd/MM/yyyy`` and others in the wild."""

from __future__ import annotations

import re
from datetime import date, datetime

_YEAR_FIRST = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})(?:[ T]\d.*)?", re.DOTALL | re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})(?:[ T]\d.*)?", re.DOTALL | re.ASCII)
_STAMP = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", re.ASCII)


def read_date(text: str) -> date | None:
    """The date that *text* names, year or day first, a time behind it ignored; ``None`` where it names none."""
    if len(text) > 40:
        return None
    try:
        if found := _YEAR_FIRST.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _DAY_FIRST.fullmatch(text):
            return date(int(found[3]), int(found[2]), int(found[1]))
    except ValueError:  # no such day
        pass
    return None


def as_written(text: str) -> str:
    """*text* as ``yyyy/MM/dd``; what names no date is left as it is."""
    day = read_date(text)
    return text if day is None else write_date(day)


def write_date(day: date) -> str:
    """The standard's form of *day*."""
    return f"{day.year:04}/{day.month:02}/{day.day:02}"


def is_stamp(text: str) -> bool:
    """Whether *text* is an instant as the standard writes it: ``yyyy/MM/dd HH:mm:ss``."""
    if not _STAMP.fullmatch(text):
        return False
    try:
        datetime.strptime(text, "%Y/%m/%d %H:%M:%S")
    except ValueError:
        return False
    return True
