"""The evidence log: queue, leaves, full subtrees, heads, and who numbers.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables; evidence that was issued before waits for its number like any other."""
    op.create_table(
        "unnumbered",
        sa.Column("position", NUMBER, autoincrement=True, nullable=False),
        sa.Column("evidence", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_table(
        "leaves",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("evidence", TEXT, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("leaves_by_evidence", "leaves", ["evidence"], unique=True)
    op.create_table(
        "nodes",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "heads",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", TEXT, nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("stamp", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("heads_by_size", "heads", ["size", "number"])
    stamped = sa.text("stamp IS NOT NULL")
    op.create_index(
        "heads_stamped", "heads", ["size", "number"], sqlite_where=stamped, postgresql_where=stamped
    )
    unstamped = sa.text("stamp IS NULL")
    op.create_index(
        "heads_unstamped", "heads", ["number"], sqlite_where=unstamped, postgresql_where=unstamped
    )
    op.create_table(
        "logs",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=True),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.Column("is_wanted", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.execute("INSERT INTO unnumbered (evidence) SELECT id FROM evidence ORDER BY issued_at, sequence")
