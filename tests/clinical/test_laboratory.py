"""Laboratory results: units, comparators, age of results, and eGFR from creatinine."""

from __future__ import annotations

from datetime import date

import pytest

from cds_service.clinical.ages import age_range
from cds_service.clinical.chart import (
    Chart,
    CodeSeen,
    FhirDate,
    MeasurementFact,
    PatientFacts,
    Provenance,
)
from cds_service.clinical.laboratory import (
    Laboratory,
    Result,
    Unread,
    egfr_from_creatinine,
)
from cds_service.clinical.units import CREATININE_IN_MOLES, normal_unit, unit_of
from cds_service.knowledge.loader import Knowledge

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
    source = Provenance(f"Observation/{concept}-{value}", None, concept)
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


@pytest.mark.parametrize(
    ("quantity", "units"),
    [
        ("egfr", ["mL/min per 1.73 m2", "mL/min/1.73", "mL/min/1.73 sq. m", "mL/min/1.73m(2)",
                  "mL/(min*1.73 m2)", "ml/min/1,73 m²", "mL/min/1.73 m^2"]),
        ("platelets", ["Thousand/uL", "K/mcL", "/nL", "x10(3)/mcL", "x10(9)/L", "10E9/L", "10⁹/L",
                       "× 10³/µL", "10*3/mm3", "Tsd/µl", "Gpt/L", "K/cumm", "10 3/uL"]),
        ("potassium", ["mval/L", "mEq/L", "mmol/l", "millimol/L"]),
        ("creatinine", ["mg/dL", "mg/100 mL", "MG/DL"]),
    ],
)  # fmt: skip
def test_written_units_of_the_same_size(quantity: str, units: list[str]) -> None:
    for written in units:
        unit = unit_of(quantity, written)
        assert unit is not None, written
        assert unit.factor == 1.0, written


@pytest.mark.parametrize(
    ("quantity", "unit", "factor"),
    [("platelets", "/cmm", 0.001), ("platelets", "cells/mcL", 0.001),
     ("platelets", "lakh/cumm", 100), ("creatinine", "micromol/L", 1 / 88.4),
     ("egfr", "mL/s/1.73m2", 60), ("weight", "g", 0.001), ("weight", "[lb_av]", 0.45359237),
     ("weight", "lbs", 0.45359237), ("weight", "[oz_av]", 0.45359237 / 16),
     ("weight", "[stone_av]", 0.45359237 * 14)],
)  # fmt: skip
def test_units_of_another_size(quantity: str, unit: str, factor: float) -> None:
    known = unit_of(quantity, unit)
    assert known is not None
    assert known.factor == factor


@pytest.mark.parametrize("unit", ["", "%", "mL/min/m2", "g/dL", "furlongs", "1"])
def test_what_is_no_unit_of_a_quantity(unit: str) -> None:
    quantities = ("egfr", "creatinine", "potassium", "platelets", "weight")
    assert not any(unit_of(quantity, unit) for quantity in quantities)


# --- without a unit, and not to be read ---


def coded(concept: str, code: str, value: float, unit: str | None = None) -> MeasurementFact:
    source = Provenance("Observation/1", CodeSeen("http://loinc.org", code), concept)
    return MeasurementFact(frozenset({concept}), source, value, unit, None, day("2026-11-01"))


def unread(record: Chart, name: str, within_days: int | None = 90) -> Unread | None:
    return Laboratory(record, TODAY).unread(name, within_days)


@pytest.mark.parametrize(
    ("concept", "code", "value", "low"),
    [
        ("lab-egfr", "33914-3", 22, 22),
        ("lab-potassium", "2823-3", 6.2, 6.2),
        ("lab-creatinine", "14682-9", 88.4, 1.0),
    ],
)
def test_a_code_that_leaves_one_unit_is_read_without_it(
    concept: str, code: str, value: float, low: float
) -> None:
    result = newest(chart(coded(concept, code, value)), concept.removeprefix("lab-"), TODAY)
    assert result is not None
    assert result.low == pytest.approx(low)
    assert "no unit sent" in result.text


@pytest.mark.parametrize(
    ("concept", "code", "value"),
    [
        ("lab-creatinine", "2160-0", 3.5),  # mg/dL or mg/L
        ("lab-creatinine", "14682-9", 3.5),  # no patient's in µmol/L
        ("lab-platelets", "777-3", 20),
    ],
)
def test_a_unit_is_not_guessed(concept: str, code: str, value: float) -> None:
    name, record = concept.removeprefix("lab-"), chart(coded(concept, code, value))
    assert newest(record, name, TODAY) is None
    found = unread(record, name)
    assert found is not None
    assert f"of 2026-11-01 could not be read ({value:g}, no unit)" in found.text


def test_codes_in_moles_are_those_whose_names_say_so(knowledge: Knowledge) -> None:
    listed = knowledge.value_sets["lab-creatinine"]["compose"]["include"][0]["concept"]
    named = {c["code"] for c in listed if "[Moles/volume]" in c["display"]}
    assert named == CREATININE_IN_MOLES
    for name in ("lab-potassium", "lab-egfr"):
        kind = "[Moles/volume]" if name == "lab-potassium" else "[Volume Rate/Area]"
        concepts = knowledge.value_sets[name]["compose"]["include"][0]["concept"]
        assert all(kind in c["display"] for c in concepts)


def test_a_newer_result_that_cannot_be_read_is_told() -> None:
    old = lab("lab-egfr", 85, "mL/min", "2026-10-01")
    new = lab("lab-egfr", 22, "furlongs", "2026-11-01")
    found = unread(chart(old, new), "egfr")
    assert found is not None
    assert found.text == "eGFR of 2026-11-01 could not be read (22 furlongs)"


@pytest.mark.parametrize(
    ("readable", "told"),
    [("2026-10-31", True), ("2026-11-01", False), ("2026-11-02", False)],
)
def test_egfrs_of_one_time_are_of_one_sample(readable: str, told: bool) -> None:
    facts = (lab("lab-egfr", 85, "mL/min", readable), lab("lab-egfr", 22, "x", "2026-11-01"))
    assert (unread(chart(*facts), "egfr") is not None) is told


def test_two_results_of_one_day_may_differ() -> None:
    facts = (lab("lab-potassium", 4.2, "mmol/L"), lab("lab-potassium", 6.2, "x"))
    assert unread(chart(*facts), "potassium") is not None


def test_a_creatinine_of_the_same_day_adds_nothing_to_an_egfr() -> None:
    facts = (lab("lab-egfr", 85, "mL/min"), lab("lab-creatinine", 1.0, "x"))
    assert unread(chart(*facts), "egfr") is None


@pytest.mark.parametrize(("born", "lack"), [("", "age is not known"), ("2009-11-24", "adults")])
def test_a_creatinine_without_an_adults_age_is_shown(born: str, lack: str) -> None:
    found = unread(chart(lab("lab-creatinine", 3.5, "mg/dL"), born=born), "egfr")
    assert found is not None
    assert "Creatinine 3.5 mg/dL on 2026-11-01" in found.text
    assert lack in found.text


def test_such_a_creatinine_is_not_hidden_by_an_older_egfr() -> None:
    facts = (
        lab("lab-egfr", 85, "mL/min", "2026-10-01"),
        lab("lab-creatinine", 3.5, "mg/dL", "2026-11-01"),
    )
    assert unread(chart(*facts, born=""), "egfr") is not None


@pytest.mark.parametrize(
    ("when", "words"), [(None, "without a date"), ("2026-12-24", "in the future, 2026-12-24")]
)
def test_a_result_without_a_usable_date_is_told_where_there_is_no_other(
    when: str | None, words: str
) -> None:
    odd = lab("lab-egfr", 22, "mL/min", when)
    found = unread(chart(odd), "egfr")
    assert found is not None
    assert words in found.text
    assert "22 mL/min" in found.text
    assert unread(chart(odd, lab("lab-egfr", 85, "mL/min")), "egfr") is None


def test_an_observation_without_a_value_is_no_result() -> None:
    assert unread(chart(lab("lab-egfr", None, None)), "egfr") is None


def test_a_result_is_shown_in_the_unit_that_was_sent() -> None:
    result = newest(chart(lab("lab-creatinine", 310, "umol/L")), "egfr", TODAY)
    assert result is not None
    assert "creatinine 310 µmol/L" in result.text
    platelets = newest(chart(lab("lab-platelets", 45000, "/uL")), "platelets", TODAY)
    assert platelets is not None
    assert platelets.text == "Platelets 45000 /µL on 2026-11-01"
