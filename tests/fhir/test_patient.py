"""Sex, birth, death, and which record is the patient."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.charts import (
    read,
    reader,
)

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
