"""Says in a clinician's words how a rule is read from a chart, and which value sets it uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.knowledge.when import (
    AgeTest,
    AllergyTest,
    ConditionTest,
    MeasurementTest,
    MedicationTest,
    Model,
    OrderTest,
    ProcedureTest,
    SexTest,
    When,
)

COUNTS, ASKS, FAMILY, SIGN = "counts", "asked about, not counted", "in a relative", "raises a doubt"
AT_HIP = "counts where the site is the hip"
REASON, ASIDE = "as a stated reason", "set aside"

# What a member of a rule, or of a test, does with its value sets.
_ROLES: Mapping[str, str] = {
    "value_sets": COUNTS,
    "kinds": COUNTS,
    "reasons": REASON,
    "indications": REASON,
    "surgery_reasons": REASON,
    "signs": SIGN,
    "clues": ASKS,
    "family": FAMILY,
    "other_than": ASIDE,
    "excluded_by": ASIDE,
}


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a sentence; with a value set its title, to be shown as a link."""

    text: str
    value_set: str | None = None


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition in words, or several below a line that says how they go together."""

    spans: tuple[Span, ...]
    parts: tuple[Clause, ...] = ()

    def __str__(self) -> str:
        own = "".join(span.text for span in self.spans)
        return " ".join((own, *(f"({part})" for part in self.parts)))


# --- value sets ---


def value_sets(rule: Model) -> tuple[str, ...]:
    """Ids of the value sets that a rule names, each once, in their order."""
    return tuple(roles(rule))


def roles(*rules: Model) -> dict[str, str]:
    """What rules do with each value set that they name; of several things the weightiest."""
    found: dict[str, str] = {}
    for rule in rules:
        named = (*_named(rule, COUNTS), *_of_when(getattr(rule, "when", None), COUNTS))
        for value_set, role in named:
            if _weight(role) > _weight(found.get(value_set)):
                found[value_set] = role
    return found


def _weight(role: str | None) -> int:
    return {None: 0, ASIDE: 1, ASKS: 2, AT_HIP: 4, COUNTS: 5}.get(role, 3)


def _of_when(when: When | None, role: str) -> Iterator[tuple[str, str]]:
    for name in type(when).model_fields if when is not None else ():
        said = getattr(when, name)
        if isinstance(said, tuple):
            for one in said:
                yield from _of_when(one, ASIDE if name == "none" else role)
        elif said is not None:
            at_hip = role == COUNTS and getattr(said, "site", "any") == "hip"
            yield from _named(said, AT_HIP if at_hip else role)


def _named(item: Any, role: str) -> Iterator[tuple[str, str]]:
    for name, does in _ROLES.items():
        said = getattr(item, name, None) or ()
        if isinstance(said, When):  # what makes a factor a question
            yield from _of_when(said, does)
        else:
            yield from ((one, role if does == COUNTS else does) for one in said)


# --- sentences ---


class Sentences:
    """Writes conditions with the titles of value sets, never with their ids."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        """`titles`: of every value set, by its id."""
        self._titles = titles

    def describe(self, when: When) -> Clause:
        """What has to be in the chart, or in the order."""
        for name, lead in _TOGETHER.items():
            parts = getattr(when, name)
            if len(parts) == 1 and name != "none":
                return self.describe(parts[0])
            if parts:
                return Clause((Span(lead),), tuple(map(self.describe, parts)))
        tests = (getattr(when, name) for name in type(when).model_fields)
        return next(self._test(test) for test in tests if test)

    def coded(self, lead: str, ids: Iterable[str]) -> Clause:
        """A sentence that ends with value sets: "A problem coded as: ..."."""
        return Clause(tuple(self._sets(f"{lead}: ", ids)))

    def _sets(self, lead: str, ids: Iterable[str]) -> Iterator[Span]:
        for number, id_ in enumerate(ids):
            yield Span("; or " if number else lead)
            yield Span(self._titles.get(id_, id_), id_)

    def _test(self, test: Any) -> Clause:
        match test:
            case ConditionTest():
                return self._coded(test, "A recorded condition", _condition(test))
            case ProcedureTest():
                return self._coded(test, "A procedure that was done", _dated(test))
            case MedicationTest():
                return self._coded(test, "A medicine", _medication(test))
            case AllergyTest():
                return self._coded(test, "An active allergy or intolerance", ())
            case MeasurementTest():
                bounds = ", ".join(_bounds(test))
                return _said(f"The newest {_QUANTITIES[test.quantity]} is {bounds}")
            case AgeTest():
                return _said(" and ".join(_ages(test)))
            case SexTest():
                return _said(f"Administrative sex is {test.sex}")
            case OrderTest():
                return self._order(test)
        raise TypeError(f"no words for {type(test).__name__}")

    def _coded(self, test: Any, lead: str, said: Iterable[str]) -> Clause:
        words = ", ".join(
            (lead + _SITES.get(getattr(test, "site", "any"), ""), *filter(None, said))
        )
        spans = [*self._sets(f"{words}: ", test.value_sets)]
        for member, joint in _ALSO:
            spans += self._sets(joint, getattr(test, member, ()))
        return Clause(tuple(spans))

    def _order(self, test: OrderTest) -> Clause:
        if test.both_hips:
            return _said("Both hips are ordered in one session")
        where = "An order of this session, or active in the record" if test.anywhere else _THE_ORDER
        side = ", on the same side or a side not stated" if test.side == "operated" else ""
        lead = f"{where}{_SITES[test.site]}{side}"
        if not test.kinds:
            return _said(lead)
        spans = [*self._sets(f"{lead}: ", test.kinds)]
        for member, joint in _ALSO:
            spans += self._sets(joint, getattr(test, member, ()))
        return Clause(tuple(spans))


_THE_ORDER = "The order itself"
_TOGETHER = {
    "any": "One of these is so:",
    "all": "All of these are so:",
    "none": "None of these is surely so:",
}
_ALSO = (
    ("reasons", ". It names as its reason: "),
    ("indications", ". It names as its reason: "),
    ("surgery_reasons", ". These reasons count as none stated: "),
    ("other_than", ". Not one that is also: "),
)
_SITES = {
    "any": "",
    "hip": " of the hip",
    "hip-or-unstated": " of the hip, or of a site not stated",
    "not-elsewhere": " of the hip, or of a site that is not surely another one",
    "elsewhere": " of a site that is surely not the hip",
    "unstated": " of a site not stated",
    "unrecognised": " of a site that is stated and was not recognised",
}
_QUANTITIES = {
    "egfr": "eGFR (mL/min/1.73 m²)",
    "potassium": "potassium (mmol/L)",
    "platelets": "platelet count (10⁹/L)",
    "weight": "body weight (kg)",
    "pregnancy-test": "pregnancy test",
    "pregnancy-status": "pregnancy status",
}
_UNDATED = {"in": "without a date it counts", "ask": "without a date it is asked about", "out": ""}
_TAKEN = {"scheduled": "taken regularly", "as-needed": "taken as needed", "once": "given once"}
_STATES = {
    "active": "in use",
    "draft": "being ordered",
    "unknown": "of a status not known",
    "ended": "ended",
}
_DOSING = {
    "within": "at a dose that is prophylaxis",
    "above": "above the dose that is prophylaxis",
    "unread": "at a dose that could not be read",
}
_BEGUN = {
    "before": "begun before this operation",
    "now": "begun for this operation",
    "undated": "begun on a day not known",
}
_ENDED = {
    "lately": "ended within {0.ended_within_days} days",
    "undated": "ended on a day not known, written down within {0.written_within_days} days",
    "before": "ended before that",
}


def _said(words: str) -> Clause:
    return Clause((Span(words),))


def _dated(test: ConditionTest | ProcedureTest) -> Iterator[str]:
    if test.within_days:
        yield f"within the last {test.within_days} days"
    if test.older_than_days:
        yield f"more than {test.older_than_days} days ago"
    if test.within_days or test.older_than_days:
        yield _UNDATED[test.undated]
    if test.side == "operated":
        yield "on the operated side or a side not stated"


def _condition(test: ConditionTest) -> Iterator[str]:
    if test.state == "current":
        yield "not resolved"
    yield from _dated(test)
    if test.both_sides:
        yield "on both sides"


def _medication(test: MedicationTest) -> Iterator[str]:
    if len(test.states) < 3:
        yield _either(test.states, _STATES)
    yield _either(test.taken, _TAKEN)
    if test.drugs > 1:
        yield f"at least {test.drugs} different ones"
    yield _either(test.dosing, _DOSING)
    yield _either(test.begun, _BEGUN)
    yield _either(test.ended, _ENDED).format(test)
    yield {"absent": "without a stated reason", "stated": "with a stated reason"}.get(
        test.indication, ""
    )


def _either(said: Iterable[str], words: Mapping[str, str]) -> str:
    return " or ".join(words[one] for one in said)


def _bounds(test: MeasurementTest) -> Iterator[str]:
    for value, words in ((test.below, "below"), (test.at_least, "at least"), (test.above, "above")):
        if value is not None:
            yield f"{words} {value:g}"
    if test.answer:
        yield test.answer.replace("-", " ")
    yield f"measured within the last {test.within_days} days"


def _ages(test: AgeTest) -> Iterator[str]:
    if test.at_least is not None:
        yield f"The patient is {test.at_least} years old or older"
    if test.below is not None:
        yield f"{'' if test.at_least is not None else 'The patient is '}below {test.below} years"
