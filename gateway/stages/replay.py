"""replay: whether what has died may be tried again, and what a replay makes of it.

A copy keeps its row and its chain of evidence, and gets a new delivery id; a refused submission stays refused, and
its bytes come in as a document of their own under the sender's message id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from gateway.errors import Reason
from gateway.model.change import Relation
from gateway.model.document import Submission
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, delivery_id
from gateway.model.journey import HandOverEvent, SubmissionState, moves
from gateway.model.party import Party
from gateway.stages import deliver

SLOT = "again:"
"""The slot of a second try begins with this; the document that was refused follows."""


def why_not(copy: HandOver, party: Party | None, relations: Sequence[Relation]) -> tuple[Reason, str] | None:
    """Why *copy* may not be brought again to *party*, and the detail of it; ``None`` where it may."""
    if not moves(copy.state, HandOverEvent.REPLAY):
        return Reason("replay-not-dead"), str(copy.state)
    if copy.payload is None:
        return Reason("replay-nothing-kept"), str(copy.reason or "")
    later = overtaken(copy, relations)
    if later is not None:
        return Reason("replay-overtaken"), later
    if party is None:
        return Reason("recipient-unknown"), copy.recipient
    if party.is_locked:
        return Reason("recipient-locked"), copy.recipient
    if copy.kind not in party.takes.kinds:
        return Reason("recipient-kind-unsupported"), str(copy.kind)
    limit = party.takes.max_bytes
    if limit is not None and copy.payload.size > limit:
        return Reason("recipient-too-large"), f"{copy.payload.size} > {limit}"
    return None


def overtaken(copy: HandOver, relations: Sequence[Relation]) -> DocumentId | None:
    """The document by which the sender has recalled, updated or replaced *copy* since, if there is one."""
    later = (r for r in relations if r.other == copy.document and r.recipient == copy.recipient)
    return next((r.document for r in later), None)


def bring_again(copy: HandOver, party: Party, submission: Submission, now: datetime) -> HandOver:
    """The next generation of *copy*: pending, with as much time as its document had at first."""
    generation = copy.generation + 1
    return replace(
        deliver.advance(copy, HandOverEvent.REPLAY, now).handover,
        generation=generation,
        delivery=delivery_id(copy.document, copy.recipient, generation),
        link=party.link,
        reason=None,
        available_at=None,
        handed_over_at=None,
        expires_at=now + (submission.expires_at - submission.received_at),
        version=copy.version + 1,
    )


def why_not_submission(submission: Submission) -> tuple[Reason, str] | None:
    """Why the bytes of a refused *submission* may not come in again; ``None`` where they may."""
    if submission.state is not SubmissionState.REFUSED:
        return Reason("replay-not-dead"), str(submission.state)
    if submission.payload is None:
        return Reason("replay-nothing-kept"), str(submission.reason or "")
    return None


def take_in_again(submission: Submission, document: DocumentId, now: datetime) -> Submission:
    """The second try of a refused *submission*, as *document*."""
    return replace(
        submission,
        document=document,
        slot=f"{SLOT}{submission.document}",
        state=SubmissionState.RECEIVED,
        received_at=now,
        expires_at=now + (submission.expires_at - submission.received_at),
        reason=None,
        head="",
        due=None,
        version=1,
    )


def is_try_of(later: Submission, earlier: Submission) -> bool:
    """Whether *later* is what an operator had tried again of *earlier*."""
    return later.party == earlier.party and later.slot == f"{SLOT}{earlier.document}"
