"""Bugs planted one at a time, to see that the books find them: each is one mistake that a person might make."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import adapters.memory.usage as usage
import gateway.amendments
import gateway.model.journey as journey
import gateway.stages.amend as amend
import gateway.stages.deliver as deliver
import gateway.stages.receipt as receipt
import gateway.stages.replay as replay
from adapters.memory import MemoryLog, MemoryStore, MemoryUploads, MemoryVault
from gateway.copies import Copies
from gateway.decision import Decision
from gateway.door import Doorkeeper
from gateway.model.handover import Handed
from gateway.model.ids import delivery_id
from gateway.model.journey import SubmissionState
from gateway.model.log import Leaf
from gateway.model.submission import Door, Ticket
from gateway.pipeline import Pipeline
from gateway.resumption import Resumption
from gateway.rounds import Rounds
from gateway.stages.amend import Step
from gateway.worker import Worker
from gateway.world import Us

Put = Callable[[Any, str, Any], None]


def acknowledged_before_commit(put: Put) -> None:
    """The sender is told yes while T1 is still on its way to the store."""
    submit = Worker.submit

    async def early(self: Worker, arrival: Any) -> Ticket:
        asyncio.get_running_loop().create_task(_quietly(submit(self, arrival)))
        return Ticket(door=Door.ACCEPTED, document=None, state=SubmissionState.RECEIVED)

    put(Worker, "submit", early)


async def _quietly(what: Any) -> None:
    from gateway.errors import Unavailable

    try:
        await what
    except Unavailable:
        return


def no_fence(put: Put) -> None:
    """Who has lost its lease writes on."""
    put(Us, "fence", lambda self, work: None)


def evidence_forgotten(put: Put) -> None:
    """A copy that was taken before we knew that it was there proves only the second."""
    moves = dict(deliver.PROOFS)
    moves[journey.HandOverState.PENDING, journey.HandOverEvent.HAND_OVER] = moves[
        journey.HandOverState.AVAILABLE, journey.HandOverEvent.HAND_OVER
    ]
    put(deliver, "PROOFS", moves)


def second_delivery_id(put: Put) -> None:
    """A delivery that is tried again gets another id."""
    parcel = Resumption._parcel

    async def renamed(self: Resumption, work: Any, dossier: Any) -> Any:
        made = await parcel(self, work, dossier)
        if made is not None and hasattr(made, "attempt") and made.attempt > 1:
            return replace(made, id=delivery_id(made.document, made.party, made.attempt))
        return made

    put(Resumption, "_parcel", renamed)


def recall_ignores_the_doubt(put: Put) -> None:
    """What may have gone out is taken back as if nobody could have it."""

    def is_untouched(self: MemoryStore, key: str) -> bool:
        work = self._work.get(key)
        return work is not None and work.owner is None

    put(MemoryStore, "_is_untouched", is_untouched)


def every_answer_is_sure(put: Put) -> None:
    """A lost confirm is taken for a no."""
    put_off = Pipeline.put_off

    async def sure(self: Pipeline, work: Any, reason: Any, *, is_sure: bool = False) -> Any:
        return await put_off(self, work, reason, is_sure=True)

    put(Pipeline, "put_off", sure)


def status_backwards(put: Put) -> None:
    """The last status that was reported counts, whichever it is."""
    put(receipt, "next_status", lambda current, reported: reported if reported is not current else None)


def receipt_lost(put: Put) -> None:
    """A receipt that could not be handed over is done with."""

    async def once(self: Pipeline, errand: Any) -> Any:
        await self._world.outlet.hand_over(errand.parcel)
        return await self._decision.forget(errand.work)

    put(Pipeline, "receipt", once)


def nobody_looks_for_lost_answers(put: Put) -> None:
    """What was leased by a call whose answer was lost stays in nobody's hand."""

    async def blind(self: Rounds) -> int:
        return 0

    put(Rounds, "look_after_own", blind)


def recall_overtakes(put: Put) -> None:
    """A recall does not wait for what is on its way."""
    step = amend.next_step

    def hasty(copy: Any, original: Any) -> Any:
        found, reason = step(copy, original)
        return (Step.SEND, None) if found in (Step.WAIT, Step.WITHDRAW) else (found, reason)

    put(gateway.amendments.amend, "next_step", hasty)


def the_dead_keep_their_work(put: Put) -> None:
    """What a dead life had leased stays its own."""
    put(MemoryStore, "_release", lambda self, owner: None)


def a_stale_dead_letter_is_dropped(put: Put) -> None:
    """A rejected delivery is looked at only where the copy is available already."""
    undeliverable = Copies.undeliverable

    async def careless(self: Copies, document: Any, recipient: Any, delivery: Any, cause: str) -> Any:
        dossier = await self._world.ledger.load(document, recipient)
        copy = dossier.of(recipient) if dossier else None
        if copy is None or copy.state is not journey.HandOverState.AVAILABLE:
            return ()
        return await undeliverable(self, document, recipient, delivery, cause)

    put(Copies, "undeliverable", careless)


def taken_although_not_now(put: Put) -> None:
    """The broker's "not now" counts as yes."""
    settle = deliver.settle

    def hopeful(handover: Any, result: Any, submission: Any, now: Any) -> Any:
        if result.handed is Handed.NOT_NOW:
            result = replace(result, handed=Handed.TAKEN)
        return settle(handover, result, submission, now)

    put(deliver, "settle", hopeful)


def wait_without_a_timer(put: Put) -> None:
    """A document that waits for its original is not looked at again."""

    async def forget(self: Decision, received: Any, work: Any, waiting: Any) -> Any:
        return await self.forget(work)

    put(Decision, "wait_for_original", forget)


def the_same_message_twice(put: Put) -> None:
    """A message id is not remembered."""
    write = MemoryStore._write

    def forgetful(self: MemoryStore, change: Any) -> None:
        write(self, change)
        self._identities.clear()

    put(MemoryStore, "_write", forgetful)


def a_repeat_after_its_expiry_is_refused(put: Put) -> None:
    """A message that comes again when its expiry is over is refused beside the first."""

    async def nothing(self: Doorkeeper, arrival: Any, refused: Any) -> None:
        return None

    put(Doorkeeper, "_taken_in_before", nothing)


def one_death_is_poison(put: Put) -> None:
    """Whatever had one bad day with us is refused."""

    async def quickly(self: Doorkeeper, arrival: Any, party: Any) -> bool:
        return True

    put(Doorkeeper, "died_too_often", quickly)


def two_leaders_number(put: Put) -> None:
    """Who leads no more writes on in the log."""

    async def append(self: MemoryLog, term: int, size: int, evidence: Any) -> bool:
        self._leaves += [Leaf(size + n, one.evidence, one.leaf) for n, one in enumerate(evidence)]
        self._tree, _ = self._tree.add_all(one.leaf for one in evidence)
        for one in evidence:
            self._queue.pop(one.position, None)
        return True

    put(MemoryLog, "append", append)


def a_broken_connection_begins_anew(put: Put) -> None:
    """What came of an upload before its connection broke is forgotten."""
    append = MemoryUploads.append

    async def forgetful(self: MemoryUploads, party: Any, upload: Any, offset: int, pieces: Any) -> Any:
        try:
            return await append(self, party, upload, offset, pieces)
        except ConnectionError:
            self._bodies[upload].clear()
            self._uploads[upload] = replace(self._uploads[upload], offset=0)
            raise

    put(MemoryUploads, "append", forgetful)


def a_replay_keeps_its_delivery_id(put: Put) -> None:
    """What an operator has brought again comes under the id that it had."""
    bring_again = replay.bring_again

    def same(copy: Any, party: Any, submission: Any, now: Any) -> Any:
        return replace(bring_again(copy, party, submission, now), delivery=copy.delivery)

    put(replay, "bring_again", same)


def the_bytes_of_a_resubmission_go(put: Put) -> None:
    """Who clears the vault out does not see that the same bytes were put again meanwhile."""

    async def set_aside(self: MemoryVault, lying: Any) -> bool:
        self._bodies.pop(lying.ref.sha256, None)
        return True

    put(MemoryVault, "set_aside", set_aside)


def used_up_for_good(put: Put) -> None:
    """What a party has used of its quotas never drains, so that what waits for room waits for ever."""
    put(usage, "drained", lambda used, quota, elapsed: used)


PLANTS = (
    acknowledged_before_commit,
    no_fence,
    evidence_forgotten,
    second_delivery_id,
    recall_ignores_the_doubt,
    every_answer_is_sure,
    status_backwards,
    receipt_lost,
    nobody_looks_for_lost_answers,
    recall_overtakes,
    the_dead_keep_their_work,
    a_stale_dead_letter_is_dropped,
    taken_although_not_now,
    wait_without_a_timer,
    the_same_message_twice,
    a_repeat_after_its_expiry_is_refused,
    one_death_is_poison,
    two_leaders_number,
    a_broken_connection_begins_anew,
    a_replay_keeps_its_delivery_id,
    the_bytes_of_a_resubmission_go,
    used_up_for_good,
)


@contextmanager
def planted(plant: Callable[[Put], None]) -> Iterator[None]:
    """*plant* is in the code for as long as this lasts."""
    before: list[tuple[Any, str, Any]] = []

    def put(where: Any, name: str, what: Any) -> None:
        before.append((where, name, getattr(where, name)))
        setattr(where, name, what)

    plant(put)
    try:
        yield
    finally:
        for where, name, what in reversed(before):
            setattr(where, name, what)
