"""Genetic heterotopic ossification in the chart: on record, suspected, hinted at, in the family."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from cds_service.clinical.assessment import Finding
from cds_service.clinical.chart import Chart, DraftOrder, FamilyFact, Provenance
from cds_service.clinical.evaluate import CallFacts, with_status
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Genetic


@dataclass(frozen=True, slots=True)
class Genetics:
    """The genetic disease that decides, the first of the knowledge that the chart has."""

    rule: Genetic | None = None
    finding: Finding | None = None
    words: dict[str, str] = field(default_factory=dict)


def genetics(facts: CallFacts, knowledge: Knowledge) -> Genetics:
    """Find coded genetic HO of the patient.

    Resolved and suspected entries count (decisions, section 2): a confirmed one outweighs a
    suspected one of the same disease, and the knowledge's order (FOP first) decides between two.
    The coded reason of a draft of this call is a suspicion, too, where the chart has no entry.
    """
    for rule in knowledge.genetic.values():
        wanted = rule.value_sets
        coded = [c for c in facts.chart.conditions if not c.concepts.isdisjoint(wanted)]
        sources = _once(with_status(c) for c in coded) or _once(_suspected(facts.orders, wanted))
        if not sources:
            continue
        suspected = all(c.suspected for c in coded)
        role, status = ("suspected", "suspected") if suspected else ("genetic", "on record")
        finding = Finding(rule.id, role, rule.label, sources, evidence=rule.evidence)
        return Genetics(rule, finding, {"status": status, "disease": rule.label})
    return Genetics()


def open_questions(found: Genetics, knowledge: Knowledge) -> frozenset[str]:
    """The diseases that would change the answer: those that weigh more than the one found."""
    ids = list(knowledge.genetic)
    return frozenset(ids[: ids.index(found.rule.id)] if found.rule else ids)


def question_findings(facts: CallFacts, knowledge: Knowledge) -> tuple[Finding, ...]:
    """Text that names the disease without a code, and codes or medicines that only hint at it."""
    found = []
    for rule in knowledge.genetic.values():
        if clues := [*_hints(facts, rule), *_named(facts, rule)]:
            found.append(
                Finding(rule.id, "mention", rule.label, _once(clues), evidence=rule.evidence)
            )
    return tuple(found)


def _hints(facts: CallFacts, rule: Genetic) -> Iterator[Provenance]:
    """What an order of the record was for is no more than a hint: it may have been answered."""
    clues = frozenset(rule.clues)
    if not clues.isdisjoint(facts.present):
        yield from (with_status(c) for c in facts.chart.conditions if c.concepts & clues)
        yield from (m.source for m in facts.medications if m.concepts & clues)
    yield from _suspected(facts.orders, clues)
    yield from _suspected(facts.chart.planned, clues.union(rule.value_sets))


def _named(facts: CallFacts, rule: Genetic) -> Iterator[Provenance]:
    chart = facts.chart
    told = [*chart.mentions]
    for order in (*facts.orders, *chart.planned):
        told += order.mentions
    yield from (m.source for m in told if m.disease == rule.disease)


def family_findings(chart: Chart, knowledge: Knowledge) -> tuple[Finding, ...]:
    """Genetic HO of a relative: shown, never counted as the patient's own."""
    found = []
    for rule in knowledge.genetic.values() if chart.family else ():
        sources = [_of_relative(f, f.relation) for f in chart.family if f.concepts & {*rule.family}]
        if not sources:
            spoken = [f for f in chart.family if f.named == rule.disease]
            sources = [_of_relative(f, f"{f.relation or 'relative'}, not coded") for f in spoken]
        if sources:
            found.append(
                Finding(rule.id, "family", rule.label, _once(sources), evidence=rule.evidence)
            )
    return tuple(found)


def _of_relative(fact: FamilyFact, status: str | None) -> Provenance:
    return replace(fact.source, status=status)


def _suspected(orders: Iterable[DraftOrder], wanted: Collection[str]) -> list[Provenance]:
    """Coded reasons of orders that name one of these value sets."""
    return [s.source for o in orders for s in o.suspicions if not s.concepts.isdisjoint(wanted)]


def _once(sources: Iterable[Provenance]) -> tuple[Provenance, ...]:
    """The same fact recorded twice counts once."""
    kept: dict[tuple[object, ...], Provenance] = {}
    for source in sources:
        code = source.coding and (source.coding.system, source.coding.code)
        kept.setdefault((code or source.label, str(source.date), source.status), source)
    return tuple(kept.values())
