"""Which medicine, in which state, how often, how long, for what: in every release."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.charts import (
    APIXABAN,
    FOP,
    INDOMETHACIN,
    SNOMED,
    concept,
    condition,
    read,
    reader,
    resource,
)
from tests.support.medicines import WEEK, dosed, medication_fact, timed

ATRIAL_FIBRILLATION = concept("I48.0", "http://hl7.org/fhir/sid/icd-10-cm")


# --- which medicine ---

INSIDE = {"resourceType": "Medication", "id": "m", "code": INDOMETHACIN}


@pytest.mark.parametrize(
    "shape",
    [
        {"medicationCodeableConcept": INDOMETHACIN},
        {"medication": {"concept": INDOMETHACIN}},
        {"medicationReference": {"reference": "#m"}, "contained": [INSIDE]},
        {"medicationReference": {"reference": "#m"}, "contained": INSIDE},
        {"medication": {"reference": {"reference": "#m"}}, "contained": [INSIDE]},
        {"medicationReference": {"reference": "Medication/m", "display": "Indocin"}},
        {"medicationReference": {"reference": "https://ehr/fhir/Medication/m/_history/1"}},
        {"medicationReference": {"reference": "urn:uuid:mmm"}},
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_medicine_by_code_or_reference(shape: dict[str, Any], order: int) -> None:
    entries = [
        {"resource": resource("MedicationRequest", status="active", **shape)},
        {"fullUrl": "urn:uuid:mmm", "resource": INSIDE},
    ]
    chart = reader({"medications": {"resourceType": "Bundle", "entry": entries[::order]}}).chart()
    (fact,) = chart.medications
    assert "indomethacin" in fact.concepts
    assert fact.source.coding is not None
    assert fact.source.coding.code == "5781"


def test_medicine_that_cannot_be_resolved_is_no_fact() -> None:
    unknown = {"reference": "Medication/x", "display": "Indomethacin"}
    assert read(resource("MedicationRequest", medicationReference=unknown)).medications == ()
    assert read(resource("MedicationRequest", medicationReference={"reference": "#x"},
                         contained=[INSIDE, 5])).medications == ()  # fmt: skip
    assert read(resource("MedicationRequest")).medications == ()


@pytest.mark.parametrize(
    ("kind", "shape", "state"),
    [
        ("MedicationRequest", {"status": "active", "intent": "order"}, "active"),
        ("MedicationRequest", {"status": "ACTIVE"}, "active"),
        ("MedicationRequest", {"status": "draft", "intent": "proposal"}, "draft"),
        ("MedicationRequest", {"status": "on-hold"}, "unknown"),
        ("MedicationRequest", {"status": None}, "unknown"),
        ("MedicationRequest", {"status": "unknown"}, "unknown"),
        ("MedicationRequest", {"status": "stopped"}, "ended"),
        ("MedicationRequest", {"status": "completed"}, "ended"),
        ("MedicationRequest", {"status": "cancelled"}, "ended"),
        ("MedicationOrder", {"status": "active", "subject": None,
                             "patient": {"reference": "Patient/p1"}}, "active"),
        ("MedicationStatement", {"status": "active", "taken": "y"}, "active"),
        ("MedicationStatement", {"status": "recorded"}, "active"),
        ("MedicationStatement", {"status": "intended"}, "unknown"),
        ("MedicationStatement", {"status": "completed"}, "ended"),
        ("MedicationStatement", {"status": "active",
                                 "effectivePeriod": {"end": "2026-11-22"}}, "ended"),
        ("MedicationStatement", {"status": "active",
                                 "effectivePeriod": {"end": "2026-11"}}, "active"),
        ("MedicationStatement", {"status": "recorded",
                                 "adherence": {"code": concept("stopped-as-directed")}}, "ended"),
        ("MedicationUsage", {"status": "recorded",
                             "adherence": {"code": concept("taking")}}, "active"),
        ("MedicationDispense", {"status": "completed", "whenHandedOver": "2026-11-20",
                                "daysSupply": {"value": 5, "unit": "d"}}, "active"),
        ("MedicationDispense", {"status": "completed", "whenHandedOver": "2026-11-01",
                                "daysSupply": {"value": 5, "unit": "d"}}, "ended"),
        ("MedicationDispense", {"status": "completed", "whenHandedOver": "2026-11-01"}, "unknown"),
        ("MedicationDispense", {"status": "completed"}, "unknown"),
        ("MedicationDispense", {"status": "in-progress"}, "active"),
        ("MedicationDispense", {"status": "declined"}, "ended"),
        ("MedicationDispense", {"status": "preparation"}, "unknown"),
        ("MedicationAdministration", {"status": "completed",
                                      "effectiveDateTime": "2026-11-23T06:00:00Z"}, "active"),
        ("MedicationAdministration", {"status": "completed",
                                      "occurenceDateTime": "2026-11-20"}, "ended"),
        ("MedicationAdministration", {"status": "completed",
                                      "effectiveTimeDateTime": "2026-11-20"}, "ended"),
        ("MedicationAdministration", {"status": "completed",
                                      "effectivePeriod": {"start": "2026-11-01",
                                                          "end": "2026-11-02"}}, "ended"),
        ("MedicationAdministration", {"status": "in-progress"}, "active"),
        ("MedicationAdministration", {"status": "stopped"}, "ended"),
    ],
)  # fmt: skip
def test_state_of_a_medicine(kind: str, shape: dict[str, Any], state: str) -> None:
    assert medication_fact(kind, **shape).state == state


@pytest.mark.parametrize(
    ("repeat", "state"),
    [
        ({"boundsPeriod": {"start": "2026-11-01", "end": "2026-11-10"}}, "ended"),
        ({"boundsPeriod": {"start": "2026-11-01", "end": "2026-11-23"}}, "active"),
        ({"boundsPeriod": {"start": "2026-11-01"}}, "active"),
        ({"boundsPeriod": {"start": "2026-11-01"}, "boundsDuration": WEEK}, "ended"),
        ({"boundsPeriod": {"start": "2026-11-20"}, "boundsDuration": WEEK}, "active"),
        ({"boundsDuration": WEEK}, "active"),
    ],
)
def test_course_that_is_over_has_ended_whatever_the_status(repeat: Any, state: str) -> None:
    assert timed(**repeat).state == state


def test_refillable_supply_is_no_end() -> None:
    begun = {"timing": {"repeat": {"boundsPeriod": {"start": "2019"}}}}
    fact = dosed(begun, dispenseRequest={"expectedSupplyDuration": WEEK})
    assert (fact.state, fact.days) == ("active", 7.0)


@pytest.mark.parametrize(
    ("kind", "more", "why"),
    [
        ("MedicationRequest", {"status": "entered-in-error"}, "entered-in-error"),
        ("MedicationRequest", {"doNotPerform": True}, "do not perform"),
        ("MedicationRequest", {"intent": "option"}, "only an option"),
        ("MedicationStatement", {"status": "not-taken"}, "not taken"),
        ("MedicationStatement", {"taken": "n"}, "not taken"),
        ("MedicationStatement", {"wasNotTaken": True}, "not taken"),
        ("MedicationUsage", {"adherence": {"code": concept("not-taking")}}, "not taken"),
        ("MedicationAdministration", {"status": "not-done"}, "not taken"),
        ("MedicationAdministration", {"notGiven": True}, "not taken"),
    ],
)
def test_medicines_that_do_not_count_are_set_aside(kind: str, more: Any, why: str) -> None:
    chart = read(resource(kind, medicationCodeableConcept=APIXABAN, **more))
    (aside,) = chart.set_aside
    assert chart.medications == ()
    assert aside.why == why
    assert "anticoagulant" in aside.concepts


# --- provenance, route, reason ---


def test_provenance_of_a_medicine() -> None:
    fact = medication_fact(authoredOn="2026-11-01", requester={"display": "Dr A"})
    assert fact.source.reference == "MedicationRequest/r1"
    assert (str(fact.date), fact.source.recorder) == ("2026-11-01", "Dr A")
    old = medication_fact(
        "MedicationOrder", dateWritten="2015-01-15", prescriber={"display": "Dr B"}
    )
    assert (str(old.source.date), old.source.recorder) == ("2015-01-15", "Dr B")
    assert medication_fact(medicationReference={"reference": "#m", "display": "Indocin"},
               contained=[INSIDE | {"code": {"coding": [
                   {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "5781"}]}}],
               ).source.label.lower() == "indomethacin"  # fmt: skip


@pytest.mark.parametrize(
    ("more", "known", "stated"),
    [
        ({"reasonCode": [ATRIAL_FIBRILLATION]}, True, True),
        ({"reasonCode": ATRIAL_FIBRILLATION}, True, True),
        ({"reason": [{"concept": ATRIAL_FIBRILLATION}]}, True, True),
        ({"reasonCodeableConcept": ATRIAL_FIBRILLATION}, True, True),
        ({"reasonReference": [{"reference": "Condition/af"}]}, True, True),
        ({"reasonReference": {"reference": "Condition/af"}}, True, True),
        ({"reason": [{"reference": {"reference": "Condition/af"}}]}, True, True),
        ({"reasonReference": [{"reference": "Condition/x"}]}, False, True),
        ({"reasonReference": [{"display": "AF"}]}, False, True),
        ({"reasonCode": [{"text": "palpitations"}]}, False, True),
        ({"reasonCode": "palpitations"}, False, True),
        ({"reasonCode": []}, False, False),
        ({"reasonCode": [{"coding": [{}], "text": " "}]}, False, False),
        ({}, False, False),
    ],
)
def test_indication(more: dict[str, Any], known: bool, stated: bool) -> None:
    af = condition(ATRIAL_FIBRILLATION, id="af")
    request = resource("MedicationRequest", medicationCodeableConcept=APIXABAN, **more)
    (fact,) = read(request, af).medications
    assert ("atrial-fibrillation" in fact.indications) is known
    assert fact.indication_stated is stated


def test_endless_lists_of_references_are_not_followed_to_the_end() -> None:
    af = condition(ATRIAL_FIBRILLATION, id="af")
    many = [{"reference": f"Condition/{n}"} for n in range(200)] + [{"reference": "Condition/af"}]
    request = resource("MedicationRequest", medicationCodeableConcept=APIXABAN,
                       reasonReference=many)  # fmt: skip
    (fact,) = read(request, af).medications
    assert "atrial-fibrillation" not in fact.indications


def test_dull_medicines_are_left_alone() -> None:
    dull = {"coding": [{"system": SNOMED, "code": "1"}], "text": "Vitamin"}
    request = resource("MedicationRequest", medicationCodeableConcept=dull)
    odd = resource("MedicationRequest", medicationCodeableConcept=dull,
                   medicationReference={"reference": "#m"}, contained=[INSIDE])  # fmt: skip
    chart = read(request, odd)
    assert len(chart.medications) == 1
    assert chart.inputs[3].seen == 2


def test_palovarotene_or_disease_in_reason_does_not_make_a_condition() -> None:
    chart = read(resource("MedicationRequest", medicationCodeableConcept=APIXABAN,
                          reasonCode=[FOP]))  # fmt: skip
    assert chart.conditions == ()
    assert chart.medications[0].indications == {"fop"}
