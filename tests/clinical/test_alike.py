"""Many orders of one call: those that are alike share an outcome, and each is told as its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.chart import (
    Chart,
    CodeSeen,
    ConditionFact,
    DraftOrder,
    InputReport,
    InputState,
    PatientFacts,
    Provenance,
)
from cds_service.guidance import assess
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName, Side
from tests.support.assessments import SNOMED, day, order
from tests.support.shorthand import TODAY

FUSED = ConditionFact(
    frozenset({"hip-ankylosis"}),
    Provenance("Condition/a1", CodeSeen(SNOMED, "1"), "Ankylosis of right hip"),
    side=Side.RIGHT,
)
PREVIOUS_HO = ConditionFact(
    frozenset({"ho-postoperative"}),
    Provenance("Condition/h1", CodeSeen(SNOMED, "444748003"), "Previous HO"),
)


def told(knowledge: Knowledge, *orders: DraftOrder, **chart: Any) -> Assessment:
    inputs = tuple(InputReport(name, InputState.EMPTY) for name in InputName)
    patient = PatientFacts("p1", day("1960-01-01"), "female")
    return assess(Chart(patient, inputs=inputs, **chart), orders, knowledge, TODAY)


def apart(*orders: DraftOrder) -> tuple[DraftOrder, ...]:
    """The same on days so far apart that they are no one session."""
    days = ("2026-12-01", "2027-03-01", "2027-06-01", "2027-09-01")
    return tuple(replace(o, when=day(days[n % 4])) for n, o in enumerate(orders))


def test_orders_that_are_alike_stand_on_one_card_each(knowledge: Knowledge) -> None:
    many = [order(number) for number in range(30)]
    [card] = told(knowledge, *many, conditions=(PREVIOUS_HO,)).spoken
    assert card.orders == tuple(many)


def test_a_hip_is_told_by_its_own_side(knowledge: Knowledge) -> None:
    hips = apart(order(0), order(1, Side.LEFT), order(2), order(3, Side.LEFT))
    together = told(knowledge, *hips, conditions=(FUSED,)).guidances
    alone = [told(knowledge, hip, conditions=(FUSED,)).guidances for hip in hips]
    cards = {o.index: g.card for g in together for o in g.orders}
    assert cards == {hip.index: one.card for hip, [one] in zip(hips, alone, strict=True)}
    assert cards[0] != cards[1]


def test_what_is_said_of_an_order_names_that_order(knowledge: Knowledge) -> None:
    cemented = frozenset({"hip-total-primary", "hip-cemented"})
    first, second = order(0, kinds=cemented), order(1, Side.LEFT, kinds=cemented)
    for hip in (first, second):
        [card] = told(knowledge, hip, order(2), conditions=(PREVIOUS_HO,)).spoken
        [found] = [f for f in card.findings if f.rule == "cemented"]
        assert [source.reference for source in found.sources] == [hip.reference]


def test_an_excision_of_the_session_counts_for_every_hip(knowledge: Knowledge) -> None:
    excision = order(9, kinds=frozenset({"ho-excision"}), label="Excision of HO")
    [card] = told(knowledge, order(0), order(1), excision).spoken[:1]
    [found] = [f for f in card.findings if f.rule == "ho-excision-ordered"]
    assert [source.reference for source in found.sources] == [excision.reference]
    assert {o.index for o in card.orders} >= {0, 1}
