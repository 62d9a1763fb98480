"""All that is known of a document whose books do not balance, for whoever looks for the reason."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import asdict
from typing import Any

from tests.chaos.auditor import Books
from tests.chaos.store import Row, ask


def known_of(documents: Set[str], books: Books, url: str) -> list[Row]:
    """One story per document of *documents*: its rows and those of what is about it, its timeline, and who saw what."""
    return [_story(document, books, url) for document in sorted(documents - {""})]


def _story(document: str, books: Books, url: str) -> Row:
    rows, seen = books.rows, books.seen
    copies = [copy for copy in rows.handovers if document in (copy["document"], copy["about"])]
    names = {document, *(copy["document"] for copy in copies)}
    names |= {copy["about"] for copy in copies if copy["about"]}
    sent = [asdict(one) for one in seen.sent if one.about in names]
    reports = {(one["organ"], one["message"]) for one in sent}
    names |= {s["document"] for s in rows.submissions if (s["party"], s["message_id"]) in reports}
    submissions = [s for s in rows.submissions if s["document"] in names]
    messages = {(s["party"], s["message_id"]) for s in submissions}
    sent += [asdict(one) for one in seen.sent if one.what and (one.organ, one.message) in messages]
    deliveries = {copy["delivery"] for copy in rows.handovers if copy["document"] in names}
    return {
        "document": document,
        "submissions": submissions,
        "copies": [copy for copy in rows.handovers if copy["document"] in names],
        "evidence": [_without_body(e) for e in rows.evidence if e["document"] in names],
        "work": [work for work in rows.work if work["document"] in names],
        "timeline": _timeline(names, url),
        "sent": [_plain(one) for one in sent],
        "taken": [asdict(one) for one in seen.taken if one.delivery in deliveries],
        "told": [asdict(one) for one in seen.told if one.document in names],
    }


def _timeline(names: Set[str], url: str) -> list[Row]:
    listed = ", ".join(f"'{name}'" for name in sorted(names))  # ids of our own making
    return ask(url, f"SELECT * FROM events WHERE document IN ({listed}) ORDER BY at, number")


def _without_body(piece: Row) -> Row:
    return {name: value for name, value in piece.items() if name != "body"}


def _plain(sent: dict[str, Any]) -> Row:
    return {**sent, "what": sent["what"].value if sent["what"] else "status"}
