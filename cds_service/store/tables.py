"""The tables of the store for SQLAlchemy. No foreign keys, because rows arrive in any order."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""The files in `migrations/versions`, oldest first."""
SCHEMA = REVISIONS[-1]
"""The revision these tables stand for."""

# No lengths: what comes in from outside is bounded where it is read, and one value too long for
# its column would keep a whole batch from being written.
metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"}
)


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, always aware and in UTC; SQLite keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


issued = Table(
    "issued_cards",
    metadata,
    Column("card", String, primary_key=True),
    Column("service", String, nullable=False),
    Column("hook", String, nullable=False),
    Column("client", String, nullable=False),
    Column("row", String, nullable=False),
    Column("text", String, nullable=False),
    Column("indicator", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("rules", String, nullable=False),  # ids, sorted, with a blank between
    Column("suggestions", String, nullable=False),  # uuids with a blank between
    Column("knowledge", String, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("mode", String, nullable=False, server_default="live"),  # live: shown; shadow: not
    Column("arm", String, nullable=False, server_default="live"),  # the mode for the user
    Column("variant", String, nullable=False, server_default=""),  # of its words; blank: not tried
    Column("part", Integer, nullable=False, server_default="0"),  # of the users of this variant
    Index(None, "issued_at"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("key", String, primary_key=True),
    Column("card", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("service", String, nullable=False),
    Column("client", String, nullable=False),
    Column("suggestions", String, nullable=False),  # ids with a blank between
    Column("reason_system", String),
    Column("reason_code", String),
    Column("comment_length", Integer),
    Column("outcome_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("notes", String, nullable=False),  # words with a blank between
    Column("mode", String, nullable=False, server_default="live"),  # of its client, at receipt
    Index(None, "card"),
    Index(None, "received_at"),
)

calls = Table(
    "calls_by_day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("service", String, primary_key=True),
    Column("hook", String, primary_key=True),
    Column("client", String, primary_key=True),
    Column("knowledge", String, primary_key=True),
    Column("calls", Integer, nullable=False),
    Column("considered", Integer, nullable=False),
    Column("with_cards", Integer, nullable=False),
)

# Beside `calls_by_day`, whose key workers of an earlier version name when they add up.
silent_calls = Table(
    "silent_calls_by_day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("service", String, primary_key=True),
    Column("hook", String, primary_key=True),
    Column("client", String, primary_key=True),
    Column("knowledge", String, primary_key=True),
    Column("arm", String, primary_key=True),  # shadow or off
    Column("calls", Integer, nullable=False),
    Column("considered", Integer, nullable=False),
    Column("with_cards", Integer, nullable=False),  # would have had some
)

unread = Table(
    "unread_systems_by_day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("client", String, primary_key=True),
    Column("input", String, primary_key=True),
    Column("system", String, primary_key=True),  # as `knowledge.system_names` shows it
    Column("entries", Integer, nullable=False),
    Column("calls", Integer, nullable=False),
)

tokens = Table(
    "used_tokens",
    metadata,
    Column("token", String, primary_key=True),  # a fingerprint; neither iss nor jti can be read
    Column("until", UtcDateTime, nullable=False),  # after this the token is refused anyway
    Index(None, "until"),
)

repeat_marks = Table(
    "repeat_marks",
    metadata,
    Column("card", String, primary_key=True),
    Column("client", String, nullable=False),
    Column("sealed", String, nullable=False),  # see `cards.repeat_marks`
    Column("until", Date, nullable=False),  # after this day it is deleted
    Column("issued_on", Date, nullable=False),
    Index(None, "until"),
)

repeat_answers = Table(
    "repeat_answers",
    metadata,
    Column("mark", String, primary_key=True),
    Column("until", Date, nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("reason_system", String),
    Column("reason_code", String),  # none: the card was accepted
    Column("answered_on", Date, nullable=False),
    Index(None, "until"),
)
"""Both are pseudonymous personal data: who has the key can find the rows of a patient."""

content = Table(
    "content_in_force",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("client", String, nullable=False),  # empty: all that have none of their own
    Column("version", String, nullable=False),
    Column("site", String),
    Column("approved", String),
    Column("how", String, nullable=False),
    Column("by", String, nullable=False),
)
"""Triggers refuse to change or delete a row."""
