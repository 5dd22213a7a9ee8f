"""Deletes what is older than CDS_RETENTION_DAYS, and marks of repeats when their time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, time, timedelta

from cds_service.errors import Unavailable
from cds_service.ops import log
from cds_service.store.writer import Store

_EVERY_SECONDS = 3600.0
_AGAIN_SECONDS = 60.0  # where the database did not answer
_END_SECONDS = 2.0  # for what is under way when the service ends
_DAY = timedelta(days=1)


@asynccontextmanager
async def in_force(store: Store, days: int, clock: Callable[[], datetime]) -> AsyncIterator[None]:
    """Delete at once and then each hour what is older than so many days (UTC). All workers do so:
    what one has deleted another does not find."""
    if not store.is_kept:
        yield
        return
    ending = asyncio.Event()
    task = asyncio.create_task(_until(ending, store, days, clock))
    try:
        yield
    finally:
        ending.set()  # what is under way ends by itself: cut short, it leaves a connection open
        with suppress(TimeoutError):
            await asyncio.wait_for(task, _END_SECONDS)


async def _until(
    ending: asyncio.Event, store: Store, days: int, clock: Callable[[], datetime]
) -> None:
    while not ending.is_set():
        today, pause = clock().astimezone(UTC).date(), _EVERY_SECONDS
        first_day = today - timedelta(days=days)
        try:
            await delete_before(store, datetime.combine(first_day, time(), UTC))
            await store.forget_repeats(today)
        except Unavailable:  # the store tells of it
            pause = _AGAIN_SECONDS
        with suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), pause)


async def delete_before(store: Store, before: datetime) -> None:
    """Delete what is older than a midnight (UTC), the oldest first and a day of it at a time: a
    writer of feedback waits no longer than for that. Raises Unavailable."""
    cards = items = 0
    while (oldest := await store.read(lambda database: database.oldest())) and oldest < before:
        found = await store.purge(min(before, oldest + _DAY))
        cards, items = cards + found[0], items + found[1]
    if cards or items:
        log.audit("records deleted", older_than=before.date(), cards=cards, feedback=items)
