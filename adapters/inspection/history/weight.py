"""How much a revision changed, in the words that the parts of the comparison share."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Unexplained(Exception):
    """Something changed, and it is of no kind that we can name; the text says what."""


class Level(IntEnum):
    """How far the file went from what was signed; the names are those of ``SignatureReport.changes``."""

    NONE = 0
    LTA = 1
    FORM_FILLING = 2
    ANNOTATIONS = 3
    OTHER = 4

    @property
    def label(self) -> str:
        """The word in a report."""
        return self.name.lower().replace("_", "-")


@dataclass(slots=True, kw_only=True)
class Step:
    """What one revision changed: the fields that it filled and signed by name, and why it is ``OTHER``.

    ``prepared`` are signature fields that got an appearance before their signature, ``completed`` those that
    got their signature, by the number of the field; ``came`` are the numbers of visible widgets of new signatures.
    """

    level: Level = Level.LTA
    filled: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    prepared: set[int] = field(default_factory=set)
    completed: set[int] = field(default_factory=set)
    came: set[int] = field(default_factory=set)
    detail: str = ""

    def raise_to(self, level: Level) -> None:
        """It is *level* at least."""
        self.level = max(self.level, level)
