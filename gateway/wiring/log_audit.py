"""Looks whether the whole evidence log holds: every leaf, every head, every chain, every time-stamp.

Streams: a page of leaves, a page of heads, one document at a time; memory does not grow with the log.  The
tree is made anew from the evidence as stored, so that all heads are held against one and the same tree: two
that contradict each other cannot both pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

from adapters.signing.chains import broken_chains
from adapters.signing.evidence_check import EvidenceCheck, Standing
from adapters.signing.head_check import HeadCheck
from adapters.signing.stamps.token import StampCheck
from gateway.errors import Unavailable
from gateway.model.document import Dossier
from gateway.model.evidence import EvidenceRecord
from gateway.model.finding import Finding, Severity
from gateway.model.ids import DocumentId
from gateway.model.log import HeadRecord, Leaf, LogState
from gateway.model.merkle import Frontier, is_consistent, is_included, leaf_hash
from gateway.ports import Ledger, LogRecords, Records

PAGE = 500
BLOCK = 256
"""Of so many leaves one is proved from what is kept for proofs."""
MOST_FINDINGS = 1000
GRACE = timedelta(minutes=5)
"""How long evidence may wait for its number before that is worth a word."""


@dataclass(slots=True, kw_only=True)
class LogReport:
    """What was looked at and what was found; ``state`` is how far the log was at the start."""

    state: LogState
    leaves: int = 0
    heads: int = 0
    stamped: int = 0
    documents: int = 0
    evidence: int = 0
    waiting: int = 0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether everything holds."""
        return not self.findings

    @property
    def verdict(self) -> str:
        """``intact``; ``untrusted`` where nothing is wrong but that nobody trusted has signed; else ``broken``."""
        codes = {f.code for f in self.findings}
        return "intact" if not codes else "untrusted" if codes == {"signer-unknown"} else "broken"

    def as_json(self) -> dict[str, Any]:
        """The report as the command's contract has it."""
        head = self.state.head
        return {
            "verdict": self.verdict,
            "leaves": self.leaves,
            "waiting": self.waiting,
            "evidence": self.evidence,
            "documents": self.documents,
            "heads": self.heads,
            "stamped": self.stamped,
            "head": {"size": head.size, "root": head.root, "signed_at": head.signed_at.isoformat()}
            if head is not None
            else None,
            "findings": [{"code": f.code, "where": f.where, "detail": f.detail} for f in self.findings],
            "more": self.more,
        }

    def find_unknown(self, signer: str, where: str) -> None:
        """*signer*, first met at *where*, leads to no trusted root; each is told once."""
        if not any(f.code == "signer-unknown" and f.detail == signer for f in self.findings):
            self.find("signer-unknown", where, signer)

    def find(self, code: str, where: str, detail: str = "") -> None:
        """Note one thing that does not hold; beyond a thousand they are counted."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(code=code, severity=Severity.ERROR, where=where, detail=detail))
        else:
            self.more += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """How signatures are judged; ``stamp`` takes a body and the time-stamp over it."""

    evidence: Callable[[bytes], EvidenceCheck]
    head: Callable[[bytes], HeadCheck]
    stamp: Callable[[bytes, bytes], StampCheck]


class LogAudit:
    """One look at a whole log."""

    def __init__(self, ledger: Ledger, records: Records, log: LogRecords, checks: Checks) -> None:
        self._ledger = ledger
        self._records = records
        self._log = log
        self._checks = checks

    async def run(self) -> LogReport:
        """Everything; the log may grow meanwhile."""
        report = LogReport(state=await self._log.state())
        await self._tree(report)
        await self._chains(report)
        return report

    # --- the tree and its heads ---------------------------------------------------------------------

    async def _tree(self, report: LogReport) -> None:
        heads = self._heads()
        before: HeadRecord | None
        head = await anext(heads, None)
        frontier, before, is_whole = Frontier(), None, True
        while is_whole and (page := await self._log.entries(frontier.size, PAGE)):
            await self._nodes(report, [leaf for leaf, _ in page if leaf.number % BLOCK == 0])
            for leaf, piece in page:
                while head is not None and head.size <= frontier.size:
                    await self._head(report, head, before, frontier)
                    before, head = head, await anext(heads, None)
                if leaf.number != frontier.size:
                    report.find(
                        "log-gap", f"#{frontier.size}", f"#{leaf.number} follows #{frontier.size - 1}"
                    )
                    is_whole = False
                    break
                self._leaf(report, leaf, piece)
                frontier, _ = frontier.add(leaf.hash)
        while head is not None:
            await self._head(report, head, before, frontier)
            before, head = head, await anext(heads, None)
        report.leaves = frontier.size
        state = report.state
        if frontier.size < state.size:
            report.find("log-cut", f"#{frontier.size}", f"{state.size} numbers were given")
        elif frontier.size == state.size and frontier.root.hex() != state.root:
            report.find("log-edge-wrong", f"#{state.size}")

    def _leaf(self, report: LogReport, leaf: Leaf, piece: EvidenceRecord | None) -> None:
        where = f"#{leaf.number} {leaf.evidence}"
        if piece is None:
            report.find("log-evidence-missing", where)
        elif leaf_hash(piece.body) != leaf.hash:
            report.find("log-leaf-wrong", where, f"{piece.document} {piece.recipient or ''}".strip())

    async def _nodes(self, report: LogReport, leaves: Sequence[Leaf]) -> None:
        """Whether the kept subtrees, from which proofs are made, prove one leaf of every block."""
        size, root = report.state.size, bytes.fromhex(report.state.root)
        for leaf in leaves:
            if leaf.number >= size:
                continue
            try:
                proof = (await self._log.inclusion([leaf.number], size))[leaf.number]
            except (ValueError, Unavailable):
                proof = ()
            if not is_included(leaf.hash, leaf.number, size, proof, root):
                report.find("log-nodes-wrong", f"#{leaf.number}")

    async def _head(
        self, report: LogReport, head: HeadRecord, before: HeadRecord | None, frontier: Frontier
    ) -> None:
        report.heads += 1
        where = f"head {head.size} {head.signed_at:%Y-%m-%dT%H:%M:%SZ}"
        check = await asyncio.to_thread(self._checks.head, head.body)
        if check.standing is Standing.UNKNOWN:
            report.find_unknown(check.signer, where)
        if check.standing is Standing.FAILED:
            report.find("head-unsound", where, check.reason)
        elif (check.size, check.root, check.sha256) != (head.size, head.root, head.sha256):
            report.find("head-unsound", where, f"it says {check.size} {check.root}")
        if head.size > frontier.size:
            report.find("log-cut", where, f"{frontier.size} of {head.size}")
        elif before is not None and head.size < before.size:
            report.find("head-contradicts", where, f"after one of {before.size}")
        elif head.root != frontier.root.hex():
            report.find("head-contradicts", where)
        elif before is not None and not await self._is_consistent(before, head):
            report.find("log-nodes-wrong", where, f"{before.size} → {head.size}")
        if head.stamp is not None:
            report.stamped += 1
            stamp = await asyncio.to_thread(self._checks.stamp, head.body, head.stamp)
            if stamp.standing is Standing.FAILED:
                report.find("stamp-unsound", where, stamp.reason)
            elif stamp.standing is Standing.UNKNOWN:
                report.find_unknown(stamp.signer, where)

    async def _is_consistent(self, before: HeadRecord, head: HeadRecord) -> bool:
        """Whether the kept subtrees, from which proofs are made, prove it, too."""
        if before.size in (0, head.size):
            return before.size == 0 or before.root == head.root
        try:
            proof = await self._log.consistency(before.size, head.size)
        except (ValueError, Unavailable):
            return False
        old, new = bytes.fromhex(before.root), bytes.fromhex(head.root)
        return is_consistent(before.size, head.size, proof, old, new)

    async def _heads(self) -> AsyncIterator[HeadRecord]:
        place = 0
        while page := await self._log.heads(place, PAGE):
            for _, head in page:
                yield head
            place = page[-1][0]

    # --- the chains ---------------------------------------------------------------------------------

    async def _chains(self, report: LogReport) -> None:
        after = DocumentId("")
        while page := await self._log.documents(after, PAGE):
            for document in page:
                await self._document(report, document)
            after = page[-1]

    async def _document(self, report: LogReport, document: DocumentId) -> None:
        report.documents += 1
        # the ledger first: what is issued in between is one link more, never one less
        dossier = await self._ledger.load(document)
        records = await self._records.evidence(document)
        places = await self._log.places([record.id for record in records])
        checks = await asyncio.to_thread(lambda: [self._checks.evidence(r.body) for r in records])
        for record, check in zip(records, checks, strict=True):
            report.evidence += 1
            where = f"{document} {record.recipient or ''} {record.sequence}"
            if check.standing is Standing.UNKNOWN:
                report.find_unknown(check.signer, where)
            if check.standing is Standing.FAILED:
                report.find("evidence-unsound", where, check.reason)
            elif not _is_as_told(record, check):
                report.find("evidence-unsound", where, "It is filed as something else than it says.")
            if record.id not in places:
                report.waiting += 1
                head = report.state.head
                if head is not None and record.issued_at < head.signed_at - GRACE:
                    report.find("log-stray", where)
        for broken in broken_chains(checks):
            report.find("chain-broken", f"{document} {broken.recipient} {broken.sequence}", broken.why)
        if dossier is None:
            report.find("chain-broken", document, "the document is gone")
        else:
            _ends(report, dossier, records)


def _ends(report: LogReport, dossier: Dossier, records: Sequence[EvidenceRecord]) -> None:
    """Whether each chain goes as far as the ledger says: what is cut off at its end shows nowhere else."""
    last = {record.recipient: record for record in records}
    known = {record.sha256 for record in records}
    submission = dossier.submission
    if submission.head and submission.head not in known:
        report.find("chain-broken", f"{submission.document} 0", "the evidence about the document is gone")
    for copy in dossier.handovers:
        end = last.get(copy.recipient)
        if copy.sequence and (end is None or end.sequence < copy.sequence or copy.head not in known):
            have = end.sequence if end else 0
            report.find(
                "chain-broken",
                f"{submission.document} {copy.recipient} {copy.sequence}",
                f"it ends with {have} where the ledger has {copy.sequence}",
            )


def _is_as_told(record: EvidenceRecord, check: EvidenceCheck) -> bool:
    told = (check.evidence, check.document, check.event, check.sequence, check.sha256)
    return told == (record.id, record.document, record.event.value, record.sequence, record.sha256) and (
        sha256(record.body).hexdigest() == record.sha256
    )
