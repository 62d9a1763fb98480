"""Twins of ``Ledger``, ``Lives``, ``Inboxes``, ``Records`` and ``Watch``: one store in dictionaries, with one clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from adapters.memory.disposal import MemoryDisposal
from adapters.memory.log import MemoryLog
from adapters.memory.usage import MemoryUsage
from gateway.errors import Reason
from gateway.model.change import (
    PROBES,
    AuditEntry,
    Change,
    Committed,
    Event,
    Known,
    Outcome,
    Relation,
    Stale,
    Work,
    WorkKind,
    is_of_a_recipient,
    line_to,
)
from gateway.model.dead import DeadLetter, Place, Wanted
from gateway.model.document import Dossier, Header, Namesake, Submission
from gateway.model.envelope import Business, DocumentReference
from gateway.model.evidence import EvidenceRecord
from gateway.model.handover import HandOver, InboxItem
from gateway.model.ids import DocumentId, EvidenceId, Owner, PartyKey, normalised
from gateway.model.journey import DEAD_HANDOVERS, FINAL_SUBMISSIONS, HandOverState, SubmissionState
from gateway.model.retention import DataClass
from gateway.model.stuck import Page, Stray, Undone
from gateway.ports import Clock

MOST_FOUND = 100
MOST_NAMESAKES = 10
_NEVER_HAD = (HandOverState.FAILED, HandOverState.WITHDRAWN)


class MemoryStore:
    """All these ports in one object, so that a change is seen by all of them at once.

    ``ledger``, ``lives``, ``inboxes``, ``records`` and ``watch`` are this object under the names that the store in SQL
    uses, too; ``usage``, ``disposal``, ``log`` and ``log_records`` are twins of their own beside it.  *kept*: how long each data
    class is.
    """

    def __init__(self, clock: Clock, kept: Mapping[DataClass, timedelta] | None = None) -> None:
        self._clock = clock
        self._submissions: dict[DocumentId, Submission] = {}
        self._identities: dict[tuple[str, ...], DocumentId] = {}
        self._headers: dict[DocumentId, Header] = {}
        self._handovers: dict[DocumentId, dict[PartyKey, HandOver]] = {}
        self._items: dict[PartyKey, dict[str, InboxItem]] = {}
        self._events: dict[DocumentId, list[Event]] = {}
        self._evidence: dict[EvidenceId, EvidenceRecord] = {}
        self._issued: dict[DocumentId, list[EvidenceRecord]] = {}
        self._work: dict[str, Work] = {}
        self._reasons: dict[str, Reason | None] = {}  # why work was postponed last
        self._sure: dict[str, int] = {}  # how many attempts at a piece of work surely brought nothing
        self._relations: dict[Relation, None] = {}
        self._alive_until: dict[Owner, datetime] = {}
        self._deaths: dict[str, int] = {}
        self._audit: list[AuditEntry] = []
        self.ledger = self.lives = self.inboxes = self.records = self.dead = self.watch = self
        self.usage = MemoryUsage(clock=clock, work=self._work)
        self.disposal = MemoryDisposal(
            kept=kept or {},
            submissions=self._submissions,
            headers=self._headers,
            handovers=self._handovers,
            items=self._items,
            work=self._work,
            deaths=self._deaths,
            is_alive=lambda owner: self._is_alive(owner, clock.now()),
        )
        self.log = self.log_records = MemoryLog(
            self._evidence, lambda owner: self._is_alive(owner, clock.now())
        )

    async def check(self) -> str:
        """``ok``."""
        return "ok"

    async def close(self) -> None:
        """Nothing is lost but the object."""

    # --- Ledger -------------------------------------------------------------------------------------

    async def load(self, document: DocumentId, recipient: PartyKey | None = None) -> Dossier | None:
        """``Ledger.load``."""
        submission = self._submissions.get(document)
        if submission is None:
            return None
        copies = self._handovers.get(document, {})
        handovers = tuple(copies[key] for key in sorted(copies) if recipient in (None, key))
        return Dossier(submission=submission, header=self._headers.get(document), handovers=handovers)

    async def commit(self, change: Change) -> Outcome:
        """``Ledger.commit``."""
        new = change.submission
        if new is not None and new.version == 1:
            document = self._identities.get(_identity(new))
            if document is not None:
                known = self._submissions[document]
                return Known(document=document, sha256=known.sha256, state=known.state)
        if not self._holds(change):
            return Stale()
        self._write(change)
        return Committed()

    async def lease(
        self,
        owner: Owner,
        limit: int,
        kinds: frozenset[WorkKind] = frozenset(WorkKind),
        *,
        sated: frozenset[str] = frozenset(),
    ) -> Sequence[Work]:
        """``Ledger.lease``."""
        if limit <= 0 or not kinds:
            return ()
        now = self._clock.now()
        for holder in {work.owner for work in self._work.values() if work.owner}:
            if not self._is_alive(holder, now):
                self._release(holder)
        if not self._is_alive(owner, now):
            return []
        hurried: dict[PartyKey | None, int] = {}
        for w in self._work.values():
            if (
                w.kind is WorkKind.DELIVERY
                and w.priority.is_urgent
                and self._reasons.get(w.key) == "queue-full"
            ):
                hurried[w.party] = max(w.priority, hurried.get(w.party, 0))
        due = [
            w
            for w in self._work.values()
            if w.owner is None
            and w.due_at <= now
            and w.kind in kinds
            and w.line not in sated
            and (w.kind is not WorkKind.DELIVERY or w.priority >= hurried.get(w.party, 0))
        ]
        due.sort(key=lambda w: (-w.priority, w.due_at, w.key))
        passed: dict[tuple[int, str], int] = {}
        turns: list[tuple[int, int, Work]] = []
        for w in due:
            turn = passed[w.priority, w.line] = passed.get((w.priority, w.line), 0) + 1
            if turn <= PROBES or not is_of_a_recipient(w.line):
                turns.append((-w.priority, turn, w))
        turns.sort(key=lambda t: t[:2])  # stable: within a turn the longest due first
        leased = [
            replace(w, owner=owner, attempts=w.attempts + 1, sure=self._sure.get(w.key, 0))
            for _, _, w in turns[:limit]
        ]
        self._work.update({work.key: work for work in leased})
        return leased

    async def find(self, reference: DocumentReference, recipient: PartyKey) -> Sequence[DocumentId]:
        """``Ledger.find``."""
        found = [
            self._submissions[document]
            for document, header in self._headers.items()
            if reference.organ == header.reference.organ
            and _may_mean(reference, header.reference)
            and header.business is not Business.RECALL
            and (copy := self._handovers.get(document, {}).get(recipient)) is not None
            and copy.state not in _NEVER_HAD
            and document in self._submissions
        ]
        found.sort(key=lambda s: (s.received_at, s.document))
        return [submission.document for submission in found[:MOST_FOUND]]

    async def namesakes(self, reference: DocumentReference) -> Sequence[Namesake]:
        """``Ledger.namesakes``."""
        found = []
        for document in sorted(self._headers):
            header, submission = self._headers[document], self._submissions.get(document)
            named = header.reference
            same_id = bool(named.official_id) and named.official_id == reference.official_id
            same_year = _year(named) == _year(reference) is not None
            same_code = bool(named.code) and named.code == reference.code and same_year
            if (
                named.organ == reference.organ
                and (same_id or same_code)
                and header.business is not Business.RECALL
                and submission is not None
                and submission.state is not SubmissionState.REFUSED
            ):
                found.append(Namesake(document=document, same_id=same_id, same_code=same_code))
        return found[:MOST_NAMESAKES]

    async def originals(
        self, reference: DocumentReference, senders: Sequence[PartyKey]
    ) -> Sequence[DocumentId]:
        """``Ledger.originals``."""
        found = [
            submission
            for document, header in self._headers.items()
            if _may_mean(reference, header.reference)
            and header.business is not Business.RECALL
            and (submission := self._submissions.get(document)) is not None
            and submission.party in senders
            and submission.state is not SubmissionState.REFUSED
        ]
        found.sort(key=lambda s: (s.received_at, s.document))
        return [submission.document for submission in found[:MOST_FOUND]]

    # --- Lives --------------------------------------------------------------------------------------

    async def beat(self, owner: Owner, lasting: timedelta) -> None:
        """``Lives.beat``.  A beat after the end of its life begins a new one, without the old one's work."""
        now = self._clock.now()
        if not self._is_alive(owner, now):
            self._release(owner)
        self._alive_until[owner] = now + lasting

    async def bury(self, owner: Owner) -> None:
        """``Lives.bury``."""
        self._alive_until.pop(owner, None)
        self._release(owner)

    async def died(self, key: str, *, first: int = 1) -> int:
        """``Lives.died``."""
        self._deaths[key] = self._deaths[key] + 1 if key in self._deaths else first
        self.disposal.died_at[key] = self._clock.now()
        return self._deaths[key]

    # --- Inboxes ------------------------------------------------------------------------------------

    async def peek(self, party: PartyKey, limit: int) -> Sequence[InboxItem]:
        """``Inboxes.peek``."""
        now = self._clock.now()
        waiting = [
            i for i in self._items.get(party, {}).values() if i.taken_at is None and i.expires_at > now
        ]
        waiting.sort(key=lambda i: (-i.priority, i.available_at, i.id))
        return waiting[: max(limit, 0)]

    async def item(self, party: PartyKey, item: str) -> InboxItem | None:
        """``Inboxes.item``."""
        found = self._items.get(party, {}).get(item)
        if found is None or found.locked_until is None or found.locked_until > self._clock.now():
            return found
        return replace(found, locked_until=None)

    async def lock(self, party: PartyKey, item: str, lock: str, lasting: timedelta) -> InboxItem | None:
        """``Inboxes.lock``.  The lock that holds may be taken again, for longer.  Counts as a version."""
        found = self._items.get(party, {}).get(item)
        now = self._clock.now()
        if found is None or found.taken_at is not None:
            return None
        if found.locked_until is not None and found.locked_until > now and found.lock != lock:
            return None
        held = replace(found, lock=lock, locked_until=now + lasting, version=found.version + 1)
        self._items[party][item] = held
        return held

    # --- Records ------------------------------------------------------------------------------------

    async def timeline(self, document: DocumentId) -> Sequence[Event]:
        """``Records.timeline``; events of one instant in the order in which they were written."""
        return sorted(self._events.get(document, []), key=lambda event: event.at)

    async def evidence(self, document: DocumentId) -> Sequence[EvidenceRecord]:
        """``Records.evidence``."""
        return sorted(
            self._issued.get(document, []),
            key=lambda e: (e.recipient is not None, e.recipient or "", e.sequence),
        )

    async def one_evidence(self, evidence: EvidenceId) -> EvidenceRecord | None:
        """``Records.one_evidence``; ``None`` where there is none."""
        return self._evidence.get(evidence)

    async def relations(self, document: DocumentId) -> Sequence[Relation]:
        """``Records.relations``."""
        found = [r for r in self._relations if document in (r.document, r.other)]
        return sorted(found, key=lambda r: (r.document, r.recipient, r.business, r.other))

    async def search(self, text: str, limit: int = 20) -> Sequence[DocumentId]:
        """``Records.search``."""
        if not text.strip():
            return ()
        found = [s for s in self._submissions.values() if text in (s.document, s.message_id)]
        for document, header in self._headers.items():
            names = (header.reference.official_id, header.reference.code)
            submission = self._submissions.get(document)
            if normalised(text) in names and submission is not None and submission not in found:
                found.append(submission)
        found.sort(key=lambda s: (s.received_at, s.document), reverse=True)
        return [submission.document for submission in found[: max(limit, 0)]]

    async def copies(self, recipient: PartyKey, limit: int = 100) -> Sequence[tuple[Dossier, HandOver]]:
        """The copies of *recipient*, newest first, each with its document."""
        found = []
        for document in sorted(self._handovers, reverse=True):
            copy = self._handovers[document].get(recipient)
            submission = self._submissions.get(document)
            if copy is not None and submission is not None:
                header = self._headers.get(document)
                found.append((Dossier(submission=submission, header=header, handovers=(copy,)), copy))
        return found[: max(limit, 0)]

    async def waiting(self) -> Mapping[str, int]:
        """``Records.waiting``; every kind is named."""
        kinds = [work.kind for work in self._work.values()]
        counts = {kind.value: kinds.count(kind) for kind in WorkKind}
        waiting = [s for s in self._submissions.values() if s.state is SubmissionState.WAITING]
        return counts | {"waiting": len(waiting)}

    async def leased(self) -> Mapping[Owner, int]:
        """``Records.leased``."""
        return Counter(work.owner for work in self._work.values() if work.owner is not None)

    async def note(self, entry: AuditEntry) -> None:
        """``Records.note``."""
        self._audit.append(entry)

    async def notes(self, limit: int = 100) -> Sequence[AuditEntry]:
        """``Records.notes``; the latest is the one noted last."""
        return self._audit[::-1][: max(limit, 0)]

    # --- DeadLetters --------------------------------------------------------------------------------

    async def dead_copies(
        self, wanted: Wanted, after: Place | None, limit: int, newest_first: bool = False
    ) -> Sequence[DeadLetter]:
        """``DeadLetters.dead_copies``."""
        found = [
            self._dead(document, copy)
            for document, copies in self._handovers.items()
            for copy in copies.values()
            if copy.state in DEAD_HANDOVERS and document in self._submissions
        ]
        meant = [
            letter
            for letter in found
            if (copy := letter.copy)
            and (not wanted.recipients or {copy.recipient, copy.addressed_as} & set(wanted.recipients))
            and _is_meant(letter, wanted)
        ]
        return _page(meant, after, limit, newest_first)

    async def dead_submissions(
        self, wanted: Wanted, after: Place | None, limit: int, newest_first: bool = False
    ) -> Sequence[DeadLetter]:
        """``DeadLetters.dead_submissions``."""
        found = [
            self._dead(document, None)
            for document, submission in self._submissions.items()
            if submission.state is SubmissionState.REFUSED and submission.reason in wanted.refusals
        ]
        meant = [letter for letter in found if not wanted.recipients and _is_meant(letter, wanted)]
        return _page(meant, after, limit, newest_first)

    def _dead(self, document: DocumentId, copy: HandOver | None) -> DeadLetter:
        submission = self._submissions[document]
        recipient = copy.recipient if copy else None
        at = [e.at for e in self._events.get(document, ()) if e.recipient == recipient]
        return DeadLetter(
            submission=submission,
            header=self._headers.get(document),
            copy=copy,
            died_at=max(at, default=submission.received_at),
            times=copy.generation if copy else self._deaths.get(f"document:{document}", 0),
        )

    # --- Watch --------------------------------------------------------------------------------------

    async def held(self, owner: Owner) -> Sequence[str]:
        """``Watch.held``."""
        return [work.key for work in self._work.values() if work.owner == owner]

    async def strays(self, after: DocumentId, limit: int) -> Page:
        """``Watch.strays``."""
        page = sorted(d for d in self._submissions if d > after)[:limit]
        found = [
            Stray(document=document)
            for document in page
            if self._submissions[document].state not in FINAL_SUBMISSIONS
            and f"document:{document}" not in self._work
        ]
        found += [
            Stray(document=document, recipient=copy.recipient)
            for document in page
            for copy in self._handovers.get(document, {}).values()
            if copy.state is HandOverState.PENDING and f"delivery:{copy.delivery}" not in self._work
        ]
        return Page(strays=tuple(found), last=page[-1] if page and len(page) == limit else None)

    async def undone(self, before: datetime, limit: int) -> Sequence[Undone]:
        """``Watch.undone``."""
        found = [
            Undone(
                work=replace(work, sure=self._sure.get(work.key, 0)),
                since=self._submissions[work.document].received_at,
                reason=self._reasons.get(work.key),
            )
            for work in self._work.values()
            if work.kind is not WorkKind.DEADLINE and work.document in self._submissions
        ]
        found = [one for one in found if one.since < before]
        return sorted(found, key=lambda one: (one.since, one.work.key))[:limit]

    # --- below --------------------------------------------------------------------------------------

    def _is_alive(self, owner: Owner, now: datetime) -> bool:
        until = self._alive_until.get(owner)
        return until is not None and until > now

    def _release(self, owner: Owner) -> None:
        for work in [w for w in self._work.values() if w.owner == owner]:
            self._work[work.key] = replace(work, owner=None)

    def _holds(self, change: Change) -> bool:
        if change.fence is not None:
            fenced = self._work.get(change.fence.key)
            if fenced is None or fenced.owner != change.fence.owner:
                return False
        if not all(self._is_untouched(key) for key in change.withdraws):
            return False
        if any(row.version - 1 != (found.version if found else 0) for row, found in self._replaced(change)):
            return False
        return not any(evidence.id in self._evidence for evidence in change.evidence)

    def _is_untouched(self, key: str) -> bool:
        work = self._work.get(key)
        return work is not None and work.owner is None and work.attempts == self._sure.get(key, 0)

    def _replaced(self, change: Change) -> Iterator[tuple[Any, Any]]:
        """Each row with a version, and what stands in its place now."""
        for submission in filter(None, (change.submission, change.original)):
            yield submission, self._submissions.get(submission.document)
        if change.header is not None:
            yield change.header, self._headers.get(change.header.document)
        for handover in change.handovers:
            yield handover, self._handovers.get(handover.document, {}).get(handover.recipient)
        for item in change.items:
            if item.version > 1:
                yield item, self._items.get(item.party, {}).get(item.id)

    def _write(self, change: Change) -> None:
        for submission in filter(None, (change.submission, change.original)):
            payload = submission.payload.bare() if submission.payload else None
            self._submissions[submission.document] = replace(submission, payload=payload)
            self._identities[_identity(submission)] = submission.document
        if change.header is not None:
            self._headers[change.header.document] = change.header
        for handover in change.handovers:
            payload = handover.payload.bare() if handover.payload else None
            copies = self._handovers.setdefault(handover.document, {})
            copies[handover.recipient] = replace(handover, payload=payload)
        for item in change.items:
            box = self._items.setdefault(item.party, {})
            if item.version > 1 or item.id not in box:  # a receipt sent again is left as it is
                payload = item.payload.bare() if item.payload else None
                box[item.id] = replace(item, payload=payload)
        for evidence in change.evidence:
            self._evidence[evidence.id] = evidence
            self._issued.setdefault(evidence.document, []).append(evidence)
            self.log.queue(evidence.id)
        for event in change.events:
            self._events.setdefault(event.document, []).append(event)
        for work in change.work:
            self._work.setdefault(work.key, work)
        for later in change.postponed:
            if later.key in self._work:
                self._reasons[later.key] = later.reason
                work = self._work[later.key]
                line = line_to(work.kind, work.party) if work.party else work.line
                self._work[later.key] = replace(work, due_at=later.due_at, owner=None, line=line)
                self._sure[later.key] = self._sure.get(later.key, 0) + later.is_sure
        for key in (*change.forgets, *change.withdraws):
            self._work.pop(key, None)
            self._sure.pop(key, None)
            self._reasons.pop(key, None)
        self._relations |= dict.fromkeys(change.relations)
        self._audit += change.audit


def _is_meant(letter: DeadLetter, wanted: Wanted) -> bool:
    return (
        wanted.document in (None, letter.submission.document)
        and wanted.sender in (None, letter.submission.party)
        and wanted.reason in (None, letter.reason)
        and (wanted.since is None or letter.died_at >= wanted.since)
        and (wanted.until is None or letter.died_at < wanted.until)
    )


def _page(
    letters: Sequence[DeadLetter], after: Place | None, limit: int, newest_first: bool
) -> Sequence[DeadLetter]:
    def place(document: DocumentId, recipient: PartyKey | None) -> tuple[str, str]:
        return document, recipient or ""

    def of(letter: DeadLetter) -> tuple[str, str]:
        return place(letter.submission.document, letter.copy.recipient if letter.copy else None)

    ordered = sorted(letters, key=of, reverse=newest_first)
    if after is not None:
        last = place(after.document, after.recipient)
        ordered = [x for x in ordered if (of(x) < last if newest_first else of(x) > last)]
    return ordered[:limit]


def _identity(submission: Submission) -> tuple[str, ...]:
    return submission.realm, submission.party, submission.message_id, submission.slot


def _year(reference: DocumentReference) -> int | None:
    return reference.dated.year if reference.dated else None


def _may_mean(reference: DocumentReference, document: DocumentReference) -> bool:
    if reference.official_id and document.official_id:
        return reference.official_id == document.official_id
    is_named = bool(reference.code) and reference.dated is not None
    return is_named and (reference.code, reference.dated) == (document.code, document.dated)
