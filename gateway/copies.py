"""What happens to recipients' copies after T2: dead letters, statuses, and the end of their time.

Each step loads the copy, asks a stage what the event does to it, and commits; where somebody was quicker it
loads again and decides anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from gateway.decision import Decision
from gateway.errors import Reason, Unavailable
from gateway.model.change import Stale, Work
from gateway.model.document import Dossier, Refusal, Submission, ValidStatus
from gateway.model.envelope import Kind, StatusReport
from gateway.model.evidence import EventName, EventReason
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, EvidenceId, OrganCode, PartyKey
from gateway.model.journey import (
    FINAL_SUBMISSIONS,
    Ask,
    HandOverEvent,
    Status,
    SubmissionEvent,
    moves,
)
from gateway.model.party import Link
from gateway.model.payload import PayloadRef
from gateway.register import Draft, Register, explain
from gateway.stages import deliver, receipt, replay, route, validate
from gateway.stages.deliver import Moved
from gateway.stages.receipt import Statement
from gateway.world import TRIES, Errand, Errands, Us, World


class Copies:
    """Moves copies by events that come from outside."""

    def __init__(self, world: World, register: Register, decision: Decision, us: Us) -> None:
        self._world = world
        self._register = register
        self._decision = decision
        self._us = us

    async def undeliverable(
        self, document: DocumentId, recipient: PartyKey, delivery: str, cause: str
    ) -> Errands:
        """A copy came back as a dead letter: *available* ends here, unless something ended it before."""
        for _ in range(TRIES):
            dossier = await self._world.ledger.load(document, recipient)
            handover = dossier.of(recipient) if dossier else None
            if dossier is None or handover is None or handover.delivery != delivery:
                return ()
            now = self._world.clock.now()
            moved = deliver.returned(handover, cause, now)
            if moved.handover == handover:
                return ()
            draft = self._register.open(document)
            self.settle(draft, dossier.submission, handover, moved, now)
            if not isinstance(await self._world.ledger.commit(draft.change()), Stale):
                draft.tell(self._world.observer)
                return draft.errands
        raise Unavailable("store-away", "a dead letter could not be settled")

    async def untaken(self, document: DocumentId, evidence: EvidenceId, cause: str) -> None:
        """A receipt came back as a dead letter: the timeline says so, for whoever is to send it again."""
        issued = await self._world.records.one_evidence(evidence)
        if issued is None or issued.document != document:
            return
        draft = self._register.open(document)
        now, reason = self._world.clock.now(), Reason("receipt-returned")
        draft.note(now, "receipt", "returned", reason=reason, detail=f"{issued.event} {evidence} {cause}")
        await self._world.ledger.commit(draft.change())

    async def bring_again(self, errand: Errand, copy: HandOver) -> Errands | None:
        """What becomes of a replayed copy when its turn has come; ``None``: its parcel goes out now.

        The sender may have recalled, updated or replaced it while the operator's word was on its way: then it fails
        again.  One for an inbox is put there.
        """
        relations = await self._world.records.relations(copy.document)
        later = replay.overtaken(copy, relations)
        if later is None and (copy.link is Link.AMQP or copy.asks is not Ask.NOTHING):
            return None
        for _ in range(TRIES):
            dossier = await self._world.ledger.load(copy.document, copy.recipient)
            found = dossier.of(copy.recipient) if dossier else None
            if dossier is None or found is None or found.delivery != copy.delivery:
                return await self._decision.forget(errand.work)
            if not moves(found.state, HandOverEvent.CONSIGN):
                return await self._decision.forget(errand.work)
            now = self._world.clock.now()
            draft = self._register.open(copy.document)
            if later is not None:
                reason = Reason("replay-overtaken")
                moved = deliver.advance(found, HandOverEvent.FAIL, now, reason)
                self.settle(draft, dossier.submission, found, moved, now)
            else:
                sender = self._register.parcel_sender(dossier.submission)
                after = self._register.consign(draft, dossier.submission, found, sender, now)
                draft.handovers.append(replace(after, version=found.version + 1))
            change = draft.change(fence=self._us.fence(errand.work), forgets=(errand.work.key,))
            if not isinstance(await self._world.ledger.commit(change), Stale):
                draft.tell(self._world.observer)
                return draft.errands
        raise Unavailable("store-away", "a replayed copy lost every race")

    def settle(
        self,
        draft: Draft,
        submission: Submission,
        before: HandOver,
        moved: Moved,
        now: datetime,
    ) -> None:
        """Add to *draft* what *moved* made of the copy, and the proofs of it."""
        if moved.handover == before:
            return
        after = moved.handover
        failed = explain(Refusal(reason=after.reason)) if after.reason else ()
        statements = [
            Statement(
                handover=after,
                event=event,
                reasons=() if event is EventName.CONTENT_CONSIGNMENT else failed,
            )
            for event in moved.proofs
        ]
        after = self._register.attest_copy(draft, submission, after, statements, now)
        if before.is_quiet:
            draft.note(now, "deliver", after.state, recipient=after.recipient, reason=after.reason)
        draft.handovers.append(replace(after, version=before.version + 1))

    async def report(self, valid: ValidStatus, work: Work) -> Errands:
        """A recipient's status: it moves its copy, proves what it proves, and goes back to the sender."""
        status = Status(valid.report.code.strip())
        about, handover = valid.about, valid.handover
        for _ in range(TRIES):
            refusal = validate.possible(handover, status)
            if refusal is not None:
                return await self._decision.refuse(valid.received, work, refusal)
            now = self._world.clock.now()
            submission = valid.received.submission.after(SubmissionEvent.ACCEPT)
            draft = self._register.open(submission.document)
            draft.note(now, "receipt", "reported", detail=str(status))
            submission = self._register.attest(
                draft, submission, EventName.SUBMISSION_ACCEPTANCE, (), (), now
            )
            why = self._why(status, valid.report)
            after, statements = receipt.report(handover, status, now, why)
            heir = route.by_heir(handover.recipient, submission.party)
            statements = [replace(s, reasons=s.reasons + heir) for s in statements]
            if after != handover:
                after = self._register.attest_copy(draft, about.submission, after, statements, now)
                draft.handovers.append(replace(after, version=handover.version + 1))
                draft.note(
                    now,
                    "receipt",
                    f"status-{status}",
                    recipient=handover.recipient,
                    document=about.submission.document,
                )
                self.carry_back(draft, submission, about, now)
            errands = await self._decision.commit(draft, work, submission)
            if errands is not None:
                return errands
            fresh = await self._world.ledger.load(about.submission.document, handover.recipient)
            own = await self._world.ledger.load(submission.document)
            if fresh is None or own is None or own.submission.state in FINAL_SUBMISSIONS:
                return ()
            again = validate.match(valid.received, valid.report, [fresh], handover.recipient)
            if isinstance(again, Refusal):  # the copy has ended in between
                return await self._decision.refuse(valid.received, work, again)
            about, handover = again.about, again.handover
        raise Unavailable("store-away", "a status lost every race")

    def carry_back(self, draft: Draft, submission: Submission, about: Dossier, now: datetime) -> None:
        """The status itself goes to the original sender, as it came."""
        sender = self._world.directory.party(about.submission.party)
        if sender is None or submission.payload is None:
            return
        if not route.carries_back(sender):
            draft.note(now, "route", "not-carried-back", reason=Reason("recipient-kind-unsupported"))
            return
        copy = deliver.pending(
            submission.document,
            sender,
            OrganCode(str(sender.key)),
            submission.payload,
            head=submission.head,
            kind=Kind.STATUS,
            about=about.submission.document,
            is_quiet=True,
        )
        body: PayloadRef = submission.payload
        reporter = self._register.parcel_sender(submission)
        draft.handovers.append(self._register.dispatch(draft, submission, copy, reporter, body, now))

    @staticmethod
    def _why(status: Status, report: StatusReport) -> EventReason | None:
        if status is not Status.REJECTED:
            return None
        return replace(
            explain(Refusal(reason=Reason("recipient-refused")))[0], detail=report.description[:1000]
        )

    async def deadline(self, errand: Errand) -> Errands:
        """The document's time is over: what is still open ends, or the sender learns of the silence."""
        work = errand.work
        for _ in range(TRIES):
            dossier = await self._world.ledger.load(work.document, work.recipient)
            if dossier is None:
                return ()
            now = self._world.clock.now()
            draft = self._register.open(work.document)
            for handover in dossier.handovers:
                if not deliver.is_due_by(handover, work):
                    continue
                after, statements = receipt.overdue(handover, now)
                if after == handover and not statements:
                    continue
                statements = [replace(s, reasons=_in_both_languages(s.reasons)) for s in statements]
                after = self._register.attest_copy(draft, dossier.submission, after, statements, now)
                draft.handovers.append(replace(after, version=handover.version + 1))
            change = draft.change(fence=self._us.fence(work), forgets=(work.key,))
            if not isinstance(await self._world.ledger.commit(change), Stale):
                draft.tell(self._world.observer)
                return draft.errands
        raise Unavailable("store-away", "a deadline lost every race")


def _in_both_languages(why: Sequence[EventReason]) -> tuple[EventReason, ...]:
    return tuple(reason for told in why for reason in explain(Refusal(reason=told.code)))
