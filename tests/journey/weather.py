"""Ports with weather: each is the twin beside it, but may be away, slow, or broken when a journey asks for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from adapters.memory import MemoryInspector, MemoryNotary, MemoryOutlet, MemoryStore
from gateway.errors import Unavailable
from gateway.model.change import Change, Outcome, Stale, Work, WorkKind
from gateway.model.document import Dossier, Namesake
from gateway.model.envelope import DocumentReference, Priority
from gateway.model.evidence import EventName, Evidence
from gateway.model.handover import Delivery, HandOverResult, Parcel
from gateway.model.ids import DocumentId, Owner, PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance
from gateway.model.signature import Inspection

POISON = b"%PDF-1.7\n%POISON\n%%EOF\n"
"""A PDF on which the inspector's author had not counted."""


class Hold:
    """Stops whoever comes by until it is lifted; ``waiting`` counts who stands there."""

    def __init__(self) -> None:
        self._standing: Counter[asyncio.Event] = Counter()
        self._gate = asyncio.Event()
        self._gate.set()

    @property
    def waiting(self) -> int:
        """How many stand here and may not go on."""
        return sum(count for gate, count in self._standing.items() if not gate.is_set())

    def close(self) -> None:
        """From now on nobody passes."""
        self._gate = asyncio.Event()

    def let_others_by(self) -> None:
        """Newcomers pass; who stands here stands on."""
        self._gate = asyncio.Event()
        self._gate.set()

    def lift(self) -> None:
        """Everybody passes."""
        self._gate.set()
        for gate in self._standing:
            gate.set()

    async def passing(self) -> None:
        """Pass, or stand and wait."""
        gate = self._gate
        self._standing[gate] += 1
        try:
            await gate.wait()
        finally:
            self._standing[gate] -= 1


class WeatheredLedger:
    """``Ledger`` over the store's twin.  ``is_away``: it answers nothing.  ``fails_next``: how many of the
    next commits are not written; ``breaks_next``: how many of the next loads meet a bug.  ``stale`` counts
    the commits that came too late; ``changes`` are those that were written; ``hold`` stops commits."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.is_away = False
        self.fails_next = 0
        self.breaks_next = 0
        self.stale = 0
        self.hold = Hold()
        self.changes: list[Change] = []

    def _look(self) -> None:
        if self.is_away:
            raise Unavailable("store-away")

    async def load(self, document: DocumentId, recipient: PartyKey | None = None) -> Dossier | None:
        """``Ledger.load``."""
        self._look()
        if self.breaks_next:
            self.breaks_next -= 1
            raise ZeroDivisionError("a bug of ours")
        return await self._store.load(document, recipient)

    async def commit(self, change: Change) -> Outcome:
        """``Ledger.commit``."""
        self._look()
        if self.fails_next:
            self.fails_next -= 1
            raise Unavailable("store-away")
        await self.hold.passing()
        outcome = await self._store.commit(change)
        if isinstance(outcome, Stale):
            self.stale += 1
        else:
            self.changes.append(change)
        return outcome

    async def lease(
        self,
        owner: Owner,
        limit: int,
        kinds: frozenset[WorkKind] = frozenset(WorkKind),
        *,
        sated: frozenset[str] = frozenset(),
    ) -> Sequence[Work]:
        """``Ledger.lease``."""
        self._look()
        return await self._store.lease(owner, limit, kinds, sated=sated)

    async def find(self, reference: DocumentReference, recipient: PartyKey) -> Sequence[DocumentId]:
        """``Ledger.find``."""
        self._look()
        return await self._store.find(reference, recipient)

    async def namesakes(self, reference: DocumentReference) -> Sequence[Namesake]:
        """``Ledger.namesakes``."""
        self._look()
        return await self._store.namesakes(reference)

    async def originals(
        self, reference: DocumentReference, senders: Sequence[PartyKey]
    ) -> Sequence[DocumentId]:
        """``Ledger.originals``."""
        self._look()
        return await self._store.originals(reference, senders)


class WeatheredOutlet:
    """``Outlet`` over the broker's twin.  ``before`` holds parcels on their way there, ``after`` holds the
    answers of what is there already; receipts pass freely.  ``handed`` is what was brought, in order."""

    def __init__(self, outlet: MemoryOutlet) -> None:
        self._outlet = outlet
        self.before = Hold()
        self.after = Hold()
        self.handed: list[Parcel] = []

    @property
    def waiting(self) -> int:
        """How many parcels stand at a hold."""
        return self.before.waiting + self.after.waiting

    async def hand_over(self, parcel: Parcel) -> HandOverResult:
        """``Outlet.hand_over``."""
        if isinstance(parcel, Delivery):
            await self.before.passing()
        result = await self._outlet.hand_over(parcel)
        self.handed.append(parcel)
        if isinstance(parcel, Delivery):
            await self.after.passing()
        return result


class WeatheredInspector:
    """``Inspector`` over its twin that breaks on ``POISON``; ``hold`` stops who is being judged, ``is_away``
    says that there are no judges, and of ``stops_at`` nobody ever comes back.  ``is_mended``: it breaks no more."""

    def __init__(self, inspector: MemoryInspector) -> None:
        self._inspector = inspector
        self.hold = Hold()
        self.is_away = False
        self.is_mended = False
        self.stops_at = b""
        self.broken = 0
        self.names: list[str] = []

    async def judge(
        self,
        ref: PayloadRef,
        policy: Acceptance,
        *,
        share: PartyKey,
        priority: Priority = Priority.ORDINARY,
        name: str = "",
    ) -> Inspection:
        """``Inspector.judge``."""
        await self.hold.passing()
        if self.is_away:
            raise Unavailable("judge-away")
        if ref.body == self.stops_at:
            await asyncio.Event().wait()
        self.names.append(name)
        if ref.body == POISON and not self.is_mended:
            self.broken += 1
            raise ZeroDivisionError("a bug of ours")
        return await self._inspector.judge(ref, policy, share=share, priority=priority, name=name)


class WeatheredNotary:
    """``Notary`` over its twin; ``is_broken``: it meets a bug of ours."""

    def __init__(self) -> None:
        self._notary = MemoryNotary()
        self.is_broken = False

    def attest(self, evidence: Evidence) -> bytes:
        """``Notary.attest``."""
        if self.is_broken:
            raise ZeroDivisionError("a bug of ours")
        return self._notary.attest(evidence)


class MemoryNumbers:
    """Numbers of the quotas, as they were told."""

    def __init__(self) -> None:
        self.waits: Counter[str] = Counter()
        self.parties: dict[str, int] = {}

    def quota_waits(self, quota: str) -> None:
        """``Numbers.quota_waits``."""
        self.waits[quota] += 1

    def quotas_in_force(self, parties: Mapping[str, int]) -> None:
        """``Numbers.quotas_in_force``."""
        self.parties = {quota: count for quota, count in parties.items() if count}


class MemoryObserver:
    """``Observer`` that remembers how often it was told what."""

    def __init__(self) -> None:
        self.told: Counter[tuple[str, ...]] = Counter()

    @contextmanager
    def stage(self, stage: str, document: DocumentId) -> Iterator[None]:
        """``Observer.stage``."""
        self.told["stage", stage] += 1
        yield

    def document(self, outcome: str, document: DocumentId | None, reason: str = "") -> None:
        """``Observer.document``."""
        self.told["document", outcome, reason] += 1

    def hand_over(self, document: DocumentId, link: str, outcome: str, reason: str = "") -> None:
        """``Observer.hand_over``."""
        self.told["hand-over", outcome, reason] += 1

    def receipt(self, event: EventName) -> None:
        """``Observer.receipt``."""
        self.told["receipt", event] += 1
