"""What is odd or wrong in a list of organs: every place with its row and column, in Vietnamese and English.

Nothing is repaired in silence: whatever was left out or altered has its remark.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from gateway.model.finding import Severity
from gateway.model.ids import normalised


class RemarkKind(StrEnum):
    """What was odd.  Rows that are ``doubled``, ``malformed`` or ``incomplete`` are left out, and a gateway can do
    without them; a list with one of the other errors is not taken at all."""

    DOUBLED = "doubled"
    MALFORMED = "malformed"
    INCOMPLETE = "incomplete"
    NAMELESS = "nameless"
    TIDIED = "tidied"
    COLUMN = "unknown-column"
    FILE = "file"
    SURPLUS = "surplus"
    VALUE = "value"
    REFERENCE = "reference"
    TAKEN = "code-taken"
    CIRCLE = "circle"


_LEAVES_OUT = frozenset({RemarkKind.DOUBLED, RemarkKind.MALFORMED, RemarkKind.INCOMPLETE})
_WARNINGS = frozenset({RemarkKind.NAMELESS, RemarkKind.TIDIED, RemarkKind.COLUMN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One odd place.  ``row`` counts as a spreadsheet does: the heading is row 1, and empty rows count (0: the file
    as a whole).  ``code`` and ``name`` are as the row has them, ``column`` is the heading of the cell.

    A doubled id keeps its first name; the remark remembers the other as an alias.
    """

    kind: RemarkKind
    row: int
    code: str
    name: str
    column: str = ""
    vi: str = ""
    en: str = ""
    is_same: bool = False
    """Of a doubled id: whether the name is the same, too."""

    @property
    def severity(self) -> Severity:
        """An error means that the row, or the list, was not taken as it stands."""
        return Severity.WARNING if self.kind in _WARNINGS else Severity.ERROR

    @property
    def is_fatal(self) -> bool:
        """Whether the list as a whole can't be taken."""
        return self.severity is Severity.ERROR and self.kind not in _LEAVES_OUT

    def __str__(self) -> str:
        place = f"row {self.row}" + (f", {self.column}" if self.column else "")
        about = f" ({self.code!r} {self.name!r})" if self.code or self.name else ""
        return f"{place}: {self.kind}: {self.en}{about}" if self.row else f"{self.kind}: {self.en}"

    @property
    def told(self) -> str:
        """The remark for people, in both languages."""
        place = f"dòng · row {self.row}" + (f", {self.column}" if self.column else "")
        return f"{place}: {self.vi} · {self.en}" if self.row else f"{self.vi} · {self.en}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an import did: rows read (without the heading and empty ones), distinct ids among them, parties made,
    and the remarks in the order of the rows."""

    rows: int
    ids: int
    parties: int
    remarks: tuple[Remark, ...]

    def of(self, kind: RemarkKind) -> tuple[Remark, ...]:
        """The remarks of one kind."""
        return tuple(r for r in self.remarks if r.kind is kind)

    @property
    def errors(self) -> tuple[Remark, ...]:
        """Where a row or the list was not taken as it stands."""
        return tuple(r for r in self.remarks if r.severity is Severity.ERROR)

    @property
    def fatal(self) -> tuple[Remark, ...]:
        """Why the list as a whole can't be taken; empty where it can."""
        return tuple(r for r in self.remarks if r.is_fatal)

    def aliases(self) -> dict[str, tuple[str, ...]]:
        """The further names of doubled ids, tidied, by code."""
        found: dict[str, tuple[str, ...]] = {}
        for remark in self.of(RemarkKind.DOUBLED):
            found[remark.code] = (*found.get(remark.code, ()), tidy(remark.name))
        return found

    def __str__(self) -> str:
        told = [en for en, _ in self._counted()]
        odd = f"; {', '.join(told)}" if told else ""
        return f"{self.rows} rows, {self.ids} distinct ids, {self.parties} parties{odd}"

    @property
    def told(self) -> str:
        """The summary for people, in both languages."""
        told = [vi for _, vi in self._counted()]
        odd = f"; {', '.join(told)}" if told else ""
        return f"{self.rows} dòng, {self.ids} mã khác nhau, {self.parties} cơ quan{odd} · {self}"

    def _counted(self) -> list[tuple[str, str]]:
        counts = Counter(remark.kind for remark in self.remarks)
        told = []
        if doubled := self.of(RemarkKind.DOUBLED):
            told.append(_repetitions(doubled))
        for kind, (en, vi) in _SUMMARY.items():
            if number := counts[kind]:
                told.append((f"{number} {en}", f"{number} {vi}"))
        return told


def _repetitions(doubled: tuple[Remark, ...]) -> tuple[str, str]:
    times = Counter(remark.code for remark in doubled)
    if set(times.values()) == {1} and not any(remark.is_same for remark in doubled):
        return f"{len(times)} ids twice with two names", f"{len(times)} mã có hai lần với hai tên"
    return (
        f"{len(times)} ids in {len(doubled)} further rows",
        f"{len(times)} mã lặp lại ở {len(doubled)} dòng",
    )


_SUMMARY = {
    RemarkKind.MALFORMED: ("malformed", "mã sai dạng"),
    RemarkKind.INCOMPLETE: ("without id", "dòng thiếu mã"),
    RemarkKind.NAMELESS: ("without name", "cơ quan thiếu tên"),
    RemarkKind.TIDIED: ("tidied", "ô được chuẩn hóa"),
    RemarkKind.COLUMN: ("unknown columns", "cột không biết"),
    RemarkKind.FILE: ("unreadable", "tệp không đọc được"),
    RemarkKind.SURPLUS: ("rows with too many cells", "dòng thừa ô"),
    RemarkKind.VALUE: ("wrong values", "giá trị sai"),
    RemarkKind.REFERENCE: ("references to nobody", "tham chiếu không tồn tại"),
    RemarkKind.TAKEN: ("codes of two parties", "mã bị trùng giữa hai cơ quan"),
    RemarkKind.CIRCLE: ("circles", "vòng lặp"),
}


def tidy(name: str) -> str:
    """*name* in one spelling: NFC, outer and double blanks gone."""
    return " ".join(normalised(name).split())
