"""How often the service speaks on the simulated elective hip list (clinical decisions, 5a)."""

from __future__ import annotations

import pytest

from cds_service.cards.word_budget import AT_WORST, NOTHING_TO_CHECK
from cds_service.knowledge.loader import Knowledge
from tests.support.burden import CARDED_MOST, WARNED_MOST, Burden, simulate


@pytest.fixture(scope="module")
def seen(knowledge: Knowledge) -> Burden:
    return simulate(knowledge)


def test_few_orders_get_a_card_and_fewer_a_warning(seen: Burden) -> None:
    assert 0 < seen.of_100(seen.carded) <= CARDED_MOST
    assert 0 < seen.of_100(seen.warned) <= WARNED_MOST


def test_an_elective_list_with_everything_read_asks_no_question(seen: Burden) -> None:
    assert seen.apart == 0


def test_the_cards_of_the_list_are_read_in_ten_seconds(seen: Burden) -> None:
    assert seen.median_words <= NOTHING_TO_CHECK
    assert seen.p90_words <= AT_WORST
    assert max(seen.words) <= AT_WORST
