"""Which clinical content came into force when, for whom and by whom: rows are only ever added."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TABLE = "content_in_force"
_SQLITE = (
    f"CREATE TRIGGER {_TABLE}_keep_{{0}} BEFORE {{0}} ON {_TABLE} "
    f"BEGIN SELECT RAISE(ABORT, '{_TABLE} is append-only'); END"
)
# REPLACE deletes a row without its trigger (https://sqlite.org/lang_conflict.html).
_REPLACE = (
    f"CREATE TRIGGER {_TABLE}_keep_REPLACE BEFORE INSERT ON {_TABLE} "  # noqa: S608  # a name of ours
    f"WHEN NEW.number <= (SELECT max(number) FROM {_TABLE}) "
    f"BEGIN SELECT RAISE(ABORT, '{_TABLE} is append-only'); END"
)
_POSTGRES = (
    f"CREATE OR REPLACE FUNCTION {_TABLE}_keep() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{_TABLE} is append-only'; END $$",
    f"CREATE TRIGGER {_TABLE}_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {_TABLE} "
    f"FOR EACH STATEMENT EXECUTE FUNCTION {_TABLE}_keep()",
)


def upgrade() -> None:
    """Create the table and what guards it."""
    op.create_table(
        _TABLE,
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("client", "version")),
        *(sa.Column(name, sa.String) for name in ("site", "approved")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("how", "by")),
        sa.PrimaryKeyConstraint("number", name=f"pk_{_TABLE}"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(_SQLITE.format(what))
        op.execute(_REPLACE)
    else:
        for statement in _POSTGRES:
            op.execute(statement)
