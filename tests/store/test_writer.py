"""The store on SQLite and PostgreSQL: schema, feedback, and a database that is down."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from cds_service.errors import Unavailable
from cds_service.store import tables
from cds_service.store.schema import MIGRATIONS, VERSION_TABLE
from cds_service.store.writer import Store
from tests.support.constants import NOW
from tests.support.stores import answer, card, item, opened, read, record, started, until, works

pytestmark = pytest.mark.anyio


# --- schema ---


async def test_the_migrations_make_the_tables_that_the_code_uses(database_url: str) -> None:
    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return list(compare_metadata(context, tables.metadata))

    async with opened(database_url) as database, database.engine.connect() as connection:
        assert await connection.run_sync(compare) == []


def test_the_code_names_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [tables.SCHEMA]
    assert sorted(one.revision for one in scripts.walk_revisions()) == list(tables.REVISIONS)


async def test_to_open_again_changes_nothing(database_url: str) -> None:
    async with started(database_url) as store:
        await store.save([item()])

    async with opened(database_url):
        pass

    assert len(await read(database_url, tables.feedback)) == 1


async def test_an_older_worker_works_with_a_newer_schema(database_url: str) -> None:
    async with opened(database_url) as database, database.engine.begin() as connection:
        await connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608

    async with started(database_url) as store:
        await store.save([item()])


async def test_a_commit_reaches_the_disk(database_url: str) -> None:
    async with opened(database_url) as database, database.engine.connect() as connection:

        async def setting(name: str) -> Any:
            ask = f"PRAGMA {name}" if database.is_sqlite else f"SHOW {name}"
            return (await connection.execute(text(ask))).scalar()

        if database.is_sqlite:
            assert [await setting("journal_mode"), await setting("synchronous")] == ["wal", 2]
        else:
            assert await setting("synchronous_commit") == "on"


async def test_no_column_could_hold_a_comment() -> None:
    kept = {column.name for table in tables.metadata.sorted_tables for column in table.columns}

    assert kept == {
        "card", "service", "hook", "client", "row", "text", "indicator", "tier", "rules",
        "suggestions", "knowledge", "issued_at", "key", "outcome", "reason_system", "reason_code",
        "comment_length", "outcome_at", "received_at", "notes", "day", "calls", "considered",
        "with_cards", "token", "until", "input", "system", "entries",
        "number", "at", "version", "site", "approved", "how", "by",
        "mode", "arm", "mark", "sealed", "issued_on", "answered_on", "variant", "part",
    }  # fmt: skip


# --- feedback ---


async def test_saved_means_committed(database_url: str) -> None:
    sent = item(
        suggestions=("s1",),
        outcome_at=NOW - timedelta(hours=5, microseconds=1),
        reason_code="declined",
        comment_length=12,
        notes=("no-timestamp",),
    )

    async with started(database_url) as store:
        await store.save([sent])
        row = (await read(database_url, tables.feedback))[0]

    assert row["suggestions"] == "not-ours"  # the card is not known
    assert row["notes"] == "no-timestamp"
    assert row["outcome_at"] == sent.outcome_at
    assert row["received_at"].tzinfo is UTC
    assert (row["reason_system"], row["reason_code"], row["comment_length"]) == (
        None, "declined", 12,
    )  # fmt: skip


async def test_the_same_item_is_stored_once_whoever_repeats_it(database_url: str) -> None:
    async with started(database_url) as one, started(database_url) as other:
        batches = [[item(n), item(n + 1), item(n)] for n in range(40)]
        for _ in range(3):
            await asyncio.gather(*(one.save(b) for b in batches), *(other.save(b) for b in batches))

    rows = await read(database_url, tables.feedback)
    assert sorted(row["key"] for row in rows) == [item(n).key for n in range(41)]


async def test_a_locked_database_is_waited_for(database_url: str) -> None:
    async with started(database_url) as store, opened(database_url) as database:
        writing = database.engine.execution_options(writing=True)
        async with writing.begin() as connection:
            if not database.is_sqlite:
                await connection.execute(text("LOCK TABLE feedback IN EXCLUSIVE MODE"))
            saving = asyncio.create_task(store.save([item()]))
            await asyncio.sleep(0.3)
            assert not saving.done()
        await saving

    assert len(await read(database_url, tables.feedback)) == 1


# --- a database that is down ---


async def test_the_service_starts_without_its_database(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.write_text("a file where a directory should be")

    async with started(f"sqlite:///{folder / 'feedback.sqlite3'}") as store:
        record(store, answer(card()))
        assert await store.problem()
        with pytest.raises(Unavailable):
            await store.save([item()])

        folder.unlink()
        await until(lambda: works(store))
        await store.save([item()])
        url = f"sqlite:///{folder / 'feedback.sqlite3'}"

    assert len(await read(url, tables.feedback)) == 1
    assert len(await read(url, tables.issued)) == 1


async def test_a_store_that_was_not_started_refuses_feedback_and_takes_cards() -> None:
    store = Store("sqlite:////nowhere/x")
    record(store, answer(card()))

    with pytest.raises(Unavailable):
        await store.save([item()])
    assert store.waiting == 1


async def test_without_a_database_nothing_is_kept() -> None:
    store = Store(None)
    await store.start()
    record(store, answer(card()))
    await store.stop()

    assert (store.waiting, store.dropped, store.is_kept) == (0, 0, False)
