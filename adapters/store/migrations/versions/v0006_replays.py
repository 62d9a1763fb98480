"""Replays: a copy that is brought again has an expiry of its own, and what has died is found without looking at the rest.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A process of the release before goes on writing beside us: what it writes of a replayed copy keeps its expiry."""
    op.add_column("handovers", sa.Column("expires_at", sa.BigInteger(), nullable=True))
    dead = sa.text("state IN ('expired', 'failed')")
    op.create_index(
        "handovers_dead",
        "handovers",
        ["document", "recipient"],
        unique=False,
        sqlite_where=dead,
        postgresql_where=dead,
    )
    refused = sa.text("state = 'refused'")
    op.create_index(
        "submissions_refused",
        "submissions",
        ["reason", "document"],
        unique=False,
        sqlite_where=refused,
        postgresql_where=refused,
    )
