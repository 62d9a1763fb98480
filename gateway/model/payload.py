"""A reference to bytes: what model and ports carry instead of the bytes themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadRef:
    """Bytes named by their SHA-256 (lower-case hex).

    ``body`` is a cache: small bytes ride along and spare the vault a read; it takes no part in
    comparison and is never stored with the reference.
    """

    sha256: str
    size: int
    body: bytes | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, body: bytes) -> PayloadRef:
        """The reference of *body*, which rides along."""
        return cls(sha256=sha256(body).hexdigest(), size=len(body), body=body)

    def bare(self) -> PayloadRef:
        """The same reference without its cached bytes."""
        return PayloadRef(sha256=self.sha256, size=self.size)
