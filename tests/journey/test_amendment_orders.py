"""Statuses, recalls, updates and answers of several agencies in any order: never backwards, never two ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model.handover import HandOver
from gateway.model.ids import OfficialId, PartyKey
from gateway.model.journey import (
    FINAL_HANDOVERS,
    HANDOVER,
    REQUEST,
    STATUS,
    SubmissionState,
)
from gateway.model.submission import Ticket
from tests.builders import COMMUNE
from tests.journey.chain import check_records
from tests.journey.town import HEALTH, LABOUR, Town, a_town

ORGANS = (LABOUR, HEALTH, COMMUNE)
CODES = ("01", "02", "03", "04", "05", "06", "14", "15", "16", "09")
FORWARD = {(a, b) for (a, _), b in STATUS.items()}
ASKED = {(a, b) for (a, _), b in REQUEST.items()}
MOVED = {(a, b) for (a, _), b in HANDOVER.items()}

report = st.tuples(st.just("report"), st.sampled_from(ORGANS), st.sampled_from(CODES))
send = st.sampled_from(
    [
        ("edoc",),
        ("recall", ORGANS),
        ("recall", (LABOUR,)),
        ("13", HEALTH),
        ("update", (), ()),
        ("update", (COMMUNE,), (LABOUR,)),
        ("update-same-number", (), ()),
        ("replace",),
    ]
)
other = st.sampled_from([("time", 20), ("time", 3600), ("reject", LABOUR), ("room",), ("again",)])
story = st.lists(st.one_of(report, report, send, other), min_size=3, max_size=14)


class Story:
    """A town in which things happen in an order that nobody chose; after each the books are looked at."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.tickets: list[Ticket] = []
        self.bodies: list[tuple[bytes, str, str]] = []
        self.known: dict[tuple[str, str], HandOver] = {}
        self.number = 0

    async def tell(self, step: tuple) -> None:
        """Let *step* happen."""
        town = self.town
        match step:
            case ("report", organ, code):
                await self.send(town.status(organ, code, description="Vì lý do"), organ)
            case ("edoc",):
                await self.send(town.edoc(LABOUR, HEALTH))
            case ("recall", organs):
                await self.send(town.recall(*organs))
            case ("13", organ):
                await self.send(town.take_back(organ))
            case ("update", added, removed):
                await self.send(town.update(LABOUR, added=added, removed=removed, attachments=()))
            case ("update-same-number", _, _):
                same = {"number": 517, "official_id": OfficialId("")}
                await self.send(town.update(LABOUR, HEALTH, **same))
            case ("replace",):
                await self.send(town.replacement(LABOUR, HEALTH))
            case ("time", seconds):
                await town.pass_time(timedelta(seconds=seconds))
            case ("reject", organ):
                town.broker.reject(f"vanthu.deliver.{organ}")
                await town.bring_dead_letters()
            case ("room",):
                town.broker.widen(100)
            case ("again",) if self.bodies:
                body, sender, message_id = self.bodies[-1]
                await town.send(body, sender, message_id=message_id)
        await town.settle()
        await self.look()

    async def send(self, body: bytes, sender: str | None = None) -> None:
        """Send *body*."""
        self.number += 1
        message_id = f"s-{self.number}"
        named = {"sender": sender} if sender else {}
        self.tickets.append(await self.town.send(body, message_id=message_id, **named))
        self.bodies.append((body, sender or "000.00.00.H53", message_id))

    async def look(self) -> None:
        """Nothing went backwards, and every chain holds."""
        for ticket in self.tickets:
            dossier = await self.town.dossier(ticket)
            for copy in dossier.handovers:
                self.compare(copy)
            issued = await self.town.evidence(ticket)
            if issued:
                check_records(dossier.submission.document, issued)
            ended = dossier.submission.state in (SubmissionState.ACCEPTED, SubmissionState.REFUSED)
            assert bool(issued) == ended

    def compare(self, copy: HandOver) -> None:
        """*copy* against what it was: each machine made moves of its table alone."""
        key = (copy.document, copy.recipient)
        before, self.known[key] = self.known.get(key), copy
        if before is None:
            return
        assert before.version <= copy.version
        assert before.status == copy.status or (before.status, copy.status) in FORWARD
        assert before.request == copy.request or _leads(ASKED, before.request, copy.request)
        assert before.state == copy.state or _leads(MOVED, before.state, copy.state)
        if before.state in FINAL_HANDOVERS:
            assert copy.state == before.state
        assert before.answer in ("", copy.answer)

    async def end(self) -> None:
        """Everything comes to an end, with evidence."""
        self.town.broker.widen(100)
        for _ in range(3):
            await self.town.pass_time(timedelta(hours=12))
        await self.town.pass_time(timedelta(days=31))
        await self.look()
        assert await self.town.open_work() == 0
        for ticket in self.tickets:
            dossier = await self.town.dossier(ticket)
            assert dossier.submission.state in (SubmissionState.ACCEPTED, SubmissionState.REFUSED)
            assert all(copy.state != "pending" for copy in dossier.handovers)
        for copy in self.known.values():
            if copy.state == "withdrawn":
                letters = self.town.deliveries(copy.recipient) if copy.recipient != COMMUNE else []
                assert copy.delivery not in {letter.message_id for letter in letters}
                assert copy.recipient != PartyKey(COMMUNE)


def _leads(table: set, start: object, end: object) -> bool:
    """Whether some moves of *table* lead from *start* to *end*: several may happen between two looks."""
    reached, fresh = {start}, {start}
    while fresh:
        fresh = {b for a, b in table if a in fresh} - reached
        reached |= fresh
    return end in reached


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=story, room=st.sampled_from([0, 1, 100]))
def test_in_any_order_nothing_goes_backwards_and_everything_ends(steps: list, room: int) -> None:
    async def go() -> None:
        town = await a_town(queue_room=room)
        told = Story(town)
        await told.tell(("edoc",))
        for step in steps:
            await told.tell(step)
        await told.end()

    asyncio.run(go())
