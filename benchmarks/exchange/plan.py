"""How long, how often and where is measured."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PARTS = ("exchange", "fanout", "latency", "memory", "growth", "soak")
DEFAULT = PARTS[:-1]
"""All but the one that takes a quarter of an hour."""

SENDERS = 48
"""Half as many again as two workers have places: else a place is empty while whoever had it thinks of the next document, and
a processor waits now and then."""


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
    done: list[Path] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def folder(self, name: str) -> Path:
        """An empty folder; what lay there is gone."""
        folder = self.var / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    @contextmanager
    def cleared(self, name: str) -> Iterator[Path]:
        """The same, to be gone once everything is measured: payloads take gigabytes, and while a disk lets go of them,
        whoever measures next waits for it.  Logs are kept where something failed."""
        folder = self.folder(f"{name}-{len(self.done)}" if self.var / name in self.done else name)
        yield folder
        self.done.append(folder)

    def clear(self) -> None:
        """Remove what is done with, and wait until the disk has let go of it."""
        for folder in self.done:
            shutil.rmtree(folder, ignore_errors=True)
        self.done.clear()
        os.sync()

    def say(self, text: str) -> None:
        """One line of progress."""
        print(f"{time.monotonic() - self.began:6.0f} s  {text}", flush=True)
