"""A worker dies at any port call of a recall, an update or an answer: another goes on, and the books balance.

Each play is run once for every call that the core makes of its ports, twice: death comes before the call takes
effect, or right after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.memory import write_edoc, write_status
from gateway.model.envelope import Amendment, Business, DocumentReference, Organ
from gateway.model.ids import ClientId, DocumentId, MessageId, OfficialId, OrganCode, PartyKey
from gateway.model.journey import Answer, HandOverState, Request, SubmissionState
from gateway.model.payload import PayloadRef
from gateway.model.submission import Arrival
from tests import builders as b
from tests.journey.chain import check_records
from tests.journey.steps import House, Watched

HALF_A_MINUTE = timedelta(seconds=30)
BOTH = (b.DEPARTMENT, b.COMMUNE)


class Dead(BaseException):
    """The process ends here."""


class Reaper:
    """Counts the calls of the ports; at call *at* somebody dies.  Odd numbers: before it takes effect, even: after.
    What the test itself looks at is no call: it ``sleeps`` then."""

    def __init__(self) -> None:
        self.at = 0
        self.count = 0
        self.sleeps = True

    def over(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """*method* with death in it."""

        async def called(*args: Any, **named: Any) -> Any:
            self._tick()
            answer = await method(*args, **named)
            self._tick()
            return answer

        return called

    def _tick(self) -> None:
        self.count += not self.sleeps
        if self.count == self.at and not self.sleeps:
            self.at = 0
            raise Dead


class MortalHouse(House):
    """A house in which a worker may die at any call."""

    def __init__(self) -> None:
        super().__init__()
        self.reaper = Reaper()
        for port, names in (
            (self.store, ("load", "commit", "lease", "find", "originals")),
            (self.vault, ("put",)),
            (self._outlet, ("hand_over",)),
            (self.envelopes, ("read", "render")),
        ):
            for name in names:
                setattr(port, name, self.reaper.over(getattr(port, name)))

    async def bring(self, arrival: Arrival) -> DocumentId:
        """Bring *arrival* as a broker does, again and again until it is acknowledged; then let the house rest."""
        self.reaper.sleeps = False
        document = None
        while document is None:
            try:
                ticket, errands = await self.pipeline.receive(arrival)
                document = ticket.document
                await self.finish(errands)
            except Dead:
                await self.die()
        await self.rest()
        return document

    async def rest(self) -> None:
        """Work until all is done that can be; whoever dies is followed."""
        self.reaper.sleeps = False
        for _ in range(8):
            self.clock.advance(HALF_A_MINUTE)
            try:
                await self.work()
            except Dead:
                await self.die()
        self.reaper.sleeps = True

    async def copy(self, document: DocumentId, party: str) -> Any:
        """The copy of *party*."""
        dossier = await self.store.load(document, PartyKey(party))
        assert dossier is not None
        return dossier.of(PartyKey(party))


def an_arrival(body: bytes, message_id: str, sender: str = b.PROVINCE) -> Arrival:
    return b.an_arrival(
        body,
        message_id=MessageId(message_id),
        client=ClientId(sender),
        claimed=OrganCode(sender),
        payload=PayloadRef.of(body),
    )


def an_amendment(business: Business, **amends: Any) -> bytes:
    name = DocumentReference(organ=OrganCode(b.PROVINCE), official_id=b.an_edoc().official_id)
    own = {} if business is Business.RECALL else {"official_id": OfficialId("another")}
    edoc = b.an_edoc(*BOTH, business=business, amends=Amendment(originals=(name,), **amends), **own)
    return write_edoc(replace(edoc, attachments=() if amends else edoc.attachments))


def an_answer(code: str, party: str = b.DEPARTMENT) -> Arrival:
    report = b.a_status(code, reporter=Organ(code=OrganCode(party)), description="Lý do")
    return an_arrival(write_status(report), f"answer-{code}", party)


THE_DOCUMENT = an_arrival(write_edoc(b.an_edoc(*BOTH)), "m-1")
A_RECALL = an_arrival(an_amendment(Business.RECALL), "m-2")
A_13 = an_arrival(
    write_status(
        b.a_status(
            "13",
            reporter=Organ(code=OrganCode(b.PROVINCE)),
            about=DocumentReference(organ=OrganCode(b.PROVINCE), official_id=b.an_edoc().official_id),
            description="Nhầm",
        )
    ),
    "m-2",
)
AN_UPDATE = an_arrival(an_amendment(Business.UPDATE), "m-2")


async def asked_and_answered(house: MortalHouse, arrival: Arrival) -> None:
    """All have the document; they are asked; the department agrees."""
    document = await house.bring(THE_DOCUMENT)
    asking = await house.bring(arrival)
    await house.bring(an_answer("15"))
    mine, theirs = await house.copy(asking, b.DEPARTMENT), await house.copy(document, b.DEPARTMENT)
    assert mine.answer is Answer.AGREED
    assert mine.state is HandOverState.HANDED_OVER
    assert theirs.request in (Request.RECALL_AGREED, Request.UPDATE_AGREED)
    commune = await house.copy(asking, b.COMMUNE)
    assert commune.state is HandOverState.AVAILABLE
    await balanced(house, document, asking)
    sent = [d.message_id for d in house.deliveries()]
    assert set(sent) == {mine.delivery, theirs.delivery}
    assert sent.index(theirs.delivery) < sent.index(mine.delivery)


async def withdrawn_unseen(house: MortalHouse, arrival: Arrival) -> None:
    """The department's queue has no room: the document is taken back before it has anything, or not at all.

    Where a worker died with the copy in hand nobody knows whether it went out; the recall follows it then.
    """
    house.broker.widen(0)
    document = await house.bring(THE_DOCUMENT)
    asking = await house.bring(arrival)
    house.broker.widen(100)
    for _ in range(4):
        await house.rest()
    mine, theirs = await house.copy(asking, b.DEPARTMENT), await house.copy(document, b.DEPARTMENT)
    seen = [d.message_id for d in house.deliveries()]
    if theirs.state is HandOverState.WITHDRAWN:
        assert mine.state is HandOverState.WITHDRAWN
        assert seen == []
    else:
        assert theirs.request is Request.RECALL_ASKED
        assert (seen[0], seen[-1]) == (theirs.delivery, mine.delivery)
    await balanced(house, document, asking)


async def one_came_first(house: MortalHouse, arrival: Arrival) -> None:
    """The recall comes before its document, and goes after it."""
    asking = await house.bring(arrival)
    document = await house.bring(THE_DOCUMENT)
    theirs = await house.copy(document, b.DEPARTMENT)
    assert theirs.asked_by == asking
    await balanced(house, document, asking)


async def balanced(house: MortalHouse, *documents: DocumentId) -> None:
    """Everything is decided, each copy has one end or is available, all evidence is in unbroken chains."""
    for document in documents:
        dossier = await house.store.load(document)
        assert dossier is not None
        assert dossier.submission.state is SubmissionState.ACCEPTED
        assert all(copy.state is not HandOverState.PENDING for copy in dossier.handovers)
        check_records(document, await house.store.evidence(document))
    waiting = await house.store.waiting()
    assert (waiting["document"], waiting["delivery"], waiting["receipt"]) == (0, 0, 0)


PLAYS = {
    "recall": (asked_and_answered, A_RECALL),
    "13": (asked_and_answered, A_13),
    "update": (asked_and_answered, AN_UPDATE),
    "withdrawn": (withdrawn_unseen, A_RECALL),
    "first": (one_came_first, A_RECALL),
}


@pytest.mark.parametrize("name", PLAYS)
async def test_whenever_a_worker_dies_the_books_balance(name: str) -> None:
    play, arrival = PLAYS[name]
    whole = MortalHouse()
    await play(whole, arrival)
    calls = whole.reaper.count
    assert calls > 40
    for at in range(1, calls + 1):
        house = MortalHouse()
        house.reaper.at = at
        try:
            await play(house, arrival)
        except BaseException as error:
            raise AssertionError(f"death at call {at} of {calls}") from error
        await asyncio.sleep(
            0
        )  # a play makes no real wait; the watchdog of the loop is to see many short ones


async def test_a_recall_that_waits_is_read_once_by_each_life() -> None:
    """It may carry 50 MB, and is asked for its document every few seconds, a day long."""
    house = House()
    reads = 0
    envelopes = house.envelopes

    async def read(ref: PayloadRef) -> Any:
        nonlocal reads
        reads += 1
        return await envelopes.read(ref)

    house.envelopes = Watched(envelopes, read=read)  # type: ignore[assignment]  # the other methods are passed on
    house.another_life()
    ticket, errands = await house.pipeline.receive(A_RECALL)
    await house.finish(errands)
    for _ in range(5):
        house.clock.advance(HALF_A_MINUTE)
        await house.work()
    assert reads == 1
    await house.die()
    house.clock.advance(HALF_A_MINUTE)
    await house.work()
    assert reads == 2
    _, errands = await house.pipeline.receive(THE_DOCUMENT)
    await house.finish(errands)
    house.clock.advance(HALF_A_MINUTE)
    await house.work()
    assert ticket.document is not None
    dossier = await house.store.load(ticket.document)
    assert dossier is not None
    assert dossier.submission.state is SubmissionState.ACCEPTED
