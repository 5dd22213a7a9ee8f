"""Wordings compared: no alarm where none differs, an alarm where one does, also for few users who
answer many cards alike."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from cds_service.knowledge.variants import OWN, PARTS
from cds_service.store import variant_figures
from cds_service.store.report import Figures, OutcomeTally, VariantKey
from cds_service.trust.rollout import variant_lot

CLIENT, CARD = "north", "moderate-risk"
NAMES = (OWN, "calm")
Habit = Callable[[str, float], float]
"""How often a user overrides a card in these words, from how often they override any."""


def alike(_name: str, habit: float) -> float:
    return habit


def better(name: str, habit: float) -> float:
    return habit if name == OWN else habit / 3


class Hospital:
    """Users with habits: some override nearly all cards, some nearly none, some get many."""

    def __init__(self, run: int, users: int) -> None:
        self.draw = random.Random(f"hospital {run}")
        self.figures = Figures(None)
        self.users = [
            (
                variant_lot(f"key {run}".encode(), CLIENT, f"Practitioner/{n}", CARD, len(NAMES)),
                self.draw.betavariate(0.6, 0.6),
                self.draw.choice((1, 2, 4, 12)),
            )
            for n in range(users)
        ]

    def work(self, habit_of: Habit) -> None:
        """Some weeks of cards."""
        for (number, part), habit, cards in self.users:
            name = NAMES[number]
            tallies = self.figures.variants.setdefault(VariantKey(CLIENT, CARD, name), {})
            for _ in range(cards):
                overridden = self.draw.random() < habit_of(name, habit)
                tallies.setdefault(part, OutcomeTally()).add(
                    1, "overridden" if overridden else None
                )

    def verdict(self) -> str:
        own, other = variant_figures.rows(self.figures)
        assert (own.key.variant, own.verdict) == (OWN, "")
        return other.verdict


def test_two_identical_wordings_raise_no_alarm_more_often_than_5_in_100() -> None:
    """200 runs; each is looked at five times, and one alarm at any look counts."""
    alarmed = 0
    for run in range(200):
        hospital = Hospital(run, users=60)
        seen = set()
        for _ in range(5):
            hospital.work(alike)
            seen.add(hospital.verdict())
        alarmed += "differs" in seen
        assert "no difference shown" in seen

    assert alarmed <= 10


def test_a_wording_that_is_overridden_less_is_found() -> None:
    found = Counter[str]()
    for run in range(20):
        hospital = Hospital(run, users=200)
        for _ in range(3):
            hospital.work(better)
        found[hospital.verdict()] += 1

    assert found["differs"] >= 19


@pytest.mark.parametrize(
    ("shown", "verdict"), [(99, "not enough"), (100, "differs"), (101, "differs")]
)
def test_below_at_and_above_enough(shown: int, verdict: str) -> None:
    figures = Figures(None)
    for name, overridden in ((OWN, 9), ("calm", 0)):
        parts = {n: OutcomeTally(10, 0, overridden) for n in range(PARTS)}
        figures.variants[VariantKey(CLIENT, CARD, name)] = parts
    figures.variants[VariantKey(CLIENT, CARD, "calm")][0].issued += shown - 100

    assert [row.verdict for row in variant_figures.rows(figures)] == ["", verdict]


def test_few_users_are_no_evidence_however_many_cards_they_get() -> None:
    """One user who overrides all of 1,000 cards, and one who overrides none."""
    figures = Figures(None)
    figures.variants = {
        VariantKey(CLIENT, CARD, OWN): {3: OutcomeTally(1_000, 0, 1_000)},
        VariantKey(CLIENT, CARD, "calm"): {7: OutcomeTally(1_000)},
    }

    assert [row.verdict for row in variant_figures.rows(figures)] == ["", "no difference shown"]


def test_more_comparisons_than_the_draws_can_tell_raise_no_alarm() -> None:
    """1 in 100 shared by 21 is less than one of the draws."""
    figures = Figures(None)
    for number in range(21):
        for name, overridden in ((OWN, 9), ("calm", 0)):
            parts = {n: OutcomeTally(10, 0, overridden) for n in range(PARTS)}
            figures.variants[VariantKey(CLIENT, f"card-{number:02}", name)] = parts
    verdicts = [row.verdict for row in variant_figures.rows(figures)]

    assert set(verdicts[1::2]) == {"no difference shown"}


def test_lots_are_even_stable_and_independent_of_cards() -> None:
    users = [f"Practitioner/{n}" for n in range(20_000)]
    lots = [variant_lot(b"k", CLIENT, user, CARD, 3) for user in users]
    counted = Counter(lots)

    assert lots == [variant_lot(b"k", CLIENT, user, CARD, 3) for user in users]
    assert set(counted) == {(v, part) for v in range(3) for part in range(PARTS)}
    assert max(counted.values()) < 1.25 * len(users) / len(counted)
    same = sum(
        variant_lot(b"k", CLIENT, user, "high-risk", 3)[0] == number
        for user, (number, _) in zip(users, lots, strict=True)
    )
    assert same / len(users) == pytest.approx(1 / 3, abs=0.02)
    absolute = variant_lot(b"k", CLIENT, "https://ehr.example/fhir/Practitioner/7", CARD, 3)
    assert absolute == lots[7]
