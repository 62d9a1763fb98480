"""Every state, every event, and the three tables between them.  Nothing else changes a state.

Three machines live side by side: the *submission* (what the sender gave us), the *hand-over* (one per
document and recipient) and the *business status* (what the recipient's clerk says, for months).
Two rules keep the tables honest, and tests walk them: every state that is not an end has a way to
fail, and every end of a hand-over has its evidence (``gateway.stages.receipt``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gateway.errors import WrongStep


class SubmissionState(StrEnum):
    """How far the sender's document has come."""

    RECEIVED = "received"
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class SubmissionEvent(StrEnum):
    """What can happen to a submission."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    WAIT = "wait"


class HandOverState(StrEnum):
    """How far one recipient's copy has come."""

    PENDING = "pending"
    AVAILABLE = "available"
    HANDED_OVER = "handed-over"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class HandOverEvent(StrEnum):
    """What can happen to one recipient's copy."""

    CONSIGN = "consign"
    HAND_OVER = "hand-over"
    FAIL = "fail"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"


class Status(StrEnum):
    """Business statuses.  spec: edXML facts §4; ``NONE`` is ours: nothing was reported yet."""

    NONE = ""
    ARRIVED = "01"
    REJECTED = "02"
    REGISTERED = "03"
    ASSIGNED = "04"
    IN_PROGRESS = "05"
    COMPLETED = "06"


_S, _SE = SubmissionState, SubmissionEvent
SUBMISSION: Mapping[tuple[SubmissionState, SubmissionEvent], SubmissionState] = {
    (_S.RECEIVED, _SE.ACCEPT): _S.ACCEPTED,
    (_S.RECEIVED, _SE.REFUSE): _S.REFUSED,
    (_S.RECEIVED, _SE.WAIT): _S.WAITING,
    (_S.WAITING, _SE.WAIT): _S.WAITING,
    (_S.WAITING, _SE.ACCEPT): _S.ACCEPTED,
    (_S.WAITING, _SE.REFUSE): _S.REFUSED,
}

_H, _HE = HandOverState, HandOverEvent
HANDOVER: Mapping[tuple[HandOverState, HandOverEvent], HandOverState] = {
    (_H.PENDING, _HE.CONSIGN): _H.AVAILABLE,
    # a recipient can be quicker than our commit: its 01 proves that the copy was available
    (_H.PENDING, _HE.HAND_OVER): _H.HANDED_OVER,
    (_H.PENDING, _HE.FAIL): _H.FAILED,
    (_H.PENDING, _HE.WITHDRAW): _H.WITHDRAWN,
    (_H.PENDING, _HE.EXPIRE): _H.EXPIRED,
    (_H.AVAILABLE, _HE.HAND_OVER): _H.HANDED_OVER,
    (_H.AVAILABLE, _HE.FAIL): _H.FAILED,
    (_H.AVAILABLE, _HE.EXPIRE): _H.EXPIRED,
}

_B = Status
STATUS: Mapping[tuple[Status, Status], Status] = {
    (_B.NONE, _B.ARRIVED): _B.ARRIVED,
    **{(s, _B.REJECTED): _B.REJECTED for s in (_B.NONE, _B.ARRIVED)},
    **{(s, _B.REGISTERED): _B.REGISTERED for s in (_B.NONE, _B.ARRIVED)},
    **{(s, _B.ASSIGNED): _B.ASSIGNED for s in (_B.NONE, _B.ARRIVED, _B.REGISTERED)},
    **{(s, _B.IN_PROGRESS): _B.IN_PROGRESS for s in (_B.NONE, _B.ARRIVED, _B.REGISTERED, _B.ASSIGNED)},
    **{
        (s, _B.COMPLETED): _B.COMPLETED
        for s in (_B.NONE, _B.ARRIVED, _B.REGISTERED, _B.ASSIGNED, _B.IN_PROGRESS)
    },
}

FINAL_SUBMISSIONS = frozenset({_S.ACCEPTED, _S.REFUSED})
FINAL_HANDOVERS = frozenset({_H.HANDED_OVER, _H.FAILED, _H.WITHDRAWN, _H.EXPIRED})


def next_submission(state: SubmissionState, event: SubmissionEvent) -> SubmissionState:
    """The state after *event*; raises ``WrongStep`` where the table knows no such move."""
    try:
        return SUBMISSION[state, event]
    except KeyError:
        raise WrongStep(f"submission: no {event} from {state}") from None


def next_handover(state: HandOverState, event: HandOverEvent) -> HandOverState:
    """The state after *event*; raises ``WrongStep`` where the table knows no such move."""
    try:
        return HANDOVER[state, event]
    except KeyError:
        raise WrongStep(f"hand-over: no {event} from {state}") from None


def moves(state: HandOverState, event: HandOverEvent) -> bool:
    """Whether *event* changes a copy in *state*: a late or doubled event does not."""
    return (state, event) in HANDOVER


def next_status(current: Status, reported: Status) -> Status | None:
    """The status after *reported*; ``None`` where it is no news (late or doubled).

    Raises ``WrongStep`` where the two contradict each other: refused after acceptance, or the
    reverse.
    """
    if (current, reported) in STATUS:
        return STATUS[current, reported]
    if current is not reported and Status.REJECTED in (current, reported) and reported is not _B.ARRIVED:
        raise WrongStep(f"status: no {reported} after {current}")
    return None
