"""A DiagnosticReport on ACVR1, the gene of FOP, wherever it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request
from tests.support.resources import PATIENT_ID


def report(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport",
        "id": "report-1",
        "status": "final",
        "subject": {"reference": f"Patient/{PATIENT_ID}"},
        "code": {"text": "Genetic analysis"},
    } | more


@pytest.fixture(scope="module")
def app(make_client: ClientFactory) -> AppClient:
    return make_client()


def cards(app: AppClient, sent: dict[str, Any]) -> list[tuple[str, str]]:
    """Indicator and summary of the cards for a biopsy, with the report among the results."""
    body = request({"patient": {"age": 19, "sex": "female"}, "orders": ["muscle biopsy"]})
    body["prefetch"]["observations"]["entry"].append({"resource": sent})
    answer = app.post("/cds-services/ho-order-sign", json=body)
    assert answer.status_code == 200, answer.text
    return [(card["indicator"], card["summary"]) for card in answer.json()["cards"]]


@pytest.mark.parametrize(
    "more",
    [
        {"conclusion": "Heterozygous ACVR1 c.617G>A (p.Arg206His) detected."},
        {"conclusion": "ACVR1: R206H, pathogenic. No other pathogenic variant found."},
        {"code": {"text": "ACVR1 gene"}, "conclusionCode": [{"text": "p.Arg206His"}]},
        {"conclusion": "Pathogenic variant in ACVR1 (c.983G>A)"},
    ],
)
def test_a_report_that_finds_the_variant_makes_fop_suspected(
    app: AppClient, more: dict[str, Any]
) -> None:
    ((indicator, summary),) = cards(app, report(**more))
    assert indicator == "warning"
    assert summary.startswith("FOP suspected")


@pytest.mark.parametrize(
    "more",
    [
        {"conclusion": "ACVR1 c.617G>A (p.Arg206His) not detected."},
        {"conclusion": "No pathogenic variant in ACVR1."},
        {"conclusion": "ACVR1 R206H in tumor tissue"},
        {"conclusion": "Pathogenic variant in BRCA1"},
        {"code": {"text": "ACVR1 gene"}},
        {"conclusion": "ACVR1 R206H detected", "status": "entered-in-error"},
        {"conclusion": "ACVR1 R206H detected", "subject": {"reference": "Patient/other"}},
        {"conclusion": 7, "conclusionCode": "R206H"},
    ],
)
def test_any_other_report_says_nothing(app: AppClient, more: dict[str, Any]) -> None:
    assert cards(app, report(**more)) == []
