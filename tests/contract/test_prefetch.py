"""The decision table for prefetch, for every key: statements of sections E and F."""

from __future__ import annotations

import random
from copy import deepcopy
from itertools import chain, combinations
from typing import Any

import pytest

from cds_service.cards.trace import NAME as TRACE
from tests.support.app_client import AppClient
from tests.support.ehr_calls import ALL, SIGN, VIEW, cards_of, inputs_of, plain, record, without

statement = pytest.mark.statement
KEYS = sorted(ALL)
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
WARNING = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "value"}]}
NOTE = {"resourceType": "OperationOutcome",
        "issue": [{"severity": "information", "code": "processing"}]}  # fmt: skip
BUNDLE = {"resourceType": "Bundle", "type": "searchset"}
NEXT = [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]
SLOT = {"resourceType": "Slot", "id": "s1"}


def paged(value: Any) -> Any:
    """The first page of several."""
    if value["resourceType"] != "Bundle":
        value = BUNDLE | {"entry": [{"resource": value}]}
    return value | {"link": NEXT}


def beside(value: Any, outcome: Any) -> Any:
    """The data with an OperationOutcome among them."""
    if value["resourceType"] != "Bundle":
        value = BUNDLE | {"entry": [{"resource": value}]}
    extra = {"resource": outcome, "search": {"mode": "outcome"}}
    return value | {"entry": [*value.get("entry", []), extra]}


# What is under the key, and the state it leads to; None: as if it were as it should be.
FORMS: dict[str, tuple[Any, str | None]] = {
    "null": (lambda _: None, "empty"),
    "no entry": (lambda _: BUNDLE, "empty"),
    "total 0": (lambda _: BUNDLE | {"total": 0}, "empty"),
    "empty entry": (lambda _: BUNDLE | {"entry": []}, "empty"),
    "OperationOutcome": (lambda _: OUTCOME, "failed"),
    "a warning beside the data": (lambda value: beside(value, WARNING), "partial"),
    "a note beside the data": (lambda value: beside(value, NOTE), None),
    "an error beside the data": (lambda value: beside(value, OUTCOME), "partial"),
    "paged": (paged, "partial"),
    "wrong type": (lambda _: SLOT, "failed"),
    "wrong types": (lambda _: BUNDLE | {"entry": [{"resource": SLOT}]}, "failed"),
    "an array without an entry": (lambda _: [], "failed"),
    "a string": (lambda _: "123", "failed"),
    "an error page": (lambda _: "<html>502 Bad Gateway</html>", "failed"),
    "a number": (lambda _: 7, "failed"),
    "a boolean": (lambda _: True, "failed"),
    "an object": (lambda _: {"a": 1}, "failed"),
    "other Bundle type": (lambda value: value | {"type": "collection"}, None),
    "no Bundle type": (lambda value: {k: v for k, v in value.items() if k != "type"}, None),
}


@statement("PD-01", "PD-02", "PD-04", "PD-05", "PD-06", "PD-07", "PD-10", "PD-11", "ER-06")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", KEYS)
def test_every_form_of_every_key(client: AppClient, key: str, form: str) -> None:
    body = record()
    change, state = FORMS[form]
    before = inputs_of(client.post(SIGN, json=body))[key]
    value = body["prefetch"][key]
    if before == "empty" and form == "an error beside the data":
        state = "failed"  # there are no data beside it
    body["prefetch"][key] = change(value)
    response = client.post(SIGN, json=body)

    assert inputs_of(response)[key] == (state or before)
    said = {"failed": ["info"], "empty": []} if key == "conditions" else {}
    indicators = [card["indicator"] for card in cards_of(response)]
    assert indicators == said.get(state or before, ["warning"])


@statement("PF-09", "PD-01", "ER-06")
def test_every_subset_of_keys(client: AppClient) -> None:
    """All 256: 412 without the problem list, else a card that names what was not sent."""
    told_of = {"allergies", "medications", "observations", "patient", "procedures"}
    body = record()
    for missing in chain.from_iterable(combinations(KEYS, n) for n in range(len(KEYS) + 1)):
        response = client.post(SIGN, json=without(body, *missing))
        if "conditions" in missing:
            assert response.status_code == 412
            continue
        [card] = cards_of(response)
        states = inputs_of(response)
        assert {key for key in KEYS if states[key] == "absent"} == set(missing)
        told = {one["input"] for one in card["extension"][TRACE].get("notAssessed", ())}
        assert told & told_of == set(missing) & told_of


@statement("PD-05", "PD-04", "PD-11")
@pytest.mark.parametrize("key", [key for key in KEYS if key != "patient"])
def test_three_ways_to_say_nothing_are_equal(client: AppClient, key: str) -> None:
    answers = set()
    for value in (None, BUNDLE, BUNDLE | {"total": 0}):
        body = record()
        body["prefetch"][key] = value
        response = client.post(SIGN, json=body)
        assert response.status_code == 200
        answers.add(response.text if not response.json()["cards"] else plain(response))

    assert len(answers) == 1


@statement("PD-09")
def test_the_order_of_entries_does_not_matter(client: AppClient) -> None:
    body = record()
    for seed in range(5):
        shuffled = deepcopy(body)
        for value in shuffled["prefetch"].values():
            random.Random(seed).shuffle(value.get("entry", []))
        assert plain(client.post(SIGN, json=shuffled)) == plain(client.post(SIGN, json=body))


@statement("PD-12")
@pytest.mark.parametrize("key", [key for key in KEYS if key != "patient"])
def test_what_is_another_patients_does_not_count(client: AppClient, key: str) -> None:
    body = record()
    mixed = deepcopy(body)
    entries = mixed["prefetch"][key].setdefault("entry", [])
    for number, entry in enumerate(body["prefetch"]["conditions"]["entry"]):
        resource = deepcopy(entry["resource"])
        resource |= {"id": f"foreign-{number}", "subject": {"reference": "Patient/somebody-else"}}
        resource["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": "82725007"}]}
        entries.append({"resource": resource})

    assert [card["summary"] for card in cards_of(client.post(SIGN, json=mixed))] == [
        card["summary"] for card in cards_of(client.post(SIGN, json=body))
    ]


@statement("PD-12")
def test_a_list_of_another_patient_is_no_list(client: AppClient) -> None:
    body = record()
    for entry in body["prefetch"]["conditions"]["entry"]:
        entry["resource"]["subject"] = {"reference": "Patient/somebody-else"}
    response = client.post(SIGN, json=body)

    assert inputs_of(response)["conditions"] == "partial"
    assert [card["indicator"] for card in cards_of(response)] == ["info"]


@statement("ER-01", "ER-06")
@pytest.mark.parametrize("value", [OUTCOME, "<html>", BUNDLE | {"link": NEXT}])
def test_patient_view_never_takes_an_unread_list_for_an_empty_one(
    client: AppClient, value: Any
) -> None:
    body = record() | {"hook": "patient-view"}
    body["prefetch"]["conditions"] = value
    response = client.post(VIEW, json=body)

    assert response.status_code == 412
    assert "conditions" in response.json()["issue"][0]["diagnostics"]
