"""What the CDS Hooks Sandbox needs of a service (docs/sandbox.md); its requests as a browser sends
them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request as build
from tests.support.constants import ROOT
from tests.support.ehr_calls import cards_of

ORIGIN = "https://sandbox.cds-hooks.org"
SERVICES = ("ho-orders", "ho-patient-view", "ho-order-sign", "ho-order-select")
BROWSER = {
    "origin": ORIGIN,
    "referer": f"{ORIGIN}/",
    "accept": "application/json",
    "accept-encoding": "gzip, deflate, br, zstd",
    "authorization": "Bearer eyJhbGciOiJFUzM4NCJ9.e30.AA",
    "content-type": "application/json",
    "sec-fetch-mode": "cors",
}


def preflight(client: AppClient, path: str, method: str, headers: str) -> dict[str, str]:
    """The answer's headers to what the browser asks before the call."""
    response = client.request(
        "OPTIONS",
        path,
        headers={
            "origin": ORIGIN,
            "access-control-request-method": method,
            "access-control-request-headers": headers,
            "access-control-request-private-network": "true",
        },
    )
    assert response.status_code == 200
    return dict(response.headers)


@pytest.mark.statement("CR-01", "CR-02")
@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [("/cds-services", "GET", "authorization")]
    + [(f"/cds-services/{s}", "POST", "authorization,content-type") for s in SERVICES]
    + [(f"/cds-services/{s}/feedback", "POST", "authorization,content-type") for s in SERVICES],
)
def test_preflight(client: AppClient, path: str, method: str, headers: str) -> None:
    allowed = preflight(client, path, method, headers)

    assert allowed["access-control-allow-origin"] == ORIGIN
    assert method in allowed["access-control-allow-methods"]
    for name in headers.split(","):
        assert name in allowed["access-control-allow-headers"].lower()
    assert allowed["access-control-allow-private-network"] == "true"


def test_discovery_and_calls_with_a_token_that_nobody_knows(client: AppClient) -> None:
    discovery = client.get("/cds-services", headers=BROWSER)

    assert discovery.status_code == 200
    assert discovery.headers["access-control-allow-origin"] == ORIGIN
    # It keeps services by their address: the last one of an id stays.
    kept = {service["id"]: service["hook"] for service in discovery.json()["services"]}
    assert kept == {"ho-orders": "order-sign", "ho-patient-view": "patient-view"}


def fop() -> dict[str, Any]:
    """FOP on record and a hip replacement drafted, as the Sandbox would name the draft."""
    body = build(
        {
            "patient": {"age": 30, "sex": "male"},
            "orders": ["right hip replacement"],
            "chart": {"conditions": ["sct 82725007 Fibrodysplasia ossificans progressiva"]},
        }
    )
    body["context"]["draftOrders"]["entry"][0]["resource"]["id"] = "request-123"
    return body


@pytest.mark.statement("AC-05", "SG-02")
def test_a_draft_can_be_removed(client: AppClient) -> None:
    [card] = cards_of(client.post("/cds-services/ho-order-sign", json=fop(), headers=BROWSER))
    deletes = [a for s in card["suggestions"] for a in s["actions"] if a["type"] == "delete"]

    assert [action["resourceId"] for action in deletes] == ["ServiceRequest/request-123"]
    assert "resource" not in deletes[0]
    assert all(suggestion["uuid"] for suggestion in card["suggestions"])


def test_drafted_medicines_have_what_it_shows(client: AppClient) -> None:
    body = build(
        {"orders": ["right hip replacement"], "chart": {"conditions": ["sct 444748003 HO"]}}
    )
    [card] = cards_of(client.post("/cds-services/ho-order-sign", json=body, headers=BROWSER))
    actions = [action for s in card["suggestions"] for action in s["actions"]]
    medicines = [a["resource"] for a in actions if a["resource"].get("medicationCodeableConcept")]

    assert medicines
    for medicine in medicines:
        concept = medicine["medicationCodeableConcept"]
        assert concept["text"]
        assert concept["coding"][0]["code"]
    assert all(action["description"] for action in actions)


def test_its_page_decides_the_hook(client: AppClient) -> None:
    """The PAMA view posts the hook of its page to whatever service it shows."""
    response = client.post("/cds-services/ho-order-select", json=fop(), headers=BROWSER)

    assert response.status_code == 400
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert "order-select" in response.json()["issue"][0]["diagnostics"]


def test_origins_can_be_limited_to_it(make_client: ClientFactory) -> None:
    client = make_client(cors_origins=(ORIGIN,))

    assert (
        preflight(client, "/cds-services", "GET", "authorization")["access-control-allow-origin"]
        == ORIGIN
    )


def test_the_page_names_our_services() -> None:
    page = (ROOT / "docs" / "sandbox.md").read_text()

    assert all(f"`{service}`" in page for service in SERVICES[:2])
