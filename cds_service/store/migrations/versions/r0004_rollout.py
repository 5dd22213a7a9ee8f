"""What was shown and what was not: mode and arm of cards; the calls of those who see nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns, which workers of an earlier version leave at `live`, and the table."""
    for table, name in (("issued_cards", "mode"), ("issued_cards", "arm"), ("feedback", "mode")):
        column = sa.Column(name, sa.String, nullable=False, server_default="live")
        op.add_column(table, column)
    names = ("service", "hook", "client", "knowledge", "arm")
    op.create_table(
        "silent_calls_by_day",
        sa.Column("day", sa.Date, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in names),
        *(sa.Column(n, sa.Integer, nullable=False) for n in ("calls", "considered", "with_cards")),
        sa.PrimaryKeyConstraint("day", *names, name="pk_silent_calls_by_day"),
    )
