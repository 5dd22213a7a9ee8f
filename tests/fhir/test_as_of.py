"""A record as it was at a moment: what came later is not known, what is over now was not."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.clinical.chart import FhirDate
from cds_service.fhir.as_of import Timing, as_it_was, timing_of
from cds_service.fhir.dates import read_date


def moment(text: str = "2024-04-20") -> FhirDate:
    found = read_date(text)
    assert found is not None
    return found


def resource(kind: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": kind, **elements}


@pytest.mark.parametrize(
    ("elements", "wanted"),
    [
        ({"recordedDate": "2024-04-19"}, Timing.BEFORE),
        ({"recordedDate": "2024-04-20"}, Timing.BEFORE),
        ({"recordedDate": "2024-04-21"}, Timing.LATER),
        ({"recordedDate": "2024"}, Timing.UNDATED),
        ({"recordedDate": "2023"}, Timing.BEFORE),
        ({"recordedDate": "2025"}, Timing.LATER),
        ({}, Timing.UNDATED),
        ({"recordedDate": "yesterday"}, Timing.UNDATED),
        ({"onsetDateTime": "2010-01-01"}, Timing.BEFORE),
        ({"onsetDateTime": "2010-01-01", "recordedDate": "2024-05-01"}, Timing.LATER),
        ({"assertedDate": "2024-05-01"}, Timing.LATER),
        ({"dateRecorded": "2024-05-01"}, Timing.LATER),
        ({"meta": {"lastUpdated": "2030-01-01T00:00:00Z"}, "recordedDate": "2020"}, Timing.BEFORE),
    ],
)
def test_when_a_condition_was_known(elements: dict[str, Any], wanted: Timing) -> None:
    assert timing_of(resource("Condition", **elements), moment()) is wanted


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("Procedure", "performedDateTime"),
        ("Procedure", "occurrenceDateTime"),
        ("Observation", "effectiveDateTime"),
        ("Observation", "issued"),
        ("MedicationRequest", "authoredOn"),
        ("MedicationOrder", "dateWritten"),
        ("MedicationStatement", "dateAsserted"),
        ("MedicationDispense", "whenHandedOver"),
        ("MedicationAdministration", "effectiveDateTime"),
        ("AllergyIntolerance", "recordedDate"),
        ("FamilyMemberHistory", "date"),
        ("ServiceRequest", "authoredOn"),
        ("ProcedureRequest", "orderedOn"),
        ("ReferralRequest", "dateSent"),
        ("DiagnosticReport", "issued"),
        ("List", "date"),
    ],
)
def test_every_type_has_its_date(kind: str, element: str) -> None:
    def at(day: str) -> Timing:
        return timing_of(resource(kind, **{element: day}), moment())

    assert at("2024-04-19T10:00:00Z") is Timing.BEFORE
    assert at("2024-04-21T10:00:00Z") is Timing.LATER
    assert timing_of(resource(kind), moment()) is Timing.UNDATED


def test_an_order_of_dstu2_has_its_date_in_an_event() -> None:
    doc = resource("DiagnosticOrder", event=[{"status": "requested", "dateTime": "2024-05-01"}])
    assert timing_of(doc, moment()) is Timing.LATER


def test_a_patient_and_a_medication_have_no_date() -> None:
    for kind in ("Patient", "Medication", "BodyStructure"):
        assert timing_of(resource(kind), moment()) is Timing.BEFORE


def test_two_exact_times_of_one_day_tell_which_came_first() -> None:
    at = moment("2024-04-20T10:00:00Z")
    late = resource("Condition", recordedDate="2024-04-20T13:00:00+02:00")
    early = resource("Condition", recordedDate="2024-04-20T11:00:00+02:00")
    day = resource("Condition", recordedDate="2024-04-20")
    assert [timing_of(doc, at) for doc in (late, early, day)] == [
        Timing.LATER, Timing.BEFORE, Timing.BEFORE,
    ]  # fmt: skip


def test_a_later_death_and_the_end_of_the_record_are_not_known() -> None:
    doc = resource("Patient", id="a", deceasedDateTime="2024-09-01", active=False)
    assert as_it_was(doc, moment()) == resource("Patient", id="a")
    dead = resource("Patient", deceasedDateTime="2024-01-01", active=False)
    assert as_it_was(dead, moment()) == dead


def test_a_later_merge_of_the_record_is_not_known() -> None:
    link = {"other": {"reference": "Patient/b"}, "type": "replaced-by"}
    kept = {"other": {"reference": "Patient/c"}, "type": "seealso"}
    assert as_it_was(resource("Patient", link=[link, kept]), moment())["link"] == [kept]


def test_what_ended_later_was_active() -> None:
    told = {"coding": [{"code": "resolved"}]}
    over = resource("Condition", clinicalStatus=told, abatementDateTime="2024-06-01")
    assert as_it_was(over, moment()) == resource("Condition")
    long_over = over | {"abatementDateTime": "2023-06-01"}
    assert as_it_was(long_over, moment()) == long_over
    nobody_knows = resource("Condition", clinicalStatus=told)
    assert as_it_was(nobody_knows, moment()) == nobody_knows


BOUNDS = {"timing": {"repeat": {"boundsPeriod": {"start": "2024-04-01", "end": "2024-05-01"}}}}
COURSE = {"timing": {"repeat": {"boundsDuration": {"value": 30, "code": "d"}}}}


@pytest.mark.parametrize(
    ("elements", "wanted"),
    [
        ({"authoredOn": "2024-04-20"}, "active"),
        ({"authoredOn": "2024-04-01"}, "completed"),
        ({"authoredOn": "2024-04-01", "dosageInstruction": [BOUNDS]}, "active"),
        ({"authoredOn": "2024-04-01", "dosageInstruction": [COURSE]}, "active"),
        ({"authoredOn": "2024-02-01", "dosageInstruction": [COURSE]}, "completed"),
        (
            {
                "authoredOn": "2024-01-01",
                "dispenseRequest": {"validityPeriod": {"end": "2025-01-01"}},
            },
            "active",
        ),
    ],
)
def test_a_medicine_was_taken_until_its_end(elements: dict[str, Any], wanted: str) -> None:
    doc = resource("MedicationRequest", status="completed", **elements)
    assert as_it_was(doc, moment())["status"] == wanted


def test_an_order_was_open_until_its_day() -> None:
    def state(**elements: Any) -> object:
        doc = resource("ServiceRequest", status="completed", authoredOn="2024-04-01", **elements)
        return as_it_was(doc, moment())["status"]

    assert state(occurrenceDateTime="2024-05-02") == "active"
    assert state(occurrenceDateTime="2024-04-10") == "completed"
    assert state() == "completed"


def test_an_error_stays_one() -> None:
    doc = resource("ServiceRequest", status="entered-in-error", authoredOn="2024-04-20")
    assert as_it_was(doc, moment()) is doc
