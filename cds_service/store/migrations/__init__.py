"""Alembic migrations of the store; `store.database` runs them at start, under a lock."""
