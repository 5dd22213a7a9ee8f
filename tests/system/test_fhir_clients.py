"""Clients written by others use the FHIR base of a running service: fhirpy."""

from __future__ import annotations

import httpx
import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import BaseFHIRError, ResourceNotFound

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import value_sets
from cds_service.knowledge.terminology import rows


@pytest.fixture(scope="module")
def fhir(server: httpx.Client) -> SyncFHIRClient:
    return SyncFHIRClient(f"{str(server.base_url).rstrip('/')}/fhir")


def test_it_expands_every_value_set(fhir: SyncFHIRClient, knowledge: Knowledge) -> None:
    found = fhir.resources("ValueSet").limit(60).fetch_all()
    assert [one["id"] for one in found] == list(value_sets.ids(knowledge))
    for one in found:
        expanded = one.execute("$expand", method="get")
        codes = {(row["system"], row["code"]) for row in expanded["expansion"]["contains"]}
        listed = rows(value_sets.published(knowledge, one["id"]))
        assert codes == {(r.system, r.code) for r in listed if r.confidence != "low"}


def test_it_reads_searches_and_asks(fhir: SyncFHIRClient) -> None:
    found = fhir.resources("ValueSet").search(name__exact="Fop").first()
    assert found is not None
    assert found["title"] == "Fibrodysplasia ossificans progressiva"
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "system", "valueUri": "http://hl7.org/fhir/sid/icd-10-cm"},
            {"name": "code", "valueCode": "M61.119"},
        ],
    }
    answer = found.execute("$validate-code", data=asked)
    assert answer["parameter"][0] == {"name": "result", "valueBoolean": True}
    library = fhir.reference("Library", "ho-prophylaxis").to_resource()
    assert library["relatedArtifact"]


def test_it_is_told_what_is_not_there_and_cannot_write(fhir: SyncFHIRClient) -> None:
    with pytest.raises(ResourceNotFound):
        fhir.reference("ValueSet", "nothing").to_resource()
    with pytest.raises(BaseFHIRError):
        fhir.resource("ValueSet", id="fop", status="retired").save()
