"""What is kept for how long, and what stands in the way of letting it go.

Three data classes have their own end: *content* (the bytes in the vault), *metadata* with personal names (headers,
inbox items) and *evidence*, which stays.  The row of the submission stays with its evidence: it is the memory of the
sender's message id, and outlives the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.model.ids import DocumentId
from gateway.model.payload import PayloadRef


class DataClass(StrEnum):
    """What has an end of its own."""

    CONTENT = "content"
    METADATA = "metadata"


class Hindrance(StrEnum):
    """Why something that was kept long enough is kept on."""

    UNDECIDED = "undecided"  # received, or it waits
    UNEXPIRED = "unexpired"  # it may still be delivered, or was a moment ago
    OPEN_COPY = "open-copy"  # a copy that has not left us
    OPEN_REQUEST = "open-request"  # a recall or an update of it that was not answered and is not over
    IN_WORK = "in-work"  # something is still to be done about it
    IN_USE = "in-use"  # an open document recalls, updates or replaces it
    HAS_CONTENT = "has-content"  # of metadata: the bytes go first


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A document of which something has been kept long enough at ``since``."""

    document: DocumentId
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lying:
    """Bytes as they lie in the vault: last put at ``since`` (``mark`` tells two puts apart); ``is_aside``: half
    removed by somebody who did not come to the end."""

    ref: PayloadRef
    since: datetime
    mark: int
    is_aside: bool = False
