"""Puts guidances together that would say the same twice."""

from __future__ import annotations

from dataclasses import replace

from cds_service.clinical.assessment import Guidance
from cds_service.clinical.triggers import order_words
from cds_service.knowledge.loader import Knowledge


def merge(guidances: list[Guidance], knowledge: Knowledge) -> list[Guidance]:
    """One card for orders that get the same answer; excision follows the arthroplasty's card."""
    hip_card = any(g.card for g in guidances if g.row in {"6c", "7", "8", "9"})
    groups: dict[tuple[object, ...], list[Guidance]] = {}
    for guidance in guidances:
        if guidance.card == "ho-excision" and hip_card:
            # Two cards would offer the same drugs twice.
            why = "the same advice stands on the card of the arthroplasty"
            guidance = replace(guidance, card=None, indicator=None, silent_because=why)
        rules = tuple(f.rule for f in guidance.findings if f.role != "modifier")
        standing = tuple((o.option, o.standing, o.regimen) for o in guidance.options)
        key = (guidance.row, guidance.card, rules, standing, guidance.silent_because)
        groups.setdefault(key, []).append(guidance)
    return [_as_one(group, knowledge) for group in groups.values()]


def _as_one(group: list[Guidance], knowledge: Knowledge) -> Guidance:
    """The first of a group, with the orders and findings of all."""
    first = group[0]
    if len(group) == 1:
        return first
    orders = tuple(order for guidance in group for order in guidance.orders)
    params = dict(first.params) | {"order": order_words(orders, knowledge)}
    findings = {(f.role, f.rule): f for guidance in group for f in guidance.findings}
    return replace(
        first, orders=orders, findings=tuple(findings.values()), params=tuple(params.items())
    )
