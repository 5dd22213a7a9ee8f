"""No sentence that is made of the knowledge's own words is too long for a summary."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

from cds_service.cards.summary import summary
from cds_service.clinical.assessment import OptionVerdict, Standing
from cds_service.knowledge.loader import Knowledge
from tests.support.assessments import guidance
from tests.support.case_check import run
from tests.support.casebook import load_all

SIDES = ("", "left ", "right ", "bilateral ")


def orders(knowledge: Knowledge) -> list[str]:
    """What a card can call one order, and two that it is about at once."""
    nouns = list(dict.fromkeys(trigger.noun for trigger in knowledge.triggers.values()))
    pairs = [f"{one} and {other}" for one, other in combinations(nouns, 2)]
    return [side + noun for side, noun in product(SIDES, [*nouns, *pairs])]


def said(knowledge: Knowledge, card: str, order: str, names: tuple[str, ...], **more: str) -> str:
    params = {"order": order, "finding": ", ".join(names), "short": "\n".join(names), **more}
    text = summary(guidance(card, params=tuple(params.items())), knowledge.cards[card])
    assert len(text) < 140
    assert text.endswith(".")
    assert "…" not in text, text
    return text


def test_every_factor_fits_with_every_order(knowledge: Knowledge) -> None:
    names = [f"{rule.short or rule.label} (2019)" for rule in knowledge.factors.values()]
    for order, name in product(orders(knowledge), names):
        for card in ("high-risk", "high-risk-no-option", "moderate-risk"):
            assert name in said(knowledge, card, order, (name,))


def test_no_summary_offers_what_is_ruled_out(knowledge: Knowledge) -> None:
    none = (
        OptionVerdict("nsaid", Standing.EXCLUDED),
        OptionVerdict("radiotherapy", Standing.EXCLUDED),
    )
    short = [r.short or r.label for r in knowledge.factors.values() if r.tier == "moderate"]
    for order, name in product(orders(knowledge), short):
        params = {"order": order, "finding": name, "short": name}
        for card in ("moderate-risk", "ho-excision"):
            told = guidance(card, options=none, params=tuple(params.items()))
            text = summary(told, knowledge.cards[card])
            assert "Neither NSAID nor radiotherapy is open by the chart." in text
            assert not any(word in text for word in ("Consider", "Plan", "…"))


def test_the_first_of_several_factors_is_always_named(knowledge: Knowledge) -> None:
    names = [f"{rule.short or rule.label} (2019)" for rule in knowledge.factors.values()]
    for order, some in product(orders(knowledge)[:12], combinations(names, 3)):
        for card in ("high-risk", "high-risk-no-option"):
            assert some[0] in said(knowledge, card, order, some)


def test_every_conflict_fits_with_every_order(knowledge: Knowledge) -> None:
    for order, rule in product(orders(knowledge), knowledge.exclusions.values()):
        if rule.effect == "exclude":
            for ordered in ("celecoxib 200 MG", "celecoxib 200 MG Oral Capsule [Celebrex]"):
                label = rule.short or rule.label
                text = said(knowledge, "prophylaxis-conflict", order, (label,), ordered=ordered)
                assert label in text


def test_a_conflict_leaves_room_for_the_order(knowledge: Knowledge) -> None:
    for rule in knowledge.exclusions.values():
        if rule.effect == "exclude" and rule.id != "fracture-healing-celecoxib":
            text = said(
                knowledge, "prophylaxis-conflict", "right hip arthroplasty",
                (rule.short or rule.label,), ordered="celecoxib 200 MG Oral Capsule",
            )  # fmt: skip
            assert "before right hip arthroplasty:" in text


def test_genetic_cards_fit_with_every_order(knowledge: Knowledge) -> None:
    for order, status in product(orders(knowledge), ("on record", "suspected")):
        for card in knowledge.cards.values():
            if card.topic in {"fop", "poh"}:
                said(knowledge, card.id, order, (), status=status)
        for card_id in ("genetic-question", "family-history"):
            assert "FOP, POH" in said(knowledge, card_id, order, ("FOP", "POH"))


def test_no_summary_of_the_casebook_is_cut(knowledge: Knowledge) -> None:
    for case in load_all():
        status, body = run(case, knowledge)
        cards: list[dict[str, Any]] = body.get("cards", []) if status == 200 else []
        for card in cards:
            assert "…" not in card["summary"], f"{case.id}: {card['summary']}"
