"""What the cells of one row say, each read by its column; a cell that says nothing sensible is told, not guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from gateway.model.envelope import Business, Kind
from gateway.model.ids import normalised
from gateway.model.party import Capabilities, Dialect, Link
from gateway.model.quota import NO_BOUND, UNSAID, Measure, Quota

VIETNAM = timezone(timedelta(hours=7))
"""Days and instants without a zone are meant so."""

COLUMNS = (
    "organ_id",
    "name",
    "organ_id_new",
    "parent",
    "link",
    "since",
    "until",
    "successor",
    "status",
    "max_bytes",
    "bytes_per_day",
    "documents_per_minute",
    "documents_waiting",
    "urgent_per_minute",
    "takes_bytes",
    "kinds",
    "business",
    "dialects",
    "former_name",
    "renamed",
)
"""The columns of a list of organs; the first two are needed."""

T = TypeVar("T")

EVERYTHING = Capabilities()
_APART = re.compile(r"[\s+/|,;]+")
_DIALECT = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
_KINDS = {str(kind): kind for kind in Kind}
_BUSINESS = {str(int(kind)): kind for kind in Business} | {kind.name.lower(): kind for kind in Business}


@dataclass(frozen=True, slots=True)
class Wrong:
    """A cell that can't be understood: its column, and why in both languages."""

    column: str
    vi: str
    en: str


class Cells:
    """The cells of one row.  Each method answers what its column says, nothing where the cell is empty; *tell*
    hears of what is not understood."""

    def __init__(self, cells: Mapping[str, str], tell: Callable[[Wrong], None]) -> None:
        self._cells = cells
        self._tell = tell

    def text(self, column: str) -> str:
        """The cell, without outer blanks, in one spelling."""
        found = self._cells.get(column)
        return normalised(found) if found else ""

    def code(self, column: str, is_code: Callable[[str], bool]) -> str:
        """An organ code."""
        found = self.text(column)
        if found and not is_code(found):
            self._wrong(column, f"{found!r} không phải mã cơ quan", f"{found!r} is no organ code")
            return ""
        return found

    def instant(self, column: str) -> datetime | None:
        """A day, which begins at midnight in Vietnam, or an instant (ISO 8601)."""
        found = self.text(column)
        if not found:
            return None
        try:
            at = datetime.fromisoformat(found)
        except ValueError:
            hint = ""
            if day := _DAY_FIRST.fullmatch(found):
                # never read so in silence: 07/01 is a day of January here and of July elsewhere
                hint = f"{day[3]}-{int(day[2]):02}-{int(day[1]):02}"
            self._wrong(
                column,
                f"{found!r} không phải ngày năm-tháng-ngày"
                + (f"; có phải {hint}?" if hint else ", ví dụ 2025-07-01"),
                f"{found!r} is no day as year-month-day" + (f"; {hint}?" if hint else ", such as 2025-07-01"),
            )
            return None
        return at if at.tzinfo is not None else at.replace(tzinfo=VIETNAM)

    def number(self, column: str) -> int | None:
        """A number of bytes."""
        found = self.text(column)
        if not found:
            return None
        if not re.fullmatch(r"[0-9]{1,15}", found) or int(found) < 1:
            self._wrong(
                column,
                f"{found!r} không phải số byte (chỉ chữ số, lớn hơn 0)",
                f"{found!r} is no number of bytes (digits alone, more than 0)",
            )
            return None
        return int(found)

    def quota(self) -> Quota:
        """How much the party may send; an empty cell means the default of all, ``none`` no bound."""
        said = {
            measure.value: found for measure in Measure if (found := self._bound(measure.value)) is not None
        }
        return Quota(**said) if said else UNSAID

    def _bound(self, column: str) -> int | None:
        found = self.text(column)
        if not found:
            return None
        if found.lower() == "none":
            return NO_BOUND
        if re.fullmatch(r"[0-9]{1,15}", found) and int(found) > 0:
            return int(found)
        what = ("byte", "bytes") if column == Measure.BYTES else ("văn bản", "documents")
        self._wrong(
            column,
            f"{found!r} không phải số {what[0]} (chỉ chữ số, lớn hơn 0; none: không giới hạn; để trống: mặc định)",
            f"{found!r} is no number of {what[1]} (digits alone, more than 0; none: no bound; empty: the default)",
        )
        return None

    def link(self) -> Link | None:
        """How the party takes deliveries."""
        found = self.text("link").lower()
        if not found:
            return None
        try:
            return Link(found)
        except ValueError:
            self._wrong("link", f"{found!r}: chỉ có amqp hoặc http", f"{found!r}: amqp or http is needed")
            return None

    def is_locked(self) -> bool:
        """Whether the party may neither send nor receive for now."""
        found = self.text("status").lower()
        if found not in ("", "active", "locked"):
            self._wrong(
                "status", f"{found!r}: chỉ có active hoặc locked", f"{found!r}: active or locked is needed"
            )
        return found == "locked"

    def capabilities(self) -> Capabilities:
        """What the party's system can take; an empty cell means everything."""
        kinds = self._words("kinds", _KINDS)
        business = self._words("business", _BUSINESS)
        size = self.number("takes_bytes")
        dialects = self.text("dialects")
        spoken = [word for word in _APART.split(dialects.lower()) if word] if dialects else []
        for word in spoken:
            if not _DIALECT.fullmatch(word):
                self._wrong("dialects", f"{word!r} không phải tên dạng gói tin", f"{word!r} is no dialect")
        if not (kinds or business or size or spoken):
            return EVERYTHING  # one object for all: most parties take everything
        return Capabilities(
            kinds=frozenset(kinds) or EVERYTHING.kinds,
            business=frozenset(business) or EVERYTHING.business,
            max_bytes=size,
            dialects=frozenset(map(Dialect, spoken)) or EVERYTHING.dialects,
        )

    def _words(self, column: str, meaning: Mapping[str, T]) -> set[T]:
        found: set[T] = set()
        told = self.text(column)
        for word in _APART.split(told.lower()) if told else ():
            if not word:
                continue
            if word in meaning:
                found.add(meaning[word])
            else:
                known = ", ".join(meaning)
                self._wrong(
                    column, f"{word!r} không có trong: {known}", f"{word!r} is none of these: {known}"
                )
        return found

    def _wrong(self, column: str, vi: str, en: str) -> None:
        self._tell(Wrong(column, vi, en))
