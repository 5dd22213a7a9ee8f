"""Results of every release: value, date, status, components, Brooker class."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.clinical.chart import MeasurementFact
from tests.support.charts import (
    CREATININE,
    EGFR,
    HIP_JOINT,
    LOINC,
    OWN_CLASS_III,
    RIGHT,
    concept,
    condition_fact,
    read,
    resource,
    set_aside,
)

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
    fact = condition_fact(bodySite=[site])
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
