"""Every service of services.yaml, and such that a content directory adds, over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_service.errors import KnowledgeError
from cds_service.knowledge.loader import CONTENT, Knowledge, load
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.app_client import AppClient
from tests.support.builders import request as build
from tests.support.constants import NOW
from tests.support.observed import TRACE

FOP = "sct 82725007 Fibrodysplasia ossificans progressiva"
SERVICES = load().services
"""What the registry names: whatever is added there is tested here."""

NEW = """
  - id: ho-{hook}
    hook: {hook}
    question: {question}
    title: Added by a site
    description: Added by a site.
    usage: Added by a site.
    inputs: [patient, conditions, procedures]
"""


def call(hook: str, *, chart: bool = True) -> dict[str, Any]:
    """A hip replacement for a patient with FOP; without `chart` nothing of it was sent."""
    body = build({"orders": ["right hip replacement"], "chart": {"conditions": [FOP]}})
    return body | {"hook": hook} | ({} if chart else {"prefetch": {}})


@pytest.fixture(scope="module")
def app(knowledge: Knowledge) -> AppClient:
    return AppClient(create_app(Settings(), knowledge, clock=lambda: NOW))


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], AppClient]:
    """An application whose content has one more service."""

    def make(hook: str, question: str) -> AppClient:
        content = tmp_path_factory.mktemp("content") / "content"
        shutil.copytree(CONTENT, content)
        with (content / "services.yaml").open("a") as file:
            file.write(NEW.format(hook=hook, question=question))
        return AppClient(create_app(Settings(), load(content=content), clock=lambda: NOW))

    return make


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_no_service_is_silent_beside_fop(app: AppClient, service: Any) -> None:
    [card, *_] = app.post(f"/cds-services/{service.id}", json=call(service.hook)).json()["cards"]

    assert card["indicator"] in {"warning", "critical"} or not service.question.about_orders
    assert card["extension"][TRACE]["card"].startswith("fop-")


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_no_service_takes_an_unread_chart_for_a_healthy_one(app: AppClient, service: Any) -> None:
    response = app.post(f"/cds-services/{service.id}", json=call(service.hook, chart=False))

    assert response.status_code == 412


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_no_service_answers_a_call_of_another_hook(app: AppClient, service: Any) -> None:
    response = app.post(f"/cds-services/{service.id}", json=call("order-dispatch"))

    assert response.status_code == 400


@pytest.mark.parametrize("question", ["orders-signed", "order-selected", "patient"])
def test_a_service_on_a_new_hook_sees_fop(
    extended: Callable[[str, str], AppClient], question: str
) -> None:
    app = extended("order-dispatch", question)
    [service] = [
        s for s in app.get("/cds-services").json()["services"] if s["hook"] == "order-dispatch"
    ]
    path = f"/cds-services/{service['id']}"

    assert set(service["prefetch"]) == {"patient", "conditions", "procedures"}
    [card, *_] = app.post(path, json=call("order-dispatch")).json()["cards"]
    assert card["extension"][TRACE]["card"].startswith("fop-")
    assert app.post(path, json=call("order-dispatch", chart=False)).status_code == 412


def test_a_service_on_a_new_hook_without_orders(
    extended: Callable[[str, str], AppClient],
) -> None:
    """As `encounter-start`, which brings no orders: asked about the patient it answers, asked
    about orders it says what is lacking. It is silent in neither case."""
    body = call("encounter-start")
    del body["context"]["draftOrders"]
    patient = extended("encounter-start", "patient").post(
        "/cds-services/ho-encounter-start", json=body
    )
    orders = extended("encounter-start", "orders-signed").post(
        "/cds-services/ho-encounter-start", json=body
    )

    assert patient.json()["cards"]
    assert (orders.status_code, orders.json()["issue"][0]["expression"]) == (
        400,
        ["context.draftOrders"],
    )


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("question: orders-signed", "question: whatever"),
        ("hook: order-sign\n", "hook: Order Sign\n"),
        ("inputs: [patient, conditions]", "inputs: [patient]"),
        ("inputs: [patient, conditions]", "inputs: [patient, conditons]"),
    ],
)
def test_a_service_that_cannot_be_is_refused_with_its_line(
    tmp_path: Path, said: str, reason: str
) -> None:
    content = tmp_path / "content"
    shutil.copytree(CONTENT, content)
    file = content / "services.yaml"
    file.write_text(file.read_text().replace(said, reason, 1))

    with pytest.raises(KnowledgeError, match=r"services\.yaml:\d+"):
        load(content=content)
