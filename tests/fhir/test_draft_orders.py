"""Draft orders of other patients, and such as cannot be read: dropped, and never without a word."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from cds_service.fhir.draft_orders import read_orders
from tests.support.app_client import AppClient
from tests.support.builders import PATIENT_ID
from tests.support.builders import request as build
from tests.support.charts import (
    THR,
    TODAY,
    bundle,
    index,
    order,
    orders,
)
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


# --- shapes of draftOrders ---


@pytest.mark.parametrize(
    "value",
    [
        bundle(THR),
        {"entry": [{"resource": THR}]},
        {"resourceType": "Bundle", "entry": [THR]},
        {"resourceType": "Bundle", "type": "collection", "entry": {"resource": THR}},
        [THR],
        [{"resource": THR}],
        [bundle(THR)],
        THR,
        json.dumps(bundle(THR)),
        bundle(5, None, "x", {}, {"resourceType": 5}, THR),
    ],
)
def test_draft_orders_in_any_shape(value: Any) -> None:
    read = orders(value)
    (only,) = read.orders
    assert "hip-total-primary" in only.kinds
    assert only.reference == "ServiceRequest/r1"
    assert only.live
    assert only.coded


@pytest.mark.parametrize("value", [None, [], bundle(), {"resourceType": "Bundle"}])
def test_no_draft_orders(value: Any) -> None:
    assert orders(value).orders == ()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (5, "neither a resource nor a Bundle"),
        ("<html>", "text that is not JSON"),
        ({"id": "x"}, "without resourceType"),
        ({"resourceType": "Bundle", "entry": 5}, "a Bundle whose entry is no list"),
    ],
)
def test_draft_orders_that_cannot_be_read_are_a_problem(value: Any, why: str) -> None:
    read = orders(value)
    assert read.orders == ()
    assert [(p.place, p.why) for p in read.problems] == [("context.draftOrders", why)]


def test_missing_draft_orders_are_a_problem() -> None:
    read = read_orders(None, index(), "p1", TODAY)
    assert [p.why for p in read.problems] == ["missing"]


def test_junk_entries_are_named_by_place_and_keep_the_numbers_of_their_neighbours() -> None:
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    read = orders(bundle(5, {}, THR))
    assert [p.place for p in read.problems] == [
        "context.draftOrders.entry[0].resource", "context.draftOrders.entry[1].resource",
    ]  # fmt: skip
    assert [o.index for o in read.orders] == [2]
    text = json.dumps(bundle(THR, "HERE")).replace('"HERE"', deep)
    assert [p.why for p in orders(text).problems] == ["nested too deeply"]


def test_order_that_the_standard_library_has_to_read() -> None:
    number = json.dumps(bundle(THR | {"priority": "HERE"})).replace('"HERE"', "1e999")
    assert len(orders(number.encode()).orders) == 1
    deep = "[" * 985 + "]" * 985
    nested = json.dumps(bundle(THR | {"x": "HERE"})).replace('"HERE"', deep)
    read = orders(nested.encode())
    assert read.orders or read.problems


def test_order_without_id_and_with_a_very_long_one() -> None:
    assert order(id=None).reference is None
    assert order(id="e" * 194).resource_id == "e" * 194
    assert order(id="e" * 1001).resource_id is None
    assert order(id="a/../b c").resource_id is None


def test_same_order_twice_is_one_order_and_orders_without_id_are_all_kept() -> None:
    assert len(orders(bundle(THR, THR)).orders) == 1
    nameless = THR | {"id": None}
    assert len(orders(bundle(nameless, nameless)).orders) == 2


# --- whose ---


@pytest.mark.parametrize(
    ("more", "foreign"),
    [
        ({"subject": {"reference": "Patient/p2"}}, True),
        ({"subject": {"reference": "Patient/p1"}}, False),
        ({"subject": {"reference": "urn:uuid:pat"}}, False),
        ({"subject": {"reference": "urn:uuid:else"}}, True),
        ({"subject": {"display": "Ann"}}, False),
        ({"subject": None, "patient": {"reference": "Patient/p2"}}, True),
        ({"subject": None, "for": {"reference": "Patient/p2"}}, True),
        ({"subject": None, "participant": [{"actor": {"reference": "Patient/p2"}}]}, True),
        ({"subject": None, "participant": [{"actor": {"reference": "Practitioner/2"}},
                                           {"actor": {"reference": "Patient/p1"}}]}, False),
    ],
)  # fmt: skip
def test_orders_for_another_patient_are_dropped_and_counted(more: Any, foreign: bool) -> None:
    patient = {"resourceType": "Patient", "id": "p1"}
    entries = [{"resource": THR | more}, {"fullUrl": "urn:uuid:pat", "resource": patient}]
    read = orders({"resourceType": "Bundle", "entry": entries})
    assert read.foreign == foreign
    assert len(read.orders) == (not foreign)
