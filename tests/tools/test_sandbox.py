"""The stand-in for the CDS Hooks Sandbox: its FHIR server, its bridge to order-sign, its guide."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fhir.resources import R4B

from cds_service.tools.sandbox.app import create_stand_in_app
from cds_service.tools.sandbox.fhir_server import StandIn
from cds_service.tools.sandbox.guide import guide
from cds_service.tools.sandbox.hip_order import HipOrder
from cds_service.tools.sandbox.patients import sandbox_patients
from tests.support.small_services import CARD, Small, small_service

pytestmark = pytest.mark.anyio

TODAY = date(2026, 11, 23)
HOME = "http://stand-in.test"
BRIDGE = "/cds-services/hip-replacement-drafted"
ORIGIN = "https://sandbox.cds-hooks.org"


@pytest.fixture
def small() -> Iterator[Small]:
    """The CDS service behind the bridge."""
    with small_service(feedback=200) as running:
        yield running


def stand_in(base: str) -> httpx.AsyncClient:
    patients = sandbox_patients(TODAY)
    records, discovery = StandIn(patients, f"{HOME}/fhir"), f"{base}/cds-services"
    words = guide(ORIGIN, discovery, HOME, patients)
    app = create_stand_in_app(records, HipOrder(discovery, records), words)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME)


@pytest.fixture
async def client(small: Small) -> AsyncIterator[httpx.AsyncClient]:
    async with stand_in(small.base) as opened:
        yield opened


def found(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", ())]


# --- FHIR ---


def test_every_resource_is_valid_r4() -> None:
    for patient in sandbox_patients(TODAY).values():
        for resource in patient.resources:
            R4B.get_fhir_model_class(resource["resourceType"]).model_validate(resource)


async def test_what_the_sandbox_asks_at_its_start(client: httpx.AsyncClient) -> None:
    """fhir-metadata-retrieval.js, patient-retrieval.js and all-patient-retrieval.js of it."""
    metadata = (await client.get("/fhir/metadata")).json()
    people = (await client.get("/fhir/Patient")).json()
    fop = (await client.get("/fhir/Patient/fop")).json()
    conditions = (await client.get("/fhir/Condition?patient=fop")).json()

    assert metadata["fhirVersion"] == "4.0.1"
    assert found(people) == list(sandbox_patients(TODAY))
    assert all(entry["resource"]["name"][0]["given"] for entry in people["entry"])
    assert fop["id"] == "fop"
    assert conditions["total"] == len(conditions["entry"]) == 1
    assert conditions["entry"][0]["resource"]["code"]["text"]


async def test_a_search_by_post_is_the_same(client: httpx.AsyncClient) -> None:
    """service-exchange.js of the Sandbox posts its prefetch searches."""
    got = await client.get("/fhir/Condition?patient=hip")
    form = {"content-type": "application/x-www-form-urlencoded"}
    posted = await client.post("/fhir/Condition/_search", content="patient=hip", headers=form)

    assert posted.json() == got.json()
    assert posted.headers["content-type"] == "application/fhir+json"


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (
            "Observation?patient=hip&code=http://loinc.org|98979-8,http://loinc.org|1-1",
            ["hip-egfr"],
        ),
        ("Observation?patient=hip&code=http://loinc.org|1-1", []),
        ("Observation?patient=hip&status=final", ["hip-egfr"]),
        ("Observation?patient=hip&status=cancelled", []),
        ("Condition?patient=Patient/fop&_sort=-date", ["fop-problem-1"]),
        ("MedicationRequest?patient=fop&status=active", []),
        ("Patient?_id=fop", ["fop"]),
    ],
)
async def test_searches(client: httpx.AsyncClient, query: str, ids: list[str]) -> None:
    answer = await client.get(f"/fhir/{query}")

    assert (answer.status_code, found(answer.json())) == (200, ids)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("Patient/nobody", 404),
        ("Condition?patient=nobody", 400),
        ("Condition", 400),
        ("AllergyIntolerance?patient=failing", 504),
    ],
)
async def test_refusals_are_outcomes(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(f"/fhir/{path}")

    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_pages_are_followed_to_the_end(client: httpx.AsyncClient) -> None:
    first = (await client.get("/fhir/Condition?patient=paged")).json()
    links = {link["relation"]: link["url"] for link in first["link"]}
    second = (await client.get(links["next"])).json()

    assert (first["total"], len(first["entry"])) == (2, 1)
    assert found(second) == ["paged-problem-2"]
    assert [link["relation"] for link in second["link"]] == ["self"]


async def test_withheld_and_merged_say_so(client: httpx.AsyncClient) -> None:
    withheld = (await client.get("/fhir/Condition?patient=withheld")).json()
    merged = (await client.get("/fhir/Patient/merged")).json()

    assert withheld["entry"][0]["resource"]["issue"][0]["code"] == "suppressed"
    assert merged["active"] is False
    assert merged["link"][0]["type"] == "replaced-by"


async def test_any_page_may_read_it(client: httpx.AsyncClient) -> None:
    headers = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
        "access-control-request-private-network": "true",
    }
    allowed = await client.options(BRIDGE, headers=headers)
    read = await client.get("/fhir/Patient/fop", headers={"origin": ORIGIN})

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-private-network"] == "true"
    assert read.headers["access-control-allow-origin"] == "*"


# --- the bridge ---


async def test_the_bridge_asks_at_order_sign(client: httpx.AsyncClient, small: Small) -> None:
    [service] = (await client.get("/cds-services")).json()["services"]
    assert (service["hook"], service["id"]) == ("patient-view", BRIDGE.rpartition("/")[2])
    assert service["prefetch"] == {"conditions": "Condition?patient={{context.patientId}}"}

    opened = {
        "hook": "patient-view",
        "hookInstance": "5f4f5bb4-9d6b-4f3e-8c3f-6b8d0f6c1a11",
        "context": {"userId": "Practitioner/COREPRACTITIONER1", "patientId": "hip"},
        "prefetch": {"conditions": {"resourceType": "Bundle", "type": "searchset"}},
    }
    answer = await client.post(BRIDGE, json=opened)

    assert answer.json() == {"cards": [CARD]}
    path, body = small.seen[-1]
    sent = httpx.Response(200, content=body).json()
    [entry] = sent["context"].pop("draftOrders")["entry"]
    assert path == "POST /cds-services/small"
    assert sent == opened | {"hook": "order-sign"}
    assert entry["resource"]["subject"] == {"reference": "Patient/hip"}
    R4B.get_fhir_model_class("ServiceRequest").model_validate(entry["resource"])


async def test_the_bridge_hands_feedback_on(client: httpx.AsyncClient, small: Small) -> None:
    said = {"feedback": [{"card": CARD["uuid"], "outcome": "accepted"}]}
    answer = await client.post(f"{BRIDGE}/feedback", json=said)

    assert answer.status_code == 200
    path, body = small.seen[-1]
    assert path == "POST /cds-services/small/feedback"
    assert httpx.Response(200, content=body).json() == said


async def test_the_card_for_the_demo_is_whole_and_plain_text(client: httpx.AsyncClient) -> None:
    answer = await client.get("/card/hip")

    assert answer.json() == CARD
    assert answer.headers["content-type"].startswith("text/plain")
    assert (await client.get("/card/nobody")).status_code == 404


async def test_silence_is_told_and_is_no_card() -> None:
    with small_service(answer={"cards": []}) as silent:
        async with stand_in(silent.base) as client:
            answer = await client.get("/card/hip")

    assert (answer.status_code, answer.text.partition(":")[0]) == (404, "no card")


@pytest.mark.parametrize(
    ("flaws", "said"),
    [
        ({"services": []}, "names no service for order-sign"),
        ({"missing": 412, "services": [{"hook": "order-sign", "id": "small"}]}, "answered 412"),
        ({"answer": {"cards": 7}}, "did not answer with cards"),
        ({"text": b"[]"}, "did not answer with a JSON object"),
        ({"text": b"<html>"}, "did not answer with a JSON object"),
    ],
)
async def test_why_there_is_no_card(flaws: dict[str, Any], said: str) -> None:
    with small_service(**flaws) as odd:
        async with stand_in(odd.base) as client:
            answer = await client.get("/card/hip")

    assert answer.status_code == 502
    assert said in answer.text


async def test_a_service_that_does_not_run() -> None:
    async with stand_in("http://127.0.0.1:1") as client:
        for answer in (
            await client.get("/card/hip"),
            await client.get("/cds-services"),
            await client.post(BRIDGE, json={}),
        ):
            assert (answer.status_code, answer.text.split(": ")[1]) == (502, "ConnectError\n")


async def test_a_body_that_is_no_object(client: httpx.AsyncClient) -> None:
    for body in (b"", b"[]", b"{"):
        assert (await client.post(BRIDGE, content=body)).status_code == 400


# --- the guide ---


async def test_the_links_name_service_server_and_patient(client: httpx.AsyncClient) -> None:
    text = (await client.get("/")).text
    links = [urlsplit(word) for word in text.split() if word.startswith(f"{ORIGIN}/?")]
    fop, hip = ({key: value[0] for key, value in parse_qs(link.query).items()} for link in links)

    assert fop["fhirServiceUrl"] == hip["fhirServiceUrl"] == f"{HOME}/fhir"
    assert (fop["patientId"], hip["patientId"]) == ("fop", "hip")
    assert fop["serviceDiscoveryURL"].startswith("http://127.0.0.1:")
    assert hip["serviceDiscoveryURL"] == f"{HOME}/cds-services"
    assert "allow it" in text
    assert all(f"  {id_}" in text for id_ in sandbox_patients(TODAY))


def test_a_sandbox_on_this_machine_needs_no_permission() -> None:
    text = guide("http://localhost:8080", "http://x.test", HOME, sandbox_patients(TODAY))

    assert "allow it" not in text
