"""A database that is not as this program left it: what readiness says and what is acknowledged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from cds_service.errors import Unavailable
from cds_service.store import tables
from cds_service.store.database import Database
from cds_service.store.schema import VERSION_TABLE
from tests.cdshooks.test_feedback import ACCEPTED
from tests.support.live import Live
from tests.support.stores import item, opened, read, started

pytestmark = pytest.mark.anyio

DELETED = "database: the database file was deleted in use; restart the service"
REPLACED = "database: the database file was replaced in use; restart the service"
FOREIGN = f"database: the table {VERSION_TABLE} holds a revision that is not of this program"


async def run(url: str, *statements: str) -> None:
    database = Database(url)
    try:
        async with database.engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await database.close()


async def revisions(url: str, table: str) -> list[str]:
    database = Database(url)
    try:
        async with database.engine.connect() as connection:
            found = await connection.execute(text(f"SELECT version_num FROM {table}"))  # noqa: S608
            return list(found.scalars())
    finally:
        await database.close()


# --- tables of other applications ---


@pytest.mark.parametrize("revision", ["ae1027a6acf3", "0003"])
async def test_the_version_table_of_another_application(
    revision: str, database_url: str, live: Live
) -> None:
    """Its revision may even read like one of ours: it has not our tables."""
    await run(
        database_url,
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        f"INSERT INTO alembic_version VALUES ('{revision}')",  # noqa: S608
    )
    async with live(database_url) as service:
        assert (await service.request("GET", "/health/ready")).json()["database"] == "ok"
        await service.send(ACCEPTED)

    assert await revisions(database_url, "alembic_version") == [revision]
    assert await revisions(database_url, VERSION_TABLE) == [tables.SCHEMA]
    assert len(await read(database_url, tables.feedback)) == 1


async def test_a_version_table_that_only_has_the_name(database_url: str) -> None:
    await run(database_url, "CREATE TABLE alembic_version (other integer)")
    async with started(database_url) as store:
        await store.save([item()])


async def test_a_database_of_the_version_before_is_taken_over(database_url: str) -> None:
    async with started(database_url) as store:
        await store.save([item(1)])
    await run(
        database_url,
        f"DROP TABLE {VERSION_TABLE}",
        "DROP TABLE unread_systems_by_day",
        "DROP TABLE content_in_force",
        "DROP TABLE repeat_marks",
        "DROP TABLE repeat_answers",
        "DROP TABLE silent_calls_by_day",
        "ALTER TABLE issued_cards DROP COLUMN mode",
        "ALTER TABLE issued_cards DROP COLUMN arm",
        "ALTER TABLE issued_cards DROP COLUMN variant",
        "ALTER TABLE issued_cards DROP COLUMN part",
        "ALTER TABLE feedback DROP COLUMN mode",
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('0002')",
    )

    async with started(database_url) as store:
        assert await store.problem() is None
        await store.save([item(2)])

    assert len(await read(database_url, tables.feedback)) == 2
    assert await revisions(database_url, VERSION_TABLE) == [tables.SCHEMA]
    assert await revisions(database_url, "alembic_version") == ["0002"]


async def test_a_revision_that_nobody_knows(database_url: str, live: Live) -> None:
    async with opened(database_url):
        pass
    await run(database_url, f"UPDATE {VERSION_TABLE} SET version_num = 'ae1027a6acf3'")  # noqa: S608

    async with live(database_url) as service:
        ready = (await service.request("GET", "/health/ready")).json()
        refused = await service.post({"feedback": [ACCEPTED]})

    assert (ready["status"], ready["database"]) == ("degraded", "down")
    assert FOREIGN in ready["problems"]
    assert refused.status_code == 503


async def test_a_newer_schema_is_ready(database_url: str, live: Live) -> None:
    async with opened(database_url):
        pass
    await run(database_url, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608

    async with live(database_url) as service:
        assert (await service.request("GET", "/health/ready")).json()["status"] == "ok"
        await service.send(ACCEPTED)


@pytest.mark.parametrize("table", sorted([*tables.metadata.tables, VERSION_TABLE]))
async def test_a_table_that_is_gone(table: str, database_url: str, live: Live) -> None:
    async with live(database_url) as service:
        await run(database_url, f"DROP TABLE {table}")
        ready = (await service.request("GET", "/health/ready")).json()

    assert (ready["status"], ready["database"]) == ("degraded", "down")
    assert any(problem.startswith("database: ") for problem in ready["problems"])


# --- another file than before ---


def delete(file: Path) -> None:
    for one in file.parent.glob(f"{file.name}*"):
        one.unlink()


def replace(file: Path) -> None:
    other = file.with_suffix(".other")
    shutil.copy(file, other)
    other.replace(file)


@pytest.mark.parametrize(
    ("change", "problem"),
    [(delete, DELETED), (Path.unlink, DELETED), (replace, REPLACED)],
    ids=["deleted", "deleted-without-its-wal", "replaced"],
)
async def test_a_file_that_is_gone(
    change: object, problem: str, tmp_path: Path, live: Live
) -> None:
    """Nothing is acknowledged that went into a file that nobody will find."""
    file = tmp_path / "feedback.sqlite3"
    async with live(f"sqlite:///{file}") as service:
        await service.send(ACCEPTED)
        assert callable(change)
        change(file)
        refused = [await service.post({"feedback": [ACCEPTED]}) for _ in range(3)]
        ready = (await service.request("GET", "/health/ready")).json()

    assert [response.status_code for response in refused] == [503] * 3
    assert (ready["status"], ready["database"]) == ("degraded", "down")
    assert problem in ready["problems"]


async def test_a_file_that_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "feedback.sqlite3"
    url = f"sqlite:///{file}"
    async with started(url) as store:
        away = file.rename(tmp_path / "away")
        with pytest.raises(Unavailable):
            await store.save([item(1)])
        away.rename(file)
        await store.save([item(1), item(2)])
        assert await store.problem() is None

    assert len(await read(url, tables.feedback)) == 2


async def test_a_file_that_is_deleted_is_made_anew_at_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "feedback.sqlite3"
    url = f"sqlite:///{file}"
    async with started(url) as store:
        delete(file)
        assert await store.problem()
    async with started(url) as store:
        await store.save([item()])

    assert len(await read(url, tables.feedback)) == 1


async def test_a_file_that_is_damaged(tmp_path: Path, live: Live) -> None:
    file = tmp_path / "feedback.sqlite3"
    async with started(f"sqlite:///{file}") as store:
        await store.save([item()])
    async with live(f"sqlite:///{file}") as service:
        with file.open("r+b") as content:
            content.write(b"\x00" * file.stat().st_size)
        ready = (await service.request("GET", "/health/ready")).json()

    assert (ready["status"], ready["database"]) == ("degraded", "down")
    assert "database: it failed with SQLITE_NOTADB: the file is damaged" in ready["problems"]
