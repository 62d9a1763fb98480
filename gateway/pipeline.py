"""Read this first: one document, seven words.

    receive → validate → sign → route → transform → deliver → receipt

Each method asks a port, hands the answer to a stage of the same name, and commits what the stage decided.
A document without trouble commits three times:

* **T1** (``receive``): the bytes are in the vault, the submission is registered; now it may be acknowledged.
* **T2** (``dispatch``): decided.  Hand-overs, the acceptance's evidence and the parcels exist.
* **T3** (``deliver``): the outlet has answered.  The hand-over has its state, the sender its receipt.

Every step may run twice and changes nothing the second time: a change names the versions it expects, and
a stale one is dropped, because somebody else has made it.  What is to be done next comes back as errands,
which ``gateway.worker`` runs at once; if it dies, another finds the same work in the ledger.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.amendments import Amendments
from gateway.answers import Answers
from gateway.copies import Copies
from gateway.decision import Decision, header_of
from gateway.door import Doorkeeper
from gateway.errors import Reason, Refused, Unavailable
from gateway.model.change import Change, Known, Stale, Work, WorkKind
from gateway.model.document import (
    Dossier,
    Examined,
    Outbound,
    Received,
    Refusal,
    Routed,
    RouteRefusal,
    Signed,
    Submission,
    Valid,
    ValidAnswer,
    ValidRecall,
    ValidStatus,
    Waiting,
)
from gateway.model.envelope import Business, DocumentReference, Edoc, Priority, StatusReport
from gateway.model.evidence import EventName
from gateway.model.handover import Delivery, HandOver, Receipt
from gateway.model.ids import ClientId, DocumentId, EvidenceId, PartyKey
from gateway.model.journey import Ask, HandOverEvent, SubmissionEvent
from gateway.model.party import Link
from gateway.model.policy import Policy
from gateway.model.signature import Sealed
from gateway.model.submission import Arrival, Door, Ticket
from gateway.register import Draft, Register, explain, remarks
from gateway.resumption import Resumption
from gateway.stages import amend, deliver, receipt, receive, route, sign, transform, validate
from gateway.stages.receipt import Statement
from gateway.world import TRIES, Errand, Errands, Us, World, by_turns


async def all_may_hurry(party: PartyKey) -> bool:
    """Nobody counts what is urgent."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What becomes of a suspect: it is ``settled`` for now, with these errands; else it is tried, ``is_alone`` or
    beside others."""

    settled: Errands | None = None
    is_alone: bool = False


class Pipeline:
    """The way of one document.  Holds no state of its own; any process may take any step."""

    def __init__(self, world: World, register: Register, policy: Policy, us: Us) -> None:
        self._world = world
        self._register = register
        self._policy = policy
        self._us = us
        self._door = Doorkeeper(world, register, policy, us)
        self._decision = Decision(world, register, policy, us)
        self._copies = Copies(world, register, self._decision, us)
        self._amendments = Amendments(world, register, self._decision, us)
        self._answers = Answers(world, register, self._decision, self._copies)
        self._resumption = Resumption(world, register, policy, us)

    # --- 1 receive ----------------------------------------------------------------------------------

    async def receive(
        self, arrival: Arrival, may_hurry: Callable[[PartyKey], Awaitable[bool]] = all_may_hurry
    ) -> tuple[Ticket, Errands]:
        """Know who sends, look at the header, keep the bytes, register (T1).

        *may_hurry* is asked for each urgent document that did not come by the urgent lane, where it was asked before,
        whether its party's quota has room for it; what is beyond counts as ordinary.  The ticket is durable.  Raises ``Unavailable`` where nothing could be stored.
        """
        now = self._world.clock.now()
        directory = self._world.directory
        client = directory.client(arrival.client or ClientId(""))
        named = directory.find(arrival.claimed, now)
        claimed = receive.speaker(named, directory.party(PartyKey(arrival.claimed)))
        admitted = receive.admit(arrival, client, claimed, self._policy, now)
        if isinstance(admitted, receive.Turned):
            return await self._door.turn_away(arrival, admitted.party, admitted.refusal, uses_id=False)
        party = admitted.party
        if arrival.is_dead_letter and await self._door.died_too_often(arrival, party.key):
            return await self._door.turn_away(arrival, party, _because("poison"), uses_id=True)

        try:
            marks = await self._door.peek(arrival)
        except Unavailable as away:
            if away.reason != "payload-missing":
                raise
            # a claim whose bytes are gone; what was taken in before is remembered longer
            return await self._door.turn_away(arrival, party, _because("content-purged"), uses_id=False)
        if isinstance(marks, Refusal):
            return await self._door.turn_away(arrival, party, marks, uses_id=True)
        secret = receive.screen(marks, self._policy.acceptance)
        if secret is not None:
            return await self._door.turn_away(arrival, party, secret, uses_id=True, kind=marks.kind)
        signs = receive.speaker(directory.find(marks.sender, now), directory.party(PartyKey(marks.sender)))
        mismatch = receive.identify(marks, signs, admitted, arrival.routed_as)
        mismatch = mismatch or receive.may_speak(marks.kind, named, party)
        if mismatch is not None:
            return await self._door.turn_away(arrival, party, mismatch, uses_id=False, kind=marks.kind)

        if arrival.payload.body is not None:
            await self._world.vault.put(arrival.payload)
        priority = receive.urgency(arrival, marks)
        if priority.is_urgent and not arrival.is_urgent and not await may_hurry(party.key):
            priority = Priority.ORDINARY
        submission = receive.register(
            arrival,
            admitted,
            marks,
            realm=self._us.realm,
            document=self._world.ids.document(),
            priority=priority,
            now=now,
        )
        work = Work(
            key=f"document:{submission.document}",
            kind=WorkKind.DOCUMENT,
            document=submission.document,
            due_at=now,
            priority=submission.priority,
            attempts=1,
            owner=self._us.owner,
            line=party.key,
        )
        draft = self._register.open(submission.document)
        draft.work.append(work)
        draft.note(now, "receive", "received", detail=f"{submission.size} bytes")
        outcome = await self._world.ledger.commit(draft.change(submission=submission))  # T1
        if isinstance(outcome, Known):
            return await self._door.known(arrival, party, outcome, marks.kind)
        self._world.observer.document("received", submission.document)
        ticket = Ticket(
            door=Door.ACCEPTED,
            document=submission.document,
            state=submission.state,
            received_at=now,
        )
        errand = Errand(
            work=work,
            received=Received(submission=submission, sender=party),
            lane_is_urgent=arrival.is_urgent,
        )
        return ticket, (errand,)

    def screen(self, head: bytes) -> None:
        """Refuse an upload that carries a secrecy mark before it is stored (``Intake.screen``)."""
        marks = self._world.envelopes.peek(head, is_whole=False)
        secret = receive.screen(marks, self._policy.acceptance)
        if secret is not None:
            raise Refused(secret.reason, secret.detail)

    # --- the way from T1 to T2 ----------------------------------------------------------------------

    async def carry(self, errand: Errand) -> Errands:
        """validate → sign → route → transform, then T2: accepted, refused, or waiting."""
        received = errand.received
        assert received is not None  # resume() fills it in
        document = received.submission.document
        stage = self._world.observer.stage
        valid: Valid | ValidStatus | ValidAnswer | ValidRecall | Refusal | Waiting | None = None
        try:
            if self._world.directory.party(received.sender.key) is None:
                return await self._decision.refuse(received, errand.work, _because("party-unknown"))
            with stage("validate", document):
                valid = await self.validate(received, errand.lane_is_urgent)
            if isinstance(valid, Refusal):
                return await self._decision.refuse(received, errand.work, valid)
            if isinstance(valid, Waiting):
                return await self._decision.wait_for_original(received, errand.work, valid)
            if isinstance(valid, ValidStatus):
                return await self._copies.report(valid, errand.work)
            if isinstance(valid, ValidAnswer):
                return await self._answers.answer(valid, errand.work)
            if isinstance(valid, ValidRecall):
                return await self._amendments.take_back(valid, errand.work)
            with stage("sign", document):
                signed = await self.sign(valid)
            with stage("route", document):
                routed = self.route(signed)
            with stage("transform", document):
                outbound = await self.transform(routed)
            with stage("dispatch", document):
                return await self.dispatch(outbound, errand.work)
        except Refused as refused:
            refusal = Refusal(reason=refused.reason, detail=refused.detail)
            return await self._decision.refuse(received, errand.work, refusal)
        except Unavailable as away:
            known = valid.edoc if isinstance(valid, Valid) else None
            return await self._decision.wait(received, errand.work, away, known)

    async def weigh(self, suspect: Errand) -> Weighed:
        """Before a suspect is tried again: count one more life that ended with it in hand.

        What waited in good order was no death: each such wait wrote one version.  The first death proves nothing,
        because others were in hand as well.  After each further one the document rests, then it is tried alone;
        one that has ended ``patience.deaths`` lives of its own is poison.
        """
        work, received = suspect.work, suspect.received
        assert received is not None  # else it is none
        waits = received.submission.version - 1
        deaths = await self._world.lives.died(work.key, first=waits + 1) - waits
        if deaths > self._policy.patience.deaths:
            return Weighed(settled=await self._decision.refuse(received, work, _because("poison")))
        if work.sure < deaths - 1:
            return Weighed(settled=await self._decision.rest(received, work, deaths))
        return Weighed(is_alone=deaths > 1)

    # --- 2 validate ---------------------------------------------------------------------------------

    async def validate(
        self, received: Received, lane_is_urgent: bool | None
    ) -> Valid | ValidStatus | ValidAnswer | ValidRecall | Refusal | Waiting:
        """Read the envelope, open every attachment that is or claims to be a PDF, judge."""
        submission = received.submission
        if submission.payload is None:
            raise Unavailable("payload-missing")
        still = await self._amendments.still_waits(received)
        if still is not None:
            return still
        envelope, findings = await self._world.envelopes.read(submission.payload)
        read = validate.read_envelope(envelope, findings)
        if isinstance(read, Refusal):
            return read
        if isinstance(read, StatusReport):
            return await self._match(received, read)
        if len(read.recipients) > self._policy.limits.recipients:
            return _because("rule-broken", f"{len(read.recipients)} recipients")
        originals: tuple[Dossier, ...] = ()
        if read.business is not Business.NEW:
            meant = await self._amendments.originals(received, read)
            if isinstance(meant, Waiting):
                return self._amendments.await_original(received, read, meant)
            if isinstance(meant, Refusal):
                return replace(meant, edoc=read)
            originals, findings = meant[0], findings + meant[1]
        else:
            found = await self._world.ledger.namesakes(read.reference)
            findings += amend.repeated(submission.document, found)
        examined = await self._examine(received, read)
        verdict = validate.judge(
            received,
            read,
            examined,
            findings,
            self._policy.acceptance,
            lane_is_urgent=lane_is_urgent,
            originals=originals,
        )
        return replace(verdict, edoc=read) if isinstance(verdict, Refusal) else verdict

    async def _examine(self, received: Received, edoc: Edoc) -> Sequence[Examined]:
        examined = []
        for index, attachment in enumerate(edoc.attachments):
            if validate.needs_inspection(attachment):
                inspection = await self._world.inspector.judge(
                    attachment.payload,
                    self._policy.acceptance,
                    share=received.sender.key,
                    priority=received.submission.priority,
                    name=attachment.name,
                )
                examined.append(Examined(index=index, inspection=inspection))
        return examined

    async def _match(
        self, received: Received, report: StatusReport
    ) -> ValidStatus | ValidAnswer | ValidRecall | Refusal | Waiting:
        if report.code.strip() == amend.RECALL:
            if not report.description.strip():
                return _because("status-reason-missing")
            return await self._amendments.recalled(received, report)
        reporter = received.submission.party
        answer = amend.answer_of(report)
        if answer is not None:
            return await self._answers.match(received, report, answer, await self._named(reporter, report))
        status = validate.read_status(report)
        if isinstance(status, Refusal):
            return status
        matched = validate.match(received, report, await self._named(reporter, report))
        for holder in self._world.directory.predecessors(reporter, self._world.clock.now()):
            # Who has the duties of a merged party reports on what that one had.
            if not isinstance(matched, Refusal) or matched.reason != "document-unknown":
                break
            matched = validate.match(received, report, await self._named(holder, report), holder)
        if isinstance(matched, Refusal):
            return matched
        return validate.possible(matched.handover, status) or matched

    async def _named(self, reporter: PartyKey, report: StatusReport) -> list[Dossier]:
        """The documents that *report* may name and of which *reporter* had a copy, oldest first."""
        about = report.about.canonical()
        # Our own id, which every delivery carries, names one document and no other.
        ours = await self._world.ledger.load(DocumentId(about.official_id), reporter)
        if ours is not None and ours.of(reporter) is not None:
            return [ours]
        names: dict[DocumentId, None] = {}
        for spelling in self._spellings(about):
            names.update(dict.fromkeys(await self._world.ledger.find(spelling, reporter)))
        loaded = [await self._world.ledger.load(name, reporter) for name in [*names][:10]]
        found = [dossier for dossier in loaded if dossier is not None]
        return sorted(found, key=lambda d: (d.submission.received_at, d.submission.document))

    def _spellings(self, about: DocumentReference) -> Sequence[DocumentReference]:
        """*about* under every code of the sender that it names: its document may bear the one form, and the
        reporter's system know it by the other."""
        named = self._world.directory.find(about.organ, self._world.clock.now())
        codes = route.codes_of(about.organ, named, self._world.directory.party(PartyKey(about.organ)))
        return [replace(about, organ=code) for code in codes]

    # --- 3 sign -------------------------------------------------------------------------------------

    async def sign(self, valid: Valid) -> Signed:
        """Put the agency's seal on every PDF that the policy says needs it."""
        seal = await self._world.sealer.find_seal(valid.received.sender.key)
        sealed: list[tuple[int, Sealed]] = []
        for wanted in sign.orders(valid, seal, self._policy.acceptance):
            payload = valid.edoc.attachments[wanted.index].payload
            done = await self._world.sealer.seal(payload, wanted.order)
            if done.was_odd:
                await self._judge_again(valid, wanted.index, done)
            sealed.append((wanted.index, done))
        return Signed(valid=valid, sealed=tuple(sealed))

    async def _judge_again(self, valid: Valid, index: int, done: Sealed) -> None:
        """The whole judge looks at a seal on a file that strict readers refuse.  Raises ``Refused``."""
        before = next((one.inspection for one in valid.examined if one.index == index), None)
        after = await self._world.inspector.judge(
            done.payload,
            self._policy.acceptance,
            share=valid.received.sender.key,
            priority=valid.received.submission.priority,
            name=valid.edoc.attachments[index].name,
        )
        if why := sign.unsound(before, after, done.seal):
            raise Refused("seal-unsound", why)

    # --- 4 route ------------------------------------------------------------------------------------

    def route(self, signed: Signed) -> Routed:
        """Ask the directory whom each recipient code names now."""
        now = self._world.clock.now()
        recipients = amend.addressed(signed.valid.edoc)
        found = [(organ, self._world.directory.find(organ.code, now)) for organ in recipients]
        return route.choose(signed, found)

    # --- 5 transform --------------------------------------------------------------------------------

    async def transform(self, routed: Routed) -> Outbound:
        """Render once for all recipients: our TraceHeader appended, sealed attachments in place."""
        valid = routed.signed.valid
        rendered = await self._world.envelopes.render(
            valid.edoc,
            hop=self._us.organ,
            at=valid.received.submission.received_at,
            sealed=transform.replacements(routed.signed),
        )
        return transform.wrap(route.fit(routed, rendered.size), rendered)

    # --- T2 -----------------------------------------------------------------------------------------

    async def dispatch(self, outbound: Outbound, work: Work) -> Errands:
        """Commit the decision (T2): copies, evidence and parcels.  Parcels go once it is durable."""
        if outbound.rendered.body is not None:
            await self._world.vault.put(outbound.rendered)
        now = self._world.clock.now()
        valid = outbound.routed.signed.valid
        accepted = valid.received.submission.after(SubmissionEvent.ACCEPT)
        submission = replace(accepted, due=valid.edoc.due)
        draft = self._register.open(submission.document)
        draft.note(
            now,
            "transform",
            "accepted",
            detail=f"{len(outbound.routed.signed.sealed)} sealed, {len(outbound.routed.routes)} routed",
        )
        planned = deliver.plan(outbound)
        turned = {refusal.addressed_as: refusal for refusal in outbound.routed.refusals}
        submission = self._register.attest(
            draft,
            submission,
            EventName.SUBMISSION_ACCEPTANCE,
            [receipt.recipient(handover) for handover in planned],
            remarks((*valid.findings, *amend.remarks(valid, outbound.routed.routes))),
            now,
        )
        queues = sum(1 for h in planned if h.link is Link.AMQP)
        as_claim = deliver.travels_as_claim(queues, self._policy)
        sender = self._register.parcel_sender(submission)
        draft.relations += self._amendments.relations(valid, planned)
        forestalled = self._amendments.forestall(draft, valid.originals, submission.document, now)
        for copy in planned:
            handover = replace(copy, head=submission.head)
            if forestalled:
                draft.handovers.append(self._amendments.withdrawn_unseen(draft, submission, handover, now))
                continue
            if handover.payload is None:
                refusal = turned.get(handover.addressed_as)
                draft.handovers.append(self._unserved(draft, submission, handover, refusal, now))
                continue
            if amend.needs_original(valid, handover):
                await self._amendments.bring_original(draft, valid, handover, now)
            draft.handovers.append(
                self._register.dispatch(
                    draft, submission, handover, sender, outbound.rendered, now, as_claim=as_claim
                )
            )
        draft.work.append(
            Work(
                key=f"deadline:{submission.document}",
                kind=WorkKind.DEADLINE,
                document=submission.document,
                due_at=submission.expires_at,
            )
        )
        header = header_of(valid.received, valid.edoc)
        errands = await self._decision.commit(draft, work, submission, header)
        if errands is None and valid.originals:
            return await self._decision.decide_anew(valid.received, work)
        return by_turns(errands or ())

    def _unserved(
        self,
        draft: Draft,
        submission: Submission,
        handover: HandOver,
        refusal: RouteRefusal | None,
        now: datetime,
    ) -> HandOver:
        if refusal is None:
            return self._amendments.unserved(draft, submission, handover, now)
        moved = deliver.advance(handover, HandOverEvent.FAIL, now)
        why = explain(Refusal(reason=refusal.reason, detail=refusal.detail))
        if refusal.succession is not None:
            why = (*why, route.explain(refusal.succession, now))
        statements = [Statement(handover=moved.handover, event=event, reasons=why) for event in moved.proofs]
        return self._register.attest_copy(draft, submission, moved.handover, statements, now)

    # --- 6 deliver ----------------------------------------------------------------------------------

    async def deliver(self, errand: Errand) -> Errands:
        """Hand one copy to its outlet, then commit what became of it (T3)."""
        delivery = errand.parcel
        assert isinstance(delivery, Delivery)
        copy = errand.known.of(delivery.party) if errand.known else None
        if copy is not None and copy.generation > 1:
            done = await self._copies.bring_again(errand, copy)
            if done is not None:
                return done
        if copy is not None and copy.asks is not Ask.NOTHING and copy.about is not None:
            done = await self._amendments.ask(errand, copy.about)
            if done is not None:
                return done
        with self._world.observer.stage("deliver", delivery.document):
            result = await self._world.outlet.hand_over(delivery)
        self._world.observer.hand_over(delivery.document, Link.AMQP, result.handed, result.reason or "")
        dossier = errand.known
        for _ in range(TRIES):
            dossier = dossier or await self._world.ledger.load(delivery.document, delivery.party)
            handover = dossier.of(delivery.party) if dossier else None
            if dossier is None or handover is None:
                return ()
            if handover.delivery != delivery.id:
                # It came back dead before we heard that it was taken, and an operator had it brought again: what we
                # know is of the delivery before.
                return await self._decision.forget(errand.work)
            now = self._world.clock.now()
            moved = deliver.settle(handover, result, dossier.submission, now)
            if moved is None:
                return await self.put_off(errand.work, result.reason, is_sure=result.is_sure)
            draft = self._register.open(delivery.document)
            self._copies.settle(draft, dossier.submission, handover, moved, now)
            change = draft.change(fence=self._us.fence(errand.work), forgets=(errand.work.key,))
            if not isinstance(await self._world.ledger.commit(change), Stale):  # T3
                draft.tell(self._world.observer)
                return draft.errands
            dossier = None  # somebody was quicker: look again
        raise Unavailable("store-away", "a hand-over lost every race")

    async def undeliverable(
        self, document: DocumentId, recipient: PartyKey, delivery: str, cause: str
    ) -> Errands:
        """A copy came back as a dead letter (``Intake.undeliverable``)."""
        return await self._copies.undeliverable(document, recipient, delivery, cause)

    async def untaken(self, document: DocumentId, evidence: EvidenceId, cause: str) -> None:
        """A receipt came back as a dead letter (``Intake.untaken``)."""
        await self._copies.untaken(document, evidence, cause)

    async def put_off(self, work: Work, reason: Reason | None, *, is_sure: bool = False) -> Errands:
        """Leave *work* to whoever leases it after the back-off."""
        return await self._decision.put_off(work, reason, is_sure=is_sure)

    async def leave(self, errand: Errand, reason: Reason) -> Errands:
        """Leave *errand* to a later lease, because what it needed (the store, as a rule) was away.  A document
        waits then, visibly, and is no suspect; what our own mistakes broke is put off and counts.  One whose time
        is over is refused instead: then its receipt is to be brought."""
        received = errand.received
        if errand.work.kind is WorkKind.DOCUMENT and reason != "internal":
            again = await self.resume(errand.work) if received is None else errand
            if again is None or again.received is None:
                return ()
            return await self._decision.wait(again.received, errand.work, Unavailable(reason))
        return await self.put_off(errand.work, reason)

    # --- 7 receipt ----------------------------------------------------------------------------------

    async def receipt(self, errand: Errand) -> Errands:
        """Bring one piece of evidence to the sender; the evidence itself is durable already.

        To strike the work off is an errand of its own: it needs no place at the outlet.
        """
        if errand.is_brought:
            tidied = Change(fence=self._us.fence(errand.work), forgets=(errand.work.key,))
            await self._world.ledger.commit(tidied)
            return ()
        parcel = errand.parcel
        assert isinstance(parcel, Receipt)
        with self._world.observer.stage("receipt", parcel.document):
            result = await self._world.outlet.hand_over(parcel)
        if result.handed is result.handed.NOT_NOW:
            return await self.put_off(errand.work, result.reason, is_sure=result.is_sure)
        return (replace(errand, is_brought=True),)

    # --- work that another life left behind, or that is due -----------------------------------------

    async def run(self, errand: Errand) -> Errands:
        """Do one errand; what comes back is to be done next."""
        match errand.work.kind:
            case WorkKind.DOCUMENT:
                return await self.carry(errand)
            case WorkKind.DELIVERY:
                return await self.deliver(errand)
            case WorkKind.RECEIPT:
                return await self.receipt(errand)
            case WorkKind.DEADLINE:
                return await self._copies.deadline(errand)

    async def resume(self, work: Work) -> Errand | None:
        """An errand for leased *work*, read again from the ledger; ``None`` where it is done already."""
        return await self._resumption.errand(work)

    async def broken(self, errand: Errand) -> Errands:
        """The errand raised what it must not.  It is tried again; a document ``patience.deaths`` times in all."""
        received, work = errand.received, errand.work
        if received is None:
            return await self.put_off(work, Reason("internal"))
        if await self._world.lives.died(f"broken:{work.key}") >= self._policy.patience.deaths:
            return await self._decision.refuse(received, work, _because("poison"))
        return await self._decision.wait(received, work, Unavailable("internal"))


def _because(reason: str, detail: str = "") -> Refusal:
    return Refusal(reason=Reason(reason), detail=detail)
