"""What the steps are given: the ports, who we are, and the errands that lead from one step to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from gateway.model.change import Fence, Work, WorkKind
from gateway.model.document import Dossier, Received
from gateway.model.handover import Parcel
from gateway.model.ids import OrganCode, Owner, Realm
from gateway.ports import (
    Clock,
    Directory,
    Envelopes,
    Ids,
    Inspector,
    Ledger,
    Lives,
    Observer,
    Outlet,
    Records,
    Sealer,
    Vault,
)

TRIES = 8
"""How often a step that lost a race loads again before it leaves the work to a later lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The ports that the pipeline needs."""

    ledger: Ledger
    lives: Lives
    records: Records
    vault: Vault
    envelopes: Envelopes
    inspector: Inspector
    sealer: Sealer
    directory: Directory
    outlet: Outlet
    clock: Clock
    ids: Ids
    observer: Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class Us:
    """Who we are: our realm, the organ id of our own hop, and this life of this process."""

    realm: Realm
    organ: OrganCode
    owner: Owner

    def fence(self, work: Work) -> Fence:
        """The right to a change on the strength of *work* that we leased."""
        return Fence(key=work.key, owner=self.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Work that this process goes on with, and what it already has in hand for it.

    ``known`` is what the ledger held of a parcel's copy when the parcel was made; a commit tells whether it
    still holds.  ``is_brought``: a receipt that its party has; the work is only to be struck off.
    """

    work: Work
    parcel: Parcel | None = None
    known: Dossier | None = None
    received: Received | None = None
    lane_is_urgent: bool | None = None
    is_brought: bool = False

    @property
    def is_suspect(self) -> bool:
        """Whether a life may have ended with this document in hand: each wait in good order wrote one version,
        so it has been begun more often than it ended well."""
        return self.received is not None and self.work.attempts > self.received.submission.version


Errands = Sequence[Errand]


def by_turns(errands: Errands) -> Errands:
    """*errands* of one document with its deliveries spread among its receipts, each in their order: the broker has the
    bodies in hand while we make the letters, and both processors something to do."""
    kinds: dict[bool, list[Errand]] = {False: [], True: []}
    for errand in errands:
        kinds[errand.work.kind is WorkKind.DELIVERY].append(errand)
    placed = [
        ((at + 0.5) / len(some), is_delivery, errand)
        for is_delivery, some in kinds.items()
        for at, errand in enumerate(some)
    ]
    return [errand for *_, errand in sorted(placed, key=itemgetter(0, 1))]
