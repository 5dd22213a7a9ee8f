"""Proves that a database takes what the store writes: every table, to the disk, and out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Date, Delete, Insert, Integer, Table, delete

from cds_service.store.tables import (
    UtcDateTime,
    calls,
    feedback,
    issued,
    repeat_answers,
    repeat_marks,
    silent_calls,
    tokens,
    unread,
)

_PLAIN = (issued, feedback, tokens, repeat_marks, repeat_answers)
_SUMS = (calls, unread, silent_calls)


def statements(
    insert: Callable[[Table], Any], add_up: Callable[[Table], Insert]
) -> Iterator[tuple[Insert | Delete, dict[str, Any]]]:
    """Statements with their values, for one transaction: the INSERTs of the store for a row of each
    table, and the DELETEs of those rows. Nobody else ever sees them.

    `insert` begins an INSERT for a table, `add_up` is the one that adds to a row that is there.
    """
    mark = f"ready-{uuid4().hex}"  # another one each time: nobody waits for the row of another
    made = [(table, insert(table).on_conflict_do_nothing()) for table in _PLAIN]
    made += [(table, add_up(table)) for table in _SUMS]
    for table, statement in made:
        yield statement, _row(table, mark)
    for table, _ in made:
        key = next(column for column in table.primary_key if not isinstance(column.type, Date))
        yield delete(table).where(key == mark), {}


def _row(table: Table, mark: str) -> dict[str, Any]:
    values: dict[type[object], object] = {
        Integer: 0,
        Date: date(1970, 1, 1),
        UtcDateTime: datetime(1970, 1, 1, tzinfo=UTC),
    }
    return {column.name: values.get(type(column.type), mark) for column in table.columns}
