"""A list of organs (CSV with ``organ_id`` and ``name``) becomes parties, and a report of what was odd in it.

    parties, report = load_organs(Path("config/organs/tayninh_2020.csv"))
    print(report)

Real lists have doubled, malformed and untidy rows.  Nothing is repaired in silence: every row that was
left out or altered has its remark.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.errors import ConfigError
from gateway.model.ids import OrganCode, PartyKey, normalised
from gateway.model.party import CodeValidity, Link, Party

QUEUES = r"000\.00\.\d\d\.H53"
"""Which organs take deliveries from queues: the organs of the province itself."""

# spec: edXML facts §6 - QĐ 20/2020 Art. 4: at most 35 characters of [0-9A-Z.].  Irregular codes with small
# letters (``vxp.saas.03``) are in use as well, so case is not ours to judge.
_FORM = re.compile(r"(?=.{1,35}\Z)[0-9A-Za-z]+(\.[0-9A-Za-z]+)*")
# What starts with the three digits of the old form and ends with its realm must be of the old form altogether:
# ``000.1137.H53`` has lost a dot, and no pattern can tell where.
_OLD_LIKE = re.compile(r"\d{3}\..*\.[A-Z]\d\d")
_OLD = re.compile(r"\d{3}\.\d\d\.\d\d\.[A-Z]\d\d")


class RemarkKind(StrEnum):
    """What was odd in a row.  ``doubled``, ``malformed`` and ``incomplete`` rows are left out."""

    DOUBLED = "doubled"
    MALFORMED = "malformed"
    INCOMPLETE = "incomplete"
    NAMELESS = "nameless"
    TIDIED = "tidied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One odd row.  ``row`` counts from 1, the heading being row 1; ``name`` is as the file has it.

    A doubled id keeps its first name; the remark remembers the other as an alias.
    """

    kind: RemarkKind
    row: int
    code: str
    name: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.kind}: {self.code!r} {self.name!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an import did: rows read (without the heading), parties made, and the remarks in order."""

    rows: int
    parties: int
    remarks: tuple[Remark, ...]

    def of(self, kind: RemarkKind) -> tuple[Remark, ...]:
        """The remarks of one kind."""
        return tuple(r for r in self.remarks if r.kind is kind)

    def aliases(self) -> dict[str, tuple[str, ...]]:
        """The further names of doubled ids, tidied, by code."""
        found: dict[str, tuple[str, ...]] = {}
        for remark in self.of(RemarkKind.DOUBLED):
            found[remark.code] = (*found.get(remark.code, ()), _tidy(remark.name))
        return found

    def __str__(self) -> str:
        counts = Counter(r.kind for r in self.remarks)
        odd = ", ".join(f"{counts[kind]} {kind}" for kind in RemarkKind if counts[kind])
        return f"{self.rows} rows, {self.parties} parties" + (f"; {odd}" if odd else "")


def load_organs(path: Path, *, queues: str = QUEUES) -> tuple[tuple[Party, ...], Report]:
    """The parties of the list at *path*, by key, and what was odd.

    A party whose code matches *queues* takes its deliveries by AMQP, the others by HTTP.  Raises
    ``ConfigError`` where the file can't be read, has no such columns, or *queues* is no pattern.
    """
    try:
        by_queue = re.compile(queues)
    except re.error as exc:
        raise ConfigError(f"directory.queues: {queues!r} is no regular expression: {exc}") from exc
    parties: dict[str, Party] = {}
    remarks: list[Remark] = []
    rows = _rows(path)
    for row, (raw, raw_name) in enumerate(rows, 2):
        code, name = normalised(raw), _tidy(raw_name)

        def remark(kind: RemarkKind, row: int = row, code: str = code, name: str = raw_name) -> None:
            remarks.append(Remark(kind=kind, row=row, code=code, name=name))

        if not code:
            remark(RemarkKind.INCOMPLETE)
            continue
        if not is_organ_code(code):
            remark(RemarkKind.MALFORMED)
            continue
        if code in parties:
            remark(RemarkKind.DOUBLED)
            continue
        if not name:
            remark(RemarkKind.NAMELESS)
        elif name != raw_name or code != raw:
            remark(RemarkKind.TIDIED)
        parties[code] = Party(
            key=PartyKey(code),
            name=name or code,
            codes=(CodeValidity(code=OrganCode(code)),),
            link=Link.AMQP if by_queue.fullmatch(code) else Link.HTTP,
        )
    ordered = tuple(parties[code] for code in sorted(parties))
    return ordered, Report(rows=len(rows), parties=len(ordered), remarks=tuple(remarks))


def is_organ_code(code: str) -> bool:
    """Whether *code* has a form that an organ may be registered under."""
    if _OLD_LIKE.fullmatch(code) and not _OLD.fullmatch(code):
        return False
    return _FORM.fullmatch(code) is not None


def _rows(path: Path) -> Sequence[tuple[str, str]]:
    try:
        # utf-8-sig: spreadsheets put a mark before the first column's name
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.reader(lines, strict=True)
            heading = [cell.strip() for cell in next(table, [])]
            try:
                code, name = heading.index("organ_id"), heading.index("name")
            except ValueError:
                raise ConfigError(f"{path}: the columns organ_id and name are needed") from None
            return [(_cell(row, code), _cell(row, name)) for row in table if row]
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: not UTF-8 at byte {exc.start}") from exc
    except csv.Error as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def _cell(row: list[str], at: int) -> str:
    return row[at] if at < len(row) else ""


def _tidy(name: str) -> str:
    return " ".join(normalised(name).split())
