"""How old the patient is, on every day that today can be, and whether that meets a test."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from cds_service.clinical.chart import PatientFacts, Provenance
from cds_service.clinical.days import Days
from cds_service.clinical.logic import NO, UNKNOWN, YES, Answer, Outcome
from cds_service.knowledge.when import AgeTest

Ages = tuple[int, int]
"""The least and the most whole years that a birth date leaves open."""

_WORST_LAST = (Answer.NO, Answer.UNKNOWN, Answer.YES)


def age_range(patient: PatientFacts, today: date | Days) -> Ages | None:
    """Age in whole years today, as the least and the most it can be; None when not known."""
    days = Days.of(today)
    return _ages(patient, days.earliest, days.latest)


def _ages(patient: PatientFacts, first: date, last: date) -> Ages | None:
    """As `age_range`, where today can be any day from the first to the last."""
    if patient.birth is None:
        return None
    low, high = _years(patient.birth.latest, first), _years(patient.birth.earliest, last)
    return (low, high) if 0 <= high <= 130 else None


def _years(born: date, day: date) -> int:
    years = day.year - born.year
    return years - 1 if (day.month, day.day) < (born.month, born.day) else years


def ages_on_each(patient: PatientFacts, days: Days) -> tuple[Ages, ...]:
    """The age on each of the days; none where it is not known."""
    found = [_ages(patient, day, day) for day in days.each]
    return tuple([ages for ages in found if ages is not None])


def age_words(ages: Ages | None) -> str:
    """The age as a text names it; two where birth date and day leave them open."""
    if ages is None:
        return "?"
    return str(ages[0]) if ages[0] == ages[1] else f"{ages[0]} to {ages[1]}"


def age_outcome(
    on_each: Iterable[Ages], test: AgeTest, asked: Provenance, *, cautious: bool, sure: bool
) -> Outcome:
    """Whether a test holds on one of the days, on all of them where `sure`. A birth date that
    leaves it open is a question about `asked` where one is cautious."""
    outcomes = [_on_one(ages, test, asked, cautious=cautious) for ages in on_each]
    if len(outcomes) == 1:  # nearly always
        return outcomes[0]
    pick = min if sure else max
    return pick(outcomes, key=lambda one: _WORST_LAST.index(one.answer), default=UNKNOWN)


def _on_one(ages: Ages, test: AgeTest, asked: Provenance, *, cautious: bool) -> Outcome:
    (low, high), below, at_least = ages, test.below, test.at_least
    sure = (below is None or high < below) and (at_least is None or low >= at_least)
    never = (below is not None and low >= below) or (at_least is not None and high < at_least)
    if sure or never or not cautious:
        return YES if sure else NO if never else UNKNOWN
    if test.straddling == "in":
        return YES
    return Outcome(Answer.UNKNOWN, (asked,), (asked.label.capitalize(),))
