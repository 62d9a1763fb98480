"""Whatever happens to one copy, in whatever order: one end at most, nothing proved twice, no gap in the chain."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.model.handover import HandOver
from gateway.model.ids import PartyKey
from gateway.model.journey import FINAL_HANDOVERS, HandOverState, Status
from gateway.model.submission import Ticket
from tests.builders import COMMUNE
from tests.journey.chain import check_letters, check_records
from tests.journey.town import LABOUR, Town, a_town

ENDS = {
    HandOverState.HANDED_OVER: "ContentHandover",
    HandOverState.FAILED: "ContentHandoverFailure",
}
FAILURES = {"ContentHandoverFailure", "ContentConsignmentFailure"}
STATUSES = ["01", "02", "03", "06"]
DEAD = ["expired", "rejected", "delivery_limit"]
QUEUE = st.lists(
    st.tuples(st.sampled_from(["confirm", "deadline", *STATUSES, *DEAD]), st.booleans()), max_size=12
)
INBOX = st.lists(
    st.tuples(st.sampled_from(["acknowledge", "deadline", *STATUSES]), st.booleans()), max_size=12
)
MANY = settings(max_examples=150, deadline=None, database=None, derandomize=True)


async def happens(town: Town, copy: HandOver, event: str) -> None:
    """Let *event* happen to *copy*."""
    worker, desk = town.lives[0].worker, town.lives[0].desk
    if event == "confirm":
        town.outlet.after.lift()
    elif event == "deadline":
        await town.advance(timedelta(days=31))
    elif event in DEAD:
        await worker.undeliverable(copy.document, copy.recipient, copy.delivery, event)
    elif event == "acknowledge":
        with suppress(Refused):  # taken, locked or expired before
            locked = await desk.lock(copy.recipient, copy.delivery, timedelta(minutes=1))
            await desk.acknowledge(copy.recipient, copy.delivery, locked.lock)
    else:
        body = town.status(str(copy.recipient), event, description="Sai thẩm quyền")
        await town.send(body, str(copy.recipient))


async def check_copy(town: Town, ticket: Ticket, before: HandOver, after: HandOver) -> None:
    """What must hold at every moment."""
    issued = await town.evidence(ticket)
    check_records(ticket.document, issued)
    events = [e.event.value for e in issued if e.recipient == after.recipient]
    assert not [event for event, n in Counter(events).items() if n > 1]
    assert after.sequence == len(events)
    ends = [e for e in events if e in FAILURES or e == "ContentHandover"]
    assert len(ends) == (after.state in FINAL_HANDOVERS)
    if after.state in ENDS:
        assert ends == [ENDS[after.state]]
    if after.state is HandOverState.EXPIRED:
        assert set(ends) <= FAILURES
    if "ContentHandover" in events or "ContentHandoverFailure" in events:
        assert events[0] == "ContentConsignment"
    assert not {"ConsignmentAcceptance", "ConsignmentRejection"} <= set(events)
    if before.state in FINAL_HANDOVERS:
        assert after.state is before.state
        assert (after.available_at, after.handed_over_at) == (before.available_at, before.handed_over_at)
    if before.status is Status.REJECTED:
        assert after.status is Status.REJECTED
    assert after.status >= before.status


async def walk(recipient: str, steps: list[tuple[str, bool]]) -> None:
    town = await a_town()
    town.outlet.after.close()
    ticket = await town.send(town.edoc(recipient))
    await town.settle()
    copy = await town.copy(ticket, recipient)
    for event, rests in [*steps, ("confirm", True), ("deadline", True)]:
        await happens(town, copy, event)
        if rests:
            await town.settle()
        after = await town.copy(ticket, recipient)
        await check_copy(town, ticket, copy, after)
        copy = after
    assert copy.state is not HandOverState.PENDING
    assert await town.open_work() == 0
    check_letters(town.receipts(about=ticket))
    assert len({r.message_id for r in town.receipts(about=ticket)}) == 1 + copy.sequence
    assert PartyKey(recipient) == copy.recipient


@MANY
@given(QUEUE)
def test_a_copy_for_a_queue_ends_once_whatever_the_order(steps):
    asyncio.run(walk(LABOUR, steps))


@MANY
@given(INBOX)
def test_a_copy_for_an_inbox_ends_once_whatever_the_order(steps):
    asyncio.run(walk(COMMUNE, steps))
