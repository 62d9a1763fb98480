"""Data that code and people share: reason codes, rules, XML schemas, the AMQP and HTTP contracts.

from schemas import reasons
reasons()["recipient-unknown"].vi
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class ReasonEntry:
    """One reason code: whose fault, whether to try again, the HTTP status, and the sentence in both languages."""

    code: str
    fault: str
    retry: bool
    http: int
    vi: str
    en: str


def read(name: str) -> bytes:
    """The bytes of the data file *name* in this package."""
    return files(__name__).joinpath(name).read_bytes()


@cache
def reasons() -> Mapping[str, ReasonEntry]:
    """Every reason code of ``reasons.toml``."""
    return {
        code: ReasonEntry(
            code=code,
            fault=entry["fault"],
            retry=entry["retry"],
            http=entry["http"],
            vi=entry["vi"],
            en=entry["en"],
        )
        for code, entry in tomllib.loads(read("reasons.toml").decode()).items()
    }
