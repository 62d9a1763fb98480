"""The agencies of the simulated town: they send, take, crash, doubt and answer, each in its own way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextvars import Context
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from adapters.memory import Letter, write_status
from gateway.errors import Refused, Unavailable
from gateway.model.envelope import DocumentReference, Kind, Organ, StatusReport
from gateway.model.ids import ClientId, MessageId, OfficialId, OrganCode, PartyKey
from gateway.model.party import Link
from gateway.model.payload import PayloadRef
from gateway.model.submission import Arrival
from tests.builders import COMMUNE, PROVINCE
from tests.journey.town import HEALTH, JUSTICE, LABOUR
from tests.simulation.town import Life, Lost, SimTown, name_of

READERS = (LABOUR, HEALTH, JUSTICE, PROVINCE)
DELIVER, RECEIPTS = "vanthu.deliver.", "vanthu.receipts."
REPLIES: tuple[tuple[str, ...], ...] = (
    (),
    ("01",),
    ("01", "03", "04", "05", "06"),
    ("01", "03", "06"),
    ("01", "02"),
    ("03", "05"),
    ("02",),
    ("01", "03", "03"),
)
ANSWERS: tuple[tuple[str, ...], ...] = (
    (),
    ("15",),
    ("16",),
    ("15", "15"),
    ("01", "16"),
    ("16", "15"),
    ("14",),
)


@dataclass(slots=True, kw_only=True)
class Taken:
    """Everything that one agency has ever been given, in order; a delivery twice where it was given twice."""

    deliveries: list[tuple[str, str, bytes]] = field(default_factory=list)
    receipts: list[tuple[str, bytes, int | None]] = field(default_factory=list)
    """Message id, body, and the sequence number that its header tells (inboxes tell none)."""


class Agencies:
    """All of them.  *town* is where they live."""

    def __init__(self, town: SimTown) -> None:
        self.town = town
        self.random = town.random
        self.published: dict[str, Arrival] = {}
        self.taken = {organ: Taken() for organ in (*READERS, COMMUNE)}
        self.rejected: set[str] = set()
        self._answered: set[str] = set()
        self._looking: set[str] = set()
        self._messages = 0
        self.is_willing = True
        town.broker.on_letter = self._awake
        town.store.on_item = self._awake
        self.slowness = self.random.choice((0.2, 2.0, 10.0))
        self.rejects = self.random.choice((0.0, 0.0, 0.05))
        self.crashes = self.random.choice((0.0, 0.1))
        self.shuffles = self.random.choice((0.0, 0.0, 0.3))
        self.asleep: dict[str, tuple[float, float]] = {}
        """Which of them takes nothing, from when until when."""
        if self.random.random() < 0.3:
            begin = self.random.random() * 60
            self.asleep[self.random.choice(READERS)] = (begin, begin + self.random.random() * 90)

    # --- sending ------------------------------------------------------------------------------------

    def send_at(
        self, when: float, body: bytes, sender: str = PROVINCE, *, as_claim: bool = False, **changes: Any
    ) -> str:
        """From *when* on *sender* sends *body*, until it knows that it has arrived; answers the message id.

        *as_claim*: the bytes are uploaded before, in pieces, and the message only names them.
        """
        self._messages += 1
        arrival = Arrival(
            client=ClientId(sender),
            claimed=OrganCode(sender),
            message_id=MessageId(f"m-{self._messages}"),
            payload=PayloadRef.of(body),
            link=Link.HTTP if sender == COMMUNE else Link.AMQP,
            content_type="application/xml",
        )
        arrival = replace(arrival, **changes)
        self.published[name_of(arrival)] = arrival
        delay = max(0.0, when - self.town.loop.time())
        self.town.in_flight += 1
        self.town.loop.call_later(
            delay, lambda: self.town.loop.create_task(self._send(arrival, as_claim)), context=Context()
        )
        return str(arrival.message_id)

    def again_at(self, when: float, arrival: Arrival, *, is_same: bool) -> None:
        """From *when* on who has sent *arrival* long ago sends it again: the same message, or another with its bytes."""
        if not is_same:
            body = arrival.payload.body
            assert body is not None
            self.send_at(when, body, str(arrival.claimed), routed_as=arrival.routed_as, link=arrival.link)
            return
        self.town.in_flight += 1
        delay = max(0.0, when - self.town.loop.time())
        self.town.loop.call_later(
            delay, lambda: self.town.loop.create_task(self._send(arrival, False)), context=Context()
        )

    async def _send(self, arrival: Arrival, as_claim: bool) -> None:
        draw, is_calm = self.random.random, lambda: self.town.weather.is_calm
        try:
            if as_claim:
                await self._upload(PartyKey(arrival.claimed), arrival.payload)
                arrival = replace(arrival, payload=arrival.payload.bare())
            while not is_calm() and draw() < 0.1:  # lost on its way, or its confirm was: sent again
                if draw() < 0.5:
                    self.town.bring(arrival)
                await asyncio.sleep(1 + draw() * 5)
            self.town.bring(arrival)
            if not is_calm() and draw() < 0.1:
                self.town.bring(arrival)
        finally:
            self.town.in_flight -= 1

    async def _upload(self, party: PartyKey, payload: PayloadRef) -> None:
        """Piece by piece, each through whichever life answers; what was acknowledged stays."""
        town, body, known = self.town, payload.body or b"", 0
        while True:
            try:
                life: Life = self.random.choice(town.alive)
                upload = await town.ask(life, life.uploads.begin(party, payload))
                if upload.offset < known:
                    town.wrong(
                        f"an upload has forgotten {known - upload.offset} bytes that were acknowledged"
                    )
                while upload.offset < payload.size:
                    known = upload.offset
                    piece = body[known : known + 1 + int(self.random.random() * payload.size * 0.6)]
                    life = self.random.choice(town.alive)
                    pieces = self._pieces(piece)
                    upload = await town.ask(life, life.uploads.append(party, upload.id, known, pieces))
                await town.ask(life, life.uploads.finish(party, upload.id))
                return
            except (IndexError, Lost, Unavailable, Refused, ConnectionError):
                await asyncio.sleep(1 + self.random.random() * 3)

    async def _pieces(self, piece: bytes) -> AsyncIterator[bytes]:
        """The connection may break in the midst of *piece*."""
        middle = int(self.random.random() * len(piece))
        yield piece[:middle]
        if not self.town.weather.is_calm and self.random.random() < 0.1:
            raise ConnectionResetError
        yield piece[middle:]

    # --- taking -------------------------------------------------------------------------------------

    def _awake(self, place: str) -> None:
        """Something has come to a queue, or to the inbox of a party."""
        if place not in self._looking:
            self._looking.add(place)
            pause = self.random.random() * (self.slowness if self.is_willing else 0.2)
            self.town.loop.call_later(pause, self._look, place, context=Context())

    def _look(self, place: str) -> None:
        self._looking.discard(place)
        if place.startswith(RECEIPTS):
            self._take_receipts(place)
        elif place.startswith(DELIVER):
            self._take_delivery(place)
        elif place == COMMUNE:
            self._looking.add(place)
            self.town.in_flight += 1
            self.town.loop.create_task(self._visit())

    def _take_receipts(self, queue: str) -> None:
        taken = self.taken[queue.removeprefix(RECEIPTS)]
        while (letter := self.town.broker.take(queue)) is not None:
            taken.receipts.append((letter.message_id, letter.body, int(letter.headers["vanthu-sequence"])))

    def _take_delivery(self, queue: str) -> None:
        organ = queue.removeprefix(DELIVER)
        draw = self.random.random
        begin, end = self.asleep.get(organ, (0.0, 0.0))
        if self.is_willing and begin <= self.town.loop.time() < end:
            self._looking.add(queue)
            self.town.loop.call_later(5, self._look, queue, context=Context())
            return
        letters = self.town.broker._queues[queue]
        if not letters:  # what lay there has expired
            return
        if self.is_willing and len(letters) > 1 and draw() < self.shuffles:
            letters[0], letters[1] = letters[1], letters[0]
        if self.is_willing and draw() < self.rejects:
            letter = letters[0]
            self.rejected.add(letter.message_id)
            self.town.tell(f"{organ} rejects {_name(letter)}")
            self.town.broker.reject(queue)
            self.town.loop.create_task(self.town.bury_letters())
        elif (letter := self.town.broker.take(queue)) is not None:
            self.town.tell(f"{organ} takes {_name(letter)}")
            document = str(letter.headers["vanthu-document"])
            self.taken[organ].deliveries.append((letter.message_id, document, letter.body))
            if self.is_willing and draw() < self.crashes:
                self.town.broker.give_back(queue, letter)
            else:
                self._reply(organ, letter.message_id, letter.body, document)
        if self.town.broker.depth(queue):
            self._awake(queue)

    async def _visit(self) -> None:
        """The commune's client looks into its inbox and takes one thing."""
        town = self.town
        try:
            life: Life = self.random.choice(town.alive)
            items = await town.ask(life, life.desk.peek(PartyKey(COMMUNE), 10))
            if items:
                one = self.random.choice(items[:2])
                locked = await town.ask(
                    life, life.desk.lock(PartyKey(COMMUNE), one.id, timedelta(seconds=20))
                )
                item, ref = await town.ask(life, life.desk.content(PartyKey(COMMUNE), one.id))
                body = await town.vault.read(ref)
                if item.type.value == "receipt":
                    self.taken[COMMUNE].receipts.append((item.id, body, None))
                else:
                    self.taken[COMMUNE].deliveries.append((item.id, str(item.document), body))
                life = self.random.choice(town.alive)
                await town.ask(life, life.desk.acknowledge(PartyKey(COMMUNE), one.id, locked.lock))
                town.tell(f"the commune has taken {one.id[:8]} of {item.document[-6:]}")
                if item.type.value != "receipt":
                    self._reply(COMMUNE, item.id, body, str(item.document))
        except (IndexError, Lost, Unavailable, Refused):
            await asyncio.sleep(1 + self.random.random() * 3)
        finally:
            town.in_flight -= 1
        self._looking.discard(COMMUNE)
        if town.inbox_waits():
            self._awake(COMMUNE)

    # --- answering ----------------------------------------------------------------------------------

    def _reply(self, organ: str, delivery: str, body: bytes, document: str) -> None:
        if delivery in self._answered:
            return
        self._answered.add(delivery)
        header = json.loads(body.partition(b"\n")[0])
        is_13 = header["kind"] == "status"
        if is_13 and header["code"] != "13":
            return  # the sender of a document hears of its fate: nothing to say to that
        asks = is_13 or header["business"] in (1, 2)
        codes = list(self.random.choice(ANSWERS if asks else REPLIES))
        if self.random.random() < 0.15:
            self.random.shuffle(codes)
        when = self.town.loop.time()
        for code in codes:
            when += self.random.random() ** 2 * 30
            reference = DocumentReference(organ=OrganCode(PROVINCE), official_id=OfficialId(document))
            report = StatusReport(
                reporter=Organ(code=OrganCode(organ)), about=reference, code=code, description="Vì lý do"
            )
            self.send_at(when, write_status(report), organ, routed_as=Kind.STATUS)


def _name(letter: Letter) -> str:
    return f"{letter.type} {letter.headers['vanthu-document'][-6:]}"  # type: ignore[index]
