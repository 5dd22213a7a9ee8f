"""A recent kidney function is used; what is withheld or missing beside it may be newer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cds_service.knowledge.loader import Knowledge
from tests.support import faulty_proxy as faults
from tests.support.builders import request as build
from tests.support.ehr_calls import (
    HIGH,
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
from tests.support.signals import SAID, as_bytes
from tests.support.small_ehr import SmallEhr

Json = dict[str, Any]
NEWER = "check for a newer eGFR"
_REASONS = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_MASKED: Json = {"coding": [{"system": _REASONS, "code": "masked"}]}
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_LABEL = {"security": [{"code": "MASKED"}]}


def _egfr(day: str, **members: Any) -> Json:
    whole = {
        "resourceType": "Observation",
        "id": f"egfr-{day}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "98979-8"}]},
        "subject": {"reference": f"Patient/{PATIENT_ID}"},
        "effectiveDateTime": day,
        "valueQuantity": {"value": 84, "unit": "mL/min/{1.73_m2}"},
    } | members
    return {name: value for name, value in whole.items() if value is not None}


RECENT, OLD = _egfr("2026-11-10"), _egfr("2025-03-01")
_NEXT = {"link": [{"relation": "next", "url": "https://elsewhere.example/fhir?page=2"}]}


def _results(*resources: Json, **members: Any) -> Json:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} | members


def _beside(sign: str) -> Json:
    """The recent result, with what a signal adds to it."""
    told = SAID[sign].of("Observation")
    more = {name: value for name, value in told.items() if name in {"meta", "link"}}
    return _results(RECENT, *(e["resource"] for e in told.get("entry", ())), **more)


MASKED = _egfr("2026-11-20", valueQuantity=None, dataAbsentReason=_MASKED)
HIDES: dict[str, Json] = {
    sign: _beside(sign)
    for sign in (
        "Epic 59204",
        "incomplete, warning",
        "forbidden, error",
        "security REDACTED",
        "tag SUBSETTED",
        "in words: 一部の情報は表示できません",
        "a warning that nobody knows",
        "next elsewhere",
    )
} | {
    "a masked value": _results(RECENT, MASKED),
    "a masked quantity": _results(
        RECENT,
        _egfr("2026-11-20", valueQuantity={"extension": [{"url": _ABSENT, "valueCode": "masked"}]}),
    ),
    "a masked string": _results(
        RECENT,
        _egfr(
            "2026-11-20",
            valueQuantity=None,
            _valueString={"extension": [{"url": _ABSENT, "valueCode": "masked"}]},
        ),
    ),
    "a masked code": _results(RECENT, _egfr("2026-11-20", code=_MASKED)),
    "a masked part": _results(
        RECENT,
        _egfr("2026-11-19", component=[{"code": _MASKED}]),
    ),
    "a label": _results(RECENT, _egfr("2026-11-20", valueQuantity=None, meta=_LABEL)),
    "older first": _results(OLD, RECENT, **_NEXT),
}
WHOLE: dict[str, Json] = {
    "all of it": _results(RECENT, OLD),
    "newest first, and a page follows": _results(RECENT, OLD, **_NEXT),
    "newest first, and more in all": _results(RECENT, OLD, total=70),
    "a note": _results(RECENT, SAID["a hint"].of("Observation")["entry"][0]["resource"]),
    "not done": _results(
        RECENT,
        _egfr(
            "2026-11-20",
            valueQuantity=None,
            dataAbsentReason={"coding": [{"system": _REASONS, "code": "not-performed"}]},
        ),
    ),
}


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> EhrClient:
    return client_of(knowledge, deadline_ms=2000)


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    transport = httpx.ASGITransport(SmallEhr().app)
    behind = FaultyProxy(lambda: httpx.AsyncClient(transport=transport, base_url="http://small"))
    with behind.running():
        yield behind


def _sent(client: EhrClient, results: Json) -> httpx.Response:
    call = build(HIGH)
    call["prefetch"]["observations"] = results
    return client.post(SIGN, json=call)


def _read(client: EhrClient, proxy: FaultyProxy, fault: faults.Fault) -> httpx.Response:
    proxy.faults.clear()
    proxy.faults["Observation"] = fault
    return client.post(SIGN, json=with_access(without(build(HIGH), "observations"), proxy.base))


def _detail(response: httpx.Response) -> str:
    [card] = cards_of(response)
    return str(card["detail"])


@pytest.mark.parametrize("results", HIDES)
def test_what_is_missing_may_be_newer(client: EhrClient, results: str) -> None:
    response = _sent(client, HIDES[results])

    assert inputs_of(response)["observations"] == "partial"
    assert f"Results read only in part: {NEWER}." in _detail(response)
    assert "Renal function" not in _detail(response)


@pytest.mark.parametrize("results", HIDES)
def test_own_reading_says_the_same(client: EhrClient, proxy: FaultyProxy, results: str) -> None:
    response = _read(client, proxy, faults.answers(as_bytes(HIDES[results])))

    assert NEWER in _detail(response)


@pytest.mark.parametrize("results", WHOLE)
def test_nothing_is_said_where_all_that_is_newer_was_read(client: EhrClient, results: str) -> None:
    response = _sent(client, WHOLE[results])

    assert NEWER not in _detail(response)
    assert "Renal function" not in _detail(response)


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (_results(), "not found"),
        (_results(OLD), "not found"),
        (_results(OLD, _egfr("2024-03-01"), **_NEXT), "not found"),
        (_results(OLD, **_NEXT), "read only in part"),
        (SAID["Epic 59204"].of("Observation"), "withheld by the source"),
        (SAID["forbidden, error"].of("Observation"), "withheld by the source"),
        (_results(MASKED), "withheld by the source"),
        (SAID["timeout, error"].of("Observation"), "could not be read"),
        (SAID["in words: Keine Angaben"].of("Observation"), "not known to the source"),
    ],
)
def test_not_found_is_said_only_of_what_was_read(
    client: EhrClient, results: Json, words: str
) -> None:
    assert f"Renal function {words}: no eGFR or creatinine" in _detail(_sent(client, results))


@pytest.mark.parametrize("status", [401, 403])
def test_results_that_this_token_may_not_see(
    client: EhrClient, proxy: FaultyProxy, status: int
) -> None:
    detail = _detail(_read(client, proxy, faults.status(status)))
    assert "Renal function withheld by the source: no eGFR or creatinine" in detail
