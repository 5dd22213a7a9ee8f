"""Draft orders of other patients, and such as cannot be read: dropped, and never without a word."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.support.app_client import AppClient
from tests.support.builders import PATIENT_ID
from tests.support.builders import request as build
from tests.support.ehr_calls import SELECT, SIGN, VIEW, cards_of
from tests.support.observed import TRACE

HO = "sct 444748003 Postoperative heterotopic ossification"
HIP = "right hip replacement"
SCAN = "loinc 24762-7 XR Hip Views"
OTHERS = " | of another patient"
URN = "urn:uuid:0b5b9a2e-0000-4000-8000-00000000000"


def call(*orders: str, hook: str = "order-sign") -> dict[str, Any]:
    """A call for a patient with previous HO."""
    description = {"patient": {"age": 60, "sex": "female"}, "chart": {"conditions": [HO]}}
    body = build(description | {"orders": list(orders)})
    if hook == "order-select":
        body["context"]["selections"] = ["ServiceRequest/order-1"]
    return body | {"hook": hook}


def drafts(body: dict[str, Any]) -> list[Any]:
    found: list[Any] = body["context"]["draftOrders"]["entry"]
    return found


def trace_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["extension"][TRACE]
    return found


def assert_told(answer: Any) -> None:
    """One card that nothing was checked, and no id of anybody."""
    [card] = cards_of(answer)
    assert card["indicator"] == "warning"
    assert "for another patient" in card["summary"]
    assert "suggestions" not in card
    assert not any(said in answer.text for said in ("someone-else", PATIENT_ID, "order-1"))


# --- of other patients ---


@pytest.mark.parametrize("order", [HIP, SCAN])
@pytest.mark.parametrize(("path", "hook"), [(SIGN, "order-sign"), (SELECT, "order-select")])
def test_orders_of_others_alone_get_a_card(
    client: AppClient, path: str, hook: str, order: str
) -> None:
    assert_told(client.post(path, json=call(order + OTHERS, SCAN + OTHERS, hook=hook)))


def test_one_that_cannot_be_read_beside_those_of_others_has_its_own_card(client: AppClient) -> None:
    body = call(HIP + OTHERS)
    drafts(body).append({"resource": "junk"})

    unread, others = cards_of(client.post(SIGN, json=body))

    assert unread["summary"].startswith("1 draft order could not be read")
    assert "for another patient" in others["summary"]


def test_an_order_of_another_patient_beside_one_without_a_trigger_is_told(
    client: AppClient,
) -> None:
    answer = client.post(SIGN, json=call(SCAN, HIP + OTHERS))

    assert cards_of(answer) == []
    assert trace_of(answer)["foreign"] == 1
    # The chart was sent and not looked at; "absent" would be wrong.
    assert "inputs" not in trace_of(answer)


def test_an_order_of_another_patient_beside_one_with_a_card_is_told(client: AppClient) -> None:
    answer = client.post(SIGN, json=call(HIP, SCAN + OTHERS))

    assert [card["indicator"] for card in cards_of(answer)] == ["warning"]
    assert trace_of(answer)["foreign"] == 1


def test_a_selected_order_of_another_patient_is_told(client: AppClient) -> None:
    """Nothing that is selected is this patient's, so all drafts of the patient are looked at."""
    body = call(SCAN + OTHERS, HIP, hook="order-select")
    answer = client.post(SELECT, json=body)

    assert [card["indicator"] for card in cards_of(answer)] == ["warning"]
    assert trace_of(answer)["foreign"] == 1
    assert "none of the drafts" in trace_of(answer)["selections"]


# --- by a `urn:` that only the chart explains ---


def patient_entry(urn: str) -> dict[str, Any]:
    return {"fullUrl": urn, "resource": {"resourceType": "Patient", "id": PATIENT_ID}}


def with_patient(body: dict[str, Any], urn: str) -> dict[str, Any]:
    entry = patient_entry(urn)
    entry["resource"] |= body["prefetch"]["patient"]
    body["prefetch"]["patient"] = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    return body


def test_the_chart_tells_that_the_only_order_is_of_another_patient(client: AppClient) -> None:
    body = call(HIP)
    drafts(body)[0]["resource"]["subject"] = {"reference": f"{URN}1"}
    assert len(cards_of(client.post(SIGN, json=body))) == 1

    assert_told(client.post(SIGN, json=with_patient(body, f"{URN}2")))


def test_the_chart_tells_that_the_only_order_is_of_this_patient(client: AppClient) -> None:
    """By the drafts alone it would be somebody else's: they name the patient otherwise."""
    body = call(HIP)
    drafts(body)[0]["resource"]["subject"] = {"reference": f"{URN}1"}
    drafts(body).append(patient_entry(f"{URN}2"))
    assert_told(client.post(SIGN, json=deepcopy(body)))

    assert len(cards_of(client.post(SIGN, json=with_patient(body, f"{URN}1")))) == 1


# --- that cannot be read ---


def test_an_entry_that_cannot_be_read_beside_one_without_a_trigger_is_told(
    client: AppClient,
) -> None:
    body = call(SCAN)
    drafts(body).extend([{"resource": "junk"}, {"resource": {"id": "typeless"}}, {}])
    answer = client.post(SIGN, json=body)

    [card] = cards_of(answer)
    assert card["indicator"] == "info"
    assert card["summary"].startswith("2 draft orders could not be read")
    assert "suggestions" not in card
    assert trace_of(answer)["skipped"] == 3  # the empty entry, too, but there was no order in it


def test_an_entry_that_cannot_be_read_beside_one_with_a_card_is_told(client: AppClient) -> None:
    body = call(HIP)
    drafts(body).append({"resource": "junk"})
    first, second = cards_of(client.post(SIGN, json=body))

    assert first["indicator"] == "warning"
    assert second["summary"].startswith("1 draft order could not be read")


# --- nothing dropped ---


@pytest.mark.parametrize("hook", ["order-sign", "order-select"])
def test_nothing_dropped_nothing_to_tell(client: AppClient, hook: str) -> None:
    path = {"order-sign": SIGN, "order-select": SELECT}[hook]

    assert client.post(path, json=call(SCAN, hook=hook)).json() == {"cards": []}


# --- patient-view: no orders, but a chart ---


def test_patient_view_looks_at_no_orders(client: AppClient) -> None:
    body = call(HIP + OTHERS, hook="patient-view")

    assert client.post(VIEW, json=body).json() == {"cards": []}


def test_patient_view_tells_what_it_dropped(client: AppClient) -> None:
    body = call(hook="patient-view")
    body["context"].pop("draftOrders")
    stranger = {"resourceType": "Condition", "subject": {"reference": "Patient/someone-else"}}
    body["prefetch"]["conditions"]["entry"] += [{"resource": stranger}, {"fullUrl": "x"}]
    answer = client.post(VIEW, json=body)

    assert cards_of(answer) == []
    told = trace_of(answer)
    assert (told["foreign"], told["skipped"]) == (1, 1)
    assert told["inputs"]["conditions"] == "read"
