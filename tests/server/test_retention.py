"""What is older than CDS_RETENTION_DAYS is deleted while the service runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cds_service.store import tables
from tests.support.constants import NOW
from tests.support.live import Live
from tests.support.stores import answer, card, item, opened, read, record, started, until

pytestmark = pytest.mark.anyio

AGES = (1000, 402, 401, 400, 399, 0)  # days; 400 are kept


async def filled(url: str) -> None:
    async with started(url) as store:
        for number, days in enumerate(AGES):
            at = NOW - timedelta(days=days)
            one = card()
            record(store, answer(one), at)
            await store.save(
                [
                    item(2 * number, card=one.uuid, received_at=NOW),  # goes with its card
                    item(2 * number + 1, received_at=at),
                ]
            )


async def ages(url: str) -> list[int]:
    rows = await read(url, tables.issued)
    return sorted(((NOW - row["issued_at"]).days for row in rows), reverse=True)


async def test_the_running_service_deletes_what_is_old(
    live: Live, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await filled(database_url)
    async with opened(database_url) as database:
        assert await database.oldest() == datetime(
            *(NOW - timedelta(days=1000)).timetuple()[:3], tzinfo=UTC
        )

    logged = ""

    async def is_done() -> bool:
        nonlocal logged
        logged += capsys.readouterr().err
        return '"event":"records deleted"' in logged

    async with live(database_url):
        await until(is_done)

    assert await ages(database_url) == [400, 399, 0]
    assert len(await read(database_url, tables.feedback)) == 6
    days = {row["day"] for row in await read(database_url, tables.calls)}
    assert min(days) == (NOW - timedelta(days=400)).date()
    assert '"cards":3,"event":"records deleted","feedback":6' in logged


async def test_how_long_is_a_setting(live: Live, database_url: str) -> None:
    await filled(database_url)

    async def is_done() -> bool:
        return await ages(database_url) == [0]

    async with live(database_url, retention_days=1):
        await until(is_done)
