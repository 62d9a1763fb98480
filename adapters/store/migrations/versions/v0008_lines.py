"""Work waits in lines, so that it is leased by turns.

Revision ID: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """A process of the release before goes on writing beside us: its work waits in one line of nobody."""
    op.add_column("work", sa.Column("line", TEXT, nullable=False, server_default=""))
    where = sa.text("owner IS NULL")
    op.create_index(
        "work_in_line",
        "work",
        ["lane", "line", "due_at", "key"],
        unique=False,
        sqlite_where=where,
        postgresql_where=where,
    )
    op.drop_index("work_free", "work")
    op.drop_index("work_by_kind", "work")
    op.create_index("work_by_kind", "work", ["kind", "line"], unique=False)
