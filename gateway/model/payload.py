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


class Hashed(Protocol):
    """SHA-256 that has gone through some bytes.  Whoever goes on does so with a copy."""

    @property
    def name(self) -> str:
        """``sha256``."""
        ...

    def copy(self) -> Hashed:
        """Another one that has gone as far."""
        ...

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Go on with *data*."""
        ...

    def digest(self) -> bytes:
        """The digest so far."""
        ...

    def hexdigest(self) -> str:
        """The same in lower-case hex."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadRef:
    """Bytes named by their SHA-256 (lower-case hex).

    ``body`` is a cache: small bytes ride along and spare the vault a read.  Large ones may ride along as a
    ``loose`` file; such bytes need not be in any vault.  ``hashed`` is there where the body was hashed to make
    this reference: nobody needs to do it again.  None of them takes part in comparison or is ever stored with the
    reference.
    """

    sha256: str
    size: int
    body: bytes | None = field(default=None, compare=False, repr=False)
    loose: Loose | None = field(default=None, compare=False, repr=False)
    hashed: Hashed | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, body: bytes) -> PayloadRef:
        """The reference of *body*, which rides along."""
        hashed = sha256(body)
        return cls(sha256=hashed.hexdigest(), size=len(body), body=body, hashed=hashed)

    @classmethod
    def named(cls, whole: bytes | PayloadRef) -> PayloadRef:
        """The true reference of *whole*, or of what rides along with it: hashed here, unless it was to make it.

        Raises ``ValueError`` where nothing rides along.
        """
        if not isinstance(whole, PayloadRef):
            return cls.of(whole)
        if whole.body is None:
            raise ValueError("nothing rides along")
        return whole if whole.hashed is not None else cls.of(whole.body)

    def bare(self) -> PayloadRef:
        """The same reference without what rides along."""
        return PayloadRef(sha256=self.sha256, size=self.size)
