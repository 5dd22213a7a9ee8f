"""Finds out how a warning was answered before, by marks that only who has the key can make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import Date, Table, and_, delete, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.store.records import EarlierAnswer, IssuedCard
from cds_service.store.tables import feedback, repeat_marks

if TYPE_CHECKING:
    from cds_service.store.database import Database

_DECIDED = ("accepted", "overridden")
_MOST = 200  # events on one finding that are looked at, the newest


async def add(
    connection: AsyncConnection, cards: Iterable[IssuedCard], insert: Callable[[Table], Any]
) -> None:
    """Keep the marks of cards that have one."""
    rows = [
        {"card": card.card, "client": card.origin.client, **asdict(card.mark)}
        for card in cards
        if card.mark is not None
    ]
    if rows:
        await connection.execute(insert(repeat_marks).on_conflict_do_nothing(), rows)


async def find(
    database: Database, client: str, marks: Collection[str], after: date
) -> list[EarlierAnswer]:
    """What this client reported on warnings with these marks that were issued after a day, the
    newest report last."""
    m, f = repeat_marks.c, feedback.c
    columns = (m.mark, m.issued_on, f.outcome, f.reason_system, f.reason_code)
    asked = (
        select(*columns, f.outcome_at, f.received_at)
        .join(feedback, and_(f.card == m.card, f.client == m.client))
        .where(m.mark.in_(marks), m.client == client, m.issued_on > literal(after, Date))
        .where(f.outcome.in_(_DECIDED))
        .order_by(f.received_at.desc())
        .limit(_MOST)
    )
    async with database.engine.connect() as connection:
        rows = (await connection.execute(asked)).mappings().all()
    found = [
        EarlierAnswer(
            mark=row["mark"],
            issued_on=row["issued_on"],
            # A client's clock may be ahead: nobody answers later than is heard of it.
            at=min(row["outcome_at"], row["received_at"]),
            overridden=row["outcome"] == "overridden",
            reason=(row["reason_system"], row["reason_code"]),
        )
        for row in reversed(rows)
    ]
    return sorted(found, key=lambda one: one.at)


async def forget(connection: AsyncConnection, today: date) -> None:
    """Delete the marks whose time is over."""
    await connection.execute(delete(repeat_marks).where(repeat_marks.c.until < today))


async def forget_cards(connection: AsyncConnection, before: date) -> None:
    """Delete the marks of cards that were issued before a day."""
    await connection.execute(delete(repeat_marks).where(repeat_marks.c.issued_on < before))
