"""Documents with all their evidence, signed by the real notary, in any store: what log and containers are made of.

desk = Desk(store, vault, notary)
document = await desk.document(1, recipients=3)
await desk.number()
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from adapters.memory import FixedClock, MemoryDirectory, MemoryStore
from adapters.signing import KeyRing, Options, XadesNotary
from adapters.store import Store
from gateway.model.change import Change, Committed
from gateway.model.document import Header
from gateway.model.evidence import EventName, EvidenceParty
from gateway.model.ids import DocumentId, MessageId, OrganCode, Owner, PartyKey, delivery_id
from gateway.model.journey import HandOverState, SubmissionState
from gateway.model.payload import PayloadRef
from gateway.ports import Notary, Vault
from gateway.sequencer import Sequencer
from gateway.stages import receipt
from tests.builders import NOON, PROVINCE, a_handover, a_submission, an_edoc
from tests.pki import Credential, ec_key, pki

LIFE = Owner("life-1")
SENDER = EvidenceParty(key=PartyKey(PROVINCE), code=OrganCode(PROVINCE), name="UBND tỉnh Tây Ninh")
WHOLE_WAY = (
    EventName.CONTENT_CONSIGNMENT,
    EventName.CONTENT_HANDOVER,
    EventName.CONSIGNMENT_ACCEPTANCE,
)


def a_ring(folder: Path, credential: Credential | None = None) -> KeyRing:
    """The gateway's P-256 key, under the tests' authority."""
    credential = credential or pki().agency("gateway", "Trục Tây Ninh", key=ec_key())
    credential.write_pem(folder / "gateway.pem")
    options = Options(keys=folder, organ=OrganCode("00.53.W00"), name="Trục liên thông tỉnh Tây Ninh")
    return KeyRing(options, directory=MemoryDirectory(), clock=FixedClock(NOON))


def a_notary(folder: Path, credential: Credential | None = None) -> XadesNotary:
    """The real one."""
    return XadesNotary(a_ring(folder, credential))


class Desk:
    """Brings documents, and lets them be numbered."""

    def __init__(self, store: MemoryStore | Store, vault: Vault, notary: Notary) -> None:
        self.store = store
        self.vault = vault
        self.notary = notary
        self.clock = FixedClock(NOON)
        self.sequencer = self.another_life(LIFE)

    def another_life(self, owner: Owner) -> Sequencer:
        """One more process's sequencer."""
        return Sequencer(
            self.store.log,
            self.store.log_records,
            self.notary,
            self.clock,
            organ=OrganCode("00.53.W00"),
            owner=owner,
        )

    async def document(
        self, number: int = 1, *, recipients: int = 2, events: Sequence[EventName] = WHOLE_WAY
    ) -> DocumentId:
        """An accepted document, for each of its recipients *events*."""
        document = DocumentId(str(UUID(int=0x0195D0000000_7000_8000_000000000000 + number)))
        came = await self.vault.put(f"<edXML>đến {number}</edXML>".encode())
        goes = await self.vault.put(f"<edXML>đi {number}</edXML>".encode())
        parties = [
            EvidenceParty(
                key=PartyKey(f"000.00.{n:02}.H53"), code=OrganCode(f"000.00.{n:02}.H53"), name=f"Sở thứ {n}"
            )
            for n in range(11, 11 + recipients)
        ]
        submission = a_submission(
            document=document,
            message_id=MessageId(f"m-{number}"),
            sha256=came.sha256,
            size=came.size,
            payload=came.bare(),
            state=SubmissionState.ACCEPTED,
        )
        acceptance = receipt.on_submission(
            submission, EventName.SUBMISSION_ACCEPTANCE, SENDER, parties, (), NOON + timedelta(seconds=1)
        )
        first = receipt.record(acceptance, self.notary.attest(acceptance))
        issued, copies = [first], []
        for party in parties:
            copy = a_handover(
                HandOverState.HANDED_OVER,
                document=document,
                recipient=party.key,
                addressed_as=party.code,
                name=party.name,
                delivery=delivery_id(document, party.key, 1),
                payload=PayloadRef(sha256=goes.sha256, size=goes.size),
                head=first.sha256,
                available_at=NOON + timedelta(seconds=2),
            )
            for n, event in enumerate(events, 2):
                if event is EventName.CONTENT_HANDOVER:
                    copy = replace(copy, handed_over_at=NOON + timedelta(seconds=n))
                statement = receipt.Statement(handover=copy, event=event)
                evidence = receipt.on_handover(submission, statement, SENDER, NOON + timedelta(seconds=n))
                issued.append(receipt.record(evidence, self.notary.attest(evidence)))
                await asyncio.sleep(0)
                copy = receipt.chained(copy, issued[-1])
            copies.append(copy)
        change = Change(
            submission=replace(submission, head=first.sha256),
            header=Header.of(document, an_edoc()),
            handovers=tuple(copies),
            evidence=tuple(issued),
        )
        assert await self.store.ledger.commit(change) == Committed()
        return document

    async def number(self) -> None:
        """A minute later: everything has its number, and there is a head."""
        await self.store.lives.beat(LIFE, timedelta(hours=1))
        self.clock.advance(timedelta(minutes=1))
        assert await self.sequencer.turn()
