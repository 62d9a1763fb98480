"""What a target is, and how it says that a promise is broken.

A file of its own, so that the process of one target does not load the readers of all.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol


class Flaw(Exception):
    """A promise is broken; the first argument is its kind, by which findings are told apart."""

    @property
    def kind(self) -> str:
        """A short name."""
        return str(self.args[0])


class Target(Protocol):
    """Something that reads hostile bytes."""

    name: str

    def seeds(self) -> list[bytes]:
        """Inputs to begin with."""
        ...

    def bent(self, chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
        """Another input, made of *data*."""
        ...

    def check(self, data: bytes) -> str:
        """What became of *data*; raises ``Flaw``."""
        ...
