"""Whether prophylaxis of HO is already ordered, and whether the chart speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from cds_service.assessment import Effect, Reason
from cds_service.chart import DraftOrder, FhirDate, MedicationFact, Source
from cds_service.exclusions import reasons_for
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Adequate
from cds_service.predicates import Session, View

# Rules about the course that is drafted here, not about the one that is ordered already.
_OF_OUR_DRAFT = {"second-nsaid", "fracture-healing-celecoxib"}
_HO = frozenset({"ho-postoperative", "ho-hip-region", "ho-site-unspecified"})


@dataclass(frozen=True, slots=True)
class Planned:
    """Prophylaxis that is there: `target` is the option, `regimen` the drug where it is known."""

    target: str
    label: str
    source: Source
    regimen: str | None = None


def _adequate_nsaid(fact: MedicationFact, adequate: Adequate, surgery: date, today: date) -> bool:
    """A scheduled non-aspirin NSAID for at least `min_days` around surgery (decisions, row 6)."""
    if fact.concepts.isdisjoint(adequate.nsaid_value_sets):
        return False
    if not fact.concepts.isdisjoint(adequate.not_value_sets):
        return False
    if fact.state not in {"active", "draft"} or fact.prn or fact.single_dose:
        return False
    if fact.per_day is None or fact.days is None or fact.days < adequate.min_days:
        return False
    start = fact.date.earliest if fact.date else None
    if start is None:
        return fact.state == "draft"
    if start > surgery + timedelta(days=adequate.starts_within_days):
        return False
    # What is left of a course that began before surgery is what protects after it.
    left = start + timedelta(days=fact.days) - max(start, surgery)
    return left.days >= adequate.min_days


def _radiotherapy(order: DraftOrder, adequate: Adequate, *, drafted: bool, cancer: bool) -> bool:
    """A radiotherapy order or plan for the hip; one whose aim may be a tumour does not count.

    An order that names neither site nor reason counts as being for this hip only when it is
    drafted in the same session, and only in a patient without cancer.
    """
    if not order.live or order.kinds.isdisjoint(adequate.radiotherapy_value_sets):
        return False
    aimed = "site-hip" in order.sites or bool(order.reasons & _HO)
    if aimed or not order.kinds.isdisjoint(adequate.for_ho_value_sets):
        return True
    elsewhere = bool(order.sites) or "malignancy-active" in order.reasons or cancer
    return drafted and not elsewhere


def _surgery_date(order: DraftOrder | None, today: date) -> date:
    when: FhirDate | None = order.when if order else None
    return max(today, when.earliest) if when else today


def planned(view: View, knowledge: Knowledge) -> tuple[Planned, ...]:
    """Adequate prophylaxis in the drafts of the session and in the active orders of the chart."""
    adequate = knowledge.meta.adequate
    surgery = _surgery_date(view.order, view.today)
    found = []
    for fact in view.session.medications:
        if _adequate_nsaid(fact, adequate, surgery, view.today):
            regimen = next(
                (r.id for r in knowledge.regimens.values() if r.drug in fact.concepts), None
            )
            found.append(Planned("nsaid", fact.source.label, fact.source, regimen))
    radiated = view.session.once("radiotherapy", lambda: _radiated(view.session, adequate))
    return (*found, *radiated)


def _radiated(session: Session, adequate: Adequate) -> list[Planned]:
    """Radiotherapy in the drafts and in the active orders of the chart."""
    chart, drafts = session.chart, session.orders
    cancer = any("malignancy-active" in c.concepts and not c.resolved for c in chart.conditions)
    found = []
    for order in (*drafts, *chart.planned):
        if order.kinds.isdisjoint(adequate.radiotherapy_value_sets):
            continue
        if _radiotherapy(order, adequate, drafted=order in drafts, cancer=cancer):
            source = Source(order.reference or order.resource_type, None, order.label, order.when)
            found.append(Planned("radiotherapy", order.label, source))
    return found


def conflicts(there: tuple[Planned, ...], view: View, knowledge: Knowledge) -> tuple[Reason, ...]:
    """Reasons in the chart that exclude the prophylaxis which is already ordered."""
    found: dict[str, Reason] = {}
    for plan in there:
        targets = [plan.target, *([plan.regimen] if plan.regimen else [])]
        for target in targets:
            for reason in reasons_for(target, view, knowledge):
                if reason.effect is Effect.EXCLUDE and reason.rule not in _OF_OUR_DRAFT:
                    found.setdefault(reason.rule, reason)
    return tuple(found.values())
