"""Holds what the agencies saw against the store and its evidence: what is lost, doubled, stuck, or not as it says.

It shares no code with the ledger: rows come by ``store.py``, ids and trees are computed here from the contract, and
signatures are judged from their bytes.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from uuid import NAMESPACE_URL, uuid5

from adapters.signing.evidence_check import EvidenceCheck
from tests.chaos.plan import UNKNOWN, What
from tests.chaos.seen import Seen, Sent, Taken, Told
from tests.chaos.store import Row, Rows

Judge = Callable[[bytes], EvidenceCheck]


class Kind(Enum):
    """How bad: the report counts them so."""

    LOST = "lost"
    DOUBLED = "doubled"
    STUCK = "stuck"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One imbalance; *document* is our id of the document that it concerns, or empty."""

    kind: Kind
    what: str
    document: str = ""


@dataclass(slots=True)
class Books:
    """Everything that an audit looks at.  ``queues``: how many messages lie in each queue of ours."""

    seen: Seen
    rows: Rows
    queues: dict[str, int] = field(default_factory=dict)


ROOTS = {"accepted": "SubmissionAcceptance", "refused": "SubmissionRejection"}
ENDS = ("ContentConsignmentFailure", "ContentHandover", "ContentHandoverFailure")
ONCE = ("ContentConsignment", *ENDS)
END_STATES = ("handed-over", "failed", "withdrawn", "expired")
WANTED = {
    "available": {"ContentConsignment"},
    "handed-over": {"ContentConsignment", "ContentHandover"},
    "withdrawn": {"ContentConsignmentFailure"},
}
RANK = {
    event: n for n, event in enumerate(("ContentConsignment", "ContentHandover", "ContentHandoverFailure"))
}
STEPS = ("", "01", "03", "04", "05", "06")
FAILS = {
    "recipient-unknown",
    "delivery-rejected",
    "nothing-to-recall",
    "already-recalled",
    "recipient-silent",
}
"""Why a copy may fail here: no fault of ours is among them."""
REFUSALS = {
    What.NEW: {"recalled"},
    What.REPEAT: {"recalled"},
    What.UPDATE: {"original-unknown"},
    What.RECALL: {"original-unknown"},
    What.OTHER_BYTES: {"recalled"},
}
"""Why a submission may be refused here; of what is broken, any reason is right but ``poison`` and ``internal``."""
OURS = {"poison", "internal", "delivery-poison"}
"""Reasons that nothing that is sent here deserves."""
_CONTENT = re.compile(rb"<UserContentInfo><Digest [^>]*>([0-9a-f]{64})</Digest>")


def audit(books: Books, judge: Judge) -> list[Flaw]:
    """All that does not balance; *judge* verifies one piece of evidence."""
    return _Audit(books, judge).run()


class _Audit:
    def __init__(self, books: Books, judge: Judge) -> None:
        self.seen, self.rows, self.queues, self.judge = books.seen, books.rows, books.queues, judge
        self.flaws: list[Flaw] = []
        self.submissions = {row["document"]: row for row in self.rows.submissions}
        self.copies = {(row["document"], row["recipient"]): row for row in self.rows.handovers}
        self.of: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows.handovers:
            self.of[row["document"]].append(row)
        self.by_message: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.rows.submissions:
            self.by_message[row["party"], row["message_id"]].append(row)
        self.chains: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in self.rows.evidence:
            self.chains[row["document"]][row["recipient"] or ""].append(row)
        self.taken: dict[str, list[Taken]] = defaultdict(list)
        for one in self.seen.taken:
            self.taken[one.delivery].append(one)
        self.told: dict[str, list[Told]] = defaultdict(list)
        for told in self.seen.told:
            self.told[told.evidence].append(told)

    def run(self) -> list[Flaw]:
        self._at_rest()
        self._confirmed()
        for submission in self.rows.submissions:
            self._submission(submission)
        for copy in self.rows.handovers:
            self._copy(copy)
        self._deliveries()
        self._contents()
        self._statuses()
        self._receipts()
        self._log()
        for fault in self.seen.faults:
            self.find(Kind.WRONG, fault)
        return self.flaws

    def find(self, kind: Kind, what: str, document: str = "") -> None:
        self.flaws.append(Flaw(kind, what, document))

    # --- nothing is on its way ------------------------------------------------------------------------

    def _at_rest(self) -> None:
        for work in self.rows.work:
            if work["kind"] in ("document", "delivery", "receipt"):
                what = f"work {work['key']}: {work['attempts']} attempts, {work['reason']}, owner {work['owner']}"
                self.find(Kind.STUCK, what, work["document"])
        for name, messages in self.queues.items():
            if messages:
                self.find(Kind.STUCK, f"{messages} messages lie in {name}")
        for item in self.rows.items:
            if item["taken_at"] is None:
                self.find(
                    Kind.STUCK,
                    f"{item['type']} {item['id']} lies in the inbox of {item['party']}",
                    item["document"],
                )

    # --- what a sender got a confirm for ---------------------------------------------------------------

    def _confirmed(self) -> None:
        for sent in self.seen.sent:
            rows = self.by_message[sent.organ, sent.message]
            where = f"{sent.message} of {sent.organ}"
            kept = [row for row in rows if not row["slot"]]
            mine = [row for row in rows if row["sha256"] == sent.sha256]
            if not mine:
                self.find(Kind.LOST, f"{where} was confirmed, and is not there")
            if len(kept) > 1:
                self.find(Kind.DOUBLED, f"{where} is there {len(kept)} times", kept[0]["document"])
            # Of two bodies under one id the one that was taken in first counts, whichever that was.
            is_second = bool(kept) and kept[0]["sha256"] != sent.sha256
            for row in mine:
                if is_second and (row["state"], row["reason"]) != ("refused", "message-id-reused"):
                    self.find(Kind.WRONG, f"{where} is another's id, and is {row['state']}", row["document"])
                if not is_second and not row["slot"]:
                    self._refusal(sent, row)

    def _refusal(self, sent: Sent, row: Row) -> None:
        if row["state"] != "refused":
            if sent.what is What.BROKEN:
                self.find(
                    Kind.WRONG, f"{sent.message} is no document, and is {row['state']}", row["document"]
                )
            return
        reason = row["reason"]
        expected = REFUSALS.get(sent.what, set()) if sent.what else self._refused_statuses(sent)
        is_known = reason in expected
        if reason in OURS or not (is_known or sent.what is What.BROKEN):
            self.find(Kind.LOST, f"{sent.message} of {sent.organ} was refused as {reason}", row["document"])

    def _refused_statuses(self, sent: Sent) -> Iterable[str]:
        if sent.code not in ("15", "16"):
            return set()
        # An answer that crosses a newer request, or comes to a copy that was taken back meanwhile.
        crossed = {"status-impossible", "request-unknown"}
        asking = self.copies.get((sent.about, sent.organ), {})
        original = self.copies.get((asking.get("about"), sent.organ), {})
        # Who has rejected a document has nothing to give back.
        was_rejected = asking.get("asks") == "recall" and original.get("reason") == "delivery-rejected"
        return {*crossed, "document-unknown"} if was_rejected else crossed

    # --- submissions and their chains ------------------------------------------------------------------

    def _submission(self, row: Row) -> None:
        document = row["document"]
        if row["state"] not in ROOTS:
            self.find(Kind.STUCK, f"{row['message_id']} is {row['state']} ({row['reason']})", document)
            return
        chains = self.chains[document]
        roots = chains.get("", [])
        if len(roots) != 1 or roots[0]["sequence"] != 0 or roots[0]["event"] != ROOTS[row["state"]]:
            told = [root["event"] for root in roots]
            self.find(Kind.WRONG, f"{row['message_id']} is {row['state']}, its evidence {told}", document)
            return
        if row["head"] != roots[0]["sha256"]:
            self.find(Kind.WRONG, f"{row['message_id']}: its head is not its root", document)
        self._piece(roots[0], row, "")
        for stray in chains.keys() - {""}:
            if (document, stray) not in self.copies:
                self.find(Kind.WRONG, f"evidence about {stray}, who has no copy", document)

    def _piece(self, piece: Row, submission: Row, previous: str) -> None:
        where = f"evidence {piece['event']} {piece['sequence']} about {piece['recipient'] or 'the document'}"
        body, document = piece["body"], piece["document"]
        if sha256(body).hexdigest() != piece["sha256"]:
            self.find(Kind.WRONG, f"{where}: its bytes are not those of its digest", document)
        check = self.judge(body)
        if check.standing.value != "passed":
            self.find(Kind.WRONG, f"{where}: {check.reason}", document)
        if check.previous != previous:
            self.find(Kind.WRONG, f"{where}: the chain breaks before it", document)
        said = (check.evidence, check.document, check.event, check.sequence)
        if said != (piece["id"], document, piece["event"], piece["sequence"]):
            self.find(Kind.WRONG, f"{where}: it says {said}", document)
        key = f"vanthu:evidence:{document}:{piece['recipient'] or ''}:{piece['sequence']}"
        if piece["id"] != str(uuid5(NAMESPACE_URL, key)):
            self.find(Kind.DOUBLED, f"{where}: under another id", document)
        content = _CONTENT.search(body)
        if content is None or content[1].decode() != submission["sha256"]:
            self.find(Kind.WRONG, f"{where}: it is about other bytes", document)

    # --- copies ----------------------------------------------------------------------------------------

    def _copy(self, copy: Row) -> None:
        document, state = copy["document"], copy["state"]
        submission = self.submissions.get(document)
        where = f"the copy for {copy['recipient']}"
        if submission is None:
            self.find(Kind.WRONG, f"{where} of a document that is not there", document)
            return
        if state not in END_STATES and state != "available":
            self.find(Kind.STUCK, f"{where} is {state}", document)
        key = f"vanthu:delivery:{document}:{copy['recipient']}:{copy['generation']}"
        if copy["delivery"] != str(uuid5(NAMESPACE_URL, key)):
            self.find(Kind.DOUBLED, f"{where} has a second delivery id", document)
        self._chain(copy, submission, where)
        if state in ("failed", "expired") and copy["reason"] not in FAILS:
            self.find(Kind.LOST, f"{where} is {state} as {copy['reason']}", document)
        taken = self.taken.get(copy["delivery"], [])
        if state in ("available", "handed-over") and not taken:
            self.find(Kind.LOST, f"{where} is {state}, and never came", document)
        if state == "withdrawn" and taken:
            self.find(Kind.WRONG, f"{where} was withdrawn, and came", document)
        if any(one.is_rejected for one in taken) and state != "failed":
            self.find(Kind.WRONG, f"{where} was rejected by its recipient, and is {state}", document)

    def _chain(self, copy: Row, submission: Row, where: str) -> None:
        document = copy["document"]
        chain = sorted(self.chains[document].get(copy["recipient"], []), key=lambda row: row["sequence"])
        numbers = [piece["sequence"] for piece in chain]
        if numbers != list(range(1, len(chain) + 1)):
            self.find(Kind.WRONG, f"{where}: evidence {numbers} has a gap", document)
        previous = submission["head"]
        for piece in chain:
            self._piece(piece, submission, previous)
            previous = piece["sha256"]
        if (copy["sequence"], copy["head"]) != (len(chain), previous):
            self.find(
                Kind.WRONG,
                f"{where}: its row knows {copy['sequence']} pieces, there are {len(chain)}",
                document,
            )
        events = [piece["event"] for piece in chain]
        if copy["is_quiet"]:
            if chain:
                self.find(Kind.WRONG, f"{where}: a quiet copy with evidence", document)
            return
        ends = sum(event in ENDS for event in events)
        if ends != (copy["state"] in END_STATES):
            self.find(Kind.WRONG, f"{where} is {copy['state']} with {ends} ends: {events}", document)
        if not WANTED.get(copy["state"], set()) <= set(events):
            self.find(Kind.WRONG, f"{where} is {copy['state']}, its evidence {events}", document)
        for event, often in Counter(events).items():
            if event in ONCE and often > 1:
                self.find(Kind.DOUBLED, f"{where}: {often} × {event}", document)
        ranks = [RANK.get(event, len(RANK)) for event in events]
        if ranks != sorted(ranks) or "ContentConsignmentFailure" in events[1:]:
            self.find(Kind.WRONG, f"{where}: its evidence goes backwards: {events}", document)

    # --- what came to recipients -----------------------------------------------------------------------

    def _deliveries(self) -> None:
        known = {copy["delivery"]: copy for copy in self.rows.handovers}
        of_document: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for delivery, taken in self.taken.items():
            copy = known.get(delivery)
            if copy is None:
                self.find(
                    Kind.DOUBLED, f"{delivery} came to {taken[0].organ}, and is no copy", taken[0].document
                )
                continue
            document = copy["document"]
            where = f"delivery {delivery} to {copy['recipient']}"
            of_document[document, copy["recipient"], str(copy["generation"])].add(delivery)
            if {one.organ for one in taken} != {copy["recipient"]}:
                self.find(Kind.WRONG, f"{where} came to another", document)
            if len({one.sha256 for one in taken}) > 1:
                self.find(Kind.WRONG, f"{where} came in two forms", document)
            if {one.sha256 for one in taken} | {one.told_sha256 for one in taken} != {copy["payload_sha256"]}:
                self.find(Kind.WRONG, f"{where}: its bytes are not those of its digest", document)
            if sum(not one.says_so for one in taken) > 1:
                self.find(Kind.DOUBLED, f"{where} came {len(taken)} times, and does not say so", document)
        for (document, recipient, _), deliveries in of_document.items():
            if len(deliveries) > 1:
                self.find(Kind.DOUBLED, f"{len(deliveries)} delivery ids came to {recipient}", document)

    def _contents(self) -> None:
        """What a recipient took is what its sender sent; and every recipient has a copy of what was accepted."""
        for sent in self.seen.sent:
            if sent.what in (None, What.BROKEN):
                continue
            rows = self.by_message[sent.organ, sent.message]
            row = next((r for r in rows if not r["slot"] and r["sha256"] == sent.sha256), None)
            if row is None or row["state"] != "accepted":
                continue
            document = row["document"]
            addressed = {copy["addressed_as"] for copy in self.of[document]}
            for missing in set(sent.recipients) - addressed:
                self.find(Kind.LOST, f"{sent.message} has no copy for {missing}", document)
            for recipient in sent.recipients:
                copy = self.copies.get((document, recipient))
                if copy is None or recipient == UNKNOWN:
                    continue
                for taken in self.taken.get(copy["delivery"], []):
                    self._files(sent, taken, document)

    def _files(self, sent: Sent, taken: Taken, document: str) -> None:
        came = {name: (whole, beginning) for name, whole, beginning in taken.files}
        for name, digest, _ in sent.files:
            whole, beginning = came.get(name, ("", ""))
            # A sealed PDF begins with every byte of the one that was sent.
            if (beginning if name.endswith(".pdf") else whole) != digest:
                self.find(Kind.WRONG, f"{name} came to {taken.organ} with other bytes", document)
        if len(taken.files) != len(sent.files):
            self.find(
                Kind.WRONG, f"{len(taken.files)} of {len(sent.files)} files came to {taken.organ}", document
            )

    # --- statuses --------------------------------------------------------------------------------------

    def _statuses(self) -> None:
        """Each status that was taken from its reporter came to the sender as it was; and the copy is as far as it says."""
        far: dict[tuple[str, str], set[str]] = defaultdict(set)
        silent: list[tuple[Sent, str]] = []
        for sent in self.seen.sent:
            if sent.what is not None:
                continue
            rows = [r for r in self.by_message[sent.organ, sent.message] if not r["slot"]]
            if not rows or rows[0]["state"] != "accepted":
                continue
            document = rows[0]["document"]
            about = self.copies.get((sent.about, sent.organ), {})
            if about.get("request") == "recall-agreed" and sent.code in (*STEPS, "02"):
                continue  # who has agreed to give a document back has no more to say of it
            far[sent.about, sent.organ].add(sent.code)
            original = self.submissions.get(sent.about)
            back = [copy for copy in self.of[document] if original and copy["recipient"] == original["party"]]
            if not back:
                silent.append((sent, document))
            for copy in back:
                if any(one.sha256 != sent.sha256 for one in self.taken.get(copy["delivery"], [])):
                    self.find(
                        Kind.WRONG, f"status {sent.code} of {sent.organ} came back with other bytes", document
                    )
        for sent, document in silent:
            # What a later one overtook on its way is no news any more.
            later = {*STEPS[STEPS.index(sent.code) + 1 :], "02"} if sent.code in STEPS else set()
            if not far[sent.about, sent.organ] & later:
                self.find(Kind.LOST, f"status {sent.code} of {sent.organ} has no way back", document)
        for (document, organ), codes in far.items():
            copy = self.copies.get((document, organ))
            if copy is None:
                self.find(Kind.WRONG, f"{organ} reports on a copy that it has not", document)
                continue
            steps = [STEPS.index(code) for code in codes if code in STEPS]
            wanted = {"02"} if "02" in codes else {STEPS[max(steps)]} if steps else {""}
            if copy["status"] not in wanted:
                self.find(
                    Kind.WRONG,
                    f"{organ} reported {sorted(codes)}, its copy is at {copy['status']!r}",
                    document,
                )
            for code in codes & {"15", "16"}:
                if copy["answer"] != code:
                    self.find(
                        Kind.WRONG, f"{organ} answered {code}, its copy knows {copy['answer']!r}", document
                    )

    # --- receipts --------------------------------------------------------------------------------------

    def _receipts(self) -> None:
        issued = {row["id"]: row for row in self.rows.evidence}
        sequences: dict[tuple[str, str], set[int]] = defaultdict(set)
        for evidence, told in self.told.items():
            row = issued.get(evidence)
            if row is None:
                self.find(
                    Kind.WRONG, f"receipt {evidence} at {told[0].organ} is no evidence", told[0].document
                )
                continue
            document = row["document"]
            submission = self.submissions.get(document, {})
            if {one.sha256 for one in told} != {row["sha256"]}:
                self.find(Kind.WRONG, f"receipt {evidence} came with other bytes", document)
            if {(one.organ, one.message) for one in told} != {
                (submission.get("party"), submission.get("message_id"))
            }:
                self.find(Kind.WRONG, f"receipt {evidence} came to another, or for another message", document)
            if {(one.event, one.sequence, one.document) for one in told} != {
                (row["event"], row["sequence"], document)
            }:
                self.find(Kind.WRONG, f"receipt {evidence} says what its evidence does not", document)
            sequences[document, row["recipient"] or ""].add(row["sequence"])
        for row in self.rows.evidence:
            if row["id"] not in self.told and row["document"] in self.submissions:
                party = self.submissions[row["document"]]["party"]
                what = f"{party} never had the receipt {row['event']} {row['sequence']} about {row['recipient'] or 'its document'}"
                self.find(Kind.LOST, what, row["document"])
        for (document, recipient), numbers in sequences.items():
            first = 1 if recipient else 0
            if numbers != set(range(first, first + len(numbers))):
                self.find(
                    Kind.WRONG,
                    f"receipts about {recipient or 'the document'} have gaps: {sorted(numbers)}",
                    document,
                )

    # --- the log ---------------------------------------------------------------------------------------

    def _log(self) -> None:
        """Every piece has one place in the log, there is no gap, and the newest head is the tree's."""
        if self.rows.unnumbered:
            self.find(Kind.STUCK, f"{len(self.rows.unnumbered)} pieces of evidence have no number")
        numbers = [row["number"] for row in self.rows.leaves]
        if numbers != list(range(len(numbers))):
            self.find(Kind.WRONG, "the log's numbers have a gap")
        bodies = {row["id"]: row for row in self.rows.evidence}
        for leaf in self.rows.leaves:
            piece = bodies.get(leaf["evidence"])
            if piece is None or sha256(b"\0" + piece["body"]).digest() != leaf["hash"]:
                self.find(
                    Kind.WRONG,
                    f"leaf {leaf['number']} is not its evidence",
                    piece["document"] if piece else "",
                )
        placed = Counter(leaf["evidence"] for leaf in self.rows.leaves)
        waiting = {row["evidence"] for row in self.rows.unnumbered}
        for row in self.rows.evidence:
            if placed[row["id"]] != 1 and row["id"] not in waiting:
                self.find(
                    Kind.WRONG,
                    f"evidence {row['id']} stands {placed[row['id']]} times in the log",
                    row["document"],
                )
        hashes = [leaf["hash"] for leaf in self.rows.leaves]
        for head in self.rows.heads[-1:]:
            if head["size"] > len(hashes) or head["root"] != _root(hashes[: head["size"]]).hex():
                self.find(Kind.WRONG, f"the head over {head['size']} is not the tree's")


def _root(leaves: Sequence[bytes]) -> bytes:
    """spec: RFC 9162 §2.1.1 - the hash of a Merkle tree."""
    if not leaves:
        return sha256(b"").digest()
    level = list(leaves)
    if len(level) == 1:
        return level[0]
    half = 1 << (len(level) - 1).bit_length() - 1
    return sha256(b"\1" + _root(level[:half]) + _root(level[half:])).digest()
