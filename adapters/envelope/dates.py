"""The dates and instants of edXML: ``yyyy/MM/dd`` and ``yyyy/MM/dd HH:mm:ss`` by the standard, day first, dashes
and ISO 8601 in the wild."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone

from gateway.model.envelope import Due

_YEAR_FIRST = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})(?:[ T]\d.*)?", re.DOTALL | re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})(?:[ T]\d.*)?", re.DOTALL | re.ASCII)
_HOUR = re.compile(r"[ T](\d{1,2})[:h](\d{2})(?::(\d{2})(?:\.\d+)?)?\Z", re.ASCII)
_CLOCK = r"[ T]+(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)? ?(Z|[+-]\d\d:?\d\d)?"
_YEAR_FIRST_STAMP = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})" + _CLOCK, re.ASCII)
_DAY_FIRST_STAMP = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})" + _CLOCK, re.ASCII)
VIETNAM = timezone(timedelta(hours=7))
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


def read_stamp(text: str) -> datetime | None:
    """The instant that *text* tells, on Vietnam's clock and without a zone; ``None`` where it tells none.

    A zone in *text* is heeded; without one Vietnam's is meant.
    """
    if len(text) > 40:
        return None
    if found := _YEAR_FIRST_STAMP.fullmatch(text):
        year, month, day = found[1], found[2], found[3]
    elif found := _DAY_FIRST_STAMP.fullmatch(text):
        day, month, year = found[1], found[2], found[3]
    else:
        return None
    hour, minute, second, zone = found.groups()[3:]
    try:
        told = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
        if zone is None:
            return told
        offset = timedelta() if zone == "Z" else timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        at = told.replace(tzinfo=timezone(-offset if zone[0] == "-" else offset))
        return at.astimezone(VIETNAM).replace(tzinfo=None)
    except (ValueError, OverflowError):  # no such instant
        return None


def stamp_as_written(text: str) -> str:
    """*text* as ``yyyy/MM/dd HH:mm:ss``; what tells no instant is left as it is."""
    at = None if is_stamp(text) else read_stamp(text)
    return text if at is None else f"{write_date(at)} {at:%H:%M:%S}"
