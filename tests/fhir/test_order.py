"""Every draft order of every type, release and shape is looked at; nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.knowledge.names import Side
from tests.support.charts import (
    APIXABAN,
    BOTH,
    FOP,
    HIP_JOINT,
    INDOMETHACIN,
    LEFT,
    OPCS4,
    POSTOPERATIVE_HO,
    RIGHT,
    THR,
    TOTAL_HIP,
    bundle,
    concept,
    condition,
    order,
    orders,
    reader,
    resource,
)

IM = concept("78421000")
IM_INJECTION = concept("76601001")


# --- what is ordered, in every release and type ---


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("ServiceRequest", {"code": TOTAL_HIP}),
        ("ServiceRequest", {"code": {"concept": TOTAL_HIP}}),  # R5
        ("ServiceRequest", {"code": TOTAL_HIP["coding"][0]}),
        ("ServiceRequest", {"code": {"text": "surgery"}, "orderDetail": [TOTAL_HIP]}),
        ("ServiceRequest", {"orderDetail": [{"parameter": [{"valueCodeableConcept": TOTAL_HIP}]}]}),
        ("ProcedureRequest", {"code": TOTAL_HIP}),  # STU3, DSTU2
        ("DiagnosticOrder", {"item": [{"code": TOTAL_HIP}]}),  # DSTU2
        ("ReferralRequest", {"serviceRequested": [TOTAL_HIP]}),
        ("ReferralRequest", {"type": TOTAL_HIP}),
        ("Procedure", {"code": TOTAL_HIP, "status": "preparation"}),
        ("Task", {"code": TOTAL_HIP}),
        ("Appointment", {"serviceType": [TOTAL_HIP]}),
        ("Appointment", {"serviceType": [{"concept": TOTAL_HIP}]}),
        ("RequestGroup", {"action": [{"code": [TOTAL_HIP]}]}),
        ("CarePlan", {"activity": [{"detail": {"code": TOTAL_HIP}}]}),
        ("DeviceRequest", {"codeCodeableConcept": TOTAL_HIP}),
        ("SupplyRequest", {"itemCodeableConcept": TOTAL_HIP}),
        ("Madeup", {"code": TOTAL_HIP}),
    ],
)
def test_order_of_any_type(kind: str, shape: dict[str, Any]) -> None:
    found = order(kind, **shape)
    assert "hip-total-primary" in found.kinds
    assert (found.resource_type, found.coded, found.live) == (kind, True, True)


@pytest.mark.parametrize(
    "kind",
    ["NutritionOrder", "VisionPrescription", "CommunicationRequest", "DeviceRequest",
     "ImmunizationRecommendation", "Task", "Flag"],
)  # fmt: skip
def test_types_without_a_known_code_are_tolerated(kind: str) -> None:
    found = order(kind, description="Something to do")
    assert (found.kinds, found.coded, found.label) == (frozenset(), False, "Something to do")
    assert order(kind).label == kind


@pytest.mark.parametrize("kind", ["Medication", "Patient", "Condition", "Practitioner"])
def test_what_comes_along_is_no_order(kind: str) -> None:
    read = orders(bundle(resource(kind, code=TOTAL_HIP), THR))
    assert [o.resource_type for o in read.orders] == ["ServiceRequest"]
    assert [o.index for o in read.orders] == [1]


@pytest.mark.parametrize(
    ("more", "live"),
    [
        ({"status": "draft"}, True),
        ({"status": "active"}, True),
        ({"status": "on-hold"}, True),
        ({"status": "unknown"}, True),
        ({"status": None}, True),
        ({"status": 5}, True),
        ({"doNotPerform": False}, True),
        ({"status": "cancelled"}, False),
        ({"status": "revoked"}, False),
        ({"status": "entered-in-error"}, False),
        ({"status": "stopped"}, False),
        ({"status": "aborted"}, False),
        ({"status": "completed"}, False),
        ({"doNotPerform": True}, False),
    ],
)
def test_live(more: dict[str, Any], live: bool) -> None:
    assert order(code=TOTAL_HIP, **more).live is live


@pytest.mark.parametrize(
    ("code", "coded", "label"),
    [
        (TOTAL_HIP, True, "Total hip replacement"),
        (TOTAL_HIP | {"text": "THR right"}, True, "Total hip replacement"),
        (concept("52734007") | {"text": "THR\nright"}, True, "THR right"),
        (concept("52734007"), True, "Total"),
        ({"text": "Hip replacement"}, False, "Hip replacement"),
        ({"coding": [{}], "text": "Hip"}, False, "Hip"),
        ({"coding": [{"display": "Hip"}]}, False, "Hip"),
        ({"coding": [{"code": "THR"}]}, True, "THR"),
        (concept("1", "urn:local"), True, "1"),
        (None, False, "ServiceRequest"),
        ("Hip", False, "Hip"),
        (7, False, "ServiceRequest"),
    ],
)
def test_label_and_coded(code: Any, coded: bool, label: str) -> None:
    found = order(code=code)
    assert found.coded is coded
    assert found.label.startswith(label)


@pytest.mark.parametrize(
    ("more", "side"),
    [
        ({}, Side.UNKNOWN),
        ({"bodySite": [RIGHT]}, Side.RIGHT),
        ({"bodySite": RIGHT}, Side.RIGHT),
        ({"bodySite": [HIP_JOINT, LEFT]}, Side.LEFT),
        ({"bodySite": [BOTH]}, Side.BILATERAL),
        ({"code": concept("443435007")}, Side.RIGHT),
        ({"code": concept("443435007"), "bodySite": [LEFT]}, Side.UNKNOWN),
        ({"code": {"coding": TOTAL_HIP["coding"] + LEFT["coding"]}}, Side.LEFT),
        ({"code": concept("52734007:272741003=7771000")}, Side.LEFT),
        ({"item": [{"bodySite": LEFT}]}, Side.LEFT),
        ({"orderDetail": [RIGHT]}, Side.RIGHT),
        ({"code": {"text": "right hip replacement"}}, Side.UNKNOWN),
    ],
)
def test_side_of_an_order(more: dict[str, Any], side: Side) -> None:
    assert order(**{"code": TOTAL_HIP} | more).side is side


def test_opcs_code_means_the_hip_only_beside_a_hip_site() -> None:
    prosthesis, hip = concept("W52.1", OPCS4), concept("Z84.3", OPCS4)
    assert "hip-hemiarthroplasty" not in order(code=prosthesis).kinds
    assert "hip-hemiarthroplasty" in order(code=prosthesis, bodySite=[hip]).kinds
    both = {"coding": prosthesis["coding"] + hip["coding"]}
    assert "hip-hemiarthroplasty" in order(code=both).kinds
    assert order(code=both).sites == {"site-hip"}
    assert "hip-resurfacing" in order(code=concept("W581", OPCS4), bodySite=[HIP_JOINT]).kinds


def test_category_tells_only_that_it_is_surgery() -> None:
    assert order(category=[concept("387713003")]).kinds == {"surgical-category"}
    assert order(category=concept("387713003")).kinds == {"surgical-category"}
    assert order(category=[TOTAL_HIP]).kinds == frozenset()


def test_performer_of_a_referral() -> None:
    found = order(code={"text": "Referral"}, performerType=concept("419815003"))
    assert "radiation-oncology-referral" in found.kinds
    assert (found.label, found.coded) == ("Referral", False)


@pytest.mark.parametrize(
    ("more", "when"),
    [
        ({"occurrenceDateTime": "2026-12-01"}, "2026-12-01"),
        ({"occurrencePeriod": {"start": "2026-12-01"}}, "2026-12-01"),
        ({"occurrenceTiming": {"event": ["2026-12-01"]}}, "2026-12-01"),
        ({"scheduledDateTime": "2026-12-01"}, "2026-12-01"),
        ({"start": "2026-12-01T08:00:00Z"}, "2026-12-01"),
        ({"authoredOn": "2026-11-01"}, "None"),
    ],
)
def test_when_it_is_to_happen(more: dict[str, Any], when: str) -> None:
    assert str(order(**more).when) == when


def test_reasons_of_an_order() -> None:
    osteoarthritis = concept("M16.11", "http://hl7.org/fhir/sid/icd-10-cm")
    assert "hip-osteoarthritis" in order(reasonCode=[osteoarthritis]).reasons
    assert "hip-osteoarthritis" in order(reason=[{"concept": osteoarthritis}]).reasons
    pointed = THR | {"reasonReference": [{"reference": "Condition/c1"}]}
    along = orders(bundle(condition(osteoarthritis), pointed)).orders
    assert "hip-osteoarthritis" in along[0].reasons
    chart = reader({"conditions": bundle(condition(osteoarthritis))})
    assert "hip-osteoarthritis" in orders(bundle(pointed), chart=chart).orders[0].reasons
    assert orders(bundle(pointed)).orders[0].reasons == frozenset()


# --- medicines and the intramuscular route ---


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("MedicationRequest", {"dosageInstruction": [{"route": IM}]}),
        ("MedicationRequest", {"dosageInstruction": {"route": IM}}),
        ("MedicationRequest", {"dosageInstruction": [{}, {"route": IM}]}),
        ("MedicationOrder", {"dosageInstruction": [{"route": IM}]}),
        ("MedicationAdministration", {"dosage": {"route": IM}, "status": "in-progress"}),
        ("Immunization", {"route": IM, "status": "completed"}),
        ("ServiceRequest", {"code": IM_INJECTION}),
        ("ServiceRequest", {"code": {"text": "vaccine"}, "orderDetail": [IM]}),
        ("ServiceRequest", {"orderDetail": [{"parameter": [{"valueCodeableConcept": IM}]}]}),
        ("ImmunizationRecommendation", {"recommendation": [{"vaccineCode": [IM_INJECTION]}]}),
    ],
)
def test_intramuscular_order(kind: str, more: dict[str, Any]) -> None:
    found = order(kind, **more)
    assert found.intramuscular
    assert found.live


@pytest.mark.parametrize(
    "more",
    [{}, {"dosageInstruction": [{"route": {"text": "IM"}}]},
     {"dosageInstruction": [{"route": concept("26643006")}]}, {"dosageInstruction": "IM"}],
)  # fmt: skip
def test_not_intramuscular(more: dict[str, Any]) -> None:
    assert not order("MedicationRequest", **more).intramuscular


@pytest.mark.parametrize(
    "shape",
    [
        {"medicationCodeableConcept": INDOMETHACIN},
        {"medication": {"concept": INDOMETHACIN}},
        {"medicationReference": {"reference": "#m"},
         "contained": [{"resourceType": "Medication", "id": "m", "code": INDOMETHACIN}]},
        {"medicationReference": {"reference": "https://ehr/Medication/m", "display": "Indocin"}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", ["draft", "active", "on-hold", None])
def test_drafted_medicine(shape: dict[str, Any], status: Any) -> None:
    along = {"resourceType": "Medication", "id": "m", "code": INDOMETHACIN}
    drafted = resource("MedicationRequest", status=status, **shape)
    (found,) = orders(bundle(drafted, along)).orders
    assert found.medication is not None
    assert found.medication.state == "draft"
    assert found.label == "indomethacin"
    assert {"nsaid", "indomethacin"} <= found.kinds
    assert found.coded


def test_medicine_in_the_prefetch_explains_a_draft() -> None:
    along = {"resourceType": "Medication", "id": "m", "code": APIXABAN}
    drafted = resource("MedicationRequest", medicationReference={"reference": "Medication/m"})
    chart = reader({"item1": bundle(along)})
    (found,) = orders(bundle(drafted), chart=chart).orders
    assert found.medication is not None
    (bare,) = orders(bundle(drafted)).orders
    assert (bare.medication, bare.coded) == (None, False)


def test_display_only_reference_gives_the_label_only() -> None:
    found = order("MedicationRequest", medicationReference={"display": "Indomethacin 25 mg"})
    assert (found.label, found.coded, found.medication) == ("Indomethacin 25 mg", False, None)


def test_medicine_that_is_stopped_or_an_option_is_no_draft() -> None:
    stopped = order("MedicationRequest", medicationCodeableConcept=INDOMETHACIN, status="stopped")
    assert stopped.medication is not None
    assert (stopped.medication.state, stopped.live) == ("ended", False)
    option = order("MedicationRequest", medicationCodeableConcept=INDOMETHACIN, intent="option")
    assert option.medication is None


# --- planned orders of the record ---


@pytest.mark.parametrize(
    ("kind", "more", "planned"),
    [
        ("ServiceRequest", {"status": "active"}, True),
        ("ServiceRequest", {"status": "draft"}, True),
        ("ServiceRequest", {}, True),
        ("ProcedureRequest", {"status": "accepted"}, True),
        ("ServiceRequest", {"status": "on-hold"}, False),
        ("ServiceRequest", {"status": "completed"}, False),
        ("ServiceRequest", {"status": "active", "doNotPerform": True}, False),
        ("ServiceRequest", {"status": "active", "intent": "option"}, False),
        ("ServiceRequest", {"status": "active", "code": {"text": "x"}}, False),
    ],
)
def test_planned_orders_of_the_record(kind: str, more: dict[str, Any], planned: bool) -> None:
    code = concept("33195004")
    chart = reader({"serviceRequests": bundle(resource(kind, **{"code": code} | more))}).chart()
    assert [o.kinds for o in chart.planned] == [{"radiotherapy"}] * planned
    assert chart.inputs[7].known


def test_planned_orders_stand_in_the_same_order_always() -> None:
    code = concept("33195004")
    plans = [resource("ServiceRequest", code=code) | {"id": str(n)} for n in range(3)]
    forward = reader({"a": bundle(*plans)}).chart().planned
    assert forward == reader({"a": bundle(*plans[::-1])}).chart().planned
    assert [o.index for o in forward] == [0, 1, 2]


# --- the release ---


def test_release_is_told_from_orders_and_chart_together() -> None:
    assert orders(bundle(THR)).release == "R4"
    assert orders(bundle(resource("ProcedureRequest", intent="order"))).release == "STU3"
    assert orders(bundle(resource("MedicationOrder"))).release == "DSTU2"
    assert orders(bundle(resource("ServiceRequest", code={"concept": TOTAL_HIP}))).release == "R5"
    chart = reader({"conditions": bundle(condition(POSTOPERATIVE_HO, clinicalStatus="active"))})
    drafted = bundle(resource("MedicationRequest", medicationCodeableConcept=INDOMETHACIN))
    assert orders(drafted, chart=chart).release == "STU3"
    assert chart.chart().release == "STU3"


def test_genetic_code_as_an_order_is_no_condition() -> None:
    chart = reader()
    (found,) = orders(bundle(resource("ServiceRequest", code=FOP)), chart=chart).orders
    assert found.kinds == {"fop"}
    assert chart.chart().conditions == ()


@pytest.mark.parametrize("empty", [None, {"resource": None}, {"resource": {}}, {}])
def test_an_empty_entry_is_no_order_that_was_not_read(empty: Any) -> None:
    value = bundle(THR)
    value["entry"].append(empty)
    found = orders(value)

    assert len(found.orders) == 1
    assert found.unread == 0
