"""Work that another life left behind, or that is due again: read from the ledger what the errand needs.

Stage types are never stored, so a document starts again at validate; a parcel is made anew from its copy or
its evidence, under the same id.
"""

from __future__ import annotations

from gateway.model.change import Change, Work, WorkKind
from gateway.model.document import Dossier, Received
from gateway.model.envelope import Kind
from gateway.model.handover import HandOver, Parcel
from gateway.model.ids import DocumentId
from gateway.model.journey import FINAL_SUBMISSIONS, HandOverEvent, moves
from gateway.model.party import Link, Party
from gateway.model.policy import Policy
from gateway.register import Register
from gateway.stages import deliver, receipt
from gateway.world import Errand, Us, World

REMEMBERED = 1000
"""Documents of which we remember whether they travel as claims."""


class Resumption:
    """Makes errands of leased work."""

    def __init__(self, world: World, register: Register, policy: Policy, us: Us) -> None:
        self._world = world
        self._register = register
        self._policy = policy
        self._us = us
        self._claims: dict[DocumentId, bool] = {}

    async def errand(self, work: Work) -> Errand | None:
        """An errand for leased *work*; ``None`` where it is done already: then the work is forgotten."""
        dossier = await self._world.ledger.load(work.document, work.recipient)
        errand = None
        if dossier is not None:
            match work.kind:
                case WorkKind.DOCUMENT if dossier.submission.state not in FINAL_SUBMISSIONS:
                    errand = Errand(work=work, received=self._again(dossier))
                case WorkKind.DOCUMENT:
                    pass
                case WorkKind.DELIVERY | WorkKind.RECEIPT:
                    parcel = await self._parcel(work, dossier)
                    errand = Errand(work=work, parcel=parcel, known=dossier) if parcel else None
                case WorkKind.DEADLINE:
                    errand = Errand(work=work)
        if errand is None:
            await self._world.ledger.commit(Change(fence=self._us.fence(work), forgets=(work.key,)))
        return errand

    def _again(self, dossier: Dossier) -> Received:
        submission = dossier.submission
        # A sender who was struck from the directory since is known by its key alone; `carry` refuses it.
        sender = self._world.directory.party(submission.party)
        nameless = Party(key=submission.party, name=str(submission.party), codes=())
        return Received(
            submission=submission, sender=sender or nameless, has_header=dossier.header is not None
        )

    async def _parcel(self, work: Work, dossier: Dossier) -> Parcel | None:
        submission = dossier.submission
        if work.kind is WorkKind.DELIVERY:
            copy = dossier.of(work.recipient) if work.recipient else None
            if copy is None or not moves(copy.state, HandOverEvent.CONSIGN):
                return None
            sender = self._register.parcel_sender(submission)
            as_claim = await self._travels_as_claim(copy)
            return deliver.parcel(submission, copy, sender, work.attempts, as_claim=as_claim)
        issued = await self._world.records.one_evidence(work.evidence) if work.evidence else None
        party = self._world.directory.party(submission.party)
        if issued is None or party is None:
            return None
        copy = dossier.of(issued.recipient) if issued.recipient else None
        return receipt.send(issued, submission, copy.addressed_as if copy else None, party)

    async def _travels_as_claim(self, copy: HandOver) -> bool:
        """Whether the document went out as a claim: its copies are what T2 made them, so one look is enough."""
        if copy.kind is Kind.STATUS:
            return False
        known = self._claims.get(copy.document)
        if known is None:
            whole = await self._world.ledger.load(copy.document)
            queues = sum(1 for h in whole.handovers if h.link is Link.AMQP) if whole else 0
            known = deliver.travels_as_claim(queues, self._policy)
            while len(self._claims) >= REMEMBERED:
                self._claims.pop(next(iter(self._claims)))
            self._claims[copy.document] = known
        return known
