"""What was not read, and what to check by hand."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum

from cds_service.clinical.assessment import NotAssessed
from cds_service.clinical.chart import InputReport, InputState, Unidentified
from cds_service.clinical.days import DAY
from cds_service.clinical.evaluate import OrderView
from cds_service.clinical.laboratory import CONCEPTS, Result
from cds_service.clinical.logic import shortened
from cds_service.knowledge.completeness_schema import Meaning
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName
from cds_service.knowledge.schema import UnknownCheck

ONE_LIST = {
    "orders": "Home medicines not read",
    "statements": "Ordered medicines not read",
}
REFUSED = {
    InputState.EMPTY: "none ordered; home medicines may not be read",
    InputState.READ: "home medicines may not be read",
}
"""Where the other list may not be read by this client."""
ENTRIES_SHOWN = 3
ENTRY_LIMIT = 60
NAMELESS = "(no name)"
_INPUTS = {name.value: name for name in InputName}
_MODIFIER = "an entry whose meaning a modifier may change"
_OTHER_STATES = ("not found", "not stated", *ONE_LIST.values(), *REFUSED.values())


def states_said(knowledge: Knowledge) -> tuple[str, ...]:
    """All words for what is not known."""
    return (*(state.words for state in knowledge.states.values() if state.words), *_OTHER_STATES)


def state_words(knowledge: Knowledge, state: InputState) -> str | None:
    """How a card says what became of an input; None where it is known."""
    return knowledge.states[state].words


def meaning_of(knowledge: Knowledge, report: InputReport) -> Meaning:
    """What the state of an input means for this input, by the knowledge."""
    return knowledge.once(_meanings)[report.name][report.state]


def _meanings(knowledge: Knowledge) -> dict[InputName, dict[InputState, Meaning]]:
    return {
        InputName(row.input): {InputState(state): said for state, said in row.states.items()}
        for row in knowledge.meanings.values()
    }


def not_assessed(
    view: OrderView, knowledge: Knowledge
) -> tuple[tuple[NotAssessed, UnknownCheck], ...]:
    """What could not be read, with the check that says what to do by hand."""
    return view.facts.once("not assessed", lambda: _not_assessed(view, knowledge))


def _not_assessed(
    view: OrderView, knowledge: Knowledge
) -> tuple[tuple[NotAssessed, UnknownCheck], ...]:
    chart, found = view.chart, []
    asked = {
        _About.RECORD: chart.record is not None,
        _About.UNREAD: bool(chart.measurements),
        _About.ENTRIES: bool(view.facts.unidentified),
        _About.STATE: True,
    }
    for check, about in knowledge.once(_checks):
        said = _answered(check, about, view, knowledge) if asked[about] else None
        if said is not None:
            found.append((said, check))
    return tuple(found)


class _About(StrEnum):
    """What a check is about: the record of the patient, a result that cannot be used, entries
    without a known code, or the state of an input."""

    RECORD = "record"
    UNREAD = "unread"
    ENTRIES = "entries"
    STATE = "state"


def _checks(knowledge: Knowledge) -> tuple[tuple[UnknownCheck, _About], ...]:
    """Each check, and what it is about."""
    return tuple((check, _about(check)) for check in knowledge.unknown_checks)


def _about(check: UnknownCheck) -> _About:
    if check.record is not None:
        return _About.RECORD
    if check.unread:
        return _About.UNREAD
    return _About.ENTRIES if check.unidentified else _About.STATE


def _answered(
    check: UnknownCheck, about: _About, view: OrderView, knowledge: Knowledge
) -> NotAssessed | None:
    """What a check says of this chart."""
    entries = ""
    if about is _About.RECORD:
        return _replaced(check, view)
    if about is _About.UNREAD:
        return _unread(check, view, knowledge)
    if about is _About.ENTRIES:
        entries = _entries(check, view)
        entries = "" if entries and _is_unread(check, view) else entries
        state = "without a known code" if entries else None
    else:
        state = _unknown_state(check, view, knowledge)
    if state is None:
        return None
    groups = _groups(check, view, knowledge)
    words = {"older": _older(check, view), "entries": entries, "groups": groups}
    text = check.named if check.named and groups else check.text
    return NotAssessed(check.input, state, text.format_map({"state": state, **words}), check.id)


def _replaced(check: UnknownCheck, view: OrderView) -> NotAssessed | None:
    """What is told of a record that another has replaced."""
    if view.chart.record != check.record:
        return None
    text = check.text.format(record=view.chart.replaced_by or "another")
    return NotAssessed(check.input, "replaced", text, check.id)


def _unread(check: UnknownCheck, view: OrderView, knowledge: Knowledge) -> NotAssessed | None:
    """What is told of a result that is there and cannot be used."""
    if check.sex is not None and view.chart.patient.sex not in {check.sex, "unknown"}:
        return None
    if check.quantity is None or CONCEPTS[check.quantity].isdisjoint(view.facts.present):
        return None
    unread = view.facts.laboratory.unread(check.quantity, check.within_days)
    if unread is None:
        return None
    text = check.text.format_map(defaultdict(str, unread=unread.text))
    state = state_words(knowledge, InputState.FAILED) or ""
    return NotAssessed(check.input, state, text, check.id)


def _entries(check: UnknownCheck, view: OrderView) -> str:
    """What the EHR calls the entries of an input that have no known code: the first by name."""
    if not view.facts.unidentified:  # nearly always
        return ""
    once: dict[str, str] = {}  # one that is listed twice is one; those without a name stay apart
    # Those that name a drug first: a long list must not hide them.
    for entry in sorted(view.facts.unidentified, key=lambda e: (not e.against, not e.named)):
        about_others = entry.against and entry.against.isdisjoint(check.applies_to)
        if entry.input == check.input and not about_others and _is_asked(check, entry, view):
            label = shortened(entry.source.label, ENTRY_LIMIT)
            once.setdefault(
                label.casefold() if label else entry.source.reference, label or NAMELESS
            )
    named = list(once.values())
    more = len(named) - ENTRIES_SHOWN
    return ", ".join(named[:ENTRIES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def withheld(check: UnknownCheck, view: OrderView, knowledge: Knowledge) -> frozenset[str]:
    """The options that no suggestion may draft, because an unidentified entry speaks against, or
    because of what the state of the input means."""
    if not check.unidentified:
        meaning = meaning_of(knowledge, view.facts.report(_INPUTS[check.input]))
        return frozenset(check.applies_to) if meaning == "withhold" else frozenset()
    said = (entry for entry in view.facts.unidentified if entry.input == check.input)
    return frozenset(option for entry in said for option in entry.against)


def _groups(check: UnknownCheck, view: OrderView, knowledge: Knowledge) -> str:
    """What the words of the unidentified entries name, by kind: that which speaks against an
    option, and medicines of which rules speak."""
    if not view.facts.unidentified:  # nearly always
        return ""
    options = set(check.applies_to)
    names = dict.fromkeys(
        name
        for entry in view.facts.unidentified
        if entry.input == check.input and (entry.against & options or entry.as_if)
        for name in entry.named
    )
    labels = knowledge.once(_labels)
    return " and ".join(labels.get(name, _MODIFIER) for name in names)


def _labels(knowledge: Knowledge) -> dict[str, str]:
    """What a card calls the groups of words."""
    labels = {id_: group.label for id_, group in knowledge.drug_words.items()}
    return labels | {id_: group.label for id_, group in knowledge.condition_words.items()}


def _unknown_state(check: UnknownCheck, view: OrderView, knowledge: Knowledge) -> str | None:
    name = _INPUTS[check.input]
    if check.quantity and check.within_days:
        return _result_state(check, view, knowledge)
    report = view.facts.report(name)
    if name is InputName.PATIENT and report.known:
        facts = view.chart.patient
        known = facts.sex != "unknown" and view.facts.ages is not None
        return None if known else "not stated"
    if check.one_list:
        return _empty_list(report)
    if check.none_recorded is not (report.state is InputState.EMPTY):
        return None
    silent = meaning_of(knowledge, report) == "silent"
    return None if silent else state_words(knowledge, report.state)


def _result_state(check: UnknownCheck, view: OrderView, knowledge: Knowledge) -> str | None:
    """What is not known of a result that is asked for: it is not there, or may not be the newest.

    One in a code that is not known here has a check of its own; "not found" would be untrue.
    """
    report = view.facts.report(_INPUTS[check.input])
    whole = report.known or report.rest_older
    if check.newer:
        is_open = not whole and _is_known(check, view)
        return state_words(knowledge, report.state) if is_open else None
    if _is_known(check, view) or _entries(check, view):
        return None
    return "not found" if whole else state_words(knowledge, report.state)


def _is_known(check: UnknownCheck, view: OrderView) -> bool:
    """Whether there is a result of the quantity, be it one that cannot be read: that has a check of
    its own."""
    return _known_result(check, view) is not None or _is_unread(check, view)


def _known_result(check: UnknownCheck, view: OrderView) -> Result | None:
    if check.quantity is None or check.within_days is None:
        return None
    result = view.facts.laboratory.newest(check.quantity, check.within_days)
    if result and view.days.ago(result.when, recent=False)[1] <= check.within_days:
        return result
    return None


def _is_unread(check: UnknownCheck, view: OrderView) -> bool:
    if check.quantity is None or check.within_days is None:
        return False
    return view.facts.laboratory.unread(check.quantity, check.within_days) is not None


def _is_asked(check: UnknownCheck, entry: Unidentified, view: OrderView) -> bool:
    """Whether an entry without a known code is what a check is about: of a result a recent one, and
    one that is newer by more than a day than what is known."""
    if check.quantity is None or check.within_days is None:
        return True
    when, known = entry.source.date, _known_result(check, view)
    if known is not None and (when is None or when.order <= known.when.order + DAY):
        return False
    recent = when is None or view.days.ago(when, recent=True)[0] <= check.within_days
    return check.quantity in entry.named and recent


def _empty_list(report: InputReport) -> str | None:
    """Of two lists the one that was read and holds nothing, where the other was not; or that the
    other may not be read."""
    read = report.lists_read
    if report.whole or len(read) != 1:
        return None
    if statements_refused(report):
        return REFUSED[report.state]
    return ONE_LIST[read[0]] if report.state is InputState.EMPTY else None


def statements_refused(report: InputReport) -> bool:
    """Whether the orders were read, and this client may not read the statements."""
    refused = ("statements", InputState.WITHHELD) in report.lists
    return refused and not report.whole and report.state in REFUSED


def _older(check: UnknownCheck, view: OrderView) -> str:
    if not check.quantity:
        return ""
    laboratory = view.facts.laboratory
    found = (laboratory.unread(check.quantity), laboratory.newest(check.quantity))
    older = ", ".join(result.text for result in found if result)
    return f"; older: {older}" if older else ""
