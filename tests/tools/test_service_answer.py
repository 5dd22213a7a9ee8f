"""What `validate` says of the answer that a call would get."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from cds_service.tools.validate.engine import Options, Validator
from tests.support import exports
from tests.support.builders import request
from tests.support.validating import TODAY, Check, condition, only

# --- the answer ---


def test_the_card_that_would_come_is_told(check: Check) -> None:
    description = {
        "patient": {"age": 60, "sex": "female"},
        "orders": ["right hip replacement"],
        "chart": {"conditions": ["sct 444748003 HO | onset 2019-06-02"]},
    }
    answer = check(request(description)).answer
    assert [(c.row, c.card, c.indicator) for c in answer.cards] == [("7", "high-risk", "warning")]


@pytest.mark.parametrize(
    ("orders", "chart", "why"),
    [
        (["right hip replacement"], {}, "row 10"),
        (["loinc 24762-7 XR Hip Views"], {}, "none of 1 draft orders is of a kind"),
        (["text Total hip replacement"], {}, "1 of them without a code"),
    ],
)
def test_silence_has_a_reason(check: Check, orders: Any, chart: Any, why: str) -> None:
    description = {"patient": {"age": 60, "sex": "female"}, "orders": orders, "chart": chart}
    assert why in check(request(description)).answer.silences[0]


def test_a_call_without_the_problem_list_would_get_412(check: Check) -> None:
    report = check(request({"orders": ["right hip replacement"], "missing": ["conditions"]}))
    assert report.answer.status == 412
    assert only(report, "data-missing").layer.value == "answer"


def test_a_call_that_would_be_refused_says_where(check: Check) -> None:
    report = check({"hook": "order-sign", "hookInstance": "x", "context": {"userId": "P/1"}})
    assert only(report, "refused").path == ("context", "patientId")


def test_a_record_gets_the_order_that_is_asked_for(knowledge: Knowledge) -> None:
    patient = {"resourceType": "Patient", "id": "p1"}
    entries = [{"resource": patient}, {"resource": condition()}]
    bundle = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    silent = Validator(Options(today=TODAY), knowledge).check(bundle).answer
    assert "no draft order" in silent.silences[0]
    asked = Validator(Options(today=TODAY, order="hip"), knowledge).check(bundle).answer
    assert asked.cards[0].card == "high-risk"


def test_a_record_is_taken_back_to_the_day_that_is_named(knowledge: Knowledge) -> None:
    draft = exports.order() | {"status": "draft"}
    resources = [exports.patient(), exports.condition(day="2024-11-02"), draft]
    entries = [{"resource": one} for one in resources]
    data = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    day = date(2024, 4, 20)

    def rows(options: Options) -> list[str]:
        return [card.row for card in Validator(options, knowledge).check(data).answer.cards]

    assert rows(Options(today=day, then=True)) == []
    assert rows(Options(today=day)) == ["7"]
