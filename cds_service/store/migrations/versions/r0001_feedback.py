"""Issued cards, feedback, calls by day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "issued_cards",
        sa.Column("card", sa.String, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("hook", sa.String, nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("row", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("indicator", sa.String, nullable=False),
        sa.Column("tier", sa.String, nullable=False),
        sa.Column("rules", sa.String, nullable=False),
        sa.Column("suggestions", sa.String, nullable=False),
        sa.Column("knowledge", sa.String, nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("card", name="pk_issued_cards"),
    )
    op.create_index("ix_issued_cards_issued_at", "issued_cards", ["issued_at"])
    op.create_table(
        "feedback",
        sa.Column("key", sa.String, nullable=False),
        sa.Column("card", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("suggestions", sa.String, nullable=False),
        sa.Column("reason_system", sa.String),
        sa.Column("reason_code", sa.String),
        sa.Column("comment_length", sa.Integer),
        sa.Column("outcome_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("notes", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_feedback"),
    )
    op.create_index("ix_feedback_card", "feedback", ["card"])
    op.create_index("ix_feedback_received_at", "feedback", ["received_at"])
    op.create_table(
        "calls_by_day",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("service", sa.String, nullable=False),
        sa.Column("hook", sa.String, nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("knowledge", sa.String, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("considered", sa.Integer, nullable=False),
        sa.Column("with_cards", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint(
            "day", "service", "hook", "client", "knowledge", name="pk_calls_by_day"
        ),
    )
