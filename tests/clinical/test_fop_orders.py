"""With FOP on record no live order outside the harmless list is silent, whatever else is sent."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.cards import trace
from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request
from tests.support.casebook import load_all
from tests.support.resources import PATIENT_ID
from tests.support.wire_rules import without_own_links

URL = "/cds-services/ho-order-sign"
FOP = ["sct 82725007 Progressive myositis ossificans", "icd10cm M61.10 Myositis ossificans"]
BESIDE = ["icd10cm I10 Hypertension", "icd10cm M45.9 Ankylosing spondylitis", "text No known FOP"]
CASES = [case for case in load_all() if case.file == "fop-orders.yaml"]
HARMLESS = [case.description["orders"][0] for case in CASES if case.cards is None]
CODED = [
    order for order in HARMLESS
    if order.split(" ")[0] in {"cpt", "sct", "pcs", "ops", "cdt"} and "|" not in order
]  # fmt: skip
HARM_IN_WORDS = [
    "Muscle biopsy", "Excision of naevus", "Nerve block", "PICC line placement",
    "Fine needle aspiration", "Tooth extraction", "Colonoscopy", "Closed reduction",
    "Kaiserschnitt", "Vollnarkose", "抜歯", "剖宫产",
]  # fmt: skip
ONE_OF_EACH = list({
    case.cards[0]["card"]: case.description["orders"][0] for case in CASES if case.cards
}.values())  # fmt: skip
KNOWN_HARM = [case.description["orders"][0] for case in CASES if case.cards is not None]
FEW = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.function_scoped_fixture),
)
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
SYSTEMS = ["cpt", "sct", "pcs", "ops", "cdt", "loinc", "atc", "local", "system=urn:oid:1.2.3.4.5"]
TYPES = ["ServiceRequest", "ProcedureRequest", "DeviceRequest", "Task", "CarePlan",
         "CommunicationRequest", "RequestGroup", "SupplyRequest", "NeverHeardOf"]  # fmt: skip
WORDS = ["", "Zorblax of the thigh", "Eingriff nach Plan", "手術", "Procedure as discussed"]
CODES = st.text(LETTERS, min_size=6, max_size=12).map(lambda code: f"ZQ{code}")
INVENTED = st.builds(
    lambda system, code, words: f"{system} {code} {words}".strip(),
    st.sampled_from(SYSTEMS), CODES, st.sampled_from(WORDS),
)  # fmt: skip


@st.composite
def of_any_type(draw: st.DrawFn) -> dict[str, Any]:
    """An order of any type in a code that nobody knows, with whatever category."""
    coding = {"system": draw(st.sampled_from(["urn:oid:1.2.3", "http://www.ama-assn.org/go/cpt"]))}
    coding |= {"code": draw(CODES)}
    resource = {
        "resourceType": draw(st.sampled_from(TYPES)),
        "id": draw(st.text("abcdef0123456789", min_size=12, max_size=12)),
        "status": draw(st.sampled_from(["draft", "active", "on-hold", "unknown"])),
        "subject": {"reference": f"Patient/{PATIENT_ID}"},
        "code": {"coding": [coding]},
        "category": [{"text": draw(st.sampled_from(["Laboratory", "Imaging", "Counselling"]))}],
    }
    return {"raw": resource}


@pytest.fixture(scope="module")
def app(make_client: ClientFactory) -> AppClient:
    return make_client()


def told(app: AppClient, orders: list[Any], chart: dict[str, Any]) -> set[str]:
    """`Type/id` of the orders on the one card about genetic HO."""
    body = request({"patient": {"age": 24, "sex": "male"}, "orders": orders, "chart": chart})
    answer = app.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    cards = answer.json()["cards"]
    assert len(cards) <= 1
    return {order for card in cards for order in card["extension"][trace.NAME]["orders"]}


def sent(orders: list[Any], chart: dict[str, Any]) -> list[str]:
    body = request({"patient": {"age": 24, "sex": "male"}, "orders": orders, "chart": chart})
    entries = body["context"]["draftOrders"]["entry"]
    return [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries]


@FEW
@given(
    fop=st.sampled_from(FOP),
    beside=st.lists(st.sampled_from(BESIDE), unique=True),
    harm=st.lists(st.one_of(INVENTED, of_any_type(), st.sampled_from(KNOWN_HARM)), max_size=4),
    harmless=st.lists(st.sampled_from(HARMLESS), max_size=3, unique=True),
)
def test_every_order_that_is_not_harmless_is_told(
    app: AppClient, fop: str, beside: list[str], harm: list[Any], harmless: list[str]
) -> None:
    chart = {"conditions": [fop, *beside]}
    orders = [*harm, *harmless]
    if orders:
        assert told(app, orders, chart) == set(sent(orders, chart)[: len(harm)])


@FEW
@given(orders=st.lists(st.sampled_from(HARMLESS), min_size=1, max_size=5, unique=True))
def test_harmless_orders_are_answered_without_the_chart(app: AppClient, orders: list[str]) -> None:
    assert told(app, orders, {"conditions": [FOP[0]]}) == set()


@FEW
@given(order=st.sampled_from(CODED), words=st.sampled_from(HARM_IN_WORDS))
def test_a_harmless_code_is_not_believed_beside_words_of_harm(
    app: AppClient, order: str, words: str
) -> None:
    system, code = order.split(" ")[:2]
    assert told(app, [f"{system} {code} {words}"], {"conditions": [FOP[0]]})


@pytest.mark.parametrize("inside", [True, False])
def test_the_material_of_a_test_says_how_it_is_taken(app: AppClient, inside: bool) -> None:
    body = request({"orders": ["cpt 85025 Blood count"], "chart": {"conditions": [FOP[0]]}})
    (order,) = [entry["resource"] for entry in body["context"]["draftOrders"]["entry"]]
    assert app.post(URL, json=body).json()["cards"] == []
    if inside:
        marrow = {"resourceType": "Specimen", "id": "s", "type": {"text": "Bone marrow aspirate"}}
        order |= {"specimen": [{"reference": "#s"}], "contained": [marrow]}
    else:
        order |= {"specimen": [{"display": "Arterial blood"}]}
    (card,) = app.post(URL, json=body).json()["cards"]
    assert card["indicator"] == "critical"


def urgent(order: str) -> str:
    """The order as an urgent one, where the short form of the cases has a word for it."""
    return order if "| medicine" in order or "| vaccine" in order else f"{order} | urgent"


@pytest.mark.parametrize("first", ONE_OF_EACH)
def test_the_advice_of_a_card_says_nothing_twice(app: AppClient, first: str) -> None:
    """No four words twice, alone and urgent; no seven words with every other kind of order."""
    sets = [([first], 4), ([urgent(first)], 4)]
    sets += [([urgent(first), other], 7) for other in ONE_OF_EACH]
    for orders, length in sets:
        chart = {"conditions": [FOP[0]]}
        body = request({"patient": {"age": 24, "sex": "male"}, "orders": orders, "chart": chart})
        (card,) = app.post(URL, json=body).json()["cards"]
        advice = re.search(r"\*\*Advised:\*\* (.*)", without_own_links(card))
        assert advice, card["detail"]
        words = re.findall(r"[\w'-]+", advice[1].lower())
        runs = [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]
        assert len(runs) == len(set(runs)), (orders, advice[1])


def test_there_are_enough_of_both() -> None:
    assert len(KNOWN_HARM) >= 80
    assert len(HARMLESS) >= 40
