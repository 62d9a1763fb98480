"""A command line with its own folder of data, keys included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from gateway import wiring
from gateway.cli import obey

ORGAN = "000.00.13.H53"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a verb ended, and what it said."""

    code: int
    out: str
    err: str


Vanthu = Callable[..., Told]


@pytest.fixture(scope="session")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of data for all: making keys takes half a second."""
    return tmp_path_factory.mktemp("var")


@pytest.fixture
def vanthu(var: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Vanthu]:
    """``vanthu("sign", a, b, "--organ", ORGAN)`` in this process, logging as a process of its own does."""

    def run(*words: str | Path) -> Told:
        capfd.readouterr()
        code = obey([*(str(word) for word in words), "--var", str(var)])
        captured = capfd.readouterr()
        return Told(code=code, out=captured.out, err=captured.err)

    before = structlog.get_config()
    wiring.quiet()
    yield run
    structlog.configure(**before)
