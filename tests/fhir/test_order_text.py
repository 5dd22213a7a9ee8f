"""What an order says beside what is ordered: genetic HO as its reason, and a route in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.clinical.chart import DraftOrder
from tests.support.charts import FOP, SUBJECT, bundle, concept, condition, orders, reader, resource

BIOPSY = concept("75016008")
KETOROLAC = concept("35827", "http://www.nlm.nih.gov/research/umls/rxnorm")
WRITTEN = {"text": "Fibrodysplasia ossificans progressiva"}
POINTER = {"reference": "Condition/c1"}
LOOSE = {"reference": "Condition/elsewhere", "display": WRITTEN["text"]}


def first(*resources: Any, chart: Any = None) -> DraftOrder:
    """The first order of these drafts, read with what stands in the chart."""
    prefetch = {"conditions": bundle(*chart)} if chart else None
    return orders(bundle(*resources), chart=reader(prefetch)).orders[0]


def biopsy(**more: Any) -> dict[str, Any]:
    return resource("ServiceRequest", code=BIOPSY, **SUBJECT) | more


@pytest.mark.parametrize(
    "why",
    [
        {"reasonCode": [FOP]},
        {"reasonCode": FOP},  # an object where R4 has an array
        {"reason": [{"concept": FOP}]},  # R5
        {"reason": [{"reference": POINTER}]},
        {"reasonCodeableConcept": FOP},  # DSTU2
        {"reasonReference": [POINTER]},
        {"supportingInfo": [POINTER]},
        {"supportingInformation": [POINTER]},
    ],
)
def test_a_coded_reason_is_a_suspicion(why: dict[str, Any]) -> None:
    beside = first(biopsy(**why), condition(FOP))
    in_chart = first(biopsy(**why), chart=[condition(FOP)])

    for found in (beside, in_chart):
        (suspicion,) = found.suspicions
        assert suspicion.concepts == {"fop"}
        assert suspicion.source.reference == "ServiceRequest/r1"
        assert found.mentions == ()


@pytest.mark.parametrize("state", ["refuted", "entered-in-error"])
def test_a_reason_that_is_refuted_is_none(state: str) -> None:
    refuted = condition(FOP | WRITTEN, verificationStatus={"coding": [{"code": state}]})
    found = first(biopsy(reasonReference=[POINTER]), refuted)

    assert (found.suspicions, found.mentions) == ((), ())


def test_reasons_in_the_parts_of_a_plan() -> None:
    detail = {"kind": "ServiceRequest", "code": BIOPSY, "reasonCode": [FOP]}
    plan = resource("CarePlan", activity=[{"detail": detail}], **SUBJECT)
    assert len(first(plan).suspicions) == 1

    action = {"code": [BIOPSY], "reason": [FOP]}
    assert len(first(resource("RequestGroup", action=[action], **SUBJECT)).suspicions) == 1
    assert (
        len(first(resource("CarePlan", addresses=[POINTER], **SUBJECT), condition(FOP)).suspicions)
        == 1
    )


@pytest.mark.parametrize(
    "more",
    [
        {"reasonCode": [WRITTEN]},
        {"reasonReference": [LOOSE]},
        {"reason": [{"reference": LOOSE}]},
        {"reason": [{"concept": WRITTEN}]},
        {"note": [WRITTEN]},
        {"code": BIOPSY | WRITTEN},
        {"contained": [condition(WRITTEN, id="w")], "reasonReference": [{"reference": "#w"}]},
    ],
)
def test_words_that_name_the_disease_are_a_mention(more: dict[str, Any]) -> None:
    found = first(biopsy(**more))

    assert [mention.disease for mention in found.mentions] == ["fop"]
    assert found.suspicions == ()


@pytest.mark.parametrize(
    "more",
    [
        {"reasonReference": [{"reference": "Condition/POH-12"}]},
        {"reason": [{"reference": {"reference": "Condition/FOP-1"}}]},
        {"supportingInfo": [{"reference": "https://fop.hospital.org/fhir/Condition/FOP"}]},
    ],
)
def test_an_address_names_no_disease(more: dict[str, Any]) -> None:
    assert first(biopsy(**more)).mentions == ()


def test_words_in_escaped_json() -> None:
    """Nobody writes letters so, but JSON allows it."""
    body = json.dumps(bundle(biopsy(note=[{"text": "known FOP"}])))
    escaped = body.replace("FOP", "\\u0046OP").encode()

    (found,) = orders(escaped, chart=reader()).orders
    assert [mention.disease for mention in found.mentions] == ["fop"]


@pytest.mark.parametrize(
    ("dose", "says"),
    [
        ({"route": {"text": "Intramuscular"}}, True),
        ({"route": {"text": "INTRAMUSCULAR INJECTION"}}, True),
        ({"route": {"text": "intramuskulär"}}, True),
        ({"route": {"text": "IM"}}, True),
        ({"route": {"text": " im "}}, True),
        ({"route": {"text": "I.M."}}, True),
        ({"route": {"text": "IM or IV"}}, True),
        ({"route": {"coding": [{"system": "urn:x", "code": "6", "display": "i.m."}]}}, True),
        ({"route": {"coding": [{"system": "urn:x", "code": "6"}]}, "text": "1 mL IM"}, True),
        ({"text": "Inject 0.5 mL IM once"}, True),
        ({"text": "inject im"}, True),
        ({"text": "No more than 2 doses IM"}, True),
        ({"text": "Not for IV use. Inject IM."}, True),
        ({"text": "avoid IM; give SC"}, False),
        ({"text": "do not give by intramuscular injection"}, False),
        ({"text": "im Mund zergehen lassen"}, False),
        ({"text": "take at 8 a.m. with IMODIUM"}, False),
        ({"route": {"text": "oral"}, "text": "after the IM dose"}, False),
        ({"route": {"text": "subcutaneous, not IM"}}, False),
        ({"route": {"text": "  "}, "text": "IM"}, True),
        ({"route": 7, "text": 7}, False),
        ({"route": {"coding": [{"code": "IM"}]}}, True),
        ({"route": {"coding": [{"system": "urn:x", "code": "im"}]}}, True),
        ({"route": {"coding": [{"system": "urn:x", "code": "IMINJ"}]}}, True),
        ({"route": {"coding": [{"system": "urn:x", "code": "IMPL"}]}}, False),
        ({"route": {"text": "Into the muscle"}}, True),
        ({"text": "Inject 0.5 mL into the muscle once"}, True),
        ({"text": "in den Muskel spritzen"}, True),
        ({"text": "rub gently into the sore muscle"}, False),
        ({"additionalInstruction": [{"text": "for intramuscular use"}]}, True),
        ({"additionalInstructions": {"text": "for intramuscular use"}}, True),
        ({"patientInstruction": "IM"}, True),
        ({"method": {"text": "Intramuscular injection"}}, True),
        ({"text": "inject 30 mg im right deltoid"}, True),
        ({"text": "Injection s.c. im Bauchbereich"}, False),
        ({"text": "Inj. 5000 IE s.c. im Bauch"}, False),
        ({"text": "Injektion im Oberarm subkutan"}, False),
        ({"text": "Injektion s.c. im linken Oberarm"}, False),
        ({"text": "1 Tablette IM Mund zergehen lassen"}, False),
        ({"text": "IM - internal medicine to follow; 1 tab po daily"}, False),
        ({"text": "per IM clinic"}, False),
        ({"text": "contraindicated IM; give PO"}, False),
        ({"text": "IM injection is contraindicated"}, False),
        ({"text": "intramuscular use forbidden"}, False),
        ({"text": "30 mg IM Once"}, True),
        ({"text": "IM at the clinic"}, True),
        ({"text": "30 mg IM (consult pharmacist)"}, True),
        ({"text": "apply ice, then 30 mg IM"}, True),
        ({"text": "PO contraindicated, give IM"}, True),
        ({}, False),
    ],
)
def test_a_route_in_words(dose: dict[str, Any], says: bool) -> None:
    medicine = resource("MedicationRequest", medicationCodeableConcept=KETOROLAC, **SUBJECT)
    found = first(medicine | {"dosageInstruction": [dose]})

    assert found.says_intramuscular is says
    assert not found.intramuscular


def test_each_dosage_speaks_for_itself() -> None:
    medicine = resource("MedicationRequest", medicationCodeableConcept=KETOROLAC, **SUBJECT)
    doses = [{"route": {"text": "oral"}, "text": "10 mg"}, {"text": "30 mg IM once"}]
    assert first(medicine | {"dosageInstruction": doses}).says_intramuscular

    rendered = {"renderedDosageInstruction": "30 mg IM once"}
    assert first(medicine | rendered).says_intramuscular
    both = first(medicine | rendered | {"dosageInstruction": doses[:1]})
    assert both.route_disagrees  # the words leave no doubt


def test_a_coded_route_needs_no_words() -> None:
    route = concept("78421000", display="Intramuscular route")
    found = first(resource("Immunization", vaccineCode={"text": "Td"}, route=route, **SUBJECT))

    assert found.intramuscular
    assert not found.says_intramuscular
