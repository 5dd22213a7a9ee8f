"""What the source says that it did not tell is never taken for "none": every signal, on every
input, in prefetch and in what the service reads itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import httpx
import pytest

from cds_service import hooks
from cds_service.errors import MissingData
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.names import InputName
from cds_service.ops.settings import Settings
from cds_service.trust import access
from cds_service.trust.clients import Client
from cds_service.trust.tokens import Caller
from tests.support import faulty_proxy as faults
from tests.support.builders import request as build
from tests.support.constants import NOW
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
from tests.support.signals import GONE, KINDS, NOT_SIGNS, SAID, SIGNS, Sign, as_bytes
from tests.support.small_ehr import SmallEhr

CHART: dict[str, Any] = {
    "conditions": [],
    "procedures": [],
    "medications": [],
    "allergies": [],
    "familyHistory": [],
    "serviceRequests": [],
}
PLAIN = {"patient": {"age": 60, "sex": "male"}, "orders": ["right hip replacement"], "chart": CHART}
AT_RISK = PLAIN | {
    "chart": CHART
    | {"conditions": ["sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02"]}
}
PROPHYLAXIS = PLAIN | {
    "orders": [
        "right hip replacement",
        "rxnorm 205323 celecoxib 200 MG | 200 mg twice daily for 10 days",
    ],
}
KNOWN = {"read", "empty", "none-stated"}
NEVER_SILENT = ("conditions", "procedures")
"""Inputs by whose loss a patient without a factor is not known to be without."""
DECIDES_A_BUTTON = ("conditions", "procedures", "medications", "allergies", "observations")
WORDS = {
    "conditions": "problem list",
    "procedures": "procedures",
    "medications": "medicines",
    "allergies": "allergies",
    "observations": "renal function",
}
BY_SIGN = pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.name)
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
    """Sends a call with one input answered otherwise."""

    def __init__(self, client: EhrClient, proxy: FaultyProxy) -> None:
        self.client, self.proxy = client, proxy

    def __call__(self, chart: dict[str, Any], name: str, answer: Any, own: bool) -> httpx.Response:
        call = build(chart)
        if own:
            self.proxy.faults.clear()
            self.proxy.faults[KINDS.get(name, "Patient")] = faults.answers(as_bytes(answer))
            call = with_access(without(call, name), self.proxy.base)
        else:
            call = deepcopy(call)
            call["prefetch"][name] = answer
        return self.client.post(SIGN, json=call)


@pytest.fixture
def ask(client: EhrClient, proxy: FaultyProxy) -> Asked:
    return Asked(client, proxy)


def _nsaid_buttons(card: dict[str, Any]) -> list[str]:
    labels = [str(suggestion["label"]) for suggestion in card.get("suggestions", ())]
    return [label for label in labels if "celecoxib" in label or "indomethacin" in label]


@BOTH_WAYS
@BY_SIGN
def test_a_signal_is_never_none(ask: Asked, sign: Sign, own_reading: bool) -> None:
    """For every input: not known in the trace; no silence where the input decides whether there is
    a factor."""
    for name in filter(sign.fits, KINDS):
        response = ask(PLAIN, name, sign.of(KINDS[name]), own_reading)

        assert inputs_of(response)[name] not in KNOWN, name
        if name in NEVER_SILENT:
            assert cards_of(response), name


@BOTH_WAYS
@BY_SIGN
def test_no_unqualified_nsaid(ask: Asked, sign: Sign, own_reading: bool) -> None:
    """At a high risk there is a card; where it drafts an NSAID it names what is not known."""
    for name in filter(sign.fits, KINDS):
        response = ask(AT_RISK, name, sign.of(KINDS[name]), own_reading)

        [card] = cards_of(response)
        if name in DECIDES_A_BUTTON and _nsaid_buttons(card):
            assert WORDS[name] in card["detail"].lower(), name


@BOTH_WAYS
@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: sign.name)
def test_row_11_comes_before_row_6(ask: Asked, sign: Sign, own_reading: bool) -> None:
    """Prophylaxis that is ordered is no reason for silence where FOP may stand on the list."""
    if sign.fits("conditions"):
        assert cards_of(ask(PROPHYLAXIS, "conditions", sign.of("Condition"), own_reading))


@BOTH_WAYS
@pytest.mark.parametrize("reason", GONE)
def test_a_record_that_is_not_in_use(ask: Asked, reason: str, own_reading: bool) -> None:
    """An empty problem list of a record that is gone or merged is not the patient's."""
    response = ask(PLAIN, "patient", GONE[reason], own_reading)

    [card] = cards_of(response)
    assert card["indicator"] == "info"
    assert inputs_of(response)["conditions"] in {"unknown", "partial", "withheld"}


@BOTH_WAYS
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("sign", NOT_SIGNS, ids=lambda sign: sign.name)
def test_ordinary_answers_stay_known(ask: Asked, sign: Sign, name: str, own_reading: bool) -> None:
    response = ask(PLAIN, name, sign.of(KINDS[name]), own_reading)

    assert inputs_of(response)[name] in KNOWN
    assert cards_of(response) == []


@pytest.mark.parametrize("status", [404, 410])
def test_own_reading_finds_no_patient(client: EhrClient, proxy: FaultyProxy, status: int) -> None:
    """Searches for a patient who is not there are empty, and say nothing."""
    proxy.faults.clear()
    proxy.faults["Patient"] = faults.status(status)
    call = with_access(without(build(PLAIN), "patient"), proxy.base)
    response = client.post(SIGN, json=call)

    [card] = cards_of(response)
    assert card["indicator"] == "info"
    assert inputs_of(response)["conditions"] == "unknown"


def test_none_stated_adds_nothing_and_none_recorded_asks(ask: Asked) -> None:
    """Oracle's pages: an empty answer to allergies means that nobody asked."""
    stated = NOT_SIGNS[-2].of("AllergyIntolerance")
    [quiet] = cards_of(ask(AT_RISK, "allergies", stated, False))
    [asking] = cards_of(ask(AT_RISK, "allergies", NOT_SIGNS[-1].of("x"), False))

    assert "llergies" not in quiet["detail"]
    assert "o allergies recorded: ask." in asking["detail"]


# --- what a client's registration changes ---


def _consulted(knowledge: Knowledge, body: dict[str, Any], **registered: Any) -> hooks.Consultation:
    who = Client(id="north", iss="https://n", jku="https://n.example/jwks", **registered)
    settings = Settings(deadline_ms=2000, budget_ms=3000)
    trust = access.trust_nobody(lambda: NOW)
    runtime = hooks.build_runtime(settings, knowledge, lambda: NOW, trust=trust)

    async def run() -> hooks.Consultation:
        try:
            return await hooks.consult(None, json.dumps(body).encode(), Caller(who), runtime)
        finally:
            await runtime.trust.outgoing.aclose()

    return asyncio.run(run())


def test_a_client_may_have_the_card_instead_of_a_refusal(knowledge: Knowledge) -> None:
    """A clinician does not see HTTP 412 (row 11)."""
    body = without(build(PLAIN), "conditions")
    with pytest.raises(MissingData):
        _consulted(knowledge, body)
    [card] = _consulted(knowledge, body, unread="card").answer["cards"]

    assert card["indicator"] == "info"
    assert "not assessed" in card["summary"]


@pytest.mark.parametrize("sign", ["next elsewhere", "Epic 59204", "emptyReason unavailable"])
def test_a_client_may_have_the_card_at_patient_view(knowledge: Knowledge, sign: str) -> None:
    """FOP may stand on the page that nobody read: HTTP 412, or the card."""
    body = build(PLAIN) | {"hook": "patient-view"}
    body["context"].pop("draftOrders")
    body["prefetch"]["conditions"] = SAID[sign].of("Condition")
    with pytest.raises(MissingData):
        _consulted(knowledge, body)
    [card] = _consulted(knowledge, body, unread="card").answer["cards"]

    assert card["indicator"] == "info"
    assert "not assessed" in card["summary"]


@pytest.mark.parametrize(
    ("profile", "sign", "state"),
    [
        # What only Epic sends is noise where Epic is, and where nobody said who it is.
        ("epic", "Epic 4119", "empty"),
        (None, "Epic 4119", "empty"),
        ("uk", "Epic 4119", "empty"),
        ("oracle", "Epic 4119", "partial"),
        ("athena", "Epic 4119", "partial"),
        *((profile, "Epic 59204", "withheld")
          for profile in ("epic", None, "uk", "de", "oracle", "athena", "us-core")),
    ],
)  # fmt: skip
def test_a_profile_says_whose_warnings_are_noise(
    knowledge: Knowledge, profile: str | None, sign: str, state: str
) -> None:
    """From the registration of the client down to the card; what withholds does so everywhere."""
    body = build(PLAIN)
    body["prefetch"]["conditions"] = SAID[sign].of("Condition")
    found = _consulted(knowledge, body, profile=profile)

    assert found.chart.input(InputName.CONDITIONS).state == state
    assert bool(found.answer["cards"]) is (state != "empty")


def test_the_trace_names_signals_and_the_surviving_record(ask: Asked) -> None:
    """Integrators see which signal it was; another record by its type and id alone."""
    told = ask(PLAIN, "conditions", SAID["Epic 59204"].of("Condition"), False).json()
    trace = told["extension"]["org.example.ho-cds"]
    assert trace["signals"] == {"conditions": "epic-withheld"}

    for reference, named in (
        ("https://ehr.example/fhir/Patient/s-2/_history/1", "Patient/s-2"),
        ("Patient/John Doe", None),
        ("urn:uuid:2c1f", None),
    ):
        link = {"other": {"reference": reference, "display": "Jane Doe"}, "type": "replaced-by"}
        answer = ask(PLAIN, "patient", GONE["replaced"] | {"link": [link]}, False)
        [card] = cards_of(answer)
        record = answer.json()["extension"]["org.example.ho-cds"]["record"]
        assert record.get("replacedBy") == named
        assert f"replaced by {named or 'another'}" in card["detail"]
        assert "Doe" not in answer.text


def test_inputs_are_counted_by_state(ask: Asked) -> None:
    figure = 'cds_inputs_total{input="allergies",state="withheld"}'
    before = _value(ask.client.get("/metrics").text, figure)
    ask(PLAIN, "allergies", SAID["Epic 59204"].of("AllergyIntolerance"), False)
    assert _value(ask.client.get("/metrics").text, figure) == before + 1


def _value(figures: str, name: str) -> float:
    lines = (line for line in figures.splitlines() if line.startswith(name))
    return next((float(line.rpartition(" ")[2]) for line in lines), 0.0)


def test_an_alias_in_next_links_is_followed(knowledge: Knowledge, proxy: FaultyProxy) -> None:
    """Behind a proxy a server names itself by an address of its own; no call goes to that."""
    proxy.faults.clear()
    inside = "https://fhir.internal.example/r4"
    page = {"resourceType": "Bundle", "type": "searchset", "entry": []}
    first = page | {"link": [{"relation": "next", "url": f"{inside}/Condition?page=2"}]}
    call = with_access(without(build(PLAIN), "conditions"), proxy.base)
    reach = {"fhir_servers": (proxy.base,), "private_hosts": ("127.0.0.1",)}

    for aliases, state in (({}, "partial"), ({inside: proxy.base}, "empty")):
        pages = iter((first, page))

        async def fault(x: faults.Exchange, pages: Iterator[Any] = pages) -> None:
            await x.send(as_bytes(next(pages)), 200)

        proxy.faults["Condition"] = fault
        found = _consulted(knowledge, call, **reach, next_aliases=aliases)
        assert found.chart.input(InputName.CONDITIONS).state == state
