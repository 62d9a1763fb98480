"""What is undone although nobody works on it, and what has been undone for long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.errors import Reason
from gateway.model.change import Work
from gateway.model.ids import DocumentId, PartyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A document that is not decided, or with ``recipient`` its copy that is not handed over, without work for it."""

    document: DocumentId
    recipient: PartyKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """Work that is not done yet: of a document received at ``since``, put off last for ``reason``."""

    work: Work
    since: datetime
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The strays among some documents; ``last`` is the last of these documents, ``None`` at the end."""

    strays: tuple[Stray, ...] = ()
    last: DocumentId | None = None
