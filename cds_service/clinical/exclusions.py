"""Which options of prophylaxis are left for this patient, on what conditions, and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

from cds_service.clinical.assessment import Effect, NotAssessed, OptionVerdict, Reason, Standing
from cds_service.clinical.chart import Chart, InputState
from cds_service.clinical.evaluate import View
from cds_service.clinical.laboratory import CONCEPTS
from cds_service.clinical.logic import Answer, Outcome, shortened
from cds_service.clinical.rule_index import exclusions
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName
from cds_service.knowledge.schema import Exclusion, UnknownCheck

STATE_WORDS = {
    InputState.ABSENT: "not sent",
    InputState.FAILED: "could not be read",
    InputState.PARTIAL: "read only in part",
}
ENTRIES_SHOWN = 3
ENTRY_LIMIT = 60
NAMELESS = "(no name)"
STATES_SAID = (*STATE_WORDS.values(), "not found", "not stated")
"""All words for what is not known."""


def _reason(rule: Exclusion, outcome: Outcome, view: View) -> Reason:
    fact = "; ".join(outcome.words[:4]) or rule.label
    more = len(outcome.words) - 4
    if more > 0:
        fact += f" and {more} more"
    text = rule.text.format_map(defaultdict(str, fact=fact, age=view.session.age))
    if outcome.answer is Answer.UNKNOWN:
        text = f"{fact}: {_doubt(outcome)} ({rule.label})."
        if rule.when.age is not None:
            text = f"{fact}: the birth date is inexact; may be {rule.label}."
        return Reason(rule.id, Effect.CONDITION, text, outcome.sources, rule.evidence, unknown=True)
    return Reason(rule.id, Effect(rule.effect), text, outcome.sources, rule.evidence)


def _doubt(outcome: Outcome) -> str:
    if outcome.stale:
        return "check again"
    return "find out when" if outcome.undated else "too inexact to tell, check"


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
    checks = knowledge.unknown_checks
    return frozenset(check.quantity for check in checks if check.quantity and not check.unread)


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
        if check.unread:
            if (said := _unread(check, view)) is not None:
                found.append((said, check))
            continue
        if check.unidentified:
            entries = _entries(check, view)
            state = "without a known code" if entries else None
        else:
            entries, state = "", _unknown_state(check, view)
        if state is not None:
            words = {"state": state, "older": _older(check, view), "entries": entries}
            text = check.text.format_map(words)
            found.append((NotAssessed(check.input, state, text), check))
    return tuple(found)


def _unread(check: UnknownCheck, view: View) -> NotAssessed | None:
    """What is told of a result that is there and cannot be used."""
    if check.sex is not None and view.chart.patient.sex not in {check.sex, "unknown"}:
        return None
    if check.quantity is None or CONCEPTS[check.quantity].isdisjoint(view.session.present):
        return None
    unread = view.session.laboratory.unread(check.quantity, check.within_days)
    if unread is None:
        return None
    text = check.text.format_map(defaultdict(str, unread=unread.text))
    return NotAssessed(check.input, STATE_WORDS[InputState.FAILED], text)


def _entries(check: UnknownCheck, view: View) -> str:
    """What the EHR calls the entries of an input that have no known code: the first by name."""
    once: dict[str, str] = {}  # one that is listed twice is one; those without a name stay apart
    for entry in view.session.unidentified:
        if entry.input == check.input:
            label = shortened(entry.source.label, ENTRY_LIMIT)
            once.setdefault(
                label.casefold() if label else entry.source.reference, label or NAMELESS
            )
    named = list(once.values())
    more = len(named) - ENTRIES_SHOWN
    return ", ".join(named[:ENTRIES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _unknown_state(check: UnknownCheck, view: View) -> str | None:
    chart: Chart = view.chart
    name = InputName(check.input)
    if check.quantity and check.within_days:
        laboratory = view.session.laboratory
        result = laboratory.newest(check.quantity, check.within_days)
        limit = view.today - timedelta(days=check.within_days)
        known = result is not None and result.when.earliest >= limit
        # One that cannot be read has a check of its own; "not found" would be untrue.
        there = known or laboratory.unread(check.quantity, check.within_days) is not None
        return None if there else "not found"
    if name is InputName.PATIENT and chart.input(name).known:
        facts = chart.patient
        known = facts.sex != "unknown" and view.session.ages is not None
        return None if known else "not stated"
    state = chart.input(name).state
    return None if check.only_broken and state is InputState.ABSENT else STATE_WORDS.get(state)


def _older(check: UnknownCheck, view: View) -> str:
    if not check.quantity:
        return ""
    laboratory = view.session.laboratory
    found = (laboratory.unread(check.quantity), laboratory.newest(check.quantity))
    older = ", ".join(result.text for result in found if result)
    return f"; older: {older}" if older else ""


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


def waiting(options: tuple[OptionVerdict, ...], knowledge: Knowledge) -> dict[str, str]:
    """Words for a card with no option left, of which one is only closed until a test is done.

    Empty when no test would open any.
    """
    lifted_by: dict[str, str] = {}
    for verdict in options:
        lifts = [knowledge.exclusions[reason.rule].until for reason in verdict.reasons]
        if lifts and all(lifts):
            lifted_by[verdict.option] = " and ".join(dict.fromkeys(str(lift) for lift in lifts))
    if not lifted_by:
        return {}
    closed = [
        f"{knowledge.options[verdict.option].label} is ruled out"
        + (f" as long as {lift} is missing" if (lift := lifted_by.get(verdict.option)) else "")
        for verdict in options
    ]
    said = "; ".join(closed)
    return {"until": next(iter(lifted_by.values())), "closed": said[:1].upper() + said[1:]}


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
    left, dropped = _sorted_out(regimens, view, knowledge)
    if regimens and not left:
        reasons = tuple(r for _, against in dropped for r in against)
        return OptionVerdict(option, Standing.EXCLUDED, reasons=reasons, dropped=tuple(dropped))
    if left:
        conditions = (*conditions, *reasons_for(left[0], view, knowledge))
    return OptionVerdict(
        option,
        Standing.CONDITIONAL if conditions else Standing.OFFERED,
        regimen=left[0] if left else None,
        alternatives=_other_drugs(left, knowledge),
        reasons=conditions,
        dropped=tuple(dropped),
    )


def _sorted_out(
    regimens: tuple[str, ...], view: View, knowledge: Knowledge
) -> tuple[list[str], list[tuple[str, tuple[Reason, ...]]]]:
    """The regimens that are left, and those that are passed over with the reasons.

    One about which a question is open is passed over while another is left; else the first of
    them is left alone, and the question becomes a condition.
    """
    fit: list[str] = []
    doubtful: list[str] = []
    dropped: list[tuple[str, tuple[Reason, ...]]] = []
    for regimen in regimens:
        if not knowledge.regimens[regimen].enabled:
            continue
        against = reasons_for(regimen, view, knowledge)
        if any(r.effect is Effect.EXCLUDE for r in against):
            dropped.append((regimen, against))
        elif any(r.unknown for r in against):
            doubtful.append(regimen)
        else:
            fit.append(regimen)
    left = fit or doubtful[:1]
    for regimen in doubtful:
        if regimen not in left:
            against = reasons_for(regimen, view, knowledge)
            open_ = tuple(replace(r, effect=Effect.EXCLUDE) for r in against if r.unknown)
            dropped.append((regimen, open_))
    return left, dropped
