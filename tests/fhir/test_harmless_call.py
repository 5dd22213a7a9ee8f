"""A call of orders that were harmless before is answered as if it had been read in full.

Each body goes to a service that has seen every harmless order of the cases and to one that has seen
nothing: the answers, or the refusals, have to be the same.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service import hooks
from cds_service.errors import RequestError
from cds_service.fhir.harmless_call import HarmlessCalls
from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.trust.tokens import ANONYMOUS
from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import PATIENT_ID, request
from tests.support.casebook import load_all
from tests.support.constants import FIXTURES, NOW

SIGN = "ho-order-sign"
CASES = load_all()
FOP_ORDERS = [case for case in CASES if case.file == "fop-orders.yaml"]
HARMLESS = [case.description for case in FOP_ORDERS if case.cards is None]
HARMFUL = [case.description for case in FOP_ORDERS if case.cards is not None]
FOP = {"patient": {"age": 24, "sex": "male"},
       "chart": {"conditions": ["sct 82725007 Progressive myositis ossificans"]}}  # fmt: skip
CREATININE = "loinc 2160-0 Creatinine [Mass/volume] in Serum or Plasma"
BIOPSY = "cpt 20206 Biopsy, muscle, percutaneous needle"
_RANDOM = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Answer = Callable[..., str]


def call(*orders: str, **more: Any) -> dict[str, Any]:
    """A call for a patient with FOP."""
    return request({**FOP, "orders": list(orders), **more})


def packed(body: Any, **style: Any) -> bytes:
    return json.dumps(body, **{"separators": (",", ":"), **style}).encode()


def order_of(body: dict[str, Any], number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = body["context"]["draftOrders"]["entry"][number]["resource"]
    return found


class Both:
    """A service that knows what was harmless, and one that has seen nothing."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knows = hooks.offline(knowledge, NOW.date())
        for description in HARMLESS:
            self.said(self._knows, packed(request(description)), SIGN)
        for style in ({}, {"indent": 1}):
            self.said(self._knows, packed(call(CREATININE), **style), SIGN)

    def said(self, runtime: hooks.Runtime, body: bytes, service: str) -> str:
        try:
            answer = asyncio.run(hooks.answer(service, body, ANONYMOUS, runtime))
        except RequestError as error:
            return f"{type(error).__name__} at {error.place}: {error.message}"
        return _RANDOM.sub(b"*", answer).decode()

    def agree(self, body: bytes, service: str = SIGN) -> str:
        """What both say. Asked twice, because the first call may be remembered."""
        full = self.said(replace(self._knows, harmless=HarmlessCalls()), body, service)
        for _ in range(2):
            assert self.said(self._knows, body, service) == full, body.decode(errors="replace")
        return full


@pytest.fixture(scope="module")
def both(knowledge: Knowledge) -> Both:
    return Both(knowledge)


@pytest.fixture(scope="module")
def app(make_client: ClientFactory) -> AppClient:
    return make_client(server_timing=True)


def is_quick(app: AppClient, content: bytes, **headers: str) -> bool:
    """Whether neither orders nor prefetch were read."""
    response = app.post(f"/cds-services/{SIGN}", content=content, headers=headers)
    assert response.json() == {"cards": []}
    return "read;" not in response.headers["server-timing"]


# --- the quick way is taken ---


@pytest.mark.parametrize(
    "style", [{}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (", ", ": ")}]
)
def test_an_order_that_was_harmless_is_passed_over_in_any_dress(
    app: AppClient, style: dict[str, Any]
) -> None:
    body = call(CREATININE, "loinc 777-3 Plättchen [#/volume] in Blood")
    assert not is_quick(app, packed(body, **style))
    assert is_quick(app, packed(body, **style))
    for number, draft in enumerate((order_of(body), order_of(body, 1))):
        draft["id"], draft["authoredOn"] = f"new-{number}", "2026-11-20T08:00:00+01:00"
        draft["subject"] = {"reference": f"https://ehr.example/fhir/Patient/{PATIENT_ID}"}
        draft["requester"] = {"reference": "Practitioner/other", "display": "Dr. Müller"}
    body["hookInstance"], body["context"]["encounterId"] = "another", "enc-7"
    body["fhirServer"] = "https://ehr.example/fhir"
    body["fhirAuthorization"] = {"access_token": "x", "token_type": "Bearer", "expires_in": 300}
    assert is_quick(app, packed(body, **style))


def test_identifiers_and_dates_of_an_order_are_others_each_time(app: AppClient) -> None:
    body = call("rxnorm 205323 celecoxib 200 MG Oral Capsule | route oral")
    draft = order_of(body)

    def dressed(number: int, *, backwards: bool) -> bytes:
        draft["identifier"] = [{"use": "usual", "system": "urn:oid:1.2", "value": f"A-{number}"}]
        if backwards:
            draft["identifier"] = [
                {"system": "urn:oid:1.2", "value": f"A-{number}", "use": "usual"}
            ]
        start = f"2026-11-{number:02}"
        draft["dosageInstruction"] = [{
            "text": "once daily by mouth",
            "timing": {"repeat": {"boundsPeriod": {"start": start, "end": f"{start}T08:00:00Z"}}},
        }]  # fmt: skip
        return packed(body)

    assert not is_quick(app, dressed(1, backwards=False))
    assert is_quick(app, dressed(2, backwards=False))
    assert is_quick(app, dressed(3, backwards=True))
    del draft["identifier"]
    assert not is_quick(app, packed(body))  # whether it has any is told


def test_each_order_is_known_by_itself(app: AppClient) -> None:
    one, other = CREATININE, "loinc 2823-3 Potassium [Moles/volume] in Serum or Plasma"
    is_quick(app, packed(call(one)))
    assert not is_quick(app, packed(call(other)))
    assert is_quick(app, packed(call(other, one, other)))


# --- and only where it may be ---


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_fixtures(both: Both, path: Any) -> None:
    both.agree(path.read_bytes())


@pytest.mark.parametrize("step", [25, pytest.param(1, marks=pytest.mark.system)])
def test_cases(both: Both, step: int) -> None:
    for case in CASES[::step]:
        both.agree(packed(request(case.description)))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.system)])
def test_no_harmful_order_hides_behind_a_harmless_one(both: Both, step: int, first: bool) -> None:
    for description in HARMFUL[::step]:
        orders = [CREATININE, *description["orders"]]
        said = both.agree(packed(call(*(orders if first else orders[::-1]))))
        assert '"cards":[{' in said


def test_changes_of_a_harmless_order(both: Both) -> None:
    """Whatever else an order says, it is read again: for a patient with FOP it gets its card."""
    changes: list[dict[str, Any]] = [
        {"code": order_of(call(BIOPSY))["code"]},
        {"code": {"text": "Muscle biopsy"}},
        {"code": {}},
        {"note": [{"text": "take a muscle biopsy as well"}]},
        {"bodySite": [{"text": "muscle biopsy"}]},
        {"orderDetail": [{"text": "i.m. injection"}]},
        {"modifierExtension": [{"url": "https://x.example/not", "valueBoolean": True}]},
        {"contained": [{"resourceType": "Specimen", "type": {"text": "muscle biopsy"}}]},
        {"specimen": [{"display": "muscle biopsy"}]},
        {"resourceType": "DeviceRequest"},
        {"resourceType": "Procedure"},
        {"patient": {"reference": "Patient/somebody-else"}},
        {"subject": {"reference": "Patient/somebody-else"}},
        {"subject": {"identifier": {"system": "urn:x", "value": "1"}}},
        {"subject": None},
        {"subject": [{"reference": f"Patient/{PATIENT_ID}"}]},
        {"id": ["x"]},
        {"id": {"code": {"text": "Muscle biopsy"}}},
        {"requester": {"reference": "Practitioner/1", "code": [1e3]}},
        {"reasonCode": [{"text": "fibrodysplasia ossificans progressiva"}]},
        {"status": "entered-in-error"},
        {"doNotPerform": True},
        {"quantityQuantity": {"value": 10**50}},
        {"identifier": [{"value": "1"}]},
        {"identifier": [{"value": 1e3}]},
        {"identifier": [{"value": "1", "type": {"text": "muscle biopsy"}}]},
        {"identifier": {"value": "1"}},
        {"occurrencePeriod": {"start": "2026-11-20", "end": "2026-11-21T08:00:00+01:00"}},
        {"note": [{"time": "2026-11-20", "text": "2026-11-20 muscle biopsy"}]},
    ]
    for change in changes:
        body = call(CREATININE)
        order_of(body).update(change)
        both.agree(packed(body))
        both.agree(packed(body, indent=1))


ORDER = packed(order_of(call(CREATININE)))
BUNDLE = packed(call(CREATININE)["context"]["draftOrders"])
HARM = packed(order_of(call(BIOPSY)))
HARM_BUNDLE = packed(call(BIOPSY)["context"]["draftOrders"])
CONTEXT = packed(call(CREATININE)["context"])
HARM_CONTEXT = packed(call(BIOPSY)["context"])
CALL = packed(call(CREATININE))
TEXTS: dict[str, bytes] = {
    "draftOrders twice": CALL.replace(
        b'"draftOrders":', b'"draftOrders":%b,"draftOrders":' % HARM_BUNDLE
    ),
    "draftOrders twice, the last harmful": CALL.replace(
        BUNDLE, b'%b,"draftOrders":%b' % (BUNDLE, HARM_BUNDLE)
    ),
    "escaped name": CALL.replace(BUNDLE, b'%b,"draft\\u004frders":%b' % (BUNDLE, HARM_BUNDLE)),
    "context twice": CALL.replace(b'"context":', b'"context":%b,"context":' % HARM_CONTEXT),
    "context twice, after prefetch": CALL[:-1] + b',"context":%b}' % HARM_CONTEXT,
    "escaped context": CALL[:-1] + b',"c\\u006fntext":%b}' % HARM_CONTEXT,
    "prefetch twice": CALL[:-1] + b',"prefetch":{}}',
    "a key of prefetch twice": CALL.replace(b'"prefetch":{', b'"prefetch":{"patient":null,'),
    "context last": packed(dict(sorted(call(CREATININE).items(), reverse=True))),
    "harmful context last": packed(dict(sorted(call(BIOPSY).items(), reverse=True))),
    "code twice": CALL.replace(
        b'"code":{', b'"code":%b,"code":{' % packed(order_of(call(BIOPSY))["code"]), 1
    ),
    "code twice, the last harmful": CALL.replace(
        ORDER, ORDER[:-1] + b',"code":%b}' % packed(order_of(call(BIOPSY))["code"])
    ),
    "identifier twice": CALL.replace(
        ORDER, ORDER[:-1] + b',"identifier":[{"value":"1"}],"identifier":[{"value":"2"}]}'
    ),
    "value twice in an identifier": CALL.replace(
        ORDER, ORDER[:-1] + b',"identifier":[{"value":"1","value":"2"}]}'
    ),
    "id twice": CALL.replace(ORDER, ORDER[:-1] + b',"id":"y"}'),
    "subject twice": CALL.replace(ORDER, ORDER[:-1] + b',"subject":{"reference":"Patient/else"}}'),
    "reference twice": CALL.replace(b'"subject":{', b'"subject":{"reference":"Patient/else",'),
    "resource twice": CALL.replace(b'"resource":', b'"resource":%b,"resource":' % HARM),
    "resource twice, the last harmful": CALL.replace(ORDER, ORDER + b',"resource":' + HARM),
    "entry twice": CALL.replace(b'"entry":[', b'"entry":[{"resource":%b}],"entry":[' % HARM, 1),
    "resourceType twice": CALL.replace(
        b'"resourceType":"ServiceRequest"',
        b'"resourceType":"ServiceRequest","resourceType":"Procedure"',
    ),
    "no JSON after": CALL + b"}",
    "cut": CALL[:-5],
    "empty": b"",
    "orders beside": CALL.replace(b'"draftOrders":', b'"orders":%b,"draftOrders":' % HARM_BUNDLE),
    "medications beside": CALL.replace(
        b'"draftOrders":', b'"medications":%b,"draftOrders":' % HARM_BUNDLE
    ),
    "orders in prefetch": CALL.replace(
        b'"prefetch":{', b'"prefetch":{"draftOrders":%b,' % HARM_BUNDLE
    ),
    "call in prefetch": CALL.replace(
        b'"prefetch":{', b'"prefetch":{"x":%b,' % packed(call(BIOPSY))
    ),
    "in a bundle": CALL.replace(
        ORDER, b'{"resourceType":"Bundle","entry":[{"resource":%b}]}' % HARM
    ),
    "entry without resource": CALL.replace(b'"entry":[', b'"entry":[{},', 1),
    "entry without anything": CALL.replace(b'"entry":[', b'"entry":[null,', 1),
    "entry of text": CALL.replace(b'"entry":[', b'"entry":["x",', 1),
    "no entries": CALL.replace(BUNDLE, b'{"resourceType":"Bundle","entry":[]}'),
    "a list": CALL.replace(BUNDLE, b"[%b]" % ORDER),
    "one resource": CALL.replace(BUNDLE, HARM),
    "text": CALL.replace(BUNDLE, packed(HARM_BUNDLE.decode())),
    "huge number": CALL.replace(ORDER, ORDER[:-1] + b',"priority":1e999}'),
    "long number": CALL.replace(ORDER, ORDER[:-1] + b',"priority":%b}' % (b"9" * 50)),
    "too deep": CALL.replace(b'"prefetch":{', b'"prefetch":{"x":%b,' % (b"[" * 200 + b"]" * 200)),
    "much too deep": CALL.replace(
        b'"prefetch":{', b'"prefetch":{"x":%b,' % (b"[" * 9000 + b"]" * 9000)
    ),
    "too many orders": CALL.replace(b"[{", b"[" + (b'{"resource":%b},' % ORDER) * 200 + b"{", 1),
    "byte order mark": b"\xef\xbb\xbf" + CALL,
    "no hook": CALL.replace(b'"hook"', b'"hock"'),
    "other hook": CALL.replace(b'"order-sign"', b'"patient-view"'),
    "no instance": CALL.replace(b'"hookInstance"', b'"hookinstance"'),
    "blank instance": re.sub(rb'"hookInstance":"[^"]*"', b'"hookInstance":" "', CALL),
    "number as instance": re.sub(rb'"hookInstance":"[^"]*"', b'"hookInstance":1', CALL),
    "long encounter": CALL.replace(
        b'"patientId":', b'"encounterId":"%b","patientId":' % (b"x" * 2000)
    ),
    "other patient": CALL.replace(b'"patientId":"', b'"patientId":"x'),
    "no patient": CALL.replace(b'"patientId"', b'"patient"'),
    "server is a number": CALL.replace(b'{"hook"', b'{"fhirServer":1e999,"hook"', 1),
    "access is odd": CALL.replace(
        b'{"hook"', b'{"fhirAuthorization":{"expires_in":1e999},"hook"', 1
    ),
    "prefetch is a list": re.sub(rb'"prefetch":.*', b'"prefetch":[]}', CALL),
    "no prefetch": re.sub(rb',"prefetch":.*', b"}", CALL),
    "prefetch is null": re.sub(rb'"prefetch":.*', b'"prefetch":null}', CALL),
    "a name between orders": CALL.replace(ORDER, ORDER[:-1] + b',"\\u0000code":{}}'),
}


@pytest.mark.parametrize("name", TEXTS)
def test_attacks(both: Both, name: str) -> None:
    both.agree(TEXTS[name])


@pytest.mark.parametrize("name", TEXTS)
def test_attacks_in_other_blanks(both: Both, name: str) -> None:
    both.agree(TEXTS[name].replace(b'":', b'" : ').replace(b',"', b',\n  "'))


def test_selected_orders(both: Both) -> None:
    """A harmful draft beside the selected one is not remembered as harmless."""
    body = call(CREATININE, BIOPSY)
    body["hook"] = "order-select"
    for number in (0, 1):
        body["context"]["selections"] = [f"ServiceRequest/{order_of(body, number)['id']}"]
        both.agree(packed(body), "ho-order-select")
    assert '"cards":[{' in both.agree(packed(call(BIOPSY)))


def test_a_repeat_beside_a_bundle_of_orders_teaches_nothing(both: Both) -> None:
    """Two entries and two orders, but one entry holds both, and the other is a biopsy that goes
    by the id of the first."""
    body = call(CREATININE, "loinc 2823-3 Potassium [Moles/volume] in Serum or Plasma", BIOPSY)
    one, other, biopsy = (order_of(body, number) for number in range(3))
    held = [{"resource": one}, {"resource": other}]
    biopsy["id"] = one["id"]
    inner = {"resourceType": "Bundle", "type": "collection", "subject": one["subject"]}
    drafts = [{"resource": {**inner, "entry": held}}, {"resource": biopsy}]
    body["context"]["draftOrders"]["entry"] = drafts
    for text in (packed(body), packed(body).replace(b'"Bundle"', b'"Bundl\\u0065"')):
        both.agree(text)
        assert '"cards":[{' in both.agree(packed(call(BIOPSY)))


@pytest.mark.parametrize("release", ["R5", "STU3"])
def test_other_releases(both: Both, release: str) -> None:
    for order in (CREATININE, BIOPSY, "rxnorm 205323 celecoxib 200 MG Oral Capsule"):
        both.agree(packed(request({**FOP, "orders": [order]}, release)))


@given(st.data())
@settings(max_examples=100, derandomize=True, deadline=None)
def test_any_bytes_put_in_or_taken_out(both: Both, data: st.DataObject) -> None:
    pieces = st.sampled_from([b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"0", b" ", b"\x00",
                              b'"code":{},', b'"id":"x",', HARM, b"null", b""])  # fmt: skip
    at = data.draw(st.integers(0, len(CALL)))
    cut = data.draw(st.sampled_from([0, 0, 1, 2, 10, 100]))
    both.agree(CALL[:at] + data.draw(pieces) + CALL[at + cut :])


def test_a_change_of_the_content_forgets(knowledge: Knowledge) -> None:
    runtime = hooks.offline(knowledge, NOW.date(), Settings())
    assert hooks.offline(knowledge, NOW.date()).harmless is not runtime.harmless


@pytest.mark.parametrize("order", [CREATININE, BIOPSY])
@pytest.mark.parametrize("style", [{}, {"indent": 1}])
def test_a_large_chart_changes_nothing(both: Both, order: str, style: dict[str, Any]) -> None:
    """The orders are looked at in what is left of a call without its prefetch."""
    body = call(order)
    entries = body["prefetch"]["conditions"]["entry"]
    body["prefetch"]["conditions"]["entry"] = entries * 1_000
    content = packed(body, **style)
    assert len(content) > 256 * 1024
    assert ('"cards":[]' in both.agree(content)) is (order == CREATININE)
    twice = content.rstrip(b"}") + b',"patient":{}}}'
    assert "Error" in both.agree(twice) or "BadRequest" in both.agree(twice)
