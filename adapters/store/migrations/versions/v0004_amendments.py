"""What a recall, an update or a replacement does to the documents before it.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """The defaults let a process of the release before go on writing beside us."""
    op.add_column("headers", sa.Column("business", sa.SmallInteger(), nullable=False, server_default="0"))
    for name in ("asks", "answer", "request"):
        op.add_column("handovers", sa.Column(name, TEXT, nullable=False, server_default=""))
    op.add_column("handovers", sa.Column("asked_by", TEXT, nullable=True))
    op.add_column("work", sa.Column("sure", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "relations",
        sa.Column("document", TEXT, nullable=False),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("business", sa.SmallInteger(), nullable=False),
        sa.Column("other", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("document", "recipient", "business", "other"),
        sqlite_with_rowid=False,
    )
    op.create_index("relations_by_other", "relations", ["other"], unique=False)
