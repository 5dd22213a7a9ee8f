"""What the trace says was looked for in vain, through HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from cds_service import hooks
from cds_service.cards.explain import explain
from cds_service.cards.trace import NAME
from cds_service.knowledge.loader import Knowledge
from cds_service.trust.tokens import ANONYMOUS
from tests.support.app_client import AppClient
from tests.support.builders import request
from tests.support.shorthand import TODAY

URL = "/cds-services/ho-order-sign"
HO = "sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02"
GENETIC = {"fop", "poh", "gnas"}


def trace(client: AppClient, **described: Any) -> dict[str, Any]:
    patient = {"age": 60, "sex": "female"}
    body = request({"patient": patient, "orders": ["right hip replacement"], **described})
    said: dict[str, Any] = client.post(URL, json=body).json()["extension"][NAME]
    return said


def test_genetic_ho_is_named_among_what_was_looked_for(client: AppClient) -> None:
    absent = set(trace(client, chart={})["absent"])
    assert absent >= GENETIC | {"ankylosing-spondylitis", "previous-ho-hip"}


def readable(knowledge: Knowledge, order: str) -> dict[str, tuple[str, ...]]:
    """The readable trace: titles with their lines."""
    body = request({"patient": {"age": 60, "sex": "female"}, "orders": [order], "chart": {}})
    call = json.dumps(body).encode()
    consulted = asyncio.run(hooks.consult(None, call, ANONYMOUS, hooks.offline(knowledge, TODAY)))
    chart, assessment = consulted.explained()
    return {one.title: one.lines for one in explain(assessment, chart, knowledge)}


@pytest.mark.parametrize("order", ["muscle biopsy", "knee replacement"])
def test_an_order_of_fop_only_says_what_was_looked_for(knowledge: Knowledge, order: str) -> None:
    assert readable(knowledge, order)["Tested and found absent"] == (
        "fibrodysplasia ossificans progressiva (FOP) [fop]",
        "progressive osseous heteroplasia (POH) [poh]",
        "GNAS disorder (pseudohypoparathyroidism) [gnas]",
    )


def test_what_is_found_is_not_absent(client: AppClient) -> None:
    said = trace(client, chart={"conditions": ["sct 82725007 Progressive myositis ossificans"]})
    assert "fop" not in said["absent"]
    assert {"poh", "gnas"} <= set(said["absent"])


@pytest.mark.parametrize("failed", ["allergies", "observations", "medications"])
def test_an_input_that_no_factor_asks_for_leaves_the_factors_decided(
    client: AppClient, failed: str
) -> None:
    said = trace(client, chart={"conditions": [HO]}, failed=[failed])
    assert set(said["absent"]) >= GENETIC | {"dish", "ankylosed-hip"}
    assert "notKnown" not in said


def test_procedures_that_failed_leave_open_what_rests_on_them(client: AppClient) -> None:
    said = trace(client, chart={"conditions": [HO]}, failed=["procedures"])
    assert {"previous-hip-surgery", "ankylosed-hip"} <= set(said["notKnown"])
    assert set(said["absent"]) >= GENETIC | {"dish", "paget-disease"}


def test_a_problem_list_that_failed_leaves_genetic_ho_open(client: AppClient) -> None:
    said = trace(client, chart={}, failed=["conditions"])
    assert set(said["notKnown"]) >= GENETIC
    assert not GENETIC & set(said.get("absent", ()))


def test_an_order_that_is_no_matter_of_ho_tests_nothing(knowledge: Knowledge) -> None:
    assert "Tested and found absent" not in readable(knowledge, "cpt 71046 Chest X-ray")
