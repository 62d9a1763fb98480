"""What is demanded of each file: the manifest, and the bytes that it names."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO
from pathlib import Path

NAME = "manifest.csv"
LARGEST = 256 * 1024 * 1024
"""Bytes of a file, packed or unpacked; of a larger one only the size is told."""


class Must(StrEnum):
    """What has to come out."""

    VALID = "valid"
    NEVER_VALID = "never-valid"
    WARN = "warn"
    NO_CRASH = "no-crash"
    SIGN = "sign"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One demand on one file; ``file`` is as the manifest writes it, and ``word`` its demand."""

    file: str
    category: str
    must: Must
    word: str


class NoManifest(Exception):
    """The folder has no manifest that can be read; the text says why."""


def rows_of(folder: Path) -> Sequence[Row]:
    """The demands, in the manifest's order, each once.  Raises ``NoManifest``."""
    path = folder / NAME
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise NoManifest(f"{path}: {exc}") from exc
    reader = csv.DictReader(StringIO(text, newline=""), skipinitialspace=True)
    found: dict[Row, None] = {}
    for number, raw in enumerate(reader, 2):
        cells = {
            (key or "").strip().lower(): value.strip()
            for key, value in raw.items()
            if isinstance(value, str) and isinstance(key, str | None)
        }
        if not any(cells.values()):
            continue
        file, word = cells.get("file", "").replace("\\", "/"), cells.get("must", "").lower()
        if not file or not word:
            raise NoManifest(f"{path}, row {number}: needs a file, and what must come out")
        must = Must(word) if word in set(Must) else Must.UNKNOWN
        category = cells.get("category") or file.rpartition("/")[0] or "-"
        found[Row(file=file, category=category, must=must, word=word)] = None
    if not found:
        raise NoManifest(f"{path}: demands nothing")
    return list(found)


def bytes_of(path: Path) -> tuple[bytes | None, int]:
    """The file's bytes, unpacked where it is a ``.gz``, and their number; no bytes where there are too many.

    Raises ``OSError`` where it cannot be read.
    """
    if path.suffix.lower() != ".gz":
        size = path.stat().st_size
        return (path.read_bytes(), size) if size <= LARGEST else (None, size)
    try:
        with gzip.open(path) as packed:
            body = packed.read(LARGEST + 1)
    except (EOFError, zlib.error) as exc:
        raise OSError(f"not a whole .gz: {exc}") from exc
    return (body, len(body)) if len(body) <= LARGEST else (None, len(body))
