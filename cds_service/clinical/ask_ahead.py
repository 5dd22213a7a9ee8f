"""Asks a large chart, test by test with a pause after each, what its orders will ask anyway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds_service.clinical.chart import DraftOrder
from cds_service.clinical.evaluate import OrderView
from cds_service.clinical.risk import Case
from cds_service.clinical.rule_index import exclusions, modifiers
from cds_service.knowledge.when import When

_LARGE = 300  # facts; below, all tests together take a millisecond or two


def ask_ahead(case: Case, orders: Iterable[DraftOrder]) -> Iterator[None]:
    """Answer the tests about this chart once for each side; nothing where the chart is small.

    The answers are kept (`OrderView.answers`), so that the orders find them there.
    """
    chart, knowledge = case.chart, case.knowledge
    facts = (chart.conditions, chart.procedures, chart.medications, chart.allergies)
    if sum(map(len, facts)) < _LARGE:
        return
    present = case.facts.present
    asked = [rule.when for rule in case.factors]
    asked += [rule.when for rule in knowledge.once(modifiers).among(present)]
    for rules in knowledge.once(exclusions).values():
        asked += [rule.when for rule in rules.among(present)]
    one_of_each_side = {order.side: order for order in orders}
    for order in one_of_each_side.values():
        for view in (case.view(order), case.view(order, cautious=True)):
            for when in asked:
                yield from _ask(view, when)


def _ask(view: OrderView, when: When) -> Iterator[None]:
    for part in (*when.any, *when.all, *when.none):
        if view.facts.can_hold(part):
            yield from _ask(view, part)
    view.ask(when)
    yield
