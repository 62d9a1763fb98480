"""Bugs 7, 9 and 14: who never answers, who asks without end, authorities that are away, and days without end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import FunctionType, ModuleType
from typing import Any

import pytest

from adapters.broker.connection import Connection
from adapters.broker.connection import Options as ConnectionOptions
from adapters.broker.outlet import AmqpOutlet
from adapters.broker.outlet import Options as OutletOptions
from adapters.clock import SystemClock
from adapters.memory import MemoryNotary, MemoryVault
from adapters.signing.stamps.authority import HttpStamper
from adapters.signing.stamps.authority import Options as StamperOptions
from gateway.errors import Unavailable
from gateway.model.handover import Handed
from gateway.model.ids import MessageId, OrganCode, PartyKey
from gateway.sequencer import Rhythm, Sequencer
from tests.builders import COMMUNE, PDF
from tests.journey.town import HEALTH, LABOUR, a_town
from tests.service.exchange import a_delivery

# --- 7 ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def a_mute_peer() -> AsyncIterator[int]:
    """Its port: it accepts connections and never says a word."""
    held: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in held:
            writer.close()


async def test_07_a_peer_that_accepts_tcp_and_never_answers_costs_a_deadline_and_no_more__eformidling_5106():
    async with a_mute_peer() as port, asyncio.timeout(20):
        link = ConnectionOptions(
            url=f"amqp://a:b@127.0.0.1:{port}/vanthu",
            connect_within=timedelta(milliseconds=100),
            close_within=timedelta(milliseconds=100),
        )
        own = OutletOptions(public_url="http://gateway.example", deadline=timedelta(milliseconds=100))
        async with Connection(link, "publish") as connection:
            outlet = AmqpOutlet(own, connection, MemoryVault(), SystemClock(), b"secret")
            results = await asyncio.gather(*(outlet.hand_over(a_delivery(n)) for n in range(50)))
            assert {(result.handed, result.reason) for result in results} == {(Handed.NOT_NOW, "broker-away")}
            assert outlet.state != "ok"
        stamps = HttpStamper(
            StamperOptions(
                url=f"http://127.0.0.1:{port}/", wait=timedelta(milliseconds=100), roots=lambda: ()
            )
        )
        with pytest.raises(Unavailable, match="stamp-unavailable"):
            await stamps.stamp(b"head")
        assert (await stamps.check()).startswith("ok, AWAY")


@pytest.mark.heavy_body("asks a hundred thousand times")
async def test_07_a_hundred_thousand_polls_of_one_id_write_nothing_and_hold_nobody_up__e_doreczenia():
    town = await a_town()
    asked = await town.send(town.edoc(LABOUR, COMMUNE), message_id=MessageId("asked"))
    await town.settle()
    (item,) = [i for i in await town.inbox() if i.type.value != "receipt"]
    desk, store = town.lives[0].desk, town.store
    written, events = len(town.ledger.changes), await store.timeline(asked.document)

    async def poll(times: int) -> None:
        for n in range(times):
            await desk.content(PartyKey(COMMUNE), item.id)
            await store.load(asked.document, PartyKey(COMMUNE))
            if n % 100 == 0:
                await asyncio.sleep(0)

    polls = asyncio.create_task(poll(100_000))
    other = await town.send(town.edoc(HEALTH, number=2))
    await town.settle()
    assert not polls.done(), "the other document went through while somebody polled"
    assert town.events(other, HEALTH) == ["ContentConsignment"]
    mine = len(town.ledger.changes) - written
    await polls
    assert len(town.ledger.changes) - written == mine
    assert await store.timeline(asked.document) == events
    assert await store.item(PartyKey(COMMUNE), item.id) == item


# --- 9 ----------------------------------------------------------------------------------------------

UNCHECKED = PDF + b"\n%VANTHU-SIGNED a signer whose revocation nobody can look up\n"


class Mute:
    """A time-stamp authority that never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def stamp(self, body: bytes) -> bytes:
        """``Stamper.stamp``."""
        self.asked += 1
        return await asyncio.get_running_loop().create_future()


async def test_09_while_time_stamping_and_ocsp_are_away_every_document_goes_on_at_once__xroad_152():
    town, mute = await a_town(), Mute()
    sequencer = Sequencer(
        town.store.log,
        town.store.log_records,
        MemoryNotary(),
        town.clock,
        organ=OrganCode("000.00.00.G00"),
        owner=town.lives[0].owner,
        stamper=mute,
        rhythm=Rhythm(tick=timedelta(), head=timedelta()),
    )
    await sequencer.start()
    tickets = [await town.send(town.edoc(LABOUR, number=n, pdfs=[UNCHECKED])) for n in range(30)]
    await town.settle()
    async with asyncio.timeout(20):
        while not mute.asked or town.store.log._queue:
            await asyncio.sleep(0)
    for ticket in tickets:
        issued = await town.evidence(ticket)
        received = (await town.dossier(ticket)).submission.received_at
        assert [e.event.value for e in issued] == ["SubmissionAcceptance", "ContentConsignment"]
        assert {e.issued_at for e in issued} == {received}, "the whole way took no time"
        assert b"signature-untrusted" in issued[0].body, "could not be told: a warning"
    assert sequencer.failed is None
    await sequencer.stop()


# --- 14 ---------------------------------------------------------------------------------------------


@pytest.mark.heavy_body("carries hundreds of documents")
async def test_14_a_worker_holds_no_more_after_many_documents_than_after_few__phoss_ap_68():
    """The soak in small; the long one, with rates, is in ``make bench``."""
    town = await a_town()

    async def day(documents: range) -> int:
        for number in documents:
            await town.send(town.edoc(LABOUR, HEALTH, COMMUNE, number=number))
        await town.settle()
        for organ in (LABOUR, HEALTH):
            for number in documents:
                await town.send(town.status(organ, "01", number=number), organ)
        await town.settle()
        return held_by(town.lives[0].worker)

    first = await day(range(1, 30))
    assert first > 50, "the worker is looked at, and what it stands on"
    # What a party has saved, and whether it is still there, hangs on the clock; what is kept of documents on how many.
    assert await day(range(30, 160)) < first + 30


def held_by(root: Any) -> int:
    """How many things hang on *root*, without what is beyond the ports (there the twins remember everything)."""
    seen: set[int] = set()
    waiting: deque[Any] = deque([root])
    while waiting:
        one = waiting.popleft()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset | deque):
            waiting += one
        elif type(one).__module__.startswith("gateway."):
            slots = [getattr(one, name) for name in getattr(type(one), "__slots__", ()) if hasattr(one, name)]
            waiting += [*vars(one).values()] if hasattr(one, "__dict__") else slots
    return len(seen)
