"""A document's deadline, and who is more urgent.  Degrees of urgency need no column: lanes beyond 0 are new values.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """A process of the release before goes on writing beside us."""
    op.add_column("submissions", sa.Column("due", TEXT, nullable=True))
    where = sa.text("kind = 'delivery' AND lane < 1")
    op.create_index(
        "work_hurried",
        "work",
        ["party", "lane"],
        unique=False,
        sqlite_where=where,
        postgresql_where=where,
    )
