"""Answers fitted to what a client is known to need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.app_client import AppClient
from tests.support.builders import request as build
from tests.support.constants import NOW
from tests.support.ehr_calls import HIGH
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, client_toml, jwk, key_set

ISSUER = Issuer(NOW)


def cards(knowledge: Knowledge, folder: Path, quirks: list[str]) -> list[dict[str, Any]]:
    path = folder / "clients.toml"
    keys = key_set(jwk("P-384", ISSUER.kid))
    path.write_text(client_toml(id="north", iss=ISS, quirks=quirks, jwks=keys))
    settings = Settings(clients=path, public_url=PUBLIC, database_url=SecretStr("none"))
    client = AppClient(create_app(settings, knowledge, clock=lambda: NOW))
    headers = {"Authorization": f"Bearer {ISSUER.token()}"}
    found: list[dict[str, Any]] = client.post(SIGN, json=build(HIGH), headers=headers).json()[
        "cards"
    ]
    return found


def actions(found: list[dict[str, Any]]) -> list[list[str]]:
    return [[a["description"] for a in s["actions"]] for c in found for s in c["suggestions"]]


def test_epic_gets_one_action_for_each_suggestion(knowledge: Knowledge, tmp_path: Path) -> None:
    plain = cards(knowledge, tmp_path, [])
    fitted = cards(knowledge, tmp_path, ["epic"])

    assert max(map(len, actions(plain))) > 1
    assert actions(fitted) == [[one] for several in actions(plain) for one in several]
    assert {card["selectionBehavior"] for card in fitted} == {"any"}
    uuids = [s["uuid"] for card in fitted for s in card["suggestions"]]
    assert len(set(uuids)) == len(uuids)


@pytest.mark.parametrize("member", ["summary", "detail", "indicator", "overrideReasons"])
def test_nothing_else_changes(knowledge: Knowledge, tmp_path: Path, member: str) -> None:
    [plain], [fitted] = (cards(knowledge, tmp_path, quirks) for quirks in ([], ["epic"]))
    assert plain[member] == fitted[member]
