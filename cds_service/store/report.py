"""What became of the cards: counts by rule, tier, card, reason, client and knowledge version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import CompoundSelect, Select, case, func, literal, select, union_all

from cds_service.ops.calls import EXAMINATION
from cds_service.store.records import MOST_SYSTEMS
from cds_service.store.tables import calls, feedback, issued, silent_calls, unread

if TYPE_CHECKING:
    from cds_service.store.database import Database

DIMENSIONS = ("rule", "tier", "card", "service", "client", "knowledge")
"""By what cards are counted. A card with several rules counts once for each of them."""

NO_REASON = (None, None)
_FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)

Reason = tuple[str | None, str | None]
"""System and code of an override reason; both None where none was given, or none could be kept."""


@dataclass(slots=True)
class OutcomeTally:
    """Cards issued, and how many of them were accepted, overridden and ignored. The rest got no
    feedback. A card that was dismissed without a reason counts as ignored."""

    issued: int = 0
    accepted: int = 0
    overridden: int = 0
    ignored: int = 0

    @property
    def answered(self) -> int:
        return self.accepted + self.overridden + self.ignored

    @property
    def unanswered(self) -> int:
        return self.issued - self.answered

    def add(self, count: int, outcome: str | None) -> None:
        self.issued += count
        if outcome == "accepted":
            self.accepted += count
        elif outcome == "overridden":
            self.overridden += count
        elif outcome is not None:
            self.ignored += count


class UnreadSystem(NamedTuple):
    """A code system that a client sends and the service does not read, in one input: how many
    entries came in it, in how many calls."""

    client: str
    input: str
    system: str
    entries: int
    calls: int


class ArmKey(NamedTuple):
    """A client, and the mode of its calls: live, shadow, off or examination."""

    client: str
    arm: str


@dataclass(slots=True)
class Arm:
    """Calls of one arm as in `Figures`, in a shadow arm with what they would have had; cards that
    were `decided`, shown or not; what became of those that were `shown`, which in a shadow arm are
    those of a card or rule that is live by itself."""

    calls: int = 0
    considered: int = 0
    with_cards: int = 0
    decided: int = 0
    shown: OutcomeTally = field(default_factory=OutcomeTally)
    reasons: dict[Reason, int] = field(default_factory=dict)


class VariantKey(NamedTuple):
    """A client, the id of a card, and the name of the words that were drawn."""

    client: str
    card: str
    variant: str


@dataclass(slots=True)
class Figures:
    """The figures of a time from `since` (UTC) until now, of what was shown; of what was not, too,
    in `arms`. `variants` are the cards shown of which several wordings are tried, by part of users.

    `by` holds a tally for each value of each dimension. `reasons` counts overridden cards.
    `unmatched` counts items of feedback, by outcome, whose card was not issued to their client.
    `calls` are all calls answered with 200; in `considered` of them an order was looked at,
    `with_cards` were not silent. `unread` are the systems that are not read, the most frequent
    first.
    """

    since: date | None
    total: OutcomeTally = field(default_factory=OutcomeTally)
    by: dict[str, dict[str, OutcomeTally]] = field(
        default_factory=lambda: {d: {} for d in DIMENSIONS}
    )
    reasons: dict[Reason, int] = field(default_factory=dict)
    unmatched: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    considered: int = 0
    with_cards: int = 0
    unread: list[UnreadSystem] = field(default_factory=list)
    arms: dict[ArmKey, Arm] = field(default_factory=dict)
    variants: dict[VariantKey, dict[int, OutcomeTally]] = field(default_factory=dict)

    def arm(self, client: str, arm: str) -> Arm:
        """The arm of this name, empty where nothing was counted yet."""
        return self.arms.setdefault(ArmKey(client, arm), Arm())


async def read(database: Database, since: date | None = None) -> Figures:
    """Count the cards issued, and feedback received, from the beginning of a day (UTC).

    Of several events on one card the acceptance counts, else the latest override, else that it was
    ignored: whoever accepts a suggestion and closes the card then has accepted it.
    """
    start = _start(since)
    figures = Figures(since)
    async with database.engine.connect() as connection:
        for row in (await connection.execute(_cards(start, _GROUPS))).mappings():
            _count(figures, row)
        for row in (await connection.execute(_unmatched(start))).mappings():
            figures.unmatched[row["outcome"]] = row["count"]
        for client, arm, *sums in await connection.execute(_calls(start)):
            _add_calls(figures, client, arm, [int(value) for value in sums])
        for client, arm, count in await connection.execute(_decided(start)):
            figures.arm(client, arm).decided = count
        for found in await connection.execute(_unread(start)):
            figures.unread.append(UnreadSystem(*found))
    figures.arms = dict(sorted(figures.arms.items()))
    figures.variants = dict(sorted(figures.variants.items()))
    return figures


async def by_day(database: Database, since: date | None = None) -> dict[date, OutcomeTally]:
    """Cards of each day (UTC) on which some were issued, counted in the same way."""
    zoned = database.engine.dialect.name != "sqlite"  # SQLite keeps no zone, all of it is UTC
    at = func.timezone("UTC", issued.c.issued_at) if zoned else issued.c.issued_at
    days: dict[date, OutcomeTally] = {}
    async with database.engine.connect() as connection:
        rows = await connection.execute(_cards(_start(since), (func.date(at).label("day"),)))
        for row in rows.mappings():
            day = date.fromisoformat(str(row["day"]))
            days.setdefault(day, OutcomeTally()).add(row["count"], row["outcome"])
    return dict(sorted(days.items()))


def _start(since: date | None) -> datetime:
    return datetime(since.year, since.month, since.day, tzinfo=UTC) if since else _FIRST_DAY


def _count(figures: Figures, row: Mapping[Any, Any]) -> None:
    count, outcome = row["count"], row["outcome"]
    arm = figures.arm(row["client"], row["arm"])
    for tally in (figures.total, arm.shown):
        tally.add(count, outcome)
    for dimension, value in _values(row):
        figures.by[dimension].setdefault(value, OutcomeTally()).add(count, outcome)
    if row["variant"]:
        key = VariantKey(row["client"], row["card"], row["variant"])
        figures.variants.setdefault(key, {}).setdefault(row["part"], OutcomeTally()).add(
            count, outcome
        )
    if outcome == "overridden":
        reason = (row["reason_system"], row["reason_code"])
        for reasons in (figures.reasons, arm.reasons):
            reasons[reason] = reasons.get(reason, 0) + count


def _add_calls(figures: Figures, client: str, arm: str, sums: Sequence[int]) -> None:
    counted = figures.arm(client, arm)
    counted.calls, counted.considered, counted.with_cards = sums
    if arm == "live":
        figures.calls += counted.calls
        figures.considered += counted.considered
        figures.with_cards += counted.with_cards


def _values(row: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    yield from (("rule", rule) for rule in row["rules"].split())
    yield from ((name, row[name]) for name in DIMENSIONS if name != "rule")


_REASON = (feedback.c.reason_system, feedback.c.reason_code)


_GROUPS = (
    issued.c.rules,
    issued.c.tier,
    issued.c.text.label("card"),
    issued.c.service,
    issued.c.client,
    issued.c.knowledge,
    issued.c.arm,
    issued.c.variant,
    issued.c.part,
)


def _cards(start: datetime, columns: Iterable[Any]) -> Select[Any]:
    rank = func.row_number().over(
        partition_by=(feedback.c.card, feedback.c.client),
        order_by=(
            case({"accepted": 0, "overridden": 1}, value=feedback.c.outcome, else_=2),
            feedback.c.outcome_at.desc(),
            feedback.c.key,
        ),
    )
    about = (feedback.c.card, feedback.c.client)
    events = select(*about, feedback.c.outcome, *_REASON, rank.label("rank")).subquery()
    same = (events.c.card == issued.c.card) & (events.c.client == issued.c.client)
    groups = (*columns, events.c.outcome, events.c.reason_system, events.c.reason_code)
    return (
        select(*groups, func.count().label("count"))
        .select_from(issued)
        .outerjoin(events, same & (events.c.rank == 1))
        .where(issued.c.issued_at >= start, issued.c.mode == "live")
        .group_by(*groups)
    )


def _unmatched(start: datetime) -> Select[Any]:
    same = (issued.c.card == feedback.c.card) & (issued.c.client == feedback.c.client)
    known = select(issued.c.card).where(same).exists()
    return (
        select(feedback.c.outcome, func.count().label("count"))
        .where(feedback.c.received_at >= start, ~known, feedback.c.mode != EXAMINATION)
        .group_by(feedback.c.outcome)
    )


def _calls(start: datetime) -> CompoundSelect[Any]:
    """Calls by client and arm, from both tables."""
    found = [
        select(
            table.c.client,
            arm,
            *(func.sum(table.c[name]) for name in ("calls", "considered", "with_cards")),
        )
        .where(table.c.day >= start.date())
        .group_by(table.c.client, *by)
        for table, arm, by in (
            (calls, literal("live").label("arm"), ()),
            (silent_calls, silent_calls.c.arm, (silent_calls.c.arm,)),
        )
    ]
    return union_all(*found)


def _decided(start: datetime) -> Select[Any]:
    names = (issued.c.client, issued.c.arm)
    return select(*names, func.count()).where(issued.c.issued_at >= start).group_by(*names)


def _unread(start: datetime) -> Select[Any]:
    names = (unread.c.client, unread.c.input, unread.c.system)
    entries = func.sum(unread.c.entries).label("entries")
    return (
        select(*names, entries, func.sum(unread.c.calls))
        .where(unread.c.day >= start.date())
        .group_by(*names)
        .order_by(entries.desc(), *names)
        .limit(MOST_SYSTEMS)
    )
