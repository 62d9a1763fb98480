"""Fills a store with documents that were exchanged long ago, quickly: what a year or ten leave behind.

    from benchmarks.filling import fill
    fill("sqlite:////path/to/ledger.sqlite", 1_000_000)

Rows are those that the gateway leaves: each document with its header, one copy, its events, its evidence (with
real ids and hashes) and the leaves of the evidence log, whose tree goes on where these end.  Signatures are
not made: evidence holds a text instead.  Secondary indexes are taken off and made anew, which is many
times quicker.  Nobody else may use the store meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateIndex, DropIndex

from adapters.store import rows, tables
from adapters.store.engine import parse
from adapters.store.log import KEY, STORED_LEVELS, peaks_of
from adapters.store.migrate import migrate
from gateway.model.ids import DocumentId, PartyKey, delivery_id, evidence_id
from gateway.model.merkle import Frontier, leaf_hash

ORGANS = tuple(f"000.00.{n:02d}.H53" for n in range(62))
"""The organs with queues of a province, as the development directory names them."""

PIECE = 10_000
"""Documents in one transaction: a million in one would fill a write-ahead log of gigabytes."""

EVIDENCE_BYTES = 800
"""A real piece measures 4,300, of which SQLite keeps 500 beside the row and the rest elsewhere: with 800 the tables
have as many pages on the way to a row, and a million documents 4 GB instead of 14."""

CONTENT_KEPT = timedelta(days=90)
EXPIRY = timedelta(days=30)

Rows = dict[str, list[tuple[Any, ...]]]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    # named one by one: columns that come later are left to their defaults
    table: tuple(names.split())
    for table, names in {
        "submissions": "document identity realm party client message_id slot sha256 size kind link is_urgent state"
        " received_at expires_at payload_sha256 payload_size reason head traceparent version delete_after due",
        "headers": "document organ code dated official_id subject version delete_after business",
        "handovers": "document recipient addressed_as name link delivery state payload_sha256 payload_size kind"
        " generation status sequence head available_at handed_over_at reason is_quiet about version asks answer"
        " request asked_by",
        "events": "document at stage event recipient reason detail",
        "evidence": "id document recipient event sequence issued_at reason sha256 body delete_after",
        "leaves": "number evidence hash",
        "nodes": "level number hash",
        "work": "key kind document due_at party recipient evidence lane attempts owner reason sure",
    }.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was exchanged: between *organs*, evenly over *lasting* until *until*; *evidence_bytes* a piece."""

    organs: Sequence[str] = ORGANS
    realm: str = "H53"
    until: datetime | None = None
    lasting: timedelta = timedelta(days=365)
    evidence_bytes: int = EVIDENCE_BYTES


def fill(store_url: str, documents: int, past: Past = Past()) -> None:
    """Add *documents* to the store, which is made where it is not there; about 10,000 a second."""
    url = parse(store_url)
    migrate(url)
    engine = create_engine(url)
    indexes = [index for name in COLUMNS for index in tables.metadata.tables[name].indexes]
    try:
        with engine.begin() as connection:
            for index in indexes:
                connection.execute(DropIndex(index, if_exists=True))
        into = _into_sqlite if url.get_backend_name() == "sqlite" else _into_postgresql
        into(url.render_as_string(hide_password=False), documents, past)
        with engine.begin() as connection:
            for index in indexes:
                connection.execute(CreateIndex(index))
        if url.get_backend_name() == "postgresql":
            with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql("VACUUM (ANALYZE)")
                connection.exec_driver_sql("CHECKPOINT")
    finally:
        engine.dispose()


class _Sink(Protocol):
    def __call__(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None: ...


def _into_sqlite(url: str, documents: int, past: Past) -> None:
    with closing(sqlite3.connect(url.partition("///")[2], isolation_level=None)) as connection:
        for pragma in ("synchronous=OFF", "cache_size=-1000000", "wal_autocheckpoint=100000"):
            connection.execute(f"PRAGMA {pragma}")

        def put(table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
            marks = ",".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({','.join(columns)}) VALUES ({marks})", rows)

        begun = connection.execute("SELECT size, peaks FROM logs WHERE key = ?", (KEY,)).fetchone()
        connection.execute("BEGIN")
        for edge in _put_all(put, documents, past, _edge(begun)):
            connection.execute("DELETE FROM logs WHERE key = ?", (KEY,))
            put("logs", _LOG, [_log_row(edge)])
            connection.execute("COMMIT")
            connection.execute("BEGIN")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _into_postgresql(url: str, documents: int, past: Past) -> None:
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection:
        cursor = connection.cursor()

        def put(table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
            with cursor.copy(f"COPY {table} ({','.join(columns)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

        begun = cursor.execute("SELECT size, peaks FROM logs WHERE key = %s", (KEY,)).fetchone()
        for edge in _put_all(put, documents, past, _edge(begun)):
            cursor.execute("DELETE FROM logs WHERE key = %s", (KEY,))
            put("logs", _LOG, [_log_row(edge)])
            connection.commit()


_LOG = ("key", "owner", "term", "size", "peaks", "is_wanted")


def _edge(row: Any) -> Frontier:
    return Frontier(row[0], peaks_of(bytes(row[1]))) if row else Frontier()


def _log_row(edge: Frontier) -> tuple[Any, ...]:
    return (KEY, None, 1, edge.size, b"".join(edge.peaks), 1)


def _put_all(put: _Sink, documents: int, past: Past, edge: Frontier) -> Iterator[Frontier]:
    """Puts piece after piece; where the log's tree ends after each, which is then to be committed."""
    for piece in _pieces(documents, past):
        edge = _put(put, piece, edge)
        yield edge


def _put(put: _Sink, piece: Rows, edge: Frontier) -> Frontier:
    evidence = sorted(piece["evidence"], key=lambda row: row[5])
    leaves = [leaf_hash(row[8]) for row in evidence]
    first, (edge, made) = edge.size, edge.add_all(leaves)
    piece["leaves"] = [
        (first + n, row[0], leaf) for n, (row, leaf) in enumerate(zip(evidence, leaves, strict=True))
    ]
    piece["nodes"] = [node for node in made if node[0] % STORED_LEVELS == 0]
    for table, found in piece.items():
        put(table, COLUMNS[table], found)
    return edge


def _pieces(documents: int, past: Past) -> Iterator[Rows]:
    until = rows.micros(past.until or datetime.now(UTC))
    step = past.lasting // timedelta(microseconds=1) / max(documents, 1)
    write = _writer(past, until)
    for begin in range(0, documents, PIECE):
        piece: Rows = defaultdict(list)
        for number in range(begin, min(begin + PIECE, documents)):
            write(piece, number, until - int((documents - number) * step))
        yield piece


def _writer(past: Past, until: int) -> Callable[[Rows, int, int], None]:
    """Writes the rows of one document, received at an instant."""
    organs, realm = past.organs, past.realm
    kept, expiry = (span // timedelta(microseconds=1) for span in (CONTENT_KEPT, EXPIRY))
    filler = b"<Evidence>" + b"Cong van den, cong van di. " * (past.evidence_bytes // 27) + b"</Evidence>"
    run = sha256(f"{until}".encode()).hexdigest()

    def write(into: Rows, number: int, at: int) -> None:
        digest = sha256(f"{run}:{number}".encode()).hexdigest()
        document = DocumentId(_uuid7(at, digest))
        sender = organs[number % len(organs)]
        recipient = PartyKey(organs[(number // len(organs) + number + 1) % len(organs)])
        message = f"{sender}:{digest[:32]}"
        day = rows.instant(at).date()
        code = f"{number}/CV-{digest[:6]}"
        is_young, is_taken = until - at < kept, number % 2 == 0
        payload = (digest, 172_219) if is_young else (None, None)
        issued = [
            ("SubmissionAcceptance", None, 0, at + 60_000),
            ("ContentConsignment", recipient, 1, at + 90_000),
        ]
        if is_taken:
            issued.append(("ContentHandover", recipient, 2, at + 700_000))
        sha = ""
        for event, whose, sequence, when in issued:
            name = evidence_id(document, whose, sequence)
            body = filler + name.encode()
            sha = sha256(body).hexdigest()
            into["evidence"].append((name, document, whose, event, sequence, when, None, sha, body, None))
        identity = rows.identity(realm, sender, message, "")
        # fmt: off
        into["submissions"].append((
            document, identity, realm, sender, sender, message, "", digest, 145_442, "edoc", "amqp", 0,
            "accepted", at, at + expiry, *payload, None, sha, "", 2, at + kept, None,
        ))
        into["headers"].append((
            document, sender, code, day.isoformat(), f"{sender},{day:%Y/%m/%d},{code}",
            "Về việc gửi, nhận văn bản điện tử giữa các cơ quan nhà nước", 1, None, 0,
        ))
        into["handovers"].append((
            document, recipient, recipient, "Ủy ban nhân dân", "amqp", delivery_id(document, recipient, 1),
            "handed-over" if is_taken else "available", *payload, "edoc", 1, "03" if is_taken else "",
            issued[-1][2], sha, at + 90_000, at + 700_000 if is_taken else None, None, 0, None, 2, "", "", "", None,
        ))
        # fmt: on
        told = [
            (at, "receive", "received", None, "145442 bytes"),
            (at + 60_000, "transform", "accepted", None, "1 sealed, 1 routed"),
            *((when, "receipt", event, whose, "") for event, whose, _, when in issued[1:]),
        ]
        into["events"] += [
            (document, when, stage, event, whose, None, more) for when, stage, event, whose, more in told
        ]
        if until - at < expiry:
            key = f"deadline:{document}"
            into["work"].append(
                (key, "deadline", document, at + expiry, None, None, None, 1, 0, None, None, 0)
            )

    return write


def _uuid7(at: int, digest: str) -> str:
    return str(UUID(hex=f"{at // 1000:012x}7{digest[:3]}8{digest[3:18]}"))
