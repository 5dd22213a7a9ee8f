"""Prefetch with dates, which is new in CDS Hooks 3.0: what is asked for, and one half of it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
import yaml

from cds_service.cdshooks.prefetch_tokens import resolve
from cds_service.fhir.search import RECENT, RECENT_DAYS
from cds_service.knowledge.loader import CONTENT, Knowledge
from tests.support.app_client import ClientFactory
from tests.support.ehr_calls import (
    SIGN,
    EhrClient,
    cards_of,
    client_of,
    ehr_of,
    inputs_of,
    record,
    serving,
    with_access,
)

statement = pytest.mark.statement
CONTEXT = {"patientId": "1288992", "userId": "PractitionerRole/123"}


def templates(make_client: ClientFactory, **settings: Any) -> dict[str, str]:
    services = make_client(**settings).get("/cds-services").json()["services"]
    found: dict[str, str] = next(s["prefetch"] for s in services if s["hook"] == "order-sign")
    return found


def codes(url: str) -> set[str]:
    return set(url.partition("&code=")[2].partition("&")[0].split(","))


@statement("PF-02", "PF-11")
def test_results_of_the_last_year_have_a_key_of_their_own(make_client: ClientFactory) -> None:
    """What counts for life, such as a variant of ACVR1, is asked for without date and number."""
    old, new = templates(make_client), templates(make_client, spec_version="3.0.0")
    lasting, passing = codes(new["observations"]), codes(new[RECENT])

    assert new.keys() - old.keys() == {RECENT}
    assert lasting | passing == codes(old["observations"])
    assert not lasting & passing
    assert "_count" not in new["observations"]
    assert "date=ge{{today() - 365 days}}" in new[RECENT]
    assert {key: new[key] for key in old.keys() - {"observations"}} == {
        key: old[key] for key in old.keys() - {"observations"}
    }
    assert not any("today" in template for template in old.values())


@statement("PF-02")
@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("Observation?date=gt{{today() - 90 days}}", "Observation?date=gt2024-06-15"),
        ("Appointment?date=lt{{today() + 365 days}}", "Appointment?date=lt2025-09-13"),
        ("Appointment?date=gt{{ today() }}", "Appointment?date=gt2024-09-13"),
        ("Patient/{{context.patientId}}", "Patient/1288992"),
        ("PractitionerRole?_id={{userPractitionerRoleId}}", "PractitionerRole?_id=123"),
        ("Practitioner/{{userPractitionerId}}", None),
        ("Encounter/{{context.encounterId}}", None),
        ("Medication?_id={{context.draftOrders.entry.resource.id}}", None),
        ("Observation?date=gt{{today() - 3 months}}", None),
    ],
)
def test_tokens_are_resolved_as_the_text_has_it(template: str, url: str | None) -> None:
    """The first is the example of the specification, on its day."""
    assert resolve(template, CONTEXT, date(2024, 9, 13)) == url


def measurements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("measurement"), dict):
            yield value["measurement"]
        for inner in value.values():
            yield from measurements(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from measurements(inner)


def test_no_result_that_has_a_date_counts_for_longer() -> None:
    found = [
        test
        for path in sorted(CONTENT.glob("*.yaml"))
        for test in measurements(yaml.safe_load(path.read_text(encoding="utf-8")))
    ]
    assert max(test["within_days"] for test in found if "within_days" in test) == RECENT_DAYS
    assert {test["quantity"] for test in found if "within_days" not in test} <= {"brooker"}


# --- one key of two ---


def in_two(body: dict[str, Any]) -> dict[str, Any]:
    """The call as a client of 3.0 sends it: the results of the laboratory under the second key."""
    made = deepcopy(body)
    made["prefetch"][RECENT] = made["prefetch"]["observations"]
    made["prefetch"]["observations"] = {"resourceType": "Bundle", "type": "searchset"}
    return made


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge, spec_version="3.0.0")


@statement("PF-12", "PD-03")
@pytest.mark.parametrize(
    ("dropped", "state"), [("", "read"), ("observations", "partial"), (RECENT, "partial")]
)
def test_half_of_the_results_is_never_taken_for_all(
    client: EhrClient, dropped: str, state: str
) -> None:
    body = in_two(record())
    body["prefetch"].pop(dropped, None)
    response = client.post(SIGN, json=body)

    assert inputs_of(response)["observations"] == state
    assert len(cards_of(response)) == 1


@statement("PD-03")
@pytest.mark.parametrize("dropped", ["observations", RECENT])
def test_the_other_half_is_read_from_the_server(client: EhrClient, dropped: str) -> None:
    body = in_two(record())
    del body["prefetch"][dropped]
    with serving(ehr_of(record())).running() as proxy:
        response = client.post(SIGN, json=with_access(body, proxy.base))
        searched = proxy.searched()

    assert inputs_of(response)["observations"] == "read"
    assert len(searched) == 1


def test_a_client_of_2_sends_one_key(knowledge: Knowledge) -> None:
    response = client_of(knowledge).post(SIGN, json=record())

    assert inputs_of(response)["observations"] == "read"
