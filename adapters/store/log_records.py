"""``LogRecords`` in SQL: what the log holds, and proofs of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import BindParameter, Connection, Dialect, bindparam, func, select, update

from adapters.store import rows, tables
from adapters.store.log import KEY, STORED_LEVELS, peaks_of
from adapters.store.readers import Readers
from adapters.store.rows import head_of, instant
from adapters.store.sql import Listed, One
from adapters.store.writer import Writer
from gateway.model.evidence import EvidenceRecord
from gateway.model.ids import DocumentId, EvidenceId
from gateway.model.log import HeadRecord, Leaf, LogState
from gateway.model.merkle import Frontier, consistency, inclusion, node_hash

_BLOCK = 1 << STORED_LEVELS


class SqlLogRecords:
    """``gateway.ports.LogRecords``."""

    def __init__(self, dialect: Dialect, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers
        g, q, e, h = tables.logs, tables.unnumbered, tables.evidence, tables.heads
        leaf, n = tables.leaves, tables.nodes
        self._log = One(dialect, select(g.c.size, g.c.peaks, g.c.is_wanted).where(g.c.key == bindparam("it")))
        self._waiting = One(dialect, select(func.count()).select_from(q))
        self._oldest = One(
            dialect,
            select(e.c.issued_at)
            .join(q, q.c.evidence == e.c.id)
            .order_by(q.c.position)
            .limit(bindparam("n")),
        )
        told = [c for c in h.c if c.name != "number"]
        self._latest = One(dialect, select(*told).order_by(h.c.number.desc()).limit(bindparam("n")))
        self._heads = One(
            dialect,
            select(h.c.number, *told)
            .where(h.c.number > bindparam("after"))
            .order_by(h.c.number)
            .limit(bindparam("most")),
        )
        over = select(*told).where(h.c.size >= bindparam("at_least")).order_by(h.c.size, h.c.number)
        self._over = One(dialect, over.limit(bindparam("n")))
        self._stamped_over = One(dialect, over.where(h.c.stamp.is_not(None)).limit(bindparam("n")))
        self._want = One(
            dialect, update(g).where(g.c.key == bindparam("it")).values(is_wanted=bindparam("wanted"))
        )
        self._entries = One(
            dialect,
            select(leaf, e)
            .join(e, e.c.id == leaf.c.evidence, isouter=True)
            .where(leaf.c.number >= bindparam("begin"))
            .order_by(leaf.c.number)
            .limit(bindparam("most")),
        )
        self._documents = One(
            dialect,
            select(e.c.document)
            .where(e.c.document > bindparam("after"))
            .group_by(e.c.document)
            .order_by(e.c.document)
            .limit(bindparam("most")),
        )
        self._places = Listed(dialect, select(leaf), leaf.c.evidence)
        span: tuple[BindParameter[int], BindParameter[int]] = (bindparam("begin"), bindparam("end"))
        self._leaves = One(
            dialect,
            select(leaf.c.hash)
            .where(leaf.c.number >= span[0], leaf.c.number < span[1])
            .order_by(leaf.c.number),
        )
        self._nodes = One(
            dialect,
            select(n.c.hash)
            .where(n.c.level == bindparam("on"), n.c.number >= span[0], n.c.number < span[1])
            .order_by(n.c.number),
        )

    async def state(self) -> LogState:
        """``LogRecords.state``."""

        def query(connection: Connection) -> LogState:
            row = self._log.run(connection, it=KEY).one_or_none()
            size, peaks, wanted = row if row is not None else (0, b"", 0)
            oldest = self._oldest.run(connection, n=1).scalar()
            latest = self._latest.run(connection, n=1).one_or_none()
            return LogState(
                size=size,
                root=Frontier(size, peaks_of(peaks)).root.hex(),
                waiting=self._waiting.run(connection).scalar_one(),
                oldest=instant(oldest) if oldest is not None else None,
                head=head_of(latest) if latest is not None else None,
                is_wanted=bool(wanted),
            )

        return await self._readers.ask(query)

    async def want(self) -> None:
        """``LogRecords.want``."""
        await self._writer.call(lambda connection: self._want.run(connection, it=KEY, wanted=1).rowcount)

    async def heads(self, after: int, limit: int) -> Sequence[tuple[int, HeadRecord]]:
        """``LogRecords.heads``."""

        def query(connection: Connection) -> Sequence[tuple[int, HeadRecord]]:
            found = self._heads.run(connection, after=after, most=limit)
            return [(row[0], head_of(row[1:])) for row in found]

        return await self._readers.ask(query)

    async def head_over(self, size: int) -> HeadRecord | None:
        """``LogRecords.head_over``."""

        def query(connection: Connection) -> HeadRecord | None:
            for statement in (self._stamped_over, self._over):
                row = statement.run(connection, at_least=size, n=1).one_or_none()
                if row is not None:
                    return head_of(row)
            return None

        return await self._readers.ask(query)

    async def entries(self, begin: int, limit: int) -> Sequence[tuple[Leaf, EvidenceRecord | None]]:
        """``LogRecords.entries``."""

        def query(connection: Connection) -> Sequence[tuple[Leaf, EvidenceRecord | None]]:
            found = self._entries.run(connection, begin=begin, most=limit)
            return [(_leaf(row), rows.evidence_of(row[3:]) if row[3] is not None else None) for row in found]

        return await self._readers.ask(query)

    async def documents(self, after: DocumentId, limit: int) -> Sequence[DocumentId]:
        """``LogRecords.documents``."""

        def query(connection: Connection) -> Sequence[DocumentId]:
            return [DocumentId(row[0]) for row in self._documents.run(connection, after=after, most=limit)]

        return await self._readers.ask(query)

    async def places(self, evidence: Sequence[EvidenceId]) -> Mapping[EvidenceId, Leaf]:
        """``LogRecords.places``."""

        def query(connection: Connection) -> Mapping[EvidenceId, Leaf]:
            return {EvidenceId(row[1]): _leaf(row) for row in self._places.run(connection, evidence)}

        return await self._readers.ask(query)

    async def inclusion(self, numbers: Sequence[int], size: int) -> Mapping[int, tuple[bytes, ...]]:
        """``LogRecords.inclusion``."""
        if not all(0 <= number < size for number in numbers):
            raise ValueError(f"not in a tree of {size}: {numbers}")

        def query(connection: Connection) -> Mapping[int, tuple[bytes, ...]]:
            tree = _Subtrees(self, connection)
            return {number: inclusion(number, size, tree) for number in numbers}

        return await self._readers.ask(query)

    async def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """``LogRecords.consistency``."""
        return await self._readers.ask(lambda connection: consistency(old, new, _Subtrees(self, connection)))

    def block(self, connection: Connection, level: int, number: int) -> list[bytes]:
        """The kept subtrees of *level* (0, 8, 16, …), up to 256 of them, from ``number * 256``."""
        begin = number * _BLOCK
        span = {"begin": begin, "end": begin + _BLOCK}
        found = (
            self._leaves.run(connection, **span)
            if level == 0
            else self._nodes.run(connection, on=level, **span)
        )
        return [bytes(row[0]) for row in found]


class _Subtrees:
    """``merkle.Subtree`` over what is kept; each block of 256 is read once."""

    def __init__(self, records: SqlLogRecords, connection: Connection) -> None:
        self._records = records
        self._connection = connection
        self._blocks: dict[tuple[int, int], list[bytes]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        kept = level - level % STORED_LEVELS
        width = 1 << (level - kept)
        block, begin = divmod(index * width, _BLOCK)
        if (kept, block) not in self._blocks:
            self._blocks[kept, block] = self._records.block(self._connection, kept, block)
        hashes = self._blocks[kept, block][begin : begin + width]
        if len(hashes) != width:
            raise ValueError(f"the tree has no full subtree {index} on level {level}")
        while len(hashes) > 1:
            hashes = [node_hash(hashes[n], hashes[n + 1]) for n in range(0, len(hashes), 2)]
        return hashes[0]


def _leaf(row: rows.Row) -> Leaf:
    return Leaf(row[0], EvidenceId(row[1]), bytes(row[2]))
