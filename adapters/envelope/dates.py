"""The dates of edXML: ``yyyy/MM/dd`` by the standard, ``dd/MM/yyyy`` and others in the wild."""

from __future__ import annotations

import re
from datetime import date, datetime, time

from gateway.model.envelope import Due

_YEAR_FIRST = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})(?:[ T]\d.*)?", re.DOTALL | re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})(?:[ T]\d.*)?", re.DOTALL | re.ASCII)
_HOUR = re.compile(r"[ T](\d{1,2})[:h](\d{2})(?::(\d{2})(?:\.\d+)?)?\Z", re.ASCII)
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


def read_due(text: str) -> Due | None:
    """The deadline in *text*: a date as ``read_date`` reads it, and the hour behind it, if one is told.  Midnight
    is what producers write who mean no hour."""
    day = read_date(text)
    if day is None:
        return None
    found = _HOUR.search(text)
    hour = None
    if found is not None:
        try:
            hour = time(int(found[1]), int(found[2]), int(found[3] or 0))
        except ValueError:  # no such hour
            hour = None
    return Due(day, None if hour == time() else hour)


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
