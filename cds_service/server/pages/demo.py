"""Invented figures for the insights page, the same each time, made of the knowledge's own ids."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from cds_service.knowledge.services import served
from cds_service.server.pages.latency import Latency
from cds_service.store.report import Figures, OutcomeTally, UnreadSystem

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge

_SEED = 20261123
_CLIENTS = ("hospital-north", "hospital-south")
_CALLS_PER_CARD = 9  # silence is the default
# Card, its tier, how often it is shown, and how often it is accepted and overridden.
_CARDS = (
    ("high-risk", "high", 40, 0.55, 0.25),
    ("moderate-risk", "moderate", 34, 0.28, 0.34),
    ("ho-excision", "high", 5, 0.6, 0.2),
    ("high-risk-no-option", "high", 4, 0.3, 0.4),
    ("prophylaxis-conflict", "high", 4, 0.5, 0.3),
    ("not-assessed", "none", 7, 0.0, 0.45),
    ("genetic-question", "none", 3, 0.3, 0.5),
    ("fop-intramuscular", "none", 2, 0.7, 0.15),
    ("fop-surgery", "none", 1, 0.6, 0.2),
)


@dataclass(frozen=True, slots=True)
class _Shown:
    """One invented card and what became of it."""

    card: str
    tier: str
    rules: tuple[str, ...]
    client: str
    outcome: str | None
    reason: tuple[str, str] | None


def figures(
    knowledge: Knowledge, today: date, days: int
) -> tuple[Figures, dict[date, OutcomeTally]]:
    """Figures, and cards by day, of the last `days` days."""
    draw = random.Random(_SEED)  # noqa: S311 (nothing secret is drawn)
    since = today - timedelta(days=days - 1)
    told = Figures(since)
    by_day: dict[date, OutcomeTally] = {}
    for number in range(days):
        day = since + timedelta(days=number)
        for shown in _cards_of(day, knowledge, draw):
            by_day.setdefault(day, OutcomeTally()).add(1, shown.outcome)
            _count(told, shown, knowledge)
    told.with_cards = round(told.total.issued * 0.97)
    told.considered = told.with_cards * _CALLS_PER_CARD
    told.calls = told.considered * 4
    _spread(told, days)
    told.unread = [
        UnreadSystem(_CLIENTS[0], "observations", "https://hospital.example/lab", 41 * days, days),
        UnreadSystem(_CLIENTS[0], "orders", "no code", days // 7, days // 7),
    ]
    return told, by_day


def _cards_of(day: date, knowledge: Knowledge, draw: random.Random) -> Iterator[_Shown]:
    busy = 2 if day.weekday() >= 5 else 11
    for _ in range(draw.randint(busy // 2, busy + busy // 2)):
        card, tier, _weight, accepted, overridden = draw.choices(
            _CARDS, [weight for _, _, weight, *_ in _CARDS]
        )[0]
        chance = draw.random()
        outcome = "accepted" if chance < accepted else None
        if outcome is None and chance < accepted + overridden:
            outcome = "overridden"
        client = draw.choice(_CLIENTS)
        reason = _reason(card, knowledge, draw) if outcome == "overridden" else None
        yield _Shown(card, tier, _rules(card, tier, knowledge, draw), client, outcome, reason)


def _rules(card: str, tier: str, knowledge: Knowledge, draw: random.Random) -> tuple[str, ...]:
    if tier == "none":
        return ("fop",) if card.startswith("fop") else ()
    rules = [rule.id for rule in knowledge.factors.values() if rule.tier == tier]
    return (draw.choices(rules, range(len(rules), 0, -1))[0],)


def _reason(card: str, knowledge: Knowledge, draw: random.Random) -> tuple[str, str] | None:
    reasons = knowledge.cards[card].override
    if not reasons or draw.random() < 0.15:
        return None
    reason = knowledge.override_reasons[draw.choice(reasons)]
    return reason.system, reason.code


def _count(told: Figures, shown: _Shown, knowledge: Knowledge) -> None:
    arm = told.arm(shown.client, "live")
    arm.decided += 1
    for tally in (told.total, arm.shown):
        tally.add(1, shown.outcome)
    values = {
        "tier": shown.tier,
        "card": shown.card,
        "client": shown.client,
        "service": next(iter(served(knowledge))),
        "knowledge": knowledge.version,
    }
    for dimension, value in [*values.items(), *(("rule", rule) for rule in shown.rules)]:
        told.by[dimension].setdefault(value, OutcomeTally()).add(1, shown.outcome)
    if shown.outcome == "overridden":
        reason = shown.reason or (None, None)
        for reasons in (told.reasons, arm.reasons):
            reasons[reason] = reasons.get(reason, 0) + 1


def _spread(told: Figures, days: int) -> None:
    """The calls by client, and a shadow beside the first of them."""
    for arm in list(told.arms.values()):
        arm.with_cards = round(told.with_cards * arm.decided / told.total.issued)
        arm.considered = arm.with_cards * _CALLS_PER_CARD
        arm.calls = arm.considered * 4
    shadow = told.arm(_CLIENTS[0], "shadow")
    shadow.calls, shadow.considered = 310 * days, 77 * days
    shadow.with_cards, shadow.decided = 9 * days, 9 * days + days // 4


def times(knowledge: Knowledge) -> list[Latency]:
    """Invented percentiles."""
    return [
        Latency(next(iter(served(knowledge))), 4210, 6.1, 18.4, 41.0),
        Latency("stage read", 4210, 1.3, 6.2, 14.0),
        Latency("stage assess", 4210, 0.6, 1.9, 3.8),
        Latency("stage cards", 520, 1.1, 2.4, 4.6),
    ]
