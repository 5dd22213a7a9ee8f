"""The FHIR release, told from the shape of resources."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.charts import (
    FOP,
    INDOMETHACIN,
    TOTAL_HIP,
    concept,
    condition,
    read,
    resource,
)

# --- the release ---


@pytest.mark.parametrize(
    ("resources", "release"),
    [
        ([], "R4"),
        ([resource("Observation", code=concept("33914-3", "http://loinc.org"))], "R4"),
        ([condition(clinicalStatus={"coding": []})], "R4"),
        ([resource("ServiceRequest")], "R4"),
        ([condition(clinicalStatus="active")], "STU3"),
        ([resource("ProcedureRequest", intent="order")], "STU3"),
        ([condition(assertedDate="2020")], "STU3"),
        ([resource("MedicationOrder")], "DSTU2"),
        ([resource("ProcedureRequest", orderedOn="2020")], "DSTU2"),
        ([resource("AllergyIntolerance", substance=FOP)], "DSTU2"),
        ([condition(patient={"reference": "Patient/p1"}, clinicalStatus="active")], "DSTU2"),
        ([resource("MedicationUsage")], "R5"),
        ([resource("MedicationRequest", medication={"concept": INDOMETHACIN})], "R5"),
        ([resource("ServiceRequest", code={"concept": TOTAL_HIP})], "R5"),
        ([resource("ServiceRequest", reason=[{"concept": FOP}])], "R5"),
        ([resource("ServiceRequest", reason=[5])], "R4"),
        ([resource("MedicationUsage"), condition(clinicalStatus={}),
          resource("ServiceRequest")], "R4"),
    ],
)  # fmt: skip
def test_release_is_told_from_the_shape_of_resources(resources: list[Any], release: str) -> None:
    assert read(*resources).release == release
