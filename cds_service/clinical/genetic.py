"""Genetic heterotopic ossification in the chart: on record, suspected, hinted at, in the family."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from cds_service.clinical.assessment import Finding
from cds_service.clinical.chart import Chart, ConditionFact, DraftOrder, FamilyFact, Provenance
from cds_service.clinical.evaluate import CallFacts, with_status
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import (
    ACVR1_ASKED,
    ACVR1_GERMLINE,
    ACVR1_SOURCE_OPEN,
    BRAIN_TUMOUR,
    InputName,
)
from cds_service.knowledge.order_schema import EarlySigns
from cds_service.knowledge.schema import Genetic

_ASKED = frozenset({ACVR1_ASKED, ACVR1_SOURCE_OPEN})
_OF_GENE = _ASKED | {ACVR1_GERMLINE}
"""Value sets of results on the gene of FOP."""
_ADULT = 60
"""From this age a code M61.1 alone is doubted first: FOP is known from childhood (decisions, 1)."""


@dataclass(frozen=True, slots=True)
class Genetics:
    """The genetic disease that decides, the first of the knowledge that the chart has.

    `certain`: on record, not only suspected. `doubted_at` is the age of a patient in whom one ICD
    code is the only sign of FOP, where that code has to be looked at first.
    """

    rule: Genetic | None = None
    finding: Finding | None = None
    words: dict[str, str] = field(default_factory=dict)
    certain: bool = False
    doubted_at: int | None = None

    @property
    def every_order(self) -> bool:
        """Whether every order counts that is not known to be harmless."""
        return self.certain and self.rule is not None and self.rule.every_order


def genetics(session: CallFacts, knowledge: Knowledge) -> Genetics:
    """Find coded genetic HO of the patient.

    Resolved and suspected entries count (decisions, section 2): a confirmed one outweighs a
    suspected one of the same disease, and the knowledge's order (FOP first) decides between two.
    Where the chart has no entry, the coded reason of a draft of this call is a suspicion, and so
    are a medicine that exists for the disease only and a pathogenic germline variant of its gene.
    """
    reasons = any(order.suspicions for order in session.orders)
    for rule, telling in knowledge.once(_telling):
        if telling.isdisjoint(session.present) and not reasons:  # nearly always
            continue
        wanted = rule.value_sets
        facts = [c for c in session.chart.conditions if not c.concepts.isdisjoint(wanted)]
        also = (*_suspected(session.orders, wanted), *_signs(session, rule))
        if not (facts or also):
            continue
        signs = _once(also)
        sources = _once(with_status(c) for c in facts) or signs
        suspected = all(c.suspected for c in facts)
        role, status = ("suspected", "suspected") if suspected else ("genetic", "on record")
        finding = Finding(rule.id, role, rule.label, sources, evidence=rule.evidence)
        words = {"status": status, "disease": rule.label}
        age = None if suspected or signs else _doubted(session, rule, facts)
        if age is not None:
            words["age"] = str(age)
        return Genetics(rule, finding, words, not suspected, age)
    return Genetics()


def _telling(knowledge: Knowledge) -> tuple[tuple[Genetic, frozenset[str]], ...]:
    """Each disease with the value sets of all that says it of a patient, beside orders."""
    rules = knowledge.genetic.values()
    return tuple((rule, frozenset((*rule.value_sets, *rule.signs, *_OF_GENE))) for rule in rules)


def _signs(session: CallFacts, rule: Genetic) -> Iterator[Provenance]:
    """What is evidence of the disease beside a diagnosis."""
    signs = rule.signs
    yield from (m.source for m in session.medications if not m.concepts.isdisjoint(signs))
    if rule.disease == "fop":
        found = {ACVR1_GERMLINE} if _brain_tumour(session) else {ACVR1_GERMLINE, ACVR1_SOURCE_OPEN}
        yield from (m.source for m in session.chart.measurements if m.concepts & found)


def _brain_tumour(session: CallFacts) -> bool:
    """The variants of FOP also occur in tumours of the brain stem."""
    return BRAIN_TUMOUR in session.present


def _doubted(session: CallFacts, rule: Genetic, facts: list[ConditionFact]) -> int | None:
    """The age, where an ICD code is the only sign in somebody who is surely old."""
    if session.ages is None or session.ages[0] < _ADULT or rule.disease != "fop":
        return None
    coded = (fact.source.coding for fact in facts)
    only_icd = all(c is not None and (c.code or "").upper().startswith("M61") for c in coded)
    return session.ages[0] if only_icd and not _named_in(session, rule) else None


def _named_in(session: CallFacts, rule: Genetic) -> bool:
    return any(m.disease == rule.disease for m in session.chart.mentions)


def open_questions(found: Genetics, knowledge: Knowledge) -> frozenset[str]:
    """The diseases that would change the answer: those that weigh more than the one found."""
    ids = list(knowledge.genetic)
    return frozenset(ids[: ids.index(found.rule.id)] if found.rule else ids)


def question_findings(facts: CallFacts, knowledge: Knowledge) -> tuple[Finding, ...]:
    """Text that names the disease without a code, and codes or medicines that only hint at it."""
    return facts.once("questions", lambda: _question_findings(facts, knowledge))


def _question_findings(facts: CallFacts, knowledge: Knowledge) -> tuple[Finding, ...]:
    reasons = any(o.suspicions for o in (*facts.orders, *facts.chart.planned))
    named = facts.once("named", facts.mentions)
    if not (named or reasons) and knowledge.once(_clues).isdisjoint(facts.present):
        return ()  # nearly always
    found = []
    for rule in knowledge.genetic.values():
        if clues := [*_hints(facts, rule), *_named(facts, rule)]:
            found.append(
                Finding(rule.id, "mention", rule.label, _once(clues), evidence=rule.evidence)
            )
    return tuple(found)


def _clues(knowledge: Knowledge) -> frozenset[str]:
    """The value sets of all that only hints at one of the diseases, beside orders."""
    clues = (clue for rule in knowledge.genetic.values() for clue in rule.clues)
    return frozenset((*clues, *_OF_GENE))


def _hints(facts: CallFacts, rule: Genetic) -> Iterator[Provenance]:
    """What an order of the record was for is no more than a hint: it may have been answered."""
    clues = rule.clues
    if not facts.present.isdisjoint(clues):
        yield from (with_status(c) for c in facts.chart.conditions if c.concepts & {*clues})
        yield from (m.source for m in facts.medications if m.concepts & {*clues})
    if rule.disease == "fop":
        asked = _ASKED
        yield from (m.source for m in facts.chart.measurements if m.concepts & asked)
    yield from _suspected(facts.orders, clues)
    yield from _suspected(facts.chart.planned, clues, rule.value_sets)


def _named(facts: CallFacts, rule: Genetic) -> Iterator[Provenance]:
    yield from (m.source for m in facts.once("named", facts.mentions) if m.disease == rule.disease)


def early_findings(session: CallFacts, knowledge: Knowledge) -> tuple[Finding, ...]:
    """Heterotopic ossification in a child, or beside malformed great toes, that nothing explains:
    a question, whatever else the chart says."""
    rule, chart = knowledge.early, session.chart
    if not rule.enabled or session.present.isdisjoint(rule.ossification):
        return ()
    bones = [c for c in chart.conditions if _ossified(c, rule)]
    young = [c for c in bones if _was_young(c, session, rule)]
    sources = [with_status(c) for c in young]
    if young and not session.present.isdisjoint(rule.explained_by):
        sources = []
    if bones:
        toes = [c for c in chart.conditions if c.concepts & {*rule.toes}]
        if _below(session, rule.below_years):
            toes += [c for c in chart.conditions if c.concepts & {*rule.toes_of_children}]
        if toes:
            sources += [with_status(c) for c in (*bones, *toes)]
    if not sources:
        return ()
    return (Finding(rule.id, "mention", rule.label, _once(sources), evidence=rule.evidence),)


def _ossified(fact: ConditionFact, rule: EarlySigns) -> bool:
    code = (fact.source.coding.code or "") if fact.source.coding else ""
    return bool(fact.concepts & {*rule.ossification}) and not code.upper().startswith(
        rule.explained_codes
    )


def _was_young(fact: ConditionFact, session: CallFacts, rule: EarlySigns) -> bool:
    """Whether it was there before the age of the rule; without a birth date nobody knows."""
    birth = session.chart.patient.birth
    if _below(session, rule.below_years):
        return True
    if birth is None or fact.date is None:
        return False
    limit = rule.below_years
    first = session.days.span(fact.date, recent=True)[0]
    return (first - birth.earliest).days < limit * 365.25


def _below(session: CallFacts, years: int) -> bool:
    return any(ages[1] < years for ages in session.ages_on_each)


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


def _suspected(orders: Iterable[DraftOrder], *wanted: Collection[str]) -> list[Provenance]:
    """Coded reasons of orders that name one of these value sets."""
    return [
        s.source
        for o in orders
        for s in o.suspicions
        if any(not s.concepts.isdisjoint(sets) for sets in wanted)
    ]


def _once(sources: Iterable[Provenance]) -> tuple[Provenance, ...]:
    """The same fact recorded twice counts once."""
    kept: dict[tuple[object, ...], Provenance] = {}
    for source in sources:
        code = source.coding and (source.coding.system, source.coding.code)
        kept.setdefault((code or source.label, str(source.date), source.status), source)
    return tuple(kept.values())


def may_be(facts: CallFacts, found: Genetics, knowledge: Knowledge) -> bool:
    """Whether a route in words matters: genetic HO stands coded, or there is a question about it.
    The latter never gives more than an info card."""
    if found.rule or not facts.chart.input(InputName.CONDITIONS).known:
        return True
    return bool(question_findings(facts, knowledge) or family_findings(facts.chart, knowledge))
