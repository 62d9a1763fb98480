"""Twin of ``Disposal``, over the dictionaries of the store's twin."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.model.change import Work
from gateway.model.document import Header, Submission
from gateway.model.handover import HandOver, InboxItem
from gateway.model.ids import DocumentId, Owner, PartyKey
from gateway.model.retention import DataClass, Due


@dataclass(slots=True, kw_only=True)
class MemoryDisposal:
    """``gateway.ports.Disposal``.  *kept*: how long each data class; *died_at*: when each of *deaths* was counted last."""

    kept: Mapping[DataClass, timedelta]
    submissions: Mapping[DocumentId, Submission]
    headers: dict[DocumentId, Header]
    handovers: Mapping[DocumentId, Mapping[PartyKey, HandOver]]
    items: Mapping[PartyKey, dict[str, InboxItem]]
    work: Mapping[str, Work]
    deaths: dict[str, int]
    is_alive: Callable[[Owner], bool]
    died_at: dict[str, datetime] = field(default_factory=dict)
    leader: Owner | None = None

    async def lead(self, owner: Owner) -> bool:
        """``Disposal.lead``."""
        if self.leader is None or not self.is_alive(self.leader):
            self.leader = owner
        return self.leader == owner

    async def due(self, part: DataClass, at: datetime, after: DocumentId | None, limit: int) -> Sequence[Due]:
        """``Disposal.due``."""
        if part not in self.kept:
            return ()
        found = [
            Due(document=document, since=submission.received_at + self.kept[part])
            for document, submission in sorted(self.submissions.items())
            if document > (after or "")
            and submission.received_at + self.kept[part] <= at
            and (submission.payload is not None if part is DataClass.CONTENT else document in self.headers)
        ]
        return found[:limit]

    async def undone(self, keys: Collection[str]) -> Collection[str]:
        """``Disposal.undone``."""
        return {key for key in keys if key in self.work}

    async def named(self, digests: Collection[str]) -> Collection[str]:
        """``Disposal.named``."""
        copies = (copy.payload for of in self.handovers.values() for copy in of.values())
        payloads = (*(submission.payload for submission in self.submissions.values()), *copies)
        return {payload.sha256 for payload in payloads if payload is not None and payload.sha256 in digests}

    async def forget(self, document: DocumentId, items: Sequence[tuple[PartyKey, str]], at: datetime) -> bool:
        """``Disposal.forget``."""
        if not any(due.document == document for due in await self.due(DataClass.METADATA, at, None, 10**9)):
            return False
        del self.headers[document]
        for party, name in items:
            item = self.items.get(party, {}).get(name)
            if item is not None and (item.taken_at is not None or item.expires_at <= at):
                del self.items[party][name]
        return True

    async def sweep(self, before: datetime) -> int:
        """``Disposal.sweep``."""
        old = [key for key, at in self.died_at.items() if at < before]
        for key in old:
            del self.deaths[key], self.died_at[key]
        return len(old)
