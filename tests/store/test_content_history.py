"""The history of the content in force: every change once, and never changed afterwards."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cds_service.store.records import ContentChange
from tests.support.databases import Postgres
from tests.support.service_process import started
from tests.support.stores import opened

pytestmark = pytest.mark.anyio
FIRST = ContentChange(
    datetime(2026, 11, 26, tzinfo=UTC), "", "2026.12+aa", "Site", "Committee", "start", "cds@host"
)
SECOND = replace(FIRST, version="2026.12+bb", how="SIGHUP")


async def test_every_change_stands_once(database_url: str) -> None:
    async with opened(database_url) as database:
        for change in (FIRST, FIRST, SECOND, SECOND, FIRST):  # two workers, and back again
            await database.add_content([change])
        assert await database.content_history() == [FIRST, SECOND, FIRST]


@pytest.mark.parametrize("statement", ["UPDATE {} SET approved = 'me'", "DELETE FROM {}"])
async def test_no_row_can_be_changed(database_url: str, statement: str) -> None:
    async with opened(database_url) as database:
        await database.add_content([FIRST])
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.engine.begin() as connection:
                await connection.execute(text(statement.format("content_in_force")))
        assert await database.content_history() == [FIRST]


async def test_no_row_is_replaced(tmp_path: Path) -> None:
    """SQLite's REPLACE fires no trigger of a deletion."""
    columns = ", ".join(field.name for field in fields(ContentChange) if field.name != "by")
    forged = f"INSERT OR REPLACE INTO content_in_force (number, {columns}, by) SELECT number, "
    async with opened(f"sqlite:///{tmp_path / 'db'}") as database:
        await database.add_content([FIRST])
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.engine.begin() as connection:
                await connection.execute(text(f"{forged}{columns}, 'me' FROM content_in_force"))
        assert await database.content_history() == [FIRST]


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """URL of an empty database."""
    return postgres.new_database()


@pytest.mark.process
async def test_a_service_that_ends_while_it_writes_has_written(postgres_url: str) -> None:
    url = postgres_url
    async with opened(url):
        pass  # the tables are there
    other = await asyncpg.connect(url)
    try:
        held = other.transaction()
        await held.start()
        await other.execute("LOCK TABLE content_in_force IN EXCLUSIVE MODE")
        with started(CDS_DATABASE_URL=url) as service:
            while not await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert httpx.get(f"{service.base}/health/live", timeout=60).status_code == 200
            service.process.terminate()
            with suppress(subprocess.TimeoutExpired):  # it waits for us
                service.process.wait(0.3)
            await held.rollback()
            service.process.wait(60)
    finally:
        await other.close()
    async with opened(url) as database:
        assert [change.how for change in await database.content_history()] == ["start"]
