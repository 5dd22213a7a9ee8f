"""`validate` speaks of an order that the service only asks about, and both of the same orders."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.cards import trace
from tests.support.app_client import AppClient
from tests.support.builders import request
from tests.support.ehr_calls import SIGN
from tests.support.validating import Check, only

POSSIBLE = {
    "ops 5-821.0 Wechsel": ("code", "general knowledge"),
    "ops 1-491.5 Biopsie": ("code", "biopsy"),
    "local 1 Hüft-TEP rechts": ("code", "by its words"),
    "text PTH droite": ("code", "by its words"),
    "opcs W58.1 Resurfacing": ("bodySite", "joint open"),
    "opcs W52.1 Prosthesis": ("bodySite", "joint open"),
    "right hip replacement | modified": ("modifierExtension", "modifier"),
}
CERTAIN_OR_ELSE = (
    "right hip replacement",
    "muscle biopsy",
    "opcs W58.1 Resurfacing | site hip",
    "opcs W58.1 Resurfacing | site elbow",
    "text PTH intact",
    "local 1 Knie-TEP rechts",
    "ops 5-821.0 Wechsel | revoked",
    "sct 399208008 Plain chest X-ray | modified",
)


def body(order: str) -> dict[str, Any]:
    return request({"patient": {"age": 60, "sex": "female"}, "orders": [order], "chart": {}})


@pytest.mark.parametrize("order", POSSIBLE)
def test_a_possible_order_is_a_finding(check: Check, client: AppClient, order: str) -> None:
    place, words = POSSIBLE[order]
    found = only(check(body(order)), "possible-order")

    assert found.path[-1] == place
    assert words in found.message
    answer = client.post(SIGN, json=body(order)).json()
    assert answer["extension"][trace.NAME]["notUnderstood"]["orders"]


@pytest.mark.parametrize("order", CERTAIN_OR_ELSE)
def test_another_order_is_none(check: Check, order: str) -> None:
    assert "possible-order" not in {finding.kind for finding in check(body(order)).findings}


def test_silence_says_that_another_chart_would_ask(check: Check) -> None:
    [said] = check(body("ops 5-821.0 Wechsel")).answer.silences
    assert "1 may be" in said
