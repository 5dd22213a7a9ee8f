"""Sums up what was decided in one call: the guidances, and what was read and not understood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from cds_service.clinical.assessment import Assessment, Finding, Guidance
from cds_service.clinical.chart import DraftOrder, NotUnderstood
from cds_service.clinical.genetic import family_findings
from cds_service.clinical.harmless import known_harmless
from cds_service.clinical.not_understood import unread_system
from cds_service.clinical.possible_orders import possible_orders
from cds_service.clinical.risk import Case
from cds_service.clinical.triggers import kind_of
from cds_service.clinical.undecided import tested

ORDERS = "orders"
"""The name under which draft orders that were not understood stand beside the inputs."""


def assessment_of(
    case: Case,
    guidances: tuple[Guidance, ...],
    seen: tuple[Finding, ...],
    any_draft: bool = False,
    *,
    asked: bool = True,
) -> Assessment:
    """The whole of one call. `seen` is what the chart holds beside what the guidances found;
    `asked` whether an order, or the patient, was a matter of HO at all."""
    chart = case.chart
    family = family_findings(chart, case.knowledge) if guidances else ()
    own = {(f.role, f.rule): f for g in guidances for f in g.findings}
    own.update({(f.role, f.rule): f for f in (*seen, *family)})
    orders = {o.index: o for g in guidances for o in g.orders}
    hips = [o for o in orders.values() if kind_of(o, case.knowledge) == "arthroplasty"]
    found = {f.rule for f in own.values()}
    absent, not_known = tested(case, hips, found) if asked else ((), ())
    unread = (*_unread_orders(case), *chart.not_understood)
    return Assessment(
        guidances,
        tuple(own.values()),
        chart.inputs,
        chart.set_aside,
        chart.mentions,
        chart.foreign,
        len(chart.problems),
        case.knowledge.version,
        drafted=_drafted(case.facts.orders) if guidances else frozenset(),
        absent=absent,
        not_known=not_known,
        not_understood=unread,
        any_draft=any_draft,
        record=chart.record,
        replaced_by=chart.replaced_by,
        days=case.facts.days,
    )


def _unread_orders(case: Case) -> Iterator[NotUnderstood]:
    """The drafts, by the system of their codes, also those of which something is possible only.
    What is known to be harmless was understood."""
    found: Counter[str] = Counter()
    knowledge = case.knowledge
    open_ = {id(o): one.system for o, one in possible_orders(case.facts, knowledge)}
    for order in case.facts.orders:
        system = open_.get(id(order)) or unread_system(order, knowledge)
        if system is not None and not known_harmless(order, knowledge):
            found[system] += 1
    for system, count in sorted(found.items()):
        yield NotUnderstood(ORDERS, system, count)


def _drafted(orders: Iterable[DraftOrder]) -> frozenset[str]:
    medicines = (o.medication for o in orders if o.medication and o.medication.state == "draft")
    daily = (m for m in medicines if not (m.prn or m.single_dose))
    return frozenset(concept for medicine in daily for concept in medicine.concepts)
