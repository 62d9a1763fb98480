"""What is sent in one seed: documents, repeats, recalls, updates, and what each recipient will answer."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

UNKNOWN = "000.00.00.X99"
"""A code that no directory here knows."""

_KIB = 1024


class What(Enum):
    """What a step sends."""

    NEW = "new"
    RECALL = "recall"
    UPDATE = "update"
    REPEAT = "repeat"
    """The same message id and the same bytes again."""
    OTHER_BYTES = "other bytes"
    """The same message id for something else."""
    BROKEN = "broken"
    """No document at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that an agency sends.  ``of`` is the earlier step that it repeats, recalls or updates."""

    number: int
    what: What
    sender: str
    recipients: tuple[str, ...]
    of: int | None = None
    priority: int = 0
    extra: int = 0
    """Size of the file beside the PDF."""

    @property
    def message(self) -> str:
        """The message id under which it is sent."""
        is_same = self.what in (What.REPEAT, What.OTHER_BYTES)
        return f"cv-{self.of if is_same else self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All steps, in order, and the agencies: by queue, then by HTTP.  ``talk``: the share of copies whose recipient
    answers by a status."""

    seed: int
    talk: float
    queues: tuple[str, ...]
    inboxes: tuple[str, ...]
    steps: tuple[Step, ...]
    by_number: Mapping[int, Step]

    @property
    def organs(self) -> tuple[str, ...]:
        """Everybody."""
        return self.queues + self.inboxes


def draw(seed: int, documents: int, queues: Sequence[str], inboxes: Sequence[str], talk: float = 1.0) -> Plan:
    """*documents* steps, the same for the same seed and agencies (only ranks matter, not codes)."""
    r = random.Random(f"plan {seed}")
    organs = [*queues, *inboxes]
    steps: list[Step] = []
    free: list[Step] = []  # documents that nothing was done about yet
    for number in range(1, documents + 1):
        what = r.choices(list(What), weights=(80, 5, 5, 6, 2, 2))[0]
        old = r.choice(free[-60:]) if free and what not in (What.NEW, What.BROKEN) else None
        if what not in (What.NEW, What.BROKEN) and old is None:
            what = What.NEW
        if old is None:
            sender = r.choice(organs)
            others = [organ for organ in organs if organ != sender]
            recipients = r.sample(others, min(len(others), r.choice((1, 1, 1, 2, 2, 3, 4))))
            if what is What.NEW and r.random() < 0.03:
                recipients.append(UNKNOWN)
        else:
            sender, recipients = old.sender, list(old.recipients)
            free.remove(old)
            if what in (What.RECALL, What.UPDATE) and UNKNOWN in recipients:
                recipients.remove(UNKNOWN)
        step = Step(
            number=number,
            what=what,
            sender=sender,
            recipients=tuple(recipients),
            of=old.number if old else None,
            priority=r.choice((1, 2, 3, 4)) if r.random() < 0.1 else 0,
            extra=_size(r),
        )
        steps.append(step)
        if what is What.NEW:
            free.append(step)
    return Plan(
        seed=seed,
        talk=talk,
        queues=tuple(queues),
        inboxes=tuple(inboxes),
        steps=tuple(steps),
        by_number={step.number: step for step in steps},
    )


def _size(r: random.Random) -> int:
    draw = r.random()
    if draw < 0.9:
        return r.randrange(100, 4 * _KIB)
    if draw < 0.995:
        return r.randrange(50 * _KIB, 300 * _KIB)
    return 1300 * _KIB  # too large for a message: it travels as a claim


class Answer(Enum):
    """What a recipient does beside its statuses."""

    TAKES = "takes"
    REJECTS = "rejects"
    """A reject without requeue: the copy goes back for good."""


def answer(plan: Plan, organ: str, number: int, *, asks: bool) -> tuple[Answer, tuple[str, ...]]:
    """What *organ* does with the document, and the statuses that it reports, in order."""
    r = random.Random(f"answer {plan.seed} {plan.organs.index(organ)} {number}")
    if asks:
        return Answer.TAKES, r.choices((("15",), ("16",), ()), weights=(6, 2, 2))[0]
    if r.random() < 0.015:
        return Answer.REJECTS, ()
    if r.random() >= plan.talk:
        return Answer.TAKES, ()
    words = (("01", "03"), ("01",), (), ("01", "02"), ("03",), ("01", "03", "05", "06"))
    return Answer.TAKES, r.choices(words, weights=(45, 20, 12, 8, 10, 5))[0]
