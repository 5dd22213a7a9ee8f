"""Whose record was read: an empty list of another, or of one that is not shown, says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cds_service.knowledge.loader import Knowledge
from tests.support import faulty_proxy as faults
from tests.support.builders import request as build
from tests.support.ehr_calls import (
    SIGN,
    EhrClient,
    cards_of,
    client_of,
    inputs_of,
    with_access,
    without,
)
from tests.support.faulty_proxy import FaultyProxy
from tests.support.resources import PATIENT_ID
from tests.support.signals import as_bytes
from tests.support.small_ehr import SmallEhr

CHART: dict[str, Any] = {"conditions": [], "procedures": [], "medications": [], "allergies": []}
EMPTY = {"patient": {"age": 60, "sex": "male"}, "orders": ["muscle biopsy"], "chart": CHART}
RECORDED = EMPTY | {"chart": CHART | {"conditions": ["icd10cm I10 Essential hypertension"]}}
ME = {"resourceType": "Patient", "id": PATIENT_ID, "gender": "male", "birthDate": "1966-03-14"}
OTHER = ME | {"id": "p9"}
SURVIVOR = OTHER | {"link": [{"other": {"reference": f"Patient/{PATIENT_ID}"}, "type": "replaces"}]}
_LABELS = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"


def _labelled(code: str) -> dict[str, Any]:
    return ME | {"meta": {"security": [{"system": _LABELS, "code": code}]}}


def _refused(code: str, diagnostics: str = "no") -> dict[str, Any]:
    issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _in_bundle(*patients: dict[str, Any]) -> dict[str, Any]:
    entries = [{"resource": patient} for patient in patients]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries}


ANSWERS: dict[str, tuple[Any, str, str]] = {
    "another id": (OTHER, "record-other", "unknown"),
    "another id, in a searchset": (_in_bundle(OTHER), "record-other", "unknown"),
    "the survivor of a merge": (SURVIVOR, "record-replaced", "unknown"),
    "redacted": (_labelled("REDACTED"), "record-withheld", "withheld"),
    "masked": (_labelled("MASKED"), "record-withheld", "withheld"),
    "forbidden": (_refused("forbidden"), "record-withheld", "withheld"),
    "security": (_refused("security"), "record-withheld", "withheld"),
    "suppressed": (_in_bundle(_refused("suppressed")), "record-withheld", "withheld"),
    "not known, as HAPI says it": (
        _refused("processing", "HAPI-2001: Resource Patient/p1 is not known"),
        "record-unread",
        "unknown",
    ),
    "merged, in words": (_refused("business-rule", "Merged into p77"), "record-unread", "unknown"),
    "an empty searchset": (_in_bundle(), "record-unread", "unknown"),
}
BOTH_WAYS = pytest.mark.parametrize("own_reading", [False, True], ids=["prefetch", "own reading"])


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge, deadline_ms=2000)


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    transport = httpx.ASGITransport(SmallEhr().app)
    behind = FaultyProxy(lambda: httpx.AsyncClient(transport=transport, base_url="http://small"))
    with behind.running():
        yield behind


class Asked:
    """Sends a call whose patient is answered otherwise."""

    def __init__(self, client: EhrClient, proxy: FaultyProxy) -> None:
        self.client, self.proxy = client, proxy

    def __call__(self, chart: dict[str, Any], answer: Any, own: bool) -> httpx.Response:
        call = build(chart)
        if not own:
            call["prefetch"]["patient"] = answer
            return self.client.post(SIGN, json=call)
        self.proxy.faults.clear()
        fault = (
            faults.status(answer) if isinstance(answer, int) else faults.answers(as_bytes(answer))
        )
        self.proxy.faults["Patient"] = fault
        return self.client.post(SIGN, json=with_access(without(call, "patient"), self.proxy.base))


@pytest.fixture
def ask(client: EhrClient, proxy: FaultyProxy) -> Asked:
    return Asked(client, proxy)


def _record(response: httpx.Response) -> dict[str, str]:
    told: dict[str, str] = (
        response.json().get("extension", {}).get("org.example.ho-cds", {}).get("record", {})
    )
    return told


@BOTH_WAYS
@pytest.mark.parametrize("answer", ANSWERS)
def test_empty_lists_say_nothing(ask: Asked, answer: str, own_reading: bool) -> None:
    sent, signal, state = ANSWERS[answer]
    response = ask(EMPTY, sent, own_reading)

    [card] = cards_of(response)
    assert card["indicator"] == "info"
    assert "not assessed" in card["summary"]
    assert inputs_of(response)["conditions"] == state
    assert _record(response)["signal"] == signal


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_read_is_no_record(ask: Asked, status: int) -> None:
    response = ask(EMPTY, status, True)

    [card] = cards_of(response)
    assert "not assessed" in card["summary"]
    assert inputs_of(response)["patient"] == "withheld"
    assert inputs_of(response)["conditions"] == "withheld"


@BOTH_WAYS
def test_a_list_of_a_hidden_record_counts_where_it_holds_something(
    ask: Asked, own_reading: bool
) -> None:
    """What is there is this patient's: a name that is masked hides no diagnosis."""
    response = ask(RECORDED, _labelled("REDACTED"), own_reading)

    assert cards_of(response) == []


@BOTH_WAYS
@pytest.mark.parametrize("answer", ["not known, as HAPI says it", "an empty searchset"])
def test_a_list_without_a_record_counts_where_it_holds_something(
    ask: Asked, answer: str, own_reading: bool
) -> None:
    response = ask(RECORDED, ANSWERS[answer][0], own_reading)

    assert cards_of(response) == []


def test_a_patient_that_is_null_is_no_record(ask: Asked) -> None:
    response = ask(EMPTY, None, False)

    [card] = cards_of(response)
    assert "not assessed" in card["summary"]
    assert _record(response)["signal"] == "record-unread"


@pytest.mark.parametrize("code", ["timeout", "throttled", "exception"])
def test_a_passing_error_says_nothing_of_the_lists(ask: Asked, code: str) -> None:
    response = ask(EMPTY, _refused(code), False)

    assert cards_of(response) == []


@BOTH_WAYS
@pytest.mark.parametrize("answer", ["another id", "the survivor of a merge"])
def test_a_list_beside_another_record_is_partial(
    ask: Asked, answer: str, own_reading: bool
) -> None:
    response = ask(RECORDED, ANSWERS[answer][0], own_reading)

    assert inputs_of(response)["conditions"] == "partial"
    assert cards_of(response)


@BOTH_WAYS
def test_the_survivor_is_named(ask: Asked, own_reading: bool) -> None:
    response = ask(EMPTY, SURVIVOR, own_reading)

    [card] = cards_of(response)
    assert "replaced by Patient/p9" in card["detail"]
    assert _record(response)["replacedBy"] == "Patient/p9"


@pytest.mark.parametrize(
    "patients",
    [
        (ME, OTHER),
        (ME | {"link": [{"other": {"reference": "Patient/p0"}, "type": "replaces"}]},),
        (ME, OTHER | {"link": [{"other": {"reference": "Patient/p0"}, "type": "replaces"}]}),
    ],
    ids=["a relative beside", "the survivor itself", "another merge beside"],
)
def test_the_own_record_is_enough(ask: Asked, patients: tuple[dict[str, Any], ...]) -> None:
    response = ask(EMPTY, _in_bundle(*patients), False)

    assert cards_of(response) == []
    assert _record(response) == {}
