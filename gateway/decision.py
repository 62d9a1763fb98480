"""The decision on a submission (T2): accepted, refused, or waiting; one commit, whichever it is."""

from __future__ import annotations

from gateway.errors import Unavailable
from gateway.model.change import Postponed, Stale, Work
from gateway.model.document import Header, Received, Refusal, Submission
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
        header = Header.of(submission.document, refusal.edoc) if refusal.edoc else None
        return await self.commit(draft, work, submission, header) or ()

    async def wait(self, received: Received, work: Work, away: Unavailable) -> Errands:
        """Something that we need is not there: wait, visibly, until it is or the document expires."""
        now = self._world.clock.now()
        submission = received.submission
        if now >= submission.expires_at:
            return await self.refuse(received, work, Refusal(reason=away.reason, detail=away.detail))
        due = now + deliver.back_off(self._policy.patience, work.attempts, self._world.ids.jitter())
        draft = self._register.open(submission.document)
        if submission.state is not SubmissionState.WAITING or submission.reason != away.reason:
            draft.note(now, "sign", "waiting", reason=away.reason, detail=away.detail)
        self._world.observer.document("waiting", submission.document, away.reason)
        await self._world.ledger.commit(
            draft.change(
                fence=self._us.fence(work),
                submission=submission.after(SubmissionEvent.WAIT, away.reason),
                postponed=(Postponed(key=work.key, due_at=due, reason=away.reason),),
            )
        )
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
