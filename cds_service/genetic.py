"""Genetic heterotopic ossification in the chart: on record, suspected, hinted at, in the family."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cds_service.assessment import Finding
from cds_service.chart import Chart, MedicationFact, Source
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Genetic
from cds_service.predicates import with_status


@dataclass(frozen=True, slots=True)
class Genetics:
    """The genetic disease that decides, the first of the knowledge that the chart has."""

    rule: Genetic | None = None
    finding: Finding | None = None
    words: dict[str, str] = field(default_factory=dict)


def genetics(chart: Chart, knowledge: Knowledge) -> Genetics:
    """Find coded genetic HO of the patient.

    Resolved and suspected entries count (decisions, section 2): a confirmed one outweighs a
    suspected one of the same disease, and the knowledge's order (FOP first) decides between two.
    """
    for rule in knowledge.genetic.values():
        facts = [c for c in chart.conditions if not c.concepts.isdisjoint(rule.value_sets)]
        if not facts:
            continue
        suspected = all(c.suspected for c in facts)
        role, status = ("suspected", "suspected") if suspected else ("genetic", "on record")
        sources = _once(with_status(c) for c in facts)
        finding = Finding(rule.id, role, rule.label, sources, evidence=rule.evidence)
        return Genetics(rule, finding, {"status": status, "disease": rule.label})
    return Genetics()


def question_findings(
    chart: Chart, medications: tuple[MedicationFact, ...], knowledge: Knowledge
) -> tuple[Finding, ...]:
    """Text that names the disease without a code, and codes or medicines that only hint at it."""
    found = []
    for rule in knowledge.genetic.values():
        clues = [with_status(c) for c in chart.conditions if c.concepts & set(rule.clues)]
        clues += [m.source for m in medications if m.concepts & set(rule.clues)]
        clues += [m.source for m in chart.mentions if m.disease == rule.disease]
        if clues:
            found.append(
                Finding(rule.id, "mention", rule.label, _once(clues), evidence=rule.evidence)
            )
    return tuple(found)


def family_findings(chart: Chart, knowledge: Knowledge) -> tuple[Finding, ...]:
    """Genetic HO of a relative: shown, never counted as the patient's own."""
    found = []
    for rule in knowledge.genetic.values():
        facts = [f for f in chart.family if f.concepts & set(rule.family)]
        if facts:
            sources = _once(replace(f.source, status=f.relation) for f in facts)
            found.append(Finding(rule.id, "family", rule.label, sources, evidence=rule.evidence))
    return tuple(found)


def _once(sources: Iterable[Source]) -> tuple[Source, ...]:
    """The same fact recorded twice counts once."""
    kept: dict[tuple[object, ...], Source] = {}
    for source in sources:
        code = source.coding and (source.coding.system, source.coding.code)
        kept.setdefault((code or source.label, str(source.date), source.status), source)
    return tuple(kept.values())
