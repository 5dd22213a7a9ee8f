"""Runs the migrations on the connection and in the transaction that `database.open` hands over."""

from __future__ import annotations

from alembic import context

from cds_service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,  # on SQLite too: the transaction has begun already
)
with context.begin_transaction():
    context.run_migrations()
