"""Why there is no card: one sentence, the same on the command line, the page and in the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.cards import trace
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.validate.engine import Options, Validator
from tests.cli.test_check import check
from tests.server.test_pages import PageClient
from tests.support.app_client import ClientFactory
from tests.support.builders import request as build
from tests.support.validating import TODAY

HIP, SCAN = "right hip replacement", "sct 229070002 Stretching exercise"
SILENCES: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "nothing found": ([HIP], {}, "1 draft order was looked at: no risk factor that counts."),
    "of no kind": ([SCAN], {}, "no draft order that was asked about is of a kind that is"),
    "beside genetic HO only": (["muscle biopsy"], {}, "in genetic ossification only, and none"),
    "not understood": (["local 1 A"], {}, "1 draft order was not understood: no code is in"),
    "not understood beside another": (
        ["local 1 A", SCAN], {}, "read here. No other that was asked about is of a kind",
    ),
    "nothing found beside what was not understood": (
        [HIP, "local 1 A"], {}, "no risk factor that counts. 1 other draft order was not underst",
    ),
    "no order": ([], {}, "the request holds no draft order that stands."),
    "no order that stands": (["right hip replacement | revoked"], {}, "no draft order that stands"),
}  # fmt: skip


def call(orders: list[str], chart: dict[str, Any]) -> dict[str, Any]:
    return build({"patient": {"age": 60, "sex": "female"}, "orders": orders, "chart": chart})


@pytest.fixture
def pages(make_client: ClientFactory) -> PageClient:
    return PageClient(make_client().app)


def said_everywhere(body: dict[str, Any], pages: PageClient) -> str:
    """The sentence, which must be one and the same."""
    told = pages.post("/playground/answer", content=json.dumps(body)).json()
    answer = pages.post("/cds-services/ho-orders", content=json.dumps(body)).json()
    shown = check(body)
    assert (shown.code, shown.out) == (0, f"{told['silence']}\n")
    if "extension" in answer:
        assert answer["extension"][trace.NAME]["why"] == told["silence"]
    else:  # a call that is no business of ours: the bytes that a withheld card gives, too
        assert answer == {"cards": []}
    return str(told["silence"])


@pytest.mark.parametrize("name", SILENCES)
def test_every_silence_says_which_it_is(name: str, pages: PageClient, knowledge: Knowledge) -> None:
    orders, chart, words = SILENCES[name]
    said = said_everywhere(call(orders, chart), pages)

    assert words in said
    report = Validator(Options(today=TODAY), knowledge).check(
        json.dumps(call(orders, chart)).encode()
    )
    assert report.answer.silences[0].startswith(said.split(": ", 1)[1])


def test_an_opened_chart_has_a_sentence_of_its_own(pages: PageClient) -> None:
    body = call([], {}) | {"hook": "patient-view"}
    del body["context"]["draftOrders"]
    told = pages.post("/playground/answer", content=json.dumps(body)).json()

    assert told["silence"] == (
        "No card: the chart was looked at, and nothing in it tells of genetic ossification."
    )
    assert check(body).out.strip() == told["silence"]


def test_a_card_needs_no_reason_for_silence(pages: PageClient) -> None:
    body = call([HIP], {"conditions": ["sct 444748003 HO"]})
    told = pages.post("/playground/answer", content=json.dumps(body)).json()
    answer = pages.post("/cds-services/ho-orders", content=json.dumps(body)).json()

    assert told["silence"] is None
    assert "why" not in answer["extension"][trace.NAME]


def test_words_of_the_chart_are_in_no_sentence(pages: PageClient) -> None:
    body = call(["local 1 Mr Example's operation"], {})

    assert "Example" not in said_everywhere(body, pages)
