"""Procedures of every release: when, where, why, and what was not done."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.clinical.chart import ProcedureFact
from cds_service.knowledge.names import Side
from tests.support.charts import (
    HIP_JOINT,
    ICD10CM,
    LEFT,
    OPCS4,
    RIGHT,
    TOTAL_HIP,
    concept,
    read,
    resource,
    set_aside,
)

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
