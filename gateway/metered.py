"""The meter at the door: what a party sends is counted against its quotas before anything is done with it."""

from __future__ import annotations

from dataclasses import replace

from gateway.model.ids import ClientId, DocumentId, EvidenceId, PartyKey
from gateway.model.party import Party
from gateway.model.submission import Arrival, Ticket
from gateway.ports import Clock, Directory, Intake
from gateway.quotas import Quotas


class MeteredIntake:
    """Implements ``Intake`` before another one.

    Whatever is answered counts, a repeat and a refusal too: they are work like any other.  What could not be taken in
    comes again, and is given back.
    """

    def __init__(self, intake: Intake, quotas: Quotas, directory: Directory, clock: Clock) -> None:
        self._intake = intake
        self._quotas = quotas
        self._directory = directory
        self._clock = clock

    async def submit(self, arrival: Arrival) -> Ticket:
        """``Intake.submit``.  Raises ``QuotaExceeded`` where the party has no room."""
        party = self._whose(arrival)
        if party is None:
            return await self._intake.submit(arrival)  # which turns it away
        size = arrival.payload.size
        await self._quotas.admit(party, size, is_owed=arrival.is_owed)
        is_urgent = arrival.is_urgent
        try:
            if is_urgent:
                is_urgent = await self._quotas.may_hurry(party)
                arrival = arrival if is_urgent else replace(arrival, is_urgent=False)
            return await self._intake.submit(arrival)
        except Exception:  # whatever kept it out; of one who went away meanwhile nobody knows, and it counts
            self._quotas.give_back(party, size, was_urgent=is_urgent)
            raise

    def _whose(self, arrival: Arrival) -> PartyKey | None:
        """Whose quotas it counts against: the party's that it is sent for by somebody who may."""
        client = self._directory.client(arrival.client or ClientId(""))
        key = PartyKey(arrival.claimed)
        if self._directory.party(key) is None:
            named = self._directory.find(arrival.claimed, self._clock.now())
            key = named.key if isinstance(named, Party) else key
        return key if client is not None and key in client.acts_for else None

    def screen(self, head: bytes) -> None:
        """``Intake.screen``."""
        self._intake.screen(head)

    async def undeliverable(
        self, document: DocumentId, recipient: PartyKey, delivery: str, cause: str
    ) -> None:
        """``Intake.undeliverable``."""
        await self._intake.undeliverable(document, recipient, delivery, cause)

    async def untaken(self, document: DocumentId, evidence: EvidenceId, cause: str) -> None:
        """``Intake.untaken``."""
        await self._intake.untaken(document, evidence, cause)
