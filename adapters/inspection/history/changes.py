"""What became of a PDF after one of its signatures: every change must be of a kind that we can name.

Strategy: each revision is compared once with the one before it (``step``); what came after a signature is
all that came in the steps after the revision that it saw.  A file with fifty signatures so costs fifty
comparisons, not fifty times fifty; and a change that a later revision takes back is still a change.

pyHanko's own policy walks the whole signed revision for every comparison, takes long-term-validation
updates of several producers for attacks, and takes a replaced appearance for form filling; this one
knows fewer kinds of change and is silent about none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.inspection.history.revisions import Revisions
from adapters.inspection.history.step import compare
from adapters.inspection.history.weight import Level, Step

__all__ = ["Changes", "Difference", "Level"]


@dataclass(slots=True, kw_only=True)
class Difference:
    """The heaviest change after a signature, the form's fields that were filled, and why it is ``OTHER``.

    ``came`` are the numbers of the visible widgets that later signatures brought.
    """

    level: Level = Level.NONE
    filled: list[str] = field(default_factory=list)
    came: set[int] = field(default_factory=set)
    detail: str = ""


class Changes:
    """The steps of one file, each compared when it is first asked for."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions
        self._steps: dict[int, Step] = {}

    def after(
        self, revision: int, end: int, *, permission: int | None, is_locked: Callable[[str], bool]
    ) -> Difference:
        """Everything that happened after *revision*, whose bytes end at *end*.

        *permission* is the signature's DocMDP level, *is_locked* its FieldMDP.  Nothing is raised for an
        attack, whatever it breaks: what cannot be followed is ``OTHER``.
        """
        found = Difference()
        if revision == self._revisions.last:
            return found
        if (place := self._revisions.reaches_beyond(revision, end)) is not None:
            return _other(found, f"what was signed leads to byte {place}, which was added later")
        unsigned: set[int] = set()
        for later in range(revision, self._revisions.last):
            step = self._step(later)
            unsigned = (unsigned | step.prepared) - step.completed
            found.level = max(found.level, step.level)
            found.came |= step.came
            found.filled += [name for name in step.filled if name not in found.filled]
            if step.detail:
                return _other(found, step.detail)
            if any(is_locked(name) for name in (*step.filled, *step.signed)):
                return _other(found, "a locked field was changed")
        if unsigned:
            found.level = max(found.level, Level.ANNOTATIONS)  # something is shown, and nobody answers for it
        # spec: ISO 32000-2 §12.8.2.2 table 257 - 1: nothing, 2: form filling and signing, 3: annotations too
        allowed = {1: Level.LTA, 3: Level.ANNOTATIONS}.get(permission or 2, Level.FORM_FILLING)
        if found.level > allowed:
            label = found.level.label
            return _other(found, f"changes of the kind {label} are not permitted by this signature")
        return found

    def _step(self, revision: int) -> Step:
        if revision not in self._steps:
            self._steps[revision] = compare(self._revisions, revision)
        return self._steps[revision]


def _other(found: Difference, why: str) -> Difference:
    return Difference(level=Level.OTHER, filled=found.filled, detail=why)
