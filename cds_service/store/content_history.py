"""The history of the clinical content in force: rows are added, and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.store.records import ContentChange
from cds_service.store.tables import content


async def add(connection: AsyncConnection, changes: Sequence[ContentChange]) -> None:
    """Add the changes, but for one that the last row of its client says already: every worker
    tells of every change. Nobody else may write meanwhile."""
    number = await connection.scalar(select(func.max(content.c.number))) or 0
    for change in changes:
        of_client = select(content.c.version, content.c.approved).where(
            content.c.client == change.client
        )
        last = (
            await connection.execute(of_client.order_by(content.c.number.desc()).limit(1))
        ).first()
        if last is None or tuple(last) != (change.version, change.approved):
            number += 1
            await connection.execute(insert(content), {"number": number, **asdict(change)})


async def read(connection: AsyncConnection) -> list[ContentChange]:
    """All rows, oldest first."""
    rows = (await connection.execute(select(content).order_by(content.c.number))).mappings()
    return [
        ContentChange(**{one.name: row[one.name] for one in fields(ContentChange)}) for row in rows
    ]
