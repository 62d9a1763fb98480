"""The pipeline on twins, taken step by step: what it did to its ports, in order, is in a diary.

    house = House()
    ticket, errands = await house.pipeline.receive(house.arrival(b.DEPARTMENT))
    await house.finish(errands)
    assert house.diary == ["put", "T1", "put", "T2", "publish edoc", …]

Nothing runs by itself: a life that ends is one whose errands nobody finishes.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

from adapters.memory import (
    CountingIds,
    FixedClock,
    Letter,
    MemoryBroker,
    MemoryDirectory,
    MemoryEnvelopes,
    MemoryInspector,
    MemoryNotary,
    MemoryOutlet,
    MemorySealer,
    MemoryStore,
    MemoryVault,
    write_edoc,
)
from gateway.errors import Unavailable
from gateway.model.change import Change, Outcome
from gateway.model.handover import Delivery, HandOverResult, Parcel
from gateway.model.ids import OrganCode, Owner, PartyKey, Realm
from gateway.model.payload import PayloadRef
from gateway.model.policy import Policy
from gateway.model.submission import Arrival
from gateway.pipeline import Pipeline
from gateway.register import Register
from gateway.world import Errands, Us, World
from tests import builders as b

LASTING = timedelta(minutes=1)


class Silence:
    """An observer who does nothing with what it is told."""

    def stage(self, stage: str, document: object) -> Any:
        """Around one stage."""
        return nullcontext()

    def document(self, outcome: str, document: object, reason: str = "") -> None:
        """A submission was decided."""

    def hand_over(self, document: object, link: str, outcome: str, reason: str = "") -> None:
        """An outlet answered."""

    def receipt(self, event: object) -> None:
        """Evidence was issued."""


class Watched:
    """A port of which some methods are watched, the others passed on."""

    def __init__(self, port: Any, **methods: Any) -> None:
        self._port = port
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class House:
    """One gateway for three agencies; ``pipeline`` is its first life, ``another_life()`` the next.

    ``away`` holds the ports that do not answer: ``"ledger"``, ``"vault"``.
    """

    def __init__(self, *, lacking: frozenset[PartyKey] = frozenset()) -> None:
        self.clock = FixedClock(b.NOON)
        self.diary: list[str] = []
        self.changes: list[Change] = []
        self.away: set[str] = set()
        self.store = MemoryStore(self.clock)
        self.vault = MemoryVault()
        self.envelopes = MemoryEnvelopes(self.vault)
        parties = [b.a_party(code) for code in (b.PROVINCE, b.DEPARTMENT, b.COMMUNE)]
        self.directory = MemoryDirectory(parties, [b.a_client(p.key) for p in parties])
        self.broker = MemoryBroker(parties)
        self._outlet = MemoryOutlet(
            self.broker, self.vault, self.clock, claim_secret=b"secret", public_url="http://gateway"
        )
        self._ids = CountingIds(clock=self.clock)
        self._lives = 0
        self.lacking = lacking
        self.pipeline = self.another_life()

    def another_life(self) -> Pipeline:
        """A process that begins now; ``owner`` is its name."""
        self._lives += 1
        self.owner = Owner(f"life-{self._lives}")
        us = Us(realm=Realm("H53"), organ=OrganCode(b.PROVINCE), owner=self.owner)
        world = World(
            ledger=Watched(self.store, commit=self._commit),
            lives=self.store,
            records=self.store,
            vault=Watched(self.vault, put=self._put),
            envelopes=self.envelopes,
            inspector=MemoryInspector(vault=self.vault),
            sealer=MemorySealer(vault=self.vault, clock=self.clock, lacking=self.lacking),
            directory=self.directory,
            outlet=Watched(self._outlet, hand_over=self._hand_over),
            clock=self.clock,
            ids=self._ids,
            observer=Silence(),
        )
        self.pipeline = Pipeline(world, Register(MemoryNotary(), self.directory, us), Policy(), us)
        return self.pipeline

    # --- what happens -------------------------------------------------------------------------------

    def arrival(self, *recipients: str, message_id: str = "m-1", **edoc: Any) -> Arrival:
        """The province sends an edoc to *recipients*."""
        return b.an_arrival(write_edoc(b.an_edoc(*recipients, **edoc)), message_id=message_id)

    async def finish(self, errands: Errands) -> None:
        """Run *errands*, and whatever they lead to, one after the other."""
        waiting = list(errands)
        while waiting:
            waiting += await self.pipeline.run(waiting.pop(0))

    async def work(self) -> None:
        """Lease whatever is due and finish it, until nothing is."""
        await self.store.beat(self.owner, LASTING)
        while leased := await self.store.lease(self.owner, 100):
            for work in leased:
                errand = await self.pipeline.resume(work)
                await self.finish([errand] if errand else [])

    async def die(self) -> None:
        """The life that was ends; another begins, and finds what it left."""
        await self.store.bury(self.owner)
        self.another_life()

    # --- what can be seen ---------------------------------------------------------------------------

    def letters(self, queue: str) -> list[Letter]:
        """Everything in *queue*, taken."""
        letters = []
        while (letter := self.broker.take(queue)) is not None:
            letters.append(letter)
        return letters

    def deliveries(self, party: str = b.DEPARTMENT) -> list[Letter]:
        """The deliveries that wait for *party*, taken."""
        return self.letters(f"vanthu.deliver.{party}")

    def receipts(self, party: str = b.PROVINCE) -> list[Letter]:
        """The receipts that wait for *party*, taken."""
        return self.letters(f"vanthu.receipts.{party}")

    # --- the watched ports --------------------------------------------------------------------------

    async def _put(self, chunks: Any) -> PayloadRef:
        if "vault" in self.away:
            raise Unavailable("disk-full")
        ref = await self.vault.put(chunks)
        self.diary.append("put")
        return ref

    async def _commit(self, change: Change) -> Outcome:
        if "ledger" in self.away:
            raise Unavailable("store-away")
        outcome = await self.store.commit(change)
        self.changes.append(change)
        self.diary.append(_called(change))
        return outcome

    async def _hand_over(self, parcel: Parcel) -> HandOverResult:
        self.diary.append("publish edoc" if isinstance(parcel, Delivery) else "publish receipt")
        return await self._outlet.hand_over(parcel)


def _called(change: Change) -> str:
    if change.submission is not None:
        return "T1" if change.submission.version == 1 else "T2"
    return "T3" if change.handovers else "commit"


def previous(body: bytes) -> str:
    """The digest of the evidence before, as the notary's twin writes it; empty at the root."""
    found = re.search(rb"<Previous>([0-9a-f]*)</Previous>", body)
    return found[1].decode() if found else ""


def other_bytes(arrival: Arrival) -> Arrival:
    """The same message with other bytes."""
    assert arrival.payload.body is not None
    return replace(arrival, payload=PayloadRef.of(arrival.payload.body.replace(b"quy ch", b"QUY CH")))
