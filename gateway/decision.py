"""The decision on a submission (T2): accepted, refused, or waiting; one commit, whichever it is."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.errors import Reason, Unavailable
from gateway.model.change import Change, Postponed, Stale, Work
from gateway.model.document import Header, Received, Refusal, Submission, Waiting
from gateway.model.envelope import Edoc
from gateway.model.evidence import EventName
from gateway.model.journey import SubmissionEvent, SubmissionState
from gateway.model.policy import Policy
from gateway.register import Draft, Register, explain
from gateway.stages import deliver
from gateway.world import Errands, Us, World


class Decision:
    """Writes T2."""

    def __init__(self, world: World, register: Register, policy: Policy, us: Us) -> None:
        self._world = world
        self._register = register
        self._policy = policy
        self._us = us

    async def refuse(self, received: Received, work: Work, refusal: Refusal) -> Errands:
        """Refuse a registered submission (T2), with every finding."""
        now = self._world.clock.now()
        submission = received.submission.after(SubmissionEvent.REFUSE, refusal.reason)
        draft = self._register.open(submission.document)
        draft.note(now, "validate", "refused", reason=refusal.reason, detail=refusal.detail)
        submission = self._register.attest(
            draft, submission, EventName.SUBMISSION_REJECTION, (), explain(refusal), now
        )
        return await self.commit(draft, work, submission, header_of(received, refusal.edoc)) or ()

    async def wait(
        self, received: Received, work: Work, away: Unavailable, edoc: Edoc | None = None
    ) -> Errands:
        """Something that we need is not there: wait, visibly, until it is or the document expires."""
        waiting = Waiting(cause=away.reason, detail=away.detail, edoc=edoc)
        return await self._wait(received, work, waiting, received.submission.expires_at, away.reason)

    async def wait_for_original(self, received: Received, work: Work, waiting: Waiting) -> Errands:
        """The document before this one is not here yet: wait, visibly, but not for ever."""
        patience = self._policy.patience
        until = min(received.submission.expires_at, received.submission.received_at + patience.original)
        return await self._wait(received, work, waiting, until, Reason("original-unknown"))

    async def decide_anew(self, received: Received, work: Work) -> Errands:
        """It may be a row of an original that has moved: then all is to be decided anew, in good order, for what was
        only put off would count as the death of a life."""
        return await self.wait(received, work, Unavailable("original-not-here"))

    async def rest(self, received: Received, work: Work, deaths: int) -> Errands:
        """Lives have ended with this document in hand: it rests, visibly, before it is tried once more, so that
        deaths with another cause do not fall on the same one again and again."""
        waiting = Waiting(cause=Reason("worker-died"), detail=f"{deaths} deaths")
        pause = deliver.rest(self._policy.patience, deaths, self._world.ids.jitter())
        until = received.submission.expires_at
        return await self._wait(received, work, waiting, until, waiting.cause, rest=pause)

    async def _wait(
        self,
        received: Received,
        work: Work,
        waiting: Waiting,
        until: datetime,
        at_the_end: Reason,
        *,
        rest: timedelta | None = None,
    ) -> Errands:
        now = self._world.clock.now()
        submission, cause = received.submission, waiting.cause
        if now >= until:
            refusal = Refusal(reason=at_the_end, detail=waiting.detail, edoc=waiting.edoc)
            return await self.refuse(received, work, refusal)
        pause = rest or deliver.back_off(
            self._policy.patience, work.attempts, self._world.ids.jitter(), cause
        )
        due = min(now + pause, max(until, now + self._policy.patience.first))
        draft = self._register.open(submission.document)
        if submission.state is not SubmissionState.WAITING or submission.reason != cause:
            stage = "validate" if cause == "original-not-here" else "sign"
            draft.note(now, stage, "waiting", reason=cause, detail=waiting.detail)
        self._world.observer.document("waiting", submission.document, cause)
        await self._world.ledger.commit(
            draft.change(
                fence=self._us.fence(work),
                submission=submission.after(SubmissionEvent.WAIT, cause),
                header=header_of(received, waiting.edoc),
                postponed=(Postponed(key=work.key, due_at=due, reason=cause, is_sure=rest is not None),),
            )
        )
        return ()

    async def put_off(self, work: Work, reason: Reason | None, *, is_sure: bool = False) -> Errands:
        """Leave *work* to whoever leases it after the back-off."""
        due = self._world.clock.now() + deliver.back_off(
            self._policy.patience,
            work.attempts,
            self._world.ids.jitter(),
            reason,
            is_urgent=work.priority.is_urgent,
            is_sure=is_sure,
        )
        later = Postponed(key=work.key, due_at=due, reason=reason, is_sure=is_sure)
        await self._world.ledger.commit(Change(fence=self._us.fence(work), postponed=(later,)))
        return ()

    async def forget(self, work: Work) -> Errands:
        """There is nothing left to do."""
        await self._world.ledger.commit(Change(fence=self._us.fence(work), forgets=(work.key,)))
        return ()

    async def commit(
        self, draft: Draft, work: Work, submission: Submission, header: Header | None = None
    ) -> Errands | None:
        """Commit T2; ``None`` where somebody else was quicker."""
        outcome = await self._world.ledger.commit(
            draft.change(
                fence=self._us.fence(work),
                submission=submission,
                header=header,
                forgets=(work.key,),
            )
        )
        if isinstance(outcome, Stale):
            return None
        self._world.observer.document(submission.state, submission.document, submission.reason or "")
        draft.tell(self._world.observer)
        return draft.errands


def header_of(received: Received, edoc: Edoc | None) -> Header | None:
    """The header to write for *edoc*: none where it is in the store already."""
    if edoc is None or received.has_header:
        return None
    return Header.of(received.submission.document, edoc)
