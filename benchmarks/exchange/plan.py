"""How long, how often and where is measured."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PARTS = ("exchange", "fanout", "latency", "memory", "growth", "soak")
DEFAULT = PARTS[:-1]
"""All but the one that takes a quarter of an hour."""

SENDERS = 32
"""As many as two workers have places: with fewer, a processor waits now and then for the next document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked for.  ``seconds``: of one window; ``rounds``: windows of each kind."""

    var: Path
    seconds: float = 10.0
    rounds: int = 3
    senders: int = SENDERS
    organs: int = 12_000
    queues: int = 1_000
    documents: int = 1_000_000
    soak_s: float = 900.0
    began: float = field(default_factory=time.monotonic)

    def folder(self, name: str) -> Path:
        """An empty folder; what lay there is gone."""
        folder = self.var / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    @contextmanager
    def cleared(self, name: str) -> Iterator[Path]:
        """The same, gone afterwards: payloads take gigabytes.  Logs are kept where something failed."""
        folder = self.folder(name)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)

    def say(self, text: str) -> None:
        """One line of progress."""
        print(f"{time.monotonic() - self.began:6.0f} s  {text}", flush=True)
