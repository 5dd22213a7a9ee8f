"""Tokens of EHR clients that were used, so that none is used twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "used_tokens",
        sa.Column("token", sa.String, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_used_tokens"),
    )
    op.create_index("ix_used_tokens_until", "used_tokens", ["until"])
