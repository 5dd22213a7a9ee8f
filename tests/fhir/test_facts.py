"""Conditions, procedures, results, allergies, relatives and the patient, in every release."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.clinical.chart import ConditionFact, MeasurementFact, ProcedureFact, SetAside
from cds_service.knowledge.names import Side
from tests.support.charts import (
    BOTH,
    CREATININE,
    EGFR,
    FOP,
    HIP_JOINT,
    INDOMETHACIN,
    LEFT,
    LOINC,
    NSAID_SUBSTANCE,
    OPCS4,
    POSTOPERATIVE_HO,
    RIGHT,
    SNOMED,
    TOTAL_HIP,
    concept,
    condition,
    read,
    reader,
    resource,
)

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"


def one(**more: Any) -> ConditionFact:
    (fact,) = read(condition(**more)).conditions
    return fact


def set_aside(*resources: Any) -> SetAside:
    chart = read(*resources)
    (aside,) = chart.set_aside
    assert (*chart.conditions, *chart.procedures, *chart.allergies, *chart.measurements) == ()
    return aside


# --- conditions ---


@pytest.mark.parametrize(
    "shape",
    [
        # R4 and R4B
        {"clinicalStatus": concept("resolved"), "verificationStatus": concept("provisional"),
         "recordedDate": "2020-05-01"},
        # R5 looks the same here; STU3 has codes instead of concepts
        {"clinicalStatus": "resolved", "verificationStatus": "provisional",
         "assertedDate": "2020-05-01"},
        # DSTU2: patient instead of subject
        {"clinicalStatus": "resolved", "verificationStatus": "provisional", "subject": None,
         "patient": {"reference": "Patient/p1"}, "dateRecorded": "2020-05-01"},
        # seen in the wild: a Coding, a text, a list, capitals
        {"clinicalStatus": {"code": "resolved"}, "verificationStatus": {"text": "Provisional"},
         "recordedDate": "2020-05-01"},
        {"clinicalStatus": [concept("Resolved")], "verificationStatus": ["PROVISIONAL"],
         "recordedDate": "2020-05-01"},
    ],
)  # fmt: skip
def test_condition_says_the_same_in_every_release(shape: dict[str, Any]) -> None:
    fact = one(**shape)
    assert (fact.clinical, fact.verification) == ("resolved", "provisional")
    assert fact.resolved
    assert fact.suspected
    assert str(fact.recorded) == "2020-05-01"
    assert fact.concepts == {"ho-postoperative"}


@pytest.mark.parametrize(
    ("more", "clinical", "verification"),
    [
        ({}, "active", "confirmed"),
        ({"clinicalStatus": "unknown", "verificationStatus": "confirmed"}, "active", "confirmed"),
        ({"clinicalStatus": 5, "verificationStatus": {}}, "active", "confirmed"),
        ({"abatementDateTime": "2020"}, "resolved", "confirmed"),
        ({"abatementString": "last year"}, "resolved", "confirmed"),
        ({"abatementBoolean": True}, "resolved", "confirmed"),
        ({"abatementBoolean": False}, "active", "confirmed"),
        ({"abatementDateTime": "2020", "clinicalStatus": "active"}, "active", "confirmed"),
        ({"clinicalStatus": "recurrence"}, "recurrence", "confirmed"),
        ({"clinicalStatus": "relapse"}, "relapse", "confirmed"),
        ({"verificationStatus": "differential"}, "active", "differential"),
        ({"verificationStatus": "unconfirmed"}, "active", "unconfirmed"),
    ],
)
def test_condition_status(more: dict[str, Any], clinical: str, verification: str) -> None:
    fact = one(**more)
    assert (fact.clinical, fact.verification) == (clinical, verification)


@pytest.mark.parametrize("status", ["refuted", "entered-in-error", "Entered in error"])
@pytest.mark.parametrize("shape", [str, concept, lambda s: {"text": s}])
def test_refuted_and_erroneous_conditions_are_set_aside(status: str, shape: Any) -> None:
    aside = set_aside(condition(FOP, verificationStatus=shape(status)))
    assert aside.concepts == {"fop"}
    assert aside.why == status.lower().replace(" ", "-")
    assert aside.source.reference == "Condition/c1"


def test_refuted_condition_that_nobody_knows_leaves_no_trace() -> None:
    assert read(condition({"text": "FOP"}, verificationStatus="refuted")).set_aside == ()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"onsetDateTime": "2019-06-02"}, "2019-06-02"),
        ({"onsetDateTime": "2019-06-02T23:30:00-05:00"}, "2019-06-02"),
        ({"onsetDateTime": " 2019-06 "}, "2019-06"),
        ({"onsetPeriod": {"start": "2019", "end": "2020"}}, "2019"),
        ({"onsetPeriod": {"end": "2020"}}, "2020"),
        ({"onsetString": "2019"}, "2019"),
        ({"onsetString": "long ago", "recordedDate": "2021-01-01"}, "2021-01-01"),
        ({"onsetDateTime": "2019-02-30", "recordedDate": "2021"}, "2021"),
        ({"onsetDateTime": "0000"}, "None"),
        ({"onsetDateTime": "2019-06-02T25:00"}, "None"),
        ({"onsetDateTime": "2019-06-02T10:61"}, "None"),
        ({"onsetDateTime": "2019-06-02T10:00:00+15:00"}, "None"),
        ({"onsetDateTime": 2019}, "None"),
        ({"onsetDateTime": ["2019"]}, "2019"),
        ({"onsetDateTime": []}, "None"),
        ({"onsetAge": {"value": 40, "code": "a"}}, "2000"),
        ({"onsetAge": {"value": "40", "unit": "years"}}, "2000"),
        ({"onsetQuantity": {"value": 40, "unit": "year"}}, "2000"),
        ({"onsetAge": {"value": 40, "code": "mo"}}, "None"),
        ({"onsetAge": {"value": 400}}, "None"),
        ({"onsetAge": {"value": -1}}, "None"),
        ({"onsetAge": "40"}, "None"),
    ],
)
def test_date_of_a_condition(more: dict[str, Any], expected: str) -> None:
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-02-29"}
    (fact,) = read(patient, condition(**more)).conditions
    assert str(fact.date) == expected


def test_age_at_onset_means_nothing_without_a_birth_date_or_beyond_the_calendar() -> None:
    age = {"onsetAge": {"value": 120, "code": "a"}}
    assert one(**age).date is None
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "9990"}
    (fact,) = read(patient, condition(**age)).conditions
    assert fact.date is None


def test_days_that_a_date_can_mean_and_its_order_in_the_day() -> None:
    year, month = one(onsetDateTime="2024").onset, one(onsetDateTime="2024-02").onset
    assert year is not None
    assert month is not None
    assert (str(year.earliest), str(year.latest)) == ("2024-01-01", "2024-12-31")
    assert (str(month.earliest), str(month.latest)) == ("2024-02-01", "2024-02-29")
    early, late = (
        one(onsetDateTime=f"2024-02-01T10:00:00{zone}").onset for zone in ("+02:00", "-0200")
    )
    assert early is not None
    assert late is not None
    assert late.order - early.order == 4 * 3600


@pytest.mark.parametrize(
    ("code", "sites", "side"),
    [
        (POSTOPERATIVE_HO, None, Side.UNKNOWN),
        (POSTOPERATIVE_HO, [RIGHT], Side.RIGHT),
        (POSTOPERATIVE_HO, RIGHT, Side.RIGHT),
        (POSTOPERATIVE_HO, [HIP_JOINT, LEFT], Side.LEFT),
        (POSTOPERATIVE_HO, [BOTH], Side.BILATERAL),
        (POSTOPERATIVE_HO, [LEFT, RIGHT], Side.BILATERAL),
        (concept("M16.11", ICD10CM), None, Side.RIGHT),
        (concept("M1612", ICD10CM), None, Side.LEFT),
        (concept("M16.0", ICD10CM), None, Side.BILATERAL),
        (concept("M16.11", ICD10CM), [RIGHT], Side.RIGHT),
        (concept("M16.11", ICD10CM), [LEFT], Side.UNKNOWN),
        (concept("444748003:363698007=(24136001:272741003=7771000)"), None, Side.LEFT),
        (concept("444748003 |postoperative HO| : 272741003 |laterality| = 24028007 |right|"),
         None, Side.RIGHT),
    ],
)  # fmt: skip
def test_side_of_a_condition(code: Any, sites: Any, side: Side) -> None:
    assert one(code=code, bodySite=sites).side is side


def test_left_and_right_are_two_facts() -> None:
    chart = read(condition(id="a", bodySite=[LEFT]), condition(id="b", bodySite=[RIGHT]))
    assert {c.side for c in chart.conditions} == {Side.LEFT, Side.RIGHT}


def test_sites_of_a_condition() -> None:
    assert one(bodySite=[HIP_JOINT]).sites == {"site-hip"}
    assert one(bodySite=[concept("113197003")]).sites == {"site-elsewhere"}
    assert one(bodySite="hip").sites == frozenset()


def test_expression_gives_no_diagnosis_by_its_refinement() -> None:
    family = concept("281666001:246090000=82725007")
    assert [c.concepts for c in read(condition(family)).conditions] == [{"fop-possible"}]
    focus = concept("82725007:363698007=24136001")
    assert [c.concepts for c in read(condition(focus)).conditions] == [{"fop"}]
    elsewhere = {"coding": [{"system": "urn:local", "code": "82725007:1=2"}]}
    assert read(condition(elsewhere)).conditions == ()


@pytest.mark.parametrize("code", [HIP_JOINT, RIGHT, concept("78421000")])
def test_qualifier_alone_is_no_condition(code: Any) -> None:
    assert read(condition(code)).conditions == ()


OWN_CLASS_III = concept("3", "https://ho-cds.example.org/fhir/CodeSystem/brooker-class")


@pytest.mark.parametrize(
    ("more", "grade"),
    [
        ({"stage": [{"summary": {"text": "Brooker III"}}]}, "III"),
        ({"stage": {"summary": {"coding": [{"display": "Brooker class 2"}]}}}, "II"),
        ({"stage": [{"summary": {"text": "Grade 4"}, "type": {"text": "Brooker class"}}]}, "IV"),
        ({"stage": [{"summary": {"text": "Grade 4"}, "type": {"text": "TNM"}}]}, None),
        ({"severity": {"text": "brooker grade iv"}}, "IV"),
        ({"stage": [{"summary": {"text": "No HO, Brooker III not present"}}]}, None),
        ({"stage": [{"summary": OWN_CLASS_III}]}, "III"),
        ({"note": [{"text": "HO, Brooker classification: I, left"}]}, None),
        ({"code": {"coding": POSTOPERATIVE_HO["coding"], "text": "Brooker III ruled out"}}, None),
    ],
)
def test_brooker_class_of_a_condition(more: dict[str, Any], grade: str | None) -> None:
    assert one(**more).grade == grade


def test_provenance_of_a_condition() -> None:
    fact = one(
        code={"coding": [{"system": "x", "code": "1", "display": "Local\x00 name\n"},
                         {"system": SNOMED, "code": "444748003", "display": "Postop HO"}]},
        recorder={"reference": "Practitioner/1", "display": "Dr A"}, recordedDate="2021",
    )  # fmt: skip
    source = fact.source
    assert source.reference == "Condition/c1"
    assert source.coding is not None
    assert (source.coding.system, source.coding.code) == (SNOMED, "444748003")
    assert (source.label, str(source.date), source.recorder) == ("Postop HO", "2021", "Dr A")
    assert one(asserter={"display": "Dr B"}).source.recorder == "Dr B"


@pytest.mark.parametrize(
    ("code", "label"),
    [
        (POSTOPERATIVE_HO, "Postoperative heterotopic ossification"),
        (POSTOPERATIVE_HO | {"text": "  HO after\n\tsurgery\u202e "}, "HO after surgery"),
        (POSTOPERATIVE_HO | {"text": "x" * 500}, "x" * 119 + "…"),
        (POSTOPERATIVE_HO | {"text": "\ufeff"}, "Postoperative heterotopic ossification"),
    ],
)
def test_label_is_one_short_line(code: Any, label: str) -> None:
    assert one(code=code).source.label == label


@pytest.mark.parametrize("ident", [None, "", "a b", "x\n", 5.5, True, "x" * 1001, ["c1"], {}])
def test_condition_without_a_usable_id(ident: Any) -> None:
    assert one(id=ident).source.reference == "Condition"


@pytest.mark.parametrize("ident", ["x" * 194, 17, "a.b-c"])
def test_long_and_numeric_ids_are_kept(ident: Any) -> None:
    assert one(id=ident).source.reference == f"Condition/{ident}"


@pytest.mark.parametrize(
    "code",
    [
        {"coding": POSTOPERATIVE_HO["coding"][0]},
        POSTOPERATIVE_HO["coding"][0],
        [POSTOPERATIVE_HO],
        {"concept": POSTOPERATIVE_HO},
        {"coding": [5, None, {}, {"system": SNOMED, "code": 444748003}]},
        {"coding": [{"system": " http://snomed.info/sct ", "code": " 444748003 "}]},
    ],
)
def test_code_in_odd_shapes(code: Any) -> None:
    assert one(code=code).concepts == {"ho-postoperative"}


@pytest.mark.parametrize(
    "code",
    [None, {}, [], {"coding": []}, {"coding": [{}]}, {"coding": [{"code": "444748003"}]},
     {"coding": [{"system": SNOMED}]}, {"coding": [{"system": SNOMED, "code": True}]},
     {"coding": [{"system": 5, "code": "444748003"}]}, "444748003", 444748003],
)  # fmt: skip
def test_code_that_says_nothing(code: Any) -> None:
    assert read(condition(code)).conditions == ()


# --- procedures ---


def procedure(**more: Any) -> ProcedureFact:
    (fact,) = read(resource("Procedure", **{"code": TOTAL_HIP, "status": "completed"} | more)
                   ).procedures  # fmt: skip
    return fact


@pytest.mark.parametrize(
    "more",
    [
        {"performedDateTime": "2019-03-04"},
        {"performedPeriod": {"start": "2019-03-04", "end": "2019-03-05"}},
        {"performedString": "2019-03-04"},
        {"occurrenceDateTime": "2019-03-04"},
        {"occurrencePeriod": {"start": "2019-03-04"}},
        {"occurrenceTiming": {"event": ["2019-03-04"]}},
    ],
)
def test_date_of_a_procedure_in_every_release(more: dict[str, Any]) -> None:
    assert str(procedure(**more).date) == "2019-03-04"


def test_procedure_side_site_and_reason() -> None:
    fact = procedure(bodySite=[RIGHT, HIP_JOINT], reasonCode=[concept("M16.11", ICD10CM)])
    assert fact.side is Side.RIGHT
    assert fact.sites == {"site-hip"}
    assert "hip-osteoarthritis" in fact.reasons
    assert procedure(status=None).status == "completed"
    assert procedure(status="in-progress").status == "in-progress"


def test_age_at_a_procedure() -> None:
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1960"}
    done = resource("Procedure", code=TOTAL_HIP, performedAge={"value": 50, "code": "a"})
    (fact,) = read(patient, done).procedures
    assert str(fact.date) == "2010"


def test_opcs_code_means_the_hip_only_beside_a_hip_site() -> None:
    code = concept("W58.1", OPCS4)
    assert "hip-resurfacing" not in procedure(code=code).concepts
    beside = {"coding": code["coding"] + concept("Z843", OPCS4)["coding"]}
    assert "hip-resurfacing" in procedure(code=beside).concepts
    assert "hip-resurfacing" in procedure(code=code, bodySite=[concept("Z84.3", OPCS4)]).concepts


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"status": "not-done"}, "not done"),
        ({"status": "completed", "notDone": True}, "not done"),
        ({"status": "completed", "notPerformed": "true"}, "not done"),
        ({"status": "entered-in-error"}, "entered-in-error"),
        ({"status": "preparation"}, "planned, not done yet"),
    ],
)
def test_procedures_that_were_not_done_are_set_aside(more: dict[str, Any], why: str) -> None:
    assert set_aside(resource("Procedure", code=TOTAL_HIP, **more)).why == why


def test_site_in_a_body_structure_that_is_sent_along() -> None:
    structure = {"resourceType": "BodyStructure", "id": "b", "location": HIP_JOINT,
                 "locationQualifier": [LEFT]}  # fmt: skip
    pointer = {"extension": [{"url": "u", "valueReference": {"reference": "BodyStructure/b"}}, 5]}
    (fact,) = read(structure, resource("Procedure", code=TOTAL_HIP, **pointer)).procedures
    assert fact.side is Side.LEFT
    assert fact.sites == {"site-hip"}
    inside = {"resourceType": "BodyStructure", "id": "b",
              "includedStructure": [{"structure": HIP_JOINT, "laterality": RIGHT}]}  # fmt: skip
    carried = {"bodyStructure": {"reference": {"reference": "#b"}}, "contained": [inside]}
    (fact,) = read(resource("Procedure", code=TOTAL_HIP, **carried)).procedures
    assert fact.side is Side.RIGHT
    assert fact.sites == {"site-hip"}


# --- observations ---


def observation(**more: Any) -> MeasurementFact:
    base = {"code": EGFR, "status": "final", "effectiveDateTime": "2026-10-20"}
    (fact,) = read(resource("Observation", **base | more)).measurements
    return fact


UCUM = {"system": "http://unitsofmeasure.org"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueQuantity": {"value": 48, "unit": "mL/min"}}, (48.0, "mL/min", None)),
        ({"valueQuantity": {"value": "48.5", "unit": "mL/min"}}, (48.5, "mL/min", None)),
        ({"valueQuantity": {"value": 48, "unit": "ml per min", "code": "mL/min"} | UCUM},
         (48.0, "mL/min", None)),
        ({"valueQuantity": {"value": 48, "unit": "mL/min", "code": "X", "system": "u"}},
         (48.0, "mL/min", None)),
        ({"valueQuantity": {"value": 48, "code": "mL/min"}}, (48.0, "mL/min", None)),
        ({"valueQuantity": {"value": 15, "comparator": "<"}}, (15.0, None, "<")),
        ({"valueQuantity": {"value": "≤15"}}, (15.0, None, "<=")),
        ({"valueQuantity": {"value": "<15"}}, (15.0, None, "<")),
        ({"valueQuantity": {"value": "about 15"}}, (None, None, None)),
        ({"valueQuantity": {"value": 15, "comparator": "ad"}}, (None, None, None)),
        ({"valueQuantity": [{"value": 15}]}, (15.0, None, None)),
        ({"valueQuantity": {"value": True}}, (None, None, None)),
        ({"valueQuantity": {"value": 10**400}}, (None, None, None)),
        ({"valueQuantity": 48}, (None, None, None)),
        ({"valueInteger": 48}, (48.0, None, None)),
        ({"valueString": "< 15"}, (15.0, None, "<")),
        ({"valueString": ">= 90.5 "}, (90.5, None, ">=")),
        ({"valueString": "1,200"}, (None, None, None)),
        ({"valueString": "15 of 20"}, (15.0, "of 20", None)),
        ({"valueString": "> 60 mL/min/1.73m2"}, (60.0, "mL/min/1.73m2", ">")),
        ({"valueString": "180 10*9/L"}, (180.0, "10*9/L", None)),
        ({"valueString": "see comment"}, (None, None, None)),
        ({"dataAbsentReason": {"text": "lost"}}, (None, None, None)),
    ],
)  # fmt: skip
def test_value_of_a_result(value: dict[str, Any], expected: Any) -> None:
    fact = observation(**value)
    assert (fact.value, fact.unit, fact.comparator) == expected
    assert fact.concepts == {"lab-egfr"}


@pytest.mark.parametrize(
    "more",
    [
        {"effectiveDateTime": "2026-10-20"},
        {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-10-20"}},
        {"effectiveDateTime": None, "effectiveInstant": "2026-10-20T08:00:00Z"},
        {"effectiveDateTime": None, "effectiveTiming": {"event": ["2026-10-20"]}},
        {"effectiveDateTime": None, "issued": "2026-10-20T08:00:00.123+01:00"},
    ],
)
def test_date_of_a_result(more: dict[str, Any]) -> None:
    assert str(observation(**more).when) == "2026-10-20"


@pytest.mark.parametrize("status", ["final", "amended", "corrected", None])
def test_valid_results(status: Any) -> None:
    assert observation(status=status).source.reference == "Observation/r1"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("preliminary", "result is preliminary"),
        ("registered", "result is registered"),
        ("cancelled", "result is cancelled"),
        ("entered-in-error", "result is entered-in-error"),
        ("unknown", "result of unknown status"),
        ("<b>x", "result of unknown status"),
    ],
)
def test_results_that_do_not_count_are_set_aside(status: str, why: str) -> None:
    aside = set_aside(resource("Observation", code=EGFR, status=status))
    assert aside.why == why
    assert aside.concepts == {"lab-egfr"}


@pytest.mark.parametrize(
    ("status", "pending"),
    [
        ("preliminary", "preliminary"),
        ("registered", "only registered"),
        ("unknown", "of unknown status"),
        ("cancelled", None),
        ("entered-in-error", None),
        ("cannot-be-obtained", None),
    ],
)
def test_a_result_that_may_become_final_is_kept_as_pending(
    status: str, pending: str | None
) -> None:
    value = {"value": 22, "unit": "mL/min/1.73 m2"}
    chart = read(resource("Observation", code=EGFR, status=status, valueQuantity=value))
    assert [m.pending for m in chart.measurements] == ([pending] if pending else [])
    assert len(chart.set_aside) == 1


BROOKER_SCORE = concept("273327003")


def test_components_are_results_of_their_own() -> None:
    panel = resource(
        "Observation", status="final", code={"text": "kidney panel"}, effectiveDateTime="2026",
        component=[{"code": EGFR, "valueQuantity": {"value": 50}},
                   {"code": CREATININE, "valueQuantity": {"value": 1.2}}, {}, 5, {"code": None}],
    )  # fmt: skip
    chart = read(panel)
    assert {next(iter(m.concepts)): m.value for m in chart.measurements} == {
        "lab-egfr": 50.0, "lab-creatinine": 1.2,
    }  # fmt: skip
    assert {str(m.when) for m in chart.measurements} == {"2026"}


def test_coded_answer_and_performer() -> None:
    fact = observation(
        code=concept("2106-3", LOINC), valueCodeableConcept=concept("10828004"),
        performer=[{"display": "Laboratory"}],
    )  # fmt: skip
    assert fact.concepts == {"lab-pregnancy-test"}
    assert "answer-positive" in fact.answers
    assert fact.source.recorder == "Laboratory"


@pytest.mark.parametrize(
    ("more", "grade"),
    [
        ({"code": {"text": "Brooker class"}, "valueString": "III"}, "III"),
        ({"code": {"text": "Brooker"}, "valueCodeableConcept": {"text": "Grade 2"}}, "II"),
        ({"code": {"text": "Brooker"}, "valueCodeableConcept": concept("4", "urn:x")}, "IV"),
        ({"code": {"text": "Brooker"}, "valueInteger": 1}, "I"),
        ({"code": {"text": "Brooker"}, "valueString": "Brooker class III, right hip"}, "III"),
        ({"code": {"text": "Brooker"}, "valueString": "II-III"}, "II-III"),
        ({"code": BROOKER_SCORE, "valueString": "III"}, "III"),
        ({"code": BROOKER_SCORE, "valueInteger": 3}, "III"),
        ({"code": BROOKER_SCORE, "valueQuantity": {"value": 3, "unit": "{score}"}}, "III"),
        ({"code": BROOKER_SCORE, "valueCodeableConcept": {"text": "Grade 3"}}, "III"),
        ({"code": BROOKER_SCORE, "valueCodeableConcept": OWN_CLASS_III}, "III"),
        ({"code": {"text": "X-ray"}, "valueCodeableConcept": OWN_CLASS_III}, "III"),
        ({"code": OWN_CLASS_III}, "III"),
        ({"code": OWN_CLASS_III, "valueBoolean": True}, "III"),
    ],
)
def test_brooker_class_as_a_result(more: dict[str, Any], grade: str) -> None:
    assert observation(**more).grade == grade


NOT_THERE = "No heterotopic ossification. Brooker III not present."


@pytest.mark.parametrize(
    "more",
    [
        {"valueInteger": 0},
        {"valueString": "none"},
        {"valueString": "3 of 4 films"},
        {"valueString": NOT_THERE},
        {},
        {"code": {"text": "Brooker classification (I-IV)"}, "valueString": "0"},
        {"code": {"text": "Brooker classification (I-IV)"}, "valueString": "None"},
        {"code": {"text": "X-ray of hip"}, "valueString": NOT_THERE},
        {"code": {"text": "X-ray of hip"}, "valueString": "Brooker III"},
        {"code": {"text": "Brooker class IV"}},
    ],
)
def test_no_brooker_class(more: dict[str, Any]) -> None:
    said = {"code": {"text": "Brooker"}} | more
    assert read(resource("Observation", **said)).measurements == ()


@pytest.mark.parametrize("value", [{"valueBoolean": False}, {"valueString": "absent"}])
def test_a_class_that_is_denied_is_none(value: dict[str, Any]) -> None:
    assert observation(code=OWN_CLASS_III, **value).grade is None


@pytest.mark.parametrize(
    ("site", "unread"),
    [
        ({"text": "Left elbow"}, "Left elbow"),
        (concept("999000001", "urn:x"), "999000001"),
        ({"coding": [{"system": "urn:x", "code": "1", "display": "Elbow"}]}, "Elbow"),
        ({"text": "left"}, None),
        ({"text": "Right hip"}, None),
        ({"text": "Hüfte links"}, None),
        (RIGHT, None),
        (HIP_JOINT, None),
        ({}, None),
    ],
)
def test_a_site_that_nobody_recognises(site: dict[str, Any], unread: str | None) -> None:
    fact = one(bodySite=[site])
    assert ("site-unrecognised" in fact.sites) is (unread is not None)
    assert fact.source.status == (f"site {unread} not recognised" if unread else None)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({"valueString": "see comment"}, "see comment"),
        ({"valueQuantity": {"value": "about 15", "unit": "mL/min"}}, "about 15 mL/min"),
        ({"valueQuantity": {"value": 15, "comparator": "ad"}}, "ad 15"),
        ({"valueQuantity": {"value": 10**400}}, "sent as Quantity"),
        ({"valueQuantity": {"unit": "mL/min"}}, None),
        ({"valueQuantity": 48}, "sent as Quantity"),
        ({"valueCodeableConcept": {"text": "low"}}, "low"),
        ({"valueRange": {"low": {"value": 1}}}, "sent as Range"),
        ({"valueString": ""}, None),
        ({"dataAbsentReason": {"text": "lost"}}, None),
    ],
)
def test_what_was_sent_where_it_is_no_number(value: dict[str, Any], sent: str | None) -> None:
    assert observation(**value).sent == sent


def test_answer_alone_is_no_result() -> None:
    smoker = resource("Observation", code={"text": "smoker"},
                      valueCodeableConcept=concept("10828004"))  # fmt: skip
    assert read(smoker).measurements == ()


# --- allergies ---


@pytest.mark.parametrize(
    "shape",
    [
        {"code": NSAID_SUBSTANCE, "type": "allergy", "clinicalStatus": concept("active")},
        {"code": NSAID_SUBSTANCE, "type": {"coding": [{"code": "allergy"}]}},
        {"substance": NSAID_SUBSTANCE, "status": "confirmed", "type": "allergy"},
        {"code": {"text": "painkiller"}, "reaction": [{"substance": NSAID_SUBSTANCE}],
         "type": "allergy"},
        {"reaction": {"substance": NSAID_SUBSTANCE}, "type": "Allergy"},
    ],
)  # fmt: skip
def test_allergy_says_the_same_in_every_release(shape: dict[str, Any]) -> None:
    (fact,) = read(resource("AllergyIntolerance", **shape)).allergies
    assert fact.concepts == {"allergy-nsaid"}
    assert (fact.clinical, fact.verification, fact.kind) == ("active", "confirmed", "allergy")


def test_allergy_details() -> None:
    (fact,) = read(
        resource("AllergyIntolerance", code=NSAID_SUBSTANCE | {"text": "Ibuprofen"},
                 status="unconfirmed", type="guess", onsetDateTime="2001",
                 recorder={"display": "Nurse"})
    ).allergies  # fmt: skip
    assert (fact.verification, fact.kind) == ("unconfirmed", None)
    assert (fact.source.label, str(fact.source.date)) == ("Ibuprofen", "2001")
    assert fact.source.recorder == "Nurse"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"verificationStatus": concept("refuted")}, "refuted"),
        ({"verificationStatus": "entered-in-error"}, "entered-in-error"),
        ({"status": "entered-in-error"}, "entered-in-error"),
        ({"clinicalStatus": concept("inactive")}, "inactive"),
        ({"clinicalStatus": "resolved"}, "resolved"),
        ({"status": "inactive"}, "inactive"),
    ],
)
def test_allergies_that_do_not_count_are_set_aside(more: dict[str, Any], why: str) -> None:
    aside = set_aside(resource("AllergyIntolerance", code=NSAID_SUBSTANCE, **more))
    assert aside.why == why
    assert aside.concepts == {"allergy-nsaid"}


def test_no_known_allergy_is_no_fact() -> None:
    chart = read(resource("AllergyIntolerance", code=concept("716186003")))
    assert chart.allergies == ()
    assert chart.inputs[4].known


# --- family ---


def test_condition_of_a_relative() -> None:
    chart = read(
        resource("FamilyMemberHistory", status="completed", date="2020",
                 relationship={"coding": [{"code": "MTH", "display": "mother"}]},
                 condition=[{"code": FOP}, {"code": {"text": "FOP"}}, {}])
    )  # fmt: skip
    written, fact = chart.family
    assert written.named == "fop"
    assert not written.concepts
    assert fact.concepts == {"fop"}
    assert fact.named is None
    for one in (written, fact):
        assert (one.relation, one.source.reference) == ("mother", "FamilyMemberHistory/r1")
    assert chart.conditions == ()
    assert chart.mentions == ()


def test_relation_by_code_only_and_error() -> None:
    relation = {"coding": [{"code": "FTH"}]}
    (fact,) = read(
        resource("FamilyMemberHistory", relationship=relation, condition={"code": FOP})
    ).family
    assert fact.relation == "fth"
    aside = set_aside(
        resource("FamilyMemberHistory", status="entered-in-error", condition=[{"code": FOP}])
    )
    assert aside.concepts == {"fop"}


# --- the patient ---

BIRTHSEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"


@pytest.mark.parametrize(
    ("more", "sex"),
    [
        ({"gender": "male"}, "male"),
        ({"gender": "FEMALE"}, "female"),
        ({"gender": "other"}, "unknown"),
        ({"gender": "unknown", "extension": [{"url": BIRTHSEX, "valueCode": "M"}]}, "unknown"),
        ({"extension": [{"url": "x"}, {"url": BIRTHSEX, "valueCode": "M"}]}, "male"),
        ({"extension": [{"url": BIRTHSEX, "valueCode": "F"}]}, "female"),
        ({"extension": [{"url": BIRTHSEX, "valueCode": "UNK"}]}, "unknown"),
        ({"extension": [{"url": BIRTHSEX}]}, "unknown"),
        ({"gender": 5}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_sex_of_the_patient(more: dict[str, Any], sex: str) -> None:
    chart = reader({"patient": {"resourceType": "Patient", "id": "p1"} | more}).chart()
    assert chart.patient.sex == sex


@pytest.mark.parametrize(
    ("more", "birth", "deceased"),
    [
        ({"birthDate": "1960-05"}, "1960-05", False),
        ({"birthDate": "1960", "deceasedBoolean": True}, "1960", True),
        ({"deceasedDateTime": "2020-01-01"}, "None", True),
        ({"birthDate": "unknown", "deceasedBoolean": False}, "None", False),
    ],
)
def test_birth_and_death(more: dict[str, Any], birth: str, deceased: bool) -> None:
    patient = reader({"patient": {"resourceType": "Patient"} | more}).chart().patient
    assert (str(patient.birth), patient.deceased) == (birth, deceased)


def test_another_patients_record_is_not_read() -> None:
    chart = reader({"patient": {"resourceType": "Patient", "id": "p2", "gender": "male"}}).chart()
    assert chart.patient.sex == "unknown"
    assert chart.foreign == 1
    assert not chart.inputs[0].known


def test_of_two_records_the_fuller_one_counts() -> None:
    bare = {"resourceType": "Patient", "id": "p1"}
    chart = read(bare, bare | {"gender": "male", "birthDate": "1960"})
    assert (chart.patient.sex, str(chart.patient.birth)) == ("male", "1960")


def test_medicine_coded_as_a_condition_stays_a_condition() -> None:
    chart = read(condition(INDOMETHACIN))
    assert chart.medications == ()
    assert len(chart.conditions) == 1
