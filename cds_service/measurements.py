"""Laboratory results as intervals in one unit each, newest valid first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from cds_service.chart import Chart, FhirDate, MeasurementFact, PatientFacts, Source

_CONCEPT = {
    "egfr": "lab-egfr",
    "creatinine": "lab-creatinine",
    "potassium": "lab-potassium",
    "platelets": "lab-platelets",
    "pregnancy-test": "lab-pregnancy-test",
    "pregnancy-status": "lab-pregnancy-status",
}

CONCEPTS = {name: frozenset({concept}) for name, concept in _CONCEPT.items()} | {
    "egfr": frozenset({_CONCEPT["egfr"], _CONCEPT["creatinine"]})
}
"""Value sets of which a quantity needs a result: eGFR is also calculated from creatinine."""

# 88.4 µmol/L = 1 mg/dL creatinine (as printed in doi:10.1186/s12877-021-02428-y, table 1).
_UNITS: dict[str, dict[str, float]] = {
    "egfr": {"ml/min/1.73m2": 1.0, "ml/min": 1.0},
    "creatinine": {"mg/dl": 1.0, "umol/l": 1 / 88.4, "mmol/l": 1000 / 88.4, "mg/l": 0.1},
    "potassium": {"mmol/l": 1.0, "meq/l": 1.0},
    "platelets": {
        "10*9/l": 1.0,
        "10*3/ul": 1.0,
        "10*3/mm3": 1.0,
        "k/ul": 1.0,
        "g/l": 1.0,
        "/ul": 0.001,
        "/mm3": 0.001,
    },
}
# Outside these a number is a slip of the keyboard or the unit, not a patient.
_PLAUSIBLE = {
    "egfr": (0.0, 250.0),
    "creatinine": (0.1, 40.0),
    "potassium": (1.0, 15.0),
    "platelets": (0.0, 5000.0),
}
_SHOWN_UNIT = {
    "egfr": "mL/min/1.73 m²",
    "creatinine": "mg/dL",
    "potassium": "mmol/L",
    "platelets": "× 10⁹/L",
}
_NAME = {
    "egfr": "eGFR",
    "creatinine": "Creatinine",
    "potassium": "Potassium",
    "platelets": "Platelets",
}


@dataclass(frozen=True, slots=True)
class Result:
    """One result: its value lies in [`low`, `high`] of the quantity's unit.

    `text` is ready to read and names value, unit and date. `derived` says that it was calculated.
    """

    low: float
    high: float
    text: str
    when: FhirDate
    source: Source
    answers: frozenset[str] = frozenset()
    derived: bool = False


def normal_unit(unit: str | None) -> str:
    """A unit as written by people, brought to one spelling (UCUM case and braces dropped)."""
    text = (unit or "").strip().lower().replace(" ", "")
    for old, new in (
        ("µ", "u"), ("μ", "u"), ("mcl", "ul"), ("micromol", "umol"), ("mcmol", "umol"),
        ("{", ""), ("}", ""), ("[", ""), ("]", ""), ("_", ""), ("²", "2"), ("³", "3"), ("⁹", "9"),
        ("^", "*"), ("x10e", "10*"), ("10e", "10*"), ("x10*", "10*"), ("×10*", "10*"),
        ("x10", "10*"), ("×10", "10*"), ("m*2", "m2"), ("cells/", "/"), ("thou/", "10*3/"),
        ("1.73sqm", "1.73m2"), ("1.73m2", "1.73m2"), ("(1.73m2)", "1.73m2"), ("cumm", "mm3"),
    ):  # fmt: skip
        text = text.replace(old, new)
    return text.replace("10**", "10*")


def _interval(name: str, fact: MeasurementFact) -> tuple[float, float] | None:
    factor = _UNITS[name].get(normal_unit(fact.unit))
    if factor is None or fact.value is None or not math.isfinite(fact.value):
        return None
    value = fact.value * factor
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
    return f"{value:.2f}".rstrip("0").rstrip(".") if value < 100 else f"{value:.0f}"


def _numeric(name: str, fact: MeasurementFact) -> Result | None:
    bounds = _interval(name, fact)
    if bounds is None or fact.when is None or fact.value is None:
        return None
    sign = fact.comparator or ""
    shown = fact.value * _UNITS[name][normal_unit(fact.unit)]
    text = f"{_NAME[name]} {sign}{_shown(shown)} {_SHOWN_UNIT[name]} on {fact.when}"
    return Result(*bounds, text, fact.when, fact.source)


def age_range(patient: PatientFacts, today: date) -> tuple[int, int] | None:
    """Age in whole years today, as the least and the most it can be; None when not known."""
    if patient.birth is None:
        return None

    def years(born: date) -> int:
        return today.year - born.year - ((today.month, today.day) < (born.month, born.day))

    low, high = years(patient.birth.latest), years(patient.birth.earliest)
    return (low, high) if 0 <= high <= 130 else None


def egfr_from_creatinine(creatinine: float, age: int, female: bool) -> float:
    """eGFR in mL/min/1.73 m² from creatinine in mg/dL by CKD-EPI 2021, adults only.

    Source: Inker LA et al., N Engl J Med 2021;385:1737-1749, doi:10.1056/NEJMoa2102953.
    """
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine / kappa
    bend = math.pow(min(ratio, 1.0), alpha) * math.pow(max(ratio, 1.0), -1.200)
    return 142 * bend * math.pow(0.9938, age) * (1.012 if female else 1.0)


def _derived(chart: Chart, result: Result, today: date) -> Result | None:
    ages = age_range(chart.patient, today)
    if ages is None or ages[0] < 18:
        return None
    sexes = {"female": (True,), "male": (False,)}.get(chart.patient.sex, (True, False))

    def values(creatinine: float) -> list[float]:
        if not math.isfinite(creatinine):
            return [0.0]
        least = max(creatinine, _PLAUSIBLE["creatinine"][0])
        return [egfr_from_creatinine(least, age, female) for age in ages for female in sexes]

    low, high = min(values(result.high)), max(values(result.low))
    about = f"about {low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"
    basis = result.text[0].lower() + result.text[1:]
    text = f"eGFR {about} {_SHOWN_UNIT['egfr']} (CKD-EPI 2021 from {basis})"
    return Result(low, high, text, result.when, result.source, derived=True)


def _dated(facts: Iterable[MeasurementFact], today: date) -> list[MeasurementFact]:
    # A result from the future is a wrong date; one day is left for time zones.
    limit = today + timedelta(days=1)
    return [f for f in facts if f.when is not None and f.when.earliest <= limit]


class Laboratory:
    """The results of one chart, each quantity read once.

    Quantities: egfr (mL/min/1.73 m²), creatinine (mg/dL), potassium (mmol/L), platelets (10⁹/L),
    pregnancy-test, pregnancy-status.
    """

    def __init__(self, chart: Chart, today: date) -> None:
        self._chart = chart
        self._today = today
        self._read: dict[str, list[Result]] = {}

    def newest(self, name: str, within_days: int | None = None) -> Result | None:
        """Newest valid result that is not older than `within_days`.

        A date of low precision counts by its latest day. eGFR is calculated from a creatinine
        where no eGFR is known, or where the creatinine is newer by more than a day.
        """
        limit = date.min if within_days is None else self._today - timedelta(days=within_days)
        direct = self._first(name, limit)
        if name != "egfr":
            return direct
        creatinine = self._first("creatinine", limit)
        if creatinine and (direct is None or creatinine.when.order > direct.when.order + 86_400):
            return _derived(self._chart, creatinine, self._today) or direct
        return direct

    def _first(self, name: str, limit: date) -> Result | None:
        return next((r for r in self._results(name) if r.when.latest >= limit), None)

    def _results(self, name: str) -> list[Result]:
        """Valid results, newest first; of one day and time the lower comes first."""
        if name not in self._read:
            facts = _dated(
                (f for f in self._chart.measurements if _CONCEPT[name] in f.concepts), self._today
            )
            read = _numeric if name in _UNITS else _answered
            found = [r for f in facts if (r := read(name, f)) is not None]
            found.sort(key=lambda r: (-r.when.order, r.low))
            self._read[name] = found
        return self._read[name]


def _answered(name: str, fact: MeasurementFact) -> Result | None:
    if fact.when is None or not fact.answers:
        return None
    text = f"{fact.source.label} on {fact.when}"
    return Result(math.nan, math.nan, text, fact.when, fact.source, fact.answers)


def units_of(concepts: frozenset[str]) -> tuple[str, ...] | None:
    """Units, as `normal_unit` spells them, in which a result in these value sets counts; None
    where the value sets hold no quantity."""
    names = [name for name, concept in _CONCEPT.items() if concept in concepts and name in _UNITS]
    return tuple(unit for name in names for unit in _UNITS[name]) or None
