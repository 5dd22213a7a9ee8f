"""What becomes of a card when the EHR's FHIR server misbehaves: every fault, on two inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cds_service.knowledge.loader import Knowledge
from tests.support.ehr_calls import (
    ALL,
    SIGN,
    VIEW,
    EhrClient,
    cards_of,
    client_of,
    ehr_of,
    inputs_of,
    plain,
    record,
    with_access,
    without,
)
from tests.support.fault_matrix import ROWS, Row, apply, bystander
from tests.support.faulty_proxy import FaultyProxy
from tests.support.small_ehr import TOKEN

ALLERGY, CONDITION = "AllergyIntolerance", "Condition"


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    """Short deadline, so that the faults that never end do not take long."""
    return client_of(knowledge, deadline_ms=400, fetch_max_pages=5, fetch_max_bytes=1 << 20)


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    ehr = ehr_of(record())
    ehr.resources += [bystander(kind) for kind in (ALLERGY, CONDITION)]
    transport = httpx.ASGITransport(ehr.app)
    behind = FaultyProxy(lambda: httpx.AsyncClient(transport=transport, base_url="http://small"))
    with behind.running():
        yield behind


@pytest.fixture(scope="module")
def faultless(client: EhrClient, proxy: FaultyProxy) -> str:
    """The whole answer. The first reading makes what all others find: it takes its time."""
    client.post(SIGN, json=with_access(without(record(), *ALL), proxy.base))
    return plain(client.post(SIGN, json=record()))


@pytest.mark.statement("ER-06", "FA-07")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_allergies(client: EhrClient, proxy: FaultyProxy, faultless: str, row: Row) -> None:
    """One input fails: the card stands, and says so (row 12)."""
    apply(proxy, ALLERGY, row)
    response = client.post(SIGN, json=with_access(without(record(), "allergies"), proxy.base))
    [card] = cards_of(response)

    assert inputs_of(response)["allergies"] == row.state
    assert card["indicator"] == "warning"
    assert (plain(response) == faultless) is (row.state == "read")
    if row.state != "read":
        words = {
            "failed": "could not be read",
            "withheld": "withheld by the source",
            "partial": "read only in part",
        }[row.state]
        # An NSAID is ruled out here, so what is left to check of it is named by a word.
        assert f"Allergies {words}" in card["detail"] or "allergies" in card["detail"]
    assert TOKEN not in response.text


@pytest.mark.statement("ER-06", "FA-07", "PD-12")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_conditions(client: EhrClient, proxy: FaultyProxy, faultless: str, row: Row) -> None:
    """The problem list fails: an info card, or what its first pages gave; never silence."""
    apply(proxy, CONDITION, row)
    response = client.post(SIGN, json=with_access(without(record(), "conditions"), proxy.base))
    [card] = cards_of(response)

    assert inputs_of(response)["conditions"] == row.state
    if row.state == "read":
        assert plain(response) == faultless
    elif row.state in {"failed", "withheld"} or "only another" in row.name:
        assert card["indicator"] == "info"
        assert "not assessed" in card["summary"]
    else:
        assert card["indicator"] == "warning"
        assert "read only in part" in card["detail"]


@pytest.mark.statement("ER-01", "ER-06")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_patient_view(client: EhrClient, proxy: FaultyProxy, row: Row) -> None:
    """Without a whole problem list patient-view cannot say anything: 412 with the reason."""
    apply(proxy, CONDITION, row)
    body = with_access(without(record(), *ALL), proxy.base) | {"hook": "patient-view"}
    response = client.post(VIEW, json=body)

    if row.state == "read":
        assert cards_of(response) == []
    else:
        assert response.status_code == 412
        assert row.reason in response.json()["issue"][0]["diagnostics"]


@pytest.mark.statement("ER-06")
def test_everything_fails(client: EhrClient, proxy: FaultyProxy) -> None:
    apply(proxy, "*", next(row for row in ROWS if row.name == "500"))
    response = client.post(SIGN, json=with_access(without(record(), *ALL), proxy.base))
    proxy.faults.clear()

    assert [card["indicator"] for card in cards_of(response)] == ["info"]
    assert set(inputs_of(response).values()) == {"failed"}


@pytest.mark.statement("ER-05")
def test_nothing_that_a_server_says_gets_out(client: EhrClient, proxy: FaultyProxy) -> None:
    """An OperationOutcome of the FHIR server may quote the chart."""
    for row in ROWS:
        apply(proxy, CONDITION, row)
        body = with_access(without(record(), *ALL), proxy.base) | {"hook": "patient-view"}
        assert "Jane Doe" not in client.post(VIEW, json=body).text


def page_of(body: dict[str, Any], name: str, link: str) -> dict[str, Any]:
    """The call with an input that has a further page."""
    body["prefetch"][name]["link"] = [{"relation": "next", "url": link}]
    return body


@pytest.mark.statement("PD-07")
def test_a_page_that_prefetch_left_out_is_read(client: EhrClient, proxy: FaultyProxy) -> None:
    apply(proxy, ALLERGY, ROWS[0])
    body = record()
    kept = body["prefetch"]["allergies"].pop("entry")
    patient = body["context"]["patientId"]
    paged = page_of(body, "allergies", f"{proxy.base}/{ALLERGY}?patient={patient}")

    response = client.post(SIGN, json=with_access(paged, proxy.base))
    assert proxy.kinds() == [ALLERGY]
    body["prefetch"]["allergies"] = {"resourceType": "Bundle", "type": "searchset", "entry": kept}
    assert plain(response) == plain(client.post(SIGN, json=body))


@pytest.mark.statement("PD-07")
def test_without_a_token_a_page_stays_unread(client: EhrClient) -> None:
    body = page_of(record(), "allergies", "https://ehr.example.org/fhir?page=2")

    [card] = cards_of(client.post(SIGN, json=body))
    assert "Allergies read only in part" in card["detail"] or "allergies" in card["detail"]


def test_one_page_of_two_inputs_is_read_once(client: EhrClient, proxy: FaultyProxy) -> None:
    apply(proxy, CONDITION, ROWS[0])
    body = record()
    prefetch = body["prefetch"]
    mixed = prefetch["conditions"]["entry"] + prefetch["procedures"]["entry"]
    prefetch["conditions"]["entry"] = mixed
    del prefetch["procedures"]
    link = f"{proxy.base}/{CONDITION}?patient={body['context']['patientId']}"
    response = client.post(SIGN, json=with_access(page_of(body, "conditions", link), proxy.base))

    assert proxy.kinds() == [CONDITION]
    assert cards_of(response)[0]["indicator"] == "warning"


def test_bounds_hold_for_all_reads_together(knowledge: Knowledge, proxy: FaultyProxy) -> None:
    apply(proxy, CONDITION, ROWS[0])
    body = with_access(without(record(), *ALL), proxy.base)
    tight = client_of(knowledge, fetch_max_bytes=2048)
    states = set(inputs_of(tight.post(SIGN, json=body)).values())

    assert "failed" in states
