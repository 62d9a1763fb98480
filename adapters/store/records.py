"""``Records`` in SQL: questions that people ask."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import BindParameter, Connection, Dialect, bindparam, func, literal_column, select, union

from adapters.store import rows, tables
from adapters.store.readers import Readers
from adapters.store.sql import Listed, One, inserting
from adapters.store.writer import Writer
from gateway.model.change import AuditEntry, Event, Relation, WorkKind
from gateway.model.document import Dossier
from gateway.model.evidence import EvidenceRecord
from gateway.model.handover import HandOver
from gateway.model.ids import DocumentId, EvidenceId, Owner, PartyKey, normalised
from gateway.model.journey import HandOverState, SubmissionState


class SqlRecords:
    """``gateway.ports.Records``."""

    def __init__(self, dialect: Dialect, realm: str, writer: Writer, readers: Readers) -> None:
        self._realm = realm
        self._writer = writer
        self._readers = readers
        s, h, a = tables.submissions, tables.headers, tables.audit
        n, e, w = tables.events, tables.evidence, tables.work
        document: BindParameter[str] = bindparam("document")
        self._events = One(
            dialect,
            select(*[c for c in n.c if c.name != "number"])
            .where(n.c.document == document)
            .order_by(n.c.at, n.c.number),
        )
        self._evidence = One(
            dialect,
            select(e)
            .where(e.c.document == document)
            .order_by(e.c.recipient.is_not(None), e.c.recipient, e.c.sequence),
        )
        self._one_evidence = One(dialect, select(e).where(e.c.id == bindparam("it")))
        r = tables.relations
        either = union(
            select(r).where(r.c.document == document), select(r).where(r.c.other == document)
        ).subquery("named")
        self._relations = One(
            dialect,
            select(either).order_by(either.c.document, either.c.recipient, either.c.business, either.c.other),
        )
        text: BindParameter[str] = bindparam("normal")
        plain: BindParameter[str] = bindparam("plain")
        named = union(
            select(s.c.document).where(s.c.document == plain),
            select(s.c.document).where(s.c.message_id == plain),
            select(h.c.document).where(h.c.official_id == text),
            select(h.c.document).where(h.c.code == text),
        ).subquery("named")
        self._search = One(
            dialect,
            select(s.c.document)
            .join(named, named.c.document == s.c.document)
            .order_by(s.c.received_at.desc(), s.c.document.desc())
            .limit(bindparam("most")),
        )
        self._undone = One(dialect, select(w.c.kind, func.count()).group_by(w.c.kind))
        self._waiting = One(
            dialect,
            # said with the state itself, else the index over waiting ones is not used
            select(func.count())
            .select_from(s)
            .where(s.c.state == literal_column(f"'{SubmissionState.WAITING.value}'")),
        )
        self._leased = One(
            dialect, select(w.c.owner, func.count()).where(w.c.owner.is_not(None)).group_by(w.c.owner)
        )
        c = tables.handovers
        self._copies = One(
            dialect,
            # ours are UUIDv7, so the greatest id is the newest
            select(c)
            .where(c.c.recipient == bindparam("recipient"))
            .order_by(c.c.document.desc())
            .limit(bindparam("most")),
        )
        self._open = Listed(
            dialect,
            select(c.c.recipient, c.c.state, func.count()).group_by(c.c.recipient, c.c.state),
            c.c.recipient,
        )
        self._submissions = Listed(dialect, select(s), s.c.document)
        self._headers = Listed(dialect, select(h), h.c.document)
        self._note = inserting(dialect, a, without=("number",))
        self._notes = One(
            dialect,
            select(*[c for c in a.c if c.name != "number"])
            .where(a.c.realm == bindparam("in_realm", realm))
            .order_by(a.c.number.desc())
            .limit(bindparam("most")),
        )

    async def timeline(self, document: DocumentId) -> Sequence[Event]:
        """``Records.timeline``; events of one instant in the order in which they were written."""

        def query(connection: Connection) -> Sequence[Event]:
            return [rows.event_of(row) for row in self._events.run(connection, document=document)]

        return await self._readers.ask(query)

    async def evidence(self, document: DocumentId) -> Sequence[EvidenceRecord]:
        """``Records.evidence``."""

        def query(connection: Connection) -> Sequence[EvidenceRecord]:
            return [rows.evidence_of(row) for row in self._evidence.run(connection, document=document)]

        return await self._readers.ask(query)

    async def one_evidence(self, evidence: EvidenceId) -> EvidenceRecord | None:
        """``Records.one_evidence``; ``None`` where there is none."""

        def query(connection: Connection) -> EvidenceRecord | None:
            row = self._one_evidence.run(connection, it=evidence).one_or_none()
            return rows.evidence_of(row) if row is not None else None

        return await self._readers.ask(query)

    async def relations(self, document: DocumentId) -> Sequence[Relation]:
        """``Records.relations``."""

        def query(connection: Connection) -> Sequence[Relation]:
            return [rows.relation_of(row) for row in self._relations.run(connection, document=document)]

        return await self._readers.ask(query)

    async def search(self, text: str, limit: int = 20) -> Sequence[DocumentId]:
        """``Records.search``."""

        def query(connection: Connection) -> Sequence[DocumentId]:
            found = self._search.run(connection, plain=text, normal=normalised(text), most=max(limit, 0))
            return [DocumentId(row[0]) for row in found]

        # PostgreSQL knows no NUL, so nothing can be named with one.
        return await self._readers.ask(query) if text.strip() and "\0" not in text else ()

    async def copies(self, recipient: PartyKey, limit: int = 100) -> Sequence[tuple[Dossier, HandOver]]:
        """The copies of *recipient*, newest first, each with its document."""

        def query(connection: Connection) -> Sequence[tuple[Dossier, HandOver]]:
            found = self._copies.run(connection, recipient=recipient, most=max(limit, 0))
            copies = [rows.handover_of(row) for row in found]
            documents = [copy.document for copy in copies]
            of = {row[0]: rows.submission_of(row) for row in self._submissions.run(connection, documents)}
            headers = {row[0]: rows.header_of(row) for row in self._headers.run(connection, documents)}
            return [
                (Dossier(submission=of[d], header=headers.get(d), handovers=(copy,)), copy)
                for copy in copies
                if (d := copy.document) in of
            ]

        return await self._readers.ask(query)

    async def open_copies(self, recipients: Collection[PartyKey]) -> Mapping[PartyKey, int]:
        """How many copies of each of *recipients* have not ended; who has none is not named."""

        def query(connection: Connection) -> Mapping[PartyKey, int]:
            found: dict[PartyKey, int] = {}
            for recipient, state, number in self._open.run(connection, sorted(recipients)):
                if state in (HandOverState.PENDING, HandOverState.AVAILABLE):
                    found[PartyKey(recipient)] = found.get(PartyKey(recipient), 0) + number
            return found

        return await self._readers.ask(query) if recipients else {}

    async def waiting(self) -> Mapping[str, int]:
        """``Records.waiting``; every kind is named."""

        def query(connection: Connection) -> Mapping[str, int]:
            counts = {kind.value: 0 for kind in WorkKind}
            counts.update({row[0]: row[1] for row in self._undone.run(connection)})
            return counts | {"waiting": self._waiting.run(connection).scalar_one()}

        return await self._readers.ask(query)

    async def leased(self) -> Mapping[Owner, int]:
        """``Records.leased``."""

        def query(connection: Connection) -> Mapping[Owner, int]:
            return {Owner(row[0]): row[1] for row in self._leased.run(connection)}

        return await self._readers.ask(query)

    async def note(self, entry: AuditEntry) -> None:
        """``Records.note``."""
        row = rows.audit_row(entry, self._realm)
        await self._writer.call(lambda connection: self._note.run(connection, [row]))

    async def notes(self, limit: int = 100) -> Sequence[AuditEntry]:
        """``Records.notes``; the latest is the one noted last."""

        def query(connection: Connection) -> Sequence[AuditEntry]:
            return [rows.audit_of(row) for row in self._notes.run(connection, most=max(limit, 0))]

        return await self._readers.ask(query)
