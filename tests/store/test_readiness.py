"""Ready means that feedback can be stored: what readiness says and feedback answers under faults of
the database, each a real one. Those of files are in test_faults.py."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cds_service.store import tables
from cds_service.store.database import Database
from cds_service.store.schema import VERSION_TABLE
from tests.cdshooks.test_feedback import ACCEPTED, OVERRIDDEN
from tests.support.databases import Postgres
from tests.support.live import Live, Service
from tests.support.stores import item, opened, read, started, until

pytestmark = pytest.mark.anyio

LOCKED = "another program holds its lock"
READ_ONLY = (
    "ALTER SYSTEM SET default_transaction_read_only = on",
    "SELECT pg_reload_conf()",
)


async def told(service: Service) -> list[str]:
    """What readiness says is wrong with the database; empty when it says that all is well."""
    state = (await service.request("GET", "/health/ready")).json()
    found = [p for p in state.get("problems", ()) if p.startswith("database: ")]
    assert (state["status"], state["database"]) == (("degraded", "down") if found else ("ok", "ok"))
    return found


async def sent(service: Service) -> int:
    """The status that new feedback gets."""
    number = len(await service.rows()) + 1
    body = {"feedback": [ACCEPTED | {"card": f"card-{number}"}]}
    return (await service.post(body)).status_code


async def test_nothing_is_left_of_a_proof(database_url: str) -> None:
    async with started(database_url) as store:
        await store.save([item()])
        for _ in range(3):
            assert await store.problem() is None

    kept = {name: len(await read(database_url, t)) for name, t in tables.metadata.tables.items()}
    assert kept == {name: int(name == "feedback") for name in tables.metadata.tables}


async def test_many_who_ask_share_a_proof(database_url: str) -> None:
    """Anybody may ask: feedback keeps its connections."""
    async with started(database_url) as store:
        asked = [asyncio.create_task(store.problem()) for _ in range(500)]
        await store.save([item()])
        assert set(await asyncio.gather(*asked)) == {None}


# --- locked ---


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Another program writes, and does not come to an end."""
    database = Database(url)
    try:
        async with database.engine.execution_options(writing=True).begin() as connection:
            if not database.is_sqlite:
                await connection.execute(text("LOCK TABLE feedback IN ACCESS EXCLUSIVE MODE"))
            yield
    finally:
        await database.close()


async def test_a_lock_of_another_program(database_url: str, live: Live) -> None:
    async with live(database_url) as service:
        assert await told(service) == []
        async with locked(database_url):
            refused = await sent_while_locked(service)
            while_locked = await told(service)
        async with asyncio.timeout(20):
            while await sent_while_locked(service) != 200:
                pass
        assert await told(service) == []

    assert refused == 503
    assert len(while_locked) == 1
    assert LOCKED in while_locked[0] or "does not answer in time" in while_locked[0]


async def sent_while_locked(service: Service) -> int:
    return (await service.post({"feedback": [ACCEPTED]})).status_code


async def test_a_lock_is_seen_without_feedback(database_url: str, live: Live) -> None:
    async with live(database_url) as service, locked(database_url):
        assert await told(service) != []


# --- not to be written ---


async def test_a_failed_write_is_told_at_once(database_url: str, live: Live) -> None:
    """Also where a proof was good a moment ago, and where the next one is."""
    async with live(database_url) as service:
        assert await told(service) == []
        await execute(database_url, "ALTER TABLE feedback RENAME TO away")
        refused = (await service.post({"feedback": [ACCEPTED]})).status_code
        await execute(database_url, "ALTER TABLE away RENAME TO feedback")
        assert (refused, len(await told(service))) == (503, 1)
        assert await sent(service) == 200
        assert await told(service) == []


@pytest.mark.parametrize("table", sorted(tables.metadata.tables))
async def test_a_table_without_a_column(table: str, database_url: str, live: Live) -> None:
    """It can be read, but not written."""
    column = tables.metadata.tables[table].columns.keys()[-1]
    if table == "used_tokens":
        await make(database_url)
        await execute(database_url, "DROP INDEX ix_used_tokens_until")
    async with live(database_url) as service:
        await execute(database_url, f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
        assert await told(service) != []


async def make(url: str) -> None:
    async with opened(url):
        pass


async def execute(url: str, *statements: str) -> None:
    database = Database(url)
    try:
        async with database.engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await database.close()


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    return postgres.new_database()


_PROVED = set(tables.metadata.tables) - {tables.content.name}  # no row of it can be taken out


@pytest.mark.parametrize("table", sorted(_PROVED))
@pytest.mark.system
@pytest.mark.postgres
async def test_a_user_without_a_right(
    table: str, postgres: Postgres, postgres_url: str, live: Live
) -> None:
    url = postgres_url
    user = postgres.new_name()
    every = ", ".join([*tables.metadata.tables, VERSION_TABLE])
    await make(url)
    await execute(
        url,
        f"CREATE ROLE {user} LOGIN",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {every} TO {user}",
    )
    mine = url.replace("postgres@", f"{user}@")
    async with live(mine) as service:
        assert (await sent(service), await told(service)) == (200, [])
    await execute(url, f"REVOKE INSERT ON {table} FROM {user}")
    async with live(mine) as service:
        [problem] = await told(service)
        status = await sent(service)

    assert "its user may not do this" in problem
    assert status == (503 if table == "feedback" else 200)


# --- PostgreSQL ---


@pytest.fixture
def own_server(postgres: Postgres) -> Iterator[tuple[Postgres, str]]:
    """A server that a test may break, and a database of it."""
    server = Postgres(postgres.programs)
    try:
        yield server, server.new_database()
    finally:
        server.stop()


@pytest.mark.system
@pytest.mark.postgres
async def test_a_server_that_takes_no_writes(own_server: tuple[Postgres, str], live: Live) -> None:
    server, url = own_server
    async with live(url) as service:
        assert (await sent(service), await told(service)) == (200, [])
        for statement in READ_ONLY:
            await asyncio.to_thread(server.execute, statement)
        await until(lambda: refuses(service))
        [problem] = await told(service)

    assert "it is read-only" in problem


async def refuses(service: Service) -> bool:
    return await sent(service) == 503


@pytest.mark.system
@pytest.mark.postgres
async def test_a_standby(own_server: tuple[Postgres, str], live: Live) -> None:
    """After a failover the address may lead to the server that only reads."""
    server, url = own_server
    async with live(url) as service:
        assert (await sent(service), await told(service)) == (200, [])
        await asyncio.to_thread(server.become_standby)
        async with asyncio.timeout(20):
            while "read-only" not in " ".join(await told(service)):
                await asyncio.sleep(0.05)
        refused = await sent(service)
        await asyncio.to_thread(server.promote)
        await until(lambda: takes(service))
        assert await told(service) == []

    assert refused == 503


async def takes(service: Service) -> bool:
    return await sent(service) == 200


@pytest.mark.system
@pytest.mark.postgres
async def test_a_server_that_is_gone(own_server: tuple[Postgres, str], live: Live) -> None:
    server, url = own_server
    async with live(url) as service:
        assert (await sent(service), await told(service)) == (200, [])
        await asyncio.to_thread(server.halt)
        refused = (await service.post({"feedback": [ACCEPTED]})).status_code
        problems = await told(service)
        await asyncio.to_thread(server.start)
        await until(lambda: takes(service))
        assert await told(service) == []

    assert (refused, len(problems)) == (503, 1)


# --- files that are damaged ---


def zeros(file: Path) -> None:
    with file.open("r+b") as content:
        content.write(bytes(file.stat().st_size))


def noise(file: Path) -> None:
    with file.open("r+b") as content:
        content.write(os.urandom(file.stat().st_size))


def all_but_the_first_page(file: Path) -> None:
    with file.open("r+b") as content:
        content.seek(4096)
        content.write(os.urandom(file.stat().st_size - 4096))


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def cut_in_half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


DAMAGE = [zeros, noise, all_but_the_first_page, emptied, cut_in_half]


@pytest.mark.parametrize("folded", [True, False], ids=["with an empty WAL", "with a WAL"])
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
async def test_a_file_that_is_damaged_in_use(
    damage: Callable[[Path], None], folded: bool, tmp_path: Path, live: Live
) -> None:
    """What is acknowledged afterwards can be read; else it is refused, and readiness says so."""
    file = tmp_path / "feedback.sqlite3"
    url = f"sqlite:///{file}"
    await make(url)
    async with live(url) as service:
        await service.send(ACCEPTED)
        if folded:
            with closing(file) as other:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        damage(file)
        answers = [(await service.post({"feedback": [OVERRIDDEN]})).status_code for _ in range(2)]
        state = (await service.request("GET", "/health/ready")).json()
        found = rows(file)

    if 200 in answers:
        assert "overridden" in found
    else:
        assert state["database"] == "down"
    if folded:
        assert answers == [503, 503]


@contextmanager
def closing(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(file)
    try:
        yield connection
    finally:
        connection.close()


def rows(file: Path) -> list[Any]:
    with closing(file) as other:
        try:
            return [row[0] for row in other.execute("SELECT outcome FROM feedback")]
        except sqlite3.DatabaseError:
            return []


@pytest.mark.parametrize("end", ["-wal", "-shm"])
async def test_a_file_beside_that_is_deleted(end: str, tmp_path: Path, live: Live) -> None:
    """What goes into a lost write-ahead log is lost with the process."""
    file = tmp_path / "feedback.sqlite3"
    async with live(f"sqlite:///{file}") as service:
        await service.send(ACCEPTED)
        file.with_name(file.name + end).unlink()
        answers = [(await service.post({"feedback": [OVERRIDDEN]})).status_code for _ in range(3)]
        problems = await told_of(service)

    assert answers == [503] * 3
    assert "was deleted in use" in problems


async def told_of(service: Service) -> str:
    return " ".join((await service.request("GET", "/health/ready")).json().get("problems", ()))
