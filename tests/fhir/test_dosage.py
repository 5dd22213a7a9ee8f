"""How often, how much, how long: dosages of every release."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.charts import (
    concept,
)
from tests.support.medicines import TWICE, WEEK, dosed, medication_fact, timed

# --- as needed, once ---


@pytest.mark.parametrize(
    ("dosage", "prn"),
    [
        ({"asNeededBoolean": True}, True),
        ({"asNeededBoolean": "true"}, True),
        ({"asNeededBoolean": False}, False),
        ({"asNeeded": True}, True),
        ({"asNeededCodeableConcept": {"text": "pain"}}, True),
        ({"asNeededCodeableConcept": {}}, False),
        ({"asNeededFor": [concept("22253000")]}, True),
        ({"asNeededFor": []}, False),
        ({"timing": {"code": {"text": "PRN"}}}, True),
        ({"text": "as needed"}, True),
    ],
)
def test_as_needed(dosage: dict[str, Any], prn: bool) -> None:
    assert dosed(dosage).prn is prn


def test_scheduled_medicine_with_doses_on_top_is_scheduled() -> None:
    fact = dosed({"timing": TWICE}, {"asNeededBoolean": True, "timing": TWICE})
    assert (fact.prn, fact.per_day) == (False, 2.0)
    assert dosed({"timing": TWICE, "asNeededBoolean": True}).per_day == 2.0
    assert not medication_fact().prn


@pytest.mark.parametrize(
    ("more", "single"),
    [
        ({"dosageInstruction": [{"timing": {"repeat": {"count": 1}}}]}, True),
        ({"dosageInstruction": [{"timing": {"repeat": {"count": 1, "countMax": 5}}}]}, False),
        ({"dosageInstruction": [{"timing": {"repeat": {"count": 7}}}]}, False),
        ({"dosageInstruction": [{"timing": {"event": ["2026-11-23"]}}]}, True),
        ({"dosageInstruction": [{"timing": {"event": ["2026-11-23", "2026-11-24"]}}]}, False),
        ({"dosageInstruction": [{"timing": {"event": ["2026-11-23"]} | TWICE}]}, False),
        ({"dosageInstruction": [{"timing": {"code": {"text": "once"}}}]}, True),
        ({"dosageInstruction": [{"timing": {"code": {"text": "BID"}}}]}, False),
        ({"dosageInstruction": [{"doseQuantity": {"value": 1, "unit": "tab"}}],
          "dispenseRequest": {"quantity": {"value": 1, "unit": "tab"}}}, True),
        ({"dosageInstruction": [{"doseQuantity": {"value": 1, "unit": "tab"}}],
          "dispenseRequest": {"quantity": {"value": 1, "unit": "tab"},
                              "numberOfRepeatsAllowed": 3}}, False),
        ({"dosageInstruction": [{"timing": {"repeat": {"count": 1}}},
                                {"timing": {"repeat": {"count": 1}}}]}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_single_dose(more: dict[str, Any], single: bool) -> None:
    assert medication_fact(**more).single_dose is single


def test_administration_at_one_point_in_time_is_one_dose() -> None:
    moment = medication_fact(
        "MedicationAdministration", status="completed", effectiveDateTime="2026-11-23"
    )
    period = medication_fact("MedicationAdministration", status="in-progress",
                 effectivePeriod={"start": "2026-11-23"})  # fmt: skip
    assert moment.single_dose
    assert not period.single_dose


# --- how often ---


@pytest.mark.parametrize(
    ("repeat", "per_day"),
    [
        ({"frequency": 2, "period": 1, "periodUnit": "d"}, 2.0),
        ({"frequency": 2, "period": 1, "periodUnits": "d"}, 2.0),  # DSTU2
        ({"frequency": 1, "period": 8, "periodUnit": "h"}, 3.0),
        ({"frequency": "1", "period": "12", "periodUnit": "h"}, 2.0),
        ({"frequency": 1, "period": 1, "periodUnit": "wk"}, 1 / 7),
        ({"frequency": 3, "periodUnit": "d"}, 3.0),
        ({"period": 6, "periodUnit": "h"}, 4.0),
        ({"frequency": 2}, None),
        ({"frequency": 2, "period": 1, "periodUnit": "fortnight"}, None),
        ({"frequency": 2, "period": 0, "periodUnit": "d"}, None),
        ({"frequency": 0, "period": 1, "periodUnit": "d"}, None),
        ({"frequency": -1, "period": 1, "periodUnit": "d"}, None),
        ({"when": ["MORN", "EVE"]}, 2.0),
        ({"when": "MORN"}, 1.0),
        ({"timeOfDay": ["08:00:00", "14:00:00", "20:00:00"]}, 3.0),
        ({"frequency": 2, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon", "thu"]}, 4 / 7),
        ({}, None),
        ("twice", None),
    ],
)
def test_doses_a_day(repeat: Any, per_day: float | None) -> None:
    found = dosed({"timing": {"repeat": repeat}}).per_day
    assert found == (pytest.approx(per_day) if per_day else None)


@pytest.mark.parametrize(
    ("code", "per_day"),
    [
        (concept("BID"), 2.0),
        ({"coding": [{"code": "tid"}]}, 3.0),
        ({"text": "QID"}, 4.0),
        ({"text": "Daily"}, 1.0),
        (concept("Q8H"), 3.0),
        (concept("Q12H"), 2.0),
        (concept("QOD"), 0.5),
        (concept("Q0H"), None),
        ({"text": "twice a day"}, None),
        ({}, None),
    ],
)
def test_timing_code(code: Any, per_day: float | None) -> None:
    assert dosed({"timing": {"code": code}}).per_day == per_day


def test_morning_and_evening_lines_add_up() -> None:
    lines = [{"sequence": n, "timing": {"repeat": {"when": [w]}}}
             for n, w in enumerate(["MORN", "EVE"], 1)]  # fmt: skip
    assert dosed(*lines).per_day == 2.0
    assert dosed({"timing": TWICE}, {"timing": TWICE}).per_day == 4.0


def test_steps_follow_each_other() -> None:
    steps = [{"sequence": n, "doseQuantity": {"value": dose, "unit": "mg"},
              "timing": {"repeat": TWICE["repeat"] | {"boundsDuration": WEEK}}}
             for n, dose in ((2, 25), (1, 50))]  # fmt: skip
    fact = dosed(*steps)
    assert (fact.per_day, fact.days, fact.dose) == (2.0, 14.0, 50.0)


# --- how much ---


@pytest.mark.parametrize(
    "dosage",
    [
        {"doseAndRate": [{"doseQuantity": {"value": 50, "unit": "mg"}}]},
        {"doseAndRate": {"doseQuantity": {"value": 50, "code": "mg"}}},
        {"doseQuantity": {"value": 50, "unit": "mg"}},
        {"doseAndRate": [{"doseRange": {"low": {"value": 50, "unit": "mg"},
                                        "high": {"value": 100, "unit": "mg"}}}]},
        {"doseRange": {"low": {"value": 50, "unit": "mg"}}},
        {"quantityQuantity": {"value": 50, "unit": "mg"}},
        {"doseAndRate": [
            {"type": {"text": "calculated"}, "doseQuantity": {"value": 49.5, "unit": "mg"}},
            {"type": concept("admin-amount"), "doseQuantity": {"value": 2, "unit": "capsule"}},
            {"type": concept("ordered"), "doseQuantity": {"value": 50, "unit": "mg"}}]},
        {"doseAndRate": [{"doseQuantity": {"value": 0}}],
         "doseQuantity": {"value": "50", "unit": "mg"}},
    ],
)  # fmt: skip
def test_amount_of_one_dose(dosage: dict[str, Any]) -> None:
    fact = dosed(dosage)
    assert (fact.dose, fact.dose_unit) == (50.0, "mg")


@pytest.mark.parametrize("dosage", [{"dose": {"value": 50, "unit": "mg"}},
                                    {"quantity": {"value": 50, "unit": "mg"}}])  # fmt: skip
def test_amount_that_was_given(dosage: dict[str, Any]) -> None:
    assert (
        medication_fact("MedicationAdministration", status="completed", dosage=dosage).dose == 50.0
    )


# --- how long ---


@pytest.mark.parametrize(
    ("repeat", "days"),
    [
        ({"boundsDuration": WEEK}, 7.0),
        ({"boundsDuration": {"value": 1, "unit": "week"}}, 7.0),
        ({"boundsDuration": {"value": 2, "code": "wk"}}, 14.0),
        ({"boundsDuration": {"value": 10}}, 10.0),
        ({"boundsDuration": {"value": 10, "unit": "moons"}}, None),
        ({"boundsDuration": {"value": -1, "code": "d"}}, None),
        ({"boundsQuantity": WEEK}, 7.0),  # DSTU2
        ({"boundsRange": {"low": WEEK, "high": {"value": 10, "code": "d"}}}, 7.0),
        ({"boundsPeriod": {"start": "2026-12-01", "end": "2026-12-07"}}, 7.0),
        ({"boundsPeriod": {"start": "2026-12-01T08:00:00Z", "end": "2026-12-08T08:00:00Z"}}, 7.0),
        ({"boundsPeriod": {"start": "2026-12-01", "end": "2027"}}, None),
        ({"boundsPeriod": {"start": "2026-12-07", "end": "2026-12-01"}}, None),
        ({"count": 14, "frequency": 2, "period": 1, "periodUnit": "d"}, 7.0),
        ({"count": 14}, None),
        ({}, None),
    ],
)
def test_days_of_a_course(repeat: Any, days: float | None) -> None:
    assert timed(**repeat).days == days


@pytest.mark.parametrize(
    ("more", "days"),
    [
        ({"dispenseRequest": {"expectedSupplyDuration": WEEK}}, 7.0),
        ({"dispenseRequest": {"quantity": {"value": 14, "unit": "capsule"}}}, 7.0),
        ({"dispenseRequest": {"quantity": {"value": 700, "unit": "mg"}}}, 7.0),
        ({"dispenseRequest": {"quantity": {"value": 700, "unit": "MG"}}}, 7.0),
        ({"dispenseRequest": {"quantity": {}}}, None),
        ({"dispenseRequest": "10"}, None),
        ({"quantity": {"value": 14, "unit": "capsules"}}, 7.0),
        ({"daysSupply": WEEK}, 7.0),
    ],
)
def test_days_of_a_supply(more: dict[str, Any], days: float | None) -> None:
    dosage = {"timing": TWICE, "doseQuantity": {"value": 50, "unit": "mg"}}
    assert dosed(dosage, **more).days == days


def test_quantity_without_a_frequency_gives_no_days() -> None:
    assert (
        medication_fact(dispenseRequest={"quantity": {"value": 14, "unit": "capsule"}}).days is None
    )


def test_start_and_end() -> None:
    fact = timed(boundsPeriod={"start": "2026-12-01", "end": "2026-12-10"})
    assert (str(fact.start), str(fact.end)) == ("2026-12-01", "2026-12-10")
    two = dosed({"timing": {"repeat": {"boundsPeriod": {"start": "2026-12-05"}}}},
                {"timing": {"repeat": {"boundsPeriod": {"start": "2026-12-01",
                                                        "end": "2026-12-10"}}}})  # fmt: skip
    assert (str(two.start), two.end) == ("2026-12-01", None)
    statement = medication_fact("MedicationStatement", effectiveDateTime="2020-01-01")
    assert (str(statement.start), statement.end) == ("2020-01-01", None)
