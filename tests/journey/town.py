"""A town in memory: the real gateway over the twins, and agencies that send at one end and read at the other.

    town = a_town()
    await town.send(town.edoc(LABOUR, COMMUNE))
    await town.settle()
    town.deliveries(LABOUR), town.receipts(PROVINCE)

Time stands still until ``pass_time``; nothing sleeps.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    MemoryOutlet,
    MemorySealer,
    MemoryStore,
    MemoryVault,
    write_edoc,
    write_status,
)
from gateway.desk import InboxDesk, Shelf
from gateway.metered import MeteredIntake
from gateway.model.document import Dossier
from gateway.model.envelope import (
    Amendment,
    Business,
    DocumentCode,
    DocumentReference,
    Kind,
    Organ,
    Replaced,
)
from gateway.model.evidence import EvidenceRecord
from gateway.model.handover import HandOver, InboxItem
from gateway.model.ids import ClientId, DocumentId, MessageId, OfficialId, OrganCode, Owner, PartyKey, Realm
from gateway.model.party import CodeValidity, Link
from gateway.model.payload import PayloadRef
from gateway.model.policy import Policy
from gateway.model.quota import UNSAID, Quota
from gateway.model.retention import DataClass
from gateway.model.submission import Arrival, Ticket
from gateway.pipeline import Pipeline
from gateway.ports import Envelopes, Sealer
from gateway.quotas import Quotas
from gateway.register import Register
from gateway.worker import Pace, Worker
from gateway.world import Us, World
from tests.builders import COMMUNE, PDF, PROVINCE, a_client, a_party, a_status, an_attachment, an_edoc
from tests.journey.weather import (
    MemoryNumbers,
    MemoryObserver,
    WeatheredInspector,
    WeatheredLedger,
    WeatheredNotary,
    WeatheredOutlet,
)

LABOUR, HEALTH, JUSTICE = "000.00.11.H53", "000.00.12.H53", "000.00.13.H53"
LOCKED, CLOSED, MERGED = "000.00.21.H53", "000.00.22.H53", "000.00.23.H53"
OLD_LABOUR = "000.11.11.H53"
CLAIM_SECRET = b"town"
KEPT = {DataClass.CONTENT: timedelta(days=90), DataClass.METADATA: timedelta(days=730)}
"""How long what is final is kept, where somebody clears out."""
STEPS = 20_000
"""So many turns of the loop nobody needs: what is not idle then never will be."""


@dataclass(slots=True)
class Life:
    """One worker process, as far as the store can tell."""

    owner: Owner
    worker: Worker
    pipeline: Pipeline
    desk: InboxDesk
    quotas: Quotas
    intake: MeteredIntake
    is_frozen: bool = False


class Town:
    """The gateway and its agencies.  ``lives`` are the workers that still run."""

    def __init__(
        self, *, policy: Policy, pace: Pace, quota: Quota, queue_room: int, departments: int
    ) -> None:
        self.policy, self.pace, self.quota = policy, pace, quota
        self.numbers = MemoryNumbers()
        self.clock = FixedClock()
        self.ids = CountingIds(clock=self.clock)
        extra = [f"001.{n // 100:02d}.{n % 100:02d}.H53" for n in range(departments)]
        self.departments = extra
        self.directory = _directory(extra)
        self.broker = MemoryBroker(self.directory.parties(), deliveries=queue_room)
        self.store = MemoryStore(self.clock, KEPT)
        self.vault = MemoryVault(self.clock)
        self.envelopes: Envelopes = MemoryEnvelopes(self.vault)
        self.ledger = WeatheredLedger(self.store)
        self.inspector = WeatheredInspector(MemoryInspector(vault=self.vault))
        outlet = MemoryOutlet(
            self.broker, self.vault, self.clock, claim_secret=CLAIM_SECRET, public_url="http://gateway"
        )
        self.outlet = WeatheredOutlet(outlet)
        self.sealer: Sealer = MemorySealer(vault=self.vault, clock=self.clock)
        self.notary = WeatheredNotary()
        self.observer = MemoryObserver()
        self.lives: list[Life] = []
        self._letters: dict[str, list[Letter]] = defaultdict(list)
        self._message = 0

    # --- the gateway --------------------------------------------------------------------------------

    async def begin_life(self, name: str) -> Life:
        """Start one more worker."""
        us = Us(realm=Realm("H53"), organ=OrganCode("000.00.00.G00"), owner=Owner(name))
        world = World(
            ledger=self.ledger,
            lives=self.store,
            records=self.store,
            vault=self.vault,
            envelopes=self.envelopes,
            inspector=self.inspector,
            sealer=self.sealer,
            directory=self.directory,
            outlet=self.outlet,
            clock=self.clock,
            ids=self.ids,
            observer=self.observer,
        )
        rooms: list[Worker] = []
        register = Register(
            self.notary,
            self.directory,
            us,
            has_room=lambda sender, more: bool(rooms) and rooms[0].has_room(sender, more),
        )
        pipeline = Pipeline(world, register, self.policy, us)
        quotas = Quotas(self.store.usage, self.directory, self.clock, self.numbers, self.quota)
        worker = Worker(pipeline, self.ledger, self.store, us.owner, self.pace, quotas.may_hurry)
        rooms.append(worker)
        shelf = Shelf(ledger=self.ledger, inboxes=self.store, records=self.store, clock=self.clock)
        desk = InboxDesk(shelf, register, worker.go_on)
        intake = MeteredIntake(worker, quotas, self.directory, self.clock)
        life = Life(us.owner, worker, pipeline, desk, quotas, intake)
        await self.store.beat(us.owner, self.pace.lease)
        self.lives.append(life)
        return life

    async def end_life(self, life: Life) -> None:
        """Kill a worker: its tasks end where they stand, and the store hears that it is dead."""
        self.lives.remove(life)
        await life.worker.stop()

    def give_keys(self, *, to_all_but: Sequence[str] = ()) -> None:
        """From the next life on, everybody but these has a key to seal with."""
        lacking = frozenset(PartyKey(p) for p in to_all_but)
        self.sealer = MemorySealer(vault=self.vault, clock=self.clock, lacking=lacking)

    async def settle(self) -> None:
        """Let the workers go on until nothing is due and nothing is in hand but what stands at a hold."""
        for _ in range(STEPS):
            awake = [life for life in self.lives if not life.is_frozen]
            for life in awake:
                await self.store.beat(life.owner, self.pace.lease)
            is_more = [await life.worker.tick() for life in awake]
            before = sum(life.worker.in_hand for life in self.lives)
            held = self.outlet.waiting + self.inspector.hold.waiting + self.ledger.hold.waiting
            if not any(is_more) and before <= held:
                return
            await asyncio.sleep(0)
        raise AssertionError("the town did not come to rest")

    async def pass_time(self, by: timedelta) -> None:
        """*by* has passed, and the workers have done what was due at its end."""
        await self.advance(by)
        await self.settle()

    async def advance(self, by: timedelta) -> None:
        """*by* has passed; the workers were alive all the while, but have not yet looked what is due."""
        for life in self.lives:
            if not life.is_frozen:
                await self.store.beat(life.owner, by + self.pace.lease)
        self.clock.advance(by)

    async def bring_dead_letters(self) -> int:
        """What the broker's dead-letter consumer does; how many there were."""
        count = 0
        while (dead := self.broker.take_dead()) is not None:
            await self.lives[0].worker.undeliverable(dead.document, dead.recipient, dead.delivery, dead.cause)
            count += 1
        await self.settle()
        return count

    # --- the senders --------------------------------------------------------------------------------

    def edoc(
        self, *recipients: str, pdfs: Sequence[bytes] = (PDF,), number: int = 517, **changes: Any
    ) -> bytes:
        """An edoc of the province; *number* tells it from others."""
        files = tuple(an_attachment(f"{number}-{n}.pdf", body) for n, body in enumerate(pdfs))
        given = {
            "sender": Organ(code=OrganCode(PROVINCE), name="UBND tỉnh Tây Ninh"),
            "code": DocumentCode(number=str(number), notation="QĐ-UBND"),
            "official_id": OfficialId(f"{PROVINCE},2016/03/04,{number}/QĐ-UBND"),
            "attachments": files,
        }
        return write_edoc(an_edoc(*recipients, **(given | changes)))

    def status(self, reporter: str, code: str, *, number: int = 517, **changes: Any) -> bytes:
        """A status of *reporter* about the province's document *number*."""
        about = replace(a_status().about, code=f"{number}/QĐ-UBND")
        given = {"reporter": Organ(code=OrganCode(reporter)), "about": about}
        return write_status(a_status(code, **(given | changes)))

    def recall(self, *recipients: str, number: int = 517, **changes: Any) -> bytes:
        """A recall (edoc kind 1) of the province's document *number*, written as the national SDK does: a copy of it."""
        own = an_edoc().reference
        name = replace(own, official_id=OfficialId(f"{PROVINCE},2016/03/04,{number}/QĐ-UBND"))
        given = {"business": Business.RECALL, "amends": Amendment(originals=(name,), reason="Sai số")}
        return self.edoc(*recipients, number=number, **(given | changes))

    def update(
        self,
        *recipients: str,
        number: int = 517,
        added: Sequence[str] = (),
        removed: Sequence[str] = (),
        **changes: Any,
    ) -> bytes:
        """An update (edoc kind 2) of the province's document *number*, with a number of its own unless said otherwise."""
        name = DocumentReference(
            organ=OrganCode(PROVINCE), official_id=OfficialId(f"{PROVINCE},2016/03/04,{number}/QĐ-UBND")
        )
        amends = Amendment(
            originals=(name,),
            added=tuple(Organ(code=OrganCode(code)) for code in added),
            removed=tuple(Organ(code=OrganCode(code)) for code in removed),
        )
        given = {"business": Business.UPDATE, "amends": amends, "number": number + 1000}
        return self.edoc(*recipients, **(given | changes))

    def replacement(self, *recipients: str, of: Sequence[int] = (517,), **changes: Any) -> bytes:
        """A replacement (edoc kind 3) of the province's documents *of*, for all its recipients."""
        replaces = tuple(
            Replaced(
                original=DocumentReference(
                    organ=OrganCode(PROVINCE), official_id=OfficialId(f"{PROVINCE},2016/03/04,{n}/QĐ-UBND")
                )
            )
            for n in of
        )
        given = {"business": Business.REPLACE, "amends": Amendment(replaces=replaces), "number": 900}
        return self.edoc(*recipients, **(given | changes))

    def take_back(self, organ: str, *, number: int = 517, **changes: Any) -> bytes:
        """A status 13: the province asks *organ* to give its document *number* back."""
        about = replace(a_status().about, organ=OrganCode(organ), code=f"{number}/QĐ-UBND")
        given = {"about": about, "description": "Ban hành nhầm"}
        return self.status(PROVINCE, "13", number=number, **(given | changes))

    async def send(
        self, body: bytes, sender: str = PROVINCE, *, life: Life | None = None, **changes: Any
    ) -> Ticket:
        """Bring *body* to the door as *sender*'s client would; every message has an id of its own."""
        self._message += 1
        arrival = Arrival(
            client=ClientId(sender),
            claimed=OrganCode(sender),
            message_id=MessageId(f"m-{self._message}"),
            payload=PayloadRef.of(body),
            link=Link.HTTP if sender == COMMUNE else Link.AMQP,
            content_type="application/xml",
        )
        return await (life or self.lives[0]).intake.submit(replace(arrival, **changes))

    async def report(self, reporter: str, code: str, **changes: Any) -> Ticket:
        """Send a status and let it be settled."""
        body = self.status(reporter, code, **changes)
        ticket = await self.send(body, reporter, routed_as=Kind.STATUS)
        await self.settle()
        return ticket

    # --- the other end ------------------------------------------------------------------------------

    def deliveries(self, organ: str) -> list[Letter]:
        """All deliveries that *organ* has ever taken from its queue."""
        return self._take(f"vanthu.deliver.{organ}")

    def receipts(self, organ: str = PROVINCE, *, about: Ticket | None = None) -> list[Letter]:
        """All receipts that *organ* has ever taken; only those of one document with *about*."""
        letters = self._take(f"vanthu.receipts.{organ}")
        return [r for r in letters if about is None or r.headers["vanthu-document"] == about.document]

    def events(self, about: Ticket, recipient: str | None = None) -> list[str]:
        """The events that the receipts of *about* tell of *recipient*'s copy, or of the whole, in their order."""
        letters = self.receipts(about=about)
        mine = [r for r in letters if r.headers.get("vanthu-recipient") == recipient]
        return [str(r.headers["vanthu-event"]) for r in mine]

    def _take(self, queue: str) -> list[Letter]:
        while (letter := self.broker.take(queue)) is not None:
            self._letters[queue].append(letter)
        return list(self._letters[queue])

    async def inbox(self, organ: str = COMMUNE) -> Sequence[InboxItem]:
        """What waits for *organ* over HTTP."""
        return await self.lives[0].desk.peek(PartyKey(organ), 100)

    # --- what the store knows -----------------------------------------------------------------------

    async def dossier(self, ticket: Ticket) -> Dossier:
        """The dossier of the document that *ticket* is for."""
        dossier = await self.store.load(_id(ticket))
        assert dossier is not None
        return dossier

    async def copy(self, ticket: Ticket, recipient: str) -> HandOver:
        """*recipient*'s copy."""
        copy = (await self.dossier(ticket)).of(PartyKey(recipient))
        assert copy is not None
        return copy

    async def evidence(self, ticket: Ticket) -> Sequence[EvidenceRecord]:
        """All evidence of the document."""
        return await self.store.evidence(_id(ticket))

    async def open_work(self) -> int:
        """How much is still to be done, deadlines apart."""
        waiting = await self.store.waiting()
        return waiting["document"] + waiting["delivery"] + waiting["receipt"]


async def a_town(
    *,
    policy: Policy | None = None,
    pace: Pace | None = None,
    quota: Quota = UNSAID,
    queue_room: int = 100,
    departments: int = 0,
) -> Town:
    """A town with one worker awake.  *quota* holds for everybody of whom the directory says nothing; *departments* adds so many organs with queues."""
    town = Town(
        policy=policy or Policy(),
        pace=pace or Pace(documents=64, grace=timedelta()),
        quota=quota,
        queue_room=queue_room,
        departments=departments,
    )
    await town.begin_life("first")
    return town


def _directory(extra: Sequence[str]) -> MemoryDirectory:
    with_queues = [PROVINCE, LABOUR, HEALTH, JUSTICE, CLOSED, MERGED, *extra]
    parties = [a_party(code) for code in (*with_queues, COMMUNE)]
    parties.append(a_party(LOCKED, is_locked=True))
    labour = next(p for p in parties if p.key == LABOUR)
    both = (*labour.codes, CodeValidity(code=OrganCode(OLD_LABOUR)))
    parties[parties.index(labour)] = replace(labour, codes=both)
    return MemoryDirectory(
        parties,
        [a_client(str(p.key)) for p in parties],
        successors={PartyKey(MERGED): (PartyKey(HEALTH), None)},
        gone={PartyKey(CLOSED): None},
    )


def _id(ticket: Ticket) -> DocumentId:
    assert ticket.document is not None
    return ticket.document
