"""Tells which orders of a call are alike to every rule, so that one outcome is made for all.

Whoever lets a rule ask something else of an order adds it to `likeness`, or two orders that are not
alike get one outcome.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from cds_service.clinical.chart import DraftOrder
from cds_service.clinical.risk import Case
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.when import OrderTest, When


def likeness(case: Case, order: DraftOrder) -> Hashable:
    """Equal for orders of which the rules, and the chart beside them, say the same.

    An answer about an order names it. So an order of a kind of which a rule asks is alike to itself
    only, and so are all where a rule asks for another order of the call, or of the record.
    """
    asked = case.knowledge.once(_asked)
    if not order.kinds.isdisjoint(asked.itself) or case.facts.once(
        "others asked", lambda: _has_any(case, asked.anywhere)
    ):
        return id(order)
    return (order.side, order.kinds, order.sites, order.reasons, order.when, order.intramuscular)


class _KindsAsked(NamedTuple):
    """The kinds of order of which rules ask: of the one that is decided, or of any other."""

    itself: frozenset[str]
    anywhere: frozenset[str]


def _asked(knowledge: Knowledge) -> _KindsAsked:
    tests = [test for when in _whens(knowledge) for test in _order_tests(when)]
    itself = frozenset(kind for test in tests for kind in test.kinds if not test.anywhere)
    anywhere = frozenset(kind for test in tests for kind in test.kinds if test.anywhere)
    return _KindsAsked(itself, anywhere)


def _has_any(case: Case, kinds: frozenset[str]) -> bool:
    """Whether there is an order of one of these kinds."""
    orders = (*case.facts.orders, *case.chart.planned)
    return any(not order.kinds.isdisjoint(kinds) for order in orders)


def _whens(knowledge: Knowledge) -> Iterator[When]:
    """All tests that deciding about an order asks."""
    for factor in knowledge.factors.values():
        yield from (when for when in (factor.when, factor.clues) if when is not None)
    yield from (modifier.when for modifier in knowledge.modifiers.values())
    yield from (exclusion.when for exclusion in knowledge.exclusions.values())


def _order_tests(when: When) -> Iterator[OrderTest]:
    if when.order is not None:
        yield when.order
    for part in (*when.any, *when.all, *when.none):
        yield from _order_tests(part)
