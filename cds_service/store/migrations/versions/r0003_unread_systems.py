"""Code systems that clients send and the service does not read: how often, by day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    names = ("client", "input", "system")
    op.create_table(
        "unread_systems_by_day",
        sa.Column("day", sa.Date, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in names),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("day", *names, name="pk_unread_systems_by_day"),
    )
