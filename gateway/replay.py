"""Tries again what has died, at an operator's word: one commit for each, with the audit row in it.

    replays = Replays(ports, actor="lan")
    async for letter in replays.letters(wanted):
        await replays.replay(letter)        # Replayed, or NotReplayed with a reason

It touches nothing but the ledger, so it runs beside any number of workers, which find what it wrote as free work;
killed at any instant it has replayed what is committed and nothing else, and run again it goes on with the rest.
What has succeeded meanwhile is not dead any more: the version of its row says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from gateway.errors import Reason, Unavailable
from gateway.model.change import AuditEntry, Change, Committed, Known, Work, WorkKind
from gateway.model.dead import DeadLetter, NotReplayed, Place, Replayed, Wanted
from gateway.model.document import Submission
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId
from gateway.model.party import Link
from gateway.model.payload import PayloadRef
from gateway.ports import Clock, DeadLetters, Directory, Ids, Ledger, Records, Vault
from gateway.register import Draft
from gateway.stages import receipt, replay
from gateway.world import TRIES
from schemas import reasons

PAGE = 200
"""How many dead letters are looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What replaying needs of the world."""

    ledger: Ledger
    records: Records
    dead: DeadLetters
    vault: Vault
    directory: Directory
    clock: Clock
    ids: Ids


def refusals() -> frozenset[Reason]:
    """The reasons for which a refused submission may be tried again: poison, and what the same bytes may pass later."""
    ours = (code for code, entry in reasons().items() if entry.retry and entry.fault != "recipient")
    return frozenset({Reason("poison"), *map(Reason, ours)})


class Replays:
    """Looks for dead letters, says what a replay would do, and does it.  *actor* is who asks, for the record."""

    def __init__(self, ports: Ports, actor: str) -> None:
        self._ports = ports
        self._actor = actor

    async def letters(
        self, wanted: Wanted, *, newest_first: bool = False, limit: int | None = None
    ) -> AsyncIterator[DeadLetter]:
        """The dead letters that *wanted* means: hand-overs, then submissions, each in the order of their coming.

        What dies again while this runs is not met a second time.
        """
        left = limit
        for ask in (self._ports.dead.dead_copies, self._ports.dead.dead_submissions):
            after: Place | None = None
            while left is None or left > 0:
                page = await ask(wanted, after, PAGE if left is None else min(PAGE, left), newest_first)
                for letter in page:
                    yield letter
                if len(page) < PAGE:
                    left = None if left is None else left - len(page)
                    break
                left = None if left is None else left - len(page)
                copy = page[-1].copy
                after = Place(
                    document=page[-1].submission.document, recipient=copy.recipient if copy else None
                )

    async def judge(self, letter: DeadLetter) -> NotReplayed | None:
        """Why *letter* can't be replayed now; ``None`` where it can."""
        copy, submission = letter.copy, letter.submission
        if copy is None:
            return await self._judge_submission(submission)
        relations = await self._ports.records.relations(copy.document)
        found = replay.why_not(copy, self._ports.directory.party(copy.recipient), relations)
        if found is not None:
            return await self._told(copy.document, *found)
        return await self._bytes_missing(copy.payload)

    async def _judge_submission(self, submission: Submission) -> NotReplayed | None:
        found = replay.why_not_submission(submission)
        if found is not None:
            return await self._told(submission.document, *found)
        party = self._ports.directory.party(submission.party)
        if party is None or party.is_locked:
            reason = "party-locked" if party else "party-unknown"
            return NotReplayed(reason=Reason(reason), detail=submission.party)
        return await self._bytes_missing(submission.payload)

    async def _told(self, document: DocumentId, reason: Reason, detail: str) -> NotReplayed:
        """*reason*, unless the bytes were kept once, and went when their time was over."""
        if reason == "replay-nothing-kept":
            timeline = await self._ports.records.timeline(document)
            if any(event.reason == "content-purged" for event in timeline):
                reason = Reason("replay-bytes-gone")
        return NotReplayed(reason=reason, detail=detail)

    async def _bytes_missing(self, payload: PayloadRef | None) -> NotReplayed | None:
        assert payload is not None
        try:
            async for _ in self._ports.vault.open(payload, start=max(payload.size - 1, 0)):
                pass  # the last byte alone: whether they are the right ones is told when they are brought
        except Unavailable as away:
            if away.reason != "payload-missing":
                raise
            return NotReplayed(reason=Reason("replay-bytes-gone"), detail=payload.sha256)
        return None

    async def replay(self, letter: DeadLetter) -> Replayed | NotReplayed:
        """Try *letter* again: durable on return.  Raises ``Unavailable`` where the store is away."""
        if letter.copy is None:
            return await self._replay_submission(letter)
        copy, submission = letter.copy, letter.submission
        for _ in range(TRIES):
            why_not = await self.judge(replace(letter, copy=copy))
            if why_not is not None:
                return why_not
            again, change = self._brought_again(copy, submission)
            if isinstance(await self._ports.ledger.commit(change), Committed):
                assert again.expires_at is not None
                return Replayed(
                    document=again.document,
                    recipient=again.addressed_as,
                    generation=again.generation,
                    delivery=again.delivery,
                    expires_at=again.expires_at,
                )
            fresh = await self._ports.ledger.load(copy.document, copy.recipient)
            moved = fresh.of(copy.recipient) if fresh else None
            if fresh is None or moved is None:
                return NotReplayed(reason=Reason("not-found"), detail=copy.document)
            copy, submission = moved, fresh.submission
        raise Unavailable("store-away", "a replay lost every race")

    def _brought_again(self, copy: HandOver, submission: Submission) -> tuple[HandOver, Change]:
        now = self._ports.clock.now()
        party = self._ports.directory.party(copy.recipient)
        assert party is not None  # judged a moment ago
        again = replay.bring_again(copy, party, submission, now)
        assert again.expires_at is not None
        draft = Draft(document=copy.document)
        draft.handovers.append(again)
        draft.note(
            now,
            "deliver",
            "replayed",
            recipient=copy.recipient,
            reason=copy.reason,
            detail=f"generation {again.generation}",
        )
        work = Work(
            key=f"delivery:{again.delivery}",
            kind=WorkKind.DELIVERY,
            document=copy.document,
            due_at=now,
            party=copy.recipient,
            recipient=copy.recipient,
            priority=submission.priority,
            line=submission.party,
        )
        deadline = Work(
            key=f"deadline:{again.delivery}",
            kind=WorkKind.DEADLINE,
            document=copy.document,
            recipient=copy.recipient,
            due_at=again.expires_at,
        )
        draft.work += [work, deadline]
        about = f"{copy.document} → {copy.addressed_as}"
        outcome = f"generation {again.generation}: {again.delivery}"
        return again, replace(draft.change(), audit=(self._entry(about, outcome, str(copy.reason or "")),))

    async def send_receipts(self, document: DocumentId) -> int | NotReplayed:
        """Send every receipt of *document* again, as issued, in their order; how many those are."""
        dossier = await self._ports.ledger.load(document)
        if dossier is None:
            return NotReplayed(reason=Reason("not-found"), detail=document)
        submission = dossier.submission
        sender = self._ports.directory.party(submission.party)
        if sender is None or sender.link is not Link.AMQP:
            return NotReplayed(reason=Reason("replay-by-request"), detail=submission.party)
        now = self._ports.clock.now()
        draft = Draft(document=document)
        issued = await self._ports.records.evidence(document)
        for one in issued:
            copy = dossier.of(one.recipient) if one.recipient else None
            parcel = receipt.send(one, submission, copy.addressed_as if copy else None, sender)
            draft.work.append(receipt.work_for(parcel, one.recipient, submission.priority, now, None))
        draft.note(now, "receipt", "replayed", detail=f"{len(issued)} receipts")
        entry = self._entry(document, f"{len(issued)} receipts again", "")
        await self._ports.ledger.commit(replace(draft.change(), audit=(entry,)))
        return len(issued)

    async def _replay_submission(self, letter: DeadLetter) -> Replayed | NotReplayed:
        why_not = await self.judge(letter)
        if why_not is not None:
            return why_not
        now = self._ports.clock.now()
        old = letter.submission
        again = replay.take_in_again(old, self._ports.ids.document(), now)
        draft = Draft(document=again.document)
        draft.note(now, "receive", "received", detail=f"{again.size} bytes, again after {old.document}")
        draft.note(
            now, "receive", "replayed", reason=old.reason, detail=again.document, document=old.document
        )
        # Counted as begun once already: it may be what ends lives, and goes alone.
        work = Work(
            key=f"document:{again.document}",
            kind=WorkKind.DOCUMENT,
            document=again.document,
            due_at=now,
            priority=again.priority,
            attempts=1,
            line=again.party,
        )
        draft.work.append(work)
        entry = self._entry(old.document, f"again as {again.document}", str(old.reason or ""))
        outcome = await self._ports.ledger.commit(replace(draft.change(submission=again), audit=(entry,)))
        if isinstance(outcome, Known):
            return NotReplayed(reason=Reason("replay-done"), detail=outcome.document)
        return Replayed(document=again.document, expires_at=again.expires_at)

    def _entry(self, about: str, outcome: str, why: str) -> AuditEntry:
        return AuditEntry(
            at=self._ports.clock.now(),
            actor=self._actor,
            verb="replay",
            object=about,
            outcome=outcome,
            detail=why,
        )
