"""Twin of ``Log`` and ``LogRecords``: lists, and the whole tree made anew for every proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.model.evidence import EvidenceRecord
from gateway.model.ids import DocumentId, EvidenceId, Owner
from gateway.model.log import HeadRecord, Leaf, LogState, Unnumbered
from gateway.model.merkle import Frontier, consistency, inclusion, leaf_hash, node_hash


class MemoryLog:
    """Both ports in one object, over the *evidence* of a store; *is_alive* says whose life lasts."""

    def __init__(
        self, evidence: Mapping[EvidenceId, EvidenceRecord], is_alive: Callable[[Owner], bool]
    ) -> None:
        self._evidence = evidence
        self._is_alive = is_alive
        self._queue: dict[int, EvidenceId] = {}
        self._positions = 0
        self._leaves: list[Leaf] = []
        self._tree = Frontier()
        self._heads: dict[int, HeadRecord] = {}
        self._last_head = 0
        self._owner: Owner | None = None
        self._term = 0
        self._is_wanted = False

    def queue(self, evidence: EvidenceId) -> None:
        """*evidence* was issued and waits for its number."""
        self._positions += 1
        self._queue[self._positions] = evidence

    # --- Log ----------------------------------------------------------------------------------------

    async def lead(self, owner: Owner) -> int | None:
        """``Log.lead``."""
        if self._owner != owner:
            if self._owner is not None and self._is_alive(self._owner):
                return None
            self._owner, self._term = owner, self._term + 1
        return self._term

    async def waiting(self, limit: int) -> Sequence[Unnumbered]:
        """``Log.waiting``."""
        first = sorted(self._queue.items())[:limit]
        return [Unnumbered(place, it, leaf_hash(self._evidence[it].body)) for place, it in first]

    async def adopt(self, after: EvidenceId, limit: int) -> EvidenceId | None:
        """``Log.adopt``."""
        known = {*self._queue.values(), *(leaf.evidence for leaf in self._leaves)}
        page = sorted(it for it in self._evidence if it > after)[:limit]
        for it in page:
            if it not in known:
                self.queue(it)
        return page[-1] if page else None

    async def append(self, term: int, size: int, evidence: Sequence[Unnumbered]) -> bool:
        """``Log.append``."""
        if (term, size) != (self._term, len(self._leaves)):
            return False
        self._tree, _ = self._tree.add_all(one.leaf for one in evidence)
        self._leaves += [Leaf(size + n, one.evidence, one.leaf) for n, one in enumerate(evidence)]
        for one in evidence:
            del self._queue[one.position]
        return True

    async def publish(self, term: int, head: HeadRecord) -> bool:
        """``Log.publish``."""
        if (term, head.size) != (self._term, len(self._leaves)):
            return False
        last = list(self._heads.items())[-2:]
        if len(last) == 2 and last[0][1].size == last[1][1].size and last[1][1].stamp is None:
            del self._heads[last[1][0]]
        self._last_head += 1
        self._heads[self._last_head] = head
        self._is_wanted = False
        return True

    async def unstamped(self) -> HeadRecord | None:
        """``Log.unstamped``."""
        first = {head.size: head for head in reversed(self._heads.values())}
        return next((h for _, h in sorted(first.items(), reverse=True) if h.stamp is None), None)

    async def stamp(self, head: HeadRecord, token: bytes) -> None:
        """``Log.stamp``."""
        for place, kept in self._heads.items():
            if kept.sha256 == head.sha256 and kept.stamp is None:
                self._heads[place] = replace(kept, stamp=token)

    # --- LogRecords ---------------------------------------------------------------------------------

    async def state(self) -> LogState:
        """``LogRecords.state``."""
        oldest = min(self._queue, default=None)
        return LogState(
            size=self._tree.size,
            root=self._tree.root.hex(),
            waiting=len(self._queue),
            oldest=self._evidence[self._queue[oldest]].issued_at if oldest is not None else None,
            head=next(reversed(self._heads.values()), None),
            is_wanted=self._is_wanted,
        )

    async def want(self) -> None:
        """``LogRecords.want``."""
        self._is_wanted = self._term > 0

    async def heads(self, after: int, limit: int) -> Sequence[tuple[int, HeadRecord]]:
        """``LogRecords.heads``."""
        return [(place, head) for place, head in self._heads.items() if place > after][:limit]

    async def head_over(self, size: int) -> HeadRecord | None:
        """``LogRecords.head_over``."""
        over = [head for head in self._heads.values() if head.size >= size]
        return next((head for head in over if head.stamp is not None), over[0] if over else None)

    async def entries(self, begin: int, limit: int) -> Sequence[tuple[Leaf, EvidenceRecord | None]]:
        """``LogRecords.entries``."""
        return [(leaf, self._evidence.get(leaf.evidence)) for leaf in self._leaves[begin:][:limit]]

    async def documents(self, after: DocumentId, limit: int) -> Sequence[DocumentId]:
        """``LogRecords.documents``."""
        return sorted({e.document for e in self._evidence.values() if e.document > after})[:limit]

    async def places(self, evidence: Sequence[EvidenceId]) -> Mapping[EvidenceId, Leaf]:
        """``LogRecords.places``."""
        return {leaf.evidence: leaf for leaf in self._leaves if leaf.evidence in set(evidence)}

    async def inclusion(self, numbers: Sequence[int], size: int) -> Mapping[int, tuple[bytes, ...]]:
        """``LogRecords.inclusion``."""
        if not all(0 <= number < size for number in numbers):
            raise ValueError(f"not in a tree of {size}: {numbers}")
        return {number: inclusion(number, size, self._subtree) for number in numbers}

    async def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """``LogRecords.consistency``."""
        return consistency(old, new, self._subtree)

    def _subtree(self, level: int, index: int) -> bytes:
        if level == 0:
            if index >= len(self._leaves):
                raise ValueError(f"no leaf {index}")
            return self._leaves[index].hash
        return node_hash(self._subtree(level - 1, 2 * index), self._subtree(level - 1, 2 * index + 1))
