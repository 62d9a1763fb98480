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
    """Which documents are let through.  The defaults are those of the law and of the design."""

    secrecy_fields: frozenset[SecrecyField] = field(default_factory=lambda: frozenset(SecrecyField))
    secrecy_marks: tuple[str, ...] = ("mật", "tối mật", "tuyệt mật")
    untrusted_signer: Attitude = Attitude.WARN
    unsigned_main: Attitude = Attitude.WARN
    seal_appendices: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long we try.  Back-off doubles from ``first`` to ``longest``, with jitter.

    ``crowded`` is the longest pause where a queue is full: its reader is alive as a rule, and makes room.
    """

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=5)
    crowded: timedelta = timedelta(seconds=15)
    expiry: timedelta = timedelta(days=30)
    deaths: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds in bytes and counts; nothing is without one."""

    header_bytes: int = 256 * 1024
    document_bytes: int = 64 * 1024 * 1024
    message_bytes: int = 1024 * 1024
    claim_fanout: int = 100
    recipients: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All of it."""

    acceptance: Acceptance = field(default_factory=Acceptance)
    patience: Patience = field(default_factory=Patience)
    limits: Limits = field(default_factory=Limits)
