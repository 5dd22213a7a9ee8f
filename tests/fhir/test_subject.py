"""Whose a resource is: the patient's own, another's, or nobody's."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.knowledge.names import InputName
from tests.support.charts import (
    DULL,
    PARTIAL,
    POSTOPERATIVE_HO,
    READ,
    bundle,
    condition,
    read,
    reader,
    report,
    resource,
)

# --- whose it is ---

OWN = [
    "Patient/p1",
    "p1",
    " Patient/p1 ",
    "https://ehr.example.org/fhir/Patient/p1",
    "Patient/p1/_history/3",
    "https://ehr.example.org/fhir/Patient/p1/_history/3",
    "urn:uuid:p1",
    "urn:uuid:unheard-of",
    "#pat",
    "",
]
FOREIGN = ["Patient/p2", "p2", "https://ehr/fhir/Patient/p2", "Group/p1", "Patient/p1/x", "p1/p2"]


@pytest.mark.parametrize("code", [POSTOPERATIVE_HO, DULL])
@pytest.mark.parametrize("ref", OWN)
def test_own_subject(ref: str, code: Any) -> None:
    chart = read(condition(code, subject={"reference": ref}))
    assert chart.foreign == 0
    assert report(chart).state is READ
    assert len(chart.conditions) == (code is POSTOPERATIVE_HO)


@pytest.mark.parametrize("code", [POSTOPERATIVE_HO, DULL])
@pytest.mark.parametrize("ref", FOREIGN)
def test_foreign_subject_is_dropped_and_counted(ref: str, code: Any) -> None:
    chart = read(condition(code, subject={"reference": ref}), condition(DULL))
    assert chart.foreign == 1
    assert chart.conditions == ()
    assert report(chart).seen == 1


@pytest.mark.parametrize(
    "subject",
    [None, {}, {"display": "Ann"}, "Patient/p1", [{"reference": "Patient/p1"}], 5,
     {"identifier": {"value": "1"}}, {"reference": None}, {"reference": 5}],
)  # fmt: skip
def test_subject_of_odd_shape_is_accepted(subject: Any) -> None:
    assert len(read(condition(subject=subject)).conditions) == 1


def test_patient_by_many_urls() -> None:
    urls = [{"reference": f"https://ehr{n}/Patient/p1"} for n in range(100)]
    assert read(*[condition(id=str(n), subject=url) for n, url in enumerate(urls)]).foreign == 0


def test_any_subject_element_may_tell() -> None:
    assert read(resource("AllergyIntolerance", patient={"reference": "Patient/p2"})).foreign == 1
    assert read(condition(patient={"reference": "Patient/p2"}, subject=None)).foreign == 1
    assert read(resource("Encounter", subject={"reference": "Patient/p2"})).foreign == 1


@pytest.mark.parametrize("patient", ["Patient/p1", "https://ehr/fhir/Patient/p1", "p1 "])
def test_context_patient_id_in_any_form(patient: str) -> None:
    chart = reader({"conditions": bundle(condition())}, patient).chart()
    assert chart.patient.id == "p1"
    assert len(chart.conditions) == 1


def test_only_foreign_resources_say_nothing_about_the_patient() -> None:
    chart = read(condition(subject={"reference": "Patient/p2"}))
    assert report(chart).state is PARTIAL
    assert report(chart).why == "every entry is about another patient"
    made = reader({"conditions": bundle(condition(subject={"reference": "Patient/p2"}))})
    assert made.strangers(InputName.CONDITIONS) == 1


def transaction(patient_id: str, *subjects: str) -> dict[str, Any]:
    entries = [{"fullUrl": "urn:uuid:AAA", "resource": resource("Patient", gender="female")
                | {"id": patient_id}}]  # fmt: skip
    for number, subject in enumerate(subjects):
        for code in (POSTOPERATIVE_HO, DULL):
            made = condition(code, id=f"c{number}", subject={"reference": subject})
            entries.append({"fullUrl": f"urn:uuid:c{number}", "resource": made})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def test_urn_subject_is_explained_by_the_full_url_of_the_patient() -> None:
    chart = reader({"item1": transaction("p1", "urn:uuid:aaa")}).chart()
    assert chart.patient.sex == "female"
    assert len(chart.conditions) == 1
    assert report(chart).seen == 2
    assert (chart.foreign, chart.problems) == (0, ())


def test_urn_subject_of_another_patient_is_foreign() -> None:
    chart = reader({"item1": transaction("p2", "urn:uuid:aaa")}).chart()
    assert chart.conditions == ()
    assert chart.foreign == 3  # the Patient and both Conditions
    chart = reader({"item1": transaction("p1", "urn:uuid:bbb")}).chart()
    assert chart.conditions == ()
    assert chart.foreign == 2


def test_urn_that_nobody_explains_is_accepted_with_a_problem() -> None:
    chart = read(condition(subject={"reference": "urn:uuid:bbb"}))
    assert len(chart.conditions) == 1
    assert [p.place for p in chart.problems] == ["prefetch.item1.entry[0].resource"]
