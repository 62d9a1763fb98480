"""A reference to bytes: what model and ports carry instead of the bytes themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol


class Loose(Protocol):
    """A file without a name: there as long as somebody holds it, and never longer than the process."""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        ...

    def read(self, at: int, size: int) -> bytes:
        """Up to *size* bytes from the offset *at*; fewer at the end alone.  Any thread may call it.

        Raises ``Unavailable("store-away")`` where the disk fails."""
        ...

    def fileno(self) -> int:
        """The descriptor, for a process that reads it by itself."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadRef:
    """Bytes named by their SHA-256 (lower-case hex).

    ``body`` is a cache: small bytes ride along and spare the vault a read.  Large ones may ride along as a
    ``loose`` file; such bytes need not be in any vault.  Neither takes part in comparison or is ever stored
    with the reference.
    """

    sha256: str
    size: int
    body: bytes | None = field(default=None, compare=False, repr=False)
    loose: Loose | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, body: bytes) -> PayloadRef:
        """The reference of *body*, which rides along."""
        return cls(sha256=sha256(body).hexdigest(), size=len(body), body=body)

    def bare(self) -> PayloadRef:
        """The same reference without what rides along."""
        return PayloadRef(sha256=self.sha256, size=self.size)
