"""The clinical content as a FHIR R4 base: read, search, terminology, and its errors."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.codesystem import CodeSystem
from fhir.resources.R4B.library import Library
from fhir.resources.R4B.valueset import ValueSet

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import value_sets
from cds_service.knowledge.published.catalogue import TYPES
from cds_service.knowledge.terminology import rows
from tests.support.app_client import AppClient

FHIR = "application/fhir+json"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
REFERRAL = "https://ho-cds.example.org/fhir/CodeSystem/referral"


def parameters(answer: Any) -> dict[str, Any]:
    listed = answer.json()["parameter"]
    return {one["name"]: one.get("valueBoolean", one.get("valueString")) for one in listed}


def outcome(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == FHIR
    assert answer.json()["resourceType"] == "OperationOutcome"
    issue: dict[str, Any] = answer.json()["issue"][0]
    return issue


def test_what_the_base_can_do_is_what_it_does(client: AppClient) -> None:
    answer = client.get("/fhir/metadata")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FHIR
    CapabilityStatement.model_validate(answer.json())
    (rest,) = answer.json()["rest"]
    assert [one["type"] for one in rest["resource"]] == list(TYPES)
    for one in rest["resource"]:
        for parameter in one["searchParam"]:
            found = client.get(f"/fhir/{one['type']}", params={parameter["name"]: "nothing"})
            assert found.json()["total"] == 0, parameter


@pytest.mark.parametrize("kind", TYPES)
def test_all_pages_together_are_everything_once(client: AppClient, kind: str) -> None:
    url, seen = f"/fhir/{kind}?_summary=true&_count=50", []
    while url:
        bundle = client.get(url).json()
        Bundle.model_validate(bundle)
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        assert not any("compose" in entry["resource"] for entry in bundle["entry"])
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        url = links.get("next", "").removeprefix("http://localhost")
    assert len(seen) == len(set(seen)) == bundle["total"]


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_found_can_be_read(client: AppClient, kind: str) -> None:
    for entry in client.get(f"/fhir/{kind}", params={"_count": 5}).json()["entry"]:
        read = client.get(entry["fullUrl"].removeprefix("http://localhost"))
        assert read.json()["url"] == entry["resource"]["url"]
        assert f'W/"{read.json()["meta"]["versionId"]}"' == read.headers["etag"]
        found = client.get(f"/fhir/{kind}", params={"url": read.json()["url"]})
        assert [one["resource"]["id"] for one in found.json()["entry"]] == [read.json()["id"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("_id=fop,poh", ["fop", "poh"]),
        ("name=FopP", ["fop-possible"]),
        ("name:exact=Fop", ["fop"]),
        ("title:contains=OSSIFICANS%20progressiva", ["fop"]),
        ("name=Fop&_id=poh", []),
        ("status=draft", []),
        ("url=https://ho-cds.example.org/fhir/ValueSet/fop|2026.11", ["fop"]),
        ("url=https://ho-cds.example.org/fhir/ValueSet/fop|1", []),
    ],
)
def test_searches(client: AppClient, asked: str, found: list[str]) -> None:
    bundle = client.get(f"/fhir/ValueSet?{asked}").json()
    assert [one["resource"]["id"] for one in bundle.get("entry", ())] == found
    if found:
        posted = client.post(
            "/fhir/ValueSet/_search",
            content=asked,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert posted.json()["entry"] == bundle["entry"]


def test_a_parameter_that_is_not_known_is_told_and_refused_where_that_is_asked(
    client: AppClient,
) -> None:
    bundle = client.get("/fhir/CodeSystem?nmae=x").json()
    assert bundle["entry"][-1]["search"] == {"mode": "outcome"}
    assert "nmae" not in bundle["link"][0]["url"]
    strict = {"Prefer": "handling=strict"}
    outcome(client.get("/fhir/CodeSystem?nmae=x", headers=strict), 400)


@pytest.mark.parametrize("asked", ["_count=0", "_summary=count"])
def test_a_count_alone(client: AppClient, knowledge: Knowledge, asked: str) -> None:
    bundle = client.get(f"/fhir/ValueSet?{asked}").json()
    assert bundle["total"] == len(value_sets.ids(knowledge))
    assert "entry" not in bundle


@pytest.mark.parametrize("set_id", ["fop", "ho-postoperative", "hip-total-primary", "lab-egfr"])
def test_one_value_set_has_its_codes(client: AppClient, set_id: str) -> None:
    answer = client.get(f"/fhir/ValueSet/{set_id}")
    assert answer.status_code == 200
    ValueSet.model_validate(answer.json())
    assert answer.json()["compose"]["include"]


def test_every_row_is_published_and_those_of_low_confidence_expand_nowhere(
    client: AppClient, knowledge: Knowledge
) -> None:
    low = 0
    for id_, value_set in knowledge.value_sets.items():
        listed = [*rows(value_set)]
        sure = {(r.system, r.code) for r in listed if r.confidence != "low"}
        if len(sure) == len({(r.system, r.code) for r in listed}):
            continue
        low += 1
        compose = client.get(f"/fhir/ValueSet/{id_}").json()["compose"]
        parts = [*compose["include"], *compose["exclude"]]
        assert sum(len(part["concept"]) for part in parts) == len(listed)
        expansion = client.get(f"/fhir/ValueSet/{id_}/$expand").json()["expansion"]
        assert {(c["system"], c["code"]) for c in expansion["contains"]} == sure
        assert expansion["total"] == len(sure)
    assert low


def test_an_expansion_in_pages_and_by_words(client: AppClient) -> None:
    url = "https://ho-cds.example.org/fhir/ValueSet/fop"
    whole = client.get("/fhir/ValueSet/fop/$expand").json()
    ValueSet.model_validate(whole)
    page = client.get("/fhir/ValueSet/$expand", params={"url": url, "offset": 2, "count": 3}).json()
    assert page["expansion"]["contains"] == whole["expansion"]["contains"][2:5]
    assert page["expansion"]["total"] == whole["expansion"]["total"]
    few = client.get("/fhir/ValueSet/fop/$expand?filter=M61.1").json()["expansion"]
    assert {one["code"][:5] for one in few["contains"]} == {"M61.1"}
    # A row stands for all codes below it, so the list is not the whole set.
    assert whole["expansion"]["extension"][0]["valueBoolean"] is True
    closed = client.get("/fhir/ValueSet/lab-egfr/$expand").json()["expansion"]
    assert "extension" not in closed


@pytest.mark.parametrize(
    ("set_id", "system", "code", "result"),
    [
        ("fop", ICD, "M61.1", True),
        ("fop", ICD, "M61.119", True),  # below a row that is a prefix
        ("fop", "urn:oid:2.16.840.1.113883.6.90", "m61119", True),  # as the service reads it
        ("fop", ICD, "M61.5", False),
        ("poh", ICD, "M61.1", False),
        ("fop", "http://example.org/unknown", "M61.1", False),
    ],
)
def test_membership(client: AppClient, set_id: str, system: str, code: str, result: bool) -> None:
    asked = {"system": system, "code": code}
    answer = client.get(f"/fhir/ValueSet/{set_id}/$validate-code", params=asked)
    assert parameters(answer)["result"] is result
    coding = {"system": system, "code": code}
    listed = [
        {"name": "url", "valueUri": f"https://ho-cds.example.org/fhir/ValueSet/{set_id}"},
        {"name": "codeableConcept", "valueCodeableConcept": {"coding": [coding]}},
    ]
    body = {"resourceType": "Parameters", "parameter": listed}
    posted = client.post("/fhir/ValueSet/$validate-code", json=body)
    assert posted.json() == answer.json()


@pytest.mark.parametrize(("code", "side"), [("M61.151", "right"), ("M61.152", "left")])
def test_codes_that_name_a_side(client: AppClient, code: str, side: str) -> None:
    for one in ("left", "right", "bilateral"):
        asked = {"system": ICD, "code": code}
        answer = client.get(f"/fhir/ValueSet/coded-{one}/$validate-code", params=asked)
        assert parameters(answer)["result"] is (one == side)


def test_a_row_of_low_confidence_is_in_no_set_and_that_is_said(
    client: AppClient, knowledge: Knowledge
) -> None:
    row = knowledge.index.unsure[0]
    asked = {"system": row.system, "code": row.code}
    answer = client.get(f"/fhir/ValueSet/{row.concept}/$validate-code", params=asked)
    assert parameters(answer) == {
        "result": False,
        "message": "listed without a source good enough to act on",
    }


def test_our_code_systems_and_only_those_are_looked_up(client: AppClient) -> None:
    for entry in client.get("/fhir/CodeSystem").json()["entry"]:
        system = entry["resource"]
        CodeSystem.model_validate(system)
        for concept in system["concept"]:
            asked = {"system": system["url"], "code": concept["code"]}
            told = parameters(client.get("/fhir/CodeSystem/$lookup", params=asked))
            assert told["display"] == concept["display"]
            valid = client.get(
                f"/fhir/CodeSystem/{system['id']}/$validate-code", params={"code": concept["code"]}
            )
            assert parameters(valid)["result"] is True
    foreign = {"system": ICD, "code": "M61.1"}
    outcome(client.get("/fhir/CodeSystem/$lookup", params=foreign), 404)
    outcome(client.get("/fhir/CodeSystem/$lookup", params={**foreign, "system": REFERRAL}), 404)


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


@pytest.mark.parametrize(
    "path",
    ["metadata", "ValueSet", "ValueSet/fop", "CodeSystem/referral", "ValueSet/fop/$expand"],
)
def test_what_the_caller_has_is_not_sent_again(client: AppClient, path: str) -> None:
    mark = client.get(f"/fhir/{path}").headers["etag"]
    for known in (mark, mark.removeprefix("W/"), f'"other", {mark}'):
        again = client.get(f"/fhir/{path}", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == mark
    assert client.get(f"/fhir/{path}", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 404),
        ("GET", "Patient/1", 404),
        ("GET", "ValueSet/nothing", 404),
        ("GET", "ValueSet/fop/_history/1", 404),
        ("GET", "ValueSet/fop/$lookup", 404),
        ("GET", "Library/$expand", 404),
        ("GET", "CodeSystem/referral/$lookup", 404),
        ("GET", "ValueSet/nothing/$expand", 404),
        ("GET", "ValueSet/$expand", 400),
        ("GET", "ValueSet/$expand?url=https://example.org/x", 404),
        ("GET", "ValueSet/fop/$expand?count=many", 400),
        ("GET", "ValueSet/fop/$expand?count=-1", 400),
        ("GET", "ValueSet/fop/$expand?exclude-system=x", 400),
        ("GET", "ValueSet/fop/$validate-code", 400),
        ("GET", "ValueSet/fop/$validate-code?code=M61.1", 400),
        ("GET", "ValueSet?_count=many", 400),
        ("GET", "ValueSet?_summary=text", 400),
        ("GET", "ValueSet?url:below=x", 400),
        ("GET", "ValueSet?name:missing=true", 400),
        ("POST", "metadata", 405),
        ("POST", "ValueSet", 405),
        ("PUT", "ValueSet/fop", 405),
        ("DELETE", "ValueSet/fop", 405),
        ("PATCH", "Library/ho-prophylaxis", 405),
        ("GET", "ValueSet/_search", 405),
        ("POST", "ValueSet/_search", 415),
        ("POST", "ValueSet/fop/$expand", 415),
    ],
)
def test_every_error_is_an_outcome(client: AppClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, f"/fhir/{path}")
    outcome(answer, status)
    if status == 405:
        assert method not in answer.headers["allow"].split(", ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"resourceType": "Bundle"}',
        b'{"resourceType": "Parameters", "parameter": {}}',
        b'{"resourceType": "Parameters", "parameter": [1]}',
        b'{"resourceType": "Parameters", "parameter": [{"name": "url"}]}',
        b'{"resourceType": "Parameters", "parameter": [{"name": "url", "valueUri": "a"},'
        b' {"name": "url", "valueUri": "b"}]}',
        b"[" * 60_000,
    ],
)
def test_bodies_that_cannot_be_read(client: AppClient, body: bytes) -> None:
    headers = {"content-type": FHIR}
    outcome(client.post("/fhir/ValueSet/$expand", content=body, headers=headers), 400)


def test_codings_that_are_no_list(client: AppClient) -> None:
    concept = {"name": "codeableConcept", "valueCodeableConcept": {"coding": 5}}
    body = {"resourceType": "Parameters", "parameter": [concept]}
    outcome(client.post("/fhir/ValueSet/fop/$validate-code", json=body), 400)


def test_a_body_that_is_larger_than_any_question(client: AppClient) -> None:
    headers = {"content-type": FHIR}
    outcome(client.post("/fhir/ValueSet/$expand", content=b" " * 70_000, headers=headers), 413)


@pytest.mark.parametrize(
    ("accept", "query", "status"),
    [
        ("application/fhir+xml", "", 406),
        ("*/*", "?_format=xml", 406),
        ("text/html", "?_format=json", 200),
        ("application/fhir+xml;q=1.0, application/fhir+json;q=1.0", "", 200),
        ("application/json", "", 200),
    ],
)
def test_formats(client: AppClient, accept: str, query: str, status: int) -> None:
    answer = client.get(f"/fhir/metadata{query}", headers={"accept": accept})
    assert answer.status_code == status
    assert answer.headers["content-type"] == FHIR
