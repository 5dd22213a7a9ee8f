"""Laboratory results: units, comparators, age of results, and eGFR from creatinine."""

from __future__ import annotations

from datetime import date

import pytest

from cds_service.chart import Chart, FhirDate, MeasurementFact, PatientFacts, Source
from cds_service.measurements import (
    Laboratory,
    Result,
    age_range,
    egfr_from_creatinine,
    normal_unit,
)

TODAY = date(2026, 11, 23)


def day(text: str, order: float = 0.0) -> FhirDate:
    when = date.fromisoformat(text)
    return FhirDate(text, when, when, when.toordinal() * 86_400 + order)


def lab(
    concept: str,
    value: float | None,
    unit: str | None,
    when: str | None = "2026-11-01",
    comparator: str | None = None,
) -> MeasurementFact:
    source = Source(f"Observation/{concept}-{value}", None, concept)
    date_ = day(when) if when else None
    return MeasurementFact(frozenset({concept}), source, value, unit, comparator, date_)


def chart(*facts: MeasurementFact, sex: str = "female", born: str = "1971-05-01") -> Chart:
    return Chart(PatientFacts("p", day(born) if born else None, sex), measurements=facts)


def newest(record: Chart, name: str, today: date, within_days: int | None = None) -> Result | None:
    return Laboratory(record, today).newest(name, within_days)


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("egfr", 48, "mL/min/{1.73_m2}", 48),
        ("egfr", 48, "mL/min/1.73 m²", 48),
        ("egfr", 48, "mL/min/1.73m2", 48),
        ("egfr", 48, "ml/min", 48),
        ("potassium", 5.6, "mEq/L", 5.6),
        ("platelets", 45, "10*3/uL", 45),
        ("platelets", 45, "10^9/L", 45),
        ("platelets", 45, "x10E3/uL", 45),
        ("platelets", 45000, "/uL", 45),
        ("platelets", 45, "K/µL", 45),
        ("creatinine", 88.4, "umol/L", 1.0),
        ("creatinine", 88.4, "µmol/L", 1.0),
        ("creatinine", 1.0, "mg/dL", 1.0),
    ],
)
def test_units_are_converted(name: str, value: float, unit: str, expected: float) -> None:
    result = newest(chart(lab(f"lab-{name}", value, unit)), name, TODAY)
    assert result is not None
    assert result.low == result.high == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "unit", "when"),
    [
        (48, None, "2026-11-01"),
        (48, "mg/dL", "2026-11-01"),
        (None, "mL/min/1.73m2", "2026-11-01"),
        (-1, "mL/min/1.73m2", "2026-11-01"),
        (4800, "mL/min/1.73m2", "2026-11-01"),
        (float("nan"), "mL/min/1.73m2", "2026-11-01"),
        (48, "mL/min/1.73m2", None),
        (48, "mL/min/1.73m2", "2026-12-24"),
    ],
)
def test_a_result_that_cannot_be_used_is_no_result(
    value: float | None, unit: str | None, when: str | None
) -> None:
    assert newest(chart(lab("lab-egfr", value, unit, when)), "egfr", TODAY) is None


def test_the_newest_result_wins_and_of_one_day_the_lower() -> None:
    facts = [
        lab("lab-egfr", 90, "mL/min/1.73m2", "2026-01-01"),
        lab("lab-egfr", 40, "mL/min/1.73m2", "2026-11-01"),
        lab("lab-egfr", 35, "mL/min/1.73m2", "2026-11-01"),
    ]
    result = newest(chart(*facts), "egfr", TODAY)
    assert result is not None
    assert result.low == 35


@pytest.mark.parametrize(("when", "found"), [("2026-08-25", True), ("2026-08-24", False)])
def test_the_window_includes_its_last_day(when: str, found: bool) -> None:
    result = newest(chart(lab("lab-egfr", 48, "mL/min/1.73m2", when)), "egfr", TODAY, 90)
    assert (result is not None) is found


@pytest.mark.parametrize(
    ("comparator", "low", "high"),
    [("<", 0, 15), ("<=", 0, 15), (">", 15, float("inf")), (">=", 15, float("inf"))],
)
def test_comparators_give_intervals(comparator: str, low: float, high: float) -> None:
    fact = lab("lab-egfr", 15, "mL/min/1.73m2", comparator=comparator)
    result = newest(chart(fact), "egfr", TODAY)
    assert result is not None
    assert result.low == pytest.approx(low)
    assert result.high == pytest.approx(high)
    assert comparator in result.text


def test_ckd_epi_2021_gives_the_published_values() -> None:
    # Worked by hand from the equation as printed by the National Kidney Foundation.
    assert egfr_from_creatinine(0.9, 55, female=True) == pytest.approx(75.6, abs=0.3)
    assert egfr_from_creatinine(0.9, 50, female=False) == pytest.approx(142 * 0.9938**50)
    assert egfr_from_creatinine(0.7, 50, female=True) == pytest.approx(142 * 0.9938**50 * 1.012)


def test_egfr_is_calculated_where_only_creatinine_is_known_and_says_so() -> None:
    result = newest(chart(lab("lab-creatinine", 2.5, "mg/dL")), "egfr", TODAY)
    assert result is not None
    assert result.derived
    assert result.low == pytest.approx(22.2, abs=0.5)
    assert "CKD-EPI 2021" in result.text


def test_a_newer_creatinine_outweighs_an_older_egfr() -> None:
    facts = (
        lab("lab-egfr", 90, "mL/min/1.73m2", "2026-10-01"),
        lab("lab-creatinine", 4.0, "mg/dL", "2026-11-20"),
    )
    result = newest(chart(*facts), "egfr", TODAY)
    assert result is not None
    assert result.derived


def test_without_sex_the_calculated_egfr_is_an_interval() -> None:
    result = newest(chart(lab("lab-creatinine", 1.2, "mg/dL"), sex="unknown"), "egfr", TODAY)
    assert result is not None
    assert result.low < result.high


@pytest.mark.parametrize("born", ["", "2012-01-01"])
def test_egfr_is_not_calculated_for_children_or_without_age(born: str) -> None:
    assert newest(chart(lab("lab-creatinine", 1.2, "mg/dL"), born=born), "egfr", TODAY) is None


def test_age_is_a_range_when_the_birth_date_is_partial() -> None:
    born = FhirDate("1961", date(1961, 1, 1), date(1961, 12, 31), 0.0)
    assert age_range(PatientFacts("p", born), TODAY) == (64, 65)
    assert age_range(PatientFacts("p"), TODAY) is None
    assert age_range(PatientFacts("p", day("2027-01-01")), TODAY) is None


@pytest.mark.parametrize("text", ["mL/min/{1.73_m2}", "mL/min/1.73m^2", "ML/MIN/1.73 m2"])
def test_unit_spellings(text: str) -> None:
    assert normal_unit(text) == "ml/min/1.73m2"
