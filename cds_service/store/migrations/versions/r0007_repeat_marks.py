"""Marks of warnings that may be answered for some days, and the answers, found by keyed hashes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables and their indexes."""
    op.create_table(
        "repeat_marks",
        *(sa.Column(name, sa.String, nullable=False) for name in ("card", "client", "sealed")),
        *(sa.Column(name, sa.Date, nullable=False) for name in ("until", "issued_on")),
        sa.PrimaryKeyConstraint("card", name="pk_repeat_marks"),
    )
    op.create_table(
        "repeat_answers",
        sa.Column("mark", sa.String, nullable=False),
        *(sa.Column(name, sa.Date, nullable=False) for name in ("until", "issued_on")),
        *(sa.Column(name, sa.String) for name in ("reason_system", "reason_code")),
        sa.Column("answered_on", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("mark", name="pk_repeat_answers"),
    )
    for table in ("repeat_marks", "repeat_answers"):
        op.create_index(f"ix_{table}_until", table, ["until"])
