"""Warnings that may be answered once for all: a keyed hash for each, and how long it is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TABLE = "repeat_marks"


def upgrade() -> None:
    """Create the table and its indexes."""
    op.create_table(
        _TABLE,
        *(sa.Column(name, sa.String, nullable=False) for name in ("card", "client", "mark")),
        *(sa.Column(name, sa.Date, nullable=False) for name in ("until", "issued_on")),
        sa.PrimaryKeyConstraint("card", name=f"pk_{_TABLE}"),
    )
    for column in ("mark", "until"):
        op.create_index(f"ix_{_TABLE}_{column}", _TABLE, [column])
