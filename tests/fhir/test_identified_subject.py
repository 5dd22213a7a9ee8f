"""Whose an entry is whose subject is named by an identifier, or by a resource inside it."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from tests.support.builders import request as build
from tests.support.ehr_calls import SIGN, EhrClient, cards_of, client_of

KVNR = "http://fhir.de/sid/gkv/kvid-10"
OWN = {"system": KVNR, "value": "A123456780"}
OTHERS = {"system": KVNR, "value": "B999999990"}
HO = {"coding": [{"system": "http://snomed.info/sct", "code": "444748003"}]}
PLAIN: dict[str, Any] = {
    "patient": {"age": 60, "sex": "male"},
    "orders": ["right hip replacement"],
    "chart": {"conditions": [], "procedures": [], "medications": [], "allergies": []},
}


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge)


def _ask(client: EhrClient, condition: dict[str, Any], *, last: bool = False) -> dict[str, Any]:
    call = build(PLAIN)
    prefetch = call["prefetch"]
    entry = {"resource": {"resourceType": "Condition", "id": "c1", "code": HO} | condition}
    prefetch["conditions"] = {"resourceType": "Bundle", "type": "searchset", "entry": [entry]}
    patient = prefetch.pop("patient") | {"identifier": [OWN, {"system": "urn:mrn", "value": "7"}]}
    call["prefetch"] = prefetch | {"patient": patient} if last else {"patient": patient} | prefetch
    [card] = cards_of(client.post(SIGN, json=call))
    return card


@pytest.mark.parametrize("last", [False, True], ids=["patient first", "patient last"])
@pytest.mark.parametrize(
    "condition",
    [
        {"subject": {"identifier": OTHERS}},
        {
            "subject": {"reference": "#p"},
            "contained": [{"resourceType": "Patient", "id": "p", "identifier": [OTHERS]}],
        },
        {
            "subject": {"reference": "#p"},
            "contained": [{"resourceType": "RelatedPerson", "id": "p"}],
        },
    ],
    ids=["an identifier", "a Patient inside", "a relative inside"],
)
def test_anothers_facts_are_none_of_the_patient(
    client: EhrClient, condition: dict[str, Any], last: bool
) -> None:
    card = _ask(client, condition, last=last)

    assert card["indicator"] == "info"
    assert "read only in part" in card["summary"]


@pytest.mark.parametrize(
    "condition",
    [
        {"subject": {"identifier": OWN}},
        {"subject": {"identifier": {"system": "urn:elsewhere", "value": "9"}}},
        {"subject": {"identifier": {"value": "9"}}},
        {"subject": {"display": "Somebody"}},
        {
            "subject": {"reference": "#p"},
            "contained": [{"resourceType": "Patient", "id": "p", "identifier": [OWN]}],
        },
    ],
    ids=["the same", "another system", "no system", "a name", "a Patient inside"],
)
def test_what_cannot_be_told_from_the_patient_counts(
    client: EhrClient, condition: dict[str, Any]
) -> None:
    card = _ask(client, condition)

    assert card["indicator"] == "warning"
