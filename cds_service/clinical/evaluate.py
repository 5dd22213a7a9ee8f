"""Answers the tests of the knowledge about one order: yes with its sources, no, or unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from cds_service.clinical.ages import age_outcome, age_range, age_words, ages_on_each
from cds_service.clinical.chart import (
    Chart,
    ConditionFact,
    DraftOrder,
    InputReport,
    MedicationFact,
    Mention,
    ProcedureFact,
    Provenance,
)
from cds_service.clinical.days import Days
from cds_service.clinical.dosing import those_of
from cds_service.clinical.laboratory import Laboratory, Result
from cds_service.clinical.logic import NO, UNKNOWN, YES, Answer, Outcome, any_of, found_in, told
from cds_service.clinical.time_windows import decisive, recent, told_undated, within
from cds_service.knowledge.names import BROOKER, SITE_ELSEWHERE, SITE_HIP, InputName, Side
from cds_service.knowledge.when import (
    AgeTest,
    AllergyTest,
    ConditionTest,
    MeasurementTest,
    MedicationTest,
    OrderTest,
    ProcedureTest,
    SexTest,
    When,
)

_T = TypeVar("_T")


class CallFacts:
    """What all orders of one call share, read once: chart, day, live drafts, and what is in them.

    `both_hips` says that the arthroplasty orders cover both sides. `medications` are those of the
    chart and of the drafts; a draft replaces its stored version.
    """

    def __init__(
        self,
        chart: Chart,
        today: date | Days,
        orders: tuple[DraftOrder, ...],
        *,
        both_hips: bool = False,
    ) -> None:
        self.chart = chart
        self.days = days = Days.of(today)
        self.orders = orders
        self.both_hips = both_hips
        drafts = [o.medication for o in orders if o.medication]
        drafted = {d.source.reference for d in drafts if "/" in d.source.reference}
        known = [m for m in chart.medications if m.source.reference not in drafted]
        self.medications: tuple[MedicationFact, ...] = (*known, *drafts)
        planned = [order for order in chart.planned if order.live]
        unidentified = [o.unidentified for o in (*orders, *planned) if o.unidentified]
        drafted |= {d.source.reference for d in unidentified if "/" in d.source.reference}
        stored = [u for u in chart.unidentified if u.source.reference not in drafted]
        self.laboratory = Laboratory(chart, days)
        self.ages = age_range(chart.patient, days)
        self.ages_on_each = ages_on_each(chart.patient, days)
        self.age = age_words(self.ages)
        self.nothing_found = NO if all(r.known for r in chart.inputs) else UNKNOWN
        self.present = self._concepts()
        told = [u for u in stored if not u.beside or not u.beside.isdisjoint(self.present)]
        self.unidentified = (*told, *unidentified)
        self._reports = {report.name: report for report in chart.inputs}
        self._shared: dict[str, Any] = {}
        self._answers: dict[tuple[Side | None, bool, bool], dict[str, Outcome]] = {}

    def once(self, name: str, make: Callable[[], _T]) -> _T:
        """What `make` gives, made once for all orders of this call and kept under `name`."""
        if name not in self._shared:
            self._shared[name] = make()
        made: _T = self._shared[name]
        return made

    def _concepts(self) -> frozenset[str]:
        """Value sets of all facts and orders, and whether a Brooker class is recorded."""
        chart = self.chart
        facts = (chart.conditions, chart.procedures, self.medications, chart.allergies,
                 chart.measurements)  # fmt: skip
        found = {BROOKER} if any(m.grade for m in chart.measurements) else set()
        for kind in facts:
            for fact in kind:
                found |= fact.concepts
        for order in (*self.orders, *chart.planned):
            found |= order.kinds
        return frozenset(found)

    def report(self, name: InputName) -> InputReport:
        """What became of an input."""
        return self._reports.get(name) or self.chart.input(name)

    def age_source(self) -> Provenance:
        """The age as the source of a question about it."""
        return Provenance(f"Patient/{self.chart.patient.id}", None, f"age {self.age}")

    def mentions(self) -> tuple[Mention, ...]:
        """What texts of the chart and of the orders name without a code."""
        orders = (*self.orders, *self.chart.planned)
        return (*self.chart.mentions, *(one for order in orders for one in order.mentions))

    def can_hold(self, when: When) -> bool:
        """False when the chart has nothing that the test asks for."""
        return when.needs is None or not when.needs.isdisjoint(self.present)

    def view(
        self, order: DraftOrder | None, *, cautious: bool = False, sure: bool = False
    ) -> OrderView:
        seen_as = (order.side if order else None, cautious, sure)
        return OrderView(self, order, cautious, sure, self._answers.setdefault(seen_as, {}))


_REASSURING = frozenset({"negative", "not-pregnant"})


class OrderView:
    """One order seen against the chart.

    `cautious` is for exclusions: suspected conditions and dates that may lie in the window count.
    Without it (risk factors) they do not. Where today can be two days, what holds on one of them
    holds; `sure` wants both, for what would speak against caution. `answers` is what was asked of
    the chart for this side, by the key of the test: many orders of one call, and many rules, ask
    the same of a chart that may hold thousands of facts.
    """

    __slots__ = ("answers", "cautious", "chart", "days", "facts", "order", "sure")

    def __init__(
        self,
        facts: CallFacts,
        order: DraftOrder | None,
        cautious: bool,
        sure: bool,
        answers: dict[str, Outcome],
    ) -> None:
        self.facts = facts
        self.chart = facts.chart
        self.days = facts.days
        self.order = order
        self.cautious = cautious
        self.sure = sure
        self.answers = answers

    def known(self, name: InputName) -> Outcome:
        return NO if self.facts.report(name).known else UNKNOWN

    def ask(self, when: When) -> Outcome:
        """Answer a `When` of the knowledge."""
        if not self.facts.can_hold(when):
            return self.facts.nothing_found
        return self.test(when)

    def test(self, when: When) -> Outcome:
        """As `ask`, which is quicker; for that, what is not in the chart is unknown as soon as
        any input is."""
        answer = self.answers.get(when.key)
        if answer is None:
            answer = self._answer(when)
            if not when.about_order:
                self.answers[when.key] = answer
        return answer

    def _answer(self, when: When) -> Outcome:
        member, test = when.asks
        return _ANSWERED[member](self, test)

    def _any(self, parts: tuple[tuple[Set[str] | None, When], ...]) -> Outcome:
        present = self.facts.present
        held = [w for needs, w in parts if needs is None or not needs.isdisjoint(present)]
        asked = [*map(self.test, held)]
        if len(asked) < len(parts):
            asked.append(self.facts.nothing_found)
        return any_of(asked)

    def _none(self, parts: tuple[When, ...]) -> Outcome:
        against = self if self.days.known else self._against()
        return NO if any(against.ask(w).answer is Answer.YES for w in parts) else YES

    def _against(self) -> OrderView:
        """The same for what speaks against: where this takes either day, that wants both."""
        return self.facts.view(self.order, cautious=self.cautious, sure=not self.sure)

    def _all(self, parts: tuple[When, ...]) -> Outcome:
        seen = []
        for part in parts:
            outcome = self.ask(part)
            if outcome.answer is Answer.NO:  # whatever the rest says
                return NO
            seen.append(outcome)
        if any(o.answer is Answer.UNKNOWN for o in seen):
            return UNKNOWN
        pairs = [pair for o in seen for pair in zip(o.sources, o.words, strict=True)]
        return found_in(pairs) or YES

    def _side(self, side: Side, wanted: str) -> bool:
        if wanted == "any" or self.order is None or self.facts.both_hips:
            return True
        return {side, self.order.side} != {Side.LEFT, Side.RIGHT}

    def _counts(self, fact: ConditionFact, test: ConditionTest) -> bool:
        """Whether a condition in the value sets of the test is one that it asks for."""
        return (
            fact.concepts.isdisjoint(test.other_than)
            and (self.cautious or not fact.suspected)
            and not (test.state == "current" and fact.resolved)
            and self._recent(fact, test)
            and not (
                test.older_than_days
                and within(fact.date, test.older_than_days, self.days, cautious=self.cautious)
            )
            and self._side(fact.side, test.side)
            and _site(fact.sites, test.site)
        )

    def _recent(
        self, fact: ConditionFact | ProcedureFact, test: ConditionTest | ProcedureTest
    ) -> bool:
        return recent(fact, test, self.days, cautious=self.cautious, sure=self.sure)

    def _condition(self, test: ConditionTest) -> Outcome:
        wanted = test.value_sets
        coded = [f for f in self.chart.conditions if not f.concepts.isdisjoint(wanted)]
        if not coded and BROOKER not in wanted:
            return self.known(InputName.CONDITIONS)
        facts = [f for f in coded if self._counts(f, test)]
        if test.both_sides:
            sides = {f.side for f in facts}
            if Side.BILATERAL not in sides and not {Side.LEFT, Side.RIGHT} <= sides:
                facts = []
        facts, only_asked = decisive(facts, test)
        sources = [told_undated(with_status(f), f, test) for f in facts]
        if BROOKER in test.value_sets:
            graded = (m for m in self.chart.measurements if m.grade)
            sources += [replace(m.source, status=f"Brooker {m.grade}") for m in graded]
        found = found_in((s, told(s)) for s in sources) or self.known(InputName.CONDITIONS)
        return replace(found, answer=Answer.UNKNOWN, undated=True) if only_asked else found

    def _procedure(self, test: ProcedureTest) -> Outcome:
        def counts(fact: ProcedureFact) -> bool:
            return (
                not fact.concepts.isdisjoint(test.value_sets)
                and fact.concepts.isdisjoint(test.other_than)
                and (not test.reasons or not fact.reasons.isdisjoint(test.reasons))
                and self._recent(fact, test)
                and self._side(fact.side, test.side)
                and _site(fact.sites, test.site)
            )

        facts, only_asked = decisive([f for f in self.chart.procedures if counts(f)], test)
        sources = [told_undated(f.source, f, test) for f in facts]
        found = found_in((s, told(s)) for s in sources) or self.known(InputName.PROCEDURES)
        return replace(found, answer=Answer.UNKNOWN, undated=True) if only_asked else found

    def _medication(self, test: MedicationTest) -> Outcome:
        facts = those_of(test, self.facts.medications, self.days)
        return found_in((f.source, f.source.label) for f in facts) or self.known(
            InputName.MEDICATIONS
        )

    def _allergy(self, test: AllergyTest) -> Outcome:
        facts = [a for a in self.chart.allergies if not a.concepts.isdisjoint(test.value_sets)]
        return found_in((f.source, told(f.source)) for f in facts) or self.known(
            InputName.ALLERGIES
        )

    def _measurement(self, test: MeasurementTest) -> Outcome:
        laboratory = self.facts.laboratory
        result = laboratory.newest(test.quantity, test.within_days)
        if result is not None:
            answer = _compare(result, test)
            reassures = answer is Answer.NO or test.answer in _REASSURING
            if reassures and laboratory.unread(test.quantity, test.within_days):
                return UNKNOWN  # what came later cannot be read; the unknown checks tell it
            if (reassures or self.sure) and not laboratory.surely(result, test.within_days):
                return UNKNOWN  # too old on one of the days that today can be
            return Outcome(answer, (result.source,), (result.text,))
        older = laboratory.newest(test.quantity)
        if older is None or _compare(older, test) is not Answer.YES:
            return UNKNOWN
        # Too old to count, and not to be taken for a normal one either.
        words = f"{older.text}, older than {test.within_days} days"
        return Outcome(Answer.UNKNOWN, (older.source,), (words,), stale=test.quantity)

    def _age(self, test: AgeTest) -> Outcome:
        facts, asked = self.facts, self.facts.once("age", self.facts.age_source)
        return age_outcome(facts.ages_on_each, test, asked, cautious=self.cautious, sure=self.sure)

    def _sex(self, test: SexTest) -> Outcome:
        if self.chart.patient.sex == "unknown":
            return UNKNOWN
        if self.chart.patient.sex != test.sex:
            return NO
        source = Provenance(f"Patient/{self.chart.patient.id}", None, test.sex)
        return Outcome(Answer.YES, (source,), (test.sex,))

    def _others(self) -> list[DraftOrder]:
        """The other orders of the session, and what is planned in the record."""
        planned = (order for order in self.chart.planned if order.live)
        return [o for o in (*self.facts.orders, *planned) if not _same(o, self.order)]

    def _order(self, test: OrderTest) -> Outcome:
        if test.both_hips:
            return YES if self.facts.both_hips and self.order is not None else NO
        looked_at = self._others() if test.anywhere else (self.order,) if self.order else ()
        found = [
            o
            for o in looked_at
            if not o.kinds.isdisjoint(test.kinds)
            and o.kinds.isdisjoint(test.other_than)
            and (not test.reasons or not o.reasons.isdisjoint(test.reasons))
            and self._side(o.side, test.side)
            and _site(o.sites, test.site)
        ]
        sources = [Provenance(o.reference or o.resource_type, None, o.label, o.when) for o in found]
        return found_in((s, told(s)) for s in sources) or NO


# Where a test is answered, by the member of `When`.
_ANSWERED: Mapping[str, Callable[[OrderView, Any], Outcome]] = {
    "condition": OrderView._condition,
    "procedure": OrderView._procedure,
    "medication": OrderView._medication,
    "allergy": OrderView._allergy,
    "measurement": OrderView._measurement,
    "age": OrderView._age,
    "sex": OrderView._sex,
    "order": OrderView._order,
    "any": OrderView._any,
    "all": OrderView._all,
    "none": OrderView._none,
}


def _same(one: DraftOrder, other: DraftOrder | None) -> bool:
    """Whether two orders are one: itself, or its version in the record."""
    return one is other or (
        other is not None and one.reference is not None and one.reference == other.reference
    )


def with_status(fact: ConditionFact) -> Provenance:
    """The source of a condition, with what is not plain about it (suspected, resolved, grade,
    a site that nobody recognises)."""
    said = [fact.verification] if fact.suspected else []
    said += [fact.clinical] if fact.clinical != "active" else []
    said += [f"Brooker {fact.grade}"] if fact.grade else []
    if not said:  # nearly always
        return fact.source
    said += [fact.source.status] if fact.source.status else []
    return replace(fact.source, status=", ".join(said))


def _site(sites: frozenset[str], wanted: str) -> bool:
    if wanted == "any":
        return True
    if SITE_HIP in sites:
        return wanted in {"hip", "hip-or-unstated", "not-elsewhere"}
    if is_elsewhere(sites):
        return wanted == "elsewhere"
    # What nobody recognises may be the hip or not.
    allowed = {"not-elsewhere", "unrecognised" if sites else "unstated"}
    return wanted in allowed or (wanted == "hip-or-unstated" and not sites)


def is_elsewhere(sites: frozenset[str]) -> bool:
    """Surely not the hip."""
    return SITE_ELSEWHERE in sites and SITE_HIP not in sites


def _compare(result: Result, test: MeasurementTest) -> Answer:
    if test.answer:
        return Answer.YES if f"answer-{test.answer}" in result.answers else Answer.NO
    low, high = result.low, result.high
    parts = (
        _bound(test.below, lambda b: high < b, lambda b: low >= b),
        _bound(test.at_least, lambda b: low >= b, lambda b: high < b),
        _bound(test.above, lambda b: low > b, lambda b: high <= b),
    )
    worst = (Answer.NO, Answer.UNKNOWN, Answer.YES)
    return min(parts, key=worst.index)


def _bound(
    bound: float | None, holds: Callable[[float], bool], fails: Callable[[float], bool]
) -> Answer:
    if bound is None or holds(bound):
        return Answer.YES
    return Answer.NO if fails(bound) else Answer.UNKNOWN
