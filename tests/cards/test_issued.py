"""What a clinician accepts is known again: signing the drafts of a card ends in silence."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from tests.support.app_client import AppClient
from tests.support.builders import request

HIGH_RISK = {
    "patient": {"age": 60, "sex": "female"},
    "orders": ["right hip replacement"],
    "chart": {
        "conditions": ["sct 444748003 Postoperative heterotopic ossification | onset 2019-06-02"]
    },
}


def sign(client: AppClient, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post("/cds-services/ho-order-sign", json=body)
    assert response.status_code == 200
    answer: dict[str, Any] = json.loads(response.content)
    return answer


@pytest.mark.parametrize("release", ["R4", "R5", "STU3"])
@pytest.mark.parametrize("choice", [0, 1])
def test_an_accepted_option_is_prophylaxis_already_ordered(
    client: AppClient, release: str, choice: int
) -> None:
    body = request(HIGH_RISK, release)
    (card,) = sign(client, body)["cards"]
    again = deepcopy(body)
    for number, action in enumerate(card["suggestions"][choice]["actions"]):
        resource = action["resource"] | {"id": f"accepted-{number}"}
        again["context"]["draftOrders"]["entry"].append({"resource": resource})
    answer = sign(client, again)
    assert answer["cards"] == []
    (silent,) = answer["extension"]["org.example.ho-cds"]["silent"]
    assert silent["row"] == "6"
