"""The first tables.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them all."""
    op.create_table(
        "audit",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("realm", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("verb", TEXT, nullable=False),
        sa.Column("object", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "deaths",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "events",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("document", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("stage", TEXT, nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("recipient", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("detail", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("events_by_document", "events", ["document"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("document", TEXT, nullable=False),
        sa.Column("recipient", TEXT, nullable=True),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("delete_after", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("evidence_by_document", "evidence", ["document"], unique=False)
    op.create_table(
        "handovers",
        sa.Column("document", TEXT, nullable=False),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("addressed_as", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("link", TEXT, nullable=False),
        sa.Column("delivery", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("payload_sha256", TEXT, nullable=True),
        sa.Column("payload_size", sa.BigInteger(), nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("head", TEXT, nullable=False),
        sa.Column("available_at", sa.BigInteger(), nullable=True),
        sa.Column("handed_over_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("is_quiet", sa.SmallInteger(), nullable=False),
        sa.Column("about", TEXT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("document", "recipient"),
        sqlite_with_rowid=False,
    )
    op.create_index("handovers_by_recipient", "handovers", ["recipient", "document"], unique=False)
    op.create_table(
        "headers",
        sa.Column("document", TEXT, nullable=False),
        sa.Column("organ", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("dated", TEXT, nullable=True),
        sa.Column("official_id", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("delete_after", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("document"),
    )
    op.create_index("headers_by_code", "headers", ["code", "organ", "dated"], unique=False)
    op.create_index("headers_by_official_id", "headers", ["official_id", "organ"], unique=False)
    op.create_table(
        "items",
        sa.Column("realm", TEXT, nullable=False),
        sa.Column("party", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("document", TEXT, nullable=False),
        sa.Column("correlation", TEXT, nullable=False),
        sa.Column("headers", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("payload_sha256", TEXT, nullable=True),
        sa.Column("payload_size", sa.BigInteger(), nullable=True),
        sa.Column("evidence", TEXT, nullable=True),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("available_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("lock", TEXT, nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=True),
        sa.Column("taken_at", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("realm", "party", "id"),
    )
    op.create_index(
        "items_untaken",
        "items",
        ["realm", "party", "lane", "available_at", "id", "expires_at"],
        unique=False,
        sqlite_where=sa.text("taken_at IS NULL"),
        postgresql_where=sa.text("taken_at IS NULL"),
    )
    op.create_table(
        "lives",
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("alive_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
    op.create_table(
        "submissions",
        sa.Column("document", TEXT, nullable=False),
        sa.Column("identity", TEXT, nullable=False),
        sa.Column("realm", TEXT, nullable=False),
        sa.Column("party", TEXT, nullable=False),
        sa.Column("client", TEXT, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("slot", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("link", TEXT, nullable=False),
        sa.Column("is_urgent", sa.SmallInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("payload_sha256", TEXT, nullable=True),
        sa.Column("payload_size", sa.BigInteger(), nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("head", TEXT, nullable=False),
        sa.Column("traceparent", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("delete_after", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("document"),
    )
    op.create_index("submissions_by_message_id", "submissions", ["message_id"], unique=False)
    op.create_index("submissions_identity", "submissions", ["identity"], unique=True)
    op.create_index(
        "submissions_waiting",
        "submissions",
        ["received_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "work",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("document", TEXT, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("party", TEXT, nullable=True),
        sa.Column("recipient", TEXT, nullable=True),
        sa.Column("evidence", TEXT, nullable=True),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("key"),
        sqlite_with_rowid=False,
    )
    op.create_index("work_by_kind", "work", ["kind"], unique=False)
    op.create_index(
        "work_free",
        "work",
        ["lane", "due_at", "key"],
        unique=False,
        sqlite_where=sa.text("owner IS NULL"),
        postgresql_where=sa.text("owner IS NULL"),
    )
    op.create_index(
        "work_owned",
        "work",
        ["owner"],
        unique=False,
        sqlite_where=sa.text("owner IS NOT NULL"),
        postgresql_where=sa.text("owner IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop them all."""
    op.drop_table("work")
    op.drop_table("submissions")
    op.drop_table("lives")
    op.drop_table("items")
    op.drop_table("headers")
    op.drop_table("handovers")
    op.drop_table("evidence")
    op.drop_table("events")
    op.drop_table("deaths")
    op.drop_table("audit")
