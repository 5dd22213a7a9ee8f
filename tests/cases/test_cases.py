"""Every clinical case goes through the HTTP application; the answer is compared line by line."""

from __future__ import annotations

import re

import pytest

from cds_service.knowledge.loader import Knowledge
from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request
from tests.support.case_check import differences
from tests.support.casebook import Case, load_all

CASES = load_all()
URL = "/cds-services/ho-order-sign"


@pytest.fixture(scope="module")
def app(make_client: ClientFactory) -> AppClient:
    return make_client()


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_case(case: Case, app: AppClient) -> None:
    response = app.post(URL, json=request(case.description))
    found = differences(case, response.status_code, response.json())
    assert not found, f"{case.file}: {case.title}\n{case.why}\n" + "\n".join(found)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_source_is_known(case: Case, knowledge: Knowledge) -> None:
    """Keys in square brackets are entries of the evidence."""
    keys = re.findall(r"\[([a-z][a-z_]*[0-9_a-z]*)\]", case.why)
    assert not [key for key in keys if key.replace("_", "-") not in knowledge.evidence]
