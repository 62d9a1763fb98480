"""The door: what becomes of an arrival that is not simply taken in.

It is turned away with evidence, or it is known already: then the same bytes get the same receipts again, and
other bytes a refusal that leaves the first document alone.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.errors import Reason, Refused, Unavailable
from gateway.model.change import Change, Fence, Known
from gateway.model.document import Dossier, Refusal, Submission
from gateway.model.envelope import Kind, Marks
from gateway.model.evidence import EventName
from gateway.model.ids import PartyKey
from gateway.model.journey import SubmissionState
from gateway.model.party import Party
from gateway.model.policy import Policy
from gateway.model.submission import Arrival, Door, Ticket
from gateway.register import Register, explain
from gateway.stages import receive, replay
from gateway.world import Errands, Us, World


class Doorkeeper:
    """Looks at arrivals before anything of them is stored, and answers those that may not come in."""

    def __init__(self, world: World, register: Register, policy: Policy, us: Us) -> None:
        self._world = world
        self._register = register
        self._policy = policy
        self._us = us

    async def peek(self, arrival: Arrival) -> Marks | Refusal:
        """What the header tells, from the first bytes alone; a refusal where they tell nothing."""
        bound = self._policy.limits.header_bytes
        payload = arrival.payload
        if payload.body is not None:
            head = memoryview(payload.body)[:bound]
        else:
            read = b""
            async for chunk in self._world.vault.open(payload):
                read += chunk
                if len(read) >= bound:
                    break
            head = memoryview(read)[:bound]
        try:
            return self._world.envelopes.peek(head, is_whole=payload.size <= len(head))
        except Refused as refused:
            return Refusal(reason=refused.reason, detail=refused.detail)

    async def died_too_often(self, arrival: Arrival, party: PartyKey) -> bool:
        """Count one more death of a dead letter before work on it begins: is it poison?"""
        key = f"arrival:{party}:{arrival.message_id}:{arrival.payload.sha256}"
        return await self._world.lives.died(key) >= self._policy.patience.deaths

    async def turn_away(
        self,
        arrival: Arrival,
        party: Party | None,
        refusal: Refusal,
        *,
        uses_id: bool,
        kind: Kind = Kind.EDOC,
    ) -> tuple[Ticket, Errands]:
        """Refuse on arrival, with evidence where somebody is known who may be told.

        What was taken in before and comes again, bytes and all, is no new message: where only the message is at
        fault (*uses_id* is false: its expiry has passed meanwhile, say) it gets its first receipts again.
        """
        if party is None:
            self._world.observer.document("refused", None, refusal.reason)
            ticket = Ticket(
                door=Door.REFUSED,
                document=None,
                state=SubmissionState.REFUSED,
                reason=refusal.reason,
                detail=refusal.detail,
            )
            return ticket, ()
        now = self._world.clock.now()
        submission = receive.turn_away(
            arrival,
            party.key,
            refusal,
            kind=kind,
            realm=self._us.realm,
            document=self._world.ids.document(),
            policy=self._policy,
            uses_id=uses_id,
            now=now,
        )
        first = None if uses_id or party.is_locked else await self._taken_in_before(arrival, submission)
        if first is not None:
            return await self.known(arrival, party, first, kind)
        draft = self._register.open(submission.document)
        draft.note(now, "receive", "refused", reason=refusal.reason, detail=refusal.detail)
        submission = self._register.attest(
            draft, submission, EventName.SUBMISSION_REJECTION, (), explain(refusal), now
        )
        outcome = await self._world.ledger.commit(draft.change(submission=submission))
        if isinstance(outcome, Known):
            return await self.known(arrival, party, outcome, kind)
        self._world.observer.document("refused", submission.document, refusal.reason)
        draft.tell(self._world.observer)
        ticket = Ticket(
            door=Door.REFUSED,
            document=submission.document,
            state=submission.state,
            reason=refusal.reason,
            detail=refusal.detail,
            received_at=now,
        )
        return ticket, draft.errands

    async def _taken_in_before(self, arrival: Arrival, refused: Submission) -> Known | None:
        """The document that *arrival* brought when it came before.  Nothing is written: *refused* would be
        registered under a fence that nobody holds."""
        if arrival.client is None or not arrival.message_id:
            return None
        asked = Change(fence=Fence(key="", owner=self._us.owner), submission=replace(refused, slot=""))
        outcome = await self._world.ledger.commit(asked)
        return outcome if isinstance(outcome, Known) and outcome.sha256 == refused.sha256 else None

    async def known(self, arrival: Arrival, party: Party, known: Known, kind: Kind) -> tuple[Ticket, Errands]:
        """The same id again: the same receipts for the same bytes, a refusal for others."""
        if known.sha256 != arrival.payload.sha256:
            return await self.turn_away(
                arrival, party, Refusal(reason=Reason("message-id-reused")), uses_id=False, kind=kind
            )
        dossier = await self._world.ledger.load(known.document)
        if dossier is None:
            raise Unavailable("store-away", "a known document cannot be loaded")
        dossier = await self._latest(dossier)
        document, state = dossier.submission.document, dossier.submission.state
        now = self._world.clock.now()
        draft = self._register.open(document)
        draft.note(now, "receive", "repeated")
        issued = await self._world.records.evidence(document)
        self._register.repeat(draft, dossier.submission, dossier.handovers, issued, now)
        await self._world.ledger.commit(draft.change())
        self._world.observer.document("repeated", document)
        refused = state is SubmissionState.REFUSED
        ticket = Ticket(
            door=Door.REFUSED if refused else Door.REPEATED,
            document=document,
            state=state,
            reason=dossier.submission.reason if refused else None,
            received_at=dossier.submission.received_at,
        )
        return ticket, draft.errands

    async def _latest(self, dossier: Dossier) -> Dossier:
        """What became of a refused document that operators have had tried again: the last of its tries."""
        while dossier.submission.state is SubmissionState.REFUSED:
            submission = dossier.submission
            for name in await self._world.records.search(submission.message_id):
                later = await self._world.ledger.load(name)
                if later is not None and replay.is_try_of(later.submission, submission):
                    dossier = later
                    break
            else:
                break
        return dossier
