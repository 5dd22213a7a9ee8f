"""Conditions of every release: status, date, side, site, grade, label."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.knowledge.names import Side
from tests.support.charts import (
    BOTH,
    FOP,
    HIP_JOINT,
    ICD10CM,
    INDOMETHACIN,
    LEFT,
    OWN_CLASS_III,
    POSTOPERATIVE_HO,
    RIGHT,
    SNOMED,
    concept,
    condition,
    condition_fact,
    read,
    set_aside,
)

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
    fact = condition_fact(**shape)
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
    fact = condition_fact(**more)
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
        ({"onsetDateTime": "2019-06-02T23:30:00-05:00"}, "2019-06-03"),  # no zone is known: UTC
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
    assert condition_fact(**age).date is None
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "9990"}
    (fact,) = read(patient, condition(**age)).conditions
    assert fact.date is None


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
    assert condition_fact(code=code, bodySite=sites).side is side


def test_left_and_right_are_two_facts() -> None:
    chart = read(condition(id="a", bodySite=[LEFT]), condition(id="b", bodySite=[RIGHT]))
    assert {c.side for c in chart.conditions} == {Side.LEFT, Side.RIGHT}


def test_sites_of_a_condition() -> None:
    assert condition_fact(bodySite=[HIP_JOINT]).sites == {"site-hip"}
    assert condition_fact(bodySite=[concept("113197003")]).sites == {"site-elsewhere"}
    assert condition_fact(bodySite="hip").sites == frozenset()


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
    assert condition_fact(**more).grade == grade


def test_provenance_of_a_condition() -> None:
    fact = condition_fact(
        code={"coding": [{"system": "x", "code": "1", "display": "Local\x00 name\n"},
                         {"system": SNOMED, "code": "444748003", "display": "Postop HO"}]},
        recorder={"reference": "Practitioner/1", "display": "Dr A"}, recordedDate="2021",
    )  # fmt: skip
    source = fact.source
    assert source.reference == "Condition/c1"
    assert source.coding is not None
    assert (source.coding.system, source.coding.code) == (SNOMED, "444748003")
    assert (source.label, str(source.date), source.recorder) == ("Postop HO", "2021", "Dr A")
    assert condition_fact(asserter={"display": "Dr B"}).source.recorder == "Dr B"


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
    assert condition_fact(code=code).source.label == label


@pytest.mark.parametrize("ident", [None, "", "a b", "x\n", 5.5, True, "x" * 1001, ["c1"], {}])
def test_condition_without_a_usable_id(ident: Any) -> None:
    assert condition_fact(id=ident).source.reference == "Condition"


@pytest.mark.parametrize("ident", ["x" * 194, 17, "a.b-c"])
def test_long_and_numeric_ids_are_kept(ident: Any) -> None:
    assert condition_fact(id=ident).source.reference == f"Condition/{ident}"


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
    assert condition_fact(code=code).concepts == {"ho-postoperative"}


@pytest.mark.parametrize(
    "code",
    [None, {}, [], {"coding": []}, {"coding": [{}]}, {"coding": [{"code": "444748003"}]},
     {"coding": [{"system": SNOMED}]}, {"coding": [{"system": SNOMED, "code": True}]},
     {"coding": [{"system": 5, "code": "444748003"}]}, "444748003", 444748003],
)  # fmt: skip
def test_code_that_says_nothing(code: Any) -> None:
    assert read(condition(code)).conditions == ()


def test_medicine_coded_as_a_condition_stays_a_condition() -> None:
    chart = read(condition(INDOMETHACIN))
    assert chart.medications == ()
    assert len(chart.conditions) == 1
