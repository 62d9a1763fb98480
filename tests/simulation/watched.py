"""The twins of store, broker and clock, watched: what must never be written or seen is noticed at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from adapters.memory import Letter, MemoryBroker, MemoryStore
from adapters.memory.clock import OPENING
from gateway.model.change import Change
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, PartyKey
from gateway.model.journey import HANDOVER, REQUEST, STATUS, SUBMISSION, Answer, Ask
from gateway.model.party import Party
from gateway.stages.amend import NEVER_HAD
from tests.simulation.loop import VirtualLoop

FORWARD = {(a, b) for (a, _), b in STATUS.items()}
MOVED = {(a, b) for (a, _), b in HANDOVER.items()}
MOVED |= {(a, c) for a, b in MOVED for d, c in MOVED if b == d}
ASKED = {(a, b) for (a, _), b in REQUEST.items()}
DECIDED = {(a, b) for (a, _), b in SUBMISSION.items()}

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

    def __init__(self, clock: JumpyClock, wrong: Wrong) -> None:
        super().__init__(clock)
        self._wrong = wrong
        self.moves: Counter[tuple[str, str, str]] = Counter()
        self.on_item: Callable[[str], None] = lambda party: None
        self.item_order: dict[str, int] = {}

    def _write(self, change: Change) -> None:
        if change.forgets or change.postponed:
            fence = change.fence
            if fence is None or self._work[fence.key].owner != fence.owner:
                self._wrong(f"{change.forgets or change.postponed} is settled by who does not hold it")
        for submission in filter(None, (change.submission, change.original)):
            before = self._submissions.get(submission.document)
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

    def _look(self, before: HandOver | None, after: HandOver) -> None:
        if before is None:
            self.moves["hand-over", "-", after.state.value] += 1
            return
        where = f"{after.document[-6:]}/{after.recipient}"
        if before.delivery != after.delivery and before.generation == after.generation:
            self._wrong(f"{where}: a second delivery id")
        if before.state is not after.state:
            self.moves["hand-over", before.state.value, after.state.value] += 1
            if (before.state, after.state) not in MOVED:
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
        elif copy.delivery != letter.message_id:
            self._wrong(f"{where}: came under a second delivery id")
        elif copy.asks is not Ask.NOTHING and copy.about is not None:
            original = self._store.copy_of(copy.about, recipient)
            is_missing = original is not None and original.delivery not in self.came
            if is_missing and original.link is copy.link and original.state not in NEVER_HAD:
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
