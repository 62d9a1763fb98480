"""``Ledger`` in SQL: what a document is, what is to be done with it, and who does it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    and_,
    bindparam,
    literal_column,
    or_,
    select,
    union,
)

from adapters.store import rows, tables
from adapters.store.leases import Leases
from adapters.store.readers import Readers
from adapters.store.rows import Row
from adapters.store.sql import Listed, One, together
from adapters.store.trips import Call
from adapters.store.writer import Writer
from gateway.model.change import Change, Outcome, Work, WorkKind
from gateway.model.document import Dossier, Namesake
from gateway.model.envelope import Business, DocumentReference
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, Owner, PartyKey
from gateway.model.journey import HandOverState, SubmissionState

HAD_A_COPY = tuple(
    state.value for state in HandOverState if state not in (HandOverState.FAILED, HandOverState.WITHDRAWN)
)
"""States of a copy that its recipient can have seen, or may yet see."""

MOST_FOUND = 100
"""How many documents ``find`` names at most: two are ambiguous already."""

MOST_NAMESAKES = 10
"""How many documents of one name are told."""

MOST_SENDERS = 4
"""A party and those that were merged into it, as far as one reference can name them."""

_RECALL: ColumnElement[int] = literal_column(str(int(Business.RECALL)))

_Asked = tuple[DocumentId, PartyKey | None]


class SqlLedger:
    """``gateway.ports.Ledger``."""

    def __init__(self, dialect: Dialect, writer: Writer, readers: Readers, leases: Leases) -> None:
        self._writer = writer
        self._readers = readers
        self._leases = leases
        s, h, c = tables.submissions, tables.headers, tables.handovers
        self._submissions = Listed(dialect, select(s), s.c.document)
        self._headers = Listed(dialect, select(h), h.c.document)
        self._copies = Listed(dialect, select(c).order_by(c.c.document, c.c.recipient), c.c.document)
        self._one_copy = Listed(dialect, select(c), c.c.document, c.c.recipient)
        official_id: BindParameter[str] = bindparam("official_id")
        states: list[BindParameter[str]] = [
            bindparam(f"state{n}", state) for n, state in enumerate(HAD_A_COPY)
        ]
        of_organ = and_(h.c.organ == bindparam("organ"), h.c.business != _RECALL)
        # where both have an official id, that one decides
        one_has_none = or_(h.c.official_id == "", official_id == "")
        by_code = and_(h.c.code == bindparam("code"), h.c.dated == bindparam("dated"), one_has_none)
        named = union(
            select(h.c.document).where(of_organ, h.c.official_id == official_id, h.c.official_id != ""),
            select(h.c.document).where(of_organ, by_code),
        ).subquery("named")
        self._matching = One(
            dialect,
            # Few documents have one name, but a recipient has copies of very many: the names come first.
            select(named.c.document)
            .join(s, s.c.document == named.c.document)
            .join(c, and_(c.c.document == named.c.document, c.c.recipient == bindparam("recipient")))
            .where(c.c.state.in_(states))
            .order_by(s.c.received_at, named.c.document)
            .limit(MOST_FOUND),
        )
        by_official_id = and_(h.c.official_id == official_id, h.c.official_id != "")
        sent = union(
            select(h.c.document).where(by_official_id, h.c.business != _RECALL),
            select(h.c.document).where(by_code, h.c.business != _RECALL),
        ).subquery("named")
        senders: list[BindParameter[str]] = [bindparam(f"sender{n}") for n in range(MOST_SENDERS)]
        self._originals = One(
            dialect,
            select(sent.c.document)
            .join(s, s.c.document == sent.c.document)
            .where(s.c.party.in_(senders), s.c.state != bindparam("refused", SubmissionState.REFUSED.value))
            .order_by(s.c.received_at, sent.c.document)
            .limit(MOST_FOUND),
        )
        living = (
            select(h.c.document)
            .join(s, s.c.document == h.c.document)
            .where(of_organ, s.c.state != bindparam("refused", SubmissionState.REFUSED.value))
            .limit(MOST_NAMESAKES)
        )
        self._by_id = One(dialect, living.where(h.c.official_id == official_id))
        # the days of one year are a range in the index
        year = and_(h.c.dated >= bindparam("first"), h.c.dated <= bindparam("last"))
        self._by_code = One(dialect, living.where(h.c.code == bindparam("code"), year))
        self._named: dict[DocumentReference, list[asyncio.Future[Sequence[Namesake]]]] = {}
        self._asked: dict[_Asked, list[asyncio.Future[Dossier | None]]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def load(self, document: DocumentId, recipient: PartyKey | None = None) -> Dossier | None:
        """``Ledger.load``.  Whatever is asked for while a query runs is answered together by the next."""
        future: asyncio.Future[Dossier | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault((document, recipient), []).append(future)
        self._begin()
        return await future

    async def namesakes(self, reference: DocumentReference) -> Sequence[Namesake]:
        """``Ledger.namesakes``; asked together with whatever is to be loaded."""
        future: asyncio.Future[Sequence[Namesake]] = asyncio.get_running_loop().create_future()
        self._named.setdefault(reference, []).append(future)
        self._begin()
        return await future

    async def commit(self, change: Change) -> Outcome:
        """``Ledger.commit``.

        An inbox item with version 1 that exists already is left as it is: a receipt that is sent again.
        Evidence that exists already makes the change ``Stale``: it is issued once.
        """
        return await self._writer.commit(change)

    async def lease(
        self,
        owner: Owner,
        limit: int,
        kinds: frozenset[WorkKind] = frozenset(WorkKind),
        *,
        sated: frozenset[str] = frozenset(),
    ) -> Sequence[Work]:
        """``Ledger.lease``."""
        if limit <= 0 or not kinds:
            return ()
        return await self._writer.call(lambda c: self._leases.take(c, owner, limit, kinds, sated))

    async def find(self, reference: DocumentReference, recipient: PartyKey) -> Sequence[DocumentId]:
        """``Ledger.find``; at most ``MOST_FOUND``.  A reference without official id needs code and date."""
        return await self._readers.ask(lambda connection: self._find(connection, reference, recipient))

    async def originals(
        self, reference: DocumentReference, senders: Sequence[PartyKey]
    ) -> Sequence[DocumentId]:
        """``Ledger.originals``; at most ``MOST_FOUND``, of at most ``MOST_SENDERS``."""
        return await self._readers.ask(lambda connection: self._sent(connection, reference, senders))

    def _begin(self) -> None:
        if not self._asking:
            task = asyncio.create_task(self._answer_all(), name="store-load")
            self._asking.add(task)

    async def _answer_all(self) -> None:
        try:
            await self._answer_those()
        finally:
            # Here and not in a done-callback: who was answered may ask again before that would be called.
            self._asking.clear()

    async def _answer_those(self) -> None:
        while self._asked or self._named:
            asked, self._asked = self._asked, {}
            named, self._named = self._named, {}
            try:
                found, namesakes = await self._readers.ask(partial(self._look, tuple(asked), tuple(named)))
            except BaseException as error:
                waiters: list[list[Any]] = [*asked.values(), *named.values()]
                for future in chain.from_iterable(waiters):
                    if not future.done():
                        future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for key, waiting in asked.items():
                for future in waiting:
                    if not future.done():
                        future.set_result(found.get(key))
            for reference, listening in named.items():
                for listener in listening:
                    if not listener.done():
                        listener.set_result(namesakes[reference])

    def _look(
        self, asked: Sequence[_Asked], named: Sequence[DocumentReference], connection: Connection
    ) -> tuple[dict[_Asked, Dossier], dict[DocumentReference, Sequence[Namesake]]]:
        documents = sorted({document for document, _ in asked})
        whole = sorted(document for document, recipient in asked if recipient is None)
        questions = [
            self._submissions.of(documents),
            self._headers.of(documents),
            self._copies.of(whole),
            self._one_copy.of([key for key in asked if key[1] is not None]),
            *(self._by_names(reference) for reference in named),
        ]
        told = iter(together(connection, [call for calls in questions for call in calls], ends=True))
        answers = [[list(next(told)) for _ in calls] for calls in questions]
        submissions, headers, whole_copies, copies, *namesakes = answers
        return (
            _dossiers(asked, *map(chain.from_iterable, (submissions, headers, whole_copies, copies))),
            {
                reference: _namesakes(reference, found)
                for reference, found in zip(named, namesakes, strict=True)
            },
        )

    def _by_names(self, r: DocumentReference) -> Sequence[Call]:
        """By its official id, and by its code in one year, where it has them."""
        calls = []
        if r.official_id:
            calls.append(self._by_id.of(organ=r.organ, official_id=r.official_id))
        if r.code and r.dated:
            first, last = f"{r.dated:%Y}-01-01", f"{r.dated:%Y}-12-31"
            calls.append(self._by_code.of(organ=r.organ, code=r.code, first=first, last=last))
        return calls

    def _sent(
        self, connection: Connection, reference: DocumentReference, senders: Sequence[PartyKey]
    ) -> Sequence[DocumentId]:
        named = list(senders[:MOST_SENDERS])
        if not named:
            return []
        named += named[-1:] * (MOST_SENDERS - len(named))
        has_code = reference.code and reference.dated
        found = self._originals.run(
            connection,
            official_id=reference.official_id,
            code=reference.code,
            dated=reference.dated.isoformat() if has_code and reference.dated else None,
            **{f"sender{n}": sender for n, sender in enumerate(named)},
        )
        return [DocumentId(row[0]) for row in found]

    def _find(
        self, connection: Connection, reference: DocumentReference, recipient: PartyKey
    ) -> Sequence[DocumentId]:
        has_code = reference.code and reference.dated
        found = self._matching.run(
            connection,
            organ=reference.organ,
            official_id=reference.official_id,
            code=reference.code,
            dated=reference.dated.isoformat() if has_code and reference.dated else None,
            recipient=recipient,
        )
        return [DocumentId(row[0]) for row in found]


def _dossiers(
    asked: Sequence[_Asked],
    submissions: Iterable[Row],
    headers: Iterable[Row],
    whole_copies: Iterable[Row],
    one_copies: Iterable[Row],
) -> dict[_Asked, Dossier]:
    known = {row[0]: rows.submission_of(row) for row in submissions}
    header_of = {row[0]: rows.header_of(row) for row in headers}
    copies: dict[_Asked, list[HandOver]] = {}
    for row in whole_copies:
        copies.setdefault((row[0], None), []).append(rows.handover_of(row))
    for row in one_copies:
        copies[row[0], row[1]] = [rows.handover_of(row)]
    return {
        key: Dossier(
            submission=known[key[0]],
            header=header_of.get(key[0]),
            handovers=tuple(copies.get(key, ())),
        )
        for key in asked
        if key[0] in known
    }


def _namesakes(reference: DocumentReference, found: Sequence[Sequence[Row]]) -> Sequence[Namesake]:
    """What was *found* by id and by code, as ``_by_names`` asked."""
    left = iter(found)
    same_id = {row[0] for row in next(left)} if reference.official_id else set[str]()
    same_code = {row[0] for row in next(left)} if reference.code and reference.dated else set[str]()
    return [
        Namesake(document=DocumentId(d), same_id=d in same_id, same_code=d in same_code)
        for d in sorted(same_id | same_code)
    ]
