"""The store with several processes, and with a PostgreSQL server that comes and goes."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from sqlalchemy import text

from cds_service.errors import Unavailable
from cds_service.store import tables
from cds_service.store.schema import VERSION_TABLE
from tests.support.databases import Postgres
from tests.support.stores import item, opened, read, started, until, works

pytestmark = pytest.mark.anyio


async def test_workers_that_start_at_once_make_one_schema(database_url: str) -> None:
    program = (
        "import asyncio, sys; from cds_service.store.database import Database\n"
        "import alembic.command\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "asyncio.run(Database(sys.argv[1]).open())"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", program, database_url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"

    ends = [worker.communicate("\n", timeout=30) for worker in workers]  # all were waiting

    assert [worker.returncode for worker in workers] == [0] * 3, ends
    async with opened(database_url) as database, database.engine.connect() as connection:
        revisions = await connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
        assert list(revisions.scalars()) == [tables.SCHEMA]


async def test_postgres_that_comes_up_later(postgres: Postgres) -> None:
    name = postgres.new_name()

    async with started(postgres.url(name)) as store:
        assert await store.problem()
        with pytest.raises(Unavailable):
            await store.save([item()])

        await asyncio.to_thread(postgres.execute, f"CREATE DATABASE {name}")
        await until(lambda: works(store))
        await store.save([item()])


async def test_connections_that_the_server_has_closed(postgres: Postgres) -> None:
    url = await asyncio.to_thread(postgres.new_database)
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'cds-service'"
    )
    async with started(url) as store:
        await store.save([item(1)])
        await asyncio.to_thread(postgres.execute, end)
        await store.save([item(2)])

    assert len(await read(url, tables.feedback)) == 2
