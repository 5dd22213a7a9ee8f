"""One service id on order-select and order-sign: what an EHR shows that keeps to the standard."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from cds_service.errors import KnowledgeError
from cds_service.knowledge.loader import CONTENT, load
from tests.support.app_client import AppClient
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH
from tests.support.ehr_display import EhrDisplay
from tests.support.observed import TRACE

ORDERS = "/cds-services/ho-orders"
FOP = "sct 82725007 Fibrodysplasia ossificans progressiva"


def drafted(description: dict[str, Any] = HIGH) -> dict[str, Any]:
    body = build(description)
    body["context"]["selections"] = ["ServiceRequest/order-1"]
    return body


@pytest.mark.statement("DS-12", "PE-03")
@pytest.mark.parametrize(
    "description", [HIGH, HIGH | {"chart": {"conditions": [FOP]}}], ids=["high risk", "FOP"]
)
def test_one_order_over_both_hooks_shows_one_card(client: AppClient, description: Any) -> None:
    ehr = EhrDisplay(client)
    ehr.fire("order-select", drafted(description))
    [early] = ehr.cards
    ehr.fire("order-sign", drafted(description))
    [card] = ehr.cards

    assert card["uuid"] != early["uuid"]
    assert card["extension"][TRACE]["card"] == early["extension"][TRACE]["card"]


def test_what_was_done_meanwhile_takes_the_card_away(client: AppClient) -> None:
    """The prophylaxis of the card is drafted: order-sign is silent, and so is the screen."""
    body = drafted()
    ehr = EhrDisplay(client)
    ehr.fire("order-select", body)
    [card] = ehr.cards
    [taken, *_] = [s for s in card["suggestions"] if s.get("isRecommended")] or card["suggestions"]
    entries = deepcopy(body["context"]["draftOrders"]["entry"])
    entries += [{"resource": action["resource"] | {"id": f"new-{number}"}}
                for number, action in enumerate(taken["actions"])]  # fmt: skip
    body["context"]["draftOrders"]["entry"] = entries
    ehr.fire("order-sign", body)

    assert ehr.cards == []


@pytest.mark.statement("DS-12")
def test_the_hook_of_the_body_decides(client: AppClient) -> None:
    """An unselected order is looked at when it is signed, and not when another is selected."""
    body = build(HIGH | {"orders": ["right hip replacement", "sct 168537006 Plain radiography"]})
    body["context"]["selections"] = ["ServiceRequest/order-2"]

    selected = client.post(ORDERS, json=body | {"hook": "order-select"})
    signed = client.post(ORDERS, json=body | {"hook": "order-sign"})

    assert selected.json()["cards"] == []
    assert len(signed.json()["cards"]) == 1


@pytest.mark.parametrize("hook", ["patient-view", "order-dispatch", "order-signs", "ORDER-SIGN"])
def test_a_hook_that_the_id_does_not_serve_is_refused(client: AppClient, hook: str) -> None:
    response = client.post(ORDERS, json=drafted() | {"hook": hook})

    assert response.status_code == 400
    told = response.json()["issue"][0]["diagnostics"]
    assert "order-select, order-sign" in told


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_an_earlier_id_answers_its_own_hook_only(client: AppClient, hook: str) -> None:
    other = {"order-select": "order-sign", "order-sign": "order-select"}[hook]

    assert client.post(f"/cds-services/ho-{hook}", json=drafted() | {"hook": hook}).json()["cards"]
    refused = client.post(f"/cds-services/ho-{hook}", json=drafted() | {"hook": other})
    assert refused.status_code == 400


def test_discovery_lists_current_ids_only_and_names_the_earlier(client: AppClient) -> None:
    services = client.get("/cds-services").json()["services"]

    assert [(s["id"], s["hook"], s.get("extension", {}).get(TRACE)) for s in services] == [
        ("ho-orders", "order-select", {"earlierId": "ho-order-select"}),
        ("ho-orders", "order-sign", {"earlierId": "ho-order-sign"}),
        ("ho-patient-view", "patient-view", None),
    ]


@pytest.mark.parametrize(
    ("said", "instead", "reason"),
    [
        ("hook: order-select", "hook: order-sign", "for the hook 'order-sign'"),
        ("listed_as: ho-orders", "listed_as: ho-patient-view", "a service of its own"),
        ("listed_as: ho-orders", "listed_as: ho-order-sign", "a service of its own"),
        ("listed_as: ho-orders", "listed_as: HO Orders", "listed_as"),
    ],
)
def test_content_in_which_an_id_means_two_things_is_refused(
    tmp_path: Path, said: str, instead: str, reason: str
) -> None:
    content = tmp_path / "content"
    shutil.copytree(CONTENT, content)
    file = content / "services.yaml"
    file.write_text(file.read_text().replace(said, instead, 1))

    with pytest.raises(KnowledgeError, match=rf"services\.yaml:\d+: .*{reason}"):
        load(content=content)
