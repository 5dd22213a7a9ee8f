"""What the chart holds that counts: the factors and their tier, and what is shown beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.clinical.assessment import Finding, Tier
from cds_service.clinical.chart import Chart, DraftOrder, Provenance
from cds_service.clinical.evaluate import CallFacts, OrderView
from cds_service.clinical.logic import Answer
from cds_service.clinical.rule_index import factors, modifiers, non_factors
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Factor, Modifier, NonFactor

_UNCONFIRMED = frozenset({"unconfirmed", "provisional", "differential"})


@dataclass(frozen=True, slots=True)
class Case:
    """What all orders of one call share."""

    facts: CallFacts
    knowledge: Knowledge

    @property
    def chart(self) -> Chart:
        return self.facts.chart

    @property
    def factors(self) -> list[Factor]:
        """The risk factors that this chart can meet."""
        rules, facts = self.knowledge.once(factors), self.facts
        return facts.once("factors", lambda: rules.among(facts.present))

    def view(self, order: DraftOrder | None, *, cautious: bool = False) -> OrderView:
        return self.facts.view(order, cautious=cautious)


def factors_of(case: Case, order: DraftOrder) -> tuple[Finding, ...]:
    """The factors that surely hold for one order."""
    view = case.view(order)
    found = []
    for rule in case.factors:
        outcome = view.ask(rule.when)
        if outcome.answer is Answer.YES:
            tier = Tier(rule.tier)
            found.append(
                Finding(rule.id, "factor", rule.label, outcome.sources, tier, rule.evidence)
            )
    return tuple(found)


def tier_of(case: Case, factors: tuple[Finding, ...]) -> Tier:
    """The tier that these factors make; factors of one group count once."""
    if any(f.tier is Tier.HIGH for f in factors):
        return Tier.HIGH
    rules = case.knowledge.factors
    groups = {rules[f.rule].group or f.rule for f in factors}
    if len(groups) >= case.knowledge.meta.tier_high_at:
        return Tier.HIGH
    return Tier.MODERATE if groups else Tier.NONE


def seen(case: Case) -> tuple[Finding, ...]:
    """Non-factors that the chart has, for the trace."""
    rules = case.knowledge.once(non_factors).among(case.facts.present)
    return _matching(case, None, "non-factor", rules)


def _matching(
    case: Case, order: DraftOrder | None, role: str, rules: Iterable[Modifier | NonFactor]
) -> tuple[Finding, ...]:
    view = case.view(order)
    found = []
    for rule in rules:
        outcome = view.ask(rule.when) if rule.when else None
        if outcome is not None and outcome.answer is Answer.YES:
            note = "contested" if isinstance(rule, NonFactor) and rule.contested else None
            found.append(
                Finding(
                    rule.id, role, rule.label, outcome.sources, evidence=rule.evidence, note=note
                )
            )
    return tuple(found)


def _unconfirmed(source: Provenance) -> bool:
    return source.status is not None and source.status.partition(",")[0] in _UNCONFIRMED


def _any_suspected(chart: Chart) -> bool:
    """Whether a condition is unconfirmed: no other fact is."""
    return any(condition.suspected for condition in chart.conditions)


def beside(case: Case, order: DraftOrder, counted: tuple[Finding, ...] = ()) -> tuple[Finding, ...]:
    """What is shown beside the factors and never fires: modifiers, and unconfirmed factors."""
    rules = case.knowledge.once(modifiers).among(case.facts.present)
    found = [*_matching(case, order, "modifier", rules)]
    suspected_any = case.facts.once("suspected", lambda: _any_suspected(case.chart))
    for rule in case.factors if suspected_any else ():
        if any(finding.rule == rule.id for finding in counted):
            continue
        cautious = case.view(order, cautious=True).ask(rule.when)
        suspected = tuple(s for s in cautious.sources if _unconfirmed(s))
        if cautious.answer is Answer.YES and suspected:
            evidence = rule.evidence
            found.append(
                Finding(rule.id, "unconfirmed", rule.label, suspected, Tier.NONE, evidence)
            )
    return tuple(found)
