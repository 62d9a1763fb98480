"""The tables, as the newest migration leaves them (a test compares the two).

Instants are whole microseconds since 1970 in UTC: exact, quick to compare, the same in both databases.
Texts compare byte by byte everywhere.  ``delete_after`` stands on the three data classes that privacy
tells apart: content (``submissions``), metadata with personal names (``headers``), ``evidence``.  Where it is
absent, today's policy holds (content, metadata), or the row stays (evidence).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    literal_column,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()

# PostgreSQL would sort and compare by its locale; SQLite and Python do not.
TEXT: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
INSTANT = BigInteger
# SQLite numbers rows by itself only where the type is spelt INTEGER.
NUMBER: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
BLOB = LargeBinary


def _needed(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]] = TEXT) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _absent(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]] = TEXT) -> Column[Any]:
    return Column(name, kind, nullable=True)


def _key(name: str) -> Column[Any]:
    return Column(name, TEXT, primary_key=True, nullable=False)


submissions = Table(
    "submissions",
    metadata,
    _key("document"),
    # 128 bits of SHA-256 over (realm, party, message_id, slot): unique, and short, so that one list asks for
    # many and the index stays small
    _needed("identity"),
    _needed("realm"),
    _needed("party"),
    _needed("client"),
    _needed("message_id"),
    _needed("slot"),
    _needed("sha256"),
    _needed("size", BigInteger),
    _needed("kind"),
    _needed("link"),
    _needed("is_urgent", SmallInteger),  # the degree: 0 ordinary … 4
    _needed("state"),
    _needed("received_at", INSTANT),
    _needed("expires_at", INSTANT),
    _absent("payload_sha256"),
    _absent("payload_size", BigInteger),
    _absent("reason"),
    _needed("head"),
    _needed("traceparent"),
    _needed("version", Integer),
    _absent("delete_after", INSTANT),
    _absent("due"),  # YYYY-MM-DD, or with the hour
)
Index("submissions_identity", submissions.c.identity, unique=True)
Index("submissions_by_message_id", submissions.c.message_id)
_waiting = submissions.c.state == "waiting"
Index("submissions_waiting", submissions.c.received_at, sqlite_where=_waiting, postgresql_where=_waiting)
_refused = submissions.c.state == "refused"
Index(
    "submissions_refused",
    submissions.c.reason,
    submissions.c.document,
    sqlite_where=_refused,
    postgresql_where=_refused,
)
_kept = submissions.c.payload_sha256.is_not(None)
Index("submissions_with_content", submissions.c.document, sqlite_where=_kept, postgresql_where=_kept)
Index("submissions_by_payload", submissions.c.payload_sha256, sqlite_where=_kept, postgresql_where=_kept)

headers = Table(
    "headers",
    metadata,
    _key("document"),
    _needed("organ"),
    _needed("code"),
    _absent("dated"),  # YYYY-MM-DD
    _needed("official_id"),
    _needed("subject"),
    _needed("version", Integer),
    _absent("delete_after", INSTANT),
    _needed("business", SmallInteger),
)
Index("headers_by_official_id", headers.c.official_id, headers.c.organ)
Index("headers_by_code", headers.c.code, headers.c.organ, headers.c.dated)

handovers = Table(
    "handovers",
    metadata,
    _key("document"),
    _key("recipient"),
    _needed("addressed_as"),
    _needed("name"),
    _needed("link"),
    _needed("delivery"),
    _needed("state"),
    _absent("payload_sha256"),
    _absent("payload_size", BigInteger),
    _needed("kind"),
    _needed("generation", Integer),
    _needed("status"),
    _needed("sequence", Integer),
    _needed("head"),
    _absent("available_at", INSTANT),
    _absent("handed_over_at", INSTANT),
    _absent("reason"),
    _needed("is_quiet", SmallInteger),
    _absent("about"),
    _needed("version", Integer),
    _needed("asks"),
    _needed("answer"),
    _needed("request"),
    _absent("asked_by"),
    _absent("expires_at", INSTANT),  # its own, where it was replayed
    sqlite_with_rowid=False,
)

Index("handovers_by_recipient", handovers.c.recipient, handovers.c.document)
_dead = handovers.c.state.in_([literal_column("'expired'"), literal_column("'failed'")])
Index(
    "handovers_dead", handovers.c.document, handovers.c.recipient, sqlite_where=_dead, postgresql_where=_dead
)
_carried = handovers.c.payload_sha256.is_not(None)
Index("handovers_by_payload", handovers.c.payload_sha256, sqlite_where=_carried, postgresql_where=_carried)

items = Table(
    "items",
    metadata,
    _key("realm"),
    _key("party"),
    _key("id"),
    _needed("type"),
    _needed("document"),
    _needed("correlation"),
    _needed("headers"),  # JSON: pairs of name and value
    _needed("sha256"),
    _needed("size", BigInteger),
    _absent("payload_sha256"),
    _absent("payload_size", BigInteger),
    _absent("evidence"),
    _needed("lane", SmallInteger),  # 1 ordinary, 0 … -3 urgent: the most urgent sorts first
    _needed("available_at", INSTANT),
    _needed("expires_at", INSTANT),
    _needed("lock"),
    _absent("locked_until", INSTANT),
    _absent("taken_at", INSTANT),
    _needed("version", Integer),
)
_untaken = items.c.taken_at.is_(None)
Index(
    "items_untaken",
    items.c.realm,
    items.c.party,
    items.c.lane,
    items.c.available_at,
    items.c.id,
    items.c.expires_at,  # expired ones are passed over without looking at their rows
    sqlite_where=_untaken,
    postgresql_where=_untaken,
)

events = Table(
    "events",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    _needed("document"),
    _needed("at", INSTANT),
    _needed("stage"),
    _needed("event"),
    _absent("recipient"),
    _absent("reason"),
    _needed("detail"),
)
Index("events_by_document", events.c.document)

evidence = Table(
    "evidence",
    metadata,
    _key("id"),
    _needed("document"),
    _absent("recipient"),
    _needed("event"),
    _needed("sequence", Integer),
    _needed("issued_at", INSTANT),
    _absent("reason"),
    _needed("sha256"),
    _needed("body", BLOB),
    _absent("delete_after", INSTANT),
)
Index("evidence_by_document", evidence.c.document)

# --- the evidence log: a queue, the leaves, the full subtrees of every eighth level, the heads -------

unnumbered = Table(
    "unnumbered",
    metadata,
    Column("position", NUMBER, primary_key=True, autoincrement=True),  # along a chain it only rises
    _needed("evidence"),
)

leaves = Table(
    "leaves",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    _needed("evidence"),
    _needed("hash", BLOB),
)
Index("leaves_by_evidence", leaves.c.evidence, unique=True)

nodes = Table(
    "nodes",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),  # 8, 16, 24, …
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _needed("hash", BLOB),
    sqlite_with_rowid=False,
)

heads = Table(
    "heads",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    _needed("size", BigInteger),
    _needed("root"),
    _needed("signed_at", INSTANT),
    _needed("sha256"),
    _needed("body", BLOB),
    _absent("stamp", BLOB),
)
_unstamped = heads.c.stamp.is_(None)
Index("heads_by_size", heads.c.size, heads.c.number)
_stamped = heads.c.stamp.is_not(None)
Index("heads_stamped", heads.c.size, heads.c.number, sqlite_where=_stamped, postgresql_where=_stamped)
Index("heads_unstamped", heads.c.number, sqlite_where=_unstamped, postgresql_where=_unstamped)

logs = Table(
    "logs",
    metadata,
    _key("key"),
    _absent("owner"),  # the life that numbers
    _needed("term", BigInteger),  # rises with every owner: what an earlier one still writes is left out
    _needed("size", BigInteger),
    _needed("peaks", BLOB),  # the full subtrees at the right edge, largest first
    _needed("is_wanted", SmallInteger),  # somebody waits for a head
)

work = Table(
    "work",
    metadata,
    _key("key"),
    _needed("kind"),
    _needed("document"),
    _needed("due_at", INSTANT),
    _absent("party"),
    _absent("recipient"),
    _absent("evidence"),
    _needed("lane", SmallInteger),
    _needed("attempts", Integer),
    _absent("owner"),
    _absent("reason"),  # why it was postponed last
    _needed("sure", Integer),  # how many attempts have surely brought nothing to anybody
    Column("line", TEXT, nullable=False, server_default=""),  # where it waits its turn to be leased
    sqlite_with_rowid=False,
)
_free = work.c.owner.is_(None)
# Lines are walked by leaps, and each from its longest due on.
Index(
    "work_in_line",
    work.c.lane,
    work.c.line,
    work.c.due_at,
    work.c.key,
    sqlite_where=_free,
    postgresql_where=_free,
)
_owned = work.c.owner.is_not(None)
Index("work_owned", work.c.owner, sqlite_where=_owned, postgresql_where=_owned)

# Usually all but empty: who asks whether somebody more urgent waits for the same party looks here.
_hurried = (work.c.kind == "delivery") & (work.c.lane < 1)
Index("work_hurried", work.c.party, work.c.lane, sqlite_where=_hurried, postgresql_where=_hurried)

Index("work_by_kind", work.c.kind, work.c.line)  # to count what is undone without reading it all

relations = Table(
    "relations",
    metadata,
    _key("document"),
    _key("recipient"),
    Column("business", SmallInteger, primary_key=True, nullable=False),
    _key("other"),
    sqlite_with_rowid=False,
)
Index("relations_by_other", relations.c.other)

lives = Table(
    "lives",
    metadata,
    _key("owner"),
    _needed("alive_until", INSTANT),
)

duties = Table("duties", metadata, _key("key"), _needed("owner"))  # what one life does for all

deaths = Table(
    "deaths",
    metadata,
    _key("key"),
    _needed("count", Integer),
    _needed("last_at", INSTANT),
)

# What parties have used of their quotas, in thousandths, and what had not drained at the instant ``at``.
usage = Table(
    "usage",
    metadata,
    _key("party"),
    _needed("bytes", BigInteger),
    _needed("documents", BigInteger),
    _needed("urgent", BigInteger),
    _needed("at", INSTANT),
)

audit = Table(
    "audit",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    _needed("realm"),
    _needed("at", INSTANT),
    _needed("actor"),
    _needed("verb"),
    _needed("object"),
    _needed("outcome"),
    _needed("detail"),
)
