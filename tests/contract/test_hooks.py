"""The three hooks and the FHIR releases they speak: statements of sections V and W."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.support.app_client import AppClient
from tests.support.builders import request as build
from tests.support.ehr_calls import SELECT, SIGN, VIEW, cards_of, inputs_of, plain, record

statement = pytest.mark.statement
FOP = "sct 82725007 Fibrodysplasia ossificans progressiva"
POH = "orpha 2762 Progressive osseous heteroplasia"
HO = "sct 444748003 Postoperative heterotopic ossification"
HIP = {"coding": [{"system": "http://snomed.info/sct", "code": "52734007"}]}


def selecting(body: dict[str, Any], *selections: str) -> dict[str, Any]:
    """The call as order-select."""
    return body | {
        "hook": "order-select",
        "context": body["context"] | {"selections": list(selections)},
    }


def two_orders() -> dict[str, Any]:
    """A hip replacement and an X-ray, with previous HO on record."""
    return build(
        {
            "patient": {"age": 60, "sex": "female"},
            "orders": ["right hip replacement", "sct 168537006 Plain radiography"],
            "chart": {"conditions": [HO]},
        }
    )


# --- order-select ---


@statement("HK-04", "HK-03")
@pytest.mark.parametrize(
    ("selected", "indicators"),
    [
        (["ServiceRequest/order-1"], ["warning"]),
        (["ServiceRequest/order-2"], []),
        (["ServiceRequest/order-2", "ServiceRequest/order-1"], ["warning"]),
        (["https://ehr.example.org/fhir/ServiceRequest/order-1"], ["warning"]),
        (["ServiceRequest/order-1/_history/3"], ["warning"]),
        (["order-1"], ["warning"]),
        (["MedicationRequest/order-1"], ["warning"]),  # none of the drafts: all are looked at
        (["ServiceRequest/nobody"], ["warning"]),
        (["urn:uuid:6b0f2f6e-0d0b-4f8e-9a63-0c3f1f6f2d11"], ["warning"]),
        (["ServiceRequest/nobody", "ServiceRequest/order-2"], []),
        ([], ["warning"]),  # nothing said: all drafts are looked at
    ],
)
def test_only_selected_orders_trigger(
    client: AppClient, selected: list[str], indicators: list[str]
) -> None:
    response = client.post(SELECT, json=selecting(two_orders(), *selected))

    assert [card["indicator"] for card in cards_of(response)] == indicators


@statement("HK-04")
@pytest.mark.parametrize("selections", [None, "ServiceRequest/order-1", 7, [None, {}, 7]])
def test_selections_that_are_none(client: AppClient, selections: Any) -> None:
    body = selecting(two_orders())
    body["context"]["selections"] = selections

    assert [card["indicator"] for card in cards_of(client.post(SELECT, json=body))] == ["warning"]


@statement("HK-04")
def test_the_trace_tells_that_nothing_selected_is_a_draft(client: AppClient) -> None:
    told = client.post(SELECT, json=selecting(two_orders(), "ServiceRequest/nobody")).json()
    usual = client.post(SELECT, json=selecting(two_orders(), "ServiceRequest/order-1")).json()

    assert "none of the drafts" in told["extension"]["org.example.ho-cds"]["selections"]
    assert "selections" not in usual["extension"]["org.example.ho-cds"]


@statement("HK-04")
def test_a_selection_that_is_cancelled_is_still_a_draft(client: AppClient) -> None:
    body = two_orders()
    body["context"]["draftOrders"]["entry"][1]["resource"]["status"] = "revoked"

    assert cards_of(client.post(SELECT, json=selecting(body, "ServiceRequest/order-2"))) == []


@statement("HK-04", "HK-06")
def test_drafts_that_are_not_selected_are_context(client: AppClient) -> None:
    """A radiotherapy referral among the drafts is prophylaxis that is already ordered."""
    body = build(
        {
            "patient": {"age": 60, "sex": "female"},
            "orders": [
                "right hip replacement",
                "rxnorm 205323 celecoxib 200 MG Oral Capsule | 200 mg twice daily for 10 days",
            ],
            "chart": {"conditions": [HO]},
        }
    )
    assert cards_of(client.post(SELECT, json=selecting(body, "ServiceRequest/order-1"))) == []
    body["context"]["draftOrders"]["entry"].pop()
    assert cards_of(client.post(SELECT, json=selecting(body, "ServiceRequest/order-1"))) != []


@statement("HK-03")
def test_a_selected_order_without_details(client: AppClient) -> None:
    body = build({"orders": ["rxnorm 205323 celecoxib"], "chart": {"conditions": [FOP]}})
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    for member in ("dosageInstruction", "dispenseRequest", "intent", "status"):
        draft.pop(member, None)

    assert cards_of(client.post(SELECT, json=selecting(body, "MedicationRequest/order-1"))) == []


# --- order-sign ---


@statement("HK-02")
@pytest.mark.parametrize("status", ["draft", "active", "on-hold", None])
def test_orders_that_are_signed_again(client: AppClient, status: str | None) -> None:
    body = two_orders()
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    draft.pop("status")
    if status:
        draft["status"] = status

    assert [card["indicator"] for card in cards_of(client.post(SIGN, json=body))] == ["warning"]


@statement("HK-05")
def test_other_resources_among_the_drafts(client: AppClient) -> None:
    body = two_orders()
    body["context"]["draftOrders"]["entry"][:0] = [
        {"resource": {"resourceType": kind, "id": f"x-{kind.lower()}"}}
        for kind in ("NutritionOrder", "VisionPrescription", "DeviceRequest", "Medication",
                     "CommunicationRequest", "Task", "Practitioner", "NobodyKnowsThis")
    ]  # fmt: skip

    assert plain(client.post(SIGN, json=body)) == plain(client.post(SIGN, json=two_orders()))


@statement("HK-06")
def test_the_same_order_in_chart_and_drafts_is_one(client: AppClient) -> None:
    body = two_orders()
    again = deepcopy(body["context"]["draftOrders"]["entry"][0])
    again["resource"]["status"] = "active"
    body["prefetch"]["serviceRequests"] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [again],
    }

    assert plain(client.post(SIGN, json=body)) == plain(client.post(SIGN, json=two_orders()))


# --- patient-view ---


@statement("HK-01")
@pytest.mark.parametrize(
    ("conditions", "indicators"),
    [
        (["text Fibrodysplasia ossificans progressiva"], ["info"]),
        (["text Progressive osseous heteroplasia"], ["info"]),
        ([FOP], ["warning"]),
        ([POH], ["info"]),
        ([POH, "text Fibrodysplasia ossificans progressiva"], ["info"]),
        (["icd10cm E20.1 Pseudohypoparathyroidism"], []),
        (["text Albright hereditary osteodystrophy"], []),
    ],
)
def test_one_card_about_the_patient(
    client: AppClient, conditions: list[str], indicators: list[str]
) -> None:
    body = build({"orders": [], "chart": {"conditions": conditions}})
    body["context"].pop("draftOrders")
    response = client.post(VIEW, json=body | {"hook": "patient-view"})

    assert [card["indicator"] for card in cards_of(response)] == indicators


@statement("DS-06", "HK-01")
@pytest.mark.parametrize(
    ("condition", "indicators"),
    [(FOP, ["warning"]), (POH, ["info"]), (HO, []), (None, [])],
)
def test_patient_view_tells_of_genetic_ho_only(
    client: AppClient, condition: str | None, indicators: list[str]
) -> None:
    chart = {"conditions": [condition] if condition else []}
    body = build({"patient": {"age": 30, "sex": "male"}, "orders": [], "chart": chart})
    body |= {"hook": "patient-view"}
    body["context"].pop("draftOrders")
    body["prefetch"] = {key: body["prefetch"][key] for key in ("patient", "conditions")}
    response = client.post(VIEW, json=body)

    assert [card["indicator"] for card in cards_of(response)] == indicators


# --- releases ---


def created(client: AppClient, body: dict[str, Any], path: str = SIGN) -> set[str]:
    """Resource types that the suggestions create."""
    return {
        action["resource"]["resourceType"]
        for card in cards_of(client.post(path, json=body))
        for suggestion in card.get("suggestions", [])
        for action in suggestion["actions"]
        if action["type"] == "create"
    }


@statement("FV-01", "FV-02", "FV-03", "RQ-09", "JS-06")
@pytest.mark.parametrize("path", [SIGN, SELECT])
@pytest.mark.parametrize("release", ["R4", "R5", "STU3"])
def test_drafts_come_in_the_release_of_the_call(client: AppClient, release: str, path: str) -> None:
    body = build(
        {
            "patient": {"age": 60, "sex": "female"},
            "orders": ["right hip replacement"],
            "chart": {"conditions": [HO]},
        },
        release,
    )
    if path == SELECT:
        reference = body["context"]["draftOrders"]["entry"][0]["resource"]["resourceType"]
        body = selecting(body, f"{reference}/order-1")
    service = "ProcedureRequest" if release == "STU3" else "ServiceRequest"

    assert created(client, body, path) == {"MedicationRequest", service}
    for card in cards_of(client.post(path, json=body)):
        for suggestion in card["suggestions"]:
            for action in suggestion["actions"]:
                assert shape_of(action["resource"]) == release


def shape_of(draft: dict[str, Any]) -> str:
    """The release that a draft of ours gives away (checklist 3.3)."""
    if "medication" in draft or "concept" in draft.get("code", {}):
        return "R5"
    if draft["resourceType"] == "MedicationOrder" or "reasonCodeableConcept" in draft:
        return "DSTU2"
    dose = draft.get("dosageInstruction", [{}])[0]
    if draft["resourceType"] == "ProcedureRequest" or "doseQuantity" in dose:
        return "STU3"
    return "R4"


def dstu2(order: dict[str, Any]) -> dict[str, Any]:
    """A call as an EHR with DSTU2 makes it."""
    return {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/1",
            "patientId": "p2",
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": order}]},
        },
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "p2", "birthDate": "1960-01-01"},
            "conditions": {
                "resourceType": "Bundle",
                "type": "searchset",
                "entry": [
                    {
                        "resource": {
                            "resourceType": "Condition",
                            "id": "c1",
                            "patient": {"reference": "Patient/p2"},
                            "code": {
                                "coding": [
                                    {"system": "http://snomed.info/sct", "code": "444748003"}
                                ]
                            },
                            "verificationStatus": "confirmed",
                        }
                    }
                ],
            },
        },
    }


@statement("FV-01", "FV-02", "FV-03")
@pytest.mark.parametrize(
    "order",
    [
        {"resourceType": "ProcedureRequest", "code": HIP, "orderer": {"reference": "x/1"}},
        {"resourceType": "DiagnosticOrder", "item": [{"code": HIP}]},
        {"resourceType": "ReferralRequest", "serviceRequested": [HIP]},
    ],
    ids=lambda order: order["resourceType"],
)
def test_orders_of_dstu2(client: AppClient, order: dict[str, Any]) -> None:
    subject = "patient" if order["resourceType"] == "ReferralRequest" else "subject"
    order = order | {"id": "o1", "status": "draft", subject: {"reference": "Patient/p2"}}
    body = dstu2(order)
    response = client.post(SIGN, json=body)

    assert [card["indicator"] for card in cards_of(response)] == ["warning"]
    assert inputs_of(response)["conditions"] == "read"
    assert created(client, body) == {"MedicationOrder", "ProcedureRequest"}


@statement("FV-02")
def test_a_medication_order_of_dstu2_by_the_intramuscular_route(client: AppClient) -> None:
    route = {"system": "http://snomed.info/sct", "code": "78421000"}
    order = {
        "resourceType": "MedicationOrder",
        "id": "o1",
        "status": "draft",
        "patient": {"reference": "Patient/p2"},
        "medicationCodeableConcept": {"text": "tetanus toxoid"},
        "dosageInstruction": [{"route": {"coding": [route]}}],
    }
    body = dstu2(order)
    coding = body["prefetch"]["conditions"]["entry"][0]["resource"]["code"]["coding"][0]
    coding["code"] = "82725007"

    assert [c["indicator"] for c in cards_of(client.post(SIGN, json=body))] == ["critical"]


@statement("FV-04")
def test_what_the_sandbox_sends_is_read_though_it_is_no_valid_fhir(client: AppClient) -> None:
    body = two_orders()
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    draft |= {"category": {"text": "x"}, "reasonCode": {"text": "x"}, "id": "request-123"}
    draft["code"]["coding"].insert(0, {})
    draft.pop("intent")
    body["context"]["draftOrders"].pop("type")

    assert [card["indicator"] for card in cards_of(client.post(SIGN, json=body))] == ["warning"]


@statement("FV-04", "EX-03")
def test_what_epic_sends_is_read(client: AppClient) -> None:
    """Long ids, extension members, medicine by reference, dose three times (real-client notes)."""
    body = record()
    ident = "e" + "GICGav-o1PPZqCGJ02G0rZfgFquWZ3QQeahd8KF154c3." * 4
    body["extension"] = {"com.epic.cdshooks.request.bpa-trigger-action": "23"}
    body["hookInstance"] = "C9E4AF3C-8A0F-11EC-A8A3-0242AC120002"
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason"}
    rates = [{"type": {"text": kind}} for kind in ("calculated", "admin-amount", "ordered")]
    body["context"]["draftOrders"]["entry"].append(
        {
            "resource": {
                "resourceType": "MedicationRequest",
                "id": ident,
                "status": "active",
                "medicationReference": {"reference": "Medication/elsewhere", "display": "x"},
                "subject": {"reference": f"Patient/{body['context']['patientId']}"},
                "requester": {"extension": [absent]},
                "dosageInstruction": [{"doseAndRate": rates}],
            }
        }
    )

    assert plain(client.post(SIGN, json=body)) == plain(client.post(SIGN, json=record()))


@statement("FV-03")
@pytest.mark.parametrize("release", ["R4", "R5", "STU3"])
def test_the_release_is_that_of_the_drafts_whatever_the_chart_looks_like(
    client: AppClient, release: str
) -> None:
    """Records of one EHR are often written in the shape of an older release."""
    conditions = {"conditions": [HO, FOP.replace("82725007", "38341003"), "icd10cm I10 x"]}
    description = {"patient": {"age": 60}, "orders": ["right hip replacement"], "chart": conditions}
    body = build(description, release)
    body["prefetch"] = build(description, "R4" if release == "STU3" else "STU3")["prefetch"]

    for card in cards_of(client.post(SIGN, json=body)):
        for suggestion in card["suggestions"]:
            for action in suggestion["actions"]:
                assert shape_of(action["resource"]) == release
