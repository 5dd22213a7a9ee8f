"""Alembic migrations of the store; `store.schema` runs them at start, under a lock."""
