"""Recalls, updates and replacements: which documents they mean, what each copy asks, and what recipients answer.

A recall is never written by us: what the sender sent goes on in the form it came, an edoc of kind 1 or a status 13.
What a copy asks is decided when its own turn to be delivered comes (``ask``).  The recipient's copy of the original
then either has surely not gone out, and both are withdrawn in one commit; or it is there, and the question goes
after it; or nobody knows yet, and the question waits, so that it never overtakes what it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.decision import Decision
from gateway.errors import Reason, Unavailable
from gateway.model.change import Committed, Relation, Work, WorkKind
from gateway.model.document import (
    Dossier,
    Received,
    Refusal,
    Submission,
    Valid,
    ValidRecall,
    Waiting,
)
from gateway.model.envelope import Business, DocumentReference, Edoc, Kind, StatusReport
from gateway.model.evidence import EventName
from gateway.model.finding import Finding
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, OrganCode, PartyKey
from gateway.model.journey import HandOverEvent, SubmissionEvent, SubmissionState, moves, next_request
from gateway.model.party import Link, Party, Successor
from gateway.model.payload import PayloadRef
from gateway.register import Draft, Register, reasons_with
from gateway.stages import amend, deliver, receipt
from gateway.stages.amend import Step
from gateway.stages.receipt import Statement
from gateway.world import TRIES, Errand, Errands, Us, World

MOMENT = timedelta(microseconds=1)

REMEMBERED = 1000
"""Documents that wait of which we remember what they wait for."""

MOST_MEANT = 10
"""Of how many documents that a name may mean we look at the dossiers."""


class Amendments:
    """Finds originals, and moves the copies that ask something about them."""

    def __init__(self, world: World, register: Register, decision: Decision, us: Us) -> None:
        self._world = world
        self._register = register
        self._decision = decision
        self._us = us
        self._awaited: dict[DocumentId, Edoc] = {}

    # --- which documents are meant ------------------------------------------------------------------

    async def still_waits(self, received: Received) -> Waiting | None:
        """Whether a document that we know waits on, without reading it again: it may be large, and wait for a day."""
        edoc = self._awaited.pop(received.submission.document, None)
        if edoc is None or received.submission.state is not SubmissionState.WAITING:
            return None
        found = await self.originals(received, edoc)
        return self.await_original(received, edoc, found) if isinstance(found, Waiting) else None

    def await_original(self, received: Received, edoc: Edoc, waiting: Waiting) -> Waiting:
        """*waiting* with what waits; it is remembered, as far as the next look needs it."""
        bare = replace(edoc, attachments=(), skeleton=b"")
        while len(self._awaited) >= REMEMBERED:
            self._awaited.pop(next(iter(self._awaited)))
        self._awaited[received.submission.document] = bare
        return replace(waiting, edoc=bare)

    async def originals(
        self, received: Received, edoc: Edoc
    ) -> tuple[tuple[Dossier, ...], tuple[Finding, ...]] | Refusal | Waiting:
        """The documents that *edoc* recalls, updates or replaces, and what is to be remarked about them.

        Of a document in several versions all are given.  One that is not decided yet is given only where a recall
        takes all of its recipients: then nobody ever sees it.
        """
        if edoc.business is Business.REPLACE:
            return await self._replaced(received, edoc)
        found = await self._first(received, edoc.amends.originals)
        if isinstance(found, Refusal | Waiting):
            return found
        late = next((one for one in found if not amend.is_decided(one)), None)
        if late is not None:
            keys = self._keys(edoc)
            if edoc.business is not Business.RECALL or not await self._are_all(late, keys):
                return amend.undecided(late)
        return found, ()

    async def recalled(self, received: Received, report: StatusReport) -> ValidRecall | Refusal | Waiting:
        """What a status 13 is about: From is the sender of the original, ResponseFor names the recipient.

        spec: edXML facts §4 - for 13 it is reversed
        """
        found = await self._first(received, (report.about,))
        if isinstance(found, Refusal | Waiting):
            return found
        named = self._find(report.about.organ)
        if named is None:
            return Refusal(reason=Reason("recipient-unknown"), detail=str(report.about.organ)[:40])
        is_for_all = named.key == received.sender.key
        late = next((one for one in found if not amend.is_decided(one)), None)
        if late is not None and not (is_for_all or await self._are_all(late, {named.key})):
            return amend.undecided(late)
        everybody = [copy.recipient for one in found for copy in one.handovers if amend.was_served(copy)]
        recipients = tuple(dict.fromkeys(everybody)) if is_for_all else (named.key,)
        return ValidRecall(received=received, report=report, originals=found, recipients=recipients)

    async def _first(
        self, received: Received, names: Sequence[DocumentReference]
    ) -> tuple[Dossier, ...] | Refusal | Waiting:
        if not names:
            return Refusal(reason=Reason("original-unknown"))
        for name in names:
            found = await self._sent(received, name)
            if found:
                return amend.meant(found)
        return amend.not_here(names)

    async def _sent(self, received: Received, name: DocumentReference) -> list[Dossier]:
        """What the sender has sent under *name*, oldest first; our own document id is a name, too.  Refused ones are
        none, also where they were refused a moment ago: there is nothing to take back."""
        ledger, own = self._world.ledger, received.submission.document
        senders = self._senders(received.sender, name)
        name = name.canonical()
        ours = await ledger.load(DocumentId(name.official_id)) if name.official_id else None
        if ours is not None and ours.submission.party in senders and ours.header is not None:
            return [] if amend.is_refused(ours) else [ours]
        documents = [d for d in await ledger.originals(name, senders) if d != own]
        found = [await ledger.load(document) for document in documents[:MOST_MEANT]]
        return [dossier for dossier in found if dossier is not None and not amend.is_refused(dossier)]

    def _senders(self, sender: Party, name: DocumentReference) -> list[PartyKey]:
        """The sender, and parties that were merged into it, as far as *name* tells them."""
        keys = [sender.key]
        for code in {str(name.organ), str(name.official_id).partition(",")[0]} - {""}:
            found = self._world.directory.find(OrganCode(code), self._world.clock.now())
            if isinstance(found, Successor) and found.party.key == sender.key:
                before = found.since and self._world.directory.find(OrganCode(code), found.since - MOMENT)
                keys.append(before.key if isinstance(before, Party) else PartyKey(code))
        return list(dict.fromkeys(keys))

    def _find(self, code: OrganCode) -> Party | None:
        found = self._world.directory.find(code, self._world.clock.now())
        match found:
            case Party():
                return found
            case Successor(party=party):
                return party
            case _:
                return None

    def _keys(self, edoc: Edoc) -> set[PartyKey]:
        return {party.key for organ in edoc.recipients if (party := self._find(organ.code)) is not None}

    async def _are_all(self, original: Dossier, keys: set[PartyKey]) -> bool:
        """Whether *keys* are all recipients of a document about which nothing was decided."""
        payload = original.submission.payload
        if payload is None:
            return False
        envelope, _ = await self._world.envelopes.read(payload)
        return isinstance(envelope, Edoc) and self._keys(envelope) <= keys

    async def _replaced(
        self, received: Received, edoc: Edoc
    ) -> tuple[tuple[Dossier, ...], tuple[Finding, ...]] | Refusal | Waiting:
        """All that are replaced.  None of them here is a reason to wait, some missing one to say so."""
        here: dict[DocumentId, Dossier] = {}
        missing: list[Finding] = []
        for one in edoc.amends.replaces:
            found = amend.meant(await self._sent(received, one.original))
            if isinstance(found, Refusal):
                return found
            if isinstance(found, Waiting):
                missing.append(amend.remark("replaced-unknown", str(one.original.official_id)))
                continue
            here[found[-1].submission.document] = found[-1]
        if not any(map(amend.is_decided, here.values())):
            names = [one.original for one in edoc.amends.replaces]
            return amend.undecided(next(iter(here.values()))) if here else amend.not_here(names)
        return tuple(here.values()), tuple(missing)

    def relations(self, valid: Valid, copies: Sequence[HandOver]) -> tuple[Relation, ...]:
        """Which of the *copies* recalls, updates or replaces which document."""
        document, business = valid.received.submission.document, valid.edoc.business
        if business is not Business.REPLACE:
            return tuple(
                amend.relation(document, copy.recipient, business, copy.about)
                for copy in copies
                if copy.about is not None
            )
        related: dict[Relation, None] = {}
        for original in valid.originals:
            for one in valid.edoc.amends.replaces:
                if amend.is_named(original, one.original):
                    keys = {party.key for code in one.organs if (party := self._find(code)) is not None}
                    related |= dict.fromkeys(
                        amend.relation(document, copy.recipient, business, original.submission.document)
                        for copy in copies
                        if copy.payload is not None and (not one.organs or copy.recipient in keys)
                    )
        return tuple(related)

    # --- T2 -----------------------------------------------------------------------------------------

    async def take_back(self, valid: ValidRecall, work: Work) -> Errands:
        """Accept a status 13 (T2): one copy per recipient, as it came."""
        now = self._world.clock.now()
        submission = valid.received.submission.after(SubmissionEvent.ACCEPT)
        draft = self._register.open(submission.document)
        draft.note(now, "receipt", "recall", detail=valid.originals[0].submission.document)
        payload = submission.payload
        assert payload is not None
        planned = [self._copy_of_13(submission, valid, recipient, now) for recipient in valid.recipients]
        submission = self._register.attest(
            draft,
            submission,
            EventName.SUBMISSION_ACCEPTANCE,
            [receipt.recipient(copy) for copy in planned],
            (),
            now,
        )
        sender = self._register.parcel_sender(submission)
        forestalled = self.forestall(draft, valid.originals, submission.document, now)
        for copy in planned:
            copy = replace(copy, head=submission.head)
            if forestalled:
                done = self.withdrawn_unseen(draft, submission, copy, now)
            elif copy.payload is None:
                done = self.unserved(draft, submission, copy, now)
            else:
                done = self._register.dispatch(draft, submission, copy, sender, payload, now)
            draft.handovers.append(done)
            if copy.about is not None:
                draft.relations.append(
                    amend.relation(submission.document, copy.recipient, Business.RECALL, copy.about)
                )
        draft.work.append(
            Work(
                key=f"deadline:{submission.document}",
                kind=WorkKind.DEADLINE,
                document=submission.document,
                due_at=submission.expires_at,
            )
        )
        errands = await self._decision.commit(draft, work, submission)
        if errands is None:
            return await self._decision.decide_anew(valid.received, work)
        return errands

    def _copy_of_13(
        self, submission: Submission, valid: ValidRecall, recipient: PartyKey, now: datetime
    ) -> HandOver:
        asked = amend.to_recall(valid.originals, recipient)
        had = amend.version_of(valid.originals, recipient).of(recipient)
        party = self._world.directory.party(recipient) or Party(key=recipient, name=str(recipient), codes=())
        code = had.addressed_as if had else valid.report.about.organ
        assert submission.payload is not None
        copy = deliver.pending(
            submission.document,
            party,
            code,
            submission.payload.bare(),
            kind=Kind.STATUS,
            about=asked.about,
            asks=asked.asks,
        )
        return replace(copy, payload=None, reason=asked.reason) if asked.reason else copy

    def forestall(self, draft: Draft, originals: Sequence[Dossier], by: DocumentId, now: datetime) -> bool:
        """Refuse an original about which nothing was decided: the recall *by* was quicker.  Whether there was one."""
        late = next((one for one in originals if not amend.is_decided(one)), None)
        if late is None:
            return False
        refused = late.submission.after(SubmissionEvent.REFUSE, Reason("recalled"))
        why = reasons_with("recalled", by)
        draft.note(
            now, "validate", "refused", reason=Reason("recalled"), detail=by, document=refused.document
        )
        draft.original = self._register.attest(draft, refused, EventName.SUBMISSION_REJECTION, (), why, now)
        draft.forgets.append(f"document:{refused.document}")
        return True

    async def bring_original(self, draft: Draft, valid: Valid, copy: HandOver, now: datetime) -> None:
        """Give the recipient of *copy*, whom an update has added, the document as the others got it: a copy of its
        own, in the original's chain.  An original whose time is over can't be delivered any more."""
        party = self._world.directory.party(copy.recipient)
        for original in reversed(valid.originals):
            rendered = next((c.payload for c in original.handovers if c.payload and not c.is_quiet), None)
            is_over = now >= original.submission.expires_at
            if party is None or (rendered is None and not is_over):
                continue
            if rendered is not None and not await self._has_files(rendered):
                continue
            if is_over or rendered is None:  # what is gone from the vault was over long ago
                why = Reason("delivery-expired")
                draft.note(now, "deliver", "not-added", recipient=copy.recipient, reason=why)
                return
            submission = original.submission
            added = deliver.pending(
                submission.document, party, copy.addressed_as, rendered, head=submission.head
            )
            sender = self._register.parcel_sender(submission)
            draft.handovers.append(self._register.dispatch(draft, submission, added, sender, rendered, now))
            draft.note(
                now,
                "deliver",
                "added",
                recipient=copy.recipient,
                detail=copy.document,
                document=submission.document,
            )
            return

    async def _has_files(self, rendered: PayloadRef) -> bool:
        envelope, _ = await self._world.envelopes.read(rendered)
        return isinstance(envelope, Edoc) and bool(envelope.attachments)

    def withdrawn_unseen(
        self, draft: Draft, submission: Submission, copy: HandOver, now: datetime
    ) -> HandOver:
        """The copy of a recall that nobody needs to see: its original was taken back before anybody had it."""
        return self._end(
            draft, submission, copy, HandOverEvent.WITHDRAW, "recalled-before-delivery", copy.about or "", now
        )

    def unserved(self, draft: Draft, submission: Submission, copy: HandOver, now: datetime) -> HandOver:
        """A copy that can't be served at all."""
        reason = copy.reason or Reason("recipient-unknown")
        return self._end(draft, submission, copy, HandOverEvent.FAIL, reason, copy.about or "", now)

    def _end(
        self,
        draft: Draft,
        submission: Submission,
        copy: HandOver,
        event: HandOverEvent,
        reason: str,
        detail: str,
        now: datetime,
    ) -> HandOver:
        moved = deliver.advance(copy, event, now, Reason(reason))
        why = reasons_with(reason, detail)
        statements = [Statement(handover=moved.handover, event=proof, reasons=why) for proof in moved.proofs]
        return self._register.attest_copy(draft, submission, moved.handover, statements, now)

    # --- deliver ------------------------------------------------------------------------------------

    async def ask(self, errand: Errand, about: DocumentId) -> Errands | None:
        """Decide what becomes of a copy that asks something *about* a document; ``None``: its parcel goes out now."""
        work = errand.work
        assert work.recipient is not None
        for lost in range(TRIES):
            # The original first: an answer changes both at once, and the commit tells whether the original has moved
            # since we looked.  The other way round an answered copy could ask once more, in another's place.
            theirs = await self._world.ledger.load(about, work.recipient)
            original = theirs.of(work.recipient) if theirs else None
            mine = await self._world.ledger.load(work.document, work.recipient)
            copy = mine.of(work.recipient) if mine else None
            if mine is None or copy is None:
                return ()
            if not moves(copy.state, HandOverEvent.CONSIGN):
                return await self._decision.forget(work)
            step, reason = amend.next_step(copy, original)
            if step is Step.WITHDRAW and lost:
                step = Step.WAIT  # somebody has the original in hand, or may have brought it already
            if step is Step.WAIT:
                return await self._wait(work, copy, reason or Reason("original-in-flight"))
            if step is Step.SEND and copy.link is Link.AMQP:
                return None
            draft = self._register.open(work.document)
            now = self._world.clock.now()
            done, withdraws = self._step(draft, step, reason, mine, copy, theirs, original, now)
            change = draft.change(
                fence=self._us.fence(work), forgets=(work.key,) if done else (), withdraws=withdraws
            )
            if isinstance(await self._world.ledger.commit(change), Committed):
                draft.tell(self._world.observer)
                return draft.errands if done else None
        raise Unavailable("store-away", "a recall lost every race")

    def _step(
        self,
        draft: Draft,
        step: Step,
        reason: Reason | None,
        mine: Dossier,
        copy: HandOver,
        theirs: Dossier | None,
        original: HandOver | None,
        now: datetime,
    ) -> tuple[bool, tuple[str, ...]]:
        """Write *step* into *draft*: whether the copy is done with, and the work that is called off."""
        if step is Step.GIVE_UP:
            copy_after = self._end(
                draft, mine.submission, copy, HandOverEvent.FAIL, reason or "", copy.about or "", now
            )
            draft.handovers.append(replace(copy_after, version=copy.version + 1))
            return True, ()
        if step is Step.WITHDRAW:
            assert theirs is not None
            assert original is not None
            taken = self._end(
                draft, theirs.submission, original, HandOverEvent.WITHDRAW, "recalled", copy.document, now
            )
            draft.handovers.append(replace(taken, version=original.version + 1))
            copy_after = self.withdrawn_unseen(draft, mine.submission, copy, now)
            draft.handovers.append(replace(copy_after, version=copy.version + 1))
            return True, (f"delivery:{original.delivery}",)
        if step is Step.ASK:
            assert original is not None
            request = next_request(original.request, copy.asks)
            assert request is not None
            draft.handovers.append(
                replace(original, request=request, asked_by=copy.document, version=original.version + 1)
            )
            draft.note(now, "deliver", request, recipient=copy.recipient, document=original.document)
        if copy.link is Link.HTTP:
            sender = self._register.parcel_sender(mine.submission)
            copy_after = self._register.consign(draft, mine.submission, copy, sender, now)
            draft.handovers.append(replace(copy_after, version=copy.version + 1))
            return True, ()
        return False, ()

    async def _wait(self, work: Work, copy: HandOver, reason: Reason) -> Errands:
        if work.attempts <= 1:
            draft = self._register.open(work.document)
            now = self._world.clock.now()
            draft.note(now, "deliver", "waiting", recipient=copy.recipient, reason=reason)
            await self._world.ledger.commit(draft.change(fence=self._us.fence(work)))
        return await self._decision.put_off(work, reason)
