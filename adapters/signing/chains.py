"""Chains of evidence, one per (document, recipient): each link named, none missing, none of another chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from adapters.signing.evidence_check import EvidenceCheck


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """Where a chain breaks: the recipient (empty: the document), the sequence, and why."""

    recipient: str
    sequence: int
    why: str


def broken_chains(checks: Sequence[EvidenceCheck]) -> list[BrokenChain]:
    """Every break in the chains of one document's evidence, whatever the order in which it is given.

    What is missing at the end of a chain can't be seen from the pieces that are there.
    """
    broken = []
    documents = sorted({c.document for c in checks})
    if len(documents) > 1:
        broken.append(BrokenChain("", 0, f"evidence of {len(documents)} documents: {', '.join(documents)}"))
    pieces = sorted(checks, key=lambda c: (c.recipient, c.sequence))
    roots = [c for c in pieces if not c.recipient]
    if len(roots) != 1 or roots[0].sequence != 0:
        broken.append(BrokenChain("", 0, f"{len(roots)} pieces are about the document as a whole, not one"))
    for recipient, chain in groupby((c for c in pieces if c.recipient), key=lambda c: c.recipient):
        before = roots[0] if roots else None
        for number, piece in enumerate(chain, 1):
            if piece.sequence != number:
                broken.append(BrokenChain(recipient, number, f"number {piece.sequence} stands at its place"))
                break
            if before is None or piece.previous != before.sha256:
                broken.append(BrokenChain(recipient, number, "it does not name the piece before it"))
            before = piece
    return broken
