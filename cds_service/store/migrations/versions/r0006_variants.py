"""Which words of a card were shown, where a site tries several."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns, which workers of an earlier version leave at their defaults."""
    for name, kind, usual in (("variant", sa.String, ""), ("part", sa.Integer, "0")):
        column = sa.Column(name, kind, nullable=False, server_default=usual)
        op.add_column("issued_cards", column)
