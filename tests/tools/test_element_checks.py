"""Findings about elements: types, statuses, units, dates, subjects."""

from __future__ import annotations

from tests.support.builders import request
from tests.support.validating import CLINICAL, SCT, Check, condition, kinds, observation, only

# --- content: elements ---


def test_numbers_for_strings_and_strings_for_numbers(check: Check) -> None:
    number = check(condition({"system": SCT, "code": 444748003}))
    assert only(number, "number-for-string").mend == 'send "444748003"'
    assert "fhir-structure" not in kinds(number)  # said once, in better words
    text = check(observation("33914-3", value="29", unit="mL/min/1.73m2"))
    assert only(text, "string-for-number").mend == "send 29 without quotes"


def test_missing_and_unknown_statuses(check: Check) -> None:
    assert "status-missing" in kinds(check(condition(clinicalStatus=None)))
    wrong = {"coding": [{"system": CLINICAL, "code": "entered-in-error"}]}
    quiet = check(condition(clinicalStatus=None, verificationStatus=wrong))
    assert "status-missing" not in kinds(quiet)
    assert "status-unknown" in kinds(
        check(condition(clinicalStatus={"coding": [{"code": "aktiv"}]}))
    )


def test_units_that_cannot_be_converted(check: Check) -> None:
    assert "unit" in kinds(check(observation("2160-0", value=1.1, unit="stones")))
    assert "unit" not in kinds(check(observation("2160-0", value=97, unit="umol/L")))
    assert "unit" not in kinds(check(observation("8480-6", value=120, unit="stones")))


def test_dates_that_cannot_be_read(check: Check) -> None:
    found = only(check(condition(onsetDateTime="06/02/2019")), "date-unreadable")
    assert found.mend == "send YYYY-MM-DD"


def test_text_without_a_code_is_a_note(check: Check) -> None:
    report = check(condition(code={"text": "HO"}))
    assert only(report, "uncoded").severity.value == "note"
    assert not report.failed


def test_resources_of_another_patient_are_told(check: Check) -> None:
    description = {
        "patient": {"age": 60, "sex": "female"},
        "orders": ["right hip replacement"],
        "chart": {"conditions": ["icd10cm I10 Hypertension | of another patient",
                                 "sct 444748003 HO", "sct 444748003 HO | refuted"]},
    }  # fmt: skip
    report = check(request(description))
    assert only(report, "other-patient").path[:2] == ("prefetch", "conditions")
    states = {r.path[3]: r.state for r in report.resources if r.path[1] == "conditions"}
    assert states == {0: "other-patient", 1: "used", 2: "set-aside"}
