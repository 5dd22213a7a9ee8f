"""Discovery, calls and errors over HTTP (checklist sections A to H, R and U)."""

from __future__ import annotations

import gzip
import json
from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest

from cds_service.fhir.search import TEMPLATES
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.services import served
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH, SIGN, cards_of, without_uuids
from tests.support.wire_rules import template_problems


@pytest.fixture
def high() -> dict[str, Any]:
    """A call that gives one warning."""
    return build(HIGH)


def cards(client: AppClient, body: Any, **arguments: Any) -> list[dict[str, Any]]:
    return cards_of(client.post(SIGN, json=body, **arguments))


# --- discovery (section B, D) ---


def test_discovery(client: AppClient) -> None:
    response = client.get("/cds-services")

    assert response.status_code == 200  # DS-01
    assert response.headers["content-type"] == "application/json"
    service, *_ = response.json()["services"]
    assert (service["id"], service["hook"]) == ("ho-orders", "order-select")
    assert service["title"]
    assert "R5" in service["usageRequirements"]  # DS-16
    assert set(service["prefetch"]) == {str(name) for name in TEMPLATES}


def test_prefetch_templates_use_the_common_subset(client: AppClient) -> None:
    for service in client.get("/cds-services").json()["services"]:
        for key, template in service["prefetch"].items():  # PF-01 to PF-08
            assert list(template_problems(key, template)) == []


@pytest.mark.statement("PF-05")
def test_observations_are_asked_for_by_the_codes_of_the_value_sets(client: AppClient) -> None:
    service, *_ = client.get("/cds-services").json()["services"]
    template = service["prefetch"]["observations"]

    assert "http://loinc.org|2160-0" in template  # creatinine, by an exact code
    assert template.startswith("Observation?patient={{context.patientId}}&code=http://loinc.org|")


def test_every_service_answers_at_its_address(client: AppClient) -> None:
    for service in client.get("/cds-services").json()["services"]:  # DS-06
        body = {"hook": service["hook"], "hookInstance": "x", "context": {}}
        assert client.post(f"/cds-services/{service['id']}", json=body).status_code == 400


@pytest.mark.parametrize("path", ["/cds-services", "/health/live", "/health/ready"])
def test_head(client: AppClient, path: str) -> None:
    assert client.request("HEAD", path).status_code == 200


def test_health_tells_which_knowledge_decides(client: AppClient, knowledge: Knowledge) -> None:
    assert client.get("/health/live").json() == {"status": "ok"}
    assert client.get("/health/ready").json()["knowledge"] == knowledge.version


# --- calls (sections C, E, G, U) ---


def test_a_call_gives_its_card(client: AppClient, high: dict[str, Any]) -> None:
    response = client.post(SIGN, json=high)

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"  # PE-02
    assert response.headers["content-type"] == "application/json"  # JS-07
    [card] = response.json()["cards"]
    assert card["indicator"] == "warning"
    assert card["selectionBehavior"] in {"any", "at-most-one"}


@pytest.mark.statement("RS-02")
def test_low_risk_is_silence(client: AppClient) -> None:
    assert cards(client, build(HIGH | {"chart": {}})) == []  # RS-02


def test_orders_that_trigger_nothing_need_no_data(client: AppClient) -> None:
    body = build(HIGH)
    body["context"]["draftOrders"]["entry"] = []
    del body["prefetch"]

    assert cards(client, body) == []


@pytest.mark.statement("RQ-03", "CD-01")
def test_the_same_call_twice_is_no_error(client: AppClient, high: dict[str, Any]) -> None:
    first, second = cards(client, high), cards(client, high)

    assert without_uuids(first) == without_uuids(second)  # RQ-03
    assert first[0]["uuid"] != second[0]["uuid"]  # CD-01


@pytest.mark.statement("JS-08", "EX-03")
def test_unknown_members_change_nothing(client: AppClient, high: dict[str, Any]) -> None:
    odd = deepcopy(high)  # JS-08, EX-03
    for holder in (odd, odd["context"], odd["prefetch"], odd["context"]["draftOrders"]):
        holder["com.example.unknown"] = {"a": [None, {}]}
        holder["extension"] = {"com.epic.cdshooks.request.bpa-trigger-action": "23"}

    assert without_uuids(cards(client, odd)) == without_uuids(cards(client, high))


@pytest.mark.parametrize("prefix", ["Patient/", "https://ehr.example.org/fhir/Patient/"])
def test_patient_id_with_a_prefix(client: AppClient, high: dict[str, Any], prefix: str) -> None:
    said = deepcopy(high)
    said["context"]["patientId"] = prefix + high["context"]["patientId"]

    assert without_uuids(cards(client, said)) == without_uuids(cards(client, high))


@pytest.mark.statement("JS-07")
@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": "application/fhir+json"},
        {"content-type": "text/plain"},
        {},
    ],
)
def test_media_types(client: AppClient, high: dict[str, Any], headers: dict[str, str]) -> None:
    response = client.post(SIGN, content=json.dumps(high), headers=headers)

    assert len(response.json()["cards"]) == 1


def test_a_packed_body_with_a_byte_order_mark(client: AppClient, high: dict[str, Any]) -> None:
    packed = gzip.compress(b"\xef\xbb\xbf" + json.dumps(high).encode())
    response = client.post(SIGN, content=packed, headers={"content-encoding": "gzip"})

    assert len(response.json()["cards"]) == 1


def test_today_is_the_day_in_utc(make_client: ClientFactory) -> None:
    """A fracture of 90 days ago is recent today and old next year, whatever zone the clock has."""
    recent = build(
        HIGH
        | {"chart": {"conditions": ["icd10cm S32.401A Acetabular fracture | onset 90 days ago"]}}
    )
    on_time = datetime.fromisoformat("2026-11-24T01:30:00+02:00")  # still the 23rd in UTC
    next_day = datetime.fromisoformat("2027-06-24T01:30:00+00:00")

    assert cards(make_client(now=on_time), recent)[0]["indicator"] == "warning"
    assert cards(make_client(now=next_day), recent)[0]["indicator"] == "info"


# --- errors (section H) ---


def outcome(response: Any) -> dict[str, Any]:
    assert response.json()["resourceType"] == "OperationOutcome"  # ER-05
    issue: dict[str, Any] = response.json()["issue"][0]
    return issue


@pytest.mark.statement("JS-09", "RQ-01", "HK-01")
@pytest.mark.parametrize(
    ("member", "place"),
    [
        ("hook", "hook"),
        ("hookInstance", "hookInstance"),
        ("context", "context"),
        ("context.patientId", "context.patientId"),
        ("context.draftOrders", "context.draftOrders"),
    ],
)
def test_what_is_missing_is_named(
    client: AppClient, high: dict[str, Any], member: str, place: str
) -> None:
    *way, name = member.split(".")
    holder = high
    for step in way:
        holder = holder[step]
    del holder[name]
    response = client.post(SIGN, json=high)

    assert response.status_code == 400
    assert outcome(response)["expression"] == [place]


@pytest.mark.statement("JS-09")
def test_bad_json_is_placed(client: AppClient) -> None:
    response = client.post(SIGN, content=b'{"hook":\n nope}')

    assert response.status_code == 400
    assert "line 2" in outcome(response)["diagnostics"]


@pytest.mark.statement("RQ-07", "ER-04")
def test_unknown_service(client: AppClient, high: dict[str, Any]) -> None:
    assert client.post("/cds-services/nope", json=high).status_code == 404
    assert client.get("/nowhere").status_code == 404


@pytest.mark.statement("DS-18")
@pytest.mark.parametrize("path", ["/cds-services/", f"{SIGN}/", "http://localhost//cds-services"])
def test_nothing_redirects(client: AppClient, path: str) -> None:
    assert client.get(path).status_code == 404  # DS-18


@pytest.mark.statement("RQ-07")
def test_hook_that_is_not_served_here(client: AppClient, high: dict[str, Any]) -> None:
    response = client.post(SIGN, json=high | {"hook": "patient-view"})

    assert response.status_code == 400
    assert outcome(response)["expression"] == ["hook"]
    assert "patient-view" not in response.text  # what a client sends is not echoed


@pytest.mark.statement("RQ-07", "ER-04")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_wrong_method(client: AppClient, method: str) -> None:
    response = client.request(method, SIGN)

    assert response.status_code == 405
    assert response.headers["allow"] == "OPTIONS, POST"


def test_options_without_cors(client: AppClient) -> None:
    response = client.request("OPTIONS", SIGN)

    assert response.status_code == 204
    assert response.headers["allow"] == "OPTIONS, POST"


@pytest.mark.statement("PD-01", "ER-01")
def test_the_problem_list_is_required(client: AppClient, high: dict[str, Any]) -> None:
    del high["prefetch"]["conditions"]
    response = client.post(SIGN, json=high)

    assert response.status_code == 412  # PD-01
    assert "conditions" in outcome(response)["diagnostics"]


@pytest.mark.statement("PE-02", "ER-04")
def test_a_body_above_the_limit(make_client: ClientFactory, high: dict[str, Any]) -> None:
    client = make_client(max_body_bytes=1024)
    plain = client.post(SIGN, json=high)
    packed = gzip.compress(json.dumps(high).encode() + b" " * 100_000)
    bomb = client.post(SIGN, content=packed, headers={"content-encoding": "gzip"})

    assert (plain.status_code, bomb.status_code) == (413, 413)
    assert plain.headers["connection"] == "close"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-encoding": "br"},
        {"content-type": "application/fhir+xml"},
        {"content-type": "application/json; charset=klingon"},
    ],
)
def test_bodies_that_are_not_read(client: AppClient, headers: dict[str, str]) -> None:
    assert client.post(SIGN, content=b"{}", headers=headers).status_code == 415


def broken_clock() -> datetime:
    raise ZeroDivisionError("Jane Doe, born 1950")


@pytest.mark.statement("ER-04", "ER-05")
def test_a_bug_gives_nothing_away(
    knowledge: Knowledge, high: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    client = AppClient(create_app(Settings(), knowledge, clock=broken_clock))
    response = client.post(SIGN, json=high, headers={"origin": "http://localhost:3000"})
    logged = capsys.readouterr().err

    assert response.status_code == 500
    assert outcome(response)["code"] == "exception"
    assert response.headers["access-control-allow-origin"] == "http://localhost:3000"  # CR-02
    assert "ZeroDivisionError" in logged
    assert "Jane" not in logged + response.text


# --- browsers (section R) ---

PREFLIGHT = {
    "origin": "https://sandbox.cds-hooks.org",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


@pytest.mark.statement("CR-01")
@pytest.mark.parametrize("path", ["/cds-services", SIGN, f"{SIGN}/feedback"])
def test_preflight(client: AppClient, path: str) -> None:
    response = client.request("OPTIONS", path, headers=PREFLIGHT)

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PREFLIGHT["origin"]
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "authorization" in response.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in response.headers


def test_preflight_from_a_public_page_to_this_machine(client: AppClient) -> None:
    headers = PREFLIGHT | {"access-control-request-private-network": "true"}
    response = client.request("OPTIONS", SIGN, headers=headers)

    assert response.headers["access-control-allow-private-network"] == "true"


@pytest.mark.statement("CR-02")
@pytest.mark.parametrize("path", ["/nowhere", SIGN])
def test_errors_carry_cors_headers(client: AppClient, path: str) -> None:
    response = client.post(path, content=b"{", headers={"origin": PREFLIGHT["origin"]})

    assert response.status_code >= 400
    assert response.headers["access-control-allow-origin"] == PREFLIGHT["origin"]


@pytest.mark.statement("CR-02")
def test_only_listed_origins(make_client: ClientFactory) -> None:
    client = make_client(cors_origins=("https://a.example",))

    def allowed(origin: str) -> str | None:
        response = client.get("/cds-services", headers={"origin": origin})
        value: str | None = response.headers.get("access-control-allow-origin")
        return value

    assert allowed("https://a.example") == "https://a.example"
    assert allowed("https://b.example") is None


def test_service_ids_are_stable(knowledge: Knowledge) -> None:
    """EHRs register these addresses by hand: changing one breaks every installation."""
    assert list(served(knowledge)) == [
        "ho-orders", "ho-patient-view", "ho-order-select", "ho-order-sign",
    ]  # fmt: skip
    assert all(s.id == f"ho-{s.hook}" for s in knowledge.services.values())
