"""Which options of prophylaxis are left for this patient, on what conditions, and why."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from cds_service.assessment import Effect, NotAssessed, OptionVerdict, Reason, Standing
from cds_service.candidates import exclusions
from cds_service.chart import Chart, InputName, InputState
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Exclusion, UnknownCheck
from cds_service.predicates import Answer, Outcome, View

STATE_WORDS = {
    InputState.ABSENT: "not sent",
    InputState.FAILED: "could not be read",
    InputState.PARTIAL: "read only in part",
}
STATES_SAID = (*STATE_WORDS.values(), "not found", "not stated")
"""All words for what is not known."""


def _reason(rule: Exclusion, outcome: Outcome, view: View) -> Reason:
    ages = view.session.ages
    age = "?" if ages is None else str(ages[0])
    fact = "; ".join(outcome.words[:4]) or rule.label
    more = len(outcome.words) - 4
    if more > 0:
        fact += f" and {more} more"
    text = rule.text.format_map(defaultdict(str, fact=fact, age=age))
    if outcome.answer is Answer.UNKNOWN:
        doubt = "check again" if outcome.stale else "too inexact to tell, check"
        text = f"{fact}: {doubt} ({rule.label})."
        return Reason(rule.id, Effect.CONDITION, text, outcome.sources, rule.evidence, unknown=True)
    return Reason(rule.id, Effect(rule.effect), text, outcome.sources, rule.evidence)


def reasons_for(target: str, view: View, knowledge: Knowledge) -> tuple[Reason, ...]:
    """Reasons against an option or a regimen (`target` is its id), excluding ones first.

    A rule that cannot be answered gives a reason only where there is a result to show; what was
    not read at all is told once by `not_assessed`.
    """
    found: list[Reason] = []
    checked = knowledge.once(_checked)
    for rule in view.session.once(f"against {target}", lambda: _against(target, view, knowledge)):
        outcome = view.ask(rule.when)
        if outcome.stale in checked:
            continue
        if outcome.answer is Answer.YES or (outcome.answer is Answer.UNKNOWN and outcome.sources):
            found.append(_reason(rule, outcome, view))
    found.sort(key=lambda r: r.effect is not Effect.EXCLUDE)
    return _without_repeats(found)


def _against(target: str, view: View, knowledge: Knowledge) -> list[Exclusion]:
    """The rules against a target that this chart can meet."""
    rules = knowledge.once(exclusions).get(target)
    return rules.among(view.session.present) if rules else []


def _checked(knowledge: Knowledge) -> frozenset[str]:
    """Quantities of which an old result is told by their unknown check already."""
    return frozenset(check.quantity for check in knowledge.unknown_checks if check.quantity)


def _without_repeats(found: list[Reason]) -> tuple[Reason, ...]:
    """Drop a reason whose every source an earlier one has named: an exclusion, or one as open."""
    kept: list[Reason] = []
    excluded: set[str] = set()
    unclear: set[str] = set()
    for reason in found:
        references = {s.reference for s in reason.sources if "/" in s.reference}
        named = excluded | unclear if reason.unknown else excluded
        if references and references <= named:
            continue
        kept.append(reason)
        if reason.effect is Effect.EXCLUDE:
            excluded |= references
        elif reason.unknown:
            unclear |= references
    return tuple(kept)


def not_assessed(view: View, knowledge: Knowledge) -> tuple[tuple[NotAssessed, UnknownCheck], ...]:
    """What could not be read, with the check that says what to do by hand."""
    return view.session.once("not assessed", lambda: _not_assessed(view, knowledge))


def _not_assessed(view: View, knowledge: Knowledge) -> tuple[tuple[NotAssessed, UnknownCheck], ...]:
    found = []
    for check in knowledge.unknown_checks:
        state = _unknown_state(check, view)
        if state is not None:
            older = _older(check, view)
            text = check.text.format_map(defaultdict(str, state=state, older=older))
            found.append((NotAssessed(check.input, state, text), check))
    return tuple(found)


def _unknown_state(check: UnknownCheck, view: View) -> str | None:
    chart: Chart = view.chart
    name = InputName(check.input)
    if check.quantity and check.within_days:
        result = view.session.laboratory.newest(check.quantity, check.within_days)
        limit = view.today - timedelta(days=check.within_days)
        known = result is not None and result.when.earliest >= limit
        return None if known else "not found"
    if name is InputName.PATIENT and chart.input(name).known:
        facts = chart.patient
        known = facts.sex != "unknown" and view.session.ages is not None
        return None if known else "not stated"
    state = chart.input(name).state
    return None if check.only_broken and state is InputState.ABSENT else STATE_WORDS.get(state)


def _older(check: UnknownCheck, view: View) -> str:
    if not check.quantity:
        return ""
    result = view.session.laboratory.newest(check.quantity)
    return f"; older: {result.text}" if result else ""


def verdicts(view: View, knowledge: Knowledge) -> tuple[OptionVerdict, ...]:
    """How each option of the knowledge stands, in the order of the knowledge."""
    unknown = not_assessed(view, knowledge)
    found = []
    for option in knowledge.options.values():
        if not option.enabled:
            continue
        reasons = reasons_for(option.id, view, knowledge)
        excluding = tuple(r for r in reasons if r.effect is Effect.EXCLUDE)
        if excluding:
            found.append(OptionVerdict(option.id, Standing.EXCLUDED, reasons=excluding))
            continue
        open_points = tuple(
            Reason(check.id, Effect.CONDITION, said.text, unknown=True)
            for said, check in unknown
            if option.id in check.applies_to
        )
        found.append(_choose(option.id, option.regimens, (*reasons, *open_points), view, knowledge))
    return tuple(found)


def _other_drugs(left: list[str], knowledge: Knowledge) -> tuple[str, ...]:
    """Regimens beside the chosen one, one for each other drug."""
    drugs = {knowledge.regimens[r].drug: r for r in reversed(left)}
    return tuple(r for r in left[1:] if r in drugs.values() and r != left[0])


def _choose(
    option: str,
    regimens: tuple[str, ...],
    conditions: tuple[Reason, ...],
    view: View,
    knowledge: Knowledge,
) -> OptionVerdict:
    left: list[str] = []
    dropped: list[tuple[str, tuple[Reason, ...]]] = []
    for regimen in regimens:
        if not knowledge.regimens[regimen].enabled:
            continue
        against = reasons_for(regimen, view, knowledge)
        if any(r.effect is Effect.EXCLUDE for r in against):
            dropped.append((regimen, against))
        else:
            left.append(regimen)
            conditions = (*conditions, *(r for r in against if regimen == left[0]))
    if regimens and not left:
        reasons = tuple(r for _, against in dropped for r in against)
        return OptionVerdict(option, Standing.EXCLUDED, reasons=reasons, dropped=tuple(dropped))
    return OptionVerdict(
        option,
        Standing.CONDITIONAL if conditions else Standing.OFFERED,
        regimen=left[0] if left else None,
        alternatives=_other_drugs(left, knowledge),
        reasons=conditions,
        dropped=tuple(dropped),
    )
