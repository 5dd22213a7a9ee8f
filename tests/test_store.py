"""The store on SQLite and PostgreSQL: committed when it returns, each item once, no call waits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, text

from cds_service import figures, tables, trace
from cds_service.database import MIGRATIONS, Database
from cds_service.errors import Unavailable
from cds_service.outbox import Outbox
from cds_service.rows import CallCount, CallKey, FeedbackItem, IssuedCard, Origin
from cds_service.store import Store
from cds_service.wire import Card, CDSResponse, Source
from tests.databases import Postgres

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
ORIGIN = Origin("ho-order-sign", "order-sign", "general-hospital")


def card(name: str = "high-risk", rules: tuple[str, ...] = ("previous-ho",)) -> Card:
    told = {
        "card": name,
        "row": "7",
        "tier": "high",
        "findings": [{"rule": rule} for rule in rules],
        "knowledge": "2026.11",
    }
    return Card(
        summary="HO risk is high",
        indicator="warning",
        source=Source(label="x"),
        extension={trace.NAME: told},
    )


def answer(*cards: Card) -> CDSResponse:
    return CDSResponse(cards=cards, extension={trace.NAME: {"knowledge": "2026.11"}})


def item(number: int = 1, **changes: Any) -> FeedbackItem:
    plain = FeedbackItem(
        key=f"{number:064x}",
        card=f"{number:08x}-0000-4000-8000-000000000000",
        outcome="accepted",
        service=ORIGIN.service,
        client=ORIGIN.client,
        outcome_at=NOW,
        received_at=NOW,
    )
    return replace(plain, **changes)


def record(store: Store, response: CDSResponse, at: datetime = NOW) -> None:
    store.record_issued(response, ORIGIN, at, "2026.11")


@asynccontextmanager
async def started(url: str, capacity: int = 10_000) -> AsyncIterator[Store]:
    store = Store(url, capacity)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        await database.open()
        yield database
    finally:
        await database.close()


async def read(url: str, table: Any) -> list[dict[str, Any]]:
    async with opened(url) as database, database.engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(select(table))).mappings()]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Wait for a condition; ask again as soon as other tasks had their turn."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


# --- schema ---


async def test_the_migrations_make_the_tables_that_the_code_uses(database_url: str) -> None:
    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection)
        return list(compare_metadata(context, tables.metadata))

    async with opened(database_url) as database, database.engine.connect() as connection:
        assert await connection.run_sync(compare) == []


def test_the_code_names_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_heads() == [tables.SCHEMA]


async def test_to_open_again_changes_nothing(database_url: str) -> None:
    async with started(database_url) as store:
        await store.save([item()])

    async with opened(database_url):
        pass

    assert len(await read(database_url, tables.feedback)) == 1


async def test_an_older_worker_works_with_a_newer_schema(database_url: str) -> None:
    async with opened(database_url) as database, database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    async with started(database_url) as store:
        await store.save([item()])


async def test_workers_that_start_at_once_make_one_schema(database_url: str) -> None:
    program = (
        "import asyncio, sys; from cds_service.database import Database; import alembic.command\n"
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
        revisions = await connection.execute(text("SELECT version_num FROM alembic_version"))
        assert list(revisions.scalars()) == [tables.SCHEMA]


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
        "with_cards", "token", "until",
    }  # fmt: skip


# --- feedback ---


async def test_saved_means_committed(database_url: str) -> None:
    sent = item(
        suggestions=("s1", "s2"),
        outcome_at=NOW - timedelta(hours=5, microseconds=1),
        reason_code="declined",
        comment_length=12,
        notes=("no-timestamp",),
    )

    async with started(database_url) as store:
        await store.save([sent])
        row = (await read(database_url, tables.feedback))[0]

    assert row["suggestions"] == "s1 s2"
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
        assert not await store.is_reachable()
        with pytest.raises(Unavailable):
            await store.save([item()])

        folder.unlink()
        await until(store.is_reachable)
        await store.save([item()])
        url = f"sqlite:///{folder / 'feedback.sqlite3'}"

    assert len(await read(url, tables.feedback)) == 1
    assert len(await read(url, tables.issued)) == 1


async def test_postgres_that_comes_up_later(postgres: Postgres) -> None:
    name = postgres.new_name()

    async with started(postgres.url(name)) as store:
        assert not await store.is_reachable()
        with pytest.raises(Unavailable):
            await store.save([item()])

        await asyncio.to_thread(postgres.execute, f"CREATE DATABASE {name}")
        await until(store.is_reachable)
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


# --- issued cards ---


async def test_an_issued_card_without_anything_of_the_patient(database_url: str) -> None:
    issued = card(rules=("previous-ho", "dish", "dish"))
    async with started(database_url) as store:
        record(store, answer(issued))

    assert await read(database_url, tables.issued) == [
        {
            "card": issued.uuid,
            "service": "ho-order-sign",
            "hook": "order-sign",
            "client": "general-hospital",
            "row": "7",
            "text": "high-risk",
            "indicator": "warning",
            "tier": "high",
            "rules": "dish previous-ho",
            "suggestions": "",
            "knowledge": "2026.11",
            "issued_at": NOW,
        }
    ]


async def test_cards_are_written_while_the_service_runs(database_url: str) -> None:
    async with started(database_url) as store:
        record(store, answer(card()))

        async def written() -> bool:
            return len(await read(database_url, tables.issued)) == 1

        await until(written)
        assert store.waiting == 0


async def test_the_end_writes_all_that_waits(database_url: str) -> None:
    async with started(database_url) as store:
        for _ in range(1_203):
            record(store, answer(card()))

    assert len(await read(database_url, tables.issued)) == 1_203
    assert store.dropped == 0


async def test_calls_are_counted_by_day(database_url: str) -> None:
    async with started(database_url) as store:
        record(store, answer(card(), card()))
        record(store, answer())
        record(store, CDSResponse())
    async with started(database_url) as store:
        record(store, answer())
        record(store, answer(), at=NOW + timedelta(hours=1))

    rows = await read(database_url, tables.calls)
    counts = {row["day"]: (row["calls"], row["considered"], row["with_cards"]) for row in rows}
    assert counts == {date(2026, 11, 23): (4, 3, 1), date(2026, 11, 24): (1, 1, 0)}


async def test_a_full_outbox_drops_the_oldest_and_counts() -> None:
    store = Store("sqlite:////nowhere/x", capacity=10)
    for _ in range(13):
        record(store, answer(card()))

    assert (store.waiting, store.dropped) == (10, 3)


def test_an_outbox_keeps_the_newest_when_it_takes_a_batch_back() -> None:
    drops: list[int] = []
    outbox = Outbox(3, drops.append)
    key = CallKey(NOW.date(), ORIGIN, "k")
    cards = [
        IssuedCard(str(n), ORIGIN, "7", "t", "info", "none", (), (), "k", NOW) for n in range(4)
    ]
    outbox.add(cards[:2], key, CallCount(1, 1, 1))
    batch = outbox.take(500)
    outbox.add(cards[2:], key, CallCount(1))
    outbox.give_back(batch)

    taken = outbox.take(500)
    assert [kept.card for kept in taken.cards] == ["1", "2", "3"]
    assert taken.calls == {key: CallCount(2, 1, 1)}
    assert (outbox.dropped, drops) == (1, [1])


async def test_cards_survive_an_outage(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'feedback.sqlite3'}"
    async with started(url) as store, opened(url) as database:
        async with database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE issued_cards RENAME TO away"))
        record(store, answer(card()))

        async def noticed() -> bool:
            return store._working is False

        await until(noticed)
        await store.save([item()])  # feedback has a table to go to
        async with database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE away RENAME TO issued_cards"))

    assert len(await read(url, tables.issued)) == 1
    assert store.dropped == 0


# --- figures ---


async def test_feedback_is_linked_whichever_comes_first(database_url: str) -> None:
    early, late = card(), card(rules=("dish",))
    async with started(database_url) as store:
        await store.save([item(1, card=early.uuid, outcome="overridden", reason_code="declined")])
        record(store, answer(early, late))
    async with started(database_url) as store:
        await store.save([item(2, card=late.uuid), item(3)])

    async with opened(database_url) as database:
        found = await figures.read(database)

    assert found.total == figures.Tally(issued=2, accepted=1, overridden=1)
    assert found.by["rule"] == {
        "previous-ho": figures.Tally(1, 0, 1),
        "dish": figures.Tally(1, 1, 0),
    }
    assert found.reasons == {(None, "declined"): 1}
    assert found.unmatched == {"accepted": 1}


async def test_a_card_counts_once_however_often_it_is_reported(database_url: str) -> None:
    taken, left = card(), card()
    later = NOW + timedelta(minutes=5)
    async with started(database_url) as store:
        record(store, answer(taken, left, card()))
        await store.save(
            [
                item(1, card=taken.uuid),
                item(2, card=taken.uuid, outcome="overridden", outcome_at=later),
                item(3, card=left.uuid, outcome="overridden", reason_code="first"),
                item(4, card=left.uuid, outcome="overridden", reason_code="x", outcome_at=later),
            ]
        )

    async with opened(database_url) as database:
        found = await figures.read(database)
    assert found.total == figures.Tally(issued=3, accepted=1, overridden=1)
    assert found.total.unanswered == 1
    assert found.reasons == {(None, "x"): 1}


async def test_figures_since_a_day(database_url: str) -> None:
    async with started(database_url) as store:
        record(store, answer(card()), at=datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC))
        record(store, answer(card()), at=datetime(2026, 11, 22, tzinfo=UTC))

    async with opened(database_url) as database:
        found = await figures.read(database, date(2026, 11, 22))
        assert (found.total.issued, found.calls) == (1, 1)
        assert (await figures.read(database, date(2026, 11, 23))).calls == 0


async def test_purge(database_url: str) -> None:
    old, new = card(), card()
    start = datetime(2026, 11, 1, tzinfo=UTC)
    async with started(database_url) as store:
        record(store, answer(old), at=start - timedelta(seconds=1))
        record(store, answer(new), at=start)
        await store.save(
            [
                item(1, card=old.uuid, received_at=start + timedelta(days=1)),
                item(2, card=new.uuid, received_at=start),
                item(3, received_at=start - timedelta(days=1)),
            ]
        )

    async with opened(database_url) as database:
        assert await database.purge(start) == (1, 2)
    assert [row["card"] for row in await read(database_url, tables.issued)] == [new.uuid]
    assert [row["card"] for row in await read(database_url, tables.feedback)] == [new.uuid]
    assert [row["day"] for row in await read(database_url, tables.calls)] == [start.date()]
