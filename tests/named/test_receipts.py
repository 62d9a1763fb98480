"""Bugs 1, 2, 6 and 15: what the sender is told, how often something is tried, and what a repeat gets."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from gateway.errors import Reason
from gateway.model.envelope import Kind
from gateway.model.handover import Delivery, Handed, HandOverResult, Parcel
from gateway.model.ids import DocumentId, MessageId, PartyKey
from gateway.model.journey import HandOverState, Status
from gateway.model.submission import Door
from tests.journey.town import HEALTH, LABOUR, PROVINCE, Town, a_town

HOUR = timedelta(hours=1)


async def test_01_a_first_delivery_that_fails_after_the_store_gives_no_consignment_until_it_is_available__holodeck_142():
    town = await a_town()
    town.broker.is_away = True
    body = town.edoc(LABOUR)
    first = await town.send(body, message_id=MessageId("once"))
    await town.settle()
    for _ in range(3):  # the sender heard nothing, and tries again
        again = await town.send(body, message_id=MessageId("once"))
        await town.pass_time(timedelta(seconds=10))
        assert again.document == first.document
        assert await consignments(town) == []
    town.broker.is_away = False
    await town.pass_time(HOUR)
    assert len(town.deliveries(LABOUR)) == 1
    assert len({r.message_id for r in town.receipts() if is_consignment(r)}) == 1
    (told,) = await consignments(town)
    copy = await town.copy(first, LABOUR)
    assert (copy.state, copy.available_at) == (HandOverState.AVAILABLE, told)


def is_consignment(receipt):
    return receipt.headers["vanthu-event"] == "ContentConsignment"


async def consignments(town: Town) -> list[object]:
    """When each consignment was attested."""
    return [e.issued_at for e in town.store._evidence.values() if e.event.value == "ContentConsignment"]


@pytest.mark.parametrize("status", ["01", "02", "06"])
@pytest.mark.parametrize("comes_back", [False, True])
async def test_02_a_late_receipt_that_races_a_retry_leaves_one_final_state__holodeck_128(status, comes_back):
    town = await a_town()
    town.outlet.after.close()  # the recipient has it, and the confirm is lost
    ticket = await town.send(town.edoc(LABOUR))
    await town.settle()
    (first,) = town.deliveries(LABOUR)
    second = await town.begin_life("second")
    await town.store.bury(town.lives[0].owner)
    town.lives[0].is_frozen = True
    town.outlet.after.let_others_by()
    body = town.status(LABOUR, status, description="Vì lý do")
    await town.send(body, LABOUR, routed_as=Kind.STATUS, life=second)  # the receipt of the first delivery …
    await town.pass_time(HOUR)  # … races the retry, and the life whose confirm was lost goes on
    town.lives[0].is_frozen = False
    town.outlet.after.lift()
    await town.settle()
    if comes_back:
        await second.worker.undeliverable(
            DocumentId(ticket.document), PartyKey(LABOUR), first.message_id, "expired"
        )
        await town.settle()
    copy = await town.copy(ticket, LABOUR)
    assert (copy.state, copy.status) == (HandOverState.HANDED_OVER, Status(status))
    assert {letter.message_id for letter in town.deliveries(LABOUR)} == {first.message_id}
    told = Counter(town.events(ticket, LABOUR))
    assert told["ContentConsignment"] == told["ContentHandover"] == 1
    assert not [event for event in told if event.endswith("Failure")]


class Refusing:
    """An outlet that says no for good to some parcels, and counts how often it was asked."""

    def __init__(self, outlet, result: HandOverResult) -> None:
        self._outlet, self._result = outlet, result
        self.asked: Counter[str] = Counter()
        self.waiting = 0

    async def hand_over(self, parcel: Parcel) -> HandOverResult:
        if not isinstance(parcel, Delivery):
            return await self._outlet.hand_over(parcel)
        self.asked[parcel.party] += 1
        return self._result if parcel.party == LABOUR else await self._outlet.hand_over(parcel)


async def test_06_a_permanent_error_is_never_retried__eformidling_5133():
    town = await a_town()
    never = HandOverResult(handed=Handed.NEVER, reason=Reason("queue-missing"))
    refusing = Refusing(town.outlet, never)
    town.outlet = refusing
    await town.end_life(town.lives[0])
    await town.begin_life("second")
    ticket = await town.send(town.edoc(LABOUR, HEALTH))
    refused = await town.send(town.edoc(LABOUR, pdfs=[b"%PDF-1.7\n<< /Encrypt 1 0 R >>\n%%EOF\n"], number=2))
    await town.settle()
    judged = len(town.inspector.names)
    for _ in range(40):
        await town.pass_time(timedelta(hours=20))
    assert refusing.asked[LABOUR] == refusing.asked[HEALTH] == 1
    assert (await town.copy(ticket, LABOUR)).state is HandOverState.FAILED
    assert town.events(ticket, LABOUR) == ["ContentConsignmentFailure"]
    assert town.events(refused) == ["SubmissionRejection"]
    assert len(town.inspector.names) == judged
    assert await town.open_work() == 0


@pytest.mark.parametrize("sender", [PROVINCE, HEALTH])
async def test_15_the_window_for_duplicates_lasts_a_month(sender):
    town = await a_town()
    body = town.edoc(LABOUR) if sender == PROVINCE else town.status(HEALTH, "01")
    changes = {} if sender == PROVINCE else {"routed_as": Kind.STATUS}
    await town.send(town.edoc(HEALTH), message_id=MessageId("about"))
    await town.settle()
    first = await town.send(body, sender, message_id=MessageId("once"), **changes)
    await town.settle()
    before = {(r.message_id, r.body) for r in town.receipts(sender, about=first)}
    letters = len(town.deliveries(LABOUR)), len(town.deliveries(PROVINCE))
    assert before
    for days in (1, 14, 16):  # in all 31
        await town.pass_time(timedelta(days=days))
        told = {(r.message_id, r.body) for r in town.receipts(sender, about=first)}
        count = len(town.receipts(sender, about=first))
        again = await town.send(body, sender, message_id=MessageId("once"), **changes)
        await town.settle()
        assert (again.door, again.document) == (Door.REPEATED, first.document)
        after = town.receipts(sender, about=first)
        assert {(r.message_id, r.body) for r in after} == told
        assert len(after) == count + len(told)
    assert before <= told
    assert (len(town.deliveries(LABOUR)), len(town.deliveries(PROVINCE))) == letters
    late = await town.send(town.edoc(HEALTH, number=2), message_id=MessageId("about"))
    assert (late.door, late.reason) == (Door.REFUSED, "message-id-reused")
