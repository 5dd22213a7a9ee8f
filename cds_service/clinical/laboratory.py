"""Laboratory results as intervals in one unit each, newest first, and those that say nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date

from cds_service.clinical.ages import age_range
from cds_service.clinical.chart import Chart, FhirDate, MeasurementFact, Provenance
from cds_service.clinical.days import DAY, Days
from cds_service.clinical.logic import shortened
from cds_service.clinical.units import Unit, has_units, unit_by_code, unit_of

_CONCEPT = {
    "egfr": "lab-egfr",
    "creatinine": "lab-creatinine",
    "potassium": "lab-potassium",
    "platelets": "lab-platelets",
    "weight": "lab-body-weight",
    "pregnancy-test": "lab-pregnancy-test",
    "pregnancy-status": "lab-pregnancy-status",
}

CONCEPTS = {name: frozenset({concept}) for name, concept in _CONCEPT.items()} | {
    "egfr": frozenset({_CONCEPT["egfr"], _CONCEPT["creatinine"]})
}
"""Value sets of which a quantity needs a result: eGFR is also calculated from creatinine."""

# Outside these a number is a slip of the keyboard or the unit, not a patient.
_PLAUSIBLE = {
    "egfr": (0.0, 250.0),
    "creatinine": (0.1, 40.0),
    "potassium": (1.0, 15.0),
    "platelets": (0.0, 5000.0),
    "weight": (1.0, 500.0),
}
_NAME = {
    "egfr": "eGFR",
    "creatinine": "Creatinine",
    "potassium": "Potassium",
    "platelets": "Platelets",
    "weight": "Weight",
}
_ANSWER = {
    "answer-positive": "positive",
    "answer-negative": "negative",
    "answer-pregnant": "pregnant",
    "answer-not-pregnant": "not pregnant",
}
# An answer that says both is none.
_CONTRARY = ({"answer-positive", "answer-negative"}, {"answer-pregnant", "answer-not-pregnant"})
_SENT_LIMIT = 60


@dataclass(frozen=True, slots=True)
class Result:
    """One result: its value lies in [`low`, `high`] of the quantity's unit.

    `text` is ready to read and names value, unit and date, as they were sent. `derived` says that
    it was calculated.
    """

    low: float
    high: float
    text: str
    when: FhirDate
    source: Provenance
    answers: frozenset[str] = frozenset()
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """A result that is there and cannot be used; `text` says what was sent, or what is lacking.

    One that is not final yet is one of these.

    `when` is None where no day can be told. `derived` says that it would have to be calculated.
    """

    text: str
    when: FhirDate | None
    source: Provenance
    derived: bool = False

    @property
    def order(self) -> float:
        """For sorting: without a day it comes last."""
        return self.when.order if self.when else -math.inf


_Read = tuple[list[Result], list[Unread]]


def _interval(name: str, fact: MeasurementFact, unit: Unit) -> tuple[float, float] | None:
    if fact.value is None or not math.isfinite(fact.value):
        return None
    value = fact.value * unit.factor
    least, most = _PLAUSIBLE[name]
    if not least <= value <= most:
        return None
    match fact.comparator:
        case "<":
            return 0.0, math.nextafter(value, -math.inf)
        case "<=":
            return 0.0, value
        case ">":
            return math.nextafter(value, math.inf), math.inf
        case ">=":
            return value, math.inf
    return value, value


def _shown(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _numeric(name: str, fact: MeasurementFact) -> Result | None:
    if fact.when is None or fact.value is None:
        return None
    unit, said = unit_of(name, fact.unit), ""
    if fact.unit is None:
        coding = fact.source.coding
        unit = unit_by_code(name, coding.code if coding else None)
        said = " (no unit sent, read by its code)"
    bounds = _interval(name, fact, unit) if unit else None
    if unit is None or bounds is None:
        return None
    number = f"{fact.comparator or ''}{_shown(fact.value)}"
    text = f"{_NAME[name]} {number} {unit.shown}{said} on {fact.when}"
    return Result(*bounds, text, fact.when, fact.source)


def _answered(fact: MeasurementFact) -> Result | None:
    said = [word for answer, word in _ANSWER.items() if answer in fact.answers]
    if fact.when is None or not said or any(pair <= fact.answers for pair in _CONTRARY):
        return None
    text = f"{fact.source.label}: {', '.join(said)} on {fact.when}"
    return Result(math.nan, math.nan, text, fact.when, fact.source, fact.answers)


def _result(name: str, fact: MeasurementFact) -> Result | None:
    return _numeric(name, fact) if has_units(name) else _answered(fact)


def _sent(fact: MeasurementFact) -> str | None:
    """Value and unit as they came; None where there is no value at all."""
    if fact.value is None:
        return None if fact.sent is None else shortened(fact.sent, _SENT_LIMIT)
    number = f"{fact.comparator or ''}{_shown(fact.value)}"
    return shortened(f"{number} {fact.unit}" if fact.unit else f"{number}, no unit", _SENT_LIMIT)


def _unread(name: str, fact: MeasurementFact, today: Days) -> Unread | None:
    """What is told of a result that cannot be used; nothing where none was sent."""
    said = [word for answer, word in _ANSWER.items() if answer in fact.answers]
    sent = " and ".join(said) or _sent(fact)
    if sent is None:
        return None
    called = _NAME.get(name, fact.source.label)
    if fact.when is None:
        return Unread(f"{called} without a date ({sent})", None, fact.source)
    if _to_come(fact.when, today):
        return Unread(f"{called} dated in the future, {fact.when} ({sent})", None, fact.source)
    why = f"is {fact.pending}, not used" if fact.pending else "could not be read"
    return Unread(f"{called} of {fact.when} {why} ({sent})", fact.when, fact.source)


def egfr_from_creatinine(creatinine: float, age: int, female: bool) -> float:
    """eGFR in mL/min/1.73 m² from creatinine in mg/dL by CKD-EPI 2021, adults only.

    Source: Inker LA et al., N Engl J Med 2021;385:1737-1749, doi:10.1056/NEJMoa2102953.
    """
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine / kappa
    bend = math.pow(min(ratio, 1.0), alpha) * math.pow(max(ratio, 1.0), -1.200)
    return 142 * bend * math.pow(0.9938, age) * (1.012 if female else 1.0)


def _derived(chart: Chart, result: Result, today: Days) -> Result | Unread:
    """The eGFR that a creatinine means; without an adult's age nobody can tell."""
    ages = age_range(chart.patient, today)
    if ages is None or ages[0] < 18:
        lack = "the age is not known" if ages is None else "the formula is for adults"
        text = f"{result.text}: no eGFR calculated, {lack}"
        return Unread(text, result.when, result.source, derived=True)
    sexes = {"female": (True,), "male": (False,)}.get(chart.patient.sex, (True, False))

    def values(creatinine: float) -> list[float]:
        if not math.isfinite(creatinine):
            return [0.0]
        least = max(creatinine, _PLAUSIBLE["creatinine"][0])
        return [egfr_from_creatinine(least, age, female) for age in ages for female in sexes]

    low, high = min(values(result.high)), max(values(result.low))
    about = f"about {low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"
    basis = result.text[0].lower() + result.text[1:]
    text = f"eGFR {about} mL/min/1.73 m² (CKD-EPI 2021 from {basis})"
    return Result(low, high, text, result.when, result.source, derived=True)


def _to_come(when: FhirDate, today: Days) -> bool:
    # A result from the future is a wrong date; one day is left for clocks and zones.
    return today.ago(when, recent=False)[1] < -1


class Laboratory:
    """The results of one chart, each quantity read once.

    Quantities: egfr (mL/min/1.73 m²), creatinine (mg/dL), potassium (mmol/L), platelets (10⁹/L),
    weight (kg), pregnancy-test, pregnancy-status.
    """

    def __init__(self, chart: Chart, today: date | Days) -> None:
        self._chart = chart
        self._today = Days.of(today)
        self._read: dict[str, _Read] = {}

    def newest(self, name: str, within_days: int | None = None) -> Result | None:
        """Newest valid result that is not older than `within_days`.

        A date of low precision counts by its latest day, and where today can be two days by the
        earlier; `surely` asks again. eGFR is calculated from a creatinine
        where no eGFR is known, or where the creatinine is newer by more than a day.
        """
        if not self._chart.measurements:
            return None
        direct = self._first(name, within_days)
        if name == "egfr":
            calculated = self._calculated(within_days, direct)
            return calculated if isinstance(calculated, Result) else direct
        return direct

    def unread(self, name: str, within_days: int | None = None) -> Unread | None:
        """A result that cannot be used and that nothing newer makes up for.

        One without a usable date is told only where there is no other.
        """
        if not self._chart.measurements:
            return None
        found = [u for u in self._results(name)[1] if self._recent(u.when, within_days)]
        if name == "egfr":
            creatinine = self._results("creatinine")[1]
            found += [
                replace(u, derived=True) for u in creatinine if self._recent(u.when, within_days)
            ]
            calculated = self._calculated(within_days, self._first(name, within_days))
            found += [calculated] if isinstance(calculated, Unread) else []
        found.sort(key=lambda u: -u.order)
        result = self.newest(name, within_days) if found else None
        return next((u for u in found if result is None or _outlasts(name, u, result)), None)

    def surely(self, result: Result, within_days: int) -> bool:
        """Whether a result is not older than `within_days` on any day that today can be."""
        return self._today.ago(result.when, recent=True)[1] <= within_days

    def _recent(self, when: FhirDate | None, within_days: int | None) -> bool:
        """Whether it is not older on one of the days; what has no date is not known to be."""
        if when is None or within_days is None:
            return True
        return self._today.ago(when, recent=True)[0] <= within_days

    def _calculated(self, within: int | None, direct: Result | None) -> Result | Unread | None:
        """eGFR by the newest creatinine, unless one that was reported is as new."""
        creatinine = self._first("creatinine", within)
        if creatinine and (direct is None or creatinine.when.order > direct.when.order + DAY):
            return _derived(self._chart, creatinine, self._today)
        return None

    def _first(self, name: str, within: int | None) -> Result | None:
        return next((r for r in self._results(name)[0] if self._recent(r.when, within)), None)

    def _results(self, name: str) -> _Read:
        """Valid results, newest first, of one day and time the lower first; and unread ones."""
        if name not in self._read:
            valid: list[Result] = []
            unread: list[Unread] = []
            for fact in self._chart.measurements:
                if _CONCEPT[name] not in fact.concepts:
                    continue
                result = None if fact.pending else _result(name, fact)
                if result is not None and not _to_come(result.when, self._today):
                    valid.append(result)
                elif (one := _unread(name, fact, self._today)) is not None:
                    unread.append(one)
            valid.sort(key=lambda r: (-r.when.order, r.low))
            self._read[name] = valid, unread
        return self._read[name]


def _outlasts(name: str, unread: Unread, result: Result) -> bool:
    """Whether a result that can be used is too old to make up for one that cannot.

    An eGFR and a creatinine of one day are of one sample, and so are the eGFRs of one time, which
    come in pairs. Of anything else two results of one day may well differ.
    """
    if unread.when is None:
        return False
    if name == "egfr":
        apart = 0 if unread.derived == result.derived else DAY
        return unread.when.order > result.when.order + apart
    return unread.when.order >= result.when.order


def quantities_of(concepts: frozenset[str]) -> tuple[str, ...]:
    """The quantities with a unit that a result in these value sets is."""
    return tuple(n for n, concept in _CONCEPT.items() if concept in concepts and has_units(n))
