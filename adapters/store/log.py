"""``Log`` in SQL: who numbers the evidence, and what he writes.

Strategy: the row in ``logs`` is the fence.  Whoever writes moves it on from the term and the size that he knows;
where it is no longer there, nothing of his is written.  Only the right edge of the tree is read to let it
grow: what a number costs does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Dialect, bindparam, delete, exists, literal_column, select, update

from adapters.store import tables
from adapters.store.leases import Leases
from adapters.store.readers import Readers
from adapters.store.rows import head_of, head_row
from adapters.store.sql import One, deleting, inserting, together, upsert
from adapters.store.writer import Writer
from gateway.model.ids import EvidenceId, Owner
from gateway.model.log import HASH_BYTES, HeadRecord, Unnumbered
from gateway.model.merkle import Frontier, leaf_hash

KEY = "evidence"
"""The one log of a store."""

STORED_LEVELS = 8
"""Full subtrees are kept on every eighth level: one row for 256 leaves, one for 65,536, …"""


class SqlLog:
    """``gateway.ports.Log``."""

    def __init__(self, dialect: Dialect, writer: Writer, readers: Readers, leases: Leases) -> None:
        self._writer = writer
        self._readers = readers
        self._leases = leases
        g, q, e, h = tables.logs, tables.unnumbered, tables.evidence, tables.heads
        mine = (g.c.key == bindparam("it"), g.c.term == bindparam("in_term"))
        self._owner = One(dialect, select(g.c.owner, g.c.term).where(g.c.key == bindparam("it")))
        first = upsert(dialect, g).values(
            key=bindparam("it"), owner=None, term=0, size=0, peaks=b"", is_wanted=0
        )
        self._begin = One(dialect, first.on_conflict_do_nothing())
        self._take = One(
            dialect,
            update(g).where(*mine).values(owner=bindparam("who"), term=g.c.term + literal_column("1")),
        )
        self._tree = One(
            dialect,
            select(g.c.size, g.c.peaks).where(*mine, g.c.size == bindparam("at_size")).with_for_update(),
        )
        self._move = One(
            dialect, update(g).where(*mine).values(size=bindparam("to_size"), peaks=bindparam("edge"))
        )
        self._serve = One(
            dialect, update(g).where(*mine, g.c.size == bindparam("at_size")).values(is_wanted=0)
        )
        self._waiting = One(
            dialect,
            select(q.c.position, e.c.id, e.c.body)
            .join(e, e.c.id == q.c.evidence)
            .order_by(q.c.position)
            .limit(bindparam("most")),
        )
        f = tables.leaves
        self._page = One(
            dialect,
            select(e.c.id, f.c.number)
            .join(f, f.c.evidence == e.c.id, isouter=True)
            .where(e.c.id > bindparam("after"))
            .order_by(e.c.id)
            .limit(bindparam("most")),
        )
        has_place = exists().where(f.c.evidence == e.c.id) | exists().where(q.c.evidence == e.c.id)
        self._adopt = One(
            dialect,
            q.insert().from_select(["evidence"], select(e.c.id).where(e.c.id == bindparam("it"), ~has_place)),
        )
        self._leaf = inserting(dialect, tables.leaves)
        self._node = inserting(dialect, tables.nodes)
        self._dequeue = deleting(dialect, q, "position")
        self._last = One(
            dialect, select(h.c.number, h.c.size, h.c.stamp).order_by(h.c.number.desc()).limit(bindparam("n"))
        )
        self._drop = One(dialect, delete(h).where(h.c.number == bindparam("it")))
        self._head = inserting(dialect, h, without=("number",))
        earlier = h.alias("earlier")
        is_first = ~exists().where(earlier.c.size == h.c.size, earlier.c.number < h.c.number)
        self._unstamped = One(
            dialect,
            select(*[c for c in h.c if c.name != "number"])
            .where(h.c.stamp.is_(None), is_first)
            .order_by(h.c.number.desc())
            .limit(bindparam("n")),
        )
        self._stamp = One(
            dialect,
            update(h)
            .where(h.c.sha256 == bindparam("it"), h.c.stamp.is_(None), h.c.size == bindparam("at_size"))
            .values(stamp=bindparam("token")),
        )

    async def lead(self, owner: Owner) -> int | None:
        """``Log.lead``.  Looks before it asks to write: those who do not lead look every second."""

        def look(connection: Connection) -> tuple[bool, int | None]:
            row = self._owner.run(connection, it=KEY).one_or_none()
            if row is None or row[0] is None:
                return True, None
            if row[0] == owner:
                return False, int(row[1])
            return not self._leases.is_alive(connection, Owner(row[0])), None

        def take(connection: Connection) -> int | None:
            self._begin.run(connection, it=KEY)
            holder, term = self._owner.run(connection, it=KEY).one()
            if holder == owner:
                return int(term)
            if holder is not None and self._leases.is_alive(connection, Owner(holder)):
                return None
            taken = self._take.run(connection, it=KEY, in_term=term, who=owner)
            return int(term) + 1 if taken.rowcount == 1 else None

        is_free, term = await self._readers.ask(look)
        return await self._writer.call(take) if is_free else term

    async def waiting(self, limit: int) -> Sequence[Unnumbered]:
        """``Log.waiting``; bodies are hashed in the reader's thread."""

        def query(connection: Connection) -> Sequence[Unnumbered]:
            found = self._waiting.run(connection, most=limit)
            return [Unnumbered(row[0], EvidenceId(row[1]), leaf_hash(row[2])) for row in found]

        return await self._readers.ask(query)

    async def adopt(self, after: EvidenceId, limit: int) -> EvidenceId | None:
        """``Log.adopt``."""
        page = await self._readers.ask(
            lambda connection: self._page.run(connection, after=after, most=limit).all()
        )
        strays = [row[0] for row in page if row[1] is None]

        def write(connection: Connection) -> None:
            for stray in strays:  # most of them wait in the queue already
                self._adopt.run(connection, it=stray)

        if strays:
            await self._writer.call(write)
        return EvidenceId(page[-1][0]) if page else None

    async def append(self, term: int, size: int, evidence: Sequence[Unnumbered]) -> bool:
        """``Log.append``."""

        def write(connection: Connection) -> bool:
            row = self._tree.run(connection, it=KEY, in_term=term, at_size=size).one_or_none()
            if row is None:
                return False
            frontier, made = Frontier(size, peaks_of(row[1])).add_all(one.leaf for one in evidence)
            edge = b"".join(frontier.peaks)
            leaves = [(size + n, one.evidence, one.leaf) for n, one in enumerate(evidence)]
            calls = [
                self._move.of(it=KEY, in_term=term, to_size=frontier.size, edge=edge),
                *self._leaf.of(leaves),
                *self._node.of([node for node in made if node[0] % STORED_LEVELS == 0]),
                *self._dequeue.of([one.position for one in evidence]),
            ]
            together(connection, calls)
            return True

        return await self._writer.call(write)

    async def publish(self, term: int, head: HeadRecord) -> bool:
        """``Log.publish``."""

        def write(connection: Connection) -> bool:
            if self._serve.run(connection, it=KEY, in_term=term, at_size=head.size).rowcount != 1:
                return False
            last = self._last.run(connection, n=2).all()
            if len(last) == 2 and last[0][1] == last[1][1] and last[0][2] is None:
                self._drop.run(connection, it=last[0][0])
            self._head.run(connection, [head_row(head)])
            return True

        return await self._writer.call(write)

    async def unstamped(self) -> HeadRecord | None:
        """``Log.unstamped``."""

        def query(connection: Connection) -> HeadRecord | None:
            row = self._unstamped.run(connection, n=1).one_or_none()
            return head_of(row) if row is not None else None

        return await self._readers.ask(query)

    async def stamp(self, head: HeadRecord, token: bytes) -> None:
        """``Log.stamp``."""
        await self._writer.call(
            lambda connection: (
                self._stamp.run(connection, it=head.sha256, at_size=head.size, token=token).rowcount
            )
        )


def peaks_of(edge: bytes) -> tuple[bytes, ...]:
    """The full subtrees at the right edge as they are kept, one after the other."""
    return tuple(bytes(edge[at : at + HASH_BYTES]) for at in range(0, len(edge), HASH_BYTES))
