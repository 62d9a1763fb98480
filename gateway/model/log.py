"""The evidence log: a place for every evidence in one Merkle tree, and signed heads that commit to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.model.ids import EvidenceId, OrganCode

HASH_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """What we sign: the first ``size`` leaves have the root ``root`` (hex).  ``log`` is whose log it is."""

    log: OrganCode
    size: int
    root: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadRecord:
    """A head as signed.  ``body`` is kept and shown as it is; ``stamp`` is an RFC 3161 token over ``body``."""

    size: int
    root: str
    signed_at: datetime
    sha256: str
    body: bytes
    stamp: bytes | None = None


@dataclass(frozen=True, slots=True)
class Unnumbered:
    """Evidence without a place yet: where it stands in the queue, and the hash of its leaf."""

    position: int
    evidence: EvidenceId
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Leaf:
    """The place of one evidence in the tree, from 0, and the hash of its leaf."""

    number: int
    evidence: EvidenceId
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """How far the log is, ``root`` (hex) over its ``size`` leaves.  ``waiting``: evidence without a place, the oldest issued at ``oldest``;
    ``head``: the latest; ``is_wanted``: somebody asked for a head before its time."""

    size: int
    root: str
    waiting: int
    oldest: datetime | None
    head: HeadRecord | None
    is_wanted: bool = False
