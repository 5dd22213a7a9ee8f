"""Alembic migrations of the store; `cds_service.database` runs them at start, under a lock."""
