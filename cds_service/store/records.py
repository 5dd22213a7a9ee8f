"""The frozen rows the store keeps: cards issued, what clinicians did with them, counts of calls.

None of them can hold patient data: ids of ours, ids of the knowledge, coded reasons and times.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a card or feedback comes from: service id, hook, and name of the registered client."""

    service: str
    hook: str
    client: str


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """One card as it left the service.

    `card` is its uuid, `text` the id of the card text in the knowledge, `row` the row of the
    decision table, `rules` the ids of the rules that matched (sorted), `suggestions` the uuids of
    its suggestions. `issued_at` is in UTC.
    """

    card: str
    origin: Origin
    row: str
    text: str
    indicator: str
    tier: str
    rules: tuple[str, ...]
    suggestions: tuple[str, ...]
    knowledge: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class CallKey:
    """What calls are counted by."""

    day: date
    origin: Origin
    knowledge: str


@dataclass(frozen=True, slots=True)
class CallCount:
    """`calls` in all; in `considered` an order was looked at; `with_cards` were not silent."""

    calls: int = 0
    considered: int = 0
    with_cards: int = 0

    def __add__(self, other: CallCount) -> CallCount:
        return CallCount(
            self.calls + other.calls,
            self.considered + other.considered,
            self.with_cards + other.with_cards,
        )
