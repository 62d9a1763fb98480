"""The twins of store, broker and clock, watched: what must never be written or seen is noticed at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from adapters.memory import Letter, MemoryBroker, MemoryStore
from adapters.memory.clock import OPENING
from gateway.model.change import Change, Relation, WorkKind
from gateway.model.document import Submission
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, PartyKey, delivery_id
from gateway.model.journey import (
    FINAL_HANDOVERS,
    FINAL_SUBMISSIONS,
    HANDOVER,
    REQUEST,
    STATUS,
    SUBMISSION,
    Answer,
    Ask,
    HandOverState,
    Status,
)
from gateway.model.party import Link, Party
from gateway.model.retention import DataClass
from gateway.stages.amend import NEVER_HAD
from tests.simulation.loop import VirtualLoop

FORWARD = {(a, b) for (a, _), b in STATUS.items()}
MOVED = {(a, b) for (a, _), b in HANDOVER.items()}
MOVED |= {(a, c) for a, b in MOVED for d, c in MOVED if b == d}
ASKED = {(a, b) for (a, _), b in REQUEST.items()}
DECIDED = {(a, b) for (a, _), b in SUBMISSION.items()}
KEPT_ON = timedelta(days=7) - timedelta(minutes=5)
"""So long after its expiry nothing of a document goes, as far as clocks that are wrong agree about it."""

Wrong = Callable[[str], None]


class JumpyClock:
    """Virtual time since the opening, and what this clock is wrong by."""

    def __init__(self, loop: VirtualLoop, skew: float = 0.0) -> None:
        self._loop = loop
        self.skew = skew

    def now(self) -> datetime:
        """The time as this clock has it."""
        return OPENING + timedelta(seconds=self._loop._moment + self.skew)


class WatchedStore(MemoryStore):
    """Looks at every change that is written.  ``moves`` counts what moved where."""

    def __init__(self, clock: JumpyClock, wrong: Wrong, kept: Mapping[DataClass, timedelta]) -> None:
        super().__init__(clock, kept)
        self._wrong = wrong
        self.moves: Counter[tuple[str, str, str]] = Counter()
        self.on_item: Callable[[str], None] = lambda party: None
        self.item_order: dict[str, int] = {}
        self._users: dict[DocumentId, set[DocumentId]] = {}

    async def relations(self, document: DocumentId) -> Sequence[Relation]:
        """``MemoryStore.relations``; who looked knows of these."""
        found = await super().relations(document)
        self._users[document] = {one.document for one in found}
        return found

    def _write(self, change: Change) -> None:
        if change.forgets or change.postponed:
            fence = change.fence
            if fence is None or self._work[fence.key].owner != fence.owner:
                self._wrong(f"{change.forgets or change.postponed} is settled by who does not hold it")
        for submission in filter(None, (change.submission, change.original)):
            before = self._submissions.get(submission.document)
            if before is not None and before.payload is not None and submission.payload is None:
                self._let_go(before)
                continue
            if before is not None and (before.state, submission.state) not in DECIDED:
                self._wrong(f"{submission.document}: {before.state} → {submission.state}")
            was = before.state.value if before else "-"
            self.moves["submission", was, submission.state.value] += 1
        for after in change.handovers:
            self._look(self._handovers.get(after.document, {}).get(after.recipient), after)
        super()._write(change)
        for item in change.items:
            self.item_order.setdefault(item.id, len(self.item_order))
            if item.taken_at is None:
                self.on_item(item.party)

    def _let_go(self, of: Submission) -> None:
        """The bytes of a document go: nothing may need them any more."""
        self.moves["content", of.state.value, "let go"] += 1
        name, now = of.document[-6:], self._clock.now()
        copies = [copy for copies in self._handovers.values() for copy in copies.values()]
        own = [copy for copy in copies if copy.document == of.document]
        if of.state not in FINAL_SUBMISSIONS:
            self._wrong(f"{name} is {of.state}, and its bytes go")
        if now < max([of.expires_at, *(c.expires_at for c in own if c.expires_at)]) + KEPT_ON:
            self._wrong(f"{name} may still be delivered, and its bytes go")
        for copy in own:
            if copy.state is HandOverState.PENDING or (
                copy.state is HandOverState.AVAILABLE and copy.link is Link.HTTP
            ):
                self._wrong(f"{name}/{copy.recipient} is {copy.state}, and its bytes go")
        for copy in copies:
            # One that came after we looked asks about rows, which stay: the time for the bytes was over long ago.
            is_late = copy.document not in self._users.get(of.document, {copy.document})
            if copy.about == of.document and copy.state is HandOverState.PENDING and not is_late:
                self._wrong(f"{name}: {copy.document[-6:]} is yet to ask for it, and its bytes go")
        for work in self._work.values():
            if work.document == of.document and work.kind is not WorkKind.RECEIPT:
                self._wrong(f"{name}: {work.kind} is yet to be done, and its bytes go")

    def _look(self, before: HandOver | None, after: HandOver) -> None:
        if before is None:
            self.moves["hand-over", "-", after.state.value] += 1
            return
        where = f"{after.document[-6:]}/{after.recipient}"
        if before.delivery != after.delivery and before.generation == after.generation:
            self._wrong(f"{where}: a second delivery id")
        if before.state is not after.state:
            self.moves["hand-over", before.state.value, after.state.value] += 1
            is_replayed = after.generation == before.generation + 1
            if (before.state, after.state) not in MOVED or (
                before.state in FINAL_HANDOVERS and not is_replayed
            ):
                self._wrong(f"{where}: {before.state} → {after.state}")
        if before.status is not after.status:
            self.moves["status", before.status.value or "-", after.status.value] += 1
            if (before.status, after.status) not in FORWARD:
                self._wrong(f"{where}: status {before.status} → {after.status}")
        if before.request is not after.request:
            self.moves["request", before.request.value or "-", after.request.value] += 1
            if (before.request, after.request) not in ASKED:
                self._wrong(f"{where}: request {before.request} → {after.request}")
        if before.answer is not Answer.NONE and before.answer is not after.answer:
            self._wrong(f"{where}: answer {before.answer} → {after.answer}")

    def named(self) -> set[str]:
        """The digests of all payloads that a row names."""
        copies = [copy for copies in self._handovers.values() for copy in copies.values()]
        rows = (*self._submissions.values(), *copies)
        return {row.payload.sha256 for row in rows if row.payload is not None}

    def copy_of(self, document: DocumentId, recipient: PartyKey) -> HandOver | None:
        """The row as it stands now."""
        return self._handovers.get(document, {}).get(recipient)


class WatchedBroker(MemoryBroker):
    """Tells *on_letter* of every letter; ``came`` is the order in which deliveries first came into any queue."""

    def __init__(self, parties: list[Party], store: WatchedStore, wrong: Wrong, *, deliveries: int) -> None:
        super().__init__(parties, deliveries=deliveries)
        self._store = store
        self._wrong = wrong
        self.on_letter: Callable[[str], None] = lambda queue: None
        self.came: dict[str, int] = {}

    def put(self, queue: str, letter: Letter) -> str | None:
        """``MemoryBroker.put``."""
        refused = super().put(queue, letter)
        if refused is None:
            if queue.startswith("vanthu.deliver."):
                self._look(PartyKey(queue.removeprefix("vanthu.deliver.")), letter)
            self.on_letter(queue)
        return refused

    def _look(self, recipient: PartyKey, letter: Letter) -> None:
        document = DocumentId(str(letter.headers["vanthu-document"]))
        self.came.setdefault(letter.message_id, len(self.came))
        copy = self._store.copy_of(document, recipient)
        where = f"{document[-6:]}/{recipient}"
        if copy is None:
            self._wrong(f"{where}: handed over before it was decided")
        elif letter.message_id not in {
            # One that was on its way when an operator had the next one sent can't be called back.
            delivery_id(document, recipient, n)
            for n in range(1, copy.generation + 1)
        }:
            self._wrong(f"{where}: came under a second delivery id")
        elif copy.asks is not Ask.NOTHING and copy.about is not None:
            original = self._store.copy_of(copy.about, recipient)
            if original is None or original.link is not copy.link or original.state in NEVER_HAD:
                return
            # What a recipient has reported on it has had, if not by the delivery that an operator had sent last.
            if original.delivery not in self.came and original.status is Status.NONE:
                self._wrong(f"{where}: {copy.asks} overtook {copy.about[-6:]}")

    def give_back(self, queue: str, letter: Letter) -> None:
        """Taken, but never acknowledged: first in its queue again."""
        self._queues[queue].appendleft(letter)

    def put_dead_back(self, dead: Any) -> None:
        """The consumer of dead letters has not acknowledged."""
        self._dead.append(dead)

    @property
    def dead(self) -> int:
        """How many dead letters wait."""
        return len(self._dead)
