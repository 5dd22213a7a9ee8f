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


GENETIC = (
    "fop-surgery", "poh-on-record", "genetic-question", "family-history", "genetic-not-assessed",
    "not-assessed", "order-not-read",
)  # fmt: skip


def test_nothing_is_tried_on_a_card_that_speaks_of_genetic_ho(tmp_path: Path) -> None:
    named = "".join(f"\n  {card}: {{calm: {{}}}}" for card in GENETIC)
    (tmp_path / "overlay.yaml").write_text(whole(f"variants:{named}"))
    found = mistakes(tmp_path)

    for card, one in zip(GENETIC, found, strict=True):
        assert f"'{card}' speaks of genetic HO" in str(one)
    assert [one.line for one in found] == list(range(4, 4 + len(GENETIC)))


WRONG = (
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
)


def test_a_variant_says_the_same_as_the_cards_own_words(tmp_path: Path) -> None:
    """One file with all of them: each mistake stands at its own line."""
    lines, places = ["variants:"], {}
    for card in dict.fromkeys(card for card, _, _ in WRONG):
        lines.append(f"  {card}:")
        for number, (of, words, reason) in enumerate(WRONG):
            if of == card:
                lines += [f"    v{number}:", f"      {words}"]
                places[2 + len(lines)] = reason
    (tmp_path / "overlay.yaml").write_text(whole("\n".join(lines)))
    found = {one.line: str(one) for one in mistakes(tmp_path)}

    assert found.keys() == places.keys()
    assert {line: reason for line, reason in places.items() if reason not in found[line]} == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{high-risk: {calm: {avoid: [steroids]}}}", "avoid"),
        ('{high-risk: {calm: {summary: ""}}}', "summary"),
        ("{high-risk: {calm: {advice: []}}}", "advice"),
        ("{moderate-risk: {own: {}}}", "stands for the card's own words"),
        ("{moderate-risks: {calm: {}}}", "there is no card 'moderate-risks'"),
        ("{moderate-risk: {Calm/1: {}}}", "Calm/1"),
    ],
)
def test_members_and_names_are_checked(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "overlay.yaml").write_text(whole(f"variants: {text}"))

    assert any(reason in str(one) for one in mistakes(tmp_path))
