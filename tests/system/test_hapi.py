"""The EHR is a real HAPI FHIR server: reading from it, and its validator on what we send."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx
import msgspec
import pytest

from cds_service.cdshooks.published_hooks import PUBLISHED
from cds_service.errors import operation_outcome
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.doctor import patients
from cds_service.tools.synthetic.client_cards import client_cards
from tests.support.builders import request as build
from tests.support.constants import FIXTURES
from tests.support.ehr_calls import (
    ALL,
    SIGN,
    EhrClient,
    cards_of,
    client_of,
    inputs_of,
    plain,
    record,
    with_access,
    without,
)
from tests.support.fault_matrix import ROWS, Row, apply, bystander
from tests.support.faulty_proxy import FaultyProxy
from tests.support.hapi_server import HapiMissing, lacking, running_hapi
from tests.support.small_ehr import resources_of

pytestmark = pytest.mark.hapi
if why := lacking():
    pytest.skip(why, allow_module_level=True)

ALLERGY = "AllergyIntolerance"


@pytest.fixture(scope="module")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    try:
        with (
            running_hapi(tmp_path_factory.mktemp("hapi")) as base,
            httpx.Client(base_url=base, timeout=240) as client,
        ):
            client.post("", json=transaction()).raise_for_status()
            yield client
    except HapiMissing as missing:
        pytest.skip(str(missing))


def many_conditions() -> dict[str, Any]:
    """The record with more conditions than fit on two pages of the server."""
    body = record()
    entries = body["prefetch"]["conditions"]["entry"]
    for number in range(12):
        resource = entries[1]["resource"] | {"id": f"more-{number}"}
        resource["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}
        entries.append({"resource": resource})
    return body


def transaction() -> dict[str, Any]:
    """The record, and another patient's data, as a Bundle to load."""
    resources = resources_of(many_conditions()["prefetch"])
    resources += [bystander(kind) for kind in (ALLERGY, "Condition")]
    entries = []
    for resource in resources:
        url = f"{resource['resourceType']}/{resource['id']}"
        entries.append({"resource": resource, "request": {"method": "PUT", "url": url}})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


@pytest.fixture(scope="module")
def proxy(hapi: httpx.Client) -> Iterator[FaultyProxy]:
    root = str(hapi.base_url).rstrip("/").removesuffix("/fhir")
    with FaultyProxy(lambda: httpx.AsyncClient(base_url=root, timeout=60)).running() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge, deadline_ms=30_000, budget_ms=40_000)


@pytest.mark.statement("FA-06")
@pytest.mark.parametrize("missing", [(), ("conditions",), ("patient", "allergies"), tuple(ALL)])
def test_prefetch_and_server_give_equal_cards(
    client: EhrClient, proxy: FaultyProxy, missing: tuple[str, ...]
) -> None:
    proxy.faults.clear()
    body = many_conditions()
    response = client.post(SIGN, json=with_access(without(body, *missing), proxy.base))

    assert plain(response) == plain(client.post(SIGN, json=body))


def test_its_pages_are_followed(client: EhrClient, proxy: FaultyProxy) -> None:
    proxy.faults.clear()
    proxy.seen.clear()
    body = many_conditions()
    response = client.post(SIGN, json=with_access(without(body, "conditions"), proxy.base))

    assert inputs_of(response)["conditions"] == "read"
    beside = {"metadata", "MedicationStatement"}  # the other list of medicines
    assert [kind for kind in proxy.kinds() if kind not in beside] == ["Condition", "page", "page"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_faults_in_front_of_it(knowledge: Knowledge, proxy: FaultyProxy, row: Row) -> None:
    client = client_of(knowledge, deadline_ms=3000, budget_ms=3500, fetch_max_bytes=1 << 20)
    apply(proxy, ALLERGY, row)
    response = client.post(SIGN, json=with_access(without(record(), "allergies"), proxy.base))

    assert inputs_of(response)["allergies"] == row.state
    assert len(cards_of(response)) == 1


# --- its validator ---


def problems(hapi: httpx.Client, resource: Mapping[str, Any]) -> list[str]:
    """What HAPI's R4 validator objects to; terminologies that it does not have are passed over."""
    kind = resource["resourceType"]
    outcome = hapi.post(f"{kind}/$validate", json=dict(resource)).json()
    return [
        f"{kind}: {issue['diagnostics']}"
        for issue in outcome["issue"]
        if issue["severity"] in {"error", "fatal"}
    ]


def drafts(client: EhrClient) -> list[dict[str, Any]]:
    """Every kind of resource that a suggestion creates."""
    found = []
    for conditions in (
        ["sct 444748003 Postoperative heterotopic ossification"],
        ["sct 82725007 Fibrodysplasia ossificans progressiva"],
    ):
        for orders in (["right hip replacement"], ["cpt 27130 | left"], ["sct 86273004 Biopsy"]):
            description = {"patient": {"age": 60, "sex": "female"}, "orders": orders}
            body = build(description | {"chart": {"conditions": conditions}})
            for card in cards_of(client.post(SIGN, json=body)):
                for suggestion in card.get("suggestions", []):
                    found += [a["resource"] for a in suggestion["actions"] if "resource" in a]
    return found


def resources_in(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every FHIR resource in an answer: of the actions of its cards, and of its system actions."""
    actions = list(answer.get("systemActions", ()))
    for card in answer["cards"]:
        actions += [a for s in card.get("suggestions", ()) for a in s.get("actions", ())]
    return (action["resource"] for action in actions if "resource" in action)


def distinct(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in dict.fromkeys(map(json.dumps, found))]


def of_the_fixtures(client: EhrClient) -> list[dict[str, Any]]:
    """What the cards to every request of the fixtures hold, as far as these are R4."""
    found: list[dict[str, Any]] = []
    for path in sorted(FIXTURES.glob("*.json")):
        response = client.post(SIGN, json=json.loads(path.read_bytes()))
        if response.status_code == 200 and not path.name.startswith(("r5-", "stu3-")):
            found += resources_in(response.json())
    return distinct(found)


@pytest.mark.statement("JS-06", "AC-03", "IN-26", "LM-01")
def test_drafts_are_valid(hapi: httpx.Client, client: EhrClient) -> None:
    found = [*drafts(client), *of_the_fixtures(client)]

    assert {draft["resourceType"] for draft in found} >= {"MedicationRequest", "ServiceRequest"}
    assert len(found) > 20
    assert [p for draft in found for p in problems(hapi, draft)] == []


def test_what_the_tools_send_is_valid(hapi: httpx.Client) -> None:
    """The calls of `doctor`, and the valid ones of the cards to try a client on."""
    searches = {kind: f"{kind}?patient=x" for kind in ("Condition", "Observation")}
    asked = {"patient": "Patient/{{context.patientId}}", **searches}
    found: list[dict[str, Any]] = []
    calls = [patients.call({"hook": hook, "prefetch": asked}) for hook in PUBLISHED]
    bundles = [c["context"].get(name) for c in calls for name in ("draftOrders", "appointments")]
    for bundle in filter(None, bundles):
        found += resources_of({"drafts": bundle})
    found += [resource for call in calls for resource in resources_of(call["prefetch"])]
    for card in client_cards():
        if card.kind == "valid":
            found += resources_in(json.loads(card.content))

    assert len({resource["resourceType"] for resource in found}) > 5
    assert [p for resource in distinct(found) for p in problems(hapi, resource)] == []


def test_value_sets_are_valid(hapi: httpx.Client, knowledge: Knowledge) -> None:
    looked_at = [_without_oids(value_set) for value_set in knowledge.value_sets.values()]
    found = [problem for value_set in looked_at for problem in problems(hapi, value_set)]

    assert found == []


def _without_oids(value_set: Mapping[str, Any]) -> dict[str, Any]:
    """Without code systems that are named by an OID: this server cannot look any up (HAPI-0650)."""
    included = value_set["compose"]["include"]
    kept = [one for one in included if not one["system"].startswith("urn:oid:")]
    assert kept
    return {**value_set, "compose": {**value_set["compose"], "include": kept}}


@pytest.mark.statement("ER-05")
def test_operation_outcomes_are_valid(hapi: httpx.Client, client: EhrClient) -> None:
    bad = client.post(SIGN, content=b"{")
    missing = client.post(SIGN, json=without(record(), *ALL))
    made = msgspec.json.decode(msgspec.json.encode(operation_outcome("exception", "failed")))

    for outcome in (bad.json(), missing.json(), made):
        assert problems(hapi, outcome) == []


def test_the_validator_objects(hapi: httpx.Client) -> None:
    assert problems(hapi, {"resourceType": "ServiceRequest", "status": "nonsense"})
