"""Issued cards and counts of calls: written off the path of a call, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from cds_service.cdshooks.models import CDSResponse
from cds_service.store import tables
from cds_service.store.outbox import Outbox
from cds_service.store.records import CallCount, CallKey, IssuedCard
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
