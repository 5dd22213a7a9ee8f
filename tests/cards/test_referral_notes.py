"""What the referral to radiation oncology tells its reader beside the question."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request

HO = "sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02"
LEFT = "sct 108290001 Radiation oncology procedure | left | site hip | on 2010-01-01"
CEMENTLESS = "pcs 0SR90JA Replacement of right hip joint, uncemented"


@pytest.fixture(scope="module")
def app(make_client: ClientFactory) -> AppClient:
    return make_client()


def _note(app: AppClient, **more: Any) -> str:
    patient = {"patient": {"age": 60, "sex": "male"}, "orders": ["right hip replacement"]} | more
    (card,) = app.post("/cds-services/ho-order-sign", json=request(patient)).json()["cards"]
    resources = [a["resource"] for s in card["suggestions"] for a in s["actions"]]
    (referral,) = [r for r in resources if r["resourceType"] == "ServiceRequest"]
    return str(referral["note"][0]["text"])


def test_the_other_hip_irradiated_before_is_named(app: AppClient) -> None:
    note = _note(app, chart={"conditions": [HO], "procedures": [LEFT]})
    assert note.startswith("Earlier irradiation of the other hip: ")
    assert "Asked: single-fraction prophylaxis" in note


@pytest.mark.parametrize(("order", "named"), [(CEMENTLESS, True), ("right hip replacement", False)])
def test_a_cementless_implant_is_named(app: AppClient, order: str, named: bool) -> None:
    note = _note(app, orders=[order], chart={"conditions": [HO]})
    assert ("The implant is cementless; the field is yours." in note) is named
