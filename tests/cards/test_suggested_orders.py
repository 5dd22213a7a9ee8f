"""Drafts are valid FHIR in every release, and say what a pharmacist needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from cds_service.cards import suggested_orders
from cds_service.cards.suggested_orders import (
    RELEASES,
    DraftContext,
    medication_request,
    service_request,
)
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.namespaces import REFERRAL_SYSTEM
from cds_service.knowledge.schema import DoseForm

CONTEXT = DraftContext(
    subject="Patient/p1",
    reason="Prophylaxis of heterotopic ossification after THA",
    encounter="Encounter/e1",
    requester="Practitioner/d1",
    site="Right hip",
)


@pytest.fixture(scope="session")
def course(knowledge: Knowledge) -> DoseForm:
    return knowledge.regimens["celecoxib"].course


def nsaid(course: DoseForm, context: DraftContext = CONTEXT) -> dict[str, Any]:
    return medication_request(course, 10, ("Off-label.",), context)


@pytest.mark.statement("JS-06", "AC-03", "FV-03")
def test_every_draft_of_the_knowledge_is_valid_in_every_release(knowledge: Knowledge) -> None:
    assert list(suggested_orders.check(knowledge)) == []


def test_check_names_what_is_wrong(knowledge: Knowledge, course: DoseForm) -> None:
    form = course.model_copy(update={"code": "two  blanks"})
    protection = knowledge.protection.model_copy(update={"course": form})
    broken = replace(knowledge, protection=protection)
    ((name, member, why),) = suggested_orders.check(broken)
    assert (name, member) == ("pantoprazole", "code")
    assert why.startswith("its draft order is no valid FHIR R4: ")


def test_an_nsaid_course_has_dose_bounds_stop_and_no_refill(course: DoseForm) -> None:
    draft = nsaid(course)
    assert (draft["status"], draft["intent"]) == ("draft", "order")
    assert draft["medicationCodeableConcept"]["text"] == "celecoxib 200 MG Oral Capsule"
    assert draft["medicationCodeableConcept"]["coding"][0]["code"] == "205323"
    assert draft["note"] == [{"text": "Off-label."}]
    assert draft["reasonCode"] == [{"text": CONTEXT.reason}]
    (dose,) = draft["dosageInstruction"]
    assert dose["timing"]["repeat"] == {
        "boundsDuration": {
            "value": 10,
            "unit": "days",
            "system": "http://unitsofmeasure.org",
            "code": "d",
        },
        "frequency": 2,
        "period": 1,
        "periodUnit": "d",
    }
    assert dose["route"]["coding"][0]["code"] == "26643006"
    amount = dose["doseAndRate"][0]["doseQuantity"]
    assert amount == {
        "value": 200,
        "unit": "mg",
        "system": "http://unitsofmeasure.org",
        "code": "mg",
    }
    assert isinstance(amount["value"], int)
    supply = draft["dispenseRequest"]
    assert supply["numberOfRepeatsAllowed"] == 0
    assert supply["quantity"] == {"value": 20, "unit": "dose"}
    assert supply["expectedSupplyDuration"]["value"] == 10


def test_a_unit_that_ucum_lacks_stays_text_and_fractions_are_kept(course: DoseForm) -> None:
    form = course.model_copy(update={"unit": "sachet", "dose": 0.5})
    amount = nsaid(form)["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
    assert amount == {"value": 0.5, "unit": "sachet"}


def test_what_the_request_does_not_say_is_left_out(course: DoseForm, knowledge: Knowledge) -> None:
    bare = DraftContext("Patient/p1", "Reason")
    draft = medication_request(course, 7, (), bare)
    assert not {"encounter", "requester", "note", "id", "authoredOn"} & draft.keys()
    referral = service_request(knowledge.referrals["radiation-oncology"], knowledge, bare)
    assert not {"encounter", "requester", "bodySite"} & referral.keys()
    for resource in (draft, referral):
        suggested_orders.validate(resource)


def test_a_referral_asks_for_a_consult_and_names_the_side(knowledge: Knowledge) -> None:
    referral = service_request(knowledge.referrals["radiation-oncology"], knowledge, CONTEXT)
    assert referral["resourceType"] == "ServiceRequest"
    assert "consult" in referral["code"]["text"].lower()
    assert referral["code"]["coding"] == [
        {
            "system": REFERRAL_SYSTEM,
            "code": "radiation-oncology",
            "display": "Referral to radiation oncology",
        }
    ]
    assert referral["performerType"]["coding"][0]["code"] == "419815003"
    assert "performerType" not in service_request(
        knowledge.referrals["fop-expert"], knowledge, CONTEXT
    )
    assert referral["bodySite"] == [{"text": "Right hip"}]
    assert referral["encounter"] == {"reference": "Encounter/e1"}
    assert referral["requester"] == {"reference": "Practitioner/d1"}


def test_hostile_reasons_stay_one_line_of_text(course: DoseForm) -> None:
    draft = nsaid(course, replace(CONTEXT, reason="after\u202e\nTHA " + "x" * 900))
    reason = draft["reasonCode"][0]["text"]
    assert reason.startswith("after THA x")
    assert len(reason) <= 160


@pytest.mark.parametrize("release", ["R4", "R4B", "R9", ""])
def test_r4_and_anything_unknown_get_r4(course: DoseForm, release: str) -> None:
    assert nsaid(course, replace(CONTEXT, release=release)) == nsaid(course)


def test_r5_wraps_concepts(course: DoseForm, knowledge: Knowledge) -> None:
    context = replace(CONTEXT, release="R5")
    draft = nsaid(course, context)
    assert draft["medication"]["concept"]["coding"][0]["code"] == "205323"
    assert draft["reason"] == [{"concept": {"text": CONTEXT.reason}}]
    assert not {"medicationCodeableConcept", "reasonCode"} & draft.keys()
    referral = service_request(knowledge.referrals["fop-expert"], knowledge, context)
    assert referral["code"]["concept"]["coding"][0]["code"] == "fop-expert"
    for resource in (draft, referral):
        suggested_orders.validate(resource, "R5")


def test_stu3_has_its_own_places(course: DoseForm, knowledge: Knowledge) -> None:
    context = replace(CONTEXT, release="STU3")
    draft = nsaid(course, context)
    assert draft["context"] == {"reference": "Encounter/e1"}
    assert draft["requester"] == {"agent": {"reference": "Practitioner/d1"}}
    assert draft["dosageInstruction"][0]["doseQuantity"]["value"] == 200
    assert "numberOfRepeatsAllowed" not in draft["dispenseRequest"]
    referral = service_request(knowledge.referrals["fop-expert"], knowledge, context)
    assert referral["resourceType"] == "ProcedureRequest"
    bare = medication_request(course, 7, (), DraftContext("Patient/p1", "R", release="STU3"))
    for resource in (draft, referral, bare):
        suggested_orders.validate(resource, "STU3")


def test_dstu2_has_medication_order(course: DoseForm, knowledge: Knowledge) -> None:
    context = replace(CONTEXT, release="DSTU2")
    draft = nsaid(course, context)
    assert draft["resourceType"] == "MedicationOrder"
    assert draft["patient"] == {"reference": "Patient/p1"}
    assert draft["prescriber"] == {"reference": "Practitioner/d1"}
    assert draft["encounter"] == {"reference": "Encounter/e1"}
    assert draft["reasonCodeableConcept"] == {"text": CONTEXT.reason}
    assert draft["note"] == "Off-label."
    repeat = draft["dosageInstruction"][0]["timing"]["repeat"]
    assert repeat["boundsQuantity"]["value"] == 10
    assert repeat["periodUnits"] == "d"
    assert "intent" not in draft
    referral = service_request(knowledge.referrals["fop-expert"], knowledge, context)
    radiation = service_request(knowledge.referrals["radiation-oncology"], knowledge, context)
    assert "performerType" not in radiation  # DSTU2's ProcedureRequest has none
    assert referral["orderer"] == {"reference": "Practitioner/d1"}
    assert referral["notes"][0]["text"]
    bare = medication_request(course, 7, (), DraftContext("Patient/p1", "R", release="DSTU2"))
    assert "note" not in bare
    for resource in (draft, referral, bare):
        suggested_orders.validate(resource, "DSTU2")


def test_validation_refuses_what_is_not_fhir(course: DoseForm) -> None:
    broken = nsaid(course) | {"status": ["draft"]}
    for release in set(RELEASES) - {"DSTU2"}:
        with pytest.raises(ValidationError):
            suggested_orders.validate(broken, release)
    with pytest.raises(ValueError, match="not an order of DSTU2"):
        suggested_orders.validate(broken, "DSTU2")
