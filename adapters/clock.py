"""The real clock and the real ids."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import uuid_utils

from gateway.model.ids import DocumentId


class SystemClock:
    """The machine's clock (``gateway.ports.Clock``)."""

    def now(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)


class SystemIds:
    """UUIDv7 from the machine's clock and randomness (``gateway.ports.Ids``).

    Ids of one process rise strictly, also within a millisecond.
    """

    def document(self) -> DocumentId:
        """A new UUIDv7."""
        return DocumentId(str(uuid_utils.uuid7()))

    def jitter(self) -> float:
        """A number in [0, 1); it spreads retries and guards nothing."""
        return random.random()
