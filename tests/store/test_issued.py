"""Issued cards and counts of calls: written off the path of a call, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cds_service.cdshooks.models import CDSResponse
from cds_service.store import report, tables
from cds_service.store.outbox import Outbox
from cds_service.store.records import FURTHER, MOST_SYSTEMS, CallCount, CallKey, IssuedCard
from cds_service.store.writer import Store
from tests.support.constants import NOW
from tests.support.stores import (
    ORIGIN,
    answer,
    card,
    item,
    opened,
    read,
    record,
    started,
    until,
)

pytestmark = pytest.mark.anyio


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
            "mode": "live",
            "arm": "live",
            "variant": "",
            "part": 0,
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


def _unread(system: str = "http://hospital.example/lab", count: int = 3) -> dict[str, Any]:
    return {"observations": [{"system": system, "count": count}]}


async def test_systems_that_are_not_read_are_counted_by_client_and_day(database_url: str) -> None:
    """Of several calls, workers and starts; a call that is only not understood is not looked at."""
    async with started(database_url) as store:
        record(store, answer(card(), notUnderstood=_unread()))
        record(store, answer(notUnderstood=_unread(count=2)))
        record(store, answer(notUnderstood={"orders": [{"why": "no code", "count": 1}]}))
    async with started(database_url) as store:
        record(store, answer(notUnderstood=_unread(count=5)))

    rows = [tuple(row.values()) for row in await read(database_url, tables.unread)]
    day, client = date(2026, 11, 23), ORIGIN.client
    assert sorted(rows) == [
        (day, client, "observations", "http://hospital.example/lab", 10, 3),
        (day, client, "orders", "no code", 1, 1),
    ]
    [counted] = await read(database_url, tables.calls)
    assert (counted["calls"], counted["considered"], counted["with_cards"]) == (4, 1, 1)
    async with opened(database_url) as database:
        figures = await report.read(database)
        assert [one.entries for one in figures.unread] == [10, 1]
        await database.purge(NOW + timedelta(days=2))
        assert (await report.read(database)).unread == []


async def test_invented_systems_do_not_fill_the_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'feedback.sqlite3'}"
    store = Store(url)
    for number in range(MOST_SYSTEMS + 50):
        record(store, answer(notUnderstood=_unread(f"http://h.example/{number}", 1)))
    await store.start()
    await store.stop()

    async with started(url) as store:  # in a later batch, too
        record(store, answer(notUnderstood=_unread("http://h.example/new", 7)))
        record(store, answer(notUnderstood=_unread("http://h.example/0", 1)))

    rows = {row["system"]: row["entries"] for row in await read(url, tables.unread)}
    assert len(rows) == MOST_SYSTEMS + 1
    assert (rows[FURTHER], rows["http://h.example/0"], rows["http://h.example/1"]) == (57, 2, 1)


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
            return await store.problem() is not None

        await until(noticed)
        await store.save([item()])  # feedback has a table to go to
        async with database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE away RENAME TO issued_cards"))

    assert len(await read(url, tables.issued)) == 1
    assert store.dropped == 0
