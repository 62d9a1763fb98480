"""Every state, every event, and the four tables between them.  Nothing else changes a state.

Four machines live side by side: the *submission* (what the sender gave us), the *hand-over* (one per
document and recipient), the *business status* (what the recipient's clerk says, for months) and the *request*
(whether a copy is to be given back or updated, and what the clerk answers).
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
    REPLAY = "replay"


class Status(StrEnum):
    """Business statuses.  spec: edXML facts §4; ``NONE`` is ours: nothing was reported yet."""

    NONE = ""
    ARRIVED = "01"
    REJECTED = "02"
    REGISTERED = "03"
    ASSIGNED = "04"
    IN_PROGRESS = "05"
    COMPLETED = "06"


class Ask(StrEnum):
    """What a copy asks of an earlier one of the same recipient; ``NOTHING`` for what stands on its own."""

    NOTHING = ""
    RECALL = "recall"
    UPDATE = "update"


class Answer(StrEnum):
    """What the recipient answers.  spec: edXML facts §4; ``NONE`` is ours: no answer yet."""

    NONE = ""
    AGREED = "15"
    DECLINED = "16"


class Request(StrEnum):
    """What was asked about a copy, and what came of it."""

    NONE = ""
    RECALL_ASKED = "recall-asked"
    RECALL_AGREED = "recall-agreed"
    RECALL_DECLINED = "recall-declined"
    UPDATE_ASKED = "update-asked"
    UPDATE_AGREED = "update-agreed"
    UPDATE_DECLINED = "update-declined"


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
    # the only way out of an end: an operator has the copy brought again, under a delivery id of its own
    (_H.FAILED, _HE.REPLAY): _H.PENDING,
    (_H.EXPIRED, _HE.REPLAY): _H.PENDING,
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

_R = Request
OPEN_REQUESTS = frozenset({_R.RECALL_ASKED, _R.UPDATE_ASKED})
# An update is not asked of a copy that is to be given back, or was; a recall takes the place of an update.
REQUEST: Mapping[tuple[Request, Ask | Answer], Request] = {
    **{(r, Ask.RECALL): _R.RECALL_ASKED for r in _R if r is not _R.RECALL_AGREED},
    **{
        (r, Ask.UPDATE): _R.UPDATE_ASKED
        for r in (_R.NONE, _R.UPDATE_ASKED, _R.UPDATE_AGREED, _R.UPDATE_DECLINED, _R.RECALL_DECLINED)
    },
    (_R.RECALL_ASKED, Answer.AGREED): _R.RECALL_AGREED,
    (_R.RECALL_ASKED, Answer.DECLINED): _R.RECALL_DECLINED,
    (_R.UPDATE_ASKED, Answer.AGREED): _R.UPDATE_AGREED,
    (_R.UPDATE_ASKED, Answer.DECLINED): _R.UPDATE_DECLINED,
}
_ANSWERED: Mapping[Request, Answer] = {
    _R.RECALL_AGREED: Answer.AGREED,
    _R.UPDATE_AGREED: Answer.AGREED,
    _R.RECALL_DECLINED: Answer.DECLINED,
    _R.UPDATE_DECLINED: Answer.DECLINED,
}

FINAL_SUBMISSIONS = frozenset({_S.ACCEPTED, _S.REFUSED})
FINAL_HANDOVERS = frozenset({_H.HANDED_OVER, _H.FAILED, _H.WITHDRAWN, _H.EXPIRED})
DEAD_HANDOVERS = frozenset({_H.FAILED, _H.EXPIRED})
"""Ends without success that the sender did not ask for; only these may be replayed."""


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


def next_request(current: Request, event: Ask | Answer) -> Request | None:
    """The request after *event*; ``None`` where it is no news: asked for what is settled, or answered again.

    Raises ``WrongStep`` for an answer to what nobody asked, or that contradicts the one before.
    """
    if (current, event) in REQUEST:
        return REQUEST[current, event]
    if isinstance(event, Answer) and _ANSWERED.get(current) is not event:
        raise WrongStep(f"request: no {event} after {current or 'nothing'}")
    return None
