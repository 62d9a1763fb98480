"""What is stuck is found by the rounds, set going again, and told; nobody else is disturbed."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from gateway.model.change import WorkKind
from gateway.model.ids import PartyKey
from gateway.model.journey import HandOverState, SubmissionState
from gateway.rounds import Rounds, Steps
from tests.builders import COMMUNE
from tests.journey.chain import check_letters, check_records
from tests.journey.town import HEALTH, LABOUR, Town, a_town

MINUTE = timedelta(minutes=1)


class Counted:
    """Counts what the rounds tell."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self.hand = 0

    def stuck(self, what: str) -> None:
        self.found[what] += 1

    def in_hand(self, count: int, oldest_s: float) -> None:
        self.hand = count


def the_rounds(town: Town, *, page: int = 2, long: timedelta = 10 * MINUTE) -> tuple[Rounds, Counted]:
    (life,) = town.lives
    counted = Counted()
    rounds = Rounds(
        town.store,
        town.ledger,
        town.clock,
        owner=life.owner,
        hand=life.worker.hand,
        leads=lambda: True,
        numbers=counted,
        steps=Steps(page=page, long=long),
    )
    return rounds, counted


async def walk(rounds: Rounds) -> int:
    """The whole walk, once; how many pages it took."""
    pages = 1
    while not await rounds.walk():
        pages += 1
    return pages


async def test_work_that_was_leased_while_the_answer_was_lost_is_set_free_and_done():
    town = await a_town()
    town.broker.is_away = True
    ticket = await town.send(town.edoc(LABOUR, HEALTH))
    await town.settle()
    town.broker.is_away = False
    town.clock.advance(MINUTE)
    await town.store.beat(town.lives[0].owner, MINUTE)
    assert len(await town.store.lease(town.lives[0].owner, 10)) == 3, "and nobody hears of it"
    await town.settle()
    assert town.deliveries(LABOUR) == []
    rounds, counted = the_rounds(town)
    assert (await rounds.look_after_own(), await rounds.look_after_own()) == (0, 3)
    await town.settle()
    assert len(town.deliveries(LABOUR)) == len(town.deliveries(HEALTH)) == 1
    check_letters(town.receipts(about=ticket))
    check_records(ticket.document, await town.evidence(ticket))
    assert counted.found == {"lease": 3}
    assert await town.open_work() == 0
    assert await rounds.state() == "ok, 3 stuck and set going again within an hour"
    await town.pass_time(61 * MINUTE)
    assert await rounds.state() == "ok"


async def test_what_is_in_hand_is_left_there_however_often_the_rounds_come_by():
    town = await a_town()
    town.inspector.hold.close()
    await town.send(town.edoc(LABOUR))
    await town.settle()
    rounds, counted = the_rounds(town, long=timedelta())
    assert [await rounds.look_after_own() for _ in range(3)] == [0, 0, 0]
    assert counted.hand == 1
    assert "IN HAND FOR LONG: 1, document:" in await rounds.state()
    town.inspector.hold.lift()
    await town.settle()
    assert len(town.deliveries(LABOUR)) == 1
    assert "vanthu-attempt" not in town.deliveries(LABOUR)[0].headers


async def test_a_document_and_a_copy_without_work_are_found_page_by_page_and_go_on():
    town = await a_town()
    town.inspector.is_away = True
    waiting = await town.send(town.edoc(LABOUR, number=1))
    await town.settle()
    town.inspector.is_away = False
    town.broker.is_away = True
    decided = [await town.send(town.edoc(HEALTH, COMMUNE, number=n)) for n in (2, 3, 4)]
    await town.settle()
    town.broker.is_away = False
    for key in [k for k, w in town.store._work.items() if w.kind in (WorkKind.DOCUMENT, WorkKind.DELIVERY)]:
        del town.store._work[key]
    await town.pass_time(6 * MINUTE)
    assert town.deliveries(HEALTH) == []
    rounds, counted = the_rounds(town)
    assert await walk(rounds) == 3
    assert counted.found == {"document": 1, "copy": 3}
    await town.settle()
    assert (await town.dossier(waiting)).submission.state is SubmissionState.ACCEPTED
    for ticket in decided:
        assert (await town.copy(ticket, HEALTH)).state is HandOverState.AVAILABLE
        check_records(ticket.document, await town.evidence(ticket))
        (event,) = [e for e in await town.store.timeline(ticket.document) if e.event == "set-going-again"]
        assert (event.recipient, event.reason) == (PartyKey(HEALTH), "left-behind")
    assert await town.open_work() == 0
    await walk(rounds)
    assert counted.found == {"document": 1, "copy": 3}, "nothing more is found"


async def test_what_waits_in_good_order_is_not_stuck():
    town = await a_town(queue_room=1)
    for number in (1, 2):
        await town.send(town.edoc(LABOUR, COMMUNE, number=number))
    await town.send(town.recall(LABOUR, number=1))
    town.inspector.is_away = True
    await town.send(town.edoc(HEALTH, number=3))
    await town.settle()
    rounds, counted = the_rounds(town)
    await walk(rounds)
    await rounds.look_after_own()
    await rounds.look_after_own()
    assert counted.found == {}
    assert await rounds.state() == "ok"
