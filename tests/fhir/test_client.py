"""Reading what prefetch lacks from the EHR's FHIR server, over HTTP (sections E and F)."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from cds_service.cdshooks.models import FhirAuthorization
from cds_service.knowledge.loader import Knowledge
from tests.support import faulty_proxy as faults
from tests.support.ehr_calls import (
    ALL,
    SELECT,
    SIGN,
    VIEW,
    EhrClient,
    cards_of,
    client_of,
    ehr_of,
    inputs_of,
    plain,
    record,
    serving,
    with_access,
    without,
)
from tests.support.faulty_proxy import Exchange, FaultyProxy
from tests.support.small_ehr import TOKEN, SmallEhr


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge)


@pytest.fixture
def ehr() -> SmallEhr:
    return ehr_of(record())


@pytest.fixture
def proxy(ehr: SmallEhr) -> Iterator[FaultyProxy]:
    with serving(ehr).running() as proxy:
        yield proxy


# --- the same patient, whichever way ---


def subsets() -> list[tuple[str, ...]]:
    """Nothing missing, one missing, all but one missing, all missing, and some in between."""
    names = sorted(ALL)
    some = [()] + [c for n in (1, 7, 8) for c in combinations(names, n)]
    draw = random.Random(4)
    return some + [tuple(sorted(draw.sample(names, draw.randint(2, 6)))) for _ in range(8)]


@pytest.mark.statement("PD-03", "FA-01", "FA-02", "FA-06", "PF-09")
@pytest.mark.parametrize("missing", subsets(), ids=lambda names: "-".join(names) or "nothing")
def test_prefetch_and_server_give_equal_cards(
    client: EhrClient, proxy: FaultyProxy, missing: tuple[str, ...]
) -> None:
    body = record()
    half = client.post(SIGN, json=with_access(without(body, *missing), proxy.base))

    assert plain(half) == plain(client.post(SIGN, json=body))
    assert len(proxy.searched()) == len(missing)
    assert all(s.headers["authorization"] == f"Bearer {TOKEN}" for s in proxy.seen)


@pytest.mark.statement("PD-07", "FA-02")
def test_pages_are_followed_with_the_token(client: EhrClient) -> None:
    body = record()
    with serving(ehr_of(body, page_size=1)).running() as proxy:
        response = client.post(SIGN, json=with_access(without(body, *ALL), proxy.base))

        assert proxy.kinds().count("Condition") == 2
        assert proxy.kinds().count("Observation") == 3
    assert plain(response) == plain(client.post(SIGN, json=body))


def test_all_inputs_are_read_at_once(client: EhrClient, proxy: FaultyProxy) -> None:
    together = asyncio.Barrier(len(ALL))

    async def in_company(x: Exchange) -> None:
        await together.wait()
        await faults.passed_on(x)

    proxy.faults |= {"*": in_company, "metadata": faults.passed_on}
    response = client.post(SIGN, json=with_access(without(record(), *ALL), proxy.base))

    assert set(inputs_of(response).values()) <= {"read", "empty"}


def test_order_select_and_patient_view_read_too(client: EhrClient, proxy: FaultyProxy) -> None:
    body = record() | {"hook": "order-select"}
    body["context"]["selections"] = ["ServiceRequest/order-1"]
    bare = with_access(without(body, *ALL), proxy.base)

    assert plain(client.post(SELECT, json=bare)) == plain(client.post(SELECT, json=body))
    proxy.seen.clear()
    view = client.post(VIEW, json=bare | {"hook": "patient-view"})
    assert cards_of(view) == []
    assert sorted(proxy.kinds()) == ["Condition", "Patient"]


@pytest.mark.parametrize(
    "change",
    [
        {"scope": "user/*.read"},
        {"scope": "patient/Condition.rs user/*.rs"},
        {"scope": "Condition.Search (Problems) (R4) offline_access"},
        {"scope": None, "subject": None, "expires_in": None},
        {"token_type": "bearer", "nobodyKnowsThis": {"a": 1}},
    ],
)
@pytest.mark.statement("FA-03", "FA-07")
def test_what_the_authorization_may_say_or_leave_out(
    client: EhrClient, proxy: FaultyProxy, change: dict[str, Any]
) -> None:
    body = with_access(without(record(), *ALL), proxy.base, **change)
    said = body["fhirAuthorization"]
    body["fhirAuthorization"] = {key: value for key, value in said.items() if value is not None}

    assert plain(client.post(SIGN, json=body)) == plain(client.post(SIGN, json=record()))


# --- when nothing is read ---


@pytest.mark.statement("PE-01")
def test_no_trigger_no_read(client: EhrClient, proxy: FaultyProxy) -> None:
    body = record()
    coding = body["context"]["draftOrders"]["entry"][0]["resource"]["code"]["coding"][0]
    coding["code"] = "29303009"  # ECG: known to be harmless
    response = client.post(SIGN, json=with_access(without(body, *ALL), proxy.base))

    assert response.json() == {"cards": []}
    assert proxy.seen == []


def test_for_an_order_that_fop_alone_would_forbid_only_the_problem_list_is_read(
    client: EhrClient, proxy: FaultyProxy
) -> None:
    body = record()
    coding = body["context"]["draftOrders"]["entry"][0]["resource"]["code"]["coding"][0]
    coding["code"] = "73761001"  # colonoscopy
    response = client.post(SIGN, json=with_access(without(body, *ALL), proxy.base))

    assert response.json() == {"cards": []}
    assert [seen.path.rpartition("/")[2] for seen in proxy.seen] == ["Condition"]


@pytest.mark.statement("PD-04", "PD-05", "PD-06")
@pytest.mark.parametrize(
    "value",
    [
        None,
        {"resourceType": "Bundle", "type": "searchset"},
        {"resourceType": "Bundle", "type": "searchset", "total": 0},
        {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]},
    ],
)
def test_what_the_client_has_answered_is_not_asked_again(
    client: EhrClient, proxy: FaultyProxy, value: Any
) -> None:
    body = record()
    body["prefetch"]["allergies"] = value
    client.post(SIGN, json=with_access(body, proxy.base))

    assert proxy.searched() == []


def refused(client: EhrClient, body: dict[str, Any]) -> str:
    """The reason given for a call that could not be answered."""
    response = client.post(SIGN, json=body)
    assert response.status_code == 412, response.text
    assert TOKEN not in response.text
    return str(response.json()["issue"][0]["diagnostics"])


@pytest.mark.statement("FA-03", "FA-04", "FA-05")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"patient": "somebody-else"}, "another patient"),
        ({"expires_in": 0}, "expired"),
        ({"token_type": "MAC"}, "no bearer token"),
        ({"access_token": "a\r\nX-Evil: 1"}, "no bearer token"),
    ],
)
def test_a_token_that_must_not_be_used(
    client: EhrClient, proxy: FaultyProxy, change: dict[str, Any], reason: str
) -> None:
    body = with_access(without(record(), *ALL), proxy.base, **change)

    assert reason in refused(client, body)
    assert proxy.seen == []


@pytest.mark.statement("RQ-05", "FA-08")
def test_a_server_that_is_not_registered(knowledge: Knowledge, proxy: FaultyProxy) -> None:
    client = client_of(knowledge, host="0.0.0.0", allow_anonymous=True)  # noqa: S104
    body = with_access(without(record(), *ALL), proxy.base)

    assert "not registered" in refused(client, body)
    assert "https" in refused(client, body | {"fhirServer": "http://ehr.example.org/fhir"})
    assert proxy.seen == []


def test_a_registered_server_is_read(knowledge: Knowledge, proxy: FaultyProxy) -> None:
    client = client_of(
        knowledge,
        host="0.0.0.0",  # noqa: S104
        allow_anonymous=True,
        fhir_servers=(proxy.base,),
    )
    response = client.post(SIGN, json=with_access(without(record(), *ALL), proxy.base))

    assert plain(response) == plain(client.post(SIGN, json=record()))


@pytest.mark.parametrize("ident", ["a,b", "x|y", "p&status=any", "p q", "%2e"])
def test_a_patient_id_that_would_change_the_search(
    client: EhrClient, proxy: FaultyProxy, ident: str
) -> None:
    body = with_access(without(record(), *ALL), proxy.base)
    body["context"] |= {"patientId": ident}
    for entry in body["context"]["draftOrders"]["entry"]:
        entry["resource"]["subject"] = {"reference": f"Patient/{ident}"}

    assert "no FHIR id" in refused(client, body)
    assert proxy.seen == []


@pytest.mark.statement("RQ-04", "ER-01")
def test_access_without_server_is_no_access(client: EhrClient) -> None:
    body = with_access(without(record(), *ALL), "https://ehr.example.org/fhir")

    for member in ("fhirServer", "fhirAuthorization"):
        refused(client, {key: value for key, value in body.items() if key != member})


# --- the token ---


@pytest.mark.statement("FA-05")
def test_the_token_is_gone_after_the_answer(
    knowledge: Knowledge, proxy: FaultyProxy, capfd: pytest.CaptureFixture[str]
) -> None:
    client = client_of(knowledge, deadline_ms=300)
    proxy.faults["AllergyIntolerance"] = faults.silent
    proxy.faults["Condition"] = faults.status(500)
    response = client.post(SIGN, json=with_access(without(record(), *ALL), proxy.base))
    gc.collect()

    assert TOKEN not in response.text
    assert TOKEN not in "".join(capfd.readouterr())
    assert not [o for o in gc.get_objects() if isinstance(o, FhirAuthorization)]


@pytest.mark.statement("FA-08")
@pytest.mark.parametrize("lead", ["redirect", "page"])
def test_the_token_goes_nowhere_else(client: EhrClient, proxy: FaultyProxy, lead: str) -> None:
    with serving(SmallEhr()).running() as thief:
        target = f"{thief.base}/Condition?patient=p1"
        away = faults.redirect(target) if lead == "redirect" else faults.elsewhere(target)
        proxy.faults["*"] = away
        response = client.post(SIGN, json=with_access(without(record(), *ALL), proxy.base))

        assert thief.seen == []
    states = inputs_of(response)
    assert states.pop("patient") in {"failed", "read"}  # a read has no further page
    assert set(states.values()) <= {"failed", "partial"}


# --- time ---


@pytest.mark.statement("PE-01")
def test_the_deadline_ends_all_reading(knowledge: Knowledge, proxy: FaultyProxy) -> None:
    client = client_of(knowledge, deadline_ms=400, budget_ms=500)
    body = with_access(without(record(), *ALL), proxy.base)
    client.post(SIGN, json=with_access(record(), proxy.base))
    proxy.faults["*"] = faults.silent  # only the deadline can end this call
    response = client.post(SIGN, json=body)

    assert [card["indicator"] for card in cards_of(response)] == ["info"]
    assert set(inputs_of(response).values()) == {"failed"}


@pytest.mark.statement("PE-01")
def test_a_call_over_the_budget_is_logged(
    knowledge: Knowledge, proxy: FaultyProxy, capfd: pytest.CaptureFixture[str]
) -> None:
    client = client_of(knowledge, deadline_ms=60, budget_ms=61)
    proxy.faults["*"] = faults.silent
    client.post(SIGN, json=with_access(without(record(), *ALL), proxy.base))
    client.post(SIGN, json=record() | {"context": record()["context"] | {"draftOrders": {}}})

    assert capfd.readouterr().err.count('"over budget"') == 1
