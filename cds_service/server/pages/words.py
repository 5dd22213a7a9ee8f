"""Says in words how a rule is read from a chart, and which value sets it uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

_SET_MEMBERS = ("value_sets", "reasons", "indications", "surgery_reasons", "other_than", "kinds")
_RULE_MEMBERS = ("value_sets", "reasons", "clues", "family", "excluded_by")


def value_sets(rule: Model) -> tuple[str, ...]:
    """Ids of the value sets that a rule names, each once, in their order."""
    found = list(_named(rule, _RULE_MEMBERS))
    when = getattr(rule, "when", None)
    if when is not None:
        found += _sets_of(when)
    return tuple(dict.fromkeys(found))


def _sets_of(when: When) -> Iterator[str]:
    for name in type(when).model_fields:
        said = getattr(when, name)
        if isinstance(said, tuple):
            for one in said:
                yield from _sets_of(one)
        elif said is not None:
            yield from _named(said, _SET_MEMBERS)


def _named(item: Any, members: Iterable[str]) -> Iterator[str]:
    for name in members:
        said = getattr(item, name, ())
        if isinstance(said, When):  # what makes a factor a question
            yield from _sets_of(said)
        elif said is not None:
            yield from said


def describe(when: When) -> str:
    """One sentence without a full stop: what has to be in the chart."""
    for name, glue in (("any", "; or "), ("all", "; and ")):
        parts = getattr(when, name)
        if parts:
            return glue.join(_inner(part) for part in parts)
    if when.none:
        return "not " + ", nor ".join(describe(part) for part in when.none)
    tests = (getattr(when, name) for name in type(when).model_fields)
    return next(_test(test) for test in tests if test)


def _inner(when: When) -> str:
    words = describe(when)
    return f"({words})" if when.any or when.all else words


def _test(test: Any) -> str:
    match test:
        case ConditionTest():
            return _joined("a condition", _sets(test.value_sets), *_condition(test))
        case ProcedureTest():
            return _joined("a procedure", _sets(test.value_sets), *_dated(test), *_reasons(test))
        case MedicationTest():
            return _joined("a medicine", _sets(test.value_sets), *_medication(test))
        case AllergyTest():
            return _joined("an active allergy", _sets(test.value_sets))
        case MeasurementTest():
            return _joined(f"newest {test.quantity}", *_bounds(test))
        case AgeTest():
            return " and ".join(_ages(test))
        case SexTest():
            return f"sex is {test.sex}"
        case OrderTest():
            return _order(test)
    raise TypeError(f"no words for {type(test).__name__}")


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _sets(ids: Iterable[str]) -> str:
    return "coded in " + " or ".join(ids)


def _dated(test: ConditionTest | ProcedureTest) -> Iterator[str]:
    if test.within_days:
        yield f"within {test.within_days} days"
    if test.older_than_days:
        yield f"more than {test.older_than_days} days ago"
    if test.side == "operated":
        yield "on the operated side or a side not stated"
    yield _SITES.get(test.site, "")


_SITES = {
    "hip": "at the hip",
    "hip-or-unstated": "at the hip or a site not stated",
    "not-elsewhere": "not surely away from the hip",
    "elsewhere": "surely not at the hip",
    "unstated": "site not stated",
    "unrecognised": "at a site that is stated and not recognised",
}


def _condition(test: ConditionTest) -> Iterator[str]:
    if test.state == "current":
        yield "not resolved"
    yield from _dated(test)
    if test.undated == "in":
        yield "an undated one counts"
    if test.both_sides:
        yield "on both sides"


def _reasons(test: ProcedureTest) -> Iterator[str]:
    if test.reasons:
        yield "for a reason " + _sets(test.reasons)


def _medication(test: MedicationTest) -> Iterator[str]:
    if len(test.states) < 3:
        yield " or ".join(test.states)
    if test.taken:
        yield "taken " + " or ".join(test.taken)
    if test.drugs > 1:
        yield f"at least {test.drugs} different drugs"
    if test.indications:
        yield "for a reason " + _sets(test.indications)
    if test.surgery_reasons:
        yield "reasons that count as none: " + _sets(test.surgery_reasons)
    if test.indication == "absent":
        yield "without a stated reason"
    elif test.indication == "stated":
        yield "with a stated reason"
    if test.other_than:
        yield "not " + _sets(test.other_than)


def _bounds(test: MeasurementTest) -> Iterator[str]:
    for value, words in ((test.below, "below"), (test.at_least, "at least"), (test.above, "above")):
        if value is not None:
            yield f"{words} {value:g}"
    if test.answer:
        yield test.answer
    yield f"within {test.within_days} days"


def _ages(test: AgeTest) -> Iterator[str]:
    if test.at_least is not None:
        yield f"age {test.at_least} or more"
    if test.below is not None:
        yield f"age below {test.below}"


def _order(test: OrderTest) -> str:
    if test.both_hips:
        return "both hips are ordered in one session"
    where = "an order of this session or of the record" if test.anywhere else "the order itself"
    return _joined(where, _sets(test.kinds))
