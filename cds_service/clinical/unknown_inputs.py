"""What was not read, and what to check by hand."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from cds_service.clinical.assessment import NotAssessed
from cds_service.clinical.chart import Chart, InputState
from cds_service.clinical.evaluate import OrderView
from cds_service.clinical.laboratory import CONCEPTS
from cds_service.clinical.logic import shortened
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName
from cds_service.knowledge.schema import UnknownCheck

STATE_WORDS = {
    InputState.ABSENT: "not sent",
    InputState.NOT_ASKED: "not asked about",
    InputState.UNKNOWN: "not known to the source",
    InputState.WITHHELD: "withheld by the source",
    InputState.FAILED: "could not be read",
    InputState.PARTIAL: "read only in part",
}
ENTRIES_SHOWN = 3
ENTRY_LIMIT = 60
NAMELESS = "(no name)"
STATES_SAID = (*STATE_WORDS.values(), "not found", "not stated", "none recorded")
"""All words for what is not known."""


def not_assessed(
    view: OrderView, knowledge: Knowledge
) -> tuple[tuple[NotAssessed, UnknownCheck], ...]:
    """What could not be read, with the check that says what to do by hand."""
    return view.facts.once("not assessed", lambda: _not_assessed(view, knowledge))


def _not_assessed(
    view: OrderView, knowledge: Knowledge
) -> tuple[tuple[NotAssessed, UnknownCheck], ...]:
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
            groups = _groups(check, view, knowledge)
            words = {"older": _older(check, view), "entries": entries, "groups": groups}
            text = (check.named if check.named and groups else check.text).format_map(
                {"state": state, **words}
            )
            found.append((NotAssessed(check.input, state, text, check.id), check))
    return tuple(found)


def _unread(check: UnknownCheck, view: OrderView) -> NotAssessed | None:
    """What is told of a result that is there and cannot be used."""
    if check.sex is not None and view.chart.patient.sex not in {check.sex, "unknown"}:
        return None
    if check.quantity is None or CONCEPTS[check.quantity].isdisjoint(view.facts.present):
        return None
    unread = view.facts.laboratory.unread(check.quantity, check.within_days)
    if unread is None:
        return None
    text = check.text.format_map(defaultdict(str, unread=unread.text))
    return NotAssessed(check.input, STATE_WORDS[InputState.FAILED], text, check.id)


def _entries(check: UnknownCheck, view: OrderView) -> str:
    """What the EHR calls the entries of an input that have no known code: the first by name."""
    once: dict[str, str] = {}  # one that is listed twice is one; those without a name stay apart
    # Those that name a drug first: a long list must not hide them.
    for entry in sorted(view.facts.unidentified, key=lambda e: (not e.against, not e.named)):
        if entry.input == check.input:
            label = shortened(entry.source.label, ENTRY_LIMIT)
            once.setdefault(
                label.casefold() if label else entry.source.reference, label or NAMELESS
            )
    named = list(once.values())
    more = len(named) - ENTRIES_SHOWN
    return ", ".join(named[:ENTRIES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def withheld(check: UnknownCheck, view: OrderView) -> frozenset[str]:
    """The options that no suggestion may draft, because an unidentified entry speaks against."""
    if not check.unidentified:
        return frozenset()
    said = (entry for entry in view.facts.unidentified if entry.input == check.input)
    return frozenset(option for entry in said for option in entry.against)


def _groups(check: UnknownCheck, view: OrderView, knowledge: Knowledge) -> str:
    """The kinds of drug that unidentified entries name, for which a draft is withheld."""
    if not withheld(check, view):
        return ""
    telling = [e for e in view.facts.unidentified if e.input == check.input and e.against]
    groups = dict.fromkeys(name for entry in telling for name in entry.named)
    return " and ".join(knowledge.drug_words[name].label for name in groups)


def _unknown_state(check: UnknownCheck, view: OrderView) -> str | None:
    chart: Chart = view.chart
    name = InputName(check.input)
    if check.quantity and check.within_days:
        laboratory = view.facts.laboratory
        result = laboratory.newest(check.quantity, check.within_days)
        limit = view.today - timedelta(days=check.within_days)
        known = result is not None and result.when.earliest >= limit
        # One that cannot be read has a check of its own; "not found" would be untrue.
        there = known or laboratory.unread(check.quantity, check.within_days) is not None
        return None if there else "not found"
    if name is InputName.PATIENT and chart.input(name).known:
        facts = chart.patient
        known = facts.sex != "unknown" and view.facts.ages is not None
        return None if known else "not stated"
    state = chart.input(name).state
    if check.none_recorded:
        return "none recorded" if state is InputState.EMPTY else None
    return None if check.only_broken and state is InputState.ABSENT else STATE_WORDS.get(state)


def _older(check: UnknownCheck, view: OrderView) -> str:
    if not check.quantity:
        return ""
    laboratory = view.facts.laboratory
    found = (laboratory.unread(check.quantity), laboratory.newest(check.quantity))
    older = ", ".join(result.text for result in found if result)
    return f"; older: {older}" if older else ""
