"""dispose: which part of a document may go, and what the document looks like without it.

No word of the way: long after it, a document's content goes, later its header, and its evidence stays.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.errors import Reason
from gateway.model.change import Change, Event
from gateway.model.document import Dossier
from gateway.model.handover import HandOver, InboxItem
from gateway.model.ids import DeliveryId, delivery_id
from gateway.model.journey import FINAL_SUBMISSIONS, OPEN_REQUESTS, HandOverState
from gateway.model.party import Link
from gateway.model.retention import DataClass, Hindrance

GRACE = timedelta(days=7)
"""How long after its expiry nothing of a document is touched: dead letters come back, claims are fetched late."""

PURGED = Reason("content-purged")


def works_of(dossier: Dossier) -> Sequence[str]:
    """The keys under which something may still be to be done that needs the bytes of the document."""
    document = dossier.submission.document
    names = [name for copy in dossier.handovers for name in deliveries_of(copy)]
    replayed = [copy.delivery for copy in dossier.handovers if copy.generation > 1]
    return [
        f"document:{document}",
        *(f"deadline:{name}" for name in (document, *replayed)),
        *(f"delivery:{name}" for name in names),
    ]


def deliveries_of(copy: HandOver) -> Sequence[DeliveryId]:
    """The delivery ids under which *copy* went out, those before a replay, too."""
    earlier = [delivery_id(copy.document, copy.recipient, n) for n in range(1, copy.generation)]
    return [*earlier, copy.delivery]


def is_gone(part: DataClass, dossier: Dossier) -> bool:
    """Whether *part* of a document went already: another may have been quicker since it was found to be due."""
    if part is DataClass.CONTENT:
        return dossier.submission.payload is None
    return dossier.header is None


def hindrance(
    part: DataClass,
    dossier: Dossier,
    undone: Collection[str],
    users: Sequence[Dossier],
    now: datetime,
) -> Hindrance | None:
    """What stands in the way of letting *part* of a document go; ``None``: nothing.

    *undone* are those of ``works_of`` that there are; *users* the documents that recall, update or replace it, or
    asked something about a copy of it.
    """
    submission = dossier.submission
    if submission.state not in FINAL_SUBMISSIONS:
        return Hindrance.UNDECIDED
    if any(until + GRACE > now for until in _ends(dossier)):
        return Hindrance.UNEXPIRED
    if undone:
        return Hindrance.IN_WORK
    if any(_is_open(copy) for copy in dossier.handovers):
        return Hindrance.OPEN_COPY
    living = {one.submission.document for one in users if _lives(one, now)}
    for copy in dossier.handovers:
        if copy.request in OPEN_REQUESTS and copy.asked_by in living:
            return Hindrance.OPEN_REQUEST
    if living:
        return Hindrance.IN_USE
    if part is DataClass.METADATA and submission.payload is not None:
        return Hindrance.HAS_CONTENT
    return None


def without_content(dossier: Dossier, items: Sequence[InboxItem], now: datetime) -> Change:
    """The document without its bytes: nothing refers to them any more, and the timeline says so.

    *items* are what lies in inboxes for its copies.  Digests and sizes stay: the same bytes are still known.
    """
    submission = dossier.submission
    return Change(
        submission=replace(submission, payload=None, version=submission.version + 1),
        handovers=tuple(
            replace(copy, payload=None, version=copy.version + 1)
            for copy in dossier.handovers
            if copy.payload is not None
        ),
        items=tuple(
            replace(item, payload=None, version=item.version + 1)
            for item in items
            if item.payload is not None
        ),
        events=(
            Event(
                document=submission.document,
                at=now,
                stage="dispose",
                event=PURGED,
                reason=PURGED,
            ),
        ),
    )


def _ends(dossier: Dossier) -> Sequence[datetime]:
    """Until when the document, and each copy of it that was replayed, may be delivered."""
    own = (copy.expires_at for copy in dossier.handovers if copy.expires_at is not None)
    return [dossier.submission.expires_at, *own]


def _is_open(copy: HandOver) -> bool:
    """Whether we still have to do with *copy*.  One in a queue is the broker's: after its time nobody needs us
    for it, and we never learn that it was taken."""
    if copy.state is HandOverState.PENDING:
        return True
    return copy.state is HandOverState.AVAILABLE and copy.link is Link.HTTP


def _lives(user: Dossier, now: datetime) -> bool:
    if user.submission.state not in FINAL_SUBMISSIONS or any(until + GRACE > now for until in _ends(user)):
        return True
    return any(copy.state is HandOverState.PENDING for copy in user.handovers)
