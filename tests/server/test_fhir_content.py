"""The clinical content as FHIR R4: value sets and the library, over HTTP."""

from __future__ import annotations

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.library import Library
from fhir.resources.R4B.valueset import ValueSet

from cds_service.knowledge.model import Knowledge
from tests.support.app_client import AppClient


def test_the_list_holds_every_value_set_without_its_codes(
    client: AppClient, knowledge: Knowledge
) -> None:
    answer = client.get("/fhir/ValueSet")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json"
    bundle = Bundle.model_validate(answer.json())
    assert bundle.total == len(knowledge.value_sets)
    assert not any("compose" in entry["resource"] for entry in answer.json()["entry"])


@pytest.mark.parametrize("set_id", ["fop", "ho-postoperative", "hip-total-primary", "lab-egfr"])
def test_one_value_set_has_its_codes(client: AppClient, set_id: str) -> None:
    answer = client.get(f"/fhir/ValueSet/{set_id}")
    assert answer.status_code == 200
    ValueSet.model_validate(answer.json())
    assert answer.json()["compose"]["include"]


def test_an_unknown_value_set(client: AppClient) -> None:
    answer = client.get("/fhir/ValueSet/nothing")
    assert answer.status_code == 404
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_the_library_cites_every_source_and_names_its_version(
    client: AppClient, knowledge: Knowledge
) -> None:
    answer = client.get("/fhir/Library/ho-prophylaxis")
    assert answer.status_code == 200
    Library.model_validate(answer.json())
    body = answer.json()
    assert body["version"] == knowledge.version
    kinds = [artifact["type"] for artifact in body["relatedArtifact"]]
    assert kinds.count("citation") == len(knowledge.evidence)
    assert kinds.count("depends-on") == len(knowledge.value_sets)
