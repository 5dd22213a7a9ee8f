"""What came in codes that nobody can read is told: in the answer, the log, figures and traces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.cards import trace
from tests.support.app_client import AppClient
from tests.support.builders import request as build
from tests.support.builders import with_resource
from tests.support.ehr_calls import HIGH, SIGN, VIEW
from tests.support.resources import PATIENT_ID

LOCAL = "http://hospital.example/codes"


def told(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer.get("extension", {}).get(trace.NAME, {})
    systems: dict[str, Any] = found.get("notUnderstood", {})
    return systems


def ask(client: AppClient, *orders: str, chart: dict[str, Any] | None = None) -> dict[str, Any]:
    body = build({"patient": {"age": 60, "sex": "female"}, "orders": orders, "chart": chart or {}})
    answer: dict[str, Any] = client.post(SIGN, json=body).json()
    return answer


def test_an_order_in_local_codes_is_told_without_a_card(client: AppClient) -> None:
    answer = ask(client, "local 12345 Some procedure")

    assert answer["cards"] == []
    assert told(answer) == {"orders": [{"system": LOCAL, "count": 1}]}


def test_an_order_in_words_only_has_no_code(client: AppClient) -> None:
    assert told(ask(client, "text Some procedure")) == {"orders": [{"why": "no code", "count": 1}]}


def test_orders_are_counted_by_system_the_most_frequent_first(client: AppClient) -> None:
    orders = ("system=urn:oid:1.2.840.114350.1.13 1 A", "local 2 B", "local 3 C", "text D")

    assert told(ask(client, *orders))["orders"] == [
        {"system": LOCAL, "count": 2},
        {"why": "no code", "count": 1},
        {"system": "urn:oid:1.2.840.114350.1.13", "count": 1},
    ]


@pytest.mark.parametrize(
    "order",
    [
        "sct 399208008 Plain chest X-ray",  # of a system that is read
        "sct 609588000 Total knee replacement",  # looked at
        "local 1 Paracetamol tablet | medicine | route oral",
    ],
)
def test_what_is_understood_is_not_told(client: AppClient, order: str) -> None:
    assert "orders" not in told(ask(client, order))


def test_a_harmless_order_gets_the_bare_answer(client: AppClient) -> None:
    """Nothing of the chart was looked at, so nothing is said of it."""
    chart = {"conditions": ["local 1 Something"]}

    assert ask(client, "sct 28520004 Venipuncture", chart=chart) == {"cards": []}


def test_one_code_that_can_be_read_is_enough(client: AppClient) -> None:
    assert told(ask(client, "local 1 Knee replacement | also sct 609588000 Knee replacement")) == {}


def test_the_chart_is_told_by_input(client: AppClient) -> None:
    chart = {
        "conditions": ["local 1 A", "local 2 B", "icd10cm M16.11 Coxarthrosis", "text C"],
        "procedures": ["local 3 D"],
        "medications": ["system=http://hl7.org/fhir/sid/ndc 00000-0000 Something | active"],
        "allergies": ["local 4 Peanut"],
        "observations": ["local 5 Sodium | = 140 mmol/L"],
    }

    assert told(ask(client, "right hip replacement", chart=chart)) == {
        "allergies": [{"system": LOCAL, "count": 1}],
        "conditions": [{"system": LOCAL, "count": 2}, {"why": "no code", "count": 1}],
        "medications": [{"system": "NDC", "count": 1}],
        "observations": [{"system": LOCAL, "count": 1}],
        "procedures": [{"system": LOCAL, "count": 1}],
    }


def test_codes_without_a_system(client: AppClient) -> None:
    condition = {
        "resourceType": "Condition",
        "id": "x",
        "subject": {"reference": f"Patient/{PATIENT_ID}"},
        "code": {"coding": [{"code": "ABC"}, {"code": "DEF"}]},
    }
    body = with_resource(build(HIGH), "conditions", condition)

    found = told(client.post(SIGN, json=body).json())
    assert found.get("conditions") == [{"why": "codes without a system", "count": 1}]


def test_statements_of_absence_are_understood(client: AppClient) -> None:
    chart = {"allergies": ["ips no-known-allergies No known allergies"]}

    assert told(ask(client, "right hip replacement", chart=chart)) == {}


def test_no_known_allergies_in_words_is_understood(client: AppClient) -> None:
    chart = {"allergies": ["text No known allergies"]}

    assert told(ask(client, "right hip replacement", chart=chart)) == {}


def test_a_code_that_is_mapped_by_nobody_but_names_fop_is_no_stranger(client: AppClient) -> None:
    answer = ask(client, "muscle biopsy", chart={"conditions": ["local M61.1 Something"]})

    assert told(answer) == {}
    assert answer["cards"]


def test_many_systems_are_bounded(client: AppClient) -> None:
    chart = {"conditions": [f"system=http://h.example/s{n} 1 A" for n in range(30)]}
    rows = told(ask(client, "right hip replacement", chart=chart))["conditions"]

    assert len(rows) == 11
    assert rows[-1] == {"why": "further systems", "count": 20}


def test_another_patients_codes_are_not_counted(client: AppClient) -> None:
    chart = {"conditions": ["local 1 A | of another patient"]}

    assert told(ask(client, "right hip replacement", chart=chart)) == {}


def test_patient_view_tells_of_the_chart(client: AppClient) -> None:
    body = build({"patient": {"age": 60}, "orders": [], "chart": {"conditions": ["local 1 A"]}})
    body["hook"] = "patient-view"
    del body["context"]["draftOrders"]

    assert told(client.post(VIEW, json=body).json()) == {
        "conditions": [{"system": LOCAL, "count": 1}]
    }


def test_nothing_of_a_patient_gets_out(client: AppClient) -> None:
    answer = ask(client, "system=https://h.example/x?mrn=Doe12345678 1 A")

    assert "doe" not in json.dumps(answer).lower()
    assert told(answer) == {"orders": [{"system": "http://h.example/x", "count": 1}]}


def test_log_line_and_figures_have_names_of_a_closed_list(
    client: AppClient, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(client, "local 1 A", "system=urn:oid:2.16.840.1.113883.6.14 2 B")
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [line] = [line for line in logged if line["stream"] == "request"]

    assert line["not_understood"] == {"orders": {"other": 1, "HCPCS": 1}}
    figures = client.get("/metrics").text
    for system in ("other", "HCPCS"):
        name = (
            f'cds_not_understood_total{{input="orders",service="ho-order-sign",system="{system}"}}'
        )
        assert name in figures
    assert LOCAL not in figures


@pytest.mark.parametrize(
    ("line", "listed"),
    [("icd11 BA41 Acute myocardial infarction", True), ("umls C0027051", True),
     ("icd10 I10 Hypertension", False), ("orpha 420402", False)],
)  # fmt: skip
def test_a_system_of_which_few_codes_are_listed_is_told(
    client: AppClient, line: str, listed: bool
) -> None:
    """A code of ICD-11 that stands in no value set was not understood, an ICD-10 one was."""
    answer = ask(client, "right hip replacement", chart={"conditions": [line]})

    assert ("conditions" in told(answer)) is listed
