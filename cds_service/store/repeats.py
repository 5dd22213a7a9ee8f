"""What the store keeps of answers to warnings: sealed marks of cards, and answers by their mark."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import Date, Table, delete, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.store.records import EarlierAnswer, IssuedCard, SealedMark
from cds_service.store.tables import repeat_answers, repeat_marks

if TYPE_CHECKING:
    from cds_service.store.database import Database

_TABLES = (repeat_marks, repeat_answers)


async def add_marks(
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


async def marks_of(
    database: Database, client: str, cards: Collection[str]
) -> dict[str, SealedMark]:
    """By card, of those that this client was sent."""
    m = repeat_marks.c
    asked = select(m.card, m.sealed, m.until, m.issued_on)
    async with database.engine.connect() as connection:
        rows = await connection.execute(asked.where(m.card.in_(cards), m.client == client))
        return {row.card: SealedMark(row.sealed, row.until, row.issued_on) for row in rows}


async def add_answers(database: Database, answers: Sequence[EarlierAnswer]) -> None:
    """Keep the last answer to each mark; what was said on an earlier day changes nothing."""
    statement = database.insert(repeat_answers)
    new, there = statement.excluded, repeat_answers.c
    columns = [column.name for column in repeat_answers.columns if not column.primary_key]
    statement = statement.on_conflict_do_update(
        index_elements=[there.mark],
        set_={name: new[name] for name in columns},
        where=new.answered_on >= there.answered_on,
    )
    async with database.commit() as connection:
        for one in sorted(answers, key=lambda one: one.mark):  # all workers in one order
            row = asdict(one)
            row["reason_system"], row["reason_code"] = row.pop("reason")
            await connection.execute(statement, row)


async def find(database: Database, marks: Collection[str], after: date) -> list[EarlierAnswer]:
    """The answers to these marks, to cards that were issued after a day."""
    a = repeat_answers.c
    asked = select(repeat_answers).where(a.mark.in_(marks), a.issued_on > literal(after, Date))
    async with database.engine.connect() as connection:
        return [
            EarlierAnswer(
                row.mark, row.until, row.issued_on, row.answered_on,
                (row.reason_system, row.reason_code),
            )
            for row in await connection.execute(asked)
        ]  # fmt: skip


async def forget(database: Database, today: date) -> None:
    """Delete what has had its time."""
    async with database.commit() as connection:
        for table in _TABLES:
            await connection.execute(delete(table).where(table.c.until < today))


async def forget_cards(connection: AsyncConnection, before: date) -> None:
    """Delete what is of cards that were issued before a day."""
    for table in _TABLES:
        await connection.execute(delete(table).where(table.c.issued_on < before))
