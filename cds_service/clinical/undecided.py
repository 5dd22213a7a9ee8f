"""Factors that nobody can decide although part of what they ask for stands in the chart.

"Man with osteoarthritis of both hips" is one where the chart has the hips and not the sex: silence
would take what is not known for a no.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from cds_service.clinical.assessment import Finding, NotAssessed, Tier
from cds_service.clinical.chart import DraftOrder, Provenance
from cds_service.clinical.evaluate import OrderView
from cds_service.clinical.logic import Answer
from cds_service.clinical.risk import Case, tier_of
from cds_service.clinical.unknown_inputs import state_words
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import HO, InputName
from cds_service.knowledge.schema import Factor
from cds_service.knowledge.when import When

_Lack = tuple[InputName, str]

NO_DATE = "no date"

# What answers a test, and what a card calls it; by the member of `When`.
_ANSWERED_BY: dict[str, _Lack] = {
    "condition": (InputName.CONDITIONS, "problem list"),
    "procedure": (InputName.PROCEDURES, "procedures"),
    "medication": (InputName.MEDICATIONS, "medicines"),
    "allergy": (InputName.ALLERGIES, "allergies"),
    "measurement": (InputName.OBSERVATIONS, "result"),
    "age": (InputName.PATIENT, "age"),
    "sex": (InputName.PATIENT, "sex"),
}


@dataclass(frozen=True, slots=True)
class Undecided:
    """A factor that may hold. `finding` has the facts that speak for it, `said` what is lacking."""

    finding: Finding
    said: NotAssessed


@dataclass(frozen=True, slots=True)
class _Weighed:
    """The answer of a test, what the chart has of it, and what nobody knows of it."""

    answer: Answer
    held: tuple[Provenance, ...] = ()
    lacks: tuple[_Lack, ...] = ()


def undecided(case: Case, order: DraftOrder, factors: tuple[Finding, ...]) -> tuple[Undecided, ...]:
    """What could raise the tier that `factors` make, if more were known."""
    joint = case.knowledge.once(_joint)
    told = {finding.rule for finding in factors}
    view, found = case.view(order), []
    for rule in case.factors:
        if rule.id not in joint or rule.id in told:
            continue
        weighed = _weigh(view, rule.when, case.knowledge)
        if weighed.answer is Answer.UNKNOWN and weighed.held:
            note = ", ".join(words for _, words in weighed.lacks)
            tier = Tier(rule.tier)
            finding = Finding(
                rule.id, "undecided", rule.label, weighed.held, tier, rule.evidence, note
            )
            found.append((finding, weighed.lacks))
    if not found:  # nearly always
        return ()
    might_be = tier_of(case, (*factors, *(finding for finding, _ in found)))
    if might_be is tier_of(case, factors):
        return ()
    return tuple(Undecided(f, _said(f, lacks, might_be)) for f, lacks in found)


def hinted(case: Case, order: DraftOrder, factors: tuple[Finding, ...]) -> tuple[Undecided, ...]:
    """Factors that uncoded text, or a code that only hints at them, asks about, where they would
    raise the tier."""
    told, found = {finding.rule for finding in factors}, []
    for rule in case.knowledge.once(_asking):
        sources, note = _hints(case, order, rule) if rule.id not in told else ((), "")
        if not sources:  # nearly always
            continue
        finding = Finding(
            rule.id, "undecided", rule.label, sources, Tier(rule.tier), rule.evidence, note
        )
        might_be = tier_of(case, (*factors, finding))
        if might_be is tier_of(case, factors):
            continue
        found.append(Undecided(finding, _said(finding, ((InputName.CONDITIONS, ""),), might_be)))
    return tuple(found)


def tested(
    case: Case, orders: Iterable[DraftOrder], found: Container[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The rules that were tested and do not hold, and those that nobody can decide: the genetic
    diseases beside the rules that were `found`, and the factors for each of these hips."""
    known = case.chart.input(InputName.CONDITIONS).known
    genetic = [rule for rule in case.knowledge.genetic if rule not in found]
    absent, open_ = (genetic, []) if known else ([], genetic)
    views = [case.view(order) for order in orders]
    one_of_each_side = list({view.order.side: view for view in views if view.order}.values())
    every_no, present = case.facts.nothing_found.answer is Answer.NO, case.facts.present
    for rule, when, needs in case.knowledge.once(_needed) if views else ():
        if every_no and needs is not None and needs.isdisjoint(present):  # nearly always
            absent.append(rule)
            continue
        asked = views if when.about_order else one_of_each_side
        answers = [_answer(view, when, case) for view in asked]
        if all(answer is Answer.NO for answer in answers):
            absent.append(rule)
        elif any(answer is Answer.UNKNOWN for answer in answers):
            open_.append(rule)
    return tuple(absent), tuple(open_)


def _needed(knowledge: Knowledge) -> tuple[tuple[str, When, frozenset[str] | None], ...]:
    """The tests of all factors, and the value sets without which they do not hold."""
    return tuple((rule.id, rule.when, rule.when.needs) for rule in knowledge.factors.values())


def _answer(view: OrderView, when: When, case: Case) -> Answer:
    """Where an input was not read, an absent factor is one that does not ask for it."""
    if view.facts.nothing_found.answer is Answer.NO:
        return view.ask(when).answer
    return _weigh(view, when, case.knowledge).answer


def _asking(knowledge: Knowledge) -> tuple[Factor, ...]:
    rules = knowledge.factors.values()
    return tuple(r for r in rules if r.enabled and (r.clues is not None or r.mentions))


def _hints(case: Case, order: DraftOrder, rule: Factor) -> tuple[tuple[Provenance, ...], str]:
    """What hints at a factor, and why it does not decide."""
    sources: tuple[Provenance, ...] = ()
    if rule.clues is not None and case.facts.can_hold(rule.clues):
        perhaps = case.view(order, cautious=True).ask(rule.clues)
        if perhaps.undated:
            return perhaps.sources, NO_DATE
        sources = case.view(order).ask(rule.clues).sources
    if rule.mentions and case.chart.mentions:
        sources += tuple(m.source for m in case.chart.mentions if m.disease == HO)
    return tuple(dict.fromkeys(sources)), "not clearly coded"


def _said(finding: Finding, lacks: tuple[_Lack, ...], might_be: Tier) -> NotAssessed:
    label = finding.label[:1].upper() + finding.label[1:]
    if finding.note == NO_DATE:  # of the same fact an option asks when it was
        text = f"{label}: then {might_be.value} risk."
        return NotAssessed(lacks[0][0].value, NO_DATE, text)
    text = f"{label}: {finding.note}. Ask; if it applies, the risk may be {might_be.value}."
    return NotAssessed(lacks[0][0].value, str(finding.note), text)


def _joint(knowledge: Knowledge) -> frozenset[str]:
    """The factors that ask for more than one thing at once; no other can be known in part."""
    return frozenset(rule.id for rule in knowledge.factors.values() if _is_joint(rule.when))


def _is_joint(when: When) -> bool:
    return bool(when.all) or any(_is_joint(part) for part in when.any)


# --- as `OrderView.ask`, with what is known of an answer that is not ---


def _weigh(view: OrderView, when: When, knowledge: Knowledge) -> _Weighed:
    if when.any:
        return _either([_weigh(view, part, knowledge) for part in when.any])
    if when.all:
        return _together([_weigh(view, part, knowledge) for part in when.all])
    outcome = view.ask(when) if when.none else view.test(when)
    if outcome.answer is Answer.UNKNOWN:
        return _Weighed(Answer.UNKNOWN, lacks=(_lack(view, when, knowledge),))
    # Whom the chart is about is no finding: of a man alone nothing is said.
    held = () if when.sex is not None else outcome.sources
    return _Weighed(outcome.answer, held if outcome.answer is Answer.YES else ())


def _together(parts: list[_Weighed]) -> _Weighed:
    if any(part.answer is Answer.NO for part in parts):
        return _Weighed(Answer.NO)
    lacks = tuple(dict.fromkeys(lack for part in parts for lack in part.lacks))
    held = tuple(dict.fromkeys(source for part in parts for source in part.held))
    return _Weighed(Answer.UNKNOWN if lacks else Answer.YES, held, lacks)


def _either(parts: list[_Weighed]) -> _Weighed:
    sure = [part for part in parts if part.answer is Answer.YES]
    unknown = [part for part in parts if part.answer is Answer.UNKNOWN]
    if not sure and not unknown:
        return _Weighed(Answer.NO)
    # Of what is open only that counts for which something speaks.
    chosen = sure or [part for part in unknown if part.held] or unknown
    held = tuple(dict.fromkeys(source for part in chosen for source in part.held))
    lacks = tuple(dict.fromkeys(lack for part in chosen for lack in part.lacks))
    return _Weighed(Answer.YES if sure else Answer.UNKNOWN, held, lacks)


def _lack(view: OrderView, when: When, knowledge: Knowledge) -> _Lack:
    name, words = next(
        said for member, said in _ANSWERED_BY.items() if getattr(when, member) is not None
    )
    report = view.chart.input(name)
    state = None if report.known else state_words(knowledge, report.state)
    # A Patient that was read may still lack both; why is told by the line about the Patient.
    return name, f"{words} {'not known' if name is InputName.PATIENT else state or 'not found'}"
