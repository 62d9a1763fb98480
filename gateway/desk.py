"""What a party does with its HTTP inbox: peek, lock, acknowledge.  The acknowledgement hands over."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from gateway.errors import Refused, Unavailable
from gateway.model.change import Stale
from gateway.model.handover import InboxItem, ItemType
from gateway.model.ids import PartyKey
from gateway.model.journey import HandOverEvent, HandOverState
from gateway.model.payload import PayloadRef
from gateway.ports import Clock, Inboxes, Ledger, Records
from gateway.register import Register
from gateway.stages import deliver
from gateway.stages.receipt import Statement
from gateway.world import TRIES, Errands

LONGEST_LOCK = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The ports that the desk needs."""

    ledger: Ledger
    inboxes: Inboxes
    records: Records
    clock: Clock


class InboxDesk:
    """Implements ``gateway.ports.Desk``.  *go_on* runs the errands that an acknowledgement causes."""

    def __init__(self, shelf: Shelf, register: Register, go_on: Callable[[Errands], None]) -> None:
        self._shelf = shelf
        self._register = register
        self._go_on = go_on

    async def peek(self, party: PartyKey, limit: int) -> Sequence[InboxItem]:
        """``Desk.peek``."""
        return await self._shelf.inboxes.peek(party, limit)

    async def lock(self, party: PartyKey, item: str, lasting: timedelta) -> InboxItem:
        """``Desk.lock``."""
        token = secrets.token_hex(16)
        found = await self._own(party, item)
        if found.taken_at is not None:
            raise Refused("item-taken")
        if found.expires_at <= self._shelf.clock.now():
            raise Refused("delivery-expired")
        locked = await self._shelf.inboxes.lock(party, item, token, min(lasting, LONGEST_LOCK))
        if locked is None:
            found = await self._own(party, item)
            raise Refused("item-taken" if found.taken_at is not None else "item-locked")
        return locked

    async def content(self, party: PartyKey, item: str) -> tuple[InboxItem, PayloadRef]:
        """``Desk.content``.  Evidence rides along; documents are read from the vault by their reference."""
        found = await self._own(party, item)
        if found.payload is not None:
            return found, found.payload
        evidence = await self._shelf.records.one_evidence(found.evidence) if found.evidence else None
        if evidence is None:
            raise Refused("content-purged") if found.evidence is None else Unavailable("payload-missing")
        return found, PayloadRef.of(evidence.body)

    async def acknowledge(self, party: PartyKey, item: str, lock: str) -> None:
        """``Desk.acknowledge``."""
        for _ in range(TRIES):
            found = await self._own(party, item)
            if found.taken_at is not None:
                return
            now = self._shelf.clock.now()
            is_same = bool(lock) and secrets.compare_digest(found.lock.encode(), lock.encode())
            if not is_same or found.locked_until is None:
                raise Refused("lock-lost")
            draft = self._register.open(found.document)
            draft.items.append(replace(found, taken_at=now, version=found.version + 1))
            if found.type is not ItemType.RECEIPT:
                dossier = await self._shelf.ledger.load(found.document, party)
                copy = dossier.of(party) if dossier else None
                if copy is not None and (copy.state is HandOverState.EXPIRED or copy.delivery != found.id):
                    # The sender has been told so: an end is an end.  What was replayed since is another item.
                    raise Refused("delivery-expired")
                if dossier is not None and copy is not None:
                    moved = deliver.advance(copy, HandOverEvent.HAND_OVER, now)
                    statements = [Statement(handover=moved.handover, event=event) for event in moved.proofs]
                    after = self._register.attest_copy(
                        draft, dossier.submission, moved.handover, statements, now
                    )
                    if after != copy:
                        draft.handovers.append(replace(after, version=copy.version + 1))
            if not isinstance(await self._shelf.ledger.commit(draft.change()), Stale):
                self._go_on(draft.errands)
                return
        raise Unavailable("store-away")

    async def _own(self, party: PartyKey, item: str) -> InboxItem:
        found = await self._shelf.inboxes.item(party, item)
        if found is None:
            raise Refused("not-found")
        return found
