"""Stores for tests, and what to put into them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from cds_service.cards import trace
from cds_service.cards.issued import call_of, issued_cards
from cds_service.cdshooks.feedback import FeedbackItem
from cds_service.cdshooks.models import Card, CDSResponse, Source, to_json
from cds_service.store.database import Database
from cds_service.store.records import Origin
from cds_service.store.writer import Store
from tests.support.constants import NOW

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


def answer(*cards: Card, **told: Any) -> CDSResponse:
    return CDSResponse(cards=cards, extension={trace.NAME: {"knowledge": "2026.11", **told}})


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
    told = to_json(response)
    store.record_issued(issued_cards(told, ORIGIN, at), *call_of(told, ORIGIN, at, "2026.11"))


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


async def works(store: Store) -> bool:
    """Whether nothing is wrong with the database."""
    return await store.problem() is None


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Wait for a condition; ask again as soon as other tasks had their turn."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)
