"""A list of organs (CSV with ``organ_id``, ``name`` and more) becomes parties, and a report of what was odd in it.

    listed = read_organs(Path("config/organs/tayninh_2020.csv"))
    print(listed.report)

Real lists have doubled, malformed and untidy rows.  Nothing is repaired in silence: every row that was
left out or altered has its remark, and all remarks come at once.  ``docs/organs.md`` tells every column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.directory.cells import COLUMNS, Cells, Wrong
from adapters.directory.endings import Ending
from adapters.directory.remarks import Remark, RemarkKind, Report, tidy
from adapters.directory.spreadsheet import NotATable, Row, read_table
from gateway.errors import ConfigError
from gateway.model.ids import OrganCode, PartyKey, normalised
from gateway.model.party import CodeValidity, FormerName, Link, Party

QUEUES = r"000\.00\.\d\d\.H53"
"""Which organs take deliveries from queues: the organs of the province itself."""

MOST_TOLD = 20
"""So many faults one error names."""

# spec: edXML facts §6 - QĐ 20/2020 Art. 4: at most 35 characters of [0-9A-Z.].  Irregular codes with small
# letters (``vxp.saas.03``) are in use as well, so case is not ours to judge.
_FORM = re.compile(r"(?=.{1,35}\Z)[0-9A-Za-z]+(\.[0-9A-Za-z]+)*")
# What starts with the three digits of the old form and ends with its realm must be of the old form altogether:
# ``000.1137.H53`` has lost a dot, and no pattern can tell where.
_OLD_LIKE = re.compile(r"\d{3}\..*\.[A-Z]\d\d")
_OLD = re.compile(r"\d{3}\.\d\d\.\d\d\.[A-Z]\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganList:
    """What a list says: parties by key, those that ended, and the report."""

    parties: tuple[Party, ...]
    endings: tuple[Ending, ...]
    report: Report


def load_organs(path: Path, *, queues: str = QUEUES) -> OrganList:
    """The list at *path*.  Raises ``ConfigError`` that names every fault for which it can't be taken."""
    listed = read_organs(path, queues=queues)
    if fatal := listed.report.fatal:
        told = [f"{path}: {remark}" for remark in fatal[:MOST_TOLD]]
        more = [f"{path}: … {len(fatal) - MOST_TOLD} more"] if len(fatal) > MOST_TOLD else []
        raise ConfigError("\n".join((*told, *more)))
    return listed


def read_organs(path: Path, *, queues: str = QUEUES) -> OrganList:
    """The list at *path* as far as it can be read, whatever is in it; the report says what is wrong.

    A party whose code matches *queues* takes its deliveries by AMQP, the others by HTTP, unless its row says
    otherwise.  Raises ``ConfigError`` where *queues* is no pattern.
    """
    try:
        by_queue = re.compile(queues)
    except re.error as exc:
        raise ConfigError(f"directory.queues: {queues!r} is no regular expression: {exc}") from exc
    try:
        table = read_table(path, ("organ_id", "name"))
    except NotATable as exc:
        fault = Remark(kind=RemarkKind.FILE, row=exc.row, code="", name="", vi=exc.vi, en=exc.en)
        return OrganList(parties=(), endings=(), report=Report(rows=0, ids=0, parties=0, remarks=(fault,)))
    reading = _Reading(by_queue)
    for heading in table.headings:
        if heading not in COLUMNS:
            reading.unknown_column(heading)
    for row in table.rows:
        reading.take(row)
    reading.look_up()
    parties = tuple(reading.parties[code] for code in sorted(reading.parties))
    return OrganList(
        parties=parties,
        endings=tuple(reading.endings.values()),
        report=Report(
            rows=len(table.rows),
            ids=len(reading.ids),
            parties=len(parties),
            remarks=tuple(sorted(reading.remarks, key=lambda remark: remark.row)),
        ),
    )


def is_organ_code(code: str) -> bool:
    """Whether *code* has a form that an organ may be registered under."""
    if _OLD_LIKE.fullmatch(code) and not _OLD.fullmatch(code):
        return False
    return _FORM.fullmatch(code) is not None


class _Reading:
    """One pass over the rows, and what it found; then one over what they say of each other."""

    def __init__(self, by_queue: re.Pattern[str]) -> None:
        self._by_queue = by_queue
        self.parties: dict[str, Party] = {}
        self.endings: dict[PartyKey, Ending] = {}
        self.remarks: list[Remark] = []
        self.ids: dict[str, int] = {}
        self._rows: dict[str, Row] = {}
        self._holders: dict[str, str] = {}
        self._successors: dict[str, str] = {}
        self._parents: dict[str, str] = {}

    def unknown_column(self, heading: str) -> None:
        self.remarks.append(
            Remark(
                kind=RemarkKind.COLUMN,
                row=1,
                code="",
                name="",
                column=heading or "–",
                vi="không biết cột này, nội dung của cột bị bỏ qua",
                en="nobody reads this column",
            )
        )

    def take(self, row: Row) -> None:
        """One row: a party, or a remark that says why not."""
        raw, raw_name = row.cells.get("organ_id", ""), row.cells.get("name", "")
        code, name = normalised(raw), tidy(raw_name)

        def remark(
            kind: RemarkKind, vi: str, en: str, column: str = "organ_id", is_same: bool = False
        ) -> None:
            self.remarks.append(
                Remark(
                    kind=kind,
                    row=row.number,
                    code=code,
                    name=raw_name,
                    column=column,
                    vi=vi,
                    en=en,
                    is_same=is_same,
                )
            )

        if row.surplus:
            told = "; ".join(row.surplus)[:80]
            remark(
                RemarkKind.SURPLUS,
                f"thừa ô bên phải cột cuối ({told}): tên có dấu phân cách phải đặt trong ngoặc kép",
                f"cells right of the last column ({told}): a name with the delimiter in it needs quotation marks",
                "",
            )
            return
        if not code:
            remark(RemarkKind.INCOMPLETE, f"thiếu mã cơ quan của “{name}”", f"{name!r} has no id")
            return
        first = self.ids.setdefault(code, row.number)
        if not is_organ_code(code):
            remark(
                RemarkKind.MALFORMED,
                f"mã {code!r} sai dạng (đúng: 000.00.13.H53 hoặc H53.13, tối đa 35 ký tự)",
                f"the id {code!r} is malformed (right: 000.00.13.H53 or H53.13, at most 35 characters)",
            )
            return
        if first != row.number:
            known = self.parties[code].name if code in self.parties else ""
            remark(
                RemarkKind.DOUBLED,
                f"mã {code} đã có ở dòng {first} với "
                + ("cùng tên" if known == name else f"tên “{known}”, dòng này ghi “{name}”"),
                f"the id {code} stands in row {first} "
                + (
                    "under the same name"
                    if known == name
                    else f"as {known!r} already, this row calls it {name!r}"
                ),
                is_same=known == name,
            )
            return
        if not name:
            remark(RemarkKind.NAMELESS, "thiếu tên, dùng mã thay tên", "no name: called by its id", "name")
        elif name != raw_name:
            remark(
                RemarkKind.TIDIED,
                f"tên được chuẩn hóa (Unicode dựng sẵn, khoảng trắng) thành “{name}”",
                f"the name was brought to one spelling (NFC, blanks): {name!r}",
                "name",
            )
        elif code != raw:
            remark(RemarkKind.TIDIED, f"mã được chuẩn hóa thành {code}", f"the id was tidied to {code}")
        self.parties[code] = self._party(row, code, name or code, remark)
        self._rows[code] = row

    def _party(self, row: Row, code: str, name: str, remark: Callable[..., None]) -> Party:
        def wrong(why: Wrong) -> None:
            remark(RemarkKind.VALUE, why.vi, why.en, why.column)

        cells = Cells(row.cells, wrong)
        if "\ufffd" in name:
            wrong(Wrong("name", "tên bị mất chữ (�)", "letters of the name are lost (�)"))
        since, until, renamed = cells.instant("since"), cells.instant("until"), cells.instant("renamed")
        if since and until and until <= since:
            wrong(Wrong("until", "kết thúc trước khi bắt đầu", "it ends before it begins"))
        codes = [CodeValidity(code=OrganCode(code), since=since)]
        other = cells.code("organ_id_new", is_organ_code)
        if other and other != code:
            codes.append(CodeValidity(code=OrganCode(other), since=since))
        for held in codes:
            self._hold(held.code, code, remark)
        successor, parent = cells.code("successor", is_organ_code), cells.code("parent", is_organ_code)
        if successor:
            self._successors[code] = successor
        if parent:
            self._parents[code] = parent
        if until or successor:
            self.endings[PartyKey(code)] = Ending(party=PartyKey(code), into=None, since=until)
        former = cells.text("former_name")
        if renamed and not former:
            wrong(Wrong("renamed", "có ngày đổi tên mà thiếu former_name", "a day without a former_name"))
        default = Link.AMQP if self._by_queue.fullmatch(code) else Link.HTTP
        return Party(
            key=PartyKey(code),
            name=name,
            codes=tuple(codes),
            link=cells.link() or default,
            is_locked=cells.is_locked(),
            max_bytes=cells.number("max_bytes"),
            former_names=(FormerName(name=tidy(former), until=renamed),) if former else (),
            takes=cells.capabilities(),
            quota=cells.quota(),
        )

    def _hold(self, code: str, key: str, remark: Callable[..., None]) -> None:
        holder = self._holders.setdefault(code, key)
        if holder != key:
            remark(
                RemarkKind.TAKEN,
                f"mã {code} đã thuộc về {holder} (dòng {self.ids[holder]})",
                f"the code {code} is that of {holder} already (row {self.ids[holder]})",
                "organ_id" if code == key else "organ_id_new",
            )

    def look_up(self) -> None:
        """What rows say of other rows: parents and successors, by either code."""
        parents = self._resolved(self._parents, "parent")
        successors = self._resolved(self._successors, "successor")
        self._circles(parents, "parent")
        self._circles(successors, "successor")
        for code, parent in parents.items():
            self.parties[code] = _under(self.parties[code], PartyKey(parent))
        for code, heir in successors.items():
            ending = self.endings[PartyKey(code)]
            self.endings[ending.party] = Ending(party=ending.party, into=PartyKey(heir), since=ending.since)

    def _resolved(self, named: Mapping[str, str], column: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for code, other in named.items():
            holder = self._holders.get(other)
            if holder is None:
                self._about(
                    code,
                    RemarkKind.REFERENCE,
                    column,
                    f"không có cơ quan nào mang mã {other} trong danh sách",
                    f"no organ of the list has the code {other}",
                )
            else:
                found[code] = holder
        return found

    def _circles(self, named: Mapping[str, str], column: str) -> None:
        done: set[str] = set()
        for start in named:
            way: list[str] = []
            here: str | None = start
            while here is not None and here not in done and here not in way:
                way.append(here)
                here = named.get(here)
            if here is not None and here in way:
                circle = " → ".join((*way[way.index(here) :], here))
                self._about(here, RemarkKind.CIRCLE, column, f"vòng lặp: {circle}", f"a circle: {circle}")
            done.update(way)

    def _about(self, code: str, kind: RemarkKind, column: str, vi: str, en: str) -> None:
        row = self._rows[code]
        name = row.cells.get("name", "")
        self.remarks.append(
            Remark(kind=kind, row=row.number, code=code, name=name, column=column, vi=vi, en=en)
        )


def _under(party: Party, parent: PartyKey) -> Party:
    # by hand: dataclasses.replace costs 12,000 parties a tenth of a second
    return Party(
        key=party.key,
        name=party.name,
        codes=party.codes,
        link=party.link,
        is_locked=party.is_locked,
        max_bytes=party.max_bytes,
        parent=parent,
        former_names=party.former_names,
        takes=party.takes,
        quota=party.quota,
    )
