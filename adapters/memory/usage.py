"""Twin of ``Usage``, over the work of the store's twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.model.change import Work, WorkKind
from gateway.model.ids import PartyKey
from gateway.model.quota import Quota, Used, drained, never_below_nought
from gateway.ports import Clock


@dataclass(slots=True, kw_only=True)
class MemoryUsage:
    """``gateway.ports.Usage``."""

    clock: Clock
    work: Mapping[str, Work]
    rows: dict[PartyKey, tuple[Used, datetime]] = field(default_factory=dict)

    async def look(self, quotas: Mapping[PartyKey, Quota]) -> Mapping[PartyKey, Used]:
        """``Usage.look``."""
        return {party: self._used(party, quota) for party, quota in quotas.items()}

    async def draw(self, drawn: Mapping[PartyKey, tuple[Used, Quota]]) -> Mapping[PartyKey, Used]:
        """``Usage.draw``."""
        after = {
            party: never_below_nought(self._used(party, quota), amount)
            for party, (amount, quota) in drawn.items()
        }
        self.rows |= {party: (used, self.clock.now()) for party, used in after.items()}
        return after

    def _used(self, party: PartyKey, quota: Quota) -> Used:
        now = self.clock.now()
        then, at = self.rows.get(party, (Used(), now))
        waiting = sum(
            1 for work in self.work.values() if work.kind is WorkKind.DOCUMENT and work.line == party
        )
        left = drained(then, quota, now - at)
        return Used(
            bytes=left.bytes,
            documents=left.documents,
            urgent=left.urgent,
            waiting=waiting if quota.documents_waiting else 0,
        )
