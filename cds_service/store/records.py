"""The frozen rows the store keeps: cards issued, what clinicians did with them, counts of calls.

None of them can hold patient data: ids of ours, ids of the knowledge, coded reasons and times.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from cds_service.cards import trace
from cds_service.cdshooks.models import Json


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


def issued_cards(answer: Json, origin: Origin, at: datetime) -> tuple[IssuedCard, ...]:
    """What is kept of the cards of an answer."""
    return tuple(_issued(card, origin, at) for card in answer["cards"])


def _issued(card: Json, origin: Origin, at: datetime) -> IssuedCard:
    told: Json = card.get("extension", {}).get(trace.NAME, {})
    return IssuedCard(
        card=card["uuid"],
        origin=origin,
        row=str(told.get("row", "")),
        text=str(told.get("card", "")),
        indicator=card["indicator"],
        tier=str(told.get("tier", "")),
        rules=tuple(sorted({str(finding["rule"]) for finding in told.get("findings", ())})),
        suggestions=tuple(suggestion["uuid"] for suggestion in card.get("suggestions", ())),
        knowledge=str(told.get("knowledge", "")),
        issued_at=at,
    )


def call_of(
    answer: Json, origin: Origin, at: datetime, knowledge: str
) -> tuple[CallKey, CallCount]:
    """One call, ready to be added up."""
    has_cards = bool(answer["cards"])
    considered = has_cards or "extension" in answer
    key = CallKey(at.astimezone(UTC).date(), origin, knowledge)
    return key, _COUNTS[considered, has_cards]


_COUNTS = {
    (considered, with_cards): CallCount(1, int(considered), int(with_cards))
    for considered in (False, True)
    for with_cards in (False, True)
}
