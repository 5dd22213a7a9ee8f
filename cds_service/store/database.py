"""The database behind the store: SQLite in one file or PostgreSQL, its schema, and every write.

A method returns after COMMIT. SQLite runs in WAL with synchronous FULL and PostgreSQL with
synchronous_commit on, so that what was committed survives the end of the process and of the
machine (https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, cast

from sqlalchemy import (
    Connection,
    Insert,
    Integer,
    Select,
    Table,
    delete,
    event,
    func,
    make_url,
    or_,
    select,
    text,
)
from sqlalchemy.engine import URL, CursorResult
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from cds_service.cdshooks.feedback import FeedbackItem
from cds_service.errors import StoreError
from cds_service.store import content_history, files, proof, repeats, schema
from cds_service.store.attribution import with_own_suggestions
from cds_service.store.files import Files
from cds_service.store.outbox import Batch
from cds_service.store.records import (
    FURTHER,
    MOST_SYSTEMS,
    CallCount,
    CallKey,
    ContentChange,
    IssuedCard,
    add_pair,
)
from cds_service.store.tables import calls, feedback, issued, silent_calls, tokens, unread

_LOCK = 0x484F5F43_4453  # any number that no other user of the database takes
_COUNTED = ("calls", "considered", "with_cards")
_UNREAD = ("entries", "calls")
_BUSY_SECONDS = 5
_FORGET_PAGES = "PRAGMA shrink_memory"
_BESIDE = "files beside the database when it was opened"
_POSTGRES: dict[str, Any] = {
    "timeout": 3,
    "command_timeout": 10,
    "server_settings": {"application_name": "cds-service", "synchronous_commit": "on"},
}


class Database:
    """One database, reached by an SQLAlchemy URL with aiosqlite or asyncpg.

    Methods raise what SQLAlchemy, the driver or the operating system raises when the database
    cannot be used.
    """

    def __init__(self, url: str) -> None:
        self._url = _driver_url(url)
        self.engine = _engine(self._url)
        self._writing = self.engine.execution_options(writing=True)
        self.insert = _insert_of(self.is_sqlite)
        self._files = Files(self.file)
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", self._prepare_sqlite)

    @property
    def is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        return Path(self._url.database) if self.is_sqlite and self._url.database else None

    async def open(self) -> None:
        """Bring the schema up to date. Several processes may do so at the same time."""
        if self.file is not None:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with self.engine.connect() as connection:
            current = await connection.run_sync(schema.is_current)
        if not current:  # newer is current: other workers have been updated before this one
            await self._upgrade()
        self._files.remember()

    async def _upgrade(self) -> None:
        async with self._writing.begin() as connection:
            if not self.is_sqlite:  # SQLite's BEGIN IMMEDIATE locks already
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await connection.run_sync(schema.upgrade)

    async def close(self) -> None:
        await self.engine.dispose()

    async def prove_reading(self) -> None:
        """Read from every table, from the file and not from memory.

        Raises StoreError when the tables or the file are not as this program left them.
        """
        self._files.check()
        async with self.engine.connect() as connection:
            if self.is_sqlite:
                await connection.execute(text(_FORGET_PAGES))
            await connection.run_sync(schema.touch)

    async def prove_writing(self) -> None:
        """Write to every table, and leave nothing there."""
        async with self.commit() as connection:
            for statement, values in proof.statements(self.insert, self._sum_up):
                await connection.execute(statement, values)

    async def add_feedback(self, items: Sequence[FeedbackItem]) -> None:
        """Store the items; one whose key is there already is left as it is."""
        # All workers insert in one order, so that no two wait for each other.
        ordered = sorted(items, key=lambda item: item.key)
        if ordered:
            async with self.commit() as connection:
                rows = map(_feedback_row, await with_own_suggestions(connection, ordered))
                insert = self.insert(feedback).on_conflict_do_nothing()
                await connection.execute(insert, list(rows))
            if self.file is not None:
                await asyncio.to_thread(files.find_again, self.file, [i.key for i in ordered])

    async def add_issued(self, batch: Batch) -> None:
        """Store issued cards and add up calls, in one transaction."""
        async with self.commit() as connection:
            if batch.cards:
                rows = [_issued_row(card) for card in batch.cards]
                await connection.execute(self.insert(issued).on_conflict_do_nothing(), rows)
                await repeats.add_marks(connection, batch.cards, self.insert)
            if batch.calls:
                for table, counts in _call_rows(batch):
                    await connection.execute(self._sum_up(table), counts)
            if found := _unread_counts(batch):
                there = (await connection.execute(_listed(found))).all()
                rows = _unread_rows(found, {tuple(row) for row in there})
                await connection.execute(self._sum_up(unread), rows)

    async def add_content(self, changes: Sequence[ContentChange]) -> None:
        """Add what is new to the history of the content in force."""
        async with self.commit() as connection:
            if not self.is_sqlite:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await content_history.add(connection, changes)

    async def content_history(self) -> list[ContentChange]:
        """All of it, oldest first."""
        async with self.engine.connect() as connection:
            return await content_history.read(connection)

    async def use_tokens(self, asked: Mapping[str, datetime]) -> set[str]:
        """Keep tokens until their time; those that are used for the first time, of all workers and
        machines together."""
        # All workers insert in one order, so that no two wait for each other.
        rows = [{"token": token, "until": asked[token]} for token in sorted(asked)]
        statement = self.insert(tokens).on_conflict_do_nothing().returning(tokens.c.token)
        async with self.commit() as connection:
            return set((await connection.execute(statement, rows)).scalars())

    async def give_back_token(self, token: str) -> None:
        """Delete a token."""
        async with self.commit() as connection:
            await connection.execute(delete(tokens).where(tokens.c.token == token))

    async def has_token(self, token: str) -> bool:
        """Whether a token was used."""
        async with self.engine.connect() as connection:
            found = await connection.execute(select(tokens.c.token).where(tokens.c.token == token))
            return found.first() is not None

    async def forget_tokens(self, before: datetime) -> None:
        """Delete tokens that are refused for their age anyway."""
        async with self.commit() as connection:
            await connection.execute(delete(tokens).where(tokens.c.until < before))

    async def purge(self, before: datetime) -> tuple[int, int]:
        """Delete cards issued before a point in time, feedback on them or received before it, and
        the counts of the days before it. Returns how many cards and items of feedback."""
        old = select(issued.c.card).where(issued.c.issued_at < before)
        spent = or_(feedback.c.received_at < before, feedback.c.card.in_(old))
        async with self.commit() as connection:
            items = await connection.execute(delete(feedback).where(spent))
            cards = await connection.execute(delete(issued).where(issued.c.issued_at < before))
            await repeats.forget_cards(connection, before.date())
            for by_day in (calls, silent_calls, unread):
                await connection.execute(delete(by_day).where(by_day.c.day < before.date()))
        return cast("CursorResult[Any]", cards).rowcount, cast("CursorResult[Any]", items).rowcount

    async def oldest(self) -> datetime | None:
        """When the oldest card, item of feedback or count is from; None where nothing is kept."""
        days = (calls.c.day, silent_calls.c.day, unread.c.day)
        moments = (issued.c.issued_at, feedback.c.received_at, *days)
        found: list[datetime] = []
        async with self.engine.connect() as connection:
            for column in moments:
                first = await connection.scalar(select(func.min(column)))
                if isinstance(first, datetime):
                    found.append(first)
                elif first is not None:
                    found.append(datetime.combine(first, time(), UTC))
        return min(found, default=None)

    @asynccontextmanager
    async def commit(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes. Raises StoreError after COMMIT when it went to files that
        nobody will find."""
        async with self._writing.begin() as connection:
            beside = (await connection.get_raw_connection()).info.get(_BESIDE)
            yield connection
        self._files.check(beside)

    def _prepare_sqlite(self, connection: Any, record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # sqlite3 begins no transactions; _begin_sqlite does
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("SELECT count(*) FROM sqlite_master")  # now the files beside it are open
        cursor.fetchall()
        cursor.close()
        record.info[_BESIDE] = self._files.beside()

    def _sum_up(self, table: Table) -> Insert:
        """The INSERT that adds to the numbers of a row that is there."""
        statement = self.insert(table)
        names = [column.name for column in table.columns if isinstance(column.type, Integer)]
        sums = {name: table.c[name] + statement.excluded[name] for name in names}
        return cast(
            Insert,
            statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=sums),
        )


def failures() -> tuple[type[Exception], ...]:
    """What is raised when a database cannot be used; asyncpg has its own errors at connecting."""
    import asyncpg  # not in every process: SQLite needs none of it

    return StoreError, SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError


def _insert_of(is_sqlite: bool) -> Any:
    """The dialect's INSERT, which can say ON CONFLICT. The other dialect would cost 4 MB."""
    if is_sqlite:
        from sqlalchemy.dialects import sqlite

        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


# --- connecting ---


def _driver_url(url: str) -> URL:
    """The URL with the driver that is used here; `sslmode`, as libpq spells it, becomes `ssl`."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return parsed.set(drivername="sqlite+aiosqlite")
    parsed = parsed.set(drivername="postgresql+asyncpg")
    if "sslmode" in parsed.query:
        mode = parsed.query["sslmode"]
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return parsed


def _engine(url: URL) -> AsyncEngine:
    pool = {"pool_size": 2, "max_overflow": 2, "pool_timeout": 3, "hide_parameters": True}
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(url, connect_args={"timeout": _BUSY_SECONDS}, **pool)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    return create_async_engine(url, connect_args=_POSTGRES, pool_pre_ping=True, **pool)


def _begin_sqlite(connection: Connection) -> None:
    """Writers lock at once: a lock taken in mid-transaction cannot be waited for. What they build
    on is read from the file, so that nothing is put into a damaged one from memory."""
    writing = connection.get_execution_options().get("writing")
    if writing:
        connection.exec_driver_sql(_FORGET_PAGES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


# --- rows ---


def _feedback_row(item: FeedbackItem) -> dict[str, Any]:
    return {
        "key": item.key,
        "card": item.card,
        "outcome": item.outcome,
        "service": item.service,
        "client": item.client,
        "suggestions": " ".join(item.suggestions),
        "reason_system": item.reason_system,
        "reason_code": item.reason_code,
        "comment_length": item.comment_length,
        "outcome_at": item.outcome_at,
        "received_at": item.received_at,
        "notes": " ".join(item.notes),
        "mode": item.mode,
    }


def _issued_row(card: IssuedCard) -> dict[str, Any]:
    return {
        "card": card.card,
        "service": card.origin.service,
        "hook": card.origin.hook,
        "client": card.origin.client,
        "row": card.row,
        "text": card.text,
        "indicator": card.indicator,
        "tier": card.tier,
        "rules": " ".join(card.rules),
        "suggestions": " ".join(card.suggestions),
        "knowledge": card.knowledge,
        "issued_at": card.issued_at,
        "mode": card.mode,
        "arm": card.arm,
        "variant": card.variant,
        "part": card.part,
    }


_UnreadKey = tuple[date, str, str, str]


def _unread_counts(batch: Batch) -> dict[_UnreadKey, tuple[int, int]]:
    """Entries and calls by day, client, input and system: several versions of the knowledge,
    services and hooks are one row, which an INSERT may name once only."""
    found: dict[_UnreadKey, tuple[int, int]] = {}
    for key, count in batch.calls.items():
        for (name, system), added in count.unread.items():
            add_pair(found, (key.day, key.origin.client, name, system), added)
    return found


def _listed(counts: Iterable[_UnreadKey]) -> Select[Any]:
    """The keys of the same days and clients that are in the table."""
    days, clients = ({key[0] for key in counts}, {key[1] for key in counts})
    columns = (unread.c.day, unread.c.client, unread.c.input, unread.c.system)
    return select(*columns).where(unread.c.day.in_(days), unread.c.client.in_(clients))


def _unread_rows(
    counts: Mapping[_UnreadKey, tuple[int, int]], there: set[tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """The rows to add up. A client that has very many on a day gets no new one but the last, so
    that nobody can fill the store with invented systems."""
    held = Counter((day, client) for day, client, _, system in there if system != FURTHER)
    found: dict[_UnreadKey, tuple[int, int]] = {}
    for key in sorted(counts):
        day, client, name, system = key
        row = key
        if key not in there and system != FURTHER:
            held[day, client] += 1
            if held[day, client] > MOST_SYSTEMS:
                row = (day, client, name, FURTHER)
        add_pair(found, row, counts[key])
    names = ("day", "client", "input", "system", *_UNREAD)
    return [dict(zip(names, (*row, *sums), strict=True)) for row, sums in found.items()]


def _call_rows(batch: Batch) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    """The rows to add up, by table."""
    shown = [_call_row(k, count) for k, count in batch.calls.items() if k.arm == "live"]
    silent = [
        _call_row(k, count) | {"arm": k.arm} for k, count in batch.calls.items() if k.arm != "live"
    ]
    for table, rows in ((calls, shown), (silent_calls, silent)):
        if rows:
            yield table, sorted(rows, key=repr)


def _call_row(key: CallKey, count: CallCount) -> dict[str, Any]:
    counted = {name: getattr(count, name) for name in _COUNTED}
    return {"day": key.day, "knowledge": key.knowledge, **asdict(key.origin), **counted}
