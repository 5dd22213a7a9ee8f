"""Variants of a card's words in an overlay: what a site may try, and what it may not touch."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.variants import OWN, by_card
from tests.knowledge.test_overlay import mistakes, overlaid, whole

CALM = """
variants:
  moderate-risk:
    calm:
      summary: "After {order} heterotopic ossification is somewhat likely: {finding}."
      advice: ["Prophylaxis is an option: {open}."]
    same: {}
"""


def test_a_variant_is_the_card_in_other_words(base: Knowledge, tmp_path: Path) -> None:
    site = overlaid(tmp_path, CALM)
    own = base.cards["moderate-risk"]
    calm = site.variants["moderate-risk/calm"]

    assert site.cards == base.cards
    assert calm.summary.startswith("After {order}")
    assert (calm.summary_short, calm.override) == (own.summary_short, own.override)
    assert [name for name, _ in by_card(site)["moderate-risk"]] == [OWN, "calm", "same"]
    assert by_card(site)["moderate-risk"][2][1].summary == own.summary
    told = "\n".join(site.differences)
    assert "wording: moderate-risk/calm: variant" in told
    assert "Prophylaxis is an option" in told
    assert base.variants == {}


@pytest.mark.parametrize(
    "card",
    ["fop-surgery", "poh-on-record", "genetic-question", "family-history", "genetic-not-assessed",
     "not-assessed", "order-not-read"],
)  # fmt: skip
def test_nothing_is_tried_on_a_card_that_speaks_of_genetic_ho(card: str, tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text(whole(f"variants: {{{card}: {{calm: {{}}}}}}"))
    [wrong] = mistakes(tmp_path)

    assert f"'{card}' speaks of genetic HO" in wrong.reason
    assert wrong.line is not None


@pytest.mark.parametrize(
    ("card", "words", "reason"),
    [
        ("moderate-risk", 'summary: "Look at {order}."', "does not say {finding}"),
        ("moderate-risk", 'advice: ["Consider prophylaxis."]', "does not say {open}"),
        ("moderate-risk", 'summary: "{order}: {finding}, {who}."', "nothing fills in {who}"),
        ("moderate-risk", 'summary_short: "{order}: {finding} {x}."', "nothing fills in {x}"),
        ("moderate-risk", 'summary: "{order}: {finding} at {age}."', "nothing fills in {age} here"),
        ("moderate-risk", 'summary: "{order}: {finding}; {open}."', "nothing fills in {open} here"),
        ("moderate-risk", 'advice: ["Consider {open} {."]', "write {{ for a brace"),
        ("moderate-risk", 'advice: ["Within 48 h: {open}."]', "other numbers"),
        ("moderate-risk", f'summary: "{{order}}: {{finding}}{"." * 140}"', "more than a summary"),
        ("moderate-risk", 'advice: ["Do consider at least one of: {open}."]', "more than 3 above"),
        ("high-risk", 'advice_none_left: ["Ask."]', "no advice_none_left of its own"),
        ("high-risk", 'avoid: ["steroids"]', "avoid"),
        ("high-risk", 'summary: ""', "summary"),
        ("high-risk", "advice: []", "advice"),
    ],
)  # fmt: skip
def test_a_variant_passes_the_checks_of_the_cards_own_words(
    card: str, words: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "overlay.yaml").write_text(whole(f"variants:\n  {card}:\n    calm:\n      {words}"))
    found = mistakes(tmp_path)

    assert any(reason in str(one) for one in found), found
    assert all(one.line for one in found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("variants: {moderate-risk: {own: {}}}", "stands for the card's own words"),
        ("variants: {moderate-risks: {calm: {}}}", "there is no card 'moderate-risks'"),
        ("variants: {moderate-risk: {Calm/1: {}}}", "Calm/1"),
    ],
)
def test_names_are_checked(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text(whole(text))

    assert any(reason in str(one) for one in mistakes(tmp_path))
