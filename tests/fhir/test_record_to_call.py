"""A record and a call with the same facts give the same cards, for every type that is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.fhir import record_to_call
from cds_service.fhir.inputs import INPUT_OF
from cds_service.fhir.medicine_lists import LISTS
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName
from tests.support.charts import (
    APIXABAN,
    EGFR,
    HIP_JOINT,
    LEFT,
    NSAID_SUBSTANCE,
    POSTOPERATIVE_HO,
    TOTAL_HIP,
    Json,
    bundle,
    condition,
)
from tests.support.ehr_calls import SIGN, EhrClient, client_of, inputs_of, plain

SUBJECT = {"reference": "Patient/p1"}
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1966-01-01"}
REFERRAL = {
    "coding": [
        {
            "system": "https://ho-cds.example.org/fhir/CodeSystem/referral",
            "code": "radiation-oncology",
        }
    ]
}
# Elements that differ from R4's, for each type; the type that is not named here reads them all.
FACTS: dict[str, Json] = {
    "Patient": PATIENT,
    "Condition": {"subject": SUBJECT, "code": POSTOPERATIVE_HO, "onsetDateTime": "2019"},
    "Procedure": {
        "subject": SUBJECT,
        "status": "completed",
        "code": TOTAL_HIP,
        "performedDateTime": "2019-01-10",
    },
    "MedicationRequest": {
        "subject": SUBJECT,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": APIXABAN,
    },
    "MedicationOrder": {
        "patient": SUBJECT,
        "status": "active",
        "medicationCodeableConcept": APIXABAN,
    },
    "MedicationStatement": {
        "subject": SUBJECT,
        "status": "active",
        "medicationCodeableConcept": APIXABAN,
    },
    "MedicationUsage": {
        "subject": SUBJECT,
        "status": "recorded",
        "medication": {"concept": APIXABAN},
    },
    "MedicationDispense": {
        "subject": SUBJECT,
        "status": "completed",
        "medicationCodeableConcept": APIXABAN,
        "whenHandedOver": "2026-11-20",
    },
    "MedicationAdministration": {
        "subject": SUBJECT,
        "status": "completed",
        "medicationCodeableConcept": APIXABAN,
        "effectiveDateTime": "2026-11-22",
    },
    "AllergyIntolerance": {"patient": SUBJECT, "code": NSAID_SUBSTANCE},
    "Observation": {
        "subject": SUBJECT,
        "status": "final",
        "code": EGFR,
        "effectiveDateTime": "2026-11-10",
        "valueQuantity": {
            "value": 24,
            "system": "http://unitsofmeasure.org",
            "code": "mL/min/{1.73_m2}",
        },
    },
    "FamilyMemberHistory": {
        "patient": SUBJECT,
        "status": "completed",
        "relationship": {"text": "mother"},
        "condition": [{"code": {"coding": [{"system": "http://snomed.info/sct",
                                            "code": "82725007"}]}}],
    },
    "ServiceRequest": {
        "subject": SUBJECT, "status": "active", "intent": "order", "code": REFERRAL,
    },
    "ProcedureRequest": {
        "subject": SUBJECT, "status": "active", "intent": "order", "code": REFERRAL,
    },
    "ReferralRequest": {
        "subject": SUBJECT, "status": "active", "intent": "order", "serviceRequested": [REFERRAL],
    },
    "DiagnosticOrder": {
        "subject": SUBJECT, "status": "accepted", "item": [{"code": REFERRAL}],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge)


def hip_order(kind: str = "ServiceRequest", **more: Any) -> Json:
    order = {"resourceType": kind, "id": "d1", "status": "draft", "intent": "order"}
    return order | {"subject": SUBJECT, "code": TOTAL_HIP} | more


def call_of(*facts: Json, order: Json | None = None) -> Json:
    """The call of an EHR that answers every query, and holds no more than these facts."""
    prefetch: dict[str, Any] = {str(name): bundle() for name in InputName}
    prefetch["patient"] = PATIENT
    for name in InputName:
        if name is not InputName.PATIENT:
            prefetch[name] = bundle(*(f for f in facts if INPUT_OF[f["resourceType"]] is name))
    orders = bundle(order or hip_order())
    context = {"userId": "Practitioner/1", "patientId": "p1", "draftOrders": orders}
    return {"hook": "order-sign", "hookInstance": "x", "context": context, "prefetch": prefetch}


def record_of(knowledge: Knowledge, *resources: Json) -> Json:
    """The call that is made of a record."""
    data = json.dumps(bundle(PATIENT, *resources)).encode()
    made: Json = json.loads(record_to_call.as_call(data, knowledge.index))
    made["context"]["userId"] = "Practitioner/1"
    return made


def test_every_type_has_a_fact() -> None:
    assert FACTS.keys() == INPUT_OF.keys()


@pytest.mark.parametrize("kind", INPUT_OF)
def test_a_record_and_a_call_give_the_same_cards(
    client: EhrClient, knowledge: Knowledge, kind: str
) -> None:
    known = condition(id="ho")
    fact = {"resourceType": kind, "id": "f1"} | FACTS[kind]
    facts = [known] if kind == "Patient" else [known, fact]
    call = client.post(SIGN, json=call_of(*facts))
    record = client.post(SIGN, json=record_of(knowledge, *facts, hip_order()))

    name = INPUT_OF[kind]
    assert inputs_of(call)["medications" if name in LISTS else name] == "read"
    assert plain(record) == plain(call)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("ServiceRequest", {"code": TOTAL_HIP}),
        ("ProcedureRequest", {"code": TOTAL_HIP}),
        ("ReferralRequest", {"serviceRequested": [TOTAL_HIP]}),
        ("DiagnosticOrder", {"item": [{"code": TOTAL_HIP}]}),
    ],
)
def test_a_draft_of_a_record_is_a_draft_order(
    client: EhrClient, knowledge: Knowledge, kind: str, code: Json
) -> None:
    order = hip_order(kind) | {"code": None} | code
    call = client.post(SIGN, json=call_of(condition(), order=order))
    record = client.post(SIGN, json=record_of(knowledge, condition(), order))

    assert call.json()["cards"]
    assert plain(record) == plain(call)


def test_what_a_fact_of_a_record_points_to_comes_along(
    client: EhrClient, knowledge: Knowledge
) -> None:
    body: Json = {"resourceType": "BodyStructure", "id": "b1", "patient": SUBJECT}
    body["includedStructure"] = [{"structure": HIP_JOINT, "laterality": LEFT}]
    pointing = condition(bodyStructure={"reference": "BodyStructure/b1"})
    call = call_of(pointing)
    call["prefetch"]["bodies"] = bundle(body)
    record = client.post(SIGN, json=record_of(knowledge, pointing, body, hip_order()))
    alone = client.post(SIGN, json=record_of(knowledge, pointing, hip_order()))

    assert plain(record) == plain(client.post(SIGN, json=call))
    assert plain(record) != plain(alone)


def test_a_medicine_that_nobody_takes_is_no_failed_input(
    client: EhrClient, knowledge: Knowledge
) -> None:
    medicine = {"resourceType": "Medication", "id": "m1", "code": APIXABAN}
    response = client.post(SIGN, json=record_of(knowledge, condition(), medicine, hip_order()))

    assert inputs_of(response)["medications"] == "empty"


def _document(*sections: Json, status: str = "final") -> bytes:
    composition = {"resourceType": "Composition", "status": status, "section": [*sections]}
    whole = {"resourceType": "Bundle", "type": "document"}
    return json.dumps(
        whole | {"entry": [{"resource": composition}, {"resource": PATIENT}]}
    ).encode()


def test_a_document_without_a_section_does_not_say_that_there_is_none(knowledge: Knowledge) -> None:
    problems = {"code": {"coding": [{"system": "http://loinc.org", "code": "11450-4"}]}}
    for document, sent in (
        (_document(problems), True),
        (_document({"title": "Problem list"}), True),
        (_document({"title": "Plan"}), False),
        (_document(problems, status="entered-in-error"), False),
    ):
        call = json.loads(record_to_call.wrap(document, knowledge.index, "hip"))
        assert ("conditions" in call["prefetch"]) is sent
        assert "serviceRequests" in call["prefetch"]  # no document has a section of these
