"""Writes decisions down: attests what they prove, addresses the receipts, and makes one ``Change`` of it.

Called by the pipeline between a stage's answer and the commit; it touches no store itself.

    draft = register.open(submission)
    submission = register.attest(draft, submission, EventName.SUBMISSION_ACCEPTANCE, (), (), now)
    await ledger.commit(draft.change(submission=submission))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.errors import Reason
from gateway.model.change import Change, Event, Fence, Postponed, Relation, Work, WorkKind
from gateway.model.document import Dossier, Header, Refusal, Submission
from gateway.model.evidence import EventName, EventReason, EvidenceParty, EvidenceRecord
from gateway.model.finding import Finding, Severity
from gateway.model.handover import HandOver, InboxItem, ItemType
from gateway.model.ids import DocumentId, OrganCode, PartyKey
from gateway.model.journey import Ask, HandOverEvent
from gateway.model.party import Link, Party, Successor
from gateway.model.payload import PayloadRef
from gateway.ports import Directory, Notary, Observer
from gateway.stages import deliver, receipt, route
from gateway.stages.receipt import Statement
from gateway.world import Errand, Us
from schemas import reasons

MOST_REASONS = 200


@dataclass(slots=True, kw_only=True)
class Draft:
    """A change in the making, and the errands that follow once it is committed."""

    document: DocumentId
    handovers: list[HandOver] = field(default_factory=list)
    items: list[InboxItem] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    evidence: list[EvidenceRecord] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    errands: list[Errand] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    original: Submission | None = None
    forgets: list[str] = field(default_factory=list)

    def note(
        self,
        at: datetime,
        stage: str,
        event: str,
        *,
        recipient: PartyKey | None = None,
        reason: Reason | None = None,
        detail: str = "",
        document: DocumentId | None = None,
    ) -> None:
        """Add a line to the timeline."""
        self.events.append(
            Event(
                document=document or self.document,
                at=at,
                stage=stage,
                event=event,
                recipient=recipient,
                reason=reason,
                detail=detail[:500],
            )
        )

    def tell(self, observer: Observer) -> None:
        """Tell *observer* which evidence was issued; call it once the change is committed."""
        for issued in self.evidence:
            observer.receipt(issued.event)

    def change(
        self,
        *,
        fence: Fence | None = None,
        submission: Submission | None = None,
        header: Header | None = None,
        postponed: tuple[Postponed, ...] = (),
        forgets: tuple[str, ...] = (),
        withdraws: tuple[str, ...] = (),
    ) -> Change:
        """The change, all or nothing."""
        return Change(
            fence=fence,
            submission=submission,
            header=header,
            handovers=tuple(self.handovers),
            items=tuple(self.items),
            events=tuple(self.events),
            evidence=tuple(self.evidence),
            work=tuple(self.work),
            postponed=postponed,
            forgets=(*forgets, *self.forgets),
            withdraws=withdraws,
            original=self.original,
            relations=tuple(self.relations),
        )


class Register:
    """Attests and addresses.  *has_room* says whether this process can take on one more errand of a sender, behind so
    many that the same draft has made: if not, new
    work is left free for whoever leases it next.  *receipts_last* is how long an inbox keeps a receipt."""

    def __init__(
        self,
        notary: Notary,
        directory: Directory,
        us: Us,
        *,
        has_room: Callable[[PartyKey, int], bool] = lambda sender, more: True,
        receipts_last: timedelta = timedelta(days=90),
    ) -> None:
        self._notary = notary
        self._directory = directory
        self._us = us
        self._has_room = has_room
        self._receipts_last = receipts_last

    def open(self, document: DocumentId) -> Draft:
        """An empty draft about *document*."""
        return Draft(document=document)

    def attest(
        self,
        draft: Draft,
        submission: Submission,
        event: EventName,
        recipients: Sequence[EvidenceParty],
        why: tuple[EventReason, ...],
        now: datetime,
    ) -> Submission:
        """Attest *event* about the submission as a whole, tell the sender, and root the chains in it."""
        sender = self._sender(submission)
        evidence = receipt.on_submission(
            submission, event, receipt.named(sender, submission.party), recipients, why, now
        )
        issued = receipt.record(evidence, self._notary.attest(evidence))
        draft.evidence.append(issued)
        self._tell(draft, issued, submission, None, None, now)
        return replace(submission, head=issued.sha256)

    def attest_copy(
        self,
        draft: Draft,
        submission: Submission,
        handover: HandOver,
        statements: Iterable[Statement],
        now: datetime,
    ) -> HandOver:
        """Attest *statements* about one copy in their order, tell the sender, and give the copy with the end
        of its chain.  Quiet copies prove nothing."""
        sender = receipt.named(self._sender(submission), submission.party)
        for statement in statements:
            copy = statement.handover
            if (copy.sequence, copy.head) != (handover.sequence, handover.head):
                copy = replace(copy, sequence=handover.sequence, head=handover.head)
            reasons = statement.reasons + self._succession(statement, now)
            positioned = Statement(handover=copy, event=statement.event, reasons=reasons)
            evidence = receipt.on_handover(submission, positioned, sender, now)
            issued = receipt.record(evidence, self._notary.attest(evidence))
            draft.evidence.append(issued)
            draft.note(
                now,
                "receipt",
                issued.event,
                recipient=handover.recipient,
                reason=issued.reason,
                detail=next((why.detail for why in positioned.reasons if why.code == route.SUCCEEDED), ""),
                document=submission.document,
            )
            self._tell(draft, issued, submission, handover.addressed_as, handover.recipient, now)
            handover = receipt.chained(handover, issued)
        return handover

    def dispatch(
        self,
        draft: Draft,
        submission: Submission,
        handover: HandOver,
        sender: OrganCode,
        body: PayloadRef,
        now: datetime,
        *,
        as_claim: bool = False,
    ) -> HandOver:
        """Send a new copy on its way: as work, or straight into the inbox.  One that asks something is work in
        any case: what it may do is decided when its turn has come."""
        if handover.link is Link.HTTP and handover.asks is Ask.NOTHING:
            return self.consign(draft, submission, handover, sender, now)
        owner = self._us.owner if self._has_room(submission.party, len(draft.errands)) else None
        work = Work(
            key=f"delivery:{handover.delivery}",
            kind=WorkKind.DELIVERY,
            document=submission.document,
            due_at=now,
            party=handover.recipient,
            recipient=handover.recipient,
            priority=submission.priority,
            attempts=1 if owner else 0,
            owner=owner,
            line=submission.party,
        )
        draft.work.append(work)
        parcel = deliver.parcel(submission, replace(handover, payload=body), sender, 1, as_claim=as_claim)
        if owner and parcel:
            known = Dossier(submission=submission, header=None, handovers=(handover,))
            draft.errands.append(Errand(work=work, parcel=parcel, known=known))
        return handover

    def consign(
        self, draft: Draft, submission: Submission, handover: HandOver, sender: OrganCode, now: datetime
    ) -> HandOver:
        """Put a copy into the inbox: it is available as soon as that is committed."""
        draft.items.append(self._item(submission, handover, sender, now))
        moved = deliver.advance(handover, HandOverEvent.CONSIGN, now)
        statements = [Statement(handover=moved.handover, event=e) for e in moved.proofs]
        return self.attest_copy(draft, submission, moved.handover, statements, now)

    def repeat(
        self,
        draft: Draft,
        submission: Submission,
        handovers: Sequence[HandOver],
        issued: Sequence[EvidenceRecord],
        now: datetime,
    ) -> None:
        """Send every receipt of *submission* again, as issued."""
        codes = {h.recipient: h.addressed_as for h in handovers}
        for one in issued:
            code = codes.get(one.recipient) if one.recipient else None
            self._tell(draft, one, submission, code, one.recipient, now)

    def parcel_sender(self, submission: Submission) -> OrganCode:
        """Whom a delivery names as its sender: the code under which the party is registered."""
        return OrganCode(str(submission.party))

    def _succession(self, statement: Statement, now: datetime) -> tuple[EventReason, ...]:
        """What the consignment of a copy that went to a successor says of it besides."""
        copy = statement.handover
        if statement.event is not EventName.CONTENT_CONSIGNMENT or copy.reason != route.SUCCEEDED:
            return ()
        found = self._directory.find(copy.addressed_as, now)
        if isinstance(found, Successor) and found.party.key == copy.recipient:
            return (route.explain(found, now),)
        # The directory says otherwise by now; what was decided stands in the copy.
        return (_reason(route.SUCCEEDED, f"{copy.addressed_as} → {copy.recipient}"),)

    def _sender(self, submission: Submission) -> Party | None:
        return self._directory.party(submission.party)

    def _tell(
        self,
        draft: Draft,
        issued: EvidenceRecord,
        submission: Submission,
        code: OrganCode | None,
        recipient: PartyKey | None,
        now: datetime,
    ) -> None:
        sender = self._sender(submission)
        if sender is None:  # struck from the directory since: the evidence stays in the store
            return
        parcel = receipt.send(issued, submission, code, sender)
        if sender.link is Link.HTTP:
            draft.items.append(
                receipt.inbox_item(parcel, submission.priority, now + self._receipts_last, now)
            )
            return
        owner = self._us.owner if self._has_room(submission.party, len(draft.errands)) else None
        work = receipt.work_for(parcel, recipient, submission.priority, now, owner)
        draft.work.append(work)
        if owner:
            draft.errands.append(Errand(work=work, parcel=parcel))

    def _item(
        self, submission: Submission, handover: HandOver, sender: OrganCode, now: datetime
    ) -> InboxItem:
        payload = handover.payload
        assert payload is not None  # a copy without bytes is refused at routing
        about = deliver.correlation(handover)
        return InboxItem(
            id=handover.delivery,
            party=handover.recipient,
            type=ItemType(handover.kind.value),
            document=submission.document,
            correlation=about,
            headers=(
                ("vanthu-document", submission.document),
                ("vanthu-sender", sender),
                ("vanthu-sha256", payload.sha256),
                ("vanthu-recipient", handover.addressed_as),
                *([("vanthu-due", str(submission.due))] if submission.due else []),
                ("vanthu-version", receipt.VERSION),
            ),
            sha256=payload.sha256,
            size=payload.size,
            payload=payload,
            evidence=None,
            priority=submission.priority,
            available_at=now,
            expires_at=deliver.expiry(handover, submission),
        )


def explain(refusal: Refusal) -> tuple[EventReason, ...]:
    """Why a document was refused: the reason first, then every other finding, in both languages."""
    found = remarks(refusal.findings)
    # A reason that is itself a finding is told once, with what the finding knows of it.
    first = [r for r in found if r.code == refusal.reason] or [_reason(refusal.reason, refusal.detail)]
    return (*first, *(r for r in found if r.code != refusal.reason))[:MOST_REASONS]


def reasons_with(reason: str, detail: str) -> tuple[EventReason, ...]:
    """One reason in both languages, with *detail*."""
    return (_reason(Reason(reason), detail),)


def remarks(findings: Iterable[Finding]) -> tuple[EventReason, ...]:
    """Findings as evidence tells them; mere information is left out."""
    told = [f for f in findings if f.severity is not Severity.INFO]
    return tuple(
        _reason(Reason(f.code), ": ".join(filter(None, (f.where, f.detail))), f.message_vi, f.message)
        for f in told[:MOST_REASONS]
    )


def _reason(code: Reason, detail: str, vi: str = "", en: str = "") -> EventReason:
    entry = reasons().get(code)
    return EventReason(
        code=code,
        detail=detail[:1000],
        message_vi=vi or (entry.vi if entry else ""),
        message_en=en or (entry.en if entry else ""),
    )
