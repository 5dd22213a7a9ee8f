"""An order that may be hip arthroplasty, biopsy or surgery asks where a certain one gets a card."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.cards import trace
from cds_service.knowledge.loader import load
from cds_service.knowledge.terminology import Row
from tests.support.app_client import AppClient
from tests.support.builders import request
from tests.support.ehr_calls import SIGN

HO = "sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02"
SPONDYLITIS = "icd10cm M45.9 Ankylosing spondylitis"
CHARTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "high": {"chart": {"conditions": [HO]}},
    "one moderate factor": {"chart": {"conditions": [SPONDYLITIS]}},
    "two moderate factors": {"chart": {"conditions": [SPONDYLITIS, "icd10cm M48.10 DISH"]}},
    "HO in words": {"chart": {"conditions": ["text Heterotopic ossification of hip"]}},
    "FOP in words": {"chart": {"conditions": ["text Fibrodysplasia ossificans progressiva"]}},
    "FOP suspected": {"chart": {"conditions": ["icd10cm M61.10 FOP | provisional"]}},
    "FOP": {"chart": {"conditions": ["sct 82725007 Fibrodysplasia ossificans progressiva"]}},
    "POH": {"chart": {"conditions": ["sct 699251001 Progressive osseous heteroplasia"]}},
    "a brother with FOP": {"chart": {"family": ["sct 82725007 FOP | brother"]}},
    "problem list withheld": {"signals": {"conditions": "Epic 59204"}},
    "problem list failed": {"failed": ["conditions"]},
    "problem list in part": {"partial": ["conditions"]},
    "problem list unknown": {"chart": {"conditions": ["ips no-problem-info Unknown"]}},
    "procedures failed": {"failed": ["procedures"]},
    "conflict": {
        "chart": {"conditions": [HO, "icd10cm I50.22 Chronic systolic heart failure"]},
        "with": ["rxnorm 205323 celecoxib 200 MG | medicine | 200 mg twice daily for 14 days"],
    },
    "covered": {
        "chart": {"conditions": [HO]},
        "with": ["rxnorm 205323 celecoxib 200 MG | medicine | 200 mg twice daily for 14 days"],
    },
}
SURE = {
    "biopsy": "cpt 20205 Biopsy of muscle",
    "hip-arthroplasty-other": "right hip replacement",
    "hip-hemiarthroplasty": "hip hemiarthroplasty",
    "hip-resurfacing": "sct 445185007 Hip resurfacing",
    "hip-revision": "hip revision",
    "hip-total-primary": "right hip replacement",
    "soft-tissue-excision": "cpt 27059 Excision of a soft-tissue lesion",
    "orthopaedic-surgery": "knee replacement",
    "hip-arthroscopy": "cpt 29861 Hip arthroscopy",
    "hip-prosthesis-removal": "cpt 27090 Removal of a hip prosthesis",
}


def _low() -> dict[str, Row]:
    """The rows without a good source of which no other row is certain, by system and code."""
    knowledge = load()
    wanted = {one for trigger in knowledge.triggers.values() for one in trigger.value_sets}
    index = knowledge.index
    return {
        f"system={row.system} {row.code}": row
        for row in index.unsure
        if row.concept in wanted and index.match(row.system, row.code) is None
    }


LOW = _low()


def answer(client: AppClient, order: str, chart: str) -> dict[str, Any]:
    described = CHARTS[chart]
    orders = [order, *described.get("with", ())]
    patient = {"age": 45, "sex": "female"}
    body = request({"patient": patient, "chart": {}, **described, "orders": orders})
    response = client.post(SIGN, json=body)
    assert response.status_code == 200
    said: dict[str, Any] = response.json()
    return said


def told(said: dict[str, Any]) -> int:
    found = said["extension"][trace.NAME].get("notUnderstood", {}).get("orders", [])
    return sum(row["count"] for row in found)


def test_there_are_such_rows() -> None:
    assert {row.concept for row in LOW.values()} <= SURE.keys()
    assert len(LOW) > 10


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("code", LOW)
def test_it_asks_where_a_certain_code_gets_a_card(client: AppClient, code: str, chart: str) -> None:
    sure = answer(client, SURE[LOW[code].concept], chart)
    said = answer(client, f"{code} Eingriff", chart)

    assert bool(said["cards"]) == bool(sure["cards"])
    if chart not in {"FOP", "FOP suspected"}:  # known harm by the range of its code
        assert {card["indicator"] for card in said["cards"]} <= {"info"}
    assert told(said) == 1


DOUBTED = {
    "words": "local 4711 Hüft-TEP rechts",
    "words without a code": "text L THR",
    "OPCS-4 prosthesis without a site": "opcs W52.1 Prosthesis",
    "OPCS-4 resurfacing without a site": "system=https://fhir.nhs.uk/Id/opcs-4 W581 Resurfacing",
    "modified": "right hip replacement | modified",
    "modified hemiarthroplasty": "hip hemiarthroplasty | modified",
}


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("name", DOUBTED)
def test_what_leaves_it_open_asks_as_well(client: AppClient, name: str, chart: str) -> None:
    order = DOUBTED[name]
    alone = {"one moderate factor"} if name.startswith("words") else set()
    sure = answer(client, "hip hemiarthroplasty", chart)
    said = answer(client, order, chart)

    assert bool(said["cards"]) == (bool(sure["cards"]) and chart not in alone)
    if chart not in {"FOP", "FOP suspected"}:
        assert {card["indicator"] for card in said["cards"]} <= {"info"}
    assert told(said) == 1


@pytest.mark.parametrize(
    "order",
    [
        "opcs W52.1 Prosthesis | site elbow",
        "opcs W58.1 Resurfacing of knee",
        "opcs W52.1 Hemiarthroplasty of shoulder",
    ],
)
def test_another_joint_is_not_asked_about(client: AppClient, order: str) -> None:
    assert answer(client, order, "high")["cards"] == []


def test_a_site_makes_it_certain(client: AppClient) -> None:
    (card,) = answer(client, "opcs W52.1 Prosthesis | site hip", "high")["cards"]
    assert card["indicator"] == "warning"


def test_a_question_about_a_sure_and_an_unsure_order_is_one_card(client: AppClient) -> None:
    described = CHARTS["problem list failed"]
    orders = ["right hip replacement", "ops 1-502.4 Biopsie"]
    body = request({"patient": {"age": 45}, "chart": {}, **described, "orders": orders})
    (card,) = client.post(SIGN, json=body).json()["cards"]

    assert "right hip arthroplasty and what may be a biopsy" in card["summary"]


def test_both_hips_are_one_question(client: AppClient) -> None:
    orders = ["ops 5-821.0 Wechsel | right", "ops 5-821.1 Wechsel | left"]
    body = request({"patient": {"age": 45, "sex": "female"}, "chart": {}, "orders": orders})
    (card,) = client.post(SIGN, json=body).json()["cards"]

    assert "moderate HO risk" in card["summary"]


def test_no_problem_list_at_all_is_refused_as_for_a_sure_order(client: AppClient) -> None:
    for order in ("ops 5-821.0 Wechsel", "hip revision"):
        body = request({"patient": {"age": 45}, "orders": [order], "prefetch": "none"})
        assert client.post(SIGN, json=body).status_code == 412
