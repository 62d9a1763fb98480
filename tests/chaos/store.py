"""Reads the rows of a store by SQL of its own: what is there, not what the gateway's code would say is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import make_url

Row = dict[str, Any]

_QUERIES = {
    "submissions": "SELECT document, party, message_id, slot, sha256, kind, state, reason, head, payload_sha256"
    " FROM submissions",
    "handovers": "SELECT document, recipient, addressed_as, link, delivery, state, payload_sha256, kind, generation,"
    " status, sequence, head, reason, is_quiet, about, asks, answer, request FROM handovers",
    "evidence": "SELECT id, document, recipient, event, sequence, reason, sha256, body FROM evidence",
    "items": "SELECT party, id, type, document, sha256, taken_at FROM items",
    "work": "SELECT key, kind, document, owner, attempts, reason FROM work",
    "leaves": "SELECT number, evidence, hash FROM leaves ORDER BY number",
    "heads": "SELECT size, root, stamp FROM heads ORDER BY number",
    "unnumbered": "SELECT evidence FROM unnumbered",
}


@dataclass(slots=True)
class Rows:
    """The tables that the audit looks at, as plain rows."""

    submissions: list[Row] = field(default_factory=list)
    handovers: list[Row] = field(default_factory=list)
    evidence: list[Row] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    work: list[Row] = field(default_factory=list)
    leaves: list[Row] = field(default_factory=list)
    heads: list[Row] = field(default_factory=list)
    unnumbered: list[Row] = field(default_factory=list)


def read(url: str) -> Rows:
    """Everything in the store at *url*."""
    return Rows(**{name: ask(url, query) for name, query in _QUERIES.items()})


_OPEN = (
    "SELECT (SELECT count(*) FROM work WHERE kind IN ('document', 'delivery', 'receipt'))"
    " + (SELECT count(*) FROM submissions WHERE state IN ('received', 'waiting'))"
    " + (SELECT count(*) FROM handovers WHERE state = 'pending')"
    " + (SELECT count(*) FROM unnumbered)"
    " + (SELECT count(*) FROM items WHERE taken_at IS NULL) AS undone"
)


def undone(url: str) -> int:
    """How much is on its way still."""
    return int(ask(url, _OPEN)[0]["undone"])


def born(url: str) -> set[int]:
    """The processes of all lives that ever gave a sign."""
    return {int(row["owner"].partition("-")[0]) for row in ask(url, "SELECT owner FROM lives")}


def ask(url: str, query: str) -> list[Row]:
    """The rows of *query*."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(f"file:{parsed.database}?mode=ro", uri=True, timeout=30)) as connection:
            cursor = connection.execute(query)
            return _named([column[0] for column in cursor.description], cursor)
    where = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(where, connect_timeout=10) as server, server.cursor() as told:
        told.execute(query.encode())
        return _named([column.name for column in told.description or ()], told)


def _named(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Row]:
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
