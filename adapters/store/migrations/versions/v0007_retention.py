"""What is to be removed when: who clears out, and what it looks things up by.

Revision ID: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """A process of the release before goes on writing beside us."""
    op.create_table(
        "duties",
        sa.Column("key", TEXT, primary_key=True, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
    )
    where = sa.text("payload_sha256 IS NOT NULL")
    for name, table, column in (
        ("submissions_with_content", "submissions", "document"),
        ("submissions_by_payload", "submissions", "payload_sha256"),
        ("handovers_by_payload", "handovers", "payload_sha256"),
    ):
        op.create_index(name, table, [column], unique=False, sqlite_where=where, postgresql_where=where)
