"""What was kept long enough goes, in a town of agencies: never what is not final, and never the memory of an id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.disposal import Disposer, Sweep, Tally
from gateway.errors import Refused, Unavailable
from gateway.model.change import Change
from gateway.model.ids import MessageId, Owner, PartyKey
from gateway.model.journey import Request, SubmissionState
from gateway.model.payload import PayloadRef
from gateway.model.retention import DataClass, Hindrance
from gateway.model.submission import Door, Ticket
from tests.builders import COMMUNE, PROVINCE, a_submission
from tests.journey import chain
from tests.journey.steps import Watched
from tests.journey.town import HEALTH, LABOUR, Town, a_town

DAY = timedelta(days=1)
CONTENT, METADATA = DataClass.CONTENT, DataClass.METADATA


METHODS = ("look", "set_aside", "destroy", "put_back", "due", "named", "undone")


class Interrupted:
    """Ports of who clears out: before the call number *at* of any of *methods*, somebody else does *something*."""

    def __init__(
        self, at: int, something: Callable[[], Awaitable[Ticket]], methods: Sequence[str] = METHODS
    ) -> None:
        self._left = at
        self._something = something
        self._methods = methods
        self.answer: Ticket | None = None

    def over(self, port: Any) -> Any:
        """*port*, interrupted."""
        names = [name for name in self._methods if hasattr(port, name)]
        return Watched(port, **{name: self._before(getattr(port, name)) for name in names})

    def _before(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                self.answer = await self._something()
            return await method(*arguments)

        return call


class Overtaken:
    """Between what was found to be due and the look at it, another clears out."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.quicker = Tally()

    def over(self, port: Any) -> Any:
        """*port*, overtaken."""

        async def due(*asked: Any) -> Any:
            found = await port.due(*asked)
            if found and not self.quicker:
                self.quicker = await clear_out(self._town)
            return found

        return Watched(port, due=due) if hasattr(port, "due") else port


def disposer(town: Town, interrupted: Interrupted | Overtaken | None = None, numbers: Any = None) -> Disposer:
    over = interrupted.over if interrupted else lambda port: port
    return Disposer(
        over(town.store.disposal),
        over(town.vault),
        town.ledger,
        town.store,
        town.store,
        town.clock,
        owner=Owner("who clears out"),
        numbers=numbers,
        sweep=Sweep(settle=timedelta()),
        is_hasty=True,
    )


async def clear_out(town: Town, *, is_dry: bool = False) -> Tally:
    """Two rounds, because bytes go when they were seen twice; what both have let go of."""
    clearing = disposer(town)
    tally = await clearing.round(is_dry=is_dry)
    if not is_dry:
        await clearing.tidy_again(tally)
    return tally


async def sent(town: Town, body: bytes, message_id: str = "m-1", **changes: Any) -> Ticket:
    ticket = await town.send(body, message_id=MessageId(message_id), **changes)
    await town.settle()
    return ticket


async def kept(town: Town, ticket: Ticket) -> tuple[bool, bool]:
    """Whether the document still names its bytes, and whether it has its header."""
    dossier = await town.dossier(ticket)
    return dossier.submission.payload is not None, dossier.header is not None


async def in_vault(town: Town, body: bytes) -> bool:
    try:
        await town.vault.read(PayloadRef.of(body).bare())
    except Unavailable:
        return False
    return True


async def test_content_goes_first_then_the_header_and_evidence_stays() -> None:
    """Each data class has its own end; the timeline says when the bytes went, and the chains still hold."""
    town = await a_town()
    body = town.edoc(LABOUR, COMMUNE)
    ticket = await sent(town, body)
    await town.pass_time(89 * DAY)
    assert not await clear_out(town)
    assert (await kept(town, ticket), await in_vault(town, body)) == ((True, True), True)
    await town.pass_time(1 * DAY)
    tally = await clear_out(town)
    assert (tally.gone[CONTENT], tally.gone[METADATA], tally.payloads) == (1, 0, 2)  # as it came, as it went
    assert (await kept(town, ticket), await in_vault(town, body)) == ((False, True), False)
    assert all(copy.payload is None for copy in (await town.dossier(ticket)).handovers)
    assert ticket.document is not None
    last = (await town.store.timeline(ticket.document))[-1]
    assert (last.event, last.reason) == ("content-purged", "content-purged")
    await town.pass_time(640 * DAY)
    tally = await clear_out(town)
    assert (tally.gone[CONTENT], tally.gone[METADATA]) == (0, 1)
    assert await kept(town, ticket) == (False, False)
    evidence = await town.evidence(ticket)
    assert len(evidence) > 3
    chain.check_records(ticket.document, evidence)
    on_record = [note.outcome.partition(" bytes")[0] for note in await town.store.notes()]
    assert on_record == [
        "content=0 metadata=1 payloads=0",
        "content=0 metadata=0 payloads=2",
        "content=1 metadata=0 payloads=0",
    ]


async def test_two_who_clear_out_at_once_let_go_of_the_bytes_once() -> None:
    """The second has found it due, and comes when it is gone: it changes nothing, and counts nothing."""
    town = await a_town()
    ticket = await sent(town, town.edoc(LABOUR))
    await town.pass_time(90 * DAY)
    overtaken = Overtaken(town)
    tally = await disposer(town, overtaken).round()
    assert (tally.gone[CONTENT], overtaken.quicker.gone[CONTENT]) == (0, 1)
    assert ticket.document is not None
    assert [e.event for e in await town.store.timeline(ticket.document)].count("content-purged") == 1


async def test_who_clears_out_stops_at_once_in_the_midst_of_a_step() -> None:
    """It rests after what it has done, not after what it gives up."""
    town = await a_town()
    looks = asyncio.Event()

    async def look(*_: Any) -> Any:
        looks.set()
        await asyncio.Event().wait()

    clearing = Disposer(
        town.store.disposal,
        Watched(town.vault, look=look),
        town.ledger,
        town.store,
        town.store,
        town.clock,
        owner=Owner("who clears out"),
        sweep=Sweep(first=timedelta(), ease=1e9, longest_rest=timedelta(minutes=1)),
    )
    town.store._alive_until[Owner("who clears out")] = town.clock.now() + DAY
    async with asyncio.timeout(5):
        await clearing.start()
        await looks.wait()
        await clearing.stop()


async def test_operators_are_told_how_much_went_and_what_is_due_and_kept_on() -> None:
    """Of one document the bytes go; the other has its deadline before it, and keeps its own."""
    town = await a_town()
    await sent(town, town.edoc(LABOUR))
    await town.pass_time(90 * DAY)
    await sent(town, town.edoc(LABOUR, number=2), "m-2")
    town.clock.advance(100 * DAY)
    told: list[tuple[Any, ...]] = []
    clearing = disposer(town, numbers=SimpleNamespace(purged=lambda *numbers: told.append(numbers)))
    await clearing.round()
    await clearing.round(is_dry=True)
    ((gone, kept, payloads, size, at),) = told
    assert (gone, kept) == ({CONTENT: 1, METADATA: 0}, {CONTENT: 1, METADATA: 0})
    assert (payloads, size, at) == (0, 0, town.clock.now())


async def test_after_the_bytes_are_gone_the_same_id_gets_the_same_receipts() -> None:
    """Promise 3 outlives the content: nothing is delivered twice, and other bytes are still refused."""
    town = await a_town()
    body = town.edoc(LABOUR)
    first = await sent(town, body)
    await town.pass_time(400 * DAY)
    await clear_out(town)
    before = {r.message_id: r.body for r in town.receipts(about=first)}
    deliveries = len(town.deliveries(LABOUR))
    again = await sent(town, body)
    assert (again.door, again.document) == (Door.REPEATED, first.document)
    after = town.receipts(about=first)[len(before) :]
    assert {r.message_id: r.body for r in after} == before
    assert len(town.deliveries(LABOUR)) == deliveries
    other = await sent(town, town.edoc(HEALTH))
    assert (other.door, other.reason) == (Door.REFUSED, "message-id-reused")


async def test_a_claim_is_remembered_longer_than_its_bytes() -> None:
    """A large document is sent by claim; the same claim under the same id gets its receipts, under a new one a
    refusal that says what to do and does not use the id up."""
    town = await a_town()
    body = town.edoc(LABOUR)
    claim = (await town.vault.put(body)).bare()
    how = {"payload": claim}
    first = await sent(town, b"", **how)
    await town.pass_time(100 * DAY)
    await clear_out(town)
    assert not await in_vault(town, body)
    again = await sent(town, b"", **how)
    assert (again.door, again.document) == (Door.REPEATED, first.document)
    unknown = await sent(town, b"", "m-2", **how)
    assert (unknown.door, unknown.reason) == (Door.REFUSED, "content-purged")
    uploaded = await sent(town, body, "m-2")
    assert uploaded.door is Door.ACCEPTED


async def test_bytes_that_another_document_names_stay() -> None:
    """Two documents of the same bytes: the vault keeps one payload until both let go of it."""
    town = await a_town()
    body = town.edoc(LABOUR)
    first = await sent(town, body)
    await town.pass_time(60 * DAY)
    second = await sent(town, body, "m-2")
    await town.pass_time(31 * DAY)
    tally = await clear_out(town)
    assert tally.gone[CONTENT] == 1
    assert [(await kept(town, one))[0] for one in (first, second)] == [False, True]
    assert await in_vault(town, body)
    await town.pass_time(60 * DAY)
    await clear_out(town)
    assert not await in_vault(town, body)


async def test_a_document_that_waits_is_never_touched() -> None:
    """Undecided is not final, however long it takes: here its time stands still with the worker."""
    town = await a_town()
    town.give_keys(to_all_but=[PROVINCE])
    waiting = await town.begin_life("without keys")
    ticket = await town.send(town.edoc(LABOUR), life=waiting)
    await town.settle()
    waiting.is_frozen = True
    town.lives[0].is_frozen = True
    town.clock.advance(400 * DAY)
    tally = await clear_out(town)
    assert tally.kept == {(CONTENT, Hindrance.UNDECIDED): 1}
    assert (await kept(town, ticket))[0]


async def test_a_copy_that_has_not_left_keeps_the_bytes() -> None:
    """A recipient whose queue is full, and nobody who has looked at the deadline yet."""
    town = await a_town(queue_room=1)
    await sent(town, town.edoc(LABOUR, number=1))
    ticket = await sent(town, town.edoc(LABOUR, number=2), "m-2")
    town.clock.advance(100 * DAY)
    tally = await clear_out(town)
    assert tally.gone[CONTENT] == 0
    assert tally.kept[CONTENT, Hindrance.IN_WORK] == 2  # both have their deadline before them
    assert (await kept(town, ticket))[0]
    await town.pass_time(timedelta(0))
    await clear_out(town)
    assert not (await kept(town, ticket))[0]


async def test_what_an_open_document_is_about_stays_until_that_is_over() -> None:
    """A recall that came on the last day, and that nobody has answered, holds its original for a month."""
    town = await a_town()
    body = town.edoc(LABOUR)
    original = await sent(town, body)
    await town.pass_time(89 * DAY)
    await sent(town, town.recall(LABOUR), "m-2")
    assert (await town.copy(original, LABOUR)).request is Request.RECALL_ASKED
    await town.pass_time(2 * DAY)
    tally = await clear_out(town)
    assert tally.kept[CONTENT, Hindrance.OPEN_REQUEST] == 1
    assert await in_vault(town, body)
    await town.pass_time(40 * DAY)
    await clear_out(town)
    assert not await in_vault(town, body)


async def test_a_document_can_be_recalled_after_its_bytes_are_gone() -> None:
    """The recipients still have it: the question goes to them as ever."""
    town = await a_town()
    original = await sent(town, town.edoc(LABOUR, HEALTH))
    await town.pass_time(100 * DAY)
    await clear_out(town)
    await sent(town, town.take_back(PROVINCE), "m-2")
    for recipient in (LABOUR, HEALTH):
        assert (await town.copy(original, recipient)).request is Request.RECALL_ASKED
    await town.report(LABOUR, "15")
    assert (await town.copy(original, LABOUR)).request is Request.RECALL_AGREED


async def test_an_inbox_says_that_the_content_is_gone() -> None:
    """Whoever had not fetched it in its time finds a reason, not a fault of ours."""
    town = await a_town()
    await sent(town, town.edoc(COMMUNE))
    (item,) = await town.inbox()
    await town.pass_time(100 * DAY)
    await clear_out(town)
    with pytest.raises(Refused) as told:
        await town.lives[0].desk.content(PartyKey(COMMUNE), item.id)
    assert told.value.reason == "content-purged"


async def test_bytes_that_no_document_names_go_after_a_week() -> None:
    """What a crash between vault and T1 left; while it is young somebody may still be about to name it."""
    town = await a_town()
    await town.vault.put(b"left behind")
    await town.pass_time(6 * DAY)
    assert (await clear_out(town)).payloads == 0
    await town.pass_time(2 * DAY)
    assert (await clear_out(town)).payloads == 1
    assert not await in_vault(town, b"left behind")


async def test_a_dry_run_tells_and_touches_nothing() -> None:
    """The same walk, and the same reasons."""
    town = await a_town()
    body = town.edoc(LABOUR)
    ticket = await sent(town, body)
    await town.pass_time(100 * DAY)
    tally = await clear_out(town, is_dry=True)
    assert tally.gone[CONTENT] == 1
    assert await kept(town, ticket) == (True, True)
    assert await town.store.notes() == []


async def test_who_sends_the_same_bytes_while_they_are_removed_loses_nothing() -> None:
    """At whichever step of the removal they come: once accepted they are there, and delivered."""
    for step in range(1, 40):
        town = await a_town()
        body = town.edoc(LABOUR)
        await sent(town, body)
        await town.pass_time(100 * DAY)

        async def comes_again(town: Town = town, body: bytes = body) -> Ticket:
            ticket = await town.send(body, message_id=MessageId("again"))
            await town.settle()
            return ticket

        interrupted = Interrupted(step, comes_again)
        clearing = disposer(town, interrupted)
        await clearing.round()
        await clearing.tidy_again(Tally())
        if interrupted.answer is None:
            assert step > 12  # every step was tried
            return
        assert interrupted.answer.door is Door.ACCEPTED
        assert await in_vault(town, body)
        assert len(town.deliveries(LABOUR)) == 2
    raise AssertionError("the removal did not end")


async def test_who_names_old_bytes_while_they_are_removed_keeps_them() -> None:
    """A process that stood still for weeks between vault and T1, and goes on just when they are set aside."""
    town = await a_town()
    ref = await town.vault.put(b"put long ago")
    await town.pass_time(30 * DAY)

    async def is_registered() -> Ticket:
        await town.store.commit(Change(submission=a_submission(payload=ref.bare())))
        return Ticket(door=Door.ACCEPTED, document=None, state=SubmissionState.RECEIVED)

    interrupted = Interrupted(1, is_registered, methods=("set_aside",))
    clearing = disposer(town, interrupted)
    await clearing.round()
    await clearing.tidy_again(Tally())
    assert interrupted.answer is not None
    assert await in_vault(town, b"put long ago")
