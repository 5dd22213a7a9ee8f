"""Transport, discovery, requests and errors: statements of sections A to D, G and H."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import httpx
import pytest

from cds_service.cdshooks import models
from cds_service.errors import SettingsError
from cds_service.fhir.search import TEMPLATES
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.services import served
from cds_service.ops.settings import Settings, from_environment
from tests.support.app_client import AppClient, ClientFactory
from tests.support.constants import ROOT
from tests.support.ehr_calls import SIGN, cards_of, plain, record, without
from tests.support.wire_rules import violations

statement = pytest.mark.statement
Discovered = list[dict[str, Any]]


@pytest.fixture
def services(client: AppClient) -> Discovered:
    response = client.get("/cds-services")
    assert response.status_code == 200
    found: Discovered = response.json()["services"]
    return found


# --- A: transport and JSON ---


def strictly(response: httpx.Response) -> Any:
    """The body, read by a parser that takes JSON and nothing more."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert not response.content.startswith(b"\xef\xbb\xbf")
    return json.loads(response.content.decode(), parse_constant=refuse)


def empties(value: Any, path: str = "") -> list[str]:
    """Where null, "", [] or {} stand."""
    if value in (None, "", [], {}):
        return [path]
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in empties(v, f"{path}.{k}")]
    if isinstance(value, list):
        return [p for v in value for p in empties(v, f"{path}[]")]
    return []


@statement("JS-01", "JS-03", "JS-04", "JS-05", "JS-07", "IN-02")
def test_every_kind_of_answer_is_strict_json_without_empties(client: AppClient) -> None:
    silent = record()
    silent["context"]["draftOrders"]["entry"] = []
    answers = [
        client.get("/cds-services"),
        client.post(SIGN, json=record()),
        client.post(SIGN, json=silent),
        client.post(SIGN, content=b"{"),
        client.post(SIGN, json=without(record(), "conditions")),
        client.post(f"{SIGN}/feedback", json={"feedback": 1}),
        client.get("/nowhere"),
    ]
    for answer in answers:
        assert answer.headers["content-type"] == "application/json"
        assert set(empties(strictly(answer))) <= {".cards"}


@statement("JS-02")
def test_only_https_leads_to_the_service_and_from_it() -> None:
    with pytest.raises(SettingsError, match="https"):
        from_environment({"CDS_PUBLIC_URL": "http://cds.example.org"})
    assert from_environment({"CDS_PUBLIC_URL": "http://localhost:8000"}).public_url
    for url in ("http://example.org/page", "ftp://example.org", "//example.org"):
        with pytest.raises(ValueError, match="https"):
            models.Link(label="x", url=url, type="absolute")


@statement("JS-09", "RQ-01", "ER-05")
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"1", b"NaN", b'{"hook": 1}'])
def test_what_is_no_call_gets_400(client: AppClient, body: bytes) -> None:
    response = client.post(SIGN, content=body)

    assert response.status_code == 400
    assert response.json()["resourceType"] == "OperationOutcome"
    assert {"severity", "code"} <= response.json()["issue"][0].keys()


# --- B and D: discovery ---


@statement("DS-01", "DS-02", "DS-04", "DS-05", "DS-07", "DS-09", "IN-03", "IN-04")
def test_discovery_lists_what_there_is(services: Discovered) -> None:
    assert {s["hook"]: s["id"] for s in services} == {
        "order-sign": "ho-orders",
        "order-select": "ho-orders",
        "patient-view": "ho-patient-view",
    }
    for service in services:
        for member in ("id", "hook", "title", "description", "usageRequirements"):
            assert isinstance(service[member], str)
            assert service[member].strip()


@statement("DS-03", "JS-03")
def test_no_services_is_an_empty_array() -> None:
    assert models.to_bytes(models.Discovery()) == b'{"services":[]}'
    assert violations(200, b'{"services":[]}') == []


@statement("DS-06", "RQ-07")
def test_every_service_answers_where_discovery_says(
    client: AppClient, services: Discovered
) -> None:
    for service in services:
        body = record() | {"hook": service["hook"]}
        assert client.post(f"/cds-services/{service['id']}", json=body).status_code == 200


@statement("DS-08", "PF-08")
def test_each_service_asks_for_what_it_uses(services: Discovered) -> None:
    asked = {service["hook"]: set(service["prefetch"]) for service in services}

    assert asked["order-sign"] == asked["order-select"] == {str(name) for name in TEMPLATES}
    assert asked["patient-view"] == {"patient", "conditions"}
    unasked = models.Service(hook="a-b", title="x", description="x", id="x")
    assert "prefetch" not in models.to_json(unasked)


@statement("DS-10", "DS-11", "CO-02")
def test_what_is_new_in_3_is_not_sent_to_a_2_client(
    client: AppClient, services: Discovered
) -> None:
    text = client.post(SIGN, json=record()).text

    assert not any({"version", "hookVersion"} & service.keys() for service in services)
    assert "non-adherence-reason-codes" not in text
    assert "actionSelectionBehavior" not in text


@statement("DS-10", "CO-02")
@pytest.mark.parametrize("version", ["STU3", "3.0.0", "3.0.0-ballot"])
def test_what_is_new_in_3_is_sent_when_a_setting_asks_for_it(
    make_client: ClientFactory, version: str
) -> None:
    client = make_client(spec_version=version)
    found = client.get("/cds-services").json()["services"]
    reasons = [
        reason
        for card in cards_of(client.post(SIGN, json=record()))
        for reason in card["overrideReasons"]
    ]
    codes = [reason["code"] for reason in reasons]

    assert {service["version"] for service in found} == {version}
    assert {reason["system"] for reason in reasons} == {
        "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
    }
    assert len(codes) == len(set(codes)) > 2
    assert all(reason["display"] for reason in reasons)


@statement("DS-10")
@pytest.mark.parametrize("version", ["2", "STU", "latest", "3.0"])
def test_a_version_that_is_none(version: str) -> None:
    with pytest.raises(SettingsError, match="CDS_SPEC_VERSION"):
        from_environment({"CDS_SPEC_VERSION": version})


def test_half_a_version_is_told_what_the_whole_is() -> None:
    with pytest.raises(SettingsError, match=r"CDS_SPEC_VERSION: .*STU3, or 3\.0\.0"):
        from_environment({"CDS_SPEC_VERSION": "3.0"})


@statement("DS-12", "DS-15")
def test_hooks_are_standard_ones_and_stand_once(services: Discovered) -> None:
    pairs = [(service["id"], service["hook"]) for service in services]

    assert len(pairs) == len(set(pairs))
    assert all(re.fullmatch(r"[a-z]+-[a-z]+", hook) for _, hook in pairs)


@statement("DS-13", "ER-02", "ER-04")
def test_statuses_say_what_is_wrong(client: AppClient, make_client: ClientFactory) -> None:
    assert client.get("/cds-services/nope").status_code == 405
    assert client.post("/cds-services/nope", json={}).status_code == 404
    assert client.get(SIGN).status_code == 405
    assert client.post(SIGN, json={}).status_code == 400
    small = make_client(max_body_bytes=1024)
    assert small.post(SIGN, json=record()).status_code == 413


@statement("DS-16", "PF-13")
def test_usage_requirements_name_releases_and_what_is_needed(services: Discovered) -> None:
    for service in services:
        for word in ("R4", "R5", "STU3", "DSTU2", "conditions", "prefetch", "FHIR server"):
            assert word in service["usageRequirements"]


@statement("DS-17")
def test_the_service_is_described_for_people(knowledge: Knowledge) -> None:
    readme = (ROOT / "README.md").read_text()

    assert next(iter(served(knowledge))) in readme
    assert "prefetch" in readme


@statement("PF-01", "PF-02", "PF-03", "PF-04", "PF-10", "PF-11", "PF-12")
def test_the_only_token_is_the_patient(services: Discovered) -> None:
    for service in services:
        for template in service["prefetch"].values():
            assert re.findall(r"\{\{.*?\}\}|%\w+", template) == ["{{context.patientId}}"]


@statement("PF-05", "PF-06", "PF-07")
def test_templates_keep_to_the_common_subset(services: Discovered) -> None:
    read, search = r"Patient/\{\{context.patientId\}\}", r"[A-Z][A-Za-z]+\?(.+)"
    for service in services:
        for template in service["prefetch"].values():
            found = re.fullmatch(search, template)
            assert found or re.fullmatch(read, template)
            parts = found[1].split("&") if found else []
            names = [part.partition("=")[0] for part in parts]
            assert set(names) <= {"patient", "status", "code", "_sort", "_count"}
            assert [p for p in parts if p.startswith("_sort")] in ([], ["_sort=-date"])


# --- C: requests that are odd and good ---


@statement("RQ-02", "RQ-03")
@pytest.mark.parametrize("instance", ["D1577C69-DFBE-44AD-BA6D-3E05E953B2EA", "urn:uuid:x", "x"])
def test_any_hook_instance_twice(client: AppClient, instance: str) -> None:
    body = record() | {"hookInstance": instance}

    assert plain(client.post(SIGN, json=body)) == plain(client.post(SIGN, json=body))


@statement("RQ-06", "PD-01")
@pytest.mark.parametrize("prefetch", [None, {}])
def test_no_prefetch_is_like_an_empty_one(client: AppClient, prefetch: Any) -> None:
    body = record() | {"prefetch": prefetch}

    assert client.post(SIGN, json=body).status_code == 412
    body.pop("prefetch")
    assert client.post(SIGN, json=body).status_code == 412


@statement("JS-08", "RQ-08", "EX-03", "PD-08")
def test_what_does_not_belong_there_changes_nothing(client: AppClient) -> None:
    odd = deepcopy(record())
    odd |= {"user": "Practitioner/x", "patient": "other", "extension": {"a": [None]}}
    odd["context"] |= {"user": "x", "extension": {"com.epic.cdshooks.request.x": "23"}}
    odd["prefetch"]["nobodyAskedForThis"] = {"resourceType": "Coverage", "id": "c"}

    assert plain(client.post(SIGN, json=odd)) == plain(client.post(SIGN, json=record()))


@statement("RQ-12", "HK-01")
@pytest.mark.parametrize(
    "user",
    ["Practitioner/a", "PractitionerRole/b", "Patient/c", "RelatedPerson/d", "e",
     "https://ehr.example.org/fhir/Practitioner/f", "医師/1", "", None, 7],
)  # fmt: skip
def test_any_user(client: AppClient, user: Any) -> None:
    body = record()
    body["context"]["userId"] = user
    body["context"].pop("encounterId")

    assert cards_of(client.post(SIGN, json=body))[0]["indicator"] == "warning"


@statement("RQ-10", "HK-05")
@pytest.mark.parametrize("kind", [None, "collection", "searchset", "batch", "transaction"])
def test_any_type_of_bundle(client: AppClient, kind: str | None) -> None:
    body = record()
    body["context"]["draftOrders"].pop("type")
    if kind:
        body["context"]["draftOrders"]["type"] = kind

    assert plain(client.post(SIGN, json=body)) == plain(client.post(SIGN, json=record()))


@statement("RQ-11", "AC-07")
@pytest.mark.parametrize("ident", [None, "e" * 194, "not a FHIR id!"])
def test_any_id_of_a_draft(client: AppClient, ident: str | None) -> None:
    """With FOP on record the card offers to remove the draft, where it can be named."""
    body = record()
    body["prefetch"]["conditions"]["entry"][0]["resource"]["code"] = {
        "coding": [{"system": "http://snomed.info/sct", "code": "82725007"}]
    }
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    draft.pop("id")
    if ident:
        draft["id"] = ident
    [card] = cards_of(client.post(SIGN, json=body))
    deletes = [
        action["resourceId"]
        for suggestion in card["suggestions"]
        for action in suggestion.get("actions", [])
        if action["type"] == "delete"
    ]

    assert card["indicator"] == "critical"
    assert deletes == ([f"ServiceRequest/{ident}"] if ident == "e" * 194 else [])


# --- G and H: answers and errors ---


@statement("RS-01", "RS-02", "RS-03", "RS-04", "SY-02", "IN-09", "IN-13")
def test_the_answer_has_cards_and_nothing_else(client: AppClient) -> None:
    silent = record()
    silent["context"]["draftOrders"]["entry"] = []

    assert client.post(SIGN, json=silent).content == b'{"cards":[]}'
    answer = client.post(SIGN, json=record()).json()
    assert answer.keys() == {"cards", "extension"}
    assert isinstance(answer["cards"], list)


@statement("RS-05", "PE-03", "PE-04")
def test_no_answer_depends_on_an_earlier_one(client: AppClient) -> None:
    select = record() | {"hook": "order-select"}
    select["context"]["selections"] = ["ServiceRequest/order-1"]
    first = plain(client.post(SIGN, json=record()))
    early = plain(client.post("/cds-services/ho-order-select", json=select))

    assert plain(client.post(SIGN, json=record())) == first == early


@statement("ER-01", "PD-01")
def test_412_names_what_is_missing(client: AppClient) -> None:
    response = client.post(SIGN, json=without(record(), "conditions"))

    assert response.status_code == 412
    assert "conditions" in response.json()["issue"][0]["diagnostics"]


@statement("PE-02")
def test_answers_are_not_cached_and_large_bodies_are_read(
    client: AppClient, knowledge: Knowledge
) -> None:
    assert client.post(SIGN, json=record()).headers["cache-control"] == "no-store"
    large = record()
    large["prefetch"]["conditions"]["note"] = "x" * (8 << 20)
    assert client.post(SIGN, json=large).status_code == 200
    assert Settings().max_body_bytes == 16 << 20
