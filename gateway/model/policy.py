"""What may be tuned: acceptance, patience and limits, as frozen data with defaults and units."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class SecrecyField(StrEnum):
    """A header field in which a secrecy mark counts."""

    TYPE_NAME = "type-name"
    SPHERE = "sphere"
    SUBJECT = "subject"


class Attitude(StrEnum):
    """What becomes of a document in which something was found."""

    REFUSE = "refuse"
    WARN = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Which documents are let through.  The defaults are those of the law and of the design.

    Of a PDF: ``active_content`` are scripts, and actions that do more than turn to a page; ``xfa`` forms that
    another system draws; ``external_content`` what is shown but lies in other files, so that no signature
    covers it; ``hidden_content`` what is not shown now; at most ``max_pages`` pages and ``max_bytes`` bytes.
    What is encrypted is always refused: nothing can be said of it.
    """

    secrecy_fields: frozenset[SecrecyField] = field(default_factory=lambda: frozenset(SecrecyField))
    secrecy_marks: tuple[str, ...] = ("mật", "tối mật", "tuyệt mật")
    untrusted_signer: Attitude = Attitude.WARN
    unsigned_main: Attitude = Attitude.WARN
    seal_appendices: bool = True
    active_content: Attitude = Attitude.REFUSE
    xfa: Attitude = Attitude.REFUSE
    external_content: Attitude = Attitude.REFUSE
    embedded_files: Attitude = Attitude.WARN
    hidden_content: Attitude = Attitude.WARN
    max_pages: int = 10_000
    max_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long we try.  Back-off doubles from ``first`` to ``longest``, with jitter.

    ``crowded`` is the longest pause where a queue is full, its reader is alive as a rule and makes room, and where
    the broker is away and surely has nothing of the parcel: all wait for the same thing, and it ends at once.  It is
    also that between two looks for a document that a recall, update or replacement waits for; ``original`` is
    how long it waits in all.
    """

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=5)
    crowded: timedelta = timedelta(seconds=15)
    expiry: timedelta = timedelta(days=30)
    deaths: int = 3
    original: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds in bytes and counts; nothing is without one.

    ``large_file_bytes`` is no bound: what is more in one attached file is told (EDX-079).
    """

    header_bytes: int = 256 * 1024
    document_bytes: int = 768 * 1024 * 1024
    large_file_bytes: int = 50 * 1024 * 1024
    message_bytes: int = 1024 * 1024
    claim_fanout: int = 100
    recipients: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All of it."""

    acceptance: Acceptance = field(default_factory=Acceptance)
    patience: Patience = field(default_factory=Patience)
    limits: Limits = field(default_factory=Limits)
