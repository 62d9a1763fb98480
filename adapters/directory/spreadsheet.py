"""A table as spreadsheets write it: commas, semicolons, tabs or bars; with or without a byte-order mark; any line end.

Whatever it is, the answer is rows by heading or a sentence that says how to save the file.  Nothing is guessed
about letters: only UTF-8 is read, because a name in a wrong code page looks right to a program and to nobody else.
"""

from __future__ import annotations

import csv
import io
import os
import stat
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 64 * 1024 * 1024
"""A country's organs are a few MiB."""

_DELIMITERS = ",;\t|"
# What Vietnamese in Windows-1258 decomposes to besides plain letters: the marks of its vowels and tones, and đ.
_VIETNAMESE = frozenset("đĐ\u0302\u0306\u031b\u0300\u0301\u0303\u0309\u0323")
_SAVE_VI = "hãy lưu lại dưới dạng “CSV UTF-8”"
_SAVE_EN = "save it as “CSV UTF-8”"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row that is not empty: its number as a spreadsheet counts, its cells by heading as they stand, and what
    stands right of the last heading."""

    number: int
    cells: Mapping[str, str]
    surplus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Headings in lower case, in order, and the rows."""

    headings: tuple[str, ...]
    rows: tuple[Row, ...]


class NotATable(Exception):
    """The file can't be read as a table; ``row`` is 0 where that concerns the whole."""

    def __init__(self, vi: str, en: str, row: int = 0) -> None:
        super().__init__(en)
        self.vi, self.en, self.row = vi, en, row


def read_table(path: Path, needed: Sequence[str]) -> Table:
    """The table at *path*, which must have the headings *needed*.  Raises ``NotATable``."""
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):  # a device may never end
                raise NotATable("không phải tệp thường", "it is no ordinary file")
            body = file.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise NotATable(
                f"tệp lớn hơn {MOST_BYTES >> 20} MiB", f"the file is larger than {MOST_BYTES >> 20} MiB"
            )
    except OSError as exc:
        why = exc.strerror or str(exc)
        raise NotATable(f"không đọc được tệp: {why}", f"cannot be read: {why}") from exc
    lines = _text(body)
    delimiter = _delimiter(lines, needed)
    try:
        return _table(lines, delimiter, needed)
    except csv.Error as exc:
        raise NotATable(f"không phải CSV: {exc}", f"no CSV: {exc}") from exc


def _table(text: str, delimiter: str, needed: Sequence[str]) -> Table:
    records = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    headings: tuple[str, ...] | None = None
    rows: list[Row] = []
    number = 0
    try:
        for number, cells in enumerate(records, 1):
            if headings is None:
                if number == 1 and len(cells) <= 2 and "".join(cells).startswith("sep="):
                    continue  # spreadsheets tell each other the delimiter so
                headings = _headings(cells, needed, number)
            elif any(cell.strip() for cell in cells):
                given = dict(zip(headings, cells, strict=False))
                surplus = tuple(cell for cell in cells[len(headings) :] if cell.strip())
                rows.append(Row(number=number, cells=given, surplus=surplus))
    except csv.Error as exc:
        raise NotATable(
            f"sai dạng CSV ở dòng {number + 1}, thường do dấu ngoặc kép: {exc}",
            f"row {number + 1} is no CSV, quotation marks as a rule: {exc}",
            number + 1,
        ) from exc
    return Table(headings=headings or _headings([], needed, 1), rows=tuple(rows))


def _headings(cells: Sequence[str], needed: Sequence[str], number: int) -> tuple[str, ...]:
    headings = tuple(cell.strip().lower() for cell in cells)
    missing = [name for name in needed if name not in headings]
    if missing:
        names, found = " và ".join(needed), ", ".join(cell.strip() for cell in cells[:20]) or "–"
        raise NotATable(
            f"cần có các cột {names}; thiếu {', '.join(missing)}, tệp có: {found}",
            f"the columns {' and '.join(needed)} are needed; {', '.join(missing)} is missing, there are: {found}",
            number,
        )
    for heading in headings:
        if heading and headings.count(heading) > 1:
            raise NotATable(f"cột {heading} có hai lần", f"the column {heading} stands twice", number)
    return headings


def _delimiter(text: str, needed: Sequence[str]) -> str:
    """What sets the cells off: whatever makes the needed headings of one of the first two lines."""
    lines = text[:4096].splitlines()[:2]
    for delimiter in _DELIMITERS:
        for line in lines:
            cells = [cell.strip().strip('"').strip().lower() for cell in line.split(delimiter)]
            if all(name in cells for name in needed):
                return delimiter
    return ","


def _text(body: bytes) -> str:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise NotATable(
            f"tệp ở bảng mã UTF-16 (“Unicode Text” của Excel); {_SAVE_VI}",
            f"the file is UTF-16 (Excel's “Unicode Text”), not UTF-8: {_SAVE_EN}",
        )
    if body[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise NotATable(
            f"tệp là bảng tính (xlsx, ods, xls), không phải CSV; {_SAVE_VI}",
            f"the file is a spreadsheet (xlsx, ods, xls) and no CSV: {_SAVE_EN}",
        )
    if b"\0" in body:
        raise NotATable("tệp có ký tự NUL, không phải văn bản", "the file has NUL in it and is no text")
    try:
        # utf-8-sig: spreadsheets put a mark before the first column's name
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        row = body.count(b"\n", 0, exc.start) + 1
        vi, en = _guess(body)
        raise NotATable(
            f"không phải UTF-8 ở byte {exc.start}{vi}; {_SAVE_VI}",
            f"not UTF-8 at byte {exc.start}{en}: {_SAVE_EN}",
            row,
        ) from exc


def _guess(body: bytes) -> tuple[str, str]:
    """What the letters look like, in both languages: a hint for people, never acted upon."""
    letters = unicodedata.normalize("NFD", body.decode("cp1258", errors="ignore"))
    strange = sum(1 for letter in letters if ord(letter) > 127)
    ours = sum(1 for letter in letters if letter in _VIETNAMESE)
    if strange and ours * 2 >= strange:
        return ", có vẻ là Windows-1258", ", it looks like Windows-1258"
    return ", có thể là bảng mã cũ (TCVN3, VNI …)", ", maybe an old code page (TCVN3, VNI …)"
