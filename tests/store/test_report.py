"""Figures and retention on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from cds_service.store import report, tables
from tests.support.constants import NOW
from tests.support.stores import answer, card, item, opened, read, record, started

pytestmark = pytest.mark.anyio


async def test_feedback_is_linked_whichever_comes_first(database_url: str) -> None:
    early, late = card(), card(rules=("dish",))
    async with started(database_url) as store:
        await store.save([item(1, card=early.uuid, outcome="overridden", reason_code="declined")])
        record(store, answer(early, late))
    async with started(database_url) as store:
        await store.save([item(2, card=late.uuid), item(3)])

    async with opened(database_url) as database:
        found = await report.read(database)

    assert found.total == report.OutcomeTally(issued=2, accepted=1, overridden=1)
    assert found.by["rule"] == {
        "previous-ho": report.OutcomeTally(1, 0, 1),
        "dish": report.OutcomeTally(1, 1, 0),
    }
    assert found.reasons == {(None, "declined"): 1}
    assert found.unmatched == {"accepted": 1}


async def test_a_card_counts_once_however_often_it_is_reported(database_url: str) -> None:
    taken, left, closed = card(), card(), card()
    later = NOW + timedelta(minutes=5)
    async with started(database_url) as store:
        record(store, answer(taken, left, closed, card()))
        await store.save(
            [
                item(1, card=taken.uuid),
                item(2, card=taken.uuid, outcome="overridden", outcome_at=later),
                item(3, card=left.uuid, outcome="overridden", reason_code="first"),
                item(4, card=left.uuid, outcome="overridden", reason_code="x", outcome_at=later),
                item(5, card=left.uuid, outcome="ignored", outcome_at=later + timedelta(minutes=1)),
                item(6, card=closed.uuid, outcome="dismissed"),
            ]
        )

    async with opened(database_url) as database:
        found = await report.read(database)
    assert found.total == report.OutcomeTally(issued=4, accepted=1, overridden=1, ignored=1)
    assert found.total.unanswered == 1
    assert found.reasons == {(None, "x"): 1}


async def test_figures_since_a_day(database_url: str) -> None:
    async with started(database_url) as store:
        record(store, answer(card()), at=datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC))
        record(store, answer(card()), at=datetime(2026, 11, 22, tzinfo=UTC))

    async with opened(database_url) as database:
        found = await report.read(database, date(2026, 11, 22))
        assert (found.total.issued, found.calls) == (1, 1)
        assert (await report.read(database, date(2026, 11, 23))).calls == 0


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
