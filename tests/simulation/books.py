"""When everything has come to rest the books must balance: rows, evidence, receipts, and what was seen."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from hashlib import sha256

from gateway.model.change import WorkKind
from gateway.model.envelope import Kind
from gateway.model.evidence import EventName as E
from gateway.model.evidence import EvidenceRecord
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, PartyKey, delivery_id, evidence_id
from gateway.model.journey import (
    FINAL_HANDOVERS,
    FINAL_SUBMISSIONS,
    Answer,
    Ask,
    Request,
    Status,
    SubmissionState,
)
from gateway.model.journey import HandOverState as H
from gateway.model.merkle import Frontier, leaf_hash
from gateway.model.party import Link
from tests.builders import COMMUNE
from tests.journey.steps import previous
from tests.simulation.agencies import Agencies
from tests.simulation.town import POLICY, SimTown

ONCE = (E.CONTENT_CONSIGNMENT, E.CONTENT_CONSIGNMENT_FAILURE, E.CONTENT_HANDOVER, E.CONTENT_HANDOVER_FAILURE)
ENDS = (E.CONTENT_CONSIGNMENT_FAILURE, E.CONTENT_HANDOVER, E.CONTENT_HANDOVER_FAILURE)
STEPS = ("01", "03", "04", "05", "06", "02")
"""Statuses by how far they go; a refusal comes after nothing but 01."""


class Books:
    """Audits one town; what it finds is told to ``town.wrong``."""

    def __init__(self, town: SimTown, agencies: Agencies) -> None:
        self.town, self.store, self.agencies = town, town.store, agencies
        self.wrong = town.wrong
        self.seen: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for organ, taken in agencies.taken.items():
            for delivery, _, body in taken.deliveries:
                self.seen[delivery].add((organ, sha256(body).hexdigest()))

    def audit(self) -> None:
        """Look at everything."""
        self._stuck()
        self._submissions()
        copies = [copy for rows in self.store._handovers.values() for copy in rows.values()]
        for copy in copies:
            self._copy(copy)
        known = {delivery for copy in copies for delivery in _deliveries(copy)}
        for delivery in self.seen.keys() - known:
            self.wrong(f"delivery {delivery[:8]} was seen, but there is no such copy")
        for document in self.store._submissions:
            self._evidence(document)
        self._statuses()
        self._receipts()
        self._bytes()
        self._log()
        for life in self.town.alive:
            cleared = life.disposer.failed if life.disposer is not None else None
            for failed in (life.worker.failed, life.sequencer.failed, cleared):
                if failed is not None:
                    self.wrong(f"a loop of {life.owner} has ended: {failed!r}")

    def _stuck(self) -> None:
        for work in self.store._work.values():
            if work.kind is not WorkKind.DEADLINE:
                self.wrong(
                    f"stuck: {work.kind} {work.document[-6:]} owner={work.owner} attempts={work.attempts}"
                )
        if self.town.inbound or self.town.in_flight or self.town.broker.dead:
            self.wrong(
                f"stuck: {len(self.town.inbound)} inbound, {self.town.in_flight} in flight, "
                f"{self.town.broker.dead} dead letters"
            )

    def _submissions(self) -> None:
        # what the door turns away does not use its id up
        own = [s for s in self.store._submissions.values() if not s.slot]
        by_message = Counter((s.party, s.message_id) for s in own)
        turned = {(s.party, s.message_id) for s in self.store._submissions.values() if s.slot}
        for name, arrival in self.agencies.published.items():
            message = (PartyKey(arrival.claimed), arrival.message_id)
            count = by_message[message]  # type: ignore[index]
            if count > 1 or not (count or message in turned):
                self.wrong(f"message {name} is registered {count} times")
            if not self.town.tickets.get(name):
                self.wrong(f"message {name} was never acknowledged")
        for tickets in self.town.tickets.values():
            for ticket in tickets:
                if ticket.document is not None and ticket.document not in self.store._submissions:
                    self.wrong(f"acknowledged, but not there: {ticket.document[-6:]}")
        for submission in self.store._submissions.values():
            if submission.state not in FINAL_SUBMISSIONS:
                self.wrong(f"stuck: {submission.document[-6:]} is {submission.state} ({submission.reason})")
            if submission.reason == "internal":
                self.wrong(f"{submission.document[-6:]} met a bug of ours")
            # the first death proves nothing; after each further one it was tried alone, and yet it is chance here
            if submission.reason == "poison" and self.town.weather.blows <= POLICY.patience.deaths:
                self.wrong(f"{submission.document[-6:]} was taken for poison")

    def _copy(self, copy: HandOver) -> None:
        where = f"{copy.document[-6:]}/{copy.recipient}"
        if copy.state not in FINAL_HANDOVERS and copy.state is not H.AVAILABLE:
            self.wrong(f"stuck: {where} is {copy.state}")
        if copy.delivery != delivery_id(copy.document, copy.recipient, copy.generation):
            self.wrong(f"{where}: another delivery id")
        seen = {one for delivery in _deliveries(copy) for one in self.seen.get(delivery, ())}
        if len(seen) > 1:
            self.wrong(f"{where}: seen in {len(seen)} forms")
        if copy.payload is not None and any(digest != copy.payload.sha256 for _, digest in seen):
            self.wrong(f"{where}: other bytes arrived than were rendered")
        if any(organ != copy.recipient for organ, _ in seen):
            self.wrong(f"{where}: seen by another")
        if copy.state is H.WITHDRAWN and {copy.delivery} & (self.seen.keys() | self.town.broker.came.keys()):
            self.wrong(f"{where}: withdrawn, yet its recipient saw it")
        rejected = copy.delivery in self.agencies.rejected
        was_taken = copy.state in (H.AVAILABLE, H.HANDED_OVER)
        if was_taken and copy.link is Link.AMQP and not seen and not rejected:
            self.wrong(f"{where}: {copy.state}, but its recipient never had it")
        if rejected and copy.state in (H.PENDING, H.AVAILABLE):
            self.wrong(f"{where}: rejected by its recipient, but {copy.state}")
        if copy.link is Link.HTTP and was_taken:
            item = self.store._items.get(copy.recipient, {}).get(copy.delivery)
            if item is None and copy.document not in self.store._headers and self.town.lasts_long:
                return  # gone with the rest of it
            if item is None:
                self.wrong(f"{where}: {copy.state}, but not in the inbox")
            elif item.taken_at is None and copy.recipient == COMMUNE:
                self.wrong(f"{where}: nobody fetched it")
        self._request(copy, where)

    def _request(self, copy: HandOver, where: str) -> None:
        original = self.store.copy_of(copy.about, copy.recipient) if copy.about else None
        if copy.asks is Ask.NOTHING or original is None:
            return
        if copy.state in (H.AVAILABLE, H.HANDED_OVER):
            if original.request is Request.NONE and original.state not in (H.FAILED, H.WITHDRAWN, H.EXPIRED):
                self.wrong(f"{where}: it asks, but {original.document[-6:]} knows of no request")
            order = self.store.item_order if copy.link is Link.HTTP else self.town.broker.came
            if order.get(original.delivery, -1) > order.get(copy.delivery, 1 << 60):
                self.wrong(f"{where}: {copy.asks} overtook {original.document[-6:]}")
        is_answered = copy.answer is not Answer.NONE and original.asked_by == copy.document
        if is_answered and not original.request.value.endswith(("agreed", "declined")):
            self.wrong(f"{where}: answered {copy.answer}, but the request is {original.request}")

    def _evidence(self, document: str) -> None:
        issued = self.store._issued.get(document, [])  # type: ignore[call-overload]
        submission = self.store._submissions[document]  # type: ignore[index]
        chains: dict[str, list[EvidenceRecord]] = defaultdict(list)
        for one in issued:
            chains[one.recipient or ""].append(one)
        name = document[-6:]
        roots = chains.pop("", [])
        if len(roots) != 1 or roots[0].sequence != 0:
            self.wrong(f"{name}: {len(roots)} roots of evidence")
            return
        accepted = submission.state is SubmissionState.ACCEPTED
        if (roots[0].event is E.SUBMISSION_ACCEPTANCE) is not accepted:
            self.wrong(f"{name}: {submission.state}, but {roots[0].event}")
        if submission.head != roots[0].sha256:
            self.wrong(f"{name}: its head is not its root")
        copies = self.store._handovers.get(document, {})  # type: ignore[call-overload]
        for stray in chains.keys() - {c.recipient for c in copies.values()}:
            self.wrong(f"{name}: evidence about {stray}, who has no copy")
        for copy in copies.values():
            self._chain(copy, roots[0], chains.get(copy.recipient, []))

    def _chain(self, copy: HandOver, root: EvidenceRecord, chain: list[EvidenceRecord]) -> None:
        where = f"{copy.document[-6:]}/{copy.recipient}"
        before = root
        for number, one in enumerate(sorted(chain, key=lambda e: e.sequence), 1):
            if one.sequence != number or one.id != evidence_id(one.document, one.recipient, number):
                self.wrong(f"{where}: evidence {one.sequence} stands at {number}")
            if previous(one.body) != before.sha256 or one.sha256 != sha256(one.body).hexdigest():
                self.wrong(f"{where}: the chain breaks at {number}")
            before = one
        if (copy.sequence, copy.head) != (len(chain), before.sha256):
            self.wrong(f"{where}: the row knows {copy.sequence} pieces of evidence, there are {len(chain)}")
        events = Counter(one.event for one in chain)
        for event in ONCE:
            if events[event] > copy.generation:
                self.wrong(f"{where}: {events[event]} × {event}")
        if copy.is_quiet:
            if chain:
                self.wrong(f"{where}: a quiet copy with evidence")
            return
        wanted = {
            H.AVAILABLE: (E.CONTENT_CONSIGNMENT,),
            H.HANDED_OVER: (E.CONTENT_CONSIGNMENT, E.CONTENT_HANDOVER),
            H.WITHDRAWN: (E.CONTENT_CONSIGNMENT_FAILURE,),
        }.get(copy.state, ())
        missing = [event for event in wanted if not events[event]]
        ends = sum(events[event] for event in ENDS)
        if missing or ends != (copy.state in FINAL_HANDOVERS) + copy.generation - 1:
            self.wrong(f"{where}: {copy.state} with {[e.value for e in events]}")
        if copy.status is Status.REJECTED and not events[E.CONSIGNMENT_REJECTION]:
            self.wrong(f"{where}: refused by its recipient, without evidence")
        if copy.answer is not Answer.NONE and not (
            events[E.CONSIGNMENT_ACCEPTANCE] or events[E.CONSIGNMENT_REJECTION]
        ):
            self.wrong(f"{where}: answered {copy.answer}, without evidence")

    def _statuses(self) -> None:
        """A copy is as far as the furthest of what was accepted from its recipient says."""
        far: dict[tuple[DocumentId, PartyKey], set[Status]] = defaultdict(set)
        sent = {one.payload.sha256: one.payload.body or b"" for one in self.agencies.published.values()}
        for submission in self.store._submissions.values():
            if submission.kind is not Kind.STATUS or submission.state is not SubmissionState.ACCEPTED:
                continue
            header = json.loads(sent[submission.sha256])
            if header["code"] in STEPS:
                far[DocumentId(header["about"]["official_id"]), submission.party].add(Status(header["code"]))
        for (document, recipient), told in far.items():
            copy = self.store.copy_of(document, recipient)
            if copy is None:
                self.wrong(f"{recipient} reports on {document[-6:]}, of which it has no copy")
            elif copy.request is not Request.RECALL_AGREED and copy.status is not max(told, key=STEPS.index):
                self.wrong(f"{document[-6:]}/{recipient}: told {sorted(told)}, and is at {copy.status!r}")

    def _receipts(self) -> None:
        issued = self.store._evidence
        for organ, taken in self.agencies.taken.items():
            had: dict[str, bytes] = {}
            for message, body, sequence in taken.receipts:
                if had.setdefault(message, body) != body:
                    self.wrong(f"receipt {message[:8]} came to {organ} in two forms")
                known = issued.get(message)  # type: ignore[call-overload]
                if known is None or known.body != body:
                    self.wrong(f"receipt {message[:8]} at {organ} is no evidence of ours")
                elif sequence not in (None, known.sequence):
                    self.wrong(f"receipt {message[:8]} is number {known.sequence} and says {sequence}")
            for one in issued.values():
                submission = self.store._submissions.get(one.document)
                if submission is not None and submission.party == organ and one.id not in had:
                    self.wrong(
                        f"{organ} never had the receipt {one.event} of {one.document[-6:]}/{one.recipient}"
                    )

    def _bytes(self) -> None:
        """What a row names is there."""
        for gone in self.store.named() - self.town.vault._bodies.keys():
            self.wrong(f"the bytes {gone[:12]} are gone, and a row names them")

    def _log(self) -> None:
        """Every evidence has one number, along every chain; every head is over the leaves that were there."""
        log, issued = self.store.log, self.store._evidence
        if sorted(leaf.evidence for leaf in log._leaves) != sorted(issued):
            self.wrong(f"the log has {len(log._leaves)} leaves, there are {len(issued)} pieces of evidence")
            return
        last: dict[tuple[str, str], int] = {}
        sizes = {head.size: head.root for head in log._heads.values()}
        tree = Frontier()
        for number, leaf in enumerate(log._leaves):
            if sizes.get(number, tree.root.hex()) != tree.root.hex():
                self.wrong(f"the head over {number} leaves has another root")
            one = issued[leaf.evidence]
            chain = (one.document, one.recipient or "")
            if (leaf.number, leaf.hash) != (number, leaf_hash(one.body)):
                self.wrong(f"leaf {number} is not the evidence that it names")
            if last.get(chain, -1) >= one.sequence:
                self.wrong(f"{one.document[-6:]}/{one.recipient}: numbered out of its chain")
            last[chain] = one.sequence
            tree, _ = tree.add(leaf.hash)


def _deliveries(copy: HandOver) -> list[str]:
    """The ids under which it may have come: one for each time that it was brought."""
    return [delivery_id(copy.document, copy.recipient, n) for n in range(1, copy.generation)] + [
        copy.delivery
    ]
